//! A small base image made from this machine's own files: for trials and tests where no registry can be reached.
//!
//! [`from_machine`] takes programs, the libraries they load (as `ldd` tells), git's helpers, and the few files a Linux
//! expects, and packs them into a tar. The same machine gives the same bytes, so that [`tag`] names the content and an
//! engine that has it is not given it again.
//!
//! - Never runs anything of a task; `ldd` and `git --exec-path` run on this machine's own programs.
//! - Nothing of this machine's users, keys or settings goes in.

mod tree;

use crate::Error;
use sha2::{Digest as _, Sha256};
use std::{
    collections::BTreeSet,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process::Command,
};
use tree::Tree;

/// What a shell script may expect, and git; agents want bash.
pub const PROGRAMS: &[&str] = &[
    "awk", "basename", "bash", "cat", "chmod", "cmp", "cp", "cut", "date", "dd", "diff", "dirname", "env", "expr",
    "false", "find", "git", "grep", "head", "id", "kill", "ln", "ls", "mkdir", "mkfifo", "mktemp", "mv", "printf",
    "ps", "pwd", "readlink", "rm", "rmdir", "sed", "seq", "setsid", "sh", "sleep", "sort", "stat", "tail", "tee",
    "test", "touch", "tr", "true", "uname", "uniq", "wc", "xargs", "[",
];

/// Where `PATH` of a sandbox looks; a program found elsewhere is put into the first.
const FOLDERS: [&str; 4] = ["/usr/local/bin", "/usr/bin", "/usr/local/sbin", "/usr/sbin"];
/// Git's helpers that only speak to a network, which the sandbox does not have, and would bring many libraries.
const GIT_NETWORK: [&str; 6] = ["git-remote-", "git-http-", "git-imap-", "git-daemon", "git-shell", "git-credential-"];
/// Loaded by name at run time, so that `ldd` does not show them; newer C libraries have them built in.
const NAME_SERVICES: [&str; 2] = ["libnss_files.so.2", "libnss_compat.so.2"];
/// Parts of the C library that none of these programs needs, but agents' programs, which are mounted beside them; and
/// what Node.js needs, where this machine has it.
const FOR_AGENTS: [&str; 6] =
    ["libdl.so.2", "libm.so.6", "libpthread.so.0", "librt.so.1", "libstdc++.so.6", "libgcc_s.so.1"];
/// What is packed besides programs changed with this number.
const RECIPE: u32 = 3;

/// Packs programs of this machine, named as in `PATH`, and all they need into the tar of a root file system.
///
/// # Errors
/// [`Error::Image`] if one is not there, [`Error::Io`] if it cannot be read.
pub fn from_machine(programs: &[&str]) -> Result<Vec<u8>, Error> {
    let mut tree = Tree::with_skeleton();
    let mut needed = Needed { seen: BTreeSet::new(), libraries: BTreeSet::new() };
    for name in programs {
        let found = find(name)?;
        let parent = found.parent().map(tree::merged).unwrap_or_default();
        let place = match FOLDERS.iter().any(|it| parent == Path::new(it)) {
            true => parent.join(name),
            false => Path::new(FOLDERS[0]).join(name),
        };
        tree.add(&found, &place)?;
        needed.by(&found)?;
        if *name == "git" {
            add_git(&mut tree, &mut needed, &found)?;
        }
    }
    needed.by_name();
    for library in &needed.libraries {
        tree.add(library, &tree::merged(library))?;
    }
    tree.pack()
}

/// Packs a root file system with nothing in it but what a Linux expects: for sandboxes that only hold a network.
///
/// # Errors
/// [`Error::Io`] if it cannot be packed.
pub fn empty() -> Result<Vec<u8>, Error> {
    Tree::with_skeleton().pack()
}

/// Names what [`from_machine`] would pack, without reading it: where the programs are, their sizes and times.
///
/// # Errors
/// [`Error::Image`] if one is not there, [`Error::Io`] if it cannot be looked at.
pub fn fingerprint(programs: &[&str]) -> Result<String, Error> {
    let mut hash = Sha256::new();
    hash.update(format!("{RECIPE}\n"));
    for name in programs {
        let found = find(name)?;
        let data = std::fs::metadata(&found).map_err(crate::error::io_at("looking at", &found))?;
        hash.update(format!("{} {} {}.{}\n", found.display(), data.len(), data.mtime(), data.mtime_nsec()));
    }
    Ok(hex::encode(&hash.finalize()[..8]))
}

