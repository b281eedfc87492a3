//! Digests of files as registries tell them.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256, Sha384, Sha512};

/// What a file's bytes have to come to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Digest {
    Sha256(Vec<u8>),
    Sha384(Vec<u8>),
    Sha512(Vec<u8>),
}

impl Digest {
    /// 64 hexadecimal digits.
    pub(super) fn sha256(text: &str) -> Option<Digest> {
        hex::decode(text).ok().filter(|it| it.len() == 32).map(Digest::Sha256)
    }

    /// `sha512-` and base64, as in npm's `integrity`; the strongest where there are several. SHA-1 is none.
    pub(super) fn integrity(text: &str) -> Option<Digest> {
        let found = text.split_ascii_whitespace().filter_map(|it| {
            let (name, value) = it.split('?').next()?.split_once('-')?;
            let bytes = STANDARD.decode(value).ok()?;
            match (name, bytes.len()) {
                ("sha256", 32) => Some(Digest::Sha256(bytes)),
                ("sha384", 48) => Some(Digest::Sha384(bytes)),
                ("sha512", 64) => Some(Digest::Sha512(bytes)),
                _ => None,
            }
        });
        found.max_by_key(|it| it.expected().len())
    }

    fn expected(&self) -> &[u8] {
        match self {
            Digest::Sha256(it) | Digest::Sha384(it) | Digest::Sha512(it) => it,
        }
    }
}

/// Follows a file's bytes.
pub(super) enum Check {
    Sha256(Sha256, Vec<u8>),
    Sha384(Sha384, Vec<u8>),
    Sha512(Sha512, Vec<u8>),
}

impl Check {
    pub(super) fn new(digest: &Digest) -> Check {
        let expected = digest.expected().to_vec();
        match digest {
            Digest::Sha256(_) => Check::Sha256(Sha256::new(), expected),
            Digest::Sha384(_) => Check::Sha384(Sha384::new(), expected),
            Digest::Sha512(_) => Check::Sha512(Sha512::new(), expected),
        }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        match self {
            Check::Sha256(it, _) => it.update(bytes),
            Check::Sha384(it, _) => it.update(bytes),
            Check::Sha512(it, _) => it.update(bytes),
        }
    }

    /// The end: whether the bytes were the right ones.
    pub(super) fn end(self) -> bool {
        match self {
            Check::Sha256(it, expected) => it.finalize()[..] == expected[..],
            Check::Sha384(it, expected) => it.finalize()[..] == expected[..],
            Check::Sha512(it, expected) => it.finalize()[..] == expected[..],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(digest: Option<Digest>, bytes: &[u8], right: bool) {
        let mut check = Check::new(&digest.expect("the text is a digest"));
        for byte in bytes {
            check.update(&[*byte]);
        }
        assert_eq!(check.end(), right);
    }

    #[test]
    fn a_file_is_held_against_what_the_index_told() {
        let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        check(Digest::sha256(sha256), b"abc", true);
        check(Digest::sha256(&sha256.to_uppercase()), b"abc", true);
        check(Digest::sha256(sha256), b"abd", false);
        let sha512 = "sha512-3a81oZNherrMQXNJriBBMRLm+k6JqX6iCp7u5ktV05ohkpkqJ0/BqDa6PCOj/uu9RU1EI2Q86A4qmslPpUyknw==";
        check(Digest::integrity(sha512), b"abc", true);
        check(Digest::integrity(&format!("sha1-qZk+NkcGgWq6PiVxeFDCbJzQ2J0= {sha512}?opt")), b"abc", true);
        check(Digest::integrity(sha512), b"", false);
    }

    #[test]
    fn what_is_no_digest_is_none() {
        for text in ["", "sha1-qZk+NkcGgWq6PiVxeFDCbJzQ2J0=", "sha512-AAAA", "sha512", "md5-x", "sha256-%%"] {
            assert_eq!(Digest::integrity(text), None, "{text}");
        }
        assert_eq!(Digest::sha256("abcd"), None);
    }
}
