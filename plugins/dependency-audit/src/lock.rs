//! What a repository uses, by its lock files: `Cargo.lock`, and `package-lock.json` of npm 7 and later.
//!
//! - Never counts what does not come from a registry: a folder's or a git repository's package may have any name.

use crate::version;
use semver::Version;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// Where a package's name means something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Ecosystem {
    Cargo,
    Npm,
}

/// The packages of a repository: of each, which versions, and in which lock files.
#[derive(Debug, Default)]
pub(crate) struct Locked(BTreeMap<(Ecosystem, String), BTreeSet<Use>>);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Use {
    pub(crate) version: Version,
    /// The lock file's path.
    pub(crate) path: String,
}

impl Locked {
    /// Takes a lock file.
    ///
    /// # Errors
    /// What is wrong with it, for people; nothing of it was taken then.
    pub(crate) fn take(&mut self, path: &str, text: &str, with_development: bool) -> Result<(), String> {
        let (ecosystem, packages) = match path.rsplit('/').next() {
            Some("Cargo.lock") => (Ecosystem::Cargo, cargo(text)?),
            Some("package-lock.json" | "npm-shrinkwrap.json") => (Ecosystem::Npm, npm(text, with_development)?),
            _ => return Err("is no lock file that is understood: Cargo.lock or package-lock.json".into()),
        };
        for (name, version) in packages {
            // What is no version has none that an advisory could name.
            if let Some(version) = version::parse(&version) {
                self.0.entry((ecosystem, name)).or_default().insert(Use { version, path: path.to_owned() });
            }
        }
        Ok(())
    }

    pub(crate) fn uses(&self, ecosystem: Ecosystem, name: &str) -> impl Iterator<Item = &Use> {
        self.0.get(&(ecosystem, name.to_owned())).into_iter().flatten()
    }

    pub(crate) fn has(&self, ecosystem: Ecosystem, name: &str) -> bool {
        self.uses(ecosystem, name).next().is_some()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

#[derive(Deserialize)]
struct CargoLock {
    #[serde(default)]
    package: Vec<CargoPackage>,
}

#[derive(Deserialize)]
struct CargoPackage {
    name: String,
    version: String,
    source: Option<String>,
}

fn cargo(text: &str) -> Result<Vec<(String, String)>, String> {
    let lock: CargoLock = toml::from_str(text).map_err(|error| format!("cannot be read: {}", error.message()))?;
    let registry = |it: &CargoPackage| {
        let source = it.source.as_deref().unwrap_or_default();
        source.starts_with("registry+") || source.starts_with("sparse+")
    };
    Ok(lock.package.into_iter().filter(registry).map(|it| (it.name, it.version)).collect())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NpmLock {
    lockfile_version: u32,
    #[serde(default)]
    packages: BTreeMap<String, NpmPackage>,
}

#[derive(Deserialize)]
struct NpmPackage {
    /// There if it is another one than its folder's.
    name: Option<String>,
    version: Option<String>,
    resolved: Option<String>,
    #[serde(default)]
    link: bool,
    #[serde(default)]
    dev: bool,
}

fn npm(text: &str, with_development: bool) -> Result<Vec<(String, String)>, String> {
    let lock: NpmLock = serde_json::from_str(text).map_err(|error| format!("cannot be read: {error}"))?;
    if !(2..=3).contains(&lock.lockfile_version) {
        let version = lock.lockfile_version;
        return Err(format!("has the format {version}, and 2 and 3 are understood: npm 7 and later write those"));
    }
    let packages = lock.packages.into_iter().filter_map(|(folder, it)| {
        let (_, name) = folder.rsplit_once("node_modules/")?;
        let foreign = it.resolved.as_deref().is_some_and(|it| !it.starts_with("https:") && !it.starts_with("http:"));
        let counts = !it.link && !foreign && (with_development || !it.dev);
        counts.then_some((it.name.unwrap_or_else(|| name.to_owned()), it.version?))
    });
    Ok(packages.collect())
}

#[cfg(test)]
mod tests;
