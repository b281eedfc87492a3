//! The toolbox: agents' programs, fetched once from a package registry, checked, and mounted read-only into sandboxes.
//!
//! A program lies in `toolbox/store/SHA-256 OF ITS ARCHIVE/bin` of the home folder; `toolbox/tools.json` says which one
//! serves under which name, and `toolbox/lock.json` which archive a release was when it first came: another one under
//! the same name is refused for ever.
//!
//! - Nothing is fetched but when a person says so: agentd never updates an agent.
//! - Nothing of a package is run. Nothing but the one file that the plugin names is unpacked; where it names none, the
//!   whole package, which then has to bring all that it needs ([`package`]).
//! - What is there is never overwritten: a sandbox may be working with it.

mod archive;
mod error;
mod npm;
mod package;
mod record;
mod release;

pub(crate) use error::{Error, Missing};
pub(crate) use record::{Program, all, installed, remove, remove_unused};
pub(crate) use release::{Release, is_version};

use agentd_egress::Egress;
use agentd_plugin::wit::agent::{Requirements, Tool as Wanted};
use npm::Npm;
use record::Folder;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// The kind of machine that this is, as plugins write it.
const ARCH: &str = std::env::consts::ARCH;

/// What an installation needs.
pub(crate) struct Options {
    pub(crate) home: PathBuf,
    /// The root of the npm registry, without a slash at its end.
    pub(crate) npm: String,
    pub(crate) egress: Egress,
    /// Milliseconds since 1970.
    pub(crate) now: i64,
}

/// A program that a sandbox can mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tool {
    pub(crate) name: String,
    /// Absolute; its folder `bin` holds the program.
    pub(crate) folder: PathBuf,
    /// `sha256:…` of the archive that it came in.
    pub(crate) digest: String,
    pub(crate) version: String,
    /// The release that the plugin would have chosen, if it is another one.
    pub(crate) made_for: Option<String>,
}

