//! How git reaches a repository on GitHub: address, token, proxy and certificates, all through git's environment.
//!
//! - The token is in no address, no argument and no file; git sends it to this origin only, and follows no redirect.
//! - Never uses another transport than the address's own.

use super::{GitHub, Scope};
use crate::Error;
use base64::{Engine, engine::general_purpose::STANDARD};
use secrecy::{ExposeSecret, SecretString};
use std::{
    collections::HashMap,
    fmt, io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};
use url::Url;

/// Slower than this many bytes a second, for this many seconds: git gives up.
const SLOW: (&str, &str) = ("1000", "60");
const BUNDLE: &str = "git-certificates.pem";

/// What git needs for one repository. Its `Debug` shows no settings: one is the token.
#[derive(Clone)]
pub(crate) struct Remote {
    pub(crate) url: String,
    /// For [`crate::git::Options::settings`].
    pub(crate) settings: Vec<(String, String)>,
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote").field("url", &self.url).finish_non_exhaustive()
    }
}

/// The operator's way out, as git takes it.
pub(super) struct Way {
    /// With its password.
    proxy: Option<SecretString>,
    ca: Option<PathBuf>,
    scratch: PathBuf,
    /// Names as GitHub last gave them.
    names: Mutex<HashMap<String, String>>,
}

impl Way {
    pub(super) fn new(proxy: Option<SecretString>, ca: Option<PathBuf>, scratch: PathBuf) -> Way {
        Way { proxy, ca, scratch, names: Mutex::default() }
    }

    /// A file with all authorities that git is to trust; none: git knows the system's by itself.
    async fn authorities(&self) -> Result<Option<PathBuf>, Error> {
        let Some(ca) = self.ca.clone() else { return Ok(None) };
        let scratch = self.scratch.clone();
        let failed = |why: String| Error::Invalid { what: "the certificates for git", why };
        let written = tokio::task::spawn_blocking(move || bundle(&ca, &scratch)).await;
        written.map_err(|error| failed(error.to_string()))?.map(Some).map_err(|error| failed(error.to_string()))
    }

    fn names(&self) -> std::sync::MutexGuard<'_, HashMap<String, String>> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl GitHub {
    /// For git to fetch from `name` (`owner/name`) or to push there.
    pub(crate) async fn remote(&self, name: &str) -> Result<Remote, Error> {
        let pages = self.api.exchange.address.pages.clone();
        let full_name = self.full_name(name).await?;
        let token = self.api.exchange.token(&Scope::repository(name)).await?;
        let authorities = self.way.authorities().await?;
        let proxy = self.way.proxy.as_ref();
        let settings = settings(&pages, &token, proxy, authorities.as_deref())?;
        Ok(Remote { url: format!("{pages}{full_name}.git"), settings })
    }

    /// The name that the repository has now: git is not to follow the redirect of a renamed one with the token.
    ///
    /// Asked each time, which costs no point while nothing changes; where it cannot be asked, the last answer serves.
    async fn full_name(&self, name: &str) -> Result<String, Error> {
        let key = name.to_ascii_lowercase();
        let known = self.way.names().get(&key).cloned();
        let found = match self.seen(name).await {
            Ok(found) => found,
            Err(error) if error.is_transient() => return known.ok_or(error),
            Err(error) => return Err(error),
        };
        self.way.names().insert(key, found.full_name.clone());
        Ok(found.full_name)
    }
}

fn settings(
    pages: &Url,
    token: &SecretString,
    proxy: Option<&SecretString>,
    authorities: Option<&Path>,
) -> Result<Vec<(String, String)>, Error> {
    let basic = STANDARD.encode(format!("x-access-token:{}", token.expose_secret()));
    let mut settings = vec![
        ("protocol.allow".to_owned(), "never".to_owned()),
        (format!("protocol.{}.allow", pages.scheme()), "always".to_owned()),
        (format!("http.{pages}.extraHeader"), format!("Authorization: Basic {basic}")),
        ("http.followRedirects".to_owned(), "false".to_owned()),
        ("http.lowSpeedLimit".to_owned(), SLOW.0.to_owned()),
        ("http.lowSpeedTime".to_owned(), SLOW.1.to_owned()),
        ("credential.helper".to_owned(), String::new()),
        // What is not set would come from the repository's own configuration.
        ("http.sslVerify".to_owned(), "true".to_owned()),
        ("http.proxy".to_owned(), proxy.map_or_else(String::new, |it| it.expose_secret().to_owned())),
    ];
    if let Some(path) = authorities {
        let why = "the path of agentd's home is not UTF-8".to_owned();
        let path = path.to_str().ok_or(Error::Invalid { what: "the certificates for git", why })?;
        settings.push(("http.sslCAInfo".to_owned(), path.to_owned()));
    }
    Ok(settings)
}

