//! PyPI's simple index, as HTML and as JSON, and its files.
//!
//! A page of HTML is not changed but written again, from what its links say: whatever else stands in it has no reader.

use super::{
    Error,
    ask::{Answer, Asked, Roots, is_word},
    digest::Digest,
    files::Link,
    pages::{Form, Page, Pages},
};
use regex::Regex;
use serde_json::Value;
use std::{collections::BTreeMap, sync::LazyLock};
use url::Url;

const NAME_MAX: usize = 128;
const FILE_MAX: usize = 256;
const JSON: &str = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1";
const HTML: &str = "application/vnd.pypi.simple.v1+html, text/html;q=0.5";

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ask {
    /// Normalised.
    Project {
        name: String,
    },
    File {
        name: String,
        file: String,
    },
}

/// `simple/NAME/`, `files/NAME/FILE`.
pub(super) fn parse(rest: &str) -> Option<Ask> {
    let parts: Vec<&str> = rest.split('/').collect();
    match parts[..] {
        ["simple", name] | ["simple", name, ""] => is_name(name).then(|| Ask::Project { name: normalised(name) }),
        ["files", name, file] if is_name(name) => {
            let file = file.replace("%2B", "+").replace("%2b", "+").replace("%21", "!");
            is_file(&file).then(|| Ask::File { name: normalised(name), file })
        }
        _ => None,
    }
}

fn is_name(text: &str) -> bool {
    is_word(text, NAME_MAX, "._-", "")
}

fn is_file(text: &str) -> bool {
    is_word(text, FILE_MAX, "._+!-", "_")
}

/// The one name among those that mean the same project.
fn normalised(name: &str) -> String {
    let words: Vec<&str> = name.split(['.', '_', '-']).filter(|it| !it.is_empty()).collect();
    words.join("-").to_ascii_lowercase()
}

pub(super) async fn project(roots: &Roots, pages: &Pages, name: &str, asked: &Asked<'_>) -> Result<Answer, Error> {
    let accept = if asked.accept.contains("application/vnd.pypi.simple.v1+json") { JSON } else { HTML };
    Ok(project_page(roots, pages, name, accept).await?.answer("", ""))
}

/// Where the file is.
pub(super) async fn file(roots: &Roots, pages: &Pages, name: &str, file: &str) -> Result<Link, Error> {
    let listed = |page: &Page| page.links().get(file).cloned();
    for accept in [JSON, HTML] {
        let kept = pages.kept(&url(roots, name), accept).await?;
        if let Some(link) = kept.as_ref().and_then(listed) {
            return Ok(link);
        }
    }
    let page = project_page(roots, pages, name, JSON).await?;
    listed(&page).ok_or_else(|| Error::Absent(format!("file {file} of {name}")))
}

fn url(roots: &Roots, name: &str) -> String {
    format!("{}/{name}/", roots.pypi)
}

async fn project_page(roots: &Roots, pages: &Pages, name: &str, accept: &str) -> Result<Page, Error> {
    let project = name.to_owned();
    let read = move |from: &Url, content_type: &str, body: Vec<u8>| {
        if content_type.contains("json") { read_json(&project, from, &body) } else { read_html(&project, from, &body) }
    };
    pages.fresh(&url(roots, name), accept, read).await
}

/// Where the mirror has a file. A path without a host: readers put it behind the page's.
fn path(project: &str, file: &str) -> String {
    format!("/pypi/files/{project}/{file}")
}

fn read_json(project: &str, from: &Url, body: &[u8]) -> Result<Page, Error> {
    let unreadable = |why: &str| Error::Upstream(format!("the index's page of {project} cannot be read: {why}"));
    let mut page: Value = serde_json::from_slice(body).map_err(|error| unreadable(&error.to_string()))?;
    let files = page.get_mut("files").and_then(Value::as_array_mut).ok_or_else(|| unreadable("it has no files"))?;
    let mut links = BTreeMap::new();
    files.retain_mut(|it| {
        let Some((file, url)) = it.get("url").and_then(Value::as_str).and_then(|url| target(from, url)) else {
            return false;
        };
        let sha256 = |it: &Value| it.get("sha256").and_then(Value::as_str).and_then(Digest::sha256);
        let metadata = it.get("core-metadata").or_else(|| it.get("dist-info-metadata"));
        if let Some(metadata) = metadata.filter(|it| it.is_object() || **it == Value::Bool(true)) {
            links.insert(format!("{file}.metadata"), beside(&url, sha256(metadata)));
        }
        links.insert(file.clone(), Link { url: url.into(), digest: it.get("hashes").and_then(sha256) });
        it["url"] = Value::String(path(project, &file));
        if let Some(fields) = it.as_object_mut() {
            // Its place is outside, where no reader of this page gets to.
            fields.remove("provenance");
        }
        true
    });
    Ok(Page::new(Form::PypiJson, page.to_string(), links))
}

