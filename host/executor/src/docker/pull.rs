//! Images that the engine lacks: pulled from their registry, with the login that the user's docker has for it.
//!
//! - Never pulls what the engine has: a tag that moved is the operator's to pull again.
//! - Never asks a registry for an image that only agentd makes.
//! - Dropping the future closes the connection, on which the engine ends the pull.

use super::{DockerExecutor, foreign};
use crate::{
    Error,
    login::{Found, Login},
};
use bollard::{Docker, auth::DockerCredentials, errors::Error as Said, query_parameters as query};
use futures_util::StreamExt as _;
use std::time::Duration;

const PULLING: &str = "pulling an image";
/// For one image, however large it is and slow the registry.
const PATIENCE: Duration = Duration::from_secs(30 * 60);
/// Images that are made here and exist nowhere else.
const OWN: [&str; 2] = ["agentd-base", super::build::REPOSITORY];

impl DockerExecutor {
    /// Pulls an image unless the engine has it.
    pub(super) async fn pull(&self, image: &str) -> Result<(), Error> {
        let fail = |why: String, passing| Error::Pull { image: image.into(), why, passing };
        let Some(name) = Name::parse(image) else {
            return Err(fail("that is no image's name: it reads HOST/PATH:TAG, in small letters".into(), false));
        };
        if self.has(image).await? {
            return Ok(());
        }
        if OWN.contains(&name.repository.as_str()) {
            return Err(fail(
                "agentd makes it itself and the engine has lost it: try again, or restart agentd".into(),
                true,
            ));
        }
        let login = self.logins.of(&name.registry).await;
        if let Found::Failed(why) = &login {
            tracing::warn!(image, registry = name.registry, "Pulling without a login: {why}");
        }
        let engine = with_readable_logins(self.engine().await?.clone());
        tracing::info!(image, registry = name.registry, login = matches!(login, Found::Login(_)), "Pulling an image");
        match tokio::time::timeout(PATIENCE, follow(&engine, &name, &login)).await {
            Err(_) => Err(fail(format!("it took longer than {} minutes", PATIENCE.as_secs() / 60), true)),
            Ok(Ok(())) if self.has(image).await? => Ok(()),
            Ok(Ok(())) => Err(fail("the engine says that it has it, and has not".into(), true)),
            Ok(Err(error)) => {
                let (why, passing) = explain(&self.engine_words(PULLING, error)?, &name, &login);
                Err(fail(why, passing))
            }
        }
    }
}

/// Reads the engine's progress to its end.
async fn follow(engine: &Docker, name: &Name, login: &Found) -> Result<(), Said> {
    let login = match login {
        Found::Login(login) => Some(credentials(login)),
        Found::Nothing | Found::Failed(_) => None,
    };
    // Without a tag, the engine would pull them all.
    let options = query::CreateImageOptionsBuilder::default().from_image(&name.asked).tag(&name.version).build();
    let mut said = engine.create_image(Some(options), None, login).boxed();
    while let Some(progress) = said.next().await {
        let progress = progress?;
        if progress.progress_detail.is_none_or(|it| it.current.is_none()) {
            let (layer, status) = (progress.id.unwrap_or_default(), progress.status.unwrap_or_default());
            tracing::debug!(image = name.asked, layer, "{status}");
        }
    }
    Ok(())
}

fn credentials(login: &Login) -> DockerCredentials {
    DockerCredentials {
        username: login.user.clone(),
        password: login.password.clone(),
        serveraddress: Some(login.server.clone()),
        identitytoken: login.identity_token.clone(),
        ..DockerCredentials::default()
    }
}

/// The engine reads the login in the alphabet that is for URLs, and bollard writes it in the other one: an engine drops
/// what it cannot read, and a password with `?` in it would be as good as none.
fn with_readable_logins(engine: Docker) -> Docker {
    engine.with_request_modifier(|mut request| {
        if let Some(value) = request.headers_mut().get_mut("x-registry-auth") {
            let fixed = value.to_str().map(|it| it.replace('+', "-").replace('/', "_"));
            if let Some(fixed) = fixed.ok().and_then(|it| it.parse().ok()) {
                *value = fixed;
            }
            value.set_sensitive(true);
        }
        request
    })
}

