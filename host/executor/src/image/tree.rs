//! A root file system in the making: paths and what is there, packed in the order of their names.
//!
//! `/bin`, `/sbin`, `/lib` and `/lib64` are links into `/usr`, whatever this machine does: each file is put where its
//! path leads then. A file with several names is packed once, and the other names are links to it.

use crate::{Error, error::io_at};
use std::{
    collections::{BTreeMap, HashMap},
    fs::File,
    io::{self, Read as _},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Component, Path, PathBuf},
};
use tar::{Builder, EntryType, Header};

const MERGED: [&str; 4] = ["bin", "sbin", "lib", "lib64"];
const TEXTS: [(&str, &str); 4] = [
    (
        "/etc/passwd",
        "root:x:0:0:root:/:/bin/sh\nagent:x:10001:10001:agent:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
    ),
    ("/etc/group", "root:x:0:\nagent:x:10001:\nnogroup:x:65534:\n"),
    ("/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n"),
    ("/etc/os-release", "ID=agentd-base\nNAME=\"agentd base\"\n"),
];

pub(super) struct Tree {
    nodes: BTreeMap<PathBuf, Node>,
    /// Device and inode of what is in already, and where.
    packed: HashMap<(u64, u64), PathBuf>,
}

enum Node {
    Dir { mode: u32 },
    Text(&'static str),
    File { source: PathBuf, mode: u32 },
    Link(PathBuf),
}

impl Tree {
    /// With the folders, users and links that a Linux has, and nothing in it.
    pub(super) fn with_skeleton() -> Tree {
        let mut tree = Tree { nodes: BTreeMap::new(), packed: HashMap::new() };
        for name in MERGED {
            tree.dir(&Path::new("/usr").join(name));
            tree.nodes.insert(Path::new("/").join(name), Node::Link(Path::new("usr").join(name)));
        }
        for dir in ["/dev", "/etc", "/home", "/proc", "/run", "/sys", "/usr/local/bin", "/var"] {
            tree.dir(Path::new(dir));
        }
        for dir in ["/tmp", "/var/tmp"] {
            tree.nodes.insert(dir.into(), Node::Dir { mode: 0o1777 });
        }
        tree.nodes.extend(TEXTS.map(|(path, text)| (path.into(), Node::Text(text))));
        tree
    }

    /// Puts a folder and those above it where they are not.
    pub(super) fn dir(&mut self, path: &Path) {
        for folder in path.ancestors().filter(|it| *it != Path::new("/") && !it.as_os_str().is_empty()) {
            self.nodes.entry(folder.into()).or_insert(Node::Dir { mode: 0o755 });
        }
    }

    /// Puts a file of this machine at `place`.
    pub(super) fn add(&mut self, source: &Path, place: &Path) -> Result<(), Error> {
        let real = source.canonicalize().map_err(io_at("reading", source))?;
        let metadata = real.metadata().map_err(io_at("reading", &real))?;
        if self.nodes.contains_key(place) {
            return Ok(());
        }
        if let Some(folder) = place.parent() {
            self.dir(folder);
        }
        let node = match self.packed.get(&(metadata.dev(), metadata.ino())) {
            Some(first) => Node::Link(first.clone()),
            None => {
                self.packed.insert((metadata.dev(), metadata.ino()), place.into());
                let mode = if metadata.permissions().mode() & 0o111 == 0 { 0o644 } else { 0o755 };
                Node::File { source: real, mode }
            }
        };
        self.nodes.insert(place.into(), node);
        Ok(())
    }

    pub(super) fn pack(self) -> Result<Vec<u8>, Error> {
        let mut tar = Builder::new(Vec::new());
        for (path, node) in &self.nodes {
            let inside = path.strip_prefix("/").unwrap_or(path);
            let mut header = Header::new_gnu();
            header.set_mtime(0);
            let done = match node {
                Node::Dir { mode } => {
                    header.set_entry_type(EntryType::Directory);
                    header.set_mode(*mode);
                    tar.append_data(&mut header, inside, io::empty())
                }
                Node::Link(target) => {
                    header.set_entry_type(EntryType::Symlink);
                    header.set_mode(0o777);
                    tar.append_link(&mut header, inside, target)
                }
                Node::Text(text) => {
                    header.set_mode(0o644);
                    header.set_size(text.len() as u64);
                    tar.append_data(&mut header, inside, text.as_bytes())
                }
                Node::File { source, mode } => {
                    let file = File::open(source).map_err(packing(source))?;
                    header.set_mode(*mode);
                    header.set_size(file.metadata().map_err(packing(source))?.len());
                    tar.append_data(&mut header, inside, file)
                }
            };
            done.map_err(packing(path))?;
        }
        tar.into_inner().map_err(packing(Path::new("/")))
    }
}

fn packing(path: &Path) -> impl FnOnce(io::Error) -> Error {
    io_at("packing", path)
}

/// Where a path of this machine is in the image.
pub(super) fn merged(folder: &Path) -> PathBuf {
    let mut parts = folder.components();
    let first = (parts.next(), parts.next());
    match first {
        (Some(Component::RootDir), Some(Component::Normal(name))) if MERGED.iter().any(|it| name == *it) => {
            Path::new("/usr").join(name).join(parts.as_path())
        }
        _ => folder.into(),
    }
}

pub(super) fn is_script(path: &Path) -> Result<bool, Error> {
    let mut start = Vec::new();
    let file = File::open(path).map_err(io_at("reading", path))?;
    file.take(2).read_to_end(&mut start).map_err(io_at("reading", path))?;
    Ok(start == b"#!")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_where_the_links_lead() {
        for (given, expected) in [
            ("/lib/x86_64-linux-gnu/libc.so.6", "/usr/lib/x86_64-linux-gnu/libc.so.6"),
            ("/bin", "/usr/bin"),
            ("/usr/bin", "/usr/bin"),
            ("/library", "/library"),
        ] {
            assert_eq!(merged(Path::new(given)), Path::new(expected), "{given}");
        }
    }
}
