//! The files of an agent's conversation, kept between the runs of a task.
//!
//! What an adapter's globs name below the agent's home is copied out when a run ends, and put back for a later run that
//! goes on with the conversation. An agent made these files: they are opened beneath its home without following links,
//! plain files only, within limits, and nothing on the host ever reads what is in them.

use crate::{
    disk::remove_folder,
    layout::Layout,
    steps::{Run, Stop, blocking, io_failure},
};
use agentd_task::{Failure, Reason, TaskId};
use globset::{Glob, GlobSet, GlobSetBuilder};
use rustix::fs::{CWD, Dir, FileType, Mode, OFlags, ResolveFlags};
use std::{
    fs,
    io::{self, Read},
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};

const BYTES_MAX: u64 = 256 << 20;
const FILES_MAX: usize = 2_000;
/// Entries that are looked at, whether or not they are kept.
const ENTRIES_MAX: usize = 200_000;
const DEPTH_MAX: usize = 16;

/// Keeps what `globs` name below the agent's home, instead of what was kept before. False: there was nothing.
pub(crate) async fn keep(run: &Run, globs: &[String]) -> Result<bool, Stop> {
    let Ok(globs) = set(globs) else {
        return Err(Stop::failed(Reason::Plugin, "the adapter's `session-files` are no globs"));
    };
    let (home, kept) = (run.layout.agent_home(), run.rt.layout.session(run.key.task));
    Ok(blocking(move || replace(&home, &kept, &globs)).await??)
}

/// Puts what was kept back into a home that nobody uses yet.
pub(crate) async fn restore(run: &Run) -> Result<(), Stop> {
    let (home, kept) = (run.layout.agent_home(), run.rt.layout.session(run.key.task));
    let work = move || match kept.is_dir() {
        true => copy_tree(&kept, &home).map_err(|e| io_failure("putting a conversation back from", &kept, &e)),
        false => Ok(()),
    };
    Ok(blocking(work).await??)
}

/// Whether anything of a task's conversation is kept.
pub(crate) fn is_kept(layout: &Layout, task: TaskId) -> bool {
    layout.session(task).is_dir()
}

fn set(globs: &[String]) -> Result<GlobSet, globset::Error> {
    let mut set = GlobSetBuilder::new();
    for glob in globs {
        set.add(Glob::new(glob)?);
    }
    set.build()
}

/// What is kept is whole, or it is the one before.
fn replace(home: &Path, kept: &Path, globs: &GlobSet) -> Result<bool, Failure> {
    let (partial, former) = (kept.with_extension("partial"), kept.with_extension("former"));
    for left in [&partial, &former] {
        remove_folder(left).map_err(|e| io_failure("removing", left, &e))?;
    }
    fs::create_dir_all(&partial).map_err(|e| io_failure("making", &partial, &e))?;
    let mut taking = Taking { globs, into: &partial, bytes: 0, files: 0, entries: 0 };
    let root = rustix::fs::openat(CWD, home, OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
        .map_err(|e| io_failure("opening", home, &e.into()))?;
    taking.folder(&root, Path::new(""), 0).map_err(|e| io_failure("keeping the conversation in", home, &e))?;
    if taking.files == 0 {
        remove_folder(&partial).map_err(|e| io_failure("removing", &partial, &e))?;
        return Ok(false);
    }
    let swap = || -> io::Result<()> {
        if kept.exists() {
            fs::rename(kept, &former)?;
        }
        fs::rename(&partial, kept)?;
        remove_folder(&former)
    };
    swap().map_err(|e| io_failure("keeping", kept, &e))?;
    Ok(true)
}

/// Copies what matches, beneath one folder.
struct Taking<'a> {
    globs: &'a GlobSet,
    into: &'a Path,
    bytes: u64,
    files: usize,
    entries: usize,
}

