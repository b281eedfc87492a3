//! Wants, grants, and the rights that follow: what both contain.
//!
//! Rights are worked out once for an entry and asked in each host function. Every refusal says which plugin and entry
//! it concerns, whether the plugin never asked or the operator never allowed, and what would change that. A URL's
//! query and a credential's value never get into such a text.

use crate::host::Tree;
use crate::wit::common::Error;
use crate::wit::http::Request;
use crate::wit::manifest::{Attachment, ForgeWant, HttpWant, Want};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use url::{Position, Url};

/// What the operator allows an entry. The default is nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants {
    /// Ids of the repositories that it may read.
    pub repositories: Vec<String>,
    /// It may read the directories that its own settings name (`dir:SETTING`), as far as it wants them.
    pub directories: bool,
    pub http: Vec<HttpGrant>,
    /// It may ask the forge about its repositories. None: it may not.
    pub forge: Option<ForgeGrant>,
}

/// What an entry may do on the forge, beside reading.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ForgeGrant {
    /// What it may have written by the edits that it returns: `comment`, `label`, `reaction`.
    pub writes: BTreeSet<String>,
}

/// A place that an entry may send requests to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpGrant {
    /// Empty: all.
    pub methods: Vec<String>,
    /// What URLs begin with: origin, and as much of the path as is to be fixed.
    pub url_prefix: String,
    /// The name of the one credential that requests there may use.
    pub credential: Option<String>,
}

impl Grants {
    /// Everything that is wanted: what a shipped plugin gets from the configuration section that uses it.
    #[must_use]
    pub fn implied(wants: &[Want], repositories: Vec<String>) -> Grants {
        let http = wants.iter().filter_map(|want| match want {
            Want::Http(want) => Some(HttpGrant {
                methods: want.methods.clone(),
                url_prefix: want.url.clone(),
                credential: want.credential.as_ref().map(|it| it.name.clone()),
            }),
            _ => None,
        });
        let directories = wants.iter().any(|it| matches!(it, Want::Directory(_)));
        let forge = wants.iter().filter_map(|want| match want {
            Want::Forge(want) => Some(ForgeGrant { writes: want.writes.iter().cloned().collect() }),
            _ => None,
        });
        let forge = forge.reduce(|one, other| ForgeGrant { writes: &one.writes | &other.writes });
        Grants { repositories, directories, http: http.collect(), forge }
    }
}

/// A want in one line, for people.
#[must_use]
pub fn line(want: &Want) -> String {
    let (what, why) = match want {
        Want::Http(want) => {
            let methods = if want.methods.is_empty() { "any method".into() } else { want.methods.join(", ") };
            let credential =
                want.credential.as_ref().map_or(String::new(), |it| format!(" with credential `{}`", it.name));
            (format!("http: {methods} {}{credential}", want.url), &want.why)
        }
        Want::Forge(want) if want.writes.is_empty() => ("forge: read".into(), &want.why),
        Want::Forge(want) => (format!("forge: read, write {}", want.writes.join(", ")), &want.why),
        Want::Repository(want) => ("repository: read files and history".into(), &want.why),
        Want::Directory(want) => (format!("directory: read what setting `{}` names", want.setting), &want.why),
        Want::Mail(want) => ("mail: send".into(), &want.why),
        Want::Webhook(want) => (format!("webhook: signed by header {}", want.signature_header), &want.why),
        Want::Model(want) => (format!("model: `{}` ({})", want.name, want.apis.join(", ")), &want.why),
        Want::Other(want) => (format!("{}: {} (unknown to this agentd, refused)", want.name, want.value), &want.why),
    };
    let line = if why.is_empty() { what } else { format!("{what} ({why})") };
    crate::error::readable(&line.replace('\n', " "), 512)
}

/// What an entry may do.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rights {
    /// For texts.
    plugin: String,
    entry: String,
    repositories: Vec<String>,
    wants_repositories: bool,
    /// By setting.
    directories: BTreeMap<String, PathBuf>,
    http: Vec<HttpGrant>,
    wants_http: bool,
    /// Credentials that are a whole URL.
    whole_urls: BTreeSet<String>,
    wants_forge: bool,
    /// What it may write, where it may ask the forge at all.
    forge: Option<BTreeSet<String>>,
}