/// Writes the system's authorities and the operator's into one file, since git knows one or the other.
fn bundle(ca: &Path, scratch: &Path) -> io::Result<PathBuf> {
    use std::io::Write as _;
    let named = |error: io::Error, path: &Path| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    let mut pem = Vec::new();
    for certificate in rustls_native_certs::load_native_certs().certs {
        pem.extend_from_slice(b"-----BEGIN CERTIFICATE-----\n");
        for line in STANDARD.encode(&certificate).as_bytes().chunks(64) {
            pem.extend_from_slice(line);
            pem.push(b'\n');
        }
        pem.extend_from_slice(b"-----END CERTIFICATE-----\n");
    }
    pem.extend(std::fs::read(ca).map_err(|error| named(error, ca))?);
    pem.push(b'\n');
    let path = scratch.join(BUNDLE);
    if std::fs::read(&path).is_ok_and(|it| it == pem) {
        return Ok(path);
    }
    std::fs::create_dir_all(scratch).map_err(|error| named(error, scratch))?;
    // Several may write it at once, and others read it: it is put in place as a whole.
    let (whole, number) = (&path, std::process::id());
    let piece = scratch.join(format!("{BUNDLE}.{number}.{:?}", std::thread::current().id()));
    let mut file = std::fs::File::create(&piece).map_err(|error| named(error, &piece))?;
    file.write_all(&pem).and_then(|()| file.sync_all()).map_err(|error| named(error, &piece))?;
    std::fs::rename(&piece, whole).map_err(|error| named(error, whole))?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::github::{
        Auth,
        scripted::{Script, TOKEN, reply},
    };

    fn of(settings: &[(String, String)], name: &str) -> Option<String> {
        settings.iter().find(|it| it.0 == name).map(|it| it.1.clone())
    }

    #[test]
    fn the_token_goes_to_its_origin_only() {
        let token = SecretString::from("ghp_hunter2hunter2");
        let pages = Url::parse("https://git.acme.com/").unwrap();
        let settings = settings(&pages, &token, None, None).unwrap();
        let header = of(&settings, "http.https://git.acme.com/.extraHeader").unwrap();
        let basic = header.strip_prefix("Authorization: Basic ").unwrap();
        assert_eq!(STANDARD.decode(basic).unwrap(), b"x-access-token:ghp_hunter2hunter2");
        assert_eq!(of(&settings, "http.followRedirects").as_deref(), Some("false"));
        assert_eq!(of(&settings, "protocol.allow").as_deref(), Some("never"));
        assert_eq!(of(&settings, "protocol.https.allow").as_deref(), Some("always"));
        assert_eq!(of(&settings, "http.sslCAInfo"), None);
        let shown = format!("{:?}", Remote { url: "https://git.acme.com/a/b.git".into(), settings });
        assert!(!shown.contains("hunter2") && !shown.contains(basic), "{shown}");
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_known_name_serves_where_github_cannot_be_asked() {
        let (github, _script) = Script::github(&Auth::Token(TOKEN.into()), |_, before| match before {
            0 => reply(200, r#"{"full_name":"acme/api-2"}"#),
            1 => reply(404, "{}"),
            _ => reply(502, ""),
        });
        let url = github.remote("acme/api").await.unwrap().url;
        assert_eq!(url, "https://github.com/acme/api-2.git");
        let gone = github.remote("acme/api").await.unwrap_err();
        assert!(matches!(gone, Error::NoRepository { .. }), "{gone}");
        assert_eq!(github.remote("Acme/api").await.unwrap().url, url);
        assert!(github.remote("acme/web").await.unwrap_err().is_transient());
    }

    #[test]
    fn git_trusts_the_operators_authorities_beside_the_systems() {
        let folder = tempfile::tempdir().unwrap();
        let (ca, scratch) = (folder.path().join("ca.pem"), folder.path().join("github"));
        let own = "-----BEGIN CERTIFICATE-----\nb3du\n-----END CERTIFICATE-----\n";
        std::fs::write(&ca, own).unwrap();
        let path = bundle(&ca, &scratch).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let system = rustls_native_certs::load_native_certs().certs.len();
        assert_eq!(text.matches("BEGIN CERTIFICATE").count(), system + 1);
        assert!(text.contains("b3du"));
        assert_eq!(bundle(&ca, &scratch).unwrap(), path, "the second time");
        assert_eq!(std::fs::read_dir(&scratch).unwrap().count(), 1, "nothing is left beside it");
        let error = bundle(&folder.path().join("none.pem"), &scratch).unwrap_err().to_string();
        assert!(error.contains("none.pem"), "{error}");
    }
}
