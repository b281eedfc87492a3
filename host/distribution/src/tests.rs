//! What comes, what does not, and what is left behind: against a registry in this process.

mod carrying;
mod keeping;
mod server;

use crate::{Distribution, Error, Fetched, Key, Login, Logins, NoLogins, Options, Package, Signer, Source};
use async_trait::async_trait;
use minisign::KeyPair;
use server::Server;
use std::{collections::BTreeMap, fs, path::Path, sync::Arc, time::Duration};
use tempfile::TempDir;

const NOW: i64 = 1_790_000_000_000;

/// Something that looks like a plugin to this room, which looks at its first bytes.
fn component(text: &str) -> Vec<u8> {
    [b"\0asm".as_slice(), text.as_bytes()].concat()
}

fn signer() -> Signer {
    let pair = KeyPair::generate_unencrypted_keypair().unwrap();
    Signer::open(&pair.sk.to_box(None).unwrap().into_string(), || panic!("it has no password")).unwrap()
}

/// One user, who is known at one registry.
struct OneLogin {
    registry: String,
    user: Option<String>,
    secret: &'static str,
}

#[async_trait]
impl Logins for OneLogin {
    async fn of(&self, registry: &str) -> Result<Option<Login>, String> {
        let login = Login { user: self.user.clone(), secret: self.secret.into() };
        Ok((registry == self.registry).then_some(login))
    }
}

/// A server, a plugin folder, and the way between.
struct Bed {
    server: Server,
    folder: TempDir,
    logins: Arc<dyn Logins>,
    signed_by: BTreeMap<String, String>,
    private: Vec<String>,
    patience: Duration,
}

impl Bed {
    async fn new() -> Bed {
        Bed {
            server: Server::start().await,
            folder: tempfile::tempdir().unwrap(),
            logins: Arc::new(NoLogins),
            signed_by: BTreeMap::new(),
            private: vec!["127.0.0.0/8".into()],
            patience: Duration::from_secs(60),
        }
    }

    fn signed_by(mut self, prefix: &str, signer: &Signer) -> Bed {
        self.signed_by.insert(prefix.replace("HOST", &self.server.host()), signer.key().to_string());
        self
    }

    fn logged_in(mut self, user: Option<&str>, secret: &'static str) -> Bed {
        let (registry, user) = (self.server.host(), user.map(str::to_owned));
        self.logins = Arc::new(OneLogin { registry, user, secret });
        self
    }

    fn plugins(&self) -> std::path::PathBuf {
        self.folder.path().join("plugins")
    }

    fn distribution(&self) -> Distribution {
        let network = agentd_egress::Options { allow_private: self.private.clone(), ..Default::default() };
        let options = Options {
            folder: self.plugins(),
            network,
            logins: Arc::clone(&self.logins),
            signed_by: self.signed_by.clone(),
            patience: self.patience,
        };
        Distribution::new(options).unwrap()
    }

    fn source(&self, text: &str) -> Source {
        Source::parse(&text.replace("HOST", &self.server.host()), self.folder.path()).unwrap()
    }

    async fn fetch(&self, source: &str) -> Result<Fetched, Error> {
        self.distribution().fetch(&self.source(source), None, &mut |_, _| {}).await
    }

    async fn publish(&self, to: &str, bytes: &[u8], version: &str, signer: Option<&Signer>) -> Result<String, Error> {
        let Source::Oci(reference) = self.source(to) else { panic!("{to}") };
        let exports = vec!["agentd:prioritizer/prioritizer@1.0.0".to_owned()];
        let package = Package { bytes, name: "tool", version, exports, signer, now: NOW };
        Ok(self.distribution().publish(&reference, package).await?.source.to_string())
    }

    /// It does not come; the text has these parts, and nothing is left.
    async fn check_refused(&self, source: &str, parts: &[&str]) {
        let error = self.fetch(source).await.expect_err(source).to_string();
        for part in parts {
            assert!(error.contains(part), "{source}: `{part}` is not in: {error}");
        }
        for secret in ["p4ssword-of-bot", "t0ken-of-registry", "identity-t0ken"] {
            assert!(!error.contains(secret), "{error}");
        }
        assert_eq!(names(&self.plugins()), Vec::<String>::new(), "{source}");
    }
}

/// The files of a folder, without the one that is only there to be locked.
fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut names: Vec<_> = entries.map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|it| it != ".agentd-plugins.hold");
    names.sort();
    names
}

#[track_caller]
fn key(signer: &Signer) -> Key {
    Key::parse(&signer.key().to_string()).unwrap()
}
