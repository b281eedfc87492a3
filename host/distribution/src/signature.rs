//! Minisign signatures: who vouches for a file.
//!
//! What is signed is the component's bytes, always: the same signature is good beside a file, at a URL and in a
//! registry, and can be looked at again in the plugin folder without any of them.
//!
//! - Takes no signature without a hash before it (minisign's old form) and none without a signed comment.
//! - Never asks a person for anything: passwords come in.

use crate::Error;
use base64::{Engine, engine::general_purpose::STANDARD};
use minisign::{PublicKey, SecretKey, SecretKeyBox, SignatureBox};
use secrecy::{ExposeSecret, SecretString};
use std::{fmt, io::Cursor};

/// The largest signature file, in bytes.
pub(crate) const SIGNATURE_BYTES_MAX: u64 = 16 << 10;

/// A public key.
#[derive(Clone)]
pub struct Key {
    key: PublicKey,
    text: String,
}

/// A signature that was looked at, and found good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// As minisign shows it: 16 digits in capitals.
    pub key_id: String,
    /// The signature file.
    pub text: String,
}

impl Key {
    /// # Errors
    /// [`Error::Key`] if the text is no public key. Both the key alone and the file that minisign makes are taken.
    pub fn parse(text: &str) -> Result<Key, Error> {
        let line = text.lines().map(str::trim).rfind(|it| !it.is_empty()).unwrap_or_default();
        match PublicKey::from_base64(line) {
            Ok(key) => Ok(Key { key, text: line.to_owned() }),
            Err(_) => {
                let shown: String = line.chars().filter(|it| it.is_ascii_graphic()).take(12).collect();
                Err(Error::Key(format!(
                    "`{shown}…` is no minisign public key: one has 56 characters and begins with RW"
                )))
            }
        }
    }

    #[must_use]
    pub fn id(&self) -> String {
        id(self.key.keynum())
    }

