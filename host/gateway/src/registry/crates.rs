//! crates.io's sparse index and its crates.

use super::{
    Error,
    ask::{Answer, Asked, Roots, is_word},
    digest::Digest,
    files::Link,
    pages::{Form, Page, Pages},
};
use serde::Deserialize;
use std::collections::BTreeMap;

const NAME_MAX: usize = 64;
const VERSION_MAX: usize = 128;
const ACCEPT: &str = "*/*";

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ask {
    Config,
    /// In lower case.
    Index {
        name: String,
    },
    File {
        name: String,
        version: String,
    },
}

/// `config.json`, `1/a`, `2/ab`, `3/a/abc`, `ab/cd/abcde`, `dl/NAME/VERSION/download`.
pub(super) fn parse(rest: &str) -> Option<Ask> {
    if rest == "config.json" {
        return Some(Ask::Config);
    }
    // Clients write the `+` of a version either way.
    let plain = rest.replace("%2B", "+").replace("%2b", "+");
    if let ["dl", name, version, "download"] = plain.split('/').collect::<Vec<_>>()[..] {
        let fits = is_name(name) && is_word(version, VERSION_MAX, ".+-", "");
        return fits.then(|| Ask::File { name: name.to_owned(), version: version.to_owned() });
    }
    let (folder, name) = rest.rsplit_once('/')?;
    let fits = is_name(name) && name == name.to_ascii_lowercase() && folder == prefix(name);
    fits.then(|| Ask::Index { name: name.to_owned() })
}

fn is_name(text: &str) -> bool {
    is_word(text, NAME_MAX, "_-", "_")
}

/// The folder of a crate's page.
fn prefix(name: &str) -> String {
    match name.len() {
        1 => "1".into(),
        2 => "2".into(),
        3 => format!("3/{}", &name[..1]),
        _ => format!("{}/{}", &name[..2], &name[2..4]),
    }
}

/// What `config.json` says: where crates are, and that there is nothing to publish to.
pub(super) fn config(asked: &Asked<'_>) -> Answer {
    let dl = format!("http://{}/crates/dl/{{crate}}/{{version}}/download", asked.host);
    let config = serde_json::json!({ "dl": dl, "api": null }).to_string();
    Page::new(Form::Json, config, BTreeMap::new()).answer("", "")
}

pub(super) async fn index(roots: &Roots, pages: &Pages, name: &str) -> Result<Answer, Error> {
    Ok(index_page(roots, pages, name).await?.answer("", ""))
}

/// Where the crate is: the index knows its digest, and the registry's configuration its place.
pub(super) async fn file(roots: &Roots, pages: &Pages, name: &str, version: &str) -> Result<Link, Error> {
    let lower = name.to_ascii_lowercase();
    let listed = |page: &Page| page.links().get(version).and_then(|it| it.digest.clone());
    let kept = pages.kept(&url(roots, &lower), ACCEPT).await?;
    let digest = match kept.as_ref().and_then(listed) {
        Some(digest) => digest,
        None => {
            let page = index_page(roots, pages, &lower).await?;
            listed(&page).ok_or_else(|| Error::Absent(format!("version {version} of {name}")))?
        }
    };
    let read = |_: &url::Url, _: &str, body: Vec<u8>| Ok(Page::new(Form::Json, body, BTreeMap::new()));
    let page = pages.fresh(&format!("{}/config.json", roots.crates), ACCEPT, read).await?;
    let config: Config = serde_json::from_slice(&page.read()?)
        .map_err(|error| Error::Upstream(format!("the index's config.json cannot be read: {error}")))?;
    let Digest::Sha256(sum) = &digest else { return Err(Error::Upstream("the index tells no SHA-256".into())) };
    Ok(Link { url: place(&config.dl, name, version, &hex::encode(sum)), digest: Some(digest) })
}

#[derive(Deserialize)]
struct Config {
    dl: String,
}

/// A line of a crate's page.
#[derive(Deserialize)]
struct Line {
    vers: String,
    cksum: String,
}

fn url(roots: &Roots, name: &str) -> String {
    format!("{}/{}/{name}", roots.crates, prefix(name))
}

