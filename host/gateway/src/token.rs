//! Run tokens: what an agent uses as its key.
//!
//! A token is made from the gateway's own key, the run and the endpoint's name, and nothing else. So it is still good
//! after a restart, and worth nothing for another run, for another endpoint, or anywhere else.

use agentd_task::{RunNumber, TaskId};
use hmac::{Hmac, Mac};
use sha2::Sha256;

fn mac(key: &[u8; 32], task: TaskId, run: RunNumber, endpoint: &str) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(format!("agentd run token {task}.{run} {endpoint}").as_bytes());
    mac
}

/// The token of one endpoint of one run.
pub(crate) fn make(key: &[u8; 32], task: TaskId, run: RunNumber, endpoint: &str) -> String {
    hex::encode(mac(key, task, run, endpoint).finalize().into_bytes())
}

/// Whether `presented` is that token. Takes the same time wherever it differs.
pub(crate) fn is(presented: &str, key: &[u8; 32], task: TaskId, run: RunNumber, endpoint: &str) -> bool {
    let Ok(bytes) = hex::decode(presented) else { return false };
    mac(key, task, run, endpoint).verify_slice(&bytes).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_for_one_endpoint_of_one_run() {
        let (key, other) = ([7; 32], [8; 32]);
        let token = make(&key, TaskId(1), 2, "main");
        assert_eq!(token.len(), 64);
        assert_eq!(token, make(&key, TaskId(1), 2, "main"));
        assert!(is(&token, &key, TaskId(1), 2, "main"));
        assert!(!is(&token, &key, TaskId(1), 3, "main"));
        assert!(!is(&token, &key, TaskId(2), 2, "main"));
        assert!(!is(&token, &key, TaskId(1), 2, "fast"));
        assert!(!is(&token, &other, TaskId(1), 2, "main"));
        for bad in ["", "x", &token[..62], "00"] {
            assert!(!is(bad, &key, TaskId(1), 2, "main"), "{bad}");
        }
    }
}
