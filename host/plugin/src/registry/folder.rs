//! Looks at the plugin folder: which files are new, changed or gone since the last look.
//!
//! A file that is still being written is waited for, within limits: it counts once two reads of it agree. What cannot be
//! used is listed with its problem and looked at again when it changes. Nothing here is trusted before it was read from
//! end to end, and nothing is taken that somebody else could change.

use super::change::Fate;
use super::{Registry, Serving, wasm_files};
use crate::error::{Error, Problem};
use crate::generation::{self, blocking, digest, stem};
use crate::news::What;
use crate::registry::Info;
use rustix::process::geteuid;
use serde_json::json;
use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;

/// How long a file has to stay as it is, and how often that is tried before it is taken as it is.
const PAUSE: Duration = Duration::from_millis(60);
const READS: usize = 30;

/// What nobody has touched for so long is not being written.
const SETTLED_NS: i128 = 2_000_000_000;

/// A file of the folder, as the last look found it.
pub(super) struct Seen {
    mark: Option<Mark>,
    digest: String,
    /// The plugin that it brings; empty: none.
    pub(super) name: String,
    /// Why it is not used.
    pub(super) refused: Option<Info>,
    /// It would be used if another file did not bring the same plugin.
    twice: bool,
}

/// What changes when a file does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mark {
    place: (u64, u64),
    size: u64,
    modified_ns: i128,
    changed_ns: i128,
    rights: (u32, u32),
}

/// A file as it was read. No mark: it could not be looked at.
struct Copy {
    mark: Option<Mark>,
    bytes: Result<Vec<u8>, Problem>,
}

impl Registry {
    /// One look at the folder. Fails if the folder as a whole cannot be used; then nothing changes.
    pub(crate) async fn look(&self) -> Result<(), Error> {
        let _looking = self.looking.lock().await;
        let Some(folder) = self.folder.clone() else { return Ok(()) };
        let found = tokio::task::spawn_blocking(move || dropped(&folder)).await;
        let found = found.unwrap_or_else(|error| Err(Error::Engine(format!("the look broke off: {error}"))))?;
        let gone = self.forget(&found);
        for (path, mark) in &found {
            if self.table().seen.get(path).is_none_or(|it| it.mark != *mark) {
                self.take(path).await;
            }
        }
        // A file that left may make room for one that came later, which takes its place without a gap.
        for path in self.blocked() {
            self.take(&path).await;
        }
        for path in gone.into_iter().chain(self.exchanged()) {
            self.withdraw(&path).await;
        }
        self.reconsider_misfits().await;
        self.keep().await;
        self.shared.cache.prune(self.shared.host.now());
        Ok(())
    }

    /// Drops the files that are gone, and says which.
    fn forget(&self, found: &BTreeMap<PathBuf, Option<Mark>>) -> Vec<PathBuf> {
        let mut table = self.table();
        let gone: Vec<PathBuf> = table.seen.keys().filter(|it| !found.contains_key(*it)).cloned().collect();
        gone.iter().for_each(|it| drop(table.seen.remove(it)));
        gone
    }

    /// Files whose plugin another file brought, which does not bring it any more.
    fn blocked(&self) -> Vec<PathBuf> {
        let table = self.table();
        let free = |name: &str| !table.seen.values().any(|it| it.name == name);
        let waits =
            table.seen.iter().filter(|(_, it)| it.twice && it.refused.as_ref().is_some_and(|it| free(&it.name)));
        waits.map(|it| it.0.clone()).collect()
    }

    /// Files that hold another plugin now than the one that serves, or waits, from there.
    fn exchanged(&self) -> Vec<PathBuf> {
        let table = self.table();
        let other =
            |name: &str, path: &Path| table.seen.get(path).is_some_and(|it| it.refused.is_none() && it.name != name);
        let exchanged = table.plugins.iter().filter_map(|(name, it)| {
            let serving = it.serving.as_ref().and_then(Serving::path);
            let waiting = it.waiting.as_ref().map(|it| it.path.as_path());
            [serving, waiting].into_iter().flatten().find(|path| other(name, path))
        });
        exchanged.map(Path::to_owned).collect()
    }

    /// Takes a file as it is now.
    async fn take(&self, path: &Path) {
        let Copy { mark, bytes } = self.read(path).await;
        let bytes = match bytes.and_then(|it| check_owner(path).map(|()| it)) {
            Ok(bytes) => bytes,
            Err(problem) => return self.refuse(path, mark, String::new(), &problem),
        };
        let digest = digest(&bytes);
        if self.is_known(path, &digest) {
            if let Some(seen) = self.table().seen.get_mut(path) {
                seen.mark = mark;
            }
            return;
        }
        let loaded = match generation::open_bytes(&self.shared, path, bytes).await {
            Ok(loaded) => Arc::new(loaded),
            Err((problem, digest)) => return self.refuse(path, mark, digest, &problem),
        };
        let name = loaded.info.name.clone();
        if let Some(took) = loaded.compiled_in {
            let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
            let text = format!("Plugin {name} was compiled in {took_ms} ms");
            self.tell(&name, What::Compiled, text, json!({ "digest": digest, "took_ms": took_ms }));
        }
        match self.offer(path, loaded.clone()).await {
            Fate::Known => {
                let seen = Seen { mark, digest, name, refused: None, twice: false };
                self.table().seen.insert(path.into(), seen);
            }
            Fate::Twice(problem) => {
                let refused = Info { problem: Some(problem.to_string()), ..loaded.info.clone() };
                self.note(path, Seen { mark, digest, name: String::new(), refused: Some(refused), twice: true });
            }
        }
    }