impl Taking<'_> {
    fn folder(&mut self, folder: &OwnedFd, at: &Path, depth: usize) -> io::Result<()> {
        if depth > DEPTH_MAX {
            return Ok(());
        }
        for entry in Dir::read_from(folder)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().to_str() else { continue };
            self.entries += 1;
            if name == "." || name == ".." || self.entries > ENTRIES_MAX {
                continue;
            }
            let path = at.join(name);
            match entry.file_type() {
                FileType::Directory => {
                    if let Some(inner) = open(folder, name, OFlags::DIRECTORY) {
                        self.folder(&inner, &path, depth + 1)?;
                    }
                }
                FileType::RegularFile if self.globs.is_match(&path) => {
                    if let Some(file) = open(folder, name, OFlags::NONBLOCK) {
                        match self.file(file, &path) {
                            // It lies so deep that no path leads to where its copy would be.
                            Err(error) if error.kind() == io::ErrorKind::InvalidFilename => {}
                            kept => kept?,
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn file(&mut self, file: OwnedFd, path: &Path) -> io::Result<()> {
        let stat = rustix::fs::fstat(&file)?;
        let size = u64::try_from(stat.st_size).unwrap_or(u64::MAX);
        let plain = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
        if !plain || self.files >= FILES_MAX || self.bytes.saturating_add(size) > BYTES_MAX {
            return Ok(());
        }
        let to: PathBuf = self.into.join(path);
        if let Some(parent) = to.parent() {
            fs::create_dir_all(parent)?;
        }
        // It may have grown since.
        let mut from = fs::File::from(file).take(size);
        self.bytes += io::copy(&mut from, &mut fs::File::create(&to)?)?;
        self.files += 1;
        Ok(())
    }
}

/// None: it is gone, or not what it was said to be.
fn open(folder: &OwnedFd, name: &str, more: OFlags) -> Option<OwnedFd> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | more;
    rustix::fs::openat2(folder, name, flags, Mode::empty(), resolve).ok()
}

/// The host made the one, and nobody has seen the other.
fn copy_tree(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        match entry.file_type()? {
            kind if kind.is_dir() => copy_tree(&entry.path(), &target)?,
            kind if kind.is_file() => drop(fs::copy(entry.path(), &target)?),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn plain_files_that_match_are_kept_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let (home, kept, back) = (dir.path().join("home"), dir.path().join("kept"), dir.path().join("back"));
        fs::create_dir_all(home.join(".agent/talks")).unwrap();
        fs::write(home.join(".agent/talks/a.jsonl"), "a").unwrap();
        fs::write(home.join(".agent/key"), "secret").unwrap();
        fs::write(dir.path().join("secret"), "secret").unwrap();
        symlink(dir.path().join("secret"), home.join(".agent/talks/b.jsonl")).unwrap();
        symlink(dir.path(), home.join(".agent/talks/c")).unwrap();
        let globs = set(&[".agent/talks/**/*.jsonl".into(), ".agent/talks/**/secret".into()]).unwrap();
        assert!(replace(&home, &kept, &globs).unwrap());
        assert!(replace(&home, &kept, &globs).unwrap());
        copy_tree(&kept, &back).unwrap();
        assert_eq!(fs::read_to_string(back.join(".agent/talks/a.jsonl")).unwrap(), "a");
        let names: Vec<_> =
            fs::read_dir(back.join(".agent/talks")).unwrap().map(|it| it.unwrap().file_name()).collect();
        assert_eq!(names, ["a.jsonl"]);
        assert!(!back.join(".agent/key").exists());
    }

    #[test]
    fn what_lies_too_deep_to_be_copied_keeps_nothing_else_from_being_kept() {
        let dir = tempfile::tempdir().unwrap();
        let (home, kept) = (dir.path().join("home"), dir.path().join("kept"));
        fs::create_dir_all(&home).unwrap();
        fs::write(home.join("a"), "a").unwrap();
        // An agent makes it step by step, and its own home has a shorter name.
        let name = "x".repeat(255);
        let mut folder = rustix::fs::openat(CWD, &home, OFlags::DIRECTORY, Mode::empty()).unwrap();
        for _ in 0..DEPTH_MAX {
            rustix::fs::mkdirat(&folder, &name, Mode::RWXU).unwrap();
            folder = rustix::fs::openat(&folder, &name, OFlags::DIRECTORY, Mode::empty()).unwrap();
        }
        let file = rustix::fs::openat(&folder, "b", OFlags::CREATE | OFlags::WRONLY, Mode::RUSR).unwrap();
        rustix::io::write(&file, b"b").unwrap();
        assert!(replace(&home, &kept, &set(&["**".into()]).unwrap()).unwrap());
        assert_eq!(fs::read_to_string(kept.join("a")).unwrap(), "a");
    }

    #[test]
    fn an_empty_conversation_leaves_the_former_one() {
        let dir = tempfile::tempdir().unwrap();
        let (home, kept) = (dir.path().join("home"), dir.path().join("kept"));
        fs::create_dir_all(&home).unwrap();
        fs::create_dir_all(&kept).unwrap();
        assert!(!replace(&home, &kept, &set(&["**".into()]).unwrap()).unwrap());
        assert!(kept.is_dir());
    }
}
