//! One file of OSV's: the format of GitHub's, npm's and many others' advisories.

use super::{Advisory, Affected, Event, Severity};
use crate::lock::Ecosystem;
use crate::version;
use serde::Deserialize;

#[derive(Deserialize)]
struct File {
    id: String,
    #[serde(default)]
    withdrawn: Option<String>,
    #[serde(default)]
    aliases: Vec<String>,
    #[serde(default)]
    summary: Option<String>,
    #[serde(default)]
    details: Option<String>,
    #[serde(default)]
    severity: Vec<Scored>,
    #[serde(default)]
    affected: Vec<Part>,
    #[serde(default)]
    references: Vec<Reference>,
    #[serde(default)]
    database_specific: Option<Specific>,
}

#[derive(Deserialize)]
struct Scored {
    #[serde(default)]
    score: String,
}

#[derive(Deserialize)]
struct Part {
    #[serde(default)]
    package: Option<Package>,
    #[serde(default)]
    ranges: Vec<Range>,
    #[serde(default)]
    versions: Vec<String>,
    #[serde(default)]
    severity: Vec<Scored>,
    #[serde(default)]
    database_specific: Option<Specific>,
}

#[derive(Deserialize)]
struct Package {
    ecosystem: String,
    name: String,
}

#[derive(Deserialize)]
struct Range {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    events: Vec<RawEvent>,
}

#[derive(Deserialize)]
struct RawEvent {
    introduced: Option<String>,
    fixed: Option<String>,
    last_affected: Option<String>,
    limit: Option<String>,
}

#[derive(Deserialize)]
struct Reference {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    url: String,
}

/// What databases add of their own. What has another shape there is not theirs that is meant.
#[derive(Deserialize)]
struct Specific {
    #[serde(default)]
    severity: serde_json::Value,
    #[serde(default)]
    informational: serde_json::Value,
}

pub(super) fn read(text: &str) -> Result<Vec<Advisory>, String> {
    // Most files are about other ecosystems, and need not be taken apart.
    if !text.contains("\"npm\"") && !text.contains("\"crates.io\"") {
        return if text.trim_start().starts_with('{') { Ok(vec![]) } else { Err("it is no JSON object".into()) };
    }
    let file: File = serde_json::from_str(text).map_err(|error| format!("it cannot be read: {error}"))?;
    if file.withdrawn.is_some() {
        return Ok(vec![]);
    }
    let mut found: Vec<Advisory> = vec![];
    for part in &file.affected {
        let Some(package) = &part.package else { continue };
        let Some(ecosystem) = ecosystem(&package.ecosystem) else { continue };
        let (ranges, fixed) = ranges(&part.ranges)?;
        match found.iter_mut().find(|it| it.ecosystem == ecosystem && it.package == package.name) {
            // The same package once more: an advisory has a part for each line of releases.
            Some(before) => {
                before.fixed.extend(fixed);
                if let Affected::Between { ranges: all, versions } = &mut before.affected {
                    all.extend(ranges);
                    versions.extend(part.versions.iter().cloned());
                }
            }
            None => found.push(Advisory {
                id: file.id.clone(),
                aliases: file.aliases.clone(),
                ecosystem,
                package: package.name.clone(),
                severity: severity(&file, part),
                title: title(&file, &package.name),
                details: file.details.clone().unwrap_or_default().trim().to_owned(),
                url: url(&file.references),
                affected: Affected::Between { ranges, versions: part.versions.clone() },
                fixed,
            }),
        }
    }
    Ok(found)
}

fn ecosystem(name: &str) -> Option<Ecosystem> {
    match name {
        "crates.io" => Some(Ecosystem::Cargo),
        "npm" => Some(Ecosystem::Npm),
        _ => None,
    }
}

/// Ranges of versions, and the versions that end them. Ranges of commits say nothing of versions.
fn ranges(raw: &[Range]) -> Result<(Vec<Vec<Event>>, Vec<String>), String> {
    let (mut ranges, mut fixes) = (vec![], vec![]);
    for range in raw.iter().filter(|it| it.kind == "SEMVER" || it.kind == "ECOSYSTEM") {
        let mut events = vec![];
        for RawEvent { introduced, fixed, last_affected, limit } in &range.events {
            let of = |text: &str| version::parse(text).ok_or_else(|| format!("{text:?} in its events is no version"));
            match introduced.as_deref() {
                Some("0") => events.push(Event::Introduced(None)),
                Some(at) => events.push(Event::Introduced(Some(of(at)?))),
                None => (),
            }
            if let Some(at) = fixed {
                fixes.push(at.clone());
                events.push(Event::Fixed(of(at)?));
            }
            if let Some(at) = last_affected {
                events.push(Event::LastAffected(of(at)?));
            }
            // From there on the range says nothing.
            if let Some(at) = limit.as_deref().filter(|it| *it != "*") {
                events.push(Event::Fixed(of(at)?));
            }
        }
        ranges.push(events);
    }
    Ok((ranges, fixes))
}

fn severity(file: &File, part: &Part) -> Severity {
    let specific = [part.database_specific.as_ref(), file.database_specific.as_ref()];
    let informational = specific.iter().flatten().any(|it| it.informational.is_string());
    if informational {
        return Severity::Informational;
    }
    let scores = part.severity.iter().chain(&file.severity).map(|it| it.score.as_str());
    let word = specific.iter().flatten().find_map(|it| it.severity.as_str());
    // Malice has no score.
    match Severity::of(scores, word) {
        Severity::Unknown if file.id.starts_with("MAL-") => Severity::Scored(100),
        known => known,
    }
}

fn title(file: &File, package: &str) -> String {
    let first = |text: &Option<String>| {
        let line = text.as_deref()?.lines().map(|it| it.trim_start_matches('#').trim()).find(|it| !it.is_empty())?;
        Some(line.to_owned())
    };
    first(&file.summary).or_else(|| first(&file.details)).unwrap_or_else(|| format!("A flaw in {package}"))
}

fn url(references: &[Reference]) -> Option<String> {
    let advisory = references.iter().find(|it| it.kind == "ADVISORY").or(references.first());
    advisory.map(|it| it.url.clone()).filter(|it| !it.is_empty())
}
