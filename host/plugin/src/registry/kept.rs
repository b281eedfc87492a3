//! What a restart must not forget: which version served, where the folder holds another one by now, and which versions
//! somebody went back from.
//!
//! In a folder lie copies of the components that serve, named by their digests, and one file that says what they are. All of it can be done without: where it is missing or damaged, the folder alone
//! counts, as for a first start. A copy is held to its digest and to today's approvals before it serves.

use super::Registry;
use super::change::Fate;
use crate::Keeping;
use crate::cache::{sha256, write};
use crate::generation::{self, blocking, digest};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

const STATE: &str = "kept.json";

pub(super) struct Kept {
    keeping: Keeping,
    /// What was written last.
    written: Mutex<String>,
}

/// One plugin name.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Memory {
    /// `sha256:…` of what serves; empty: nothing from the folder.
    serving: String,
    /// The file of the folder that it came from.
    path: PathBuf,
    /// What a rollback would go to; its copy has to be there then.
    previous: String,
    rejected: BTreeMap<String, String>,
}

impl Kept {
    pub(super) fn new(keeping: Keeping) -> Kept {
        Kept { keeping, written: Mutex::default() }
    }

    /// Keeps a copy of a component of the folder.
    fn store(&self, bytes: &[u8]) {
        let Keeping::Own(folder) = &self.keeping else { return };
        let path = copy(folder, &sha256(bytes));
        if fs::read(&path).is_ok_and(|it| it == bytes) {
            return;
        }
        // One that a crash left half-way is written anew.
        fs::remove_file(&path).ok();
        let kept = make(folder).and_then(|()| write(&path, bytes));
        if let Err(error) = kept {
            tracing::warn!("A plugin is not kept for the next start in {}: {error}", folder.display());
        }
    }

    /// What was remembered, and where the copies are.
    fn read(&self) -> Option<(PathBuf, BTreeMap<String, Memory>)> {
        let (Keeping::Read(folder) | Keeping::Own(folder)) = &self.keeping else { return None };
        let text = fs::read_to_string(folder.join(STATE)).ok()?;
        Some((folder.clone(), serde_json::from_str(&text).ok()?))
    }

    /// Writes what is to be remembered, and removes the copies that nobody needs any more.
    fn write(&self, memories: &BTreeMap<String, Memory>) {
        let Keeping::Own(folder) = &self.keeping else { return };
        let text = serde_json::to_string_pretty(memories).unwrap_or_default();
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        if *written != text {
            let done = make(folder).and_then(|()| {
                let partial = folder.join("kept.partial");
                fs::write(&partial, &text)?;
                fs::rename(partial, folder.join(STATE))
            });
            if let Err(error) = done {
                return tracing::warn!("What serves is not written down in {}: {error}", folder.display());
            }
            *written = text;
        }
        let needed: Vec<PathBuf> =
            memories.values().flat_map(|it| [&it.serving, &it.previous]).map(|it| copy(folder, it)).collect();
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.extension().is_some_and(|it| it == "wasm") && !needed.contains(&path) {
                fs::remove_file(path).ok();
            }
        }
    }
}

/// Whoever could write here could bring a plugin that only reads, without anybody's word.
fn make(folder: &Path) -> std::io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Where the copy of a component lies.
fn copy(folder: &Path, digest: &str) -> PathBuf {
    folder.join(format!("{}.wasm", digest.trim_start_matches("sha256:")))
}

impl Registry {
    /// Takes up what served before, where its file holds something else now.
    pub(super) async fn recall(&self) {
        let Some((folder, memories)) = self.kept.read() else { return };
        for (name, memory) in memories {
            let Memory { serving, path, rejected, .. } = memory;
            self.table().plugins.entry(name.clone()).or_default().rejected = rejected;
            if serving.is_empty() || path.parent() != self.folder.as_deref() {
                continue;
            }
            let (file, kept) = (path.clone(), copy(&folder, &serving));
            let read = blocking(move || Ok((generation::read(&file)?, generation::read(&kept)?))).await;
            let Ok((there, bytes)) = read else { continue };
            // A file that is gone takes its plugin along; one that is as it was brings it itself.
            if digest(&there) != serving && digest(&bytes) == serving {
                match generation::open_bytes(&self.shared, &path, bytes).await {
                    Ok(loaded) if loaded.info.name == name => {
                        if let Fate::Twice(problem) = self.offer(&path, Arc::new(loaded)).await {
                            tracing::warn!(
                                "The version of plugin {name} that served before is not taken up: {problem}"
                            );
                        }
                    }
                    Ok(_) => (),
                    Err((problem, _)) => {
                        tracing::warn!("The version of plugin {name} that served before is not taken up: {problem}");
                    }
                }
            }
        }
    }

    /// Makes the copies that are missing of what serves, as long as their files hold it.
    pub(super) async fn keep(&self) {
        let Keeping::Own(folder) = &self.kept.keeping else { return };
        let serving: Vec<(String, PathBuf)> = {
            let table = self.table();
            let of = |it: &super::Plugin| {
                let serving = it.serving.as_ref()?;
                Some((serving.generation.loaded.info.digest.clone(), serving.path()?.to_owned()))
            };
            table.plugins.values().filter_map(of).filter(|it| !copy(folder, &it.0).exists()).collect()
        };
        for (wanted, path) in serving {
            let Some(registry) = self.myself.upgrade() else { return };
            let stored = blocking(move || {
                let bytes = generation::read(&path)?;
                if digest(&bytes) == wanted {
                    registry.kept.store(&bytes);
                }
                Ok(())
            });
            if let Err(problem) = stored.await {
                tracing::warn!("A plugin is not kept for the next start: {problem}");
            }
        }
    }

    /// Writes down what serves, for the next start.
    pub(super) fn remember(&self) {
        let memories: BTreeMap<String, Memory> = {
            let table = self.table();
            let memory = |it: &super::Plugin| {
                let serving = it.serving.as_ref().and_then(|it| Some((it, it.path()?)));
                Memory {
                    serving: serving.map(|it| it.0.generation.loaded.info.digest.clone()).unwrap_or_default(),
                    path: serving.map(|it| it.1.to_owned()).unwrap_or_default(),
                    previous: it.previous.as_ref().map(|it| it.0.info.digest.clone()).unwrap_or_default(),
                    rejected: it.rejected.clone(),
                }
            };
            let all = table.plugins.iter().map(|(name, it)| (name.clone(), memory(it)));
            all.filter(|(_, it)| *it != Memory::default()).collect()
        };
        self.kept.write(&memories);
    }
}
