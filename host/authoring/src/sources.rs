//! Waits until a project's sources change, as `agentd plugin dev` needs it.
//!
//! Looks at names, sizes and times of the files, twice until they stay the same, so that an editor that writes in steps
//! starts one build. What builds leave behind is passed over: a build never starts the next one.

use crate::{Project, finished};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

const EVERY: Duration = Duration::from_millis(250);

/// What tools make. `wit/` comes with the project, and what bindings are made of it is made by the build.
const LEFT_BEHIND: [&str; 8] =
    ["wit", "node_modules", "build", "target", "dist", "__pycache__", "Cargo.lock", "package-lock.json"];

/// How many files are looked at.
const FILES: usize = 20_000;

type Stamps = BTreeMap<PathBuf, (u64, Option<SystemTime>)>;

pub struct Sources {
    folder: PathBuf,
    /// What the build itself writes.
    outputs: Vec<PathBuf>,
    seen: Stamps,
}

impl Sources {
    #[must_use]
    pub fn new(project: &Project) -> Sources {
        let outputs = vec![project.output.clone(), finished(project)];
        let mut sources = Sources { folder: project.folder.clone(), outputs, seen: Stamps::new() };
        sources.seen = sources.stamps();
        sources
    }

    /// Returns when something is another than at the last return, and at rest; with the files, relative to the folder.
    pub async fn changed(&mut self) -> Vec<PathBuf> {
        loop {
            tokio::time::sleep(EVERY).await;
            let mut now = self.stamps();
            if now == self.seen {
                continue;
            }
            loop {
                tokio::time::sleep(EVERY).await;
                let later = self.stamps();
                if later == now {
                    break;
                }
                now = later;
            }
            let before = std::mem::replace(&mut self.seen, now);
            let changed = different(&before, &self.seen);
            // What was written and taken back meanwhile is no change.
            if !changed.is_empty() {
                return changed.iter().map(|it| it.strip_prefix(&self.folder).unwrap_or(it).to_owned()).collect();
            }
        }
    }

    /// Takes new files as seen: a build may write among the sources (a lock file, bindings).
    pub fn built(&mut self) {
        for (path, stamp) in self.stamps() {
            // A file that was there before may have been edited during the build.
            self.seen.entry(path).or_insert(stamp);
        }
    }

    fn stamps(&self) -> Stamps {
        let mut stamps = Stamps::new();
        self.look_into(&self.folder, &mut stamps);
        stamps
    }

    fn look_into(&self, folder: &Path, stamps: &mut Stamps) {
        // A folder that goes away while it is read has nothing in it.
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let (path, name) = (entry.path(), entry.file_name());
            let name = name.to_string_lossy();
            let passed_over = name.starts_with('.') || name.ends_with('~') || LEFT_BEHIND.contains(&name.as_ref());
            if passed_over || self.outputs.contains(&path) || stamps.len() >= FILES {
                continue;
            }
            match entry.metadata() {
                Ok(metadata) if metadata.is_dir() => self.look_into(&path, stamps),
                Ok(metadata) => {
                    stamps.insert(path, (metadata.len(), metadata.modified().ok()));
                }
                Err(_) => (),
            }
        }
    }
}

fn different(before: &Stamps, now: &Stamps) -> Vec<PathBuf> {
    let gone = before.keys().filter(|it| !now.contains_key(*it));
    let new = now.iter().filter(|(path, stamp)| before.get(*path) != Some(stamp)).map(|(path, _)| path);
    let mut all: Vec<PathBuf> = gone.chain(new).cloned().collect();
    all.sort();
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project(folder: &Path) -> Project {
        Project {
            folder: folder.into(),
            name: "it".into(),
            kinds: vec![],
            language: "c".into(),
            commands: vec![],
            output: folder.join("out.wasm"),
            tools: BTreeMap::new(),
        }
    }

    fn seen(sources: &Sources) -> Vec<String> {
        let relative = |it: &PathBuf| it.strip_prefix(&sources.folder).unwrap().display().to_string();
        sources.stamps().keys().map(relative).collect()
    }

    #[test]
    fn what_a_build_leaves_behind_is_no_source() {
        let folder = tempfile::tempdir().unwrap();
        for path in
            ["src/main.c", "build/it.wasm", "node_modules/x/y.js", "wit/world.wit", ".venv/z", "out.wasm", "a.c~"]
        {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
        assert_eq!(seen(&Sources::new(&project(folder.path()))), ["src/main.c"]);
    }

    #[tokio::test]
    async fn a_change_is_told_once() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.c"), "1").unwrap();
        fs::write(folder.path().join("b.c"), "1").unwrap();
        let mut sources = Sources::new(&project(folder.path()));
        fs::write(folder.path().join("a.c"), "22").unwrap();
        fs::remove_file(folder.path().join("b.c")).unwrap();
        fs::write(folder.path().join("out.wasm"), "22").unwrap();
        assert_eq!(sources.changed().await, [PathBuf::from("a.c"), PathBuf::from("b.c")]);
        fs::write(folder.path().join("lock"), "made by the build").unwrap();
        sources.built();
        assert!(different(&sources.seen, &sources.stamps()).is_empty());
    }
}
