//! The rights of an entry: what is wanted and granted, both.
//!
//! They are worked out once for an entry and asked in each host function. Every refusal says which plugin and entry it
//! concerns, whether the plugin never asked or the operator never allowed, and what would change that. A URL's query
//! and a credential's value never get into such a text.

use super::{Grants, HttpGrant, add, list};
use crate::host::Tree;
use crate::wit::common::Error;
use crate::wit::http::Request;
use crate::wit::manifest::{Attachment, ForgeWant, HttpWant, Want};
use agentd_egress::covers;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use url::{Position, Url};

/// What an entry may do.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rights {
    /// For texts.
    plugin: String,
    entry: String,
    wants_repositories: bool,
    /// By setting: what is wanted, granted, and set.
    directories: BTreeMap<String, PathBuf>,
    http: Vec<HttpGrant>,
    /// Credentials that are a whole URL.
    whole_urls: BTreeSet<String>,
    /// What it may write, where it may ask the forge at all.
    forge: Option<BTreeSet<String>>,
    /// All that it wants, and all that it is granted.
    wanted: Grants,
    wants_mail: bool,
    granted: Grants,
}

impl Rights {
    pub(crate) fn new(plugin: &str, entry: &str, wants: &[Want], grants: &Grants, settings: &Value) -> Rights {
        let mut rights = Rights {
            plugin: plugin.into(),
            entry: entry.into(),
            wanted: Grants::implied(wants, vec![]),
            granted: grants.clone(),
            ..Rights::default()
        };
        for want in wants {
            match want {
                Want::Repository(_) => rights.wants_repositories = true,
                Want::Directory(want) if grants.directories.contains(&want.setting) => {
                    if let Some(path) = settings[&want.setting].as_str().filter(|it| !it.is_empty()) {
                        rights.directories.insert(want.setting.clone(), path.into());
                    }
                }
                Want::Http(want) => rights.add_http(want, grants),
                Want::Forge(want) => rights.add_forge(want, grants),
                Want::Mail(_) => rights.wants_mail = true,
                _ => (),
            }
        }
        rights
    }

    /// The ids that the entry was given.
    pub(crate) fn repositories(&self) -> &[String] {
        &self.granted.repositories
    }

    /// What the operator allows, wanted or not.
    pub(crate) fn grants(&self) -> Grants {
        self.granted.clone()
    }

    /// What a plugin's word for a tree stands for, if it may read it.
    pub(crate) fn tree(&self, name: &str) -> Result<Tree, Error> {
        if let Some(setting) = name.strip_prefix("dir:") {
            return match self.directories.get(setting) {
                Some(path) => Ok(Tree::Directory(path.clone())),
                None => Err(self.no_directory(setting)),
            };
        }
        if !self.wants_repositories {
            return Err(self.denied("may not read repositories: its `describe` does not want `repository`".into()));
        }
        if self.has(name) {
            return Ok(Tree::Repository(name.into()));
        }
        Err(self.denied(format!(
            "may not read repository `{}`: it is none of those that its section in the configuration gives it",
            name.escape_debug()
        )))
    }

    fn no_directory(&self, setting: &str) -> Error {
        let what = format!("may not read the directory of setting `{}`", setting.escape_debug());
        let wanted = self.wanted.directories.iter().any(|it| it == setting);
        if !wanted {
            return self.denied(format!("{what}: its `describe` does not want this directory"));
        }
        if self.granted.directories.iter().any(|it| it == setting) {
            return self.denied(format!("{what}: the setting holds no path"));
        }
        let mut all = self.granted.directories.clone();
        add(&mut all, setting);
        self.not_granted(&what, "directories", &list(&all))
    }

    /// The word for a tree in the contract.
    pub(crate) fn tree_name(&self, tree: &Tree) -> String {
        match tree {
            Tree::Repository(id) => id.clone(),
            Tree::Directory(path) => {
                let setting = self.directories.iter().find(|it| it.1 == path).map_or("", |it| it.0.as_str());
                format!("dir:{setting}")
            }
        }
    }