async fn index_page(roots: &Roots, pages: &Pages, name: &str) -> Result<Page, Error> {
    pages.fresh(&url(roots, name), ACCEPT, |_, _, body| Ok(read(body))).await
}

/// The page goes on as it is. A line that cannot be understood is no file that could be fetched, and cargo skips it too.
fn read(body: Vec<u8>) -> Page {
    let lines = body.split(|it| *it == b'\n').filter_map(|line| serde_json::from_slice::<Line>(line).ok());
    // Of the place the index says nothing.
    let link = |line: Line| {
        let digest = Digest::sha256(&line.cksum)?;
        Some((line.vers, Link { url: String::new(), digest: Some(digest) }))
    };
    let links = lines.filter_map(link).collect();
    Page::new(Form::Text, body, links)
}

/// The place that the registry's template gives.
fn place(template: &str, name: &str, version: &str, sum: &str) -> String {
    let markers = [
        ("{crate}", name),
        ("{version}", version),
        ("{prefix}", &prefix(name)),
        ("{lowerprefix}", &prefix(&name.to_ascii_lowercase())),
        ("{sha256-checksum}", sum),
    ];
    if !markers.iter().any(|(marker, _)| template.contains(marker)) {
        return format!("{}/{name}/{version}/download", template.trim_end_matches('/'));
    }
    markers.iter().fold(template.to_owned(), |place, (marker, value)| place.replace(marker, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_parse(rest: &str, expected: Option<Ask>) {
        assert_eq!(parse(rest), expected, "{rest}");
    }

    #[test]
    fn paths_are_those_of_the_sparse_index() {
        let index = |name: &str| Some(Ask::Index { name: name.into() });
        check_parse("config.json", Some(Ask::Config));
        check_parse("1/a", index("a"));
        check_parse("2/cc", index("cc"));
        check_parse("3/l/log", index("log"));
        check_parse("se/rd/serde_json", index("serde_json"));
        check_parse("dl/ab/dlab", index("dlab"));
        check_parse("dl/x-/dlx-y", index("dlx-y"));
        let file = |name: &str, version: &str| Some(Ask::File { name: name.into(), version: version.into() });
        check_parse("dl/libz-sys/1.1.20+zlib.1/download", file("libz-sys", "1.1.20+zlib.1"));
        check_parse("dl/libz-sys/1.1.20%2Bzlib.1/download", file("libz-sys", "1.1.20+zlib.1"));
    }

    #[test]
    fn what_no_crate_is_called_is_not_asked_for() {
        let long = format!("aa/aa/{}", "a".repeat(65));
        for bad in [
            "",
            "/",
            "se/rd/Serde",
            "se/rd/tokio",
            "1/ab",
            "se/rd/../x",
            "se/rd/ser%64e",
            "api/v1/crates",
            "me",
            &long,
            "dl/serde/1.0.0",
            "dl/serde/1 0/download",
            "dl/../1.0.0/download",
            "dl/serde/../download",
            "dl//1/download",
        ] {
            check_parse(bad, None);
        }
    }

    #[track_caller]
    fn check_place(template: &str, expected: &str) {
        assert_eq!(place(template, "Inflector", "1.2.3", "00ff"), expected, "{template}");
    }

    #[test]
    fn a_crate_is_where_the_registrys_template_says() {
        check_place("https://static.test/crates", "https://static.test/crates/Inflector/1.2.3/download");
        check_place("https://a.test/{crate}-{version}.crate", "https://a.test/Inflector-1.2.3.crate");
        check_place("https://a.test/{prefix}/{lowerprefix}/{crate}", "https://a.test/In/fl/in/fl/Inflector");
        check_place("https://a.test/{sha256-checksum}", "https://a.test/00ff");
    }

    #[test]
    fn a_page_lists_what_can_be_checked() {
        let sum = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let body = format!(
            "{{\"name\":\"a\",\"vers\":\"1.0.0\",\"cksum\":\"{sum}\"}}\nnonsense\n{{\"vers\":\"2\",\"cksum\":\"x\"}}\n"
        );
        let page = read(body.clone().into());
        assert_eq!(page.links().keys().collect::<Vec<_>>(), ["1.0.0"]);
        assert_eq!(page.read(), Ok(body.into()));
    }
}
