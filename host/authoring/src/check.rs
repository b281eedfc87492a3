//! Whether a file could serve as a plugin, and what about it should be better.
//!
//! Two looks at the same file: at its types, which says field by field where they are not the contract's, and the one
//! that the daemon takes, which compiles it and asks it who it is. A file that is no whole component gets the second
//! look's words alone.

use crate::contract::VERSION;
use crate::difference::{self, Differences};
use crate::{Error, digest, schema};
use agentd_plugin::{Info, Plugins};
use serde::Serialize;
use std::fs;
use std::path::{Path, PathBuf};

/// From this size on it is worth a word: it takes seconds to compile.
const LARGE_BYTES: u64 = 8 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    Ok,
    Warn,
    /// It cannot serve.
    Fail,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub level: Level,
    pub name: &'static str,
    pub text: String,
    pub hint: Option<String>,
}

/// A file, and what was found.
#[derive(Clone, Debug, Serialize)]
pub struct Checked {
    pub file: PathBuf,
    pub size: u64,
    /// `sha256:…`
    pub digest: String,
    /// None: it cannot serve.
    pub plugin: Option<Info>,
    pub findings: Vec<Finding>,
}

impl Checked {
    #[must_use]
    pub fn could_serve(&self) -> bool {
        self.findings.iter().all(|it| it.level != Level::Fail)
    }
}

/// Looks at the file in both ways.
///
/// # Errors
/// [`Error::File`] if it cannot be read.
pub async fn check(plugins: &Plugins, file: &Path) -> Result<Checked, Error> {
    let bytes = fs::read(file).map_err(Error::file("cannot read", file))?;
    let mut findings = vec![];
    let differences = difference::find(&bytes).unwrap_or_default();
    contract(&differences, &mut findings);
    let plugin = match plugins.open(file).await {
        Ok(opened) => Some(opened.info().clone()),
        Err(error) => {
            // What the types say in detail needs no second word in the linker's.
            if differences.lines.is_empty() && differences.missing.is_empty() {
                findings.push(refused(&error, file));
            }
            None
        }
    };
    if let Some(info) = &plugin {
        described(info, &mut findings);
    }
    let size = bytes.len() as u64;
    findings.push(size_of(size));
    Ok(Checked { file: file.into(), size, digest: digest(&bytes), plugin, findings })
}

fn contract(differences: &Differences, findings: &mut Vec<Finding>) {
    for line in &differences.lines {
        findings.push(fail("contract", line, "build it against wit/ of this agentd: agentd plugin new carries it"));
    }
    for name in &differences.missing {
        let newer = format!("no agentd up to this one has it: this one has {VERSION} of the contract");
        let hint = if name.contains('#') { newer } else { format!("{newer}; get a newer agentd, or an older plugin") };
        findings.push(fail("imports", &format!("{name} is not there"), &hint));
    }
    if differences.missing.is_empty() && !differences.imports.is_empty() {
        findings.push(ok("imports", &imports(&differences.imports)));
    }
}

/// `log, kv, http; WASI cli, io`.
fn imports(all: &[String]) -> String {
    let interface =
        |it: &String| it.strip_prefix("agentd:host/").map(|it| it.split('@').next().unwrap_or_default().to_owned());
    let package = |it: &String| it.strip_prefix("wasi:").map(|it| it.split('/').next().unwrap_or_default().to_owned());
    let own: Vec<String> = all.iter().filter_map(interface).collect();
    let mut wasi: Vec<String> = all.iter().filter_map(package).collect();
    wasi.sort();
    wasi.dedup();
    let own = if own.is_empty() { "nothing of agentd's".to_owned() } else { own.join(", ") };
    if wasi.is_empty() { own } else { format!("{own}; WASI {}", wasi.join(", ")) }
}

/// The daemon's own words, without the file's path, which is known.
fn refused(error: &agentd_plugin::Error, file: &Path) -> Finding {
    let text = error.to_string();
    let text = text.strip_prefix(&format!("{}: ", file.display())).unwrap_or(&text);
    let (text, hint) = text.split_once("\nhint: ").map_or((text, None), |(text, hint)| (text, Some(hint)));
    Finding { level: Level::Fail, name: "file", text: text.into(), hint: hint.map(str::to_owned) }
}

fn described(info: &Info, findings: &mut Vec<Finding>) {
    let kinds: Vec<_> = info.kinds.iter().map(|it| it.name()).collect();
    findings.push(ok("kinds", &kinds.join(", ")));
    if info.wants.is_empty() {
        findings.push(ok("wants", "nothing but its log, its store and the clock: it serves at once"));
    }
    for want in &info.wants {
        findings.push(ok("wants", want));
    }
    if info.summary.is_empty() {
        findings.push(warn("describe", "it has no summary", "one sentence for people: what it does"));
    }
    let problems = schema::problems(&info.settings_schema);
    if problems.is_empty() {
        findings.push(ok("settings", &schema::summary(&info.settings_schema)));
    }
    for problem in problems {
        findings.push(warn("settings", &problem, "people read the schema before they write settings"));
    }
}

fn size_of(bytes: u64) -> Finding {
    let text = human(bytes);
    if bytes < LARGE_BYTES {
        return ok("size", &text);
    }
    warn("size", &text, "the first start compiles it for seconds; componentize-qjs and --opt-size make small ones")
}

/// `1.6 MiB`.
#[must_use]
pub fn human(bytes: u64) -> String {
    match bytes {
        0..1_024 => format!("{bytes} bytes"),
        1_024..1_048_576 => format!("{} KiB", bytes.div_ceil(1_024)),
        _ => {
            let tenths = bytes * 10 / 1_048_576;
            format!("{}.{} MiB", tenths / 10, tenths % 10)
        }
    }
}

fn ok(name: &'static str, text: &str) -> Finding {
    Finding { level: Level::Ok, name, text: text.into(), hint: None }
}

fn warn(name: &'static str, text: &str, hint: &str) -> Finding {
    Finding { level: Level::Warn, name, text: text.into(), hint: Some(hint.into()) }
}

fn fail(name: &'static str, text: &str, hint: &str) -> Finding {
    Finding { level: Level::Fail, name, text: text.into(), hint: Some(hint.into()) }
}

#[cfg(test)]
mod tests;
