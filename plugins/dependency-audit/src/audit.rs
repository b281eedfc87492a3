//! Holds advisories against what a repository uses, and makes drafts of the worst that is found.
//!
//! An analysis takes many calls, each with some of the advisories; what is carried from one to the next is [`Audit`], as
//! small as it can be. The same lock files and advisories give the same drafts, however the calls were cut.
//!
//! One flaw often has advisories in several databases. They name each other, and count once.

use crate::advisory::{self, Advisory, Severity};
use crate::lock::{Ecosystem, Locked};
use crate::{Least, Settings};
use agentd_sdk::analyzer::proposals::Proposed;
use agentd_sdk::analyzer::{Draft, Location};
use agentd_sdk::markdown::{code, quoted};
use std::collections::BTreeSet;

/// How many findings are carried along, beside those that are proposed already.
const KEPT: usize = 5;
/// How much of an advisory's text is shown, in characters, and how long other parts of it may get.
const DETAILS: usize = 600;
const TITLE: usize = 120;
const NAMES: usize = 12;

const INSTRUCTIONS: &str = "Update this dependency so that no affected version is left in the lock files, by the smallest \
    change that does it (Cargo: `cargo update -p NAME`, perhaps with `--precise`; npm: `npm update NAME`, or an override). \
    Where a package in between holds it back, update that one. Adapt the code if the update asks for it. If there is no \
    fixed version, change nothing and say which ways out there are.";

/// How far an analysis has come.
#[derive(serde::Serialize, serde::Deserialize, Debug, Default)]
pub(crate) struct Audit {
    /// How many advisories were looked at, and how many of them could not be read.
    pub(crate) advisories: usize,
    pub(crate) damaged: usize,
    /// How many flaws concern what is used, whether they are carried along or not.
    hits: usize,
    found: Vec<Finding>,
}

/// A flaw in a package that is used.
#[derive(serde::Serialize, serde::Deserialize, Clone, Debug)]
struct Finding {
    key: String,
    /// All names of the flaw.
    names: Vec<String>,
    ecosystem: Ecosystem,
    package: String,
    severity: Severity,
    title: String,
    body: String,
    /// The lock files.
    paths: Vec<String>,
}

impl Audit {
    /// Takes a file of advisories.
    ///
    /// # Errors
    /// What is wrong with it, for the log: it counts as damaged.
    pub(crate) fn take(
        &mut self,
        settings: &Settings,
        locked: &Locked,
        before: &Proposed,
        path: &str,
        text: &str,
    ) -> Result<(), String> {
        let advisories = advisory::read(path, text).inspect_err(|_| self.damaged += 1)?;
        self.advisories += advisories.len();
        for it in advisories {
            if wanted(settings, &it) {
                self.hold_against(&it, locked, before);
            }
        }
        Ok(())
    }

    fn hold_against(&mut self, it: &Advisory, locked: &Locked, before: &Proposed) {
        let uses: Vec<_> =
            locked.uses(it.ecosystem, &it.package).filter(|used| it.affected.has(&used.version)).collect();
        if uses.is_empty() {
            return;
        }
        let versions: BTreeSet<_> = uses.iter().map(|it| it.version.clone()).collect();
        let versions: Vec<String> = versions.into_iter().map(|it| it.to_string()).collect();
        let paths: BTreeSet<_> = uses.iter().map(|it| it.path.clone()).collect();
        let paths: Vec<String> = paths.into_iter().take(NAMES).collect();
        self.add(
            Finding {
                key: key(&it.id, &it.package),
                names: [&it.id].into_iter().chain(&it.aliases).take(NAMES).cloned().collect(),
                ecosystem: it.ecosystem,
                package: it.package.clone(),
                severity: it.severity,
                title: title(it),
                body: body(it, &versions, &paths),
                paths,
            },
            before,
        );
    }

    fn add(&mut self, new: Finding, before: &Proposed) {
        let twin = self.found.iter().position(|it| it.is_the_same_as(&new));
        match twin.map(|place| (place, &self.found[place])) {
            // The one that is proposed already stays, else the first by name: in whatever order they come.
            Some((place, old)) => {
                let rank = |it: &Finding| (!before.has(&it.key), it.key.clone());
                if rank(&new) < rank(old) {
                    self.found[place] = new;
                }
            }
            None => {
                self.hits += 1;
                self.found.push(new);
            }
        }
        self.found.sort_by(|a, b| b.severity.tenths().cmp(&a.severity.tenths()).then_with(|| a.key.cmp(&b.key)));
        let mut others = 0;
        self.found.retain(|it| {
            let proposed = before.has(&it.key);
            others += usize::from(!proposed);
            proposed || others <= KEPT
        });
    }

