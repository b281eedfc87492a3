//! `agentd-plugins.lock`: one table for each plugin that was installed.

use crate::{Error, source::is_digest};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Write},
    path::Path,
};

pub(super) const FILE: &str = "agentd-plugins.lock";
const HEAD: &str = "# Written by `agentd plugin install`, `update`, `approve` and `remove`.\n# `agentd plugin verify` holds the folder against it.\n\n";
const VERSION: u32 = 1;

/// A plugin as it was installed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Installed {
    pub name: String,
    pub version: String,
    /// `sha256:…` of the file.
    pub digest: String,
    /// As [`Source`](crate::Source) reads it.
    pub source: String,
    /// Of a registry: `sha256:…` of the manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest: Option<String>,
    /// The key that it was signed by when it came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
    /// Milliseconds since 1970.
    pub installed_at: i64,
    /// What it was allowed when this was written, one line each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub grants: Vec<String>,
    /// The signature file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
}

impl Installed {
    /// Whether both are the same, however long ago they came.
    pub(super) fn is_same(&self, other: &Installed) -> bool {
        let Installed { installed_at, grants, .. } = self;
        // Two signatures of one file by one key differ, and say the same.
        let signature = if self.key_id == other.key_id { &self.signature } else { &other.signature };
        let (installed_at, grants, signature) = (*installed_at, grants.clone(), signature.clone());
        *self == Installed { installed_at, grants, signature, ..other.clone() }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    version: u32,
    #[serde(default, rename = "plugin")]
    plugins: Vec<Installed>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Lock(BTreeMap<String, Installed>);

impl Lock {
    /// A folder without a lock file has one in which nothing stands.
    pub(super) fn read(folder: &Path) -> Result<Lock, Error> {
        let path = folder.join(FILE);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Lock::default()),
            Err(error) => return Err(Error::io("reading", &path)(error)),
        };
        let bad = |what: String| Error::Lock { path: path.clone(), what };
        let written: Written = toml::from_str(&text).map_err(|error| {
            let line = error.span().map_or(0, |span| 1 + text[..span.start.min(text.len())].matches('\n').count());
            bad(format!("line {line}: {}", error.message()))
        })?;
        if written.version != VERSION {
            return Err(bad(format!("it is of version {}, and this agentd knows {VERSION}", written.version)));
        }
        let mut all = BTreeMap::new();
        for it in written.plugins {
            if !is_digest(&it.digest) {
                return Err(bad(format!("the digest of {:?} is none", it.name)));
            }
            let name = it.name.clone();
            if all.insert(name.clone(), it).is_some() {
                return Err(bad(format!("{name:?} stands in it twice")));
            }
        }
        Ok(Lock(all))
    }

    pub(super) fn write(&self, folder: &Path) -> Result<(), Error> {
        let path = folder.join(FILE);
        let failed = || Error::io("writing", &path);
        let written = Written { version: VERSION, plugins: self.all() };
        let text = toml::to_string(&written).map_err(|error| failed()(io::Error::other(error.to_string())))?;
        let mut file = tempfile::Builder::new().prefix(super::PARTIAL).tempfile_in(folder).map_err(failed())?;
        file.write_all(HEAD.as_bytes()).and_then(|()| file.write_all(text.as_bytes())).map_err(failed())?;
        file.as_file().sync_all().map_err(failed())?;
        file.persist(&path).map_err(|error| failed()(error.error))?;
        File::open(folder).and_then(|it| it.sync_all()).map_err(failed())
    }

    pub(super) fn all(&self) -> Vec<Installed> {
        self.0.values().cloned().collect()
    }

    pub(super) fn get(&self, name: &str) -> Option<&Installed> {
        self.0.get(name)
    }

    pub(super) fn set(&mut self, installed: Installed) {
        self.0.insert(installed.name.clone(), installed);
    }

    pub(super) fn take(&mut self, name: &str) -> Option<Installed> {
        self.0.remove(name)
    }
}
