//! The checkout that an agent works in.
//!
//! Where this process may mount, it is an overlay: a template of the very commit below, made once, and a layer of the
//! run's own above, so that a large repository costs a mount instead of a checkout. Otherwise, and wherever mounting
//! fails, the files are checked out. Both look the same to whoever works in them.
//!
//! - A template belongs to one commit and never changes; it is removed when no run's folder names it.
//! - A mount is undone before its folder is removed, and made again when a reboot has taken it away.

use crate::{
    git::{Checkout, Mirror, Quarantine, refresh_index},
    layout::RunLayout,
    steps::{Run, Stop, blocking, empty_dir, give_to_agent, io_failure, mirror_objects},
};
use agentd_executor::Kind;
use rustix::mount::{MountFlags, UnmountFlags};
use std::{
    fs, io,
    os::unix::fs::{MetadataExt, lchown},
    path::{Path, PathBuf},
};

/// Where the engine of this machine writes its process id.
const ENGINE_PID: &str = "/run/docker.pid";
/// Templates that are kept for each repository, beside those in use.
const TEMPLATES_KEPT: usize = 2;

/// Makes the run's workspace at a commit, on the task's branch. `kept`: the repository that has the commit, where that is
/// not the mirror.
pub(crate) async fn make(run: &Run, mirror: &Mirror, kept: Option<&Quarantine>, commit: &str) -> Result<(), Stop> {
    let workspace = run.layout.workspace();
    release(&run.layout).map_err(|e| io_failure("unmounting", &workspace, &e))?;
    for dir in [run.layout.overlay(), workspace.clone(), run.layout.agent_home()] {
        empty_dir(&dir).await?;
    }
    if kept.is_none() && may_mount(run) {
        match overlaid(run, mirror, commit).await {
            Ok(()) => return give_to_agent(run, &[run.layout.agent_home()]).await,
            Err(error) => tracing::debug!(task.id = %run.key.task, %error, "No overlay, the workspace is checked out"),
        }
        release(&run.layout).map_err(|e| io_failure("unmounting", &workspace, &e))?;
        empty_dir(&run.layout.overlay()).await?;
        empty_dir(&workspace).await?;
    }
    let checkout = Checkout {
        dir: workspace.clone(),
        commit: commit.into(),
        branch: Some(run.row.branch.clone()),
        objects_inside: mirror_objects(run, mirror),
    };
    match kept {
        Some(kept) => kept.checkout(&checkout).await?,
        None => mirror.checkout(&checkout).await?,
    }
    give_to_agent(run, &[workspace, run.layout.agent_home()]).await
}

/// Mounts a workspace again that a reboot has taken away. What the agent did is in the run's own layer.
pub(crate) fn remount(run: &Run) -> Result<(), Stop> {
    let layout = &run.layout;
    let Ok(template) = fs::read_to_string(layout.overlay().join(TEMPLATE)) else { return Ok(()) };
    let workspace = layout.workspace();
    match is_mounted(&workspace) {
        Ok(true) => Ok(()),
        Ok(false) => Ok(mount(layout, Path::new(&template)).map_err(|e| io_failure("mounting", &workspace, &e))?),
        Err(error) => Err(io_failure("looking at", &workspace, &error).into()),
    }
}

/// The folders that an agent writes to. Of an overlay only its own layer counts.
pub(crate) fn written(layout: &RunLayout) -> Vec<PathBuf> {
    let upper = layout.overlay().join("upper");
    let files = if upper.is_dir() { upper } else { layout.workspace() };
    vec![files, layout.agent_home()]
}

