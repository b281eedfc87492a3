//! npm: packuments, versions and tarballs.
//!
//! A tarball is at `NAME/-/BASE-VERSION.tgz` here, wherever the registry has it: that is the form that npm, pnpm and
//! Yarn take for granted and leave out of lock files. npm itself also writes no mirror into its lock file: to it the
//! public registry's URLs mean "the registry that is configured", so it is told those.

use super::{
    Error,
    ask::{Answer, Asked, Roots, is_word},
    digest::Digest,
    files::Link,
    pages::{Form, HERE, Page, Pages, ROOT},
};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{MapAccess, Visitor},
};
use serde_json::{
    Value,
    value::{RawValue, to_raw_value},
};
use std::{collections::BTreeMap, fmt};

/// Longer names cannot be published.
const NAME_MAX: usize = 214;
const VERSION_MAX: usize = 128;
const FULL: &str = "application/json";
const SHORT: &str = "application/vnd.npm.install-v1+json";

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ask {
    Packument {
        name: String,
    },
    /// `version` may be a tag, as `latest`.
    Manifest {
        name: String,
        version: String,
    },
    Tarball {
        name: String,
        file: String,
    },
}

/// `NAME`, `NAME/VERSION`, `NAME/-/FILE`, with `NAME` = `a`, `@a/b` or `@a%2fb`; in front of the last one, whatever
/// path the registry of a lock file has its packages below.
pub(super) fn parse(rest: &str) -> Option<Ask> {
    let plain = rest.replace("%2f", "/").replace("%2F", "/").replace("%40", "@");
    let parts: Vec<&str> = plain.split('/').collect();
    if let Some(at) = parts.iter().position(|it| *it == "-") {
        let [file] = parts[at + 1..] else { return None };
        let from = if at >= 2 && parts[at - 2].starts_with('@') { at - 2 } else { at.checked_sub(1)? };
        let name = name(&parts[from..at])?;
        // Of where the lock file's registry has it nothing is used.
        let fits = is_word(file, NAME_MAX + VERSION_MAX, "._+~-", "_~-") && file.ends_with(".tgz");
        return (fits && from <= 4).then(|| Ask::Tarball { name, file: file.to_owned() });
    }
    let scoped = usize::from(parts[0].starts_with('@'));
    match parts.len().checked_sub(scoped)? {
        1 => name(&parts).map(|name| Ask::Packument { name }),
        2 => {
            let version = parts[1 + scoped];
            let fits = is_word(version, VERSION_MAX, "._+-", "");
            let name = name(&parts[..=scoped])?;
            fits.then(|| Ask::Manifest { name, version: version.to_owned() })
        }
        _ => None,
    }
}

fn name(parts: &[&str]) -> Option<String> {
    let word = |it: &str| is_word(it, NAME_MAX, "._~-", "~-");
    let name = parts.join("/");
    let fits = match parts {
        [plain] => word(plain),
        [scope, plain] => scope.strip_prefix('@').is_some_and(word) && word(plain),
        _ => false,
    };
    (fits && name.len() <= NAME_MAX).then_some(name)
}

pub(super) async fn packument(roots: &Roots, pages: &Pages, name: &str, asked: &Asked<'_>) -> Result<Answer, Error> {
    let accept = if asked.accept.contains(SHORT) { SHORT } else { FULL };
    let page = packument_page(roots, pages, name, accept).await?;
    Ok(answer(page, roots, asked))
}

pub(super) async fn manifest(
    roots: &Roots,
    pages: &Pages,
    name: &str,
    version: &str,
    asked: &Asked<'_>,
) -> Result<Answer, Error> {
    Ok(answer(manifest_page(roots, pages, name, version).await?, roots, asked))
}

/// Where the tarball is. The whole packument is asked for only where the version's own page is not enough: `npm ci`
/// asks for hundreds of tarballs, and for nothing else.
pub(super) async fn tarball(roots: &Roots, pages: &Pages, name: &str, file: &str) -> Result<Link, Error> {
    let link = |page: &Page| page.links().get(file).cloned();
    for accept in [SHORT, FULL] {
        let kept = pages.kept(&url(roots, name), accept).await?;
        if let Some(link) = kept.as_ref().and_then(link) {
            return Ok(link);
        }
    }
    let version = file.strip_prefix(base(name)).and_then(|it| it.strip_prefix('-')?.strip_suffix(".tgz"));
    if let Some(version) = version.filter(|it| is_word(it, VERSION_MAX, "._+-", "")) {
        let found = match pages.kept(&format!("{}/{version}", url(roots, name)), FULL).await? {
            Some(kept) => Ok(kept),
            None => manifest_page(roots, pages, name, version).await,
        };
        if let Some(link) = found.ok().as_ref().and_then(link) {
            return Ok(link);
        }
    }
    let page = packument_page(roots, pages, name, SHORT).await?;
    link(&page).ok_or_else(|| Error::Absent(format!("file {file} of {name}")))
}

fn url(roots: &Roots, name: &str) -> String {
    format!("{}/{}", roots.npm, name.replace('/', "%2f"))
}