/// How far an installation is.
#[derive(Debug)]
pub(crate) enum Progress<'a> {
    /// So many bytes of a release are there, of so many if the registry says how many.
    Fetching { release: &'a str, done: u64, total: Option<u64> },
    /// The archive is checked and being unpacked.
    Unpacking { release: &'a str },
    /// It was there already.
    There { release: &'a str },
}

/// What an agent needs on a machine like this one.
///
/// # Errors
/// [`Error::Machine`] for a program that there is for other machines only.
pub(crate) fn of_this_machine(needs: &Requirements) -> Result<Vec<&Wanted>, Error> {
    let fits = |it: &&Wanted| it.arch.as_deref().is_none_or(|arch| arch == ARCH);
    let fit: Vec<_> = needs.tools.iter().filter(fits).collect();
    match needs.tools.iter().find(|tool| !fit.iter().any(|it| it.name == tool.name)) {
        Some(tool) => Err(Error::Machine { tool: tool.name.clone(), arch: ARCH }),
        None => Ok(fit),
    }
}

/// What an agent's sandbox has to mount.
///
/// A program that a plugin pins by its digest is the plugin's default: then whatever version a person installed serves.
/// One without a digest was asked for by version, and no other serves.
///
/// # Errors
/// [`Missing`]: a person has to install something first.
pub(crate) fn mounts(home: &Path, needs: &Requirements) -> Result<Vec<Tool>, Missing> {
    let first = needs.tools.first().map(|it| it.name.as_str()).unwrap_or_default();
    let wanted = of_this_machine(needs).map_err(|error| Missing::because(first, &error))?;
    let mut tools = Vec::new();
    for tool in wanted {
        let missing = |what| {
            let hint = format!("agentd toolbox install {}", tool.name);
            Err(Missing { tool: tool.name.clone(), what, hint })
        };
        let found = installed(home, &tool.name).map_err(|error| Missing::because(&tool.name, &error))?;
        let Some(found) = found else { return missing(format!("the program {} is not installed", tool.name)) };
        if tool.digest.is_none() && found.release != tool.release {
            return missing(format!("the agent asks for {}, and {} is installed", tool.release, found.release));
        }
        let made_for = Some(tool.release.clone()).filter(|it| *it != found.release);
        let (name, folder) = (tool.name.clone(), Folder::of(home).path(&found));
        tools.push(Tool { name, folder, digest: found.digest, version: found.version, made_for });
    }
    Ok(tools)
}

/// What is installed, for the rooms that move tasks.
pub(crate) struct Installed {
    home: PathBuf,
}

impl Installed {
    pub(crate) fn new(home: &Path) -> Installed {
        Installed { home: home.to_owned() }
    }
}

impl agentd_run::Toolbox for Installed {
    fn tools(&self, needs: &Requirements) -> Result<Vec<agentd_run::Tool>, String> {
        let tools = mounts(&self.home, needs).map_err(|missing| format!("{missing}: {}", missing.hint))?;
        Ok(tools.into_iter().map(|it| agentd_run::Tool { name: it.name, folder: it.folder }).collect())
    }
}

/// Fetches, checks and unpacks what is not there, and says that it serves from now on.
///
/// # Errors
/// Any [`Error`]; what was installed before is then what it was.
pub(crate) async fn install(
    options: &Options,
    wanted: &[Wanted],
    mut told: impl FnMut(Progress<'_>),
) -> Result<BTreeMap<String, Program>, Error> {
    let folder = Folder::of(&options.home);
    let mut hold = folder.hold()?;
    let mut done = BTreeMap::new();
    let mut releases: BTreeMap<&str, Vec<&Wanted>> = BTreeMap::new();
    for tool in wanted {
        releases.entry(&tool.release).or_default().push(tool);
    }
    for (text, tools) in releases {
        let release: Release = text.parse()?;
        let files = files(&tools)?;
        let pinned = tools.iter().find_map(|it| it.digest.clone()).or_else(|| hold.pinned(text));
        if let Some(digest) = pinned.as_ref().filter(|it| !record::is_digest(it)) {
            // It becomes the name of a folder.
            let what = format!("{:.100} is not a SHA-256 in small hexadecimal letters", digest.escape_debug());
            return Err(Error::Unsupported { release: text.to_owned(), what });
        }
        let there = |digest: &String| files.iter().all(|(name, _)| folder.program(digest, name).is_file());
        let digest = match pinned.as_ref().filter(|it| there(it)) {
            Some(digest) => {
                told(Progress::There { release: text });
                digest.clone()
            }
            None => fetch(options, &folder, &release, files, pinned, &mut told).await?,
        };
        hold.pin(text, &digest);
        for tool in tools {
            let program = Program {
                release: text.to_owned(),
                version: release.version.clone(),
                arch: ARCH.to_owned(),
                digest: format!("sha256:{digest}"),
                path: Folder::relative(&digest),
                installed_at: options.now,
            };
            done.insert(tool.name.clone(), program);
        }
    }
    hold.add(&done)?;
    Ok(done)
}

/// The programs of one release, each with its file in the archive; without one it is the whole package's program.
fn files(tools: &[&Wanted]) -> Result<Vec<(String, Option<String>)>, Error> {
    let mut files = Vec::new();
    for tool in tools {
        release::check_name(&tool.name)?;
        files.push((tool.name.clone(), tool.file.clone()));
    }
    if files.len() > 1 && files.iter().any(|(_, file)| file.is_none()) {
        let what = "it is the whole package of one program and a file of another".into();
        return Err(Error::Unsupported { release: tools[0].release.clone(), what });
    }
    Ok(files)
}

/// Fetches one release and puts its programs into the store; gives the archive's digest.
async fn fetch(
    options: &Options,
    folder: &Folder,
    release: &Release,
    files: Vec<(String, Option<String>)>,
    pinned: Option<String>,
    told: &mut impl FnMut(Progress<'_>),
) -> Result<String, Error> {
    let text = release.to_string();
    let npm = Npm { egress: &options.egress, root: &options.npm };
    let package = npm.find(release).await?;
    let fetched = npm.fetch(release, &package, folder, |done, total| {
        told(Progress::Fetching { release: &text, done, total });
    });
    let npm::Fetched { file, digest } = fetched.await?;
    if let Some(pinned) = pinned.filter(|it| *it != digest) {
        return Err(Error::OtherDigest { release: text, pinned, found: digest });
    }
    told(Progress::Unpacking { release: &text });
    if let Some((name, _)) = files.iter().find(|(_, file)| file.is_none()) {
        package::unpack(file, folder.program(&digest, name), text).await?;
        return Ok(digest);
    }
    let place = |(name, file): (String, Option<String>)| file.map(|file| (file, folder.program(&digest, &name)));
    archive::unpack(file, files.into_iter().filter_map(place).collect(), text).await?;
    Ok(digest)
}

#[cfg(test)]
mod tests;