impl Rights {
    pub(crate) fn new(plugin: &str, entry: &str, wants: &[Want], grants: &Grants, settings: &Value) -> Rights {
        let mut rights = Rights {
            plugin: plugin.into(),
            entry: entry.into(),
            repositories: grants.repositories.clone(),
            ..Rights::default()
        };
        for want in wants {
            match want {
                Want::Repository(_) => rights.wants_repositories = true,
                Want::Directory(want) if grants.directories => {
                    if let Some(path) = settings[&want.setting].as_str().filter(|it| !it.is_empty()) {
                        rights.directories.insert(want.setting.clone(), path.into());
                    }
                }
                Want::Http(want) => rights.add_http(want, grants),
                Want::Forge(want) => rights.add_forge(want, grants),
                _ => (),
            }
        }
        rights
    }

    /// The ids that the entry was given.
    pub(crate) fn repositories(&self) -> &[String] {
        &self.repositories
    }

    /// What a plugin's word for a tree stands for, if it may read it.
    pub(crate) fn tree(&self, name: &str) -> Result<Tree, Error> {
        if let Some(setting) = name.strip_prefix("dir:") {
            return match self.directories.get(setting) {
                Some(path) => Ok(Tree::Directory(path.clone())),
                None => Err(self.denied(format!(
                    "may not read the directory of setting `{setting}`: it has to want it, and the setting has to hold \
                     a path; a plugin from the plugin folder may read none"
                ))),
            };
        }
        if !self.wants_repositories {
            return Err(self.denied("may not read repositories: its `describe` does not want `repository`".into()));
        }
        if self.has(name) {
            return Ok(Tree::Repository(name.into()));
        }
        Err(self.denied(format!(
            "may not read repository `{name}`: it is none of those that its section in the configuration gives it"
        )))
    }

    /// What a plugin's word for a repository of the forge stands for, if it may ask about it; none: all that it has.
    pub(crate) fn forge(&self, asked: Option<&str>) -> Result<Vec<String>, Error> {
        if self.forge.is_none() {
            let why = match self.wants_forge {
                true => "a shipped plugin may where the configuration uses it; one from the plugin folder may not",
                false => "its `describe` does not want `forge`",
            };
            return Err(self.denied(format!("may not ask the forge: {why}")));
        }
        match asked {
            None => Ok(self.repositories.clone()),
            Some(id) if self.has(id) => Ok(vec![id.into()]),
            Some(id) => Err(self.denied(format!(
                "may not ask the forge about repository `{}`: it is none of those that its section in the \
                 configuration gives it",
                id.escape_debug()
            ))),
        }
    }

    /// Whether the repository is one of the entry's.
    pub(crate) fn has(&self, repository: &str) -> bool {
        self.repositories.iter().any(|it| it == repository)
    }

