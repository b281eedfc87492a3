//! Pages of files, with their sizes.

use super::{
    Inner, PAGE_MAX, blocking,
    cursor::Position,
    directory::Root,
    git_said,
    glob::Globs,
    listing::{File as Listed, Listing},
    of_git,
    revision::Mirrored,
};
use agentd_plugin::wit::{
    common::Error,
    repository::{File, FilePage, FileQuery},
};
use std::{path::PathBuf, sync::Arc};

/// The most files of a page.
pub(super) const PAGE: u32 = 10_000;

pub(super) async fn of_commit(
    inner: &Inner,
    mirror: &Mirrored<'_>,
    commit: &str,
    query: FileQuery,
) -> Result<FilePage, Error> {
    let (globs, after) = (Globs::new(&query.globs)?, Position::read(&query.cursor)?);
    let listing = inner.listing(mirror, commit).await?;
    let all = listing.clone();
    let (taken, more) = blocking(move || {
        let start = after.as_ref().map_or(0, |after| all.from(&after.path));
        let files = all.files()[start..].iter().copied();
        let later = files.filter(|it| after.as_ref().is_none_or(|after| all.path(*it) != after.path));
        let mut page = Room::new(query.limit);
        let mut taken = vec![];
        for file in later.filter(|it| globs.takes(all.path(*it))) {
            if !page.has_room(all.path(file)) {
                return Ok((taken, true));
            }
            taken.push(file);
        }
        Ok((taken, false))
    })
    .await?;
    let sizes = sizes(mirror, &listing, &taken).await?;
    let files = taken.iter().zip(sizes).map(|(it, size)| file(listing.path(*it).to_owned(), size)).collect();
    Ok(page(files, more))
}

pub(super) async fn of_directory(root: PathBuf, query: FileQuery) -> Result<FilePage, Error> {
    let (globs, after) = (Globs::new(&query.globs)?, Position::read(&query.cursor)?);
    blocking(move || {
        let root = Root::open(&root)?;
        let from = after.map(|it| it.path);
        let (mut room, mut files, mut more) = (Room::new(query.limit), vec![], false);
        root.walk(from.as_deref(), |path| {
            if from.as_deref() == Some(path.as_str()) || !globs.takes(&path) {
                return true;
            }
            let Some(size) = root.size(&path) else { return true };
            more = !room.has_room(&path);
            if !more {
                files.push(file(path, size));
            }
            !more
        })?;
        Ok(page(files, more))
    })
    .await
}

/// The sizes of what files hold, in their order; 0 for submodules.
async fn sizes(mirror: &Mirrored<'_>, listing: &Arc<Listing>, files: &[Listed]) -> Result<Vec<u64>, Error> {
    let mut ids = String::new();
    for file in files.iter().filter(|it| it.has_object()) {
        ids.push_str(listing.id(*file));
        ids.push('\n');
    }
    if ids.is_empty() {
        return Ok(vec![0; files.len()]);
    }
    let doing = || format!("looking up the sizes of files of `{}`", mirror.known.id);
    let args = ["cat-file", "--batch-check=%(objectsize)", "--buffer"];
    let output = mirror.git.output(&args, ids.as_bytes()).await.map_err(of_git(doing()))?;
    if !output.success() {
        return Err(git_said(doing(), &output.stderr));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let mut lines = text.lines();
    let mut size = |file: &Listed| {
        if !file.has_object() {
            return Ok(0);
        }
        let line = lines.next().unwrap_or_default();
        line.parse().map_err(|_| git_said(doing(), &format!("it answered `{line}`; the mirror may be damaged")))
    };
    files.iter().map(&mut size).collect()
}

/// How much more a page takes.
struct Room {
    files: usize,
    bytes: usize,
}

impl Room {
    fn new(limit: u32) -> Room {
        Room { files: limit as usize, bytes: PAGE_MAX }
    }

    fn has_room(&mut self, path: &str) -> bool {
        match (self.files.checked_sub(1), self.bytes.checked_sub(path.len())) {
            (Some(files), Some(bytes)) => {
                *self = Room { files, bytes };
                true
            }
            _ => false,
        }
    }
}

fn file(path: String, size: u64) -> File {
    File { path, size: u32::try_from(size).unwrap_or(u32::MAX), extra: vec![] }
}

fn page(files: Vec<File>, more: bool) -> FilePage {
    let last = files.last().filter(|_| more).map(|it| Position { path: it.path.clone(), line: 0 });
    FilePage { next: last.map(|it| it.write()), files, extra: vec![] }
}
