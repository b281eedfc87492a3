//! Mirrors of package registries, for reading only: npm, crates.io, PyPI.
//!
//! A request names a package, never a URL. What it names is looked up in the registry's index, and only files that the
//! index lists are fetched, from where the index says. Each name is held against the registry's grammar and length
//! before anything is asked; queries, headers and bodies of a sandbox go nowhere, and nothing but GET and HEAD is taken.
//!
//! - All runs share one cache. Nothing enters it but what a registry answered; a file only after its digest was checked
//!   against the one that the index told. Files without a digest are passed on and not kept.
//! - Files are handed on while they arrive, but never to their end before their digest is right: a client that got a
//!   whole file got the right one.
//! - Never holds or sends a credential.

use crate::{
    PORT, Refusal,
    answer::{self, Answered, Body},
};
use agentd_egress::{Egress, Patience};
use ask::Ask;
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode,
    header::{ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, ETAG, HOST, HeaderValue, IF_NONE_MATCH},
};
use std::{collections::BTreeSet, fmt, path::PathBuf, str::FromStr, sync::Arc, time::Duration};

mod ask;
mod crates;
mod digest;
mod files;
mod npm;
mod pages;
mod pypi;
mod settings;
mod store;
mod upstream;

pub use settings::{Settings, settings};

/// A registry that has a mirror here.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Registry {
    Npm,
    Crates,
    Pypi,
}

impl Registry {
    /// Every one.
    pub const ALL: [Registry; 3] = [Registry::Npm, Registry::Crates, Registry::Pypi];

    /// As the configuration and the mirror's paths write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Registry::Npm => "npm",
            Registry::Crates => "crates",
            Registry::Pypi => "pypi",
        }
    }

    /// The registry that is meant by who wants to reach `host`: a public registry, or a host of its files.
    pub(crate) fn of_host(host: &str) -> Option<Registry> {
        let of = |it: &Registry| PUBLIC[*it as usize].hosts.iter().any(|known| known.eq_ignore_ascii_case(host));
        Registry::ALL.into_iter().find(of)
    }
}

impl fmt::Display for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text names no registry that has a mirror.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no registry that agentd mirrors, which are npm, crates and pypi")]
pub struct BadRegistry(String);

impl FromStr for Registry {
    type Err = BadRegistry;

    fn from_str(text: &str) -> Result<Registry, BadRegistry> {
        Registry::ALL.into_iter().find(|it| it.as_str() == text).ok_or_else(|| BadRegistry(text.into()))
    }
}

/// Where the mirrors read from, and where they keep what they read.
#[derive(Clone, Debug)]
pub struct Options {
    /// The registry's root: below it stand the packages' names.
    pub npm: String,
    /// The sparse index's root: in it stands `config.json`.
    pub crates: String,
    /// The simple index's root: below it stand the projects' names.
    pub pypi: String,
    /// The cache's folder. It is made if it is not there; nothing else may be in it.
    pub cache: PathBuf,
    /// What the cache may hold, files that are still arriving included, in bytes.
    pub cache_max: u64,
    /// With the upstream registries.
    pub patience: Patience,
}

/// A registry that everybody knows.
struct Public {
    root: &'static str,
    /// Its own hosts, and those where its files are.
    hosts: &'static [&'static str],
}

/// In the order of [`Registry`].
const PUBLIC: [Public; 3] = [
    Public {
        root: "https://registry.npmjs.org",
        hosts: &["registry.npmjs.org", "registry.yarnpkg.com", "registry.npmjs.com"],
    },
    Public {
        root: "https://index.crates.io",
        hosts: &["index.crates.io", "static.crates.io", "crates.io", "static.rust-lang.org"],
    },
    Public { root: "https://pypi.org/simple", hosts: &["pypi.org", "files.pythonhosted.org", "pypi.python.org"] },
];

impl Options {
    /// The public registries, with 10 GiB for the cache.
    #[must_use]
    pub fn public(cache: PathBuf) -> Options {
        let [npm, crates, pypi] = PUBLIC.map(|it| it.root.to_owned());
        let patience = Patience { head: Duration::from_secs(30), idle: Duration::from_secs(60) };
        Options { npm, crates, pypi, cache, cache_max: 10 << 30, patience }
    }
}

/// Why a package could not be handed out, as its reader gets to see it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum Error {
    /// The registry has no such thing.
    #[error("the registry has no {0}")]
    Absent(String),
    /// The registry did not answer, or said something that cannot be used. It may be better later.
    #[error("{0}")]
    Upstream(String),
    /// This machine failed.
    #[error("{0}")]
    Here(String),
}

