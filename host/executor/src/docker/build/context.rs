//! What a build may copy from: a tar, read and written anew without what `.dockerignore` names.
//!
//! - Nothing is unpacked. Contents pass from one tar to the other.
//! - The Dockerfile that is built is put beside the context's own files and is gone before the first `COPY`: the engine
//!   removes it when the context's `.dockerignore` names it.

use crate::error::io_at;
use globset::{GlobBuilder, GlobMatcher};
use std::{
    fs::File,
    io::{self, BufReader, BufWriter, Read, Write},
    path::{Component, Path, PathBuf},
};
use tar::{Archive, Builder, Entry, EntryType, Header};

/// Where the Dockerfile that is built stands.
pub(super) const DOCKERFILE: &str = ".agentd.Dockerfile";
const IGNORE: &str = ".dockerignore";
/// Longer than any that a person wrote.
const TEXT_MAX: u64 = 1 << 20;

/// Why there is no context. The text goes on after "the image TAG cannot be built:".
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("{0}")]
    Bad(String),
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Error {
    pub(super) fn of(self, tag: &str, path: &Path) -> crate::Error {
        match self {
            Error::Bad(why) => crate::Error::Build { tag: tag.into(), why },
            Error::Io(error) => io_at("packing", path)(error),
        }
    }
}

/// The texts of a context that say how it is built.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) dockerfile: String,
    /// The text of the context's own `.dockerignore`.
    ignore: Option<String>,
    ignored: Ignored,
}

impl Context {
    /// Finds the texts in a tar.
    pub(super) fn open(path: &Path, dockerfile: &str) -> Result<Context, Error> {
        let wanted = relative(Path::new(dockerfile));
        // One that is named after the Dockerfile counts before the general one.
        let special = PathBuf::from(format!("{}.dockerignore", wanted.display()));
        let (mut found, mut general, mut own) = (None, None, None);
        let mut tar = Archive::new(BufReader::new(File::open(path)?));
        for entry in tar.entries()? {
            let mut entry = entry?;
            let at = relative(&entry.path()?);
            if at == wanted {
                found = Some(text(&mut entry, dockerfile)?);
            } else if at == Path::new(IGNORE) && entry.header().entry_type().is_file() {
                general = Some(text(&mut entry, IGNORE)?);
            } else if at == special && entry.header().entry_type().is_file() {
                own = Some(text(&mut entry, IGNORE)?);
            }
        }
        let Some(dockerfile) = found else {
            return Err(Error::Bad(format!("there is no `{dockerfile}` in what it is built from")));
        };
        let ignored = Ignored::parse(own.as_ref().or(general.as_ref()).map_or("", String::as_str))?;
        Ok(Context { dockerfile, ignore: general, ignored })
    }

    /// Writes the tar for the engine.
    pub(super) fn rewrite(&self, path: &Path, dockerfile: &str, to: &mut File) -> Result<(), Error> {
        let mut out = Builder::new(BufWriter::new(to));
        let mut tar = Archive::new(BufReader::new(File::open(path)?));
        for entry in tar.entries()? {
            let mut entry = entry?;
            let at = relative(&entry.path()?);
            let known = at.as_os_str().is_empty() || at == Path::new(IGNORE) || at == Path::new(DOCKERFILE);
            if !known && !self.ignored.has(&at) {
                copy(&mut entry, &at, &mut out)?;
            }
        }
        let ignore = match &self.ignore {
            Some(text) => format!("{}\n{DOCKERFILE}\n", text.trim_end()),
            None => format!("{DOCKERFILE}\n{IGNORE}\n"),
        };
        add(&mut out, IGNORE, &ignore)?;
        add(&mut out, DOCKERFILE, dockerfile)?;
        Ok(out.into_inner()?.flush()?)
    }
}

fn text(entry: &mut Entry<'_, impl Read>, name: &str) -> Result<String, Error> {
    if !entry.header().entry_type().is_file() {
        return Err(Error::Bad(format!("`{name}` is no plain file")));
    }
    let mut bytes = Vec::new();
    entry.take(TEXT_MAX + 1).read_to_end(&mut bytes)?;
    match String::from_utf8(bytes) {
        Ok(text) if text.len() as u64 <= TEXT_MAX => Ok(text),
        Ok(_) => Err(Error::Bad(format!("`{name}` is larger than {TEXT_MAX} bytes"))),
        Err(_) => Err(Error::Bad(format!("`{name}` is no text"))),
    }
}

/// Files, folders and links go over; there is nothing else in a git repository.
fn copy(entry: &mut Entry<'_, impl Read>, at: &Path, out: &mut Builder<impl Write>) -> Result<(), Error> {
    let mut header = Header::new_gnu();
    let kind = entry.header().entry_type();
    header.set_entry_type(kind);
    header.set_mode(entry.header().mode()?);
    header.set_mtime(entry.header().mtime()?);
    header.set_size(0);
    match kind {
        EntryType::Regular | EntryType::Continuous => {
            header.set_entry_type(EntryType::Regular);
            header.set_size(entry.size());
            out.append_data(&mut header, at, entry)?;
        }
        EntryType::Directory => out.append_data(&mut header, at, io::empty())?,
        EntryType::Symlink | EntryType::Link => {
            let target = entry.link_name()?.unwrap_or_default().into_owned();
            out.append_link(&mut header, at, target)?;
        }
        _ => (),
    }
    Ok(())
}

fn add(out: &mut Builder<impl Write>, name: &str, text: &str) -> Result<(), Error> {
    let mut header = Header::new_gnu();
    header.set_mode(0o644);
    header.set_mtime(0);
    header.set_size(text.len() as u64);
    Ok(out.append_data(&mut header, name, text.as_bytes())?)
}

/// `./a//b` → `a/b`. What leads out of the tar stays as it is, and is refused when it is written.
fn relative(path: &Path) -> PathBuf {
    path.components().filter(|it| !matches!(it, Component::CurDir | Component::RootDir)).collect()
}

/// The patterns of a `.dockerignore`, in their order: the last one that matches decides.
#[derive(Debug)]
struct Ignored(Vec<(bool, GlobMatcher)>);

impl Ignored {
    fn parse(text: &str) -> Result<Ignored, Error> {
        let mut patterns = Vec::new();
        for line in text.trim_start_matches('\u{feff}').lines() {
            let line = line.trim();
            let (out, pattern) = line.strip_prefix('!').map_or((true, line), |rest| (false, rest.trim()));
            let pattern = pattern.trim_matches('/').trim_start_matches("./");
            if line.starts_with('#') || pattern.is_empty() || pattern == "." {
                continue;
            }
            // Braces are letters here, and a choice to the library.
            let literal = pattern.replace('{', "[{]").replace('}', "[}]");
            let glob = GlobBuilder::new(&literal).literal_separator(true).backslash_escape(true).build();
            let glob = glob.map_err(|error| Error::Bad(format!("`{IGNORE}`: `{line}`: {}", error.kind())))?;
            patterns.push((out, glob.compile_matcher()));
        }
        Ok(Ignored(patterns))
    }

    /// Whether a file stays out: it, or a folder that it is in, is named.
    fn has(&self, path: &Path) -> bool {
        let named = |glob: &GlobMatcher| path.ancestors().any(|it| !it.as_os_str().is_empty() && glob.is_match(it));
        self.0.iter().fold(false, |out, (says, glob)| if named(glob) { *says } else { out })
    }
}

#[cfg(test)]
mod tests;
