//! The login that the user's docker has for a registry, found as the docker command finds it.
//!
//! `config.json` of docker's configuration folder says where a login is: in a helper program for this registry
//! (`credHelpers`), in one for all (`credsStore`), or in the file itself (`auths`).
//!
//! - Only reads. Nothing is remembered: a new `docker login` holds at the next pull.
//! - What a helper says is never in a log line or an error, nor what the file holds.
//! - A login that cannot be had is no error here: the image may be public. [`Found::Failed`] says why, should it matter.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;
use std::{
    ffi::OsString,
    fmt, io,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    process::{Child, Command},
};

/// What docker's own registry is called in `config.json` and by helpers.
const DOCKER_IO: &str = "https://index.docker.io/v1/";
/// A helper may have to ask a key store or a cloud.
const HELPER_PATIENCE: Duration = Duration::from_secs(30);
const HELPER_OUTPUT_MAX: u64 = 1 << 20;
/// What helpers call a user whose secret is an identity token.
const TOKEN_USER: &str = "<token>";
/// What helpers say, by their protocol, of a registry that they know no login for.
const NOT_KNOWN: &str = "credentials not found in native keychain";

/// Where logins are looked for.
#[derive(Clone, Debug)]
pub struct Logins {
    /// The folder with `config.json`; none: there are no logins.
    pub(crate) folder: Option<PathBuf>,
    /// Where helpers are found, as `PATH` has it.
    pub(crate) path: OsString,
}

/// A login. Exactly one of password and identity token is there.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    pub server: String,
    pub user: Option<String>,
    pub password: Option<String>,
    pub identity_token: Option<String>,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("server", &self.server).finish_non_exhaustive()
    }
}

/// What came of looking.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    Login(Login),
    /// The user never logged in there.
    Nothing,
    /// There may be one. The sentence says what is in the way.
    Failed(String),
}

impl Logins {
    pub(crate) fn new(folder: Option<PathBuf>) -> Logins {
        Logins { folder, path: std::env::var_os("PATH").unwrap_or_default() }
    }

    /// The login for a registry, named as in images: `docker.io`, `ghcr.io`, `localhost:5000`.
    pub async fn of(&self, registry: &str) -> Found {
        let Some(path) = self.folder.as_ref().map(|it| it.join("config.json")) else { return Found::Nothing };
        let config = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Found::Nothing;
            }
            Err(error) => return Found::Failed(format!("{} cannot be read: {error}", path.display())),
        };
        let config: Value = match serde_json::from_slice(&config) {
            Ok(config) => config,
            // The error's own text could quote the file.
            Err(error) => {
                return Found::Failed(format!("{} is not JSON (line {})", path.display(), error.line()));
            }
        };
        let server = if registry == "docker.io" { DOCKER_IO } else { registry };
        let named = config["credHelpers"][server].as_str().or(config["credHelpers"][registry].as_str());
        match named.or(config["credsStore"].as_str()).filter(|it| !it.is_empty()) {
            Some(helper) => self.ask(helper, server).await,
            None => in_file(&config["auths"], server),
        }
    }

    /// Asks `docker-credential-NAME`.
    async fn ask(&self, name: &str, server: &str) -> Found {
        let program = format!("docker-credential-{name}");
        let folders = std::env::split_paths(&self.path);
        let found = folders.map(|folder| folder.join(&program)).find(|it| it.is_absolute() && it.is_file());
        let Some(found) = found.filter(|_| !name.contains('/')) else {
            return Found::Failed(format!("docker's configuration names `{program}`, which is not in PATH"));
        };
        let hint = format!("try `echo {server} | {program} get`");
        let said = match tokio::time::timeout(HELPER_PATIENCE, talk(&found, server)).await {
            Ok(Ok(said)) => said,
            Ok(Err(error)) => return Found::Failed(format!("`{program}` could not be asked: {error}; {hint}")),
            Err(_) => return Found::Failed(format!("`{program}` did not answer for {HELPER_PATIENCE:?}; {hint}")),
        };
        let answer = serde_json::from_slice::<Value>(&said.output).unwrap_or_default();
        match (said.well, answer["Username"].as_str(), answer["Secret"].as_str()) {
            (true, Some(user), Some(secret)) => login(server, user, secret),
            (true, _, _) => Found::Failed(format!("`{program}` answered something that is no login; {hint}")),
            (false, _, _) if String::from_utf8_lossy(&said.output).contains(NOT_KNOWN) => Found::Nothing,
            (false, _, _) => Found::Failed(format!("`{program}` failed; {hint}")),
        }
    }
}

/// A user and what goes with it: a password, or a token if the user is named so.
fn login(server: &str, user: &str, secret: &str) -> Found {
    if secret.is_empty() {
        return Found::Nothing;
    }
    let server = server.to_owned();
    Found::Login(match user {
        TOKEN_USER => Login { server, user: None, password: None, identity_token: Some(secret.into()) },
        user => Login { server, user: Some(user.into()), password: Some(secret.into()), identity_token: None },
    })
}

/// The entry of `auths` for a server: of exactly that name, or, as old files have it, of a URL on that host.
fn in_file(auths: &Value, server: &str) -> Found {
    let Some(entries) = auths.as_object() else { return Found::Nothing };
    let on_host = || entries.iter().find(|(name, _)| host(name) == host(server)).map(|(_, entry)| entry);
    let Some(entry) = entries.get(server).or_else(on_host) else { return Found::Nothing };
    let text = |key: &str| entry[key].as_str().filter(|it| !it.is_empty());
    if let Some(token) = text("identitytoken") {
        return login(server, TOKEN_USER, token);
    }
    let bad = || Found::Failed(format!("docker's login for {server} is not readable: `docker login` again"));
    match (text("auth"), text("username"), text("password")) {
        (Some(auth), _, _) => {
            let decoded = STANDARD.decode(auth).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            match decoded.as_deref().and_then(|it| it.split_once(':')) {
                Some((user, password)) => login(server, user, password.trim_end_matches('\0')),
                None => bad(),
            }
        }
        (None, Some(user), Some(password)) => login(server, user, password),
        _ => Found::Nothing,
    }
}

/// `https://ghcr.io/v1/` → `ghcr.io`.
fn host(name: &str) -> &str {
    let name = name.strip_prefix("https://").or(name.strip_prefix("http://")).unwrap_or(name);
    name.split_once('/').map_or(name, |(host, _)| host)
}

struct Said {
    well: bool,
    output: Vec<u8>,
}

/// Gives a helper the server's name and takes its answer. Dropping the future ends the helper.
async fn talk(program: &Path, server: &str) -> io::Result<Said> {
    let mut command = Command::new(program);
    command.arg("get").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    let mut child = start(&mut command).await?;
    if let Some(mut input) = child.stdin.take() {
        match input.write_all(format!("{server}\n").as_bytes()).await {
            // It may know enough before it has read everything.
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(error),
            Ok(()) | Err(_) => (),
        }
    }
    let mut output = Vec::new();
    if let Some(pipe) = child.stdout.take() {
        pipe.take(HELPER_OUTPUT_MAX).read_to_end(&mut output).await?;
    }
    Ok(Said { well: child.wait().await?.success(), output })
}

/// Starts a program that somebody may just have written: while another thread forks, a file open for writing there
/// cannot be run for a moment.
async fn start(command: &mut Command) -> io::Result<Child> {
    let mut tries = 0;
    loop {
        match command.spawn() {
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy && tries < 50 => {
                tries += 1;
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            other => return other,
        }
    }
}

#[cfg(test)]
mod tests;
