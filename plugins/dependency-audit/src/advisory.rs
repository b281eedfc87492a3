//! Advisories as they lie in a folder: RustSec's (Markdown that begins with TOML) and OSV's (JSON).
//!
//! Both are read into the same [`Advisory`], one for each package that it names. Withdrawn ones are none.

mod osv;
mod rustsec;

use crate::lock::Ecosystem;
use crate::version;
use semver::{Version, VersionReq};

/// What is known of a flaw in one package.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Advisory {
    /// `RUSTSEC-2021-0001`, `GHSA-…`.
    pub(crate) id: String,
    /// Its names elsewhere.
    pub(crate) aliases: Vec<String>,
    pub(crate) ecosystem: Ecosystem,
    pub(crate) package: String,
    pub(crate) severity: Severity,
    pub(crate) title: String,
    pub(crate) details: String,
    pub(crate) url: Option<String>,
    pub(crate) affected: Affected,
    /// In which versions or ranges it is fixed, for people.
    pub(crate) fixed: Vec<String>,
}

/// How bad it is, in tenths of CVSS's points: 0 to 100.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub(crate) enum Severity {
    /// Nothing to exploit: unmaintained, a notice.
    Informational,
    /// Nobody says.
    Unknown,
    Scored(u16),
}

/// Which versions have it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Affected {
    /// All but these.
    AllBut(Vec<VersionReq>),
    /// Those between events, and those that are named.
    Between { ranges: Vec<Vec<Event>>, versions: Vec<String> },
}

/// Where a flaw came in or went out. A version of none stands for before all others.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Event {
    Introduced(Option<Version>),
    Fixed(Version),
    LastAffected(Version),
}

/// What a file holds: nothing, if it is withdrawn or about other ecosystems.
///
/// # Errors
/// What is wrong with the file, for people.
pub(crate) fn read(path: &str, text: &str) -> Result<Vec<Advisory>, String> {
    match path.rsplit_once('.') {
        Some((_, "md")) => rustsec::read(text).map(|it| it.into_iter().collect()),
        Some((_, "json")) => osv::read(text),
        _ => Ok(vec![]),
    }
}

/// The package of a file of RustSec's, by the path alone: there are many, and few concern anybody.
pub(crate) fn package_of(path: &str) -> Option<&str> {
    let mut parts = path.rsplit('/');
    let (name, package, collection) = (parts.next()?, parts.next()?, parts.next()?);
    (name.starts_with("RUSTSEC-") && name.ends_with(".md") && collection == "crates").then_some(package)
}

impl Affected {
    pub(crate) fn has(&self, it: &Version) -> bool {
        match self {
            Affected::AllBut(ranges) => !ranges.iter().any(|range| version::within(range, it)),
            Affected::Between { ranges, versions } => {
                let named =
                    |text: &String| version::parse(text).is_some_and(|other| version::compare(it, &other).is_eq());
                versions.iter().any(named) || ranges.iter().any(|events| between(events, it))
            }
        }
    }
}

/// Goes through the events in the order of their versions, up to the one that is asked for.
fn between(events: &[Event], it: &Version) -> bool {
    let mut events: Vec<&Event> = events.iter().collect();
    events.sort_by(|a, b| match (a.at(), b.at()) {
        // What is fixed and comes back in the same version is there.
        (Some(a_at), Some(b_at)) => version::compare(a_at, b_at).then_with(|| a.begins().cmp(&b.begins())),
        (a, b) => a.is_some().cmp(&b.is_some()),
    });
    events.into_iter().fold(false, |inside, event| match event {
        Event::Introduced(None) => true,
        Event::Introduced(Some(at)) if version::compare(it, at).is_ge() => true,
        Event::Fixed(at) if version::compare(it, at).is_ge() => false,
        Event::LastAffected(at) if version::compare(it, at).is_gt() => false,
        Event::Introduced(_) | Event::Fixed(_) | Event::LastAffected(_) => inside,
    })
}

impl Event {
    fn at(&self) -> Option<&Version> {
        match self {
            Event::Introduced(at) => at.as_ref(),
            Event::Fixed(at) | Event::LastAffected(at) => Some(at),
        }
    }

    fn begins(&self) -> bool {
        matches!(self, Event::Introduced(_))
    }
}

impl Severity {
    /// Of CVSS vectors, the one with the highest score; else of a word.
    pub(crate) fn of<'a>(vectors: impl IntoIterator<Item = &'a str>, word: Option<&str>) -> Severity {
        let scores = vectors.into_iter().filter_map(|it| it.parse::<cvss::Cvss>().ok()).map(|it| it.score());
        let best =
            scores.filter(|it| it.is_finite()).fold(None, |best: Option<f64>, it| Some(best.unwrap_or(0.0).max(it)));
        if let Some(score) = best {
            return Severity::Scored((score.clamp(0.0, 10.0) * 10.0).round() as u16);
        }
        match word.unwrap_or_default().to_ascii_lowercase().as_str() {
            "critical" => Severity::Scored(90),
            "high" => Severity::Scored(70),
            "moderate" | "medium" => Severity::Scored(40),
            "low" => Severity::Scored(1),
            _ => Severity::Unknown,
        }
    }

    /// For ordering: what nobody has scored may be as bad as the middle.
    pub(crate) fn tenths(self) -> u16 {
        match self {
            Severity::Informational => 0,
            Severity::Unknown => 50,
            Severity::Scored(tenths) => tenths,
        }
    }

    /// For people: `high, 7.5 of 10`.
    pub(crate) fn text(self) -> String {
        match self {
            Severity::Informational => "for information".into(),
            Severity::Unknown => "of a severity that nobody has said".into(),
            Severity::Scored(tenths) => format!("{}, {}.{} of 10", word(tenths), tenths / 10, tenths % 10),
        }
    }
}

/// CVSS's own words.
fn word(tenths: u16) -> &'static str {
    match tenths {
        90.. => "critical",
        70.. => "high",
        40.. => "medium",
        1.. => "low",
        0 => "none",
    }
}

#[cfg(test)]
mod tests;
