//! Says when files change: quickly where the operating system tells, and in any case after a while.
//!
//! The operating system is asked to tell of changes in folders (a file is watched by its folder, for editors put a new
//! file in its place). It may not be able to, the folder may not be there yet, or be removed and made again: so the paths
//! are looked at every few seconds too, and folders that appear are watched from then on. What happens in a burst is one
//! change, and a burst without end is told of every two seconds.
//!
//! - Never fails, and never says *what* changed: whoever asks looks for itself.
//! - Never reads a file.

use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until, timeout_at};

/// How long it has to be quiet.
const QUIET: Duration = Duration::from_millis(200);

/// How long a burst is waited out.
const BURST: Duration = Duration::from_secs(2);

/// How often the paths are looked at without being told.
const LOOK: Duration = Duration::from_secs(3);

/// How many files of a folder are looked at.
const FILES: usize = 10_000;

/// Watches files and folders (not what is in folders below them).
pub struct Watcher {
    paths: Vec<PathBuf>,
    /// How they looked when a change was last told.
    marks: BTreeMap<PathBuf, u64>,
    /// Which folders the operating system tells of; the number tells a folder from another in its place.
    told_of: BTreeMap<PathBuf, (u64, u64)>,
    system: Option<RecommendedWatcher>,
    ear: Arc<Ear>,
    /// Something changed, and nobody has been told yet.
    pending: bool,
    next_look: Instant,
}

/// Where the operating system's thread leaves word.
#[derive(Default)]
struct Ear {
    /// What matters: the paths themselves, and what lies right in them.
    paths: Mutex<BTreeSet<PathBuf>>,
    heard: Notify,
}

impl Watcher {
    /// Watches these paths, whether they exist or not.
    pub fn new(paths: impl IntoIterator<Item = PathBuf>) -> Watcher {
        let ear = Arc::new(Ear::default());
        let told = ear.clone();
        let system = notify::recommended_watcher(move |event| told.hear(event));
        let system = system.map_err(|error| {
            tracing::warn!(
                "Changes of files are found by looking every few seconds, because they are not told: {error}"
            );
        });
        let mut watcher = Watcher {
            paths: vec![],
            marks: BTreeMap::new(),
            told_of: BTreeMap::new(),
            system: system.ok(),
            ear,
            pending: false,
            next_look: Instant::now() + LOOK,
        };
        watcher.watch(paths);
        watcher
    }

    /// Watches these paths from now on, instead of those before.
    pub fn watch(&mut self, paths: impl IntoIterator<Item = PathBuf>) {
        self.paths = paths.into_iter().collect();
        *self.ear.paths() = self.paths.iter().cloned().collect();
        self.listen();
        self.marks = self.look();
    }

    /// Waits until something has changed since the last time that this returned. Nothing is lost if it is dropped.
    pub async fn changed(&mut self) {
        let ear = self.ear.clone();
        while !self.pending {
            tokio::select! {
                () = ear.heard.notified() => self.pending = true,
                () = sleep_until(self.next_look) => {
                    self.next_look = Instant::now() + LOOK;
                    self.listen();
                    self.pending = self.look() != self.marks;
                }
            }
        }
        quiet(&ear).await;
        self.listen();
        self.marks = self.look();
        self.pending = false;
    }

    /// Has the operating system tell of all folders that exist, also of those that were made anew.
    fn listen(&mut self) {
        let Some(system) = &mut self.system else { return };
        let folders: BTreeSet<PathBuf> = self.paths.iter().filter_map(|it| folder_of(it)).collect();
        let gone: Vec<PathBuf> = self.told_of.keys().filter(|it| !folders.contains(*it)).cloned().collect();
        for folder in gone {
            system.unwatch(&folder).ok();
            self.told_of.remove(&folder);
        }
        for folder in folders {
            let Ok(identity) = fs::metadata(&folder).map(|it| (it.dev(), it.ino())) else { continue };
            if self.told_of.get(&folder) == Some(&identity) {
                continue;
            }
            system.unwatch(&folder).ok(); // of another folder of this name
            match system.watch(&folder, RecursiveMode::NonRecursive) {
                Ok(()) => drop(self.told_of.insert(folder, identity)),
                Err(error) => tracing::debug!("Changes in {} are not told: {error}", folder.display()),
            }
        }
    }

    fn look(&self) -> BTreeMap<PathBuf, u64> {
        self.paths.iter().map(|it| (it.clone(), mark(it))).collect()
    }
}

impl Ear {
    fn hear(&self, event: notify::Result<Event>) {
        let matters = match event {
            Ok(event) => {
                let paths = self.paths();
                let concerns = |it: &PathBuf| paths.contains(it) || it.parent().is_some_and(|it| paths.contains(it));
                // Reading is no change. Without a path, something was lost.
                let change = !matches!(event.kind, EventKind::Access(_));
                change && (event.paths.is_empty() || event.need_rescan() || event.paths.iter().any(concerns))
            }
            Err(_) => true,
        };
        if matters {
            self.heard.notify_one();
        }
    }

    fn paths(&self) -> std::sync::MutexGuard<'_, BTreeSet<PathBuf>> {
        self.paths.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits until nothing is heard for a moment.
async fn quiet(ear: &Ear) {
    let end = Instant::now() + BURST;
    while Instant::now() < end {
        if timeout_at((Instant::now() + QUIET).min(end), ear.heard.notified()).await.is_err() {
            return;
        }
    }
}

/// The folder in which changes of this path are seen.
fn folder_of(path: &Path) -> Option<PathBuf> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => Some(path.to_owned()),
        _ => path.parent().filter(|it| it.is_dir()).map(Path::to_owned),
    }
}

/// A number that changes when the path does. Links are followed.
fn mark(path: &Path) -> u64 {
    let mut hasher = DefaultHasher::new();
    let mut add = |path: &Path| {
        if let Ok(it) = fs::metadata(path) {
            let times = (it.mtime(), it.mtime_nsec(), it.ctime(), it.ctime_nsec());
            (path, it.dev(), it.ino(), it.size(), it.mode(), times).hash(&mut hasher);
        }
    };
    add(path);
    let mut files: Vec<PathBuf> =
        fs::read_dir(path).into_iter().flatten().filter_map(Result::ok).take(FILES).map(|it| it.path()).collect();
    files.sort();
    files.iter().for_each(|it| add(it));
    hasher.finish()
}