    /// Whether it may have that written on the forge; else what would change that.
    pub(crate) fn writes(&self, write: &str) -> Result<(), &'static str> {
        match &self.forge {
            Some(writes) if writes.contains(write) => Ok(()),
            _ if self.wants_forge => {
                Err("its `describe` has to want `forge` with this write, and the operator has to \
                                          grant it: a plugin from the plugin folder may write nothing")
            }
            _ => Err("its `describe` has to want `forge` with this write"),
        }
    }

    /// The rights under which a request falls.
    pub(crate) fn http(&self, request: &Request) -> Result<Vec<HttpGrant>, Error> {
        if !self.wants_http {
            return Err(self.denied("may not send requests: its `describe` does not want `http`".into()));
        }
        let Request { method, url, credential, .. } = request;
        let url = self.url(url, credential.as_deref())?;
        let falls_under = |grant: &&HttpGrant| {
            let place = match &url {
                Some(url) => Url::parse(&grant.url_prefix).is_ok_and(|prefix| covers(&prefix, url)),
                None => grant.credential == *credential,
            };
            let method = grant.methods.is_empty() || grant.methods.iter().any(|it| it.eq_ignore_ascii_case(method));
            place && method && (credential.is_none() || grant.credential == *credential)
        };
        let granted: Vec<HttpGrant> = self.http.iter().filter(falls_under).cloned().collect();
        if granted.is_empty() {
            let place = url.map_or("the URL that is the secret".to_owned(), |it| it[..Position::AfterPath].to_owned());
            let with = credential.as_ref().map_or(String::new(), |it| format!(" with credential `{it}`"));
            return Err(self.denied(format!(
                "may not {method} {place}{with}: a shipped plugin may send to what its settings name and it wants; one from the plugin \
                 folder may send nowhere"
            )));
        }
        Ok(granted)
    }

    /// None: the credential is the URL.
    fn url(&self, url: &str, credential: Option<&str>) -> Result<Option<Url>, Error> {
        if url.is_empty() {
            return match credential {
                Some(name) if self.whole_urls.contains(name) => Ok(None),
                _ => Err(Error::Invalid("the request has no URL, and no credential that is one".into())),
            };
        }
        let parsed = Url::parse(url).map_err(|error| Error::Invalid(format!("the URL cannot be read: {error}")))?;
        if !matches!(parsed.scheme(), "http" | "https") {
            return Err(Error::Invalid(format!(
                "the URL's scheme is `{}`; only https and http are sent",
                parsed.scheme()
            )));
        }
        if !parsed.username().is_empty() || parsed.password().is_some() {
            return Err(Error::Invalid("the URL holds a user or password; use a credential".into()));
        }
        Ok(Some(parsed))
    }

    fn add_http(&mut self, want: &HttpWant, grants: &Grants) {
        self.wants_http = true;
        if let Some(credential) = want.credential.as_ref().filter(|it| it.attach == Attachment::Url) {
            self.whole_urls.insert(credential.name.clone());
        }
        self.http.extend(grants.http.iter().filter_map(|grant| both(want, grant)));
    }

    fn add_forge(&mut self, want: &ForgeWant, grants: &Grants) {
        self.wants_forge = true;
        if let Some(grant) = &grants.forge {
            let both = want.writes.iter().filter(|it| grant.writes.contains(*it)).cloned();
            self.forge.get_or_insert_default().extend(both);
        }
    }

    fn denied(&self, what: String) -> Error {
        Error::Denied(format!("plugin `{}`, entry `{}`, {what}", self.plugin, self.entry))
    }
}

/// What a want and a grant have in common.
fn both(want: &HttpWant, grant: &HttpGrant) -> Option<HttpGrant> {
    let url_prefix = narrower(&want.url, &grant.url_prefix)?;
    let methods = match (want.methods.as_slice(), grant.methods.as_slice()) {
        ([], methods) | (methods, []) => methods.to_vec(),
        (wanted, granted) => {
            let granted = |it: &&String| granted.iter().any(|other| other.eq_ignore_ascii_case(it));
            let both: Vec<String> = wanted.iter().filter(granted).cloned().collect();
            if both.is_empty() {
                return None;
            }
            both
        }
    };
    let wanted = want.credential.as_ref().map(|it| &it.name);
    let credential = grant.credential.clone().filter(|it| Some(it) == wanted);
    Some(HttpGrant { methods, url_prefix, credential })
}

/// The prefix that lies within the other. Two empty ones are a URL that only the credential knows.
fn narrower(wanted: &str, granted: &str) -> Option<String> {
    if wanted.contains('{') || granted.contains('{') {
        return None; // a setting is missing: this shows what will be wanted, and grants nothing
    }
    if wanted.is_empty() && granted.is_empty() {
        return Some(String::new());
    }
    let (wanted, granted) = (Url::parse(wanted).ok()?, Url::parse(granted).ok()?);
    if covers(&wanted, &granted) {
        return Some(granted.into());
    }
    covers(&granted, &wanted).then(|| wanted.into())
}

/// Same origin, and the path begins like the prefix's, up to the border of a segment: the rule of the way out, which
/// asks again. Both are parsed: `..` is gone and hosts are in lower case. A prefix with a query covers nothing.
fn covers(prefix: &Url, url: &Url) -> bool {
    prefix.scheme() == url.scheme()
        && prefix.host() == url.host()
        && prefix.port_or_known_default() == url.port_or_known_default()
        && prefix.query().is_none()
        && below(prefix.path(), url.path())
}

fn below(prefix: &str, path: &str) -> bool {
    let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