/// An image's name, taken apart as docker does it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Name {
    /// `docker.io` if it names none.
    registry: String,
    /// The rest of the name, without tag and digest.
    repository: String,
    /// The name as it was given, without tag and digest.
    asked: String,
    /// The digest, else the tag, else `latest`.
    version: String,
}

impl Name {
    /// None: it is no name.
    pub(super) fn parse(text: &str) -> Option<Name> {
        let (rest, digest) = text.split_once('@').map_or((text, None), |(rest, digest)| (rest, Some(digest)));
        let (asked, tag) = match rest.rsplit_once(':') {
            // What follows a port is a path.
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
            _ => (rest, None),
        };
        let (registry, repository) = match asked.split_once('/') {
            Some((host, path)) if host.contains(['.', ':']) || host == "localhost" => (host, path),
            _ => ("docker.io", asked),
        };
        let registry = if registry == "index.docker.io" { "docker.io" } else { registry };
        let version = digest.or(tag).unwrap_or("latest");
        let is_part = |part: &str| {
            let ends = |it: Option<char>| it.is_some_and(|it| it.is_ascii_lowercase() || it.is_ascii_digit());
            ends(part.chars().next())
                && ends(part.chars().last())
                && part.chars().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || "._-".contains(it))
        };
        let is_version =
            |it: &str| !it.is_empty() && it.chars().all(|it| it.is_ascii_alphanumeric() || "._-:".contains(it));
        let is_host = |it: &str| it.chars().all(|it| it.is_ascii_alphanumeric() || ".-:[]_".contains(it));
        let good = is_host(registry)
            && repository.split('/').all(is_part)
            && [digest, tag].into_iter().flatten().all(is_version)
            && text.len() <= 512;
        good.then(|| Name {
            registry: registry.into(),
            repository: repository.into(),
            asked: asked.into(),
            version: version.into(),
        })
    }
}

/// What the engine's words mean for a person, and whether the same may work a little later.
fn explain(message: &str, name: &Name, login: &Found) -> (String, bool) {
    let said = message.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|it| said.contains(it));
    let registry = &name.registry;
    let log_in = match registry.as_str() {
        "docker.io" => "`docker login`".to_owned(),
        other => format!("`docker login {other}`"),
    };
    let plain = foreign::sentence(message);
    if has(&["toomanyrequests", "too many requests"]) {
        return (format!("{registry} answers that these are too many requests; {log_in} raises its limit"), true);
    }
    if has(&["unauthorized", "denied", "no basic auth", "authentication required", "incorrect username", "forbidden"]) {
        let why = match login {
            Found::Login(_) => format!(
                "{registry} refuses the login that the user's docker has for it, or there is no such image for that \
                 login: check the name, or {log_in} again, as the user that agentd runs as"
            ),
            Found::Nothing => format!(
                "{registry} wants a login, or there is no such image: check the name, or {log_in} as the user that \
                 agentd runs as"
            ),
            Found::Failed(why) => format!("{registry} wants a login, and it could not be had: {why}"),
        };
        return (why, false);
    }
    if has(&["manifest unknown", "not found", "name unknown", "does not exist"]) {
        return (format!("{registry} has no such image: check name and tag"), false);
    }
    if has(&["no matching manifest"]) {
        return (format!("{registry} has it for other kinds of machines only: {plain}"), false);
    }
    if has(&["http response to https"]) {
        let why = "speaks no HTTPS: add it to `insecure-registries` of the engine's configuration if that is meant";
        return (format!("{registry} {why}"), false);
    }
    let away = ["no such host", "refused", "timeout", "eof", "reset", "unreachable", "deadline", "misbehaving"];
    let broken = ["unexpected http status: 5", "bad gateway", "unavailable", "internal server error", "canceled"];
    let passing = has(&away) || has(&broken);
    let words = if passing { "does not answer as it should" } else { "did not give it" };
    (format!("{registry} {words}: {plain}"), passing)
}

#[cfg(test)]
mod tests;