impl Error {
    fn status(&self) -> StatusCode {
        match self {
            Error::Absent(_) => StatusCode::NOT_FOUND,
            Error::Upstream(_) => StatusCode::BAD_GATEWAY,
            Error::Here(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

/// The mirrors with their cache. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Mirrors {
    inner: Arc<Inner>,
}

struct Inner {
    roots: ask::Roots,
    pages: pages::Pages,
    files: files::Files,
}

impl Mirrors {
    pub(crate) fn new(options: Options, egress: Egress) -> Mirrors {
        let roots = ask::Roots::new(&options);
        let store = store::Store::new(options.cache, options.cache_max);
        let upstream = upstream::Upstream::new(egress, options.patience);
        let pages = pages::Pages::new(store.clone(), upstream.clone());
        let files = files::Files::new(store, upstream);
        Mirrors { inner: Arc::new(Inner { roots, pages, files }) }
    }

    /// Answers a request below `/npm/`, `/crates/` or `/pypi/` for a run that may use the `allowed` registries.
    ///
    /// `repository`: its id, for the line of the configuration in refusals.
    pub(crate) async fn serve<B>(
        &self,
        request: Request<B>,
        allowed: &BTreeSet<Registry>,
        repository: &str,
    ) -> Answered {
        // The body of a request for reading is nothing to anybody.
        let (request, _) = request.into_parts();
        let path = request.uri.path();
        let found = path.strip_prefix('/').and_then(|it| it.split_once('/'));
        let found = found.and_then(|(first, rest)| Some((first.parse().ok()?, rest)));
        let Some((registry, rest)) = found else {
            return answer::text(StatusCode::NOT_FOUND, "there is no such mirror: /npm/, /crates/ and /pypi/ are")
                .into();
        };
        let what = shown(registry, rest);
        if !allowed.contains(&registry) {
            let why = format!("{repository} may not read from {registry}");
            return Refusal { what, why, allow: Some(config_line(repository, allowed, registry)) }.into();
        }
        if !matches!(request.method, Method::GET | Method::HEAD) {
            return not_for_reading(&request.method, registry, what);
        }
        let Some(ask) = ask::parse(registry, rest) else {
            let why = format!("it is no package, version or file that {registry} could have");
            return Refusal { what, why, allow: None }.into();
        };
        let answer = match self.answer(ask, &request.headers).await {
            Ok(answer) => answer,
            Err(error) => {
                tracing::info!(target: "gateway", registry = registry.as_str(), what, %error, "Package not handed out");
                answer::text(error.status(), format!("agentd: {what}: {error}"))
            }
        };
        let is_head = request.method == Method::HEAD;
        Answered::from(if is_head { answer.map(|_| answer::full("")) } else { answer })
    }

    async fn answer(&self, ask: Ask, headers: &HeaderMap) -> Result<Response<Body>, Error> {
        let Inner { roots, pages, files } = &*self.inner;
        let asked = ask::Asked { host: host(headers), accept: text_of(headers, ACCEPT), agent: agent(headers) };
        match ask {
            Ask::Nothing => Err(Error::Absent("such route".into())),
            Ask::Npm(ask) => match ask {
                npm::Ask::Packument { name } => Ok(page(npm::packument(roots, pages, &name, &asked).await?, headers)),
                npm::Ask::Manifest { name, version } => {
                    Ok(page(npm::manifest(roots, pages, &name, &version, &asked).await?, headers))
                }
                npm::Ask::Tarball { name, file } => files.open(npm::tarball(roots, pages, &name, &file).await?).await,
            },
            Ask::Crates(ask) => match ask {
                crates::Ask::Config => Ok(page(crates::config(&asked), headers)),
                crates::Ask::Index { name } => Ok(page(crates::index(roots, pages, &name).await?, headers)),
                crates::Ask::File { name, version } => {
                    files.open(crates::file(roots, pages, &name, &version).await?).await
                }
            },
            Ask::Pypi(ask) => match ask {
                pypi::Ask::Project { name } => Ok(page(pypi::project(roots, pages, &name, &asked).await?, headers)),
                pypi::Ask::File { name, file } => files.open(pypi::file(roots, pages, &name, &file).await?).await,
            },
        }
    }
}

/// Nobody can publish from a sandbox. What package managers send by the way, audits for example, is not worth a word.
fn not_for_reading(method: &Method, registry: Registry, what: String) -> Answered {
    if method == Method::POST && registry == Registry::Npm {
        return answer::text(StatusCode::NOT_FOUND, "agentd's mirrors are for reading only").into();
    }
    let why = "the mirrors of registries are for reading only".to_owned();
    let mut response = answer::text(StatusCode::METHOD_NOT_ALLOWED, format!("agentd: {method} {what}: {why}"));
    response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    let refusal = Some(Refusal { what: format!("{method} {what}"), why, allow: None });
    Answered { response, refusal }
}

/// An index page, or the word that the reader has it already.
fn page(page: ask::Answer, headers: &HeaderMap) -> Response<Body> {
    let tag = format!("\"{}\"", page.tag);
    let known = text_of(headers, IF_NONE_MATCH).split(',').any(|it| it.trim().trim_start_matches("W/") == tag);
    let mut response = if known {
        let mut response = Response::new(answer::full(""));
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response
    } else {
        let mut response = Response::new(page.body);
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(page.content_type));
        response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(page.length));
        response
    };
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("max-age=60"));
    if let Ok(tag) = HeaderValue::try_from(tag) {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}

/// What is asked for, as a person reads it in a refusal.
fn shown(registry: Registry, rest: &str) -> String {
    let clean: String = rest.chars().filter(|it| it.is_ascii_graphic()).take(100).collect();
    format!("{registry} {clean}")
}

/// The line of the configuration that gives a repository one more registry.
pub(crate) fn config_line(repository: &str, allowed: &BTreeSet<Registry>, wanted: Registry) -> String {
    let mut all = allowed.clone();
    all.insert(wanted);
    let names: Vec<String> = all.into_iter().map(|it| format!("\"{it}\"")).collect();
    format!("[repositories.{repository:?}] egress = [{}]", names.join(", "))
}

/// How the reader reaches this mirror: what it called the host, if that is this machine.
fn host(headers: &HeaderMap) -> String {
    let named = text_of(headers, HOST);
    match named.split_once(':') {
        Some(("127.0.0.1" | "localhost", port)) if port.parse::<u16>().is_ok() => named.to_ascii_lowercase(),
        _ => format!("127.0.0.1:{PORT}"),
    }
}

fn agent(headers: &HeaderMap) -> &str {
    text_of(headers, hyper::header::USER_AGENT)
}

fn text_of(headers: &HeaderMap, name: hyper::header::HeaderName) -> &str {
    headers.get(name).and_then(|it| it.to_str().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