    /// The file was touched, and is what it was.
    fn is_known(&self, path: &Path, digest: &str) -> bool {
        self.table().seen.get(path).is_some_and(|it| it.digest == digest && it.refused.is_none())
    }

    fn refuse(&self, path: &Path, mark: Option<Mark>, digest: String, problem: &Problem) {
        let refused = generation::broken(path.into(), digest.clone(), problem.to_string());
        // What waited in this file is not in it any more.
        for plugin in self.table().plugins.values_mut() {
            plugin.waiting.take_if(|it| it.path == path);
        }
        self.note(path, Seen { mark, digest, name: String::new(), refused: Some(refused), twice: false });
    }

    /// Remembers a file that is not used, and tells of it unless that is known.
    fn note(&self, path: &Path, seen: Seen) {
        let problem = |it: &Seen| it.refused.as_ref().and_then(|it| it.problem.clone()).unwrap_or_default();
        let (text, digest) = (problem(&seen), seen.digest.clone());
        if self.table().seen.insert(path.into(), seen).is_some_and(|it| problem(&it) == text) {
            return;
        }
        let data = json!({ "path": path.to_string_lossy(), "digest": digest, "why": text });
        self.tell(&stem(path), What::Refused, format!("The plugin file {} is not used: {text}", path.display()), data);
    }

    /// Reads a file, again and again until it stays as it is.
    async fn read(&self, path: &Path) -> Copy {
        let mut copy = copy(path).await;
        for _ in 0..READS {
            let now_ns = i128::from(self.shared.host.now()) * 1_000_000;
            let settled = |it: Mark| it.changed_ns <= now_ns && now_ns - it.changed_ns >= SETTLED_NS;
            if copy.mark.is_none_or(settled) {
                break;
            }
            sleep(PAUSE).await;
            let again = self::copy(path).await;
            let same = copy.mark == again.mark && copy.bytes.as_ref().ok() == again.bytes.as_ref().ok();
            copy = again;
            if same {
                break;
            }
        }
        copy
    }
}

async fn copy(path: &Path) -> Copy {
    let path = path.to_owned();
    let both = blocking(move || {
        // The mark is older than the bytes: what is written after it shows in the next look.
        let mark = fs::metadata(&path).ok().map(|it| Mark::of(&it));
        Ok(Copy { mark, bytes: generation::read(&path) })
    });
    both.await.unwrap_or_else(|problem| Copy { mark: None, bytes: Err(problem) })
}

/// The files of the plugin folder. A folder that does not exist is an empty one.
fn dropped(folder: &Path) -> Result<BTreeMap<PathBuf, Option<Mark>>, Error> {
    let failed =
        |source| Error::Folder { path: folder.to_owned(), source, hint: "the daemon's user has to be able to read it" };
    match fs::metadata(folder) {
        Ok(metadata) => {
            if let Some(why) = others_may_write(&metadata) {
                return Err(Error::Open { path: folder.to_owned(), why });
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(failed(error)),
    }
    let mark = |path: PathBuf| (path.clone(), fs::metadata(path).ok().map(|it| Mark::of(&it)));
    Ok(wasm_files(folder).map_err(failed)?.into_iter().map(mark).collect())
}

/// A plugin of the folder is one that only the daemon's user can change. (Nobody else can put another file into its
/// place: the folder itself has been looked at, and so are those on the way to what a link points at.)
fn check_owner(path: &Path) -> Result<(), Problem> {
    if let Some(why) = others_may_write(&fs::metadata(path)?) {
        return Err(Problem::Writable(why));
    }
    if !fs::symlink_metadata(path)?.is_symlink() {
        return Ok(());
    }
    let target = fs::canonicalize(path)?;
    for folder in target.ancestors().skip(1) {
        let metadata = fs::metadata(folder)?;
        let ours = [0, geteuid().as_raw()].contains(&metadata.uid());
        let sticky = metadata.mode() & 0o1000 != 0;
        if !ours || (metadata.mode() & 0o022 != 0 && !sticky) {
            let (target, folder) = (target.display(), folder.display());
            return Err(Problem::Writable(format!("it is a link to {target}, and others can write to {folder}")));
        }
    }
    Ok(())
}

fn others_may_write(metadata: &Metadata) -> Option<String> {
    let (owner, own) = (metadata.uid(), geteuid().as_raw());
    if owner != own {
        return Some(format!("it belongs to user {owner}, and the daemon runs as user {own}"));
    }
    let mode = metadata.mode() & 0o7777;
    (mode & 0o022 != 0).then(|| format!("its mode is {mode:o}, which lets others write"))
}

impl Mark {
    fn of(metadata: &Metadata) -> Mark {
        let ns = |seconds: i64, rest: i64| i128::from(seconds) * 1_000_000_000 + i128::from(rest);
        Mark {
            place: (metadata.dev(), metadata.ino()),
            size: metadata.size(),
            modified_ns: ns(metadata.mtime(), metadata.mtime_nsec()),
            changed_ns: ns(metadata.ctime(), metadata.ctime_nsec()),
            rights: (metadata.mode(), metadata.uid()),
        }
    }
}