fn base(name: &str) -> &str {
    name.split_once('/').map_or(name, |(_, base)| base)
}

async fn packument_page(roots: &Roots, pages: &Pages, name: &str, accept: &'static str) -> Result<Page, Error> {
    let mut read = Reading::new(roots, name);
    let form = if accept == SHORT { Form::NpmShort } else { Form::Json };
    let read = move |_: &url::Url, _: &str, body: Vec<u8>| {
        let body = read.packument(&body).map_err(|error| unreadable(&error))?;
        Ok(Page::new(form, body, read.links))
    };
    pages.fresh(&url(roots, name), accept, read).await
}

async fn manifest_page(roots: &Roots, pages: &Pages, name: &str, version: &str) -> Result<Page, Error> {
    let mut read = Reading::new(roots, name);
    let read = move |_: &url::Url, _: &str, body: Vec<u8>| {
        let version: &RawValue = serde_json::from_slice(&body).map_err(|error| unreadable(&error))?;
        let version = read.version(version).map_err(|error| unreadable(&error))?;
        Ok(Page::new(Form::Json, version.get().to_owned(), read.links))
    };
    pages.fresh(&format!("{}/{version}", url(roots, name)), FULL, read).await
}

fn unreadable(error: &serde_json::Error) -> Error {
    Error::Upstream(format!("the npm registry's answer is no description of a package: {error}"))
}

fn answer(page: Page, roots: &Roots, asked: &Asked<'_>) -> Answer {
    let here = format!("http://{}/npm", asked.host);
    let root = if asked.agent.starts_with("npm/") { roots.npm_public } else { &here };
    page.answer(&here, root)
}

/// Reads descriptions of one package, replaces where its tarballs are, and notes where they really are.
struct Reading {
    name: String,
    public: &'static str,
    links: BTreeMap<String, Link>,
}

impl Reading {
    fn new(roots: &Roots, name: &str) -> Reading {
        Reading { name: name.to_owned(), public: roots.npm_public, links: BTreeMap::new() }
    }

    /// Everything but the tarballs stays as it is, and is not even looked at: packuments are large.
    fn packument(&mut self, body: &[u8]) -> serde_json::Result<Vec<u8>> {
        let mut packument: Fields<'_> = serde_json::from_slice(body)?;
        for (key, value) in &mut packument.0 {
            if key != "versions" {
                continue;
            }
            let mut versions: Fields<'_> = serde_json::from_str(value.get())?;
            for (_, version) in &mut versions.0 {
                *version = Raw::Made(self.version(version.raw())?);
            }
            *value = Raw::Made(to_raw_value(&versions)?);
        }
        serde_json::to_vec(&packument)
    }

    fn version(&mut self, version: &RawValue) -> serde_json::Result<Box<RawValue>> {
        let mut fields: Fields<'_> = serde_json::from_str(version.get())?;
        let number = fields.0.iter().find(|(key, _)| key == "version");
        let number = number.and_then(|(_, value)| serde_json::from_str::<String>(value.get()).ok());
        for (key, value) in &mut fields.0 {
            if let ("dist", Some(number)) = (key.as_str(), &number) {
                let mut dist: Value = serde_json::from_str(value.get())?;
                self.dist(&mut dist, number);
                *value = Raw::Made(to_raw_value(&dist)?);
            }
        }
        to_raw_value(&fields)
    }

    fn dist(&mut self, dist: &mut Value, version: &str) {
        let Some(tarball) = dist.get("tarball").and_then(Value::as_str).map(str::to_owned) else { return };
        let file = format!("{}-{version}.tgz", base(&self.name));
        let path = format!("/{}/-/{file}", self.name);
        let digest = dist.get("integrity").and_then(Value::as_str).and_then(Digest::integrity);
        let link = Link { url: tarball.clone(), digest };
        // Old packages have other names in lock files than their versions would give.
        if let Some((_, other)) = tarball.rsplit_once('/') {
            self.links.entry(other.to_owned()).or_insert_with(|| link.clone());
        }
        self.links.insert(file, link);
        let standard = tarball.strip_prefix(self.public) == Some(&path);
        dist["tarball"] = Value::String(format!("{}{path}", if standard { ROOT } else { HERE }));
    }
}

/// A JSON object in its order, with values that are not looked at.
struct Fields<'a>(Vec<(String, Raw<'a>)>);

enum Raw<'a> {
    Read(&'a RawValue),
    Made(Box<RawValue>),
}

impl Raw<'_> {
    fn raw(&self) -> &RawValue {
        match self {
            Raw::Read(it) => it,
            Raw::Made(it) => it,
        }
    }

    fn get(&self) -> &str {
        self.raw().get()
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Vec<(String, Raw<'de>)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::new();
                while let Some((key, value)) = map.next_entry::<String, &RawValue>()? {
                    fields.push((key, Raw::Read(value)));
                }
                Ok(fields)
            }
        }
        deserializer.deserialize_map(Object).map(Fields)
    }
}

impl Serialize for Fields<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, value.raw())))
    }
}

#[cfg(test)]
mod tests;
