//! What plugins want and operators grant, and both in words.
//!
//! What follows of the two for an entry are its [`Rights`]; what a want has beyond a grant says [`wider`]. Nothing is
//! decided here about who is granted what: see `approval`.

mod rights;
mod wider;

pub(crate) use rights::Rights;
pub(crate) use wider::wider;

use crate::wit::manifest::{HttpWant, Want};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeSet;
use url::Url;

/// What the operator allows an entry. The default is nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Grants {
    /// Ids of the repositories that it may read.
    pub repositories: Vec<String>,
    /// Settings whose directories it may read (`dir:SETTING`).
    pub directories: Vec<String>,
    pub http: Vec<HttpGrant>,
    /// It may ask the forge about its repositories. None: it may not.
    pub forge: Option<ForgeGrant>,
    /// Whom it may send mail to: addresses, `*@domain`, or `*` for whom the configuration of the mail server allows.
    pub mail: Vec<String>,
    /// It may be called with what arrives at its entry's address.
    pub webhook: bool,
    /// The names of the models that an agent may call.
    pub models: Vec<String>,
}

/// What an entry may do on the forge, beside reading.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ForgeGrant {
    /// What it may have written by the edits that it returns: `comment`, `label`, `reaction`.
    pub writes: BTreeSet<String>,
}

/// A place that an entry may send requests to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpGrant {
    /// Empty: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<String>,
    /// What URLs begin with: origin, and as much of the path as is to be fixed.
    #[serde(rename = "url")]
    pub url_prefix: String,
    /// The name of the one credential that requests there may use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
}

impl Grants {
    /// Everything that is wanted: what a shipped plugin gets from the configuration section that uses it.
    #[must_use]
    pub fn implied(wants: &[Want], repositories: Vec<String>) -> Grants {
        let mut grants = Grants { repositories, ..Grants::default() };
        for want in wants {
            match want {
                Want::Repository(_) | Want::Other(_) => (),
                Want::Http(want) => grants.http.push(HttpGrant::wanted(want)),
                Want::Forge(want) => {
                    grants.forge.get_or_insert_default().writes.extend(want.writes.iter().cloned());
                }
                Want::Directory(want) => add(&mut grants.directories, &want.setting),
                Want::Mail(_) => add(&mut grants.mail, ANYBODY),
                Want::Webhook(_) => grants.webhook = true,
                Want::Model(want) => add(&mut grants.models, &want.name),
            }
        }
        grants
    }
}

impl HttpGrant {
    fn wanted(want: &HttpWant) -> HttpGrant {
        HttpGrant {
            methods: want.methods.clone(),
            url_prefix: want.url.clone(),
            credential: want.credential.as_ref().map(|it| it.name.clone()),
        }
    }

    /// As it stands in an approval.
    pub(crate) fn toml(&self) -> String {
        let methods = match self.methods.as_slice() {
            [] => String::new(),
            methods => format!("methods = {}, ", list(methods)),
        };
        let credential = self.credential.as_ref().map_or(String::new(), |it| format!(", credential = {}", quoted(it)));
        format!("{{ {methods}url = {}{credential} }}", quoted(&self.url_prefix))
    }
}

/// Whom a plugin that is part of agentd may send mail to: whom the configuration names, which the daemon knows.
const ANYBODY: &str = "*";

fn add(names: &mut Vec<String>, name: &str) {
    if !names.iter().any(|it| it == name) {
        names.push(name.into());
    }
}

/// A string of TOML's: what JSON's escapes say is said in the same way there.
fn quoted(text: &str) -> String {
    Value::from(text).to_string().replace('\u{7f}', "\\u007F")
}

fn list<T: AsRef<str>>(items: &[T]) -> String {
    let items: Vec<String> = items.iter().map(|it| quoted(it.as_ref())).collect();
    format!("[{}]", items.join(", "))
}

/// A want in one line, for people.
#[must_use]
pub fn line(want: &Want) -> String {
    let (what, why) = match want {
        Want::Http(want) => {
            let methods = if want.methods.is_empty() { "any method".into() } else { want.methods.join(", ") };
            let credential =
                want.credential.as_ref().map_or(String::new(), |it| format!(" with credential `{}`", it.name));
            (format!("http: {methods} {}{credential}", place(&want.url)), &want.why)
        }
        Want::Forge(want) if want.writes.is_empty() => ("forge: read".into(), &want.why),
        Want::Forge(want) => (format!("forge: read, write {}", want.writes.join(", ")), &want.why),
        Want::Repository(want) => ("repository: read files and history".into(), &want.why),
        Want::Directory(want) => (format!("directory: read what setting `{}` names", want.setting), &want.why),
        Want::Mail(want) => ("mail: send to whom the operator allows".into(), &want.why),
        Want::Webhook(want) => {
            (format!("webhook: be called with deliveries signed by header {}", want.signature_header), &want.why)
        }
        Want::Model(want) => (format!("model: `{}` ({})", want.name, want.apis.join(", ")), &want.why),
        Want::Other(want) => (format!("{}: {} (unknown to this agentd, refused)", want.name, want.value), &want.why),
    };
    let line = if why.is_empty() { what } else { format!("{what} ({why})") };
    crate::error::readable(&line.replace('\n', " "), 512)
}

/// A URL as it is meant, and not as it looks: letters of other alphabets look like those of a host that people know.
fn place(url: &str) -> String {
    match Url::parse(url) {
        Ok(parsed) if !url.is_ascii() && !url.contains('{') => parsed.into(),
        Ok(_) | Err(_) => url.to_owned(),
    }
}
