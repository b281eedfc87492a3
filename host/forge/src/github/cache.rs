//! Answers that GitHub gave before, with their ETags: asking again with one costs no point while nothing changed.
//!
//! - Never gives an answer by itself: GitHub has said that it still holds, each time.
//! - Never holds more than its limit; what was not used for the longest time goes first.

use bytes::Bytes;
use http::HeaderMap;
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// What is kept of an answer's head: how to go on, and what a token may.
const KEPT: [&str; 3] = ["link", "x-oauth-scopes", "content-type"];

pub(crate) struct Cache {
    limit: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    entries: HashMap<String, Entry>,
    /// Keys by their last use.
    uses: BTreeMap<u64, String>,
    clock: u64,
    bytes: usize,
}

struct Entry {
    kept: Kept,
    used: u64,
}

/// A kept answer. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Kept {
    pub(crate) etag: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Cache {
    /// `limit`: of all bodies and keys together, in bytes.
    pub(crate) fn new(limit: usize) -> Cache {
        Cache { limit, state: Mutex::default() }
    }

    pub(crate) fn get(&self, key: &str) -> Option<Kept> {
        let mut state = self.state();
        let State { entries, uses, clock, .. } = &mut *state;
        let entry = entries.get_mut(key)?;
        *clock += 1;
        let name = uses.remove(&entry.used)?;
        uses.insert(*clock, name);
        entry.used = *clock;
        Some(entry.kept.clone())
    }

    /// Keeps an answer if it has an ETag and is not too large to be worth it.
    pub(crate) fn put(&self, key: &str, headers: &HeaderMap, body: &Bytes) {
        let mut state = self.state();
        state.remove(key);
        let etag = headers.get(http::header::ETAG).and_then(|it| it.to_str().ok());
        let size = size(key, body);
        let Some(etag) = etag.filter(|_| size <= self.limit / 4) else { return };
        let kept = headers.iter().filter(|(name, _)| KEPT.contains(&name.as_str()));
        let headers = kept.map(|(name, value)| (name.clone(), value.clone())).collect();
        state.clock += 1;
        let used = state.clock;
        let kept = Kept { etag: etag.to_owned(), headers, body: body.clone() };
        state.entries.insert(key.to_owned(), Entry { kept, used });
        state.uses.insert(used, key.to_owned());
        state.bytes += size;
        while state.bytes > self.limit {
            let Some((_, oldest)) = state.uses.pop_first() else { break };
            state.remove(&oldest);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn remove(&mut self, key: &str) {
        if let Some(Entry { kept, used }) = self.entries.remove(key) {
            self.uses.remove(&used);
            self.bytes -= size(key, &kept.body);
        }
    }
}

/// Keys are kept twice; the rest is a guess at what surrounds an entry.
fn size(key: &str, body: &Bytes) -> usize {
    body.len() + 2 * key.len() + 256
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(cache: &Cache, key: &str, etag: Option<&str>, bytes: usize) {
        let mut headers = HeaderMap::new();
        headers.insert("link", "<x>; rel=\"next\"".parse().unwrap());
        headers.insert("x-ratelimit-remaining", "7".parse().unwrap());
        if let Some(etag) = etag {
            headers.insert("etag", etag.parse().unwrap());
        }
        cache.put(key, &headers, &Bytes::from(vec![b'x'; bytes]));
    }

    #[test]
    fn an_answer_is_kept_with_its_etag_and_the_way_on() {
        let cache = Cache::new(10_000);
        put(&cache, "a", Some("\"1\""), 10);
        let kept = cache.get("a").unwrap();
        assert_eq!((kept.etag.as_str(), kept.body.len()), ("\"1\"", 10));
        assert_eq!(kept.headers.keys().collect::<Vec<_>>(), ["link"]);
        put(&cache, "a", Some("\"2\""), 20);
        assert_eq!(cache.get("a").unwrap().etag, "\"2\"");
        put(&cache, "a", None, 20);
        assert!(cache.get("a").is_none(), "what has no ETag cannot be asked for again");
    }

    #[test]
    fn what_was_not_used_for_long_goes_first() {
        let cache = Cache::new(10_000);
        for key in ["a", "b", "c", "d"] {
            put(&cache, key, Some("\"1\""), 2_000);
        }
        assert!(cache.get("a").is_some());
        put(&cache, "e", Some("\"1\""), 2_000);
        let there: Vec<_> = ["a", "b", "c", "d", "e"].into_iter().filter(|it| cache.get(it).is_some()).collect();
        assert_eq!(there, ["a", "c", "d", "e"]);
        put(&cache, "huge", Some("\"1\""), 3_000);
        assert!(cache.get("huge").is_none() && cache.get("a").is_some());
        let state = cache.state();
        assert_eq!((state.entries.len(), state.uses.len()), (4, 4));
        assert!(state.bytes <= 10_000);
    }
}
