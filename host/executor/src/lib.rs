//! Runs one command in a sandbox and says what became of it.
//!
//! A [`Sandbox`] is described, started by name, watched, and removed; whoever asks under the same name later, even from
//! another process, finds the same one. What the command says goes to a spool file on the host, written by `agentd-init`
//! and read by [`spool::Reader`]; no output passes through this room while the command runs.
//!
//! - Only this room knows bollard.
//! - Nothing is decided here: when to start, to stop, to remove, and what an exit code means, is the caller's business.
//! - Nothing is remembered here: names, labels and the control folder are all there is, so a restarted daemon adopts.
//! - [`LocalExecutor`] has no walls. It is for trying things out, never for other people's text.

pub mod image;
pub mod spool;

mod docker;
mod error;
mod input;
mod launch;
mod local;
mod login;
mod sandbox;

pub use docker::{Build, DockerExecutor, DockerOptions, user_logins};
pub use error::Error;
pub use input::Input;
pub use local::LocalExecutor;
pub use login::{Found, Login, Logins};
pub use sandbox::{Command, File, Gateway, INIT, Limits, Mount, Network, Sandbox, Service, holder_argv};

use async_trait::async_trait;
use std::{path::Path, time::Duration};

/// The label whose value is the instance: only what carries it is listed, and nothing else is ever touched.
pub(crate) const LABEL_INSTANCE: &str = "agentd.instance";

/// What runs commands.
///
/// A sandbox is named by the caller, and its control folder belongs to that name. Each function may be called again
/// after an error; those that change something do nothing where it is already so.
#[async_trait]
pub trait Executor: Send + Sync {
    fn kind(&self) -> Kind;

    /// Asks the engine who it is and looks for what would keep a sandbox from working.
    ///
    /// # Errors
    /// If it does not answer.
    async fn probe(&self) -> Result<Probe, Error>;

    /// The path of a mount as the command sees it: `inside` with Docker, the host's path with `local`.
    fn place(&self, mount: &Mount) -> String;

    /// Starts the sandbox. One of that name that exists already is left as it is, and started if it never was.
    ///
    /// # Errors
    /// [`Error::StartFailed`] says which part is wrong; what was made for it is gone again. [`Error::NotFound`] names
    /// the sandbox whose network it should share, and which does not run.
    async fn start(&self, sandbox: &Sandbox) -> Result<(), Error>;

    /// Starts a service and waits until it is ready. One of that name that runs already is left as it is; one that has
    /// ended is made anew. From then on it is treated like any sandbox: listed, paused, removed. Dropping the future
    /// leaves it as it is then.
    ///
    /// # Errors
    /// [`Error::ServiceFailed`], with its last words, if it ends or is not ready in `patience`; it is gone again then.
    /// Always with `local`, which has no services. [`Error::NotFound`] as [`Executor::start`].
    async fn serve(&self, service: &Service, patience: Duration) -> Result<(), Error>;

    /// Where the sandbox stands now.
    async fn state(&self, name: &str, control: &Path) -> Result<State, Error>;

    /// Waits until the command has ended. Dropping the future changes nothing.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such sandbox (any more), or it was never started.
    async fn wait(&self, name: &str, control: &Path) -> Result<Exit, Error>;

    /// Asks the command to end (SIGTERM), and ends it by force after `grace`. Returns when it has ended.
    async fn stop(&self, name: &str, control: &Path, grace: Duration) -> Result<(), Error>;

    /// Ends everything in the sandbox at once. Returns when it has ended.
    async fn kill(&self, name: &str, control: &Path) -> Result<(), Error>;

    /// Freezes everything in the sandbox.
    async fn pause(&self, name: &str, control: &Path) -> Result<(), Error>;

    /// Lets it go on.
    async fn unpause(&self, name: &str, control: &Path) -> Result<(), Error>;

    /// Ends it if it runs, and forgets it. The control folder stays: it is the caller's. A missing one is fine.
    async fn remove(&self, name: &str, control: &Path) -> Result<(), Error>;

    /// Makes sure that the engine has the image: one it lacks is pulled, with the login that the user's docker has for
    /// its registry. Dropping the future ends the pull. `local` has no images and does nothing.
    ///
    /// # Errors
    /// [`Error::Pull`] says whether there is none, the login is missing or wrong, or the registry is away.
    async fn fetch_image(&self, image: &str) -> Result<(), Error>;

    /// Builds an image, unless the engine has one called [`Build::tag`] already. Dropping the future ends the build.
    ///
    /// # Errors
    /// [`Error::Build`] with the end of what the build said. `local` has no images: [`Error::Unfit`].
    async fn build_image(&self, build: &Build) -> Result<(), Error>;

    /// All sandboxes of this instance, running or not.
    async fn list(&self) -> Result<Vec<Listed>, Error>;
}

/// Which executor it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Docker,
    /// A plain child process: no walls.
    Local,
}

/// What an executor says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// `Docker Engine 20.10.24`, or `local processes`.
    pub engine: String,
    /// The version of the engine's interface that is spoken; empty for `local`.
    pub api: String,
    /// What is wrong, one sentence each, with what to do about it. Empty: nothing is.
    pub problems: Vec<String>,
}

/// Where a sandbox stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// There is none of that name.
    Missing,
    /// It was made and never started; [`Executor::start`] starts it.
    Created,
    Running,
    Paused,
    Exited(Exit),
}

/// How a sandbox ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit {
    /// The command's exit code; 128 + n if signal n ended it; none if nobody saw how it ended.
    pub code: Option<i32>,
    /// The kernel ended something in it for want of memory.
    pub oom: bool,
}

/// A sandbox of this instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    pub name: String,
    pub labels: Vec<(String, String)>,
    /// It runs, or is paused.
    pub running: bool,
}