    /// What was found, the worst first.
    pub(crate) fn drafts(&self) -> Vec<Draft> {
        self.found.iter().map(Finding::draft).collect()
    }

    pub(crate) fn summary(&self, locked: &Locked) -> String {
        let damaged = match self.damaged {
            0 => String::new(),
            1 => "; 1 file could not be read".to_owned(),
            many => format!("; {many} files could not be read"),
        };
        let flaws = if self.hits == 1 { "1 known flaw".into() } else { format!("{} known flaws", self.hits) };
        let packages = if locked.len() == 1 { "1 package".into() } else { format!("{} packages", locked.len()) };
        format!("{flaws} in {packages}, by {} advisories{damaged}", self.advisories)
    }
}

/// Whether the operator wants to hear of it.
fn wanted(settings: &Settings, it: &Advisory) -> bool {
    let ignored = |name: &String| settings.ignore.iter().any(|it| it.eq_ignore_ascii_case(name));
    let bad_enough = match it.severity {
        Severity::Informational => settings.informational,
        severity => severity.tenths() >= Least::tenths(settings.min_severity),
    };
    bad_enough && !ignored(&it.id) && !it.aliases.iter().any(ignored)
}

fn key(id: &str, package: &str) -> String {
    let key = format!("{id} {package}");
    // Nobody names things like that, but a file may.
    if key.len() <= 256 { key } else { agentd_sdk::analyzer::proposals::key("flaw", &[id, package]) }
}

impl Finding {
    fn is_the_same_as(&self, other: &Finding) -> bool {
        let same = (self.ecosystem, &self.package) == (other.ecosystem, &other.package);
        same && self.names.iter().any(|it| other.names.contains(it))
    }

    fn draft(&self) -> Draft {
        let location = |path: &String| Location { path: path.clone(), ..Location::default() };
        Draft {
            key: self.key.clone(),
            title: self.title.clone(),
            body: self.body.clone(),
            labels: vec!["dependencies".into(), "security".into()],
            priority: match self.severity.tenths() {
                90.. => Some(1),
                70.. => Some(2),
                _ => None,
            },
            instructions: Some(INSTRUCTIONS.into()),
            locations: self.paths.iter().map(location).collect(),
            ..Draft::default()
        }
    }
}

fn title(it: &Advisory) -> String {
    let title = format!("Update {}: {}", it.package, it.title);
    let title: String = title.split_whitespace().collect::<Vec<_>>().join(" ");
    let title: String = title.chars().filter(|it| !it.is_control()).collect();
    match title.chars().count() > TITLE {
        true => title.chars().take(TITLE - 1).chain(['…']).collect(),
        false => title,
    }
}

/// An advisory's words are its author's: they are quoted.
fn body(it: &Advisory, versions: &[String], paths: &[String]) -> String {
    let shown = |all: &[String]| {
        let mut shown: Vec<String> = all.iter().take(NAMES).map(|it| code(&cut(it, TITLE))).collect();
        if all.len() > NAMES {
            shown.push(format!("{} more", all.len() - NAMES));
        }
        shown.join(", ")
    };
    let plural = if versions.len() == 1 { "version" } else { "versions" };
    let mut body = format!(
        "{} in {plural} {} (by {}) has a known flaw: {}, {}.\n\n",
        code(&cut(&it.package, TITLE)),
        shown(versions),
        shown(paths),
        code(&cut(&it.id, TITLE)),
        it.severity.text()
    );
    body.push_str(&match it.fixed.is_empty() {
        true => "No version is said to fix it.\n".to_owned(),
        false => format!("It is fixed in {}.\n", shown(&it.fixed)),
    });
    if !it.aliases.is_empty() {
        body.push_str(&format!("It is also known as {}.\n", shown(&it.aliases)));
    }
    if let Some(url) = &it.url {
        body.push_str(&format!("More: {}\n", code(&cut(url, 300))));
    }
    let said = format!("{}\n\n{}", cut(&it.title, TITLE), it.details);
    let said: String = said.chars().filter(|it| !it.is_control() || *it == '\n').collect();
    body.push_str(&format!("\nThe advisory says:\n\n{}\n", quoted(&said, DETAILS)));
    body
}

fn cut(text: &str, characters: usize) -> String {
    match text.chars().count() > characters {
        true => text.chars().take(characters - 1).chain(['…']).collect(),
        false => text.to_owned(),
    }
}

#[cfg(test)]
mod tests;