/// The name of an image by its content: `agentd-base:` and twelve digits of its hash.
#[must_use]
pub fn tag(tar: &[u8]) -> String {
    let hash = hex::encode(Sha256::digest(tar));
    format!("agentd-base:{}", &hash[..12])
}

/// The libraries that programs load.
struct Needed {
    seen: BTreeSet<PathBuf>,
    libraries: BTreeSet<PathBuf>,
}

impl Needed {
    /// Adds what one program needs. A script or a static program needs nothing.
    fn by(&mut self, program: &Path) -> Result<(), Error> {
        let real = program.canonicalize().map_err(crate::error::io_at("reading", program))?;
        if !self.seen.insert(real.clone()) {
            return Ok(());
        }
        let said = run("ldd", &[&real.to_string_lossy()])?;
        self.libraries.extend(libraries(&said));
        Ok(())
    }

    /// Adds what is loaded by name, wherever the C library lies.
    fn by_name(&mut self) {
        let folders: BTreeSet<_> = self.libraries.iter().filter_map(|it| it.parent()).map(Path::to_owned).collect();
        let beside =
            folders.iter().flat_map(|folder| NAME_SERVICES.into_iter().chain(FOR_AGENTS).map(|name| folder.join(name)));
        self.libraries.extend(beside.filter(|it| it.exists()).collect::<Vec<_>>());
    }
}

/// Git finds most of itself in a folder of its own, in which nearly everything is one and the same file.
fn add_git(tree: &mut Tree, needed: &mut Needed, git: &Path) -> Result<(), Error> {
    let said = run(&git.to_string_lossy(), &["--exec-path"])?;
    let folder = PathBuf::from(said.trim());
    for entry in std::fs::read_dir(&folder).map_err(crate::error::io_at("reading", &folder))? {
        let path = entry.map_err(crate::error::io_at("reading", &folder))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !path.is_file() || GIT_NETWORK.iter().any(|it| name.starts_with(it)) {
            continue;
        }
        tree.add(&path, &tree::merged(&path))?;
        if !tree::is_script(&path)? {
            needed.by(&path)?;
        }
    }
    // Without its templates, `git init` warns each time.
    let prefix = folder.ancestors().nth(2).unwrap_or(Path::new("/usr"));
    tree.dir(&prefix.join("share/git-core/templates"));
    Ok(())
}

fn find(name: &str) -> Result<PathBuf, Error> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places: Vec<_> = FOLDERS.iter().map(PathBuf::from).chain(std::env::split_paths(&path)).collect();
    places.iter().map(|folder| folder.join(name)).find(|it| it.is_file()).ok_or_else(|| Error::Image {
        what: format!("cannot be made: this machine has no program `{name}`; install it"),
    })
}

/// What `ldd` names: `libc.so.6 => /lib/…/libc.so.6 (0x…)` and `/lib64/ld-linux-x86-64.so.2 (0x…)`.
fn libraries(said: &str) -> Vec<PathBuf> {
    let of_line = |line: &str| {
        let line = line.split_once(" => ").map_or(line, |(_, path)| path).trim();
        let path = line.split_once(" (").map_or(line, |(path, _)| path);
        path.starts_with('/').then(|| PathBuf::from(path))
    };
    said.lines().filter_map(of_line).collect()
}

/// What a program of this machine says. `ldd` fails on static programs and scripts, and says nothing then.
fn run(program: &str, args: &[&str]) -> Result<String, Error> {
    let output = Command::new(program).args(args).env("LC_ALL", "C").output();
    let output =
        output.map_err(|error| Error::Image { what: format!("cannot be made: `{program}` failed: {error}") })?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, path: Option<&str>) {
        assert_eq!(libraries(line), path.map(PathBuf::from).into_iter().collect::<Vec<_>>(), "{line}");
    }

    #[test]
    fn the_libraries_are_what_ldd_names() {
        check("\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f)", Some("/lib/x86_64-linux-gnu/libc.so.6"));
        check("\t/lib64/ld-linux-x86-64.so.2 (0x00007f)", Some("/lib64/ld-linux-x86-64.so.2"));
        check("\tlinux-vdso.so.1 (0x00007f)", None);
        check("\tlibgone.so => not found", None);
        check("\tnot a dynamic executable", None);
    }

    #[test]
    fn the_same_machine_gives_the_same_bytes() {
        let [one, other] = [from_machine(&["sh", "cat"]), from_machine(&["sh", "cat"])].map(Result::unwrap);
        assert_eq!(tag(&one), tag(&other));
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let error = from_machine(&["no-such-program"]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the image cannot be made: this machine has no program `no-such-program`; install it"
        );
    }
}