fn read_html(project: &str, from: &Url, body: &[u8]) -> Result<Page, Error> {
    let text = std::str::from_utf8(body)
        .map_err(|_| Error::Upstream(format!("the index's page of {project} cannot be read: it is no UTF-8")))?;
    let mut page = format!(
        "<!DOCTYPE html>\n<html><head><meta name=\"pypi:repository-version\" content=\"1.0\">\
         <title>Links for {project}</title></head>\n<body>\n"
    );
    let mut links = BTreeMap::new();
    for anchor in ANCHOR.captures_iter(text) {
        let attributes: BTreeMap<String, String> =
            ATTRIBUTE.captures_iter(&anchor[1]).map(|it| attribute(&it)).collect();
        let Some((file, url)) = attributes.get("href").and_then(|href| target(from, href)) else { continue };
        let sha256 = |it: &str| it.strip_prefix("sha256=").and_then(Digest::sha256);
        let metadata = attributes.get("data-core-metadata").or_else(|| attributes.get("data-dist-info-metadata"));
        if let Some(metadata) = metadata.filter(|it| *it != "false") {
            links.insert(format!("{file}.metadata"), beside(&url, sha256(metadata)));
        }
        let fragment = url.fragment().map(|it| format!("#{it}")).unwrap_or_default();
        page.push_str(&format!("<a href=\"{}\"", escaped(&format!("{}{fragment}", path(project, &file)))));
        for (name, value) in attributes.iter().filter(|(name, _)| KEPT.contains(&name.as_str())) {
            page.push_str(&format!(" {name}=\"{}\"", escaped(value)));
        }
        page.push_str(&format!(">{}</a><br>\n", escaped(&file)));
        let digest = url.fragment().and_then(sha256);
        links.insert(file, Link { url: url.into(), digest });
    }
    page.push_str("</body></html>\n");
    Ok(Page::new(Form::Html, page, links))
}

/// What a link says of its file.
const KEPT: [&str; 4] = ["data-requires-python", "data-dist-info-metadata", "data-core-metadata", "data-yanked"];

static ANCHOR: LazyLock<Regex> = LazyLock::new(|| {
    // Within quotes a `>` is no end.
    Regex::new(r#"(?i)<a\s((?:[^>"']|"[^"]*"|'[^']*')*)>"#).expect("the expression is one")
});
static ATTRIBUTE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"([A-Za-z][A-Za-z0-9-]*)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+)))?"#)
        .expect("the expression is one")
});

/// An attribute's name, and its value without escapes.
fn attribute(found: &regex::Captures<'_>) -> (String, String) {
    let value = found.get(2).or_else(|| found.get(3)).or_else(|| found.get(4)).map_or("", |it| it.as_str());
    let value = value.replace("&quot;", "\"").replace("&#39;", "'").replace("&#x27;", "'");
    let value = value.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    (found[1].to_ascii_lowercase(), value)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A link's file and its whole URL, if it is one that the mirror could have.
fn target(from: &Url, href: &str) -> Option<(String, Url)> {
    let url = from.join(href).ok()?;
    let file = url.path_segments()?.next_back()?.replace("%2B", "+").replace("%2b", "+").replace("%21", "!");
    is_file(&file).then_some((file, url))
}

/// A wheel's metadata stands beside it.
fn beside(url: &Url, digest: Option<Digest>) -> Link {
    let mut url = url.clone();
    url.set_fragment(None);
    url.set_path(&format!("{}.metadata", url.path()));
    Link { url: url.into(), digest }
}

#[cfg(test)]
mod tests;
