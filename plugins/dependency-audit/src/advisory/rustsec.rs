//! One file of RustSec's: a block of TOML, and below it a title and a text in Markdown.

use super::{Advisory, Affected, Severity};
use crate::lock::Ecosystem;
use semver::VersionReq;
use serde::Deserialize;

#[derive(Deserialize)]
struct Front {
    advisory: About,
    #[serde(default)]
    versions: Versions,
}

#[derive(Deserialize)]
struct About {
    id: String,
    package: String,
    /// `rust` is the standard library and its tools, which no lock file names.
    #[serde(default)]
    collection: Option<String>,
    #[serde(default)]
    url: Option<String>,
    #[serde(default)]
    cvss: Option<String>,
    #[serde(default)]
    aliases: Vec<String>,
    #[serde(default)]
    informational: Option<String>,
    #[serde(default)]
    withdrawn: Option<toml::Value>,
    /// In older files it stands here.
    #[serde(default)]
    title: Option<String>,
}

#[derive(Deserialize, Default)]
struct Versions {
    #[serde(default)]
    patched: Vec<String>,
    #[serde(default)]
    unaffected: Vec<String>,
}

pub(super) fn read(text: &str) -> Result<Option<Advisory>, String> {
    let Some((front, rest)) = split(text) else {
        // A folder of advisories has a README too.
        return if text.contains("[advisory]") {
            Err("the block of TOML at its top has no end".into())
        } else {
            Ok(None)
        };
    };
    let front: Front =
        toml::from_str(front).map_err(|error| format!("its TOML cannot be read: {}", error.message()))?;
    let About { id, package, collection, url, cvss, aliases, informational, withdrawn, title } = front.advisory;
    if withdrawn.is_some() || collection.is_some_and(|it| it != "crates") {
        return Ok(None);
    }
    let fixed = front.versions.patched;
    let but = fixed.iter().chain(&front.versions.unaffected);
    let but: Result<Vec<VersionReq>, String> = but
        .map(|it| VersionReq::parse(it).map_err(|error| format!("the range {it:?} cannot be read: {error}")))
        .collect();
    let severity = match informational {
        Some(_) => Severity::Informational,
        None => Severity::of(cvss.as_deref(), None),
    };
    let (heading, details) = heading(rest);
    let title = heading.map(str::to_owned).or(title).unwrap_or_else(|| format!("A flaw in {package}"));
    Ok(Some(Advisory {
        id,
        aliases,
        ecosystem: Ecosystem::Cargo,
        package,
        severity,
        title,
        details: details.trim().to_owned(),
        url,
        affected: Affected::AllBut(but?),
        fixed,
    }))
}

/// The TOML, and what comes below it.
fn split(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_start_matches('\u{feff}').trim_start();
    let rest = text.strip_prefix("```toml")?;
    let end = rest.find("\n```")?;
    Some((&rest[..end], rest[end + 4..].trim_start()))
}

fn heading(rest: &str) -> (Option<&str>, &str) {
    match rest.strip_prefix("# ") {
        Some(it) => {
            let (title, details) = it.split_once('\n').unwrap_or((it, ""));
            (Some(title.trim()), details)
        }
        None => (None, rest),
    }
}