/// Undoes the mount, if there is one. Whoever still has files open keeps them.
pub(crate) fn release(layout: &RunLayout) -> io::Result<()> {
    let workspace = layout.workspace();
    match is_mounted(&workspace) {
        Ok(true) => Ok(rustix::mount::unmount(&workspace, UnmountFlags::DETACH)?),
        Ok(false) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// The file in a run's overlay folder that names its template.
const TEMPLATE: &str = "template";

/// Mounting needs root, and the engine has to see the mount: it is in this process's mount namespace.
fn may_mount(run: &Run) -> bool {
    let namespace = |process: &str| fs::read_link(format!("/proc/{process}/ns/mnt")).ok();
    let engine = fs::read_to_string(ENGINE_PID).ok();
    run.repository.executor.kind() == Kind::Docker
        && rustix::process::geteuid().is_root()
        && engine.and_then(|pid| namespace(pid.trim())).is_some_and(|of_engine| namespace("self") == Some(of_engine))
}

async fn overlaid(run: &Run, mirror: &Mirror, commit: &str) -> Result<(), Stop> {
    let template = template(run, mirror, commit).await?;
    let (layout, branch, commit) = (run.layout.clone(), run.row.branch.clone(), commit.to_owned());
    let owner = (run.rt.sandboxes.uid, run.rt.sandboxes.gid);
    let work = move || -> io::Result<()> {
        for part in ["upper", "work"] {
            fs::create_dir(layout.overlay().join(part))?;
        }
        lchown(layout.overlay().join("upper"), Some(owner.0), Some(owner.1))?;
        mount(&layout, &template)?;
        fs::write(layout.overlay().join(TEMPLATE), template.to_string_lossy().as_bytes())?;
        begin_branch(&layout.workspace().join(".git"), &branch, &commit, owner)
    };
    let dir = run.layout.workspace();
    Ok(blocking(work).await?.map_err(|e| io_failure("overlaying", &dir, &e))?)
}

/// A checkout of the commit that belongs to the agent's user. Others of the repository that nobody needs go.
async fn template(run: &Run, mirror: &Mirror, commit: &str) -> Result<PathBuf, Stop> {
    let folder = run.rt.layout.templates(&run.repository.id);
    let template = folder.join(commit);
    let _one_at_a_time = run.rt.fetching.alone(&run.repository.id).await;
    if template.is_dir() {
        return Ok(template);
    }
    let partial = folder.join("partial");
    empty_dir(&partial).await?;
    let objects_inside = mirror_objects(run, mirror);
    let checkout = Checkout { dir: partial.clone(), commit: commit.into(), branch: None, objects_inside };
    mirror.checkout(&checkout).await?;
    give_to_agent(run, std::slice::from_ref(&partial)).await?;
    refresh_index(&partial, &mirror.dir().join("objects")).await?;
    give_to_agent(run, &[partial.join(".git/index")]).await?;
    let synced = partial.clone();
    // After a power loss a template is whole or not there: its files would be taken for the agent's otherwise.
    blocking(move || sync(&synced)).await?.map_err(|e| io_failure("syncing", &partial, &e))?;
    fs::rename(&partial, &template).map_err(|e| io_failure("making", &template, &e))?;
    let (runs, newest) = (run.rt.layout.runs(), template.clone());
    if let Err(error) = blocking(move || prune(&folder, &runs, &newest)).await? {
        tracing::warn!(%error, "Old templates could not be removed");
    }
    Ok(template)
}

fn sync(dir: &Path) -> io::Result<()> {
    Ok(rustix::fs::syncfs(fs::File::open(dir)?)?)
}

fn prune(folder: &Path, runs: &Path, newest: &Path) -> io::Result<()> {
    let mut used = vec![newest.to_owned()];
    for run in fs::read_dir(runs)? {
        let named = fs::read_to_string(run?.path().join("overlay").join(TEMPLATE));
        used.extend(named.ok().map(PathBuf::from));
    }
    let mut idle = vec![];
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if !used.contains(&path) {
            idle.push((fs::symlink_metadata(&path)?.mtime(), path));
        }
    }
    idle.sort();
    let excess = idle.len().saturating_sub(TEMPLATES_KEPT - 1);
    idle.iter().take(excess).try_for_each(|(_, path)| fs::remove_dir_all(path))
}

fn mount(layout: &RunLayout, template: &Path) -> io::Result<()> {
    let overlay = layout.overlay();
    let [lower, upper, work] =
        [template, &overlay.join("upper"), &overlay.join("work")].map(|it| it.to_string_lossy().into_owned());
    if [&lower, &upper, &work].iter().any(|it| it.contains([',', ':', '\\'])) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "the home folder's name has a character that mounts use",
        ));
    }
    let options = format!("lowerdir={lower},upperdir={upper},workdir={work}");
    let options = std::ffi::CString::new(options)?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    Ok(rustix::mount::mount("overlay", layout.workspace(), "overlay", flags, &*options)?)
}

/// A folder on another device than its parent is a mount.
fn is_mounted(dir: &Path) -> io::Result<bool> {
    let parent = dir.parent().unwrap_or(dir);
    Ok(fs::symlink_metadata(dir)?.dev() != fs::symlink_metadata(parent)?.dev())
}

/// Puts the checkout on its branch, as git would write it.
fn begin_branch(git_dir: &Path, branch: &str, commit: &str, (uid, gid): (u32, u32)) -> io::Result<()> {
    let own = |path: &Path| lchown(path, Some(uid), Some(gid));
    let reference = Path::new("refs/heads").join(branch);
    let mut dir = git_dir.join("refs/heads");
    for part in Path::new(branch).parent().into_iter().flat_map(Path::components) {
        dir.push(part);
        if !dir.is_dir() {
            fs::create_dir(&dir)?;
            own(&dir)?;
        }
    }
    let reference_file = git_dir.join(&reference);
    fs::write(&reference_file, format!("{commit}\n"))?;
    own(&reference_file)?;
    let head = git_dir.join("HEAD");
    fs::write(&head, format!("ref: {}\n", reference.display()))?;
    own(&head)
}