    /// Looks whether `text` is a signature of `bytes` by this key; `Err` says what it is instead.
    ///
    /// # Errors
    /// A sentence for people.
    pub fn verify(&self, bytes: &[u8], text: &str) -> Result<Signed, String> {
        let signature = SignatureBox::from_string(text).map_err(|_| "its signature is no minisign signature")?;
        if signature.keynum() != self.key.keynum() {
            let theirs = id(signature.keynum());
            return Err(format!("it is signed by another key ({theirs}), and not by {}", self.id()));
        }
        if !signature.is_prehashed() {
            return Err("its signature has an old form: sign it again with a minisign of today".into());
        }
        let verified = minisign::verify(&self.key, &signature, Cursor::new(bytes), true, false, false);
        verified.map_err(|_| format!("its signature is not that of this file by the key {}", self.id()))?;
        Ok(Signed { key_id: self.id(), text: text.to_owned() })
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Key").field(&self.id()).finish()
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A secret key, ready to sign. Its `Debug` shows which one it is and nothing of it.
pub struct Signer {
    secret: SecretKey,
    public: PublicKey,
}

impl Signer {
    /// Reads the file of a secret key, as minisign writes it. `password`: asked for only if the key has one.
    ///
    /// # Errors
    /// [`Error::Key`].
    pub fn open(text: &str, password: impl FnOnce() -> Result<SecretString, String>) -> Result<Signer, Error> {
        let no_key = || Error::Key("the file holds no minisign secret key: `minisign -G` makes one".into());
        let line = text.lines().nth(1).and_then(|it| STANDARD.decode(it.trim()).ok());
        let closed = SecretKey::from_bytes(&line.ok_or_else(no_key)?).map_err(|_| no_key())?.is_encrypted();
        let file = SecretKeyBox::from_string(text).map_err(|_| no_key())?;
        let secret = if closed {
            let password = password().map_err(Error::Key)?;
            let opened = file.into_secret_key(Some(password.expose_secret().to_owned()));
            opened.map_err(|_| Error::Key("the secret key does not open: the password is wrong, or the file".into()))?
        } else {
            file.into_unencrypted_secret_key().map_err(|_| no_key())?
        };
        let public = PublicKey::from_secret_key(&secret).map_err(|_| no_key())?;
        Ok(Signer { secret, public })
    }

    /// The key that others verify with.
    #[must_use]
    pub fn key(&self) -> Key {
        Key { key: self.public.clone(), text: self.public.to_base64() }
    }

    /// Signs. The comment is signed with it, and is one line.
    ///
    /// # Errors
    /// [`Error::Key`] where the machine gives no random numbers.
    pub fn sign(&self, bytes: &[u8], comment: &str) -> Result<String, Error> {
        let comment: String = comment.chars().filter(|it| !it.is_control()).collect();
        let untrusted = format!("signature by the key {}", self.key().id());
        let signed =
            minisign::sign(Some(&self.public), &self.secret, Cursor::new(bytes), Some(&comment), Some(&untrusted));
        Ok(signed.map_err(|error| Error::Key(format!("signing failed: {error}")))?.into_string())
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Signer").field(&self.key().id()).finish()
    }
}

/// A key's number as minisign shows it.
fn id(number: &[u8]) -> String {
    number.iter().rev().map(|it| format!("{it:02X}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use minisign::KeyPair;

    fn signer() -> (Signer, String) {
        let pair = KeyPair::generate_unencrypted_keypair().unwrap();
        let text = pair.sk.to_box(None).unwrap().into_string();
        (Signer::open(&text, || panic!("it has no password")).unwrap(), text)
    }

    #[test]
    fn what_was_signed_is_verified_and_nothing_else() {
        let ((signer, _), (other, _)) = (signer(), signer());
        let key = Key::parse(&signer.key().to_string()).unwrap();
        let text = signer.sign(b"component", "tool 1.0.0").unwrap();
        assert_eq!(key.verify(b"component", &text).unwrap(), Signed { key_id: key.id(), text: text.clone() });
        assert!(text.starts_with("untrusted comment: ") && text.contains("trusted comment: tool 1.0.0\n"), "{text}");

        #[track_caller]
        fn check(key: &Key, bytes: &[u8], text: &str, why: &str) {
            let error = key.verify(bytes, text).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
        check(&key, b"component!", &text, "is not that of this file");
        check(&other.key(), b"component", &text, "signed by another key");
        check(&key, b"component", &text.replace("tool 1.0.0", "tool 2.0.0"), "is not that of this file");
        check(&key, b"component", "", "no minisign signature");
        check(&key, b"component", &text.lines().take(2).collect::<Vec<_>>().join("\n"), "no minisign signature");
        check(&key, b"component", &text.replace("RU", "RW"), "");
    }

    #[test]
    fn a_key_with_a_password_opens_with_it_alone() {
        let pair = KeyPair::generate_encrypted_keypair(Some("p4ssword".into())).unwrap();
        let text = pair.sk.to_box(None).unwrap().into_string();
        let signer = Signer::open(&text, || Ok("p4ssword".into())).unwrap();
        assert!(signer.key().verify(b"x", &signer.sign(b"x", "").unwrap()).is_ok());
        let error = Signer::open(&text, || Ok("hunter22".into())).unwrap_err().to_string();
        assert!(error.contains("password is wrong") && !error.contains("hunter22"), "{error}");
        for bad in ["nothing", "", "comment\nAAAA", &format!("comment\n{}", "A".repeat(212))] {
            assert!(Signer::open(bad, || Err("asked".into())).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_key_is_read_alone_or_with_its_comment() {
        let (signer, _) = signer();
        let key = signer.key().to_string();
        assert_eq!(Key::parse(&format!("untrusted comment: x\n{key}\n")).unwrap().id(), signer.key().id());
        for bad in ["", "RW", "x", &key[..20]] {
            assert!(Key::parse(bad).is_err(), "{bad}");
        }
    }
}