    /// What a plugin's word for a repository of the forge stands for, if it may ask about it; none: all that it has.
    pub(crate) fn forge(&self, asked: Option<&str>) -> Result<Vec<String>, Error> {
        if self.forge.is_none() {
            let what = "may not ask the forge";
            return Err(match self.wanted.forge {
                Some(_) => self.not_granted(what, "forge", "[]"),
                None => self.denied(format!("{what}: its `describe` does not want `forge`")),
            });
        }
        match asked {
            None => Ok(self.granted.repositories.clone()),
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
        self.granted.repositories.iter().any(|it| it == repository)
    }

    /// Whether it may have that written on the forge; else what would change that.
    pub(crate) fn writes(&self, write: &str) -> Result<(), String> {
        if self.forge.as_ref().is_some_and(|it| it.contains(write)) {
            return Ok(());
        }
        if !self.wanted.forge.as_ref().is_some_and(|it| it.writes.contains(write)) {
            return Err(format!("its `describe` does not want `forge` with the write `{write}`"));
        }
        let mut writes: Vec<&str> = vec![write];
        writes.extend(self.granted.forge.iter().flat_map(|it| it.writes.iter().map(String::as_str)));
        Err(format!("the operator has not granted it; {}", self.line("forge", &list(&writes))))
    }

    /// Whether it may be called with deliveries.
    pub(crate) fn webhook(&self) -> Result<(), Error> {
        let what = "may not be called with deliveries";
        match (self.wanted.webhook, self.granted.webhook) {
            (true, true) => Ok(()),
            (true, false) => Err(self.not_granted(what, "webhook", "true")),
            (false, _) => Err(self.denied(format!("{what}: its `describe` does not want `webhook`"))),
        }
    }

    /// Whom the entry may write to, if all of these are among them. Addresses alone, without names.
    pub(crate) fn mail(&self, recipients: &[String]) -> Result<&[String], Error> {
        if !self.wants_mail {
            return Err(self.denied("may not send mail: its `describe` does not want `mail`".into()));
        }
        let allowed = &self.granted.mail;
        let refused: Vec<&String> =
            recipients.iter().filter(|it| !allowed.iter().any(|rule| meets(rule, it))).collect();
        let Some(first) = refused.first() else { return Ok(allowed) };
        let mut all = allowed.clone();
        refused.iter().for_each(|it| add(&mut all, it));
        let what = format!("may not send mail to {}", first.escape_debug());
        Err(self.not_granted(&what, "mail", &list(&all)))
    }

    /// The rights under which a request falls.
    pub(crate) fn http(&self, request: &Request) -> Result<Vec<HttpGrant>, Error> {
        if self.wanted.http.is_empty() {
            return Err(self.denied("may not send requests: its `describe` does not want `http`".into()));
        }
        let Request { method, url, credential, .. } = request;
        let url = self.url(url, credential.as_deref())?;
        let asked = Asked { method, url: url.as_ref(), credential: credential.as_deref() };
        let granted: Vec<HttpGrant> = self.http.iter().filter(|it| asked.falls_under(it)).cloned().collect();
        if granted.is_empty() {
            return Err(self.no_http(&asked));
        }
        Ok(granted)
    }

    fn no_http(&self, asked: &Asked<'_>) -> Error {
        let place = asked.url.map_or("the URL that is the secret", |it| &it[..Position::AfterPath]);
        let with = asked.credential.map_or(String::new(), |it| format!(" with credential `{}`", it.escape_debug()));
        let what = format!("may not {} {place}{with}", asked.method);
        let Some(want) = self.wanted.http.iter().find(|it| asked.falls_under(it)) else {
            return self.denied(format!("{what}: its `describe` never asks for this, with the settings that it has"));
        };
        let mut all: Vec<String> = self.granted.http.iter().map(HttpGrant::toml).collect();
        all.push(want.toml());
        self.not_granted(&what, "http", &format!("[{}]", all.join(", ")))
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
        if let Some(credential) = want.credential.as_ref().filter(|it| it.attach == Attachment::Url) {
            self.whole_urls.insert(credential.name.clone());
        }
        self.http.extend(grants.http.iter().filter_map(|grant| both(want, grant)));
    }

    fn add_forge(&mut self, want: &ForgeWant, grants: &Grants) {
        if let Some(grant) = &grants.forge {
            let both = want.writes.iter().filter(|it| grant.writes.contains(*it)).cloned();
            self.forge.get_or_insert_default().extend(both);
        }
    }

    fn denied(&self, what: String) -> Error {
        Error::Denied(format!("plugin `{}`, entry `{}`, {what}", self.plugin, self.entry))
    }

    /// Wanted, and not allowed: the text ends with the line that would allow it.
    fn not_granted(&self, what: &str, key: &str, value: &str) -> Error {
        self.denied(format!("{what}: the operator has not granted it; {}", self.line(key, value)))
    }

    fn line(&self, key: &str, value: &str) -> String {
        format!("to allow it, put into [approvals.{}]: {key} = {value}", self.plugin)
    }
}

/// A request, as far as rights look at it.
struct Asked<'a> {
    method: &'a str,
    /// None: the credential is the URL.
    url: Option<&'a Url>,
    credential: Option<&'a str>,
}

impl Asked<'_> {
    fn falls_under(&self, grant: &HttpGrant) -> bool {
        let same_credential = grant.credential.as_deref() == self.credential;
        let place = match self.url {
            Some(url) => Url::parse(&grant.url_prefix).is_ok_and(|prefix| covers(&prefix, url)),
            None => same_credential && grant.url_prefix.is_empty(),
        };
        let method = grant.methods.is_empty() || grant.methods.iter().any(|it| it.eq_ignore_ascii_case(self.method));
        place && method && (self.credential.is_none() || same_credential)
    }
}

/// Whether the address is one that the rule (an address, `*@domain`, or `*`) speaks of.
fn meets(rule: &str, address: &str) -> bool {
    let domain = |it: &str| it.rsplit_once('@').map(|it| it.1.to_ascii_lowercase());
    match rule.strip_prefix('*') {
        Some("") => true,
        Some(rest) => rest.starts_with('@') && domain(rest) == domain(address),
        None => rule.eq_ignore_ascii_case(address),
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
