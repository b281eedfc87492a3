//! Runs git as a child process: with a clean environment, a time limit, bounded output, and an end when nobody waits.
//!
//! git gets nothing of this process's environment but `PATH`: no `GIT_*` variable, no home folder, no system-wide or
//! personal configuration. It asks nobody anything, runs no hooks and no file monitor, speaks no `ext::` protocol and
//! reads repositories of other users. What it does read is the configuration *inside* the repository, so the repository
//! has to be agentd's own or the operator's: an agent's `.git` is never given to it.
//!
//! - Settings go through the environment, where other users cannot see them, never through arguments.
//! - git runs in a process group of its own. Dropping the call, or the time limit, ends it with SIGTERM, on which git
//!   removes its lock files; what is still there two seconds after the limit is killed.
//! - Errors name the subcommand and show the end of what git said, never arguments, settings, or a URL's user.

use rustix::process::{Pid, Signal, kill_process_group};
use std::{
    fmt, io,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    process::{Child, Command},
};

/// For `git fetch` and `git clone` from a repository on this machine that may belong to another user: settings do not
/// reach the process at the other end by themselves.
pub const UPLOAD_PACK: &str = "--upload-pack=git -c safe.directory='*' -c core.hooksPath=/dev/null upload-pack";

/// How much of what git says on stderr is kept: its end, in bytes.
const STDERR_KEPT: usize = 4096;
/// What git gets to end itself after the time limit.
const GRACE: Duration = Duration::from_secs(2);

const SETTINGS: [(&str, &str); 9] = [
    ("core.hooksPath", "/dev/null"),
    ("core.fsmonitor", "false"),
    ("protocol.ext.allow", "never"),
    ("safe.directory", "*"),
    ("gc.auto", "0"),
    ("maintenance.auto", "false"),
    // Other processes hold these locks for moments only.
    ("core.filesRefLockTimeout", "5000"),
    ("core.packedRefsTimeout", "5000"),
    ("advice.detachedHead", "false"),
];

/// What git says when the same may well succeed a little later: locks, the disk, and the way to another machine.
const PASSING: [&str; 12] = [
    ".lock'",
    "No space left on device",
    "Could not resolve",
    "Couldn't connect",
    "Failed to connect",
    "Connection",
    "Operation timed out",
    "Operation too slow",
    "the remote end hung up unexpectedly",
    "early EOF",
    "The requested URL returned error: 429",
    "The requested URL returned error: 5",
];

/// Where git works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GitDir {
    /// In this folder: the repository is the one that the folder is in, if the command needs one.
    In(PathBuf),
    /// On this repository (a bare one, or a `.git`), without a work tree.
    Bare(PathBuf),
    /// On this repository, with the files somewhere else. No `.git` among the files is looked at.
    Split { git_dir: PathBuf, work_tree: PathBuf },
}

/// Limits, and what else git should know.
#[derive(Clone)]
pub struct Options {
    /// For one command.
    pub timeout: Duration,
    /// The most that is read from git's stdout, in bytes.
    pub stdout_max: usize,
    /// The most address space that git may use, in bytes; none: as much as there is.
    pub memory_max: Option<u64>,
    /// Variables of git's environment beside this module's own.
    pub env: Vec<(String, String)>,
    /// Settings (`user.name`, `acme`), stronger than the repository's own.
    pub settings: Vec<(String, String)>,
}

impl Default for Options {
    fn default() -> Options {
        let (env, settings) = (Vec::new(), Vec::new());
        Options { timeout: Duration::from_secs(120), stdout_max: 16 << 20, memory_max: None, env, settings }
    }
}

impl fmt::Debug for Options {
    /// Values may be secrets: shows names only.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |list: &[(String, String)]| list.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        f.debug_struct("Options")
            .field("timeout", &self.timeout)
            .field("stdout_max", &self.stdout_max)
            .field("memory_max", &self.memory_max)
            .field("env", &names(&self.env))
            .field("settings", &names(&self.settings))
            .finish()
    }
}

/// Why git gave no answer. The texts are for people.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    #[error("git is not installed, or not in PATH\nhint: install git 2.38 or later (`apt-get install git`)")]
    NoGit,
    #[error("`git {command}` could not be run in {place}: {source}", place = place.display())]
    Io { command: String, place: PathBuf, source: io::Error },
    /// `code` is none if a signal ended it.
    #[error(
        "`git {command}` failed in {} ({}): {}",
        place.display(),
        code_words(*code),
        stderr_words(stderr)
    )]
    Failed { command: String, place: PathBuf, code: Option<i32>, stderr: String },
    #[error("`git {command}` in {place} was ended after {} s", limit.as_secs_f32(), place = place.display())]
    TimedOut { command: String, place: PathBuf, limit: Duration },
    #[error("`git {command}` in {place} wrote more than {limit} bytes", place = place.display())]
    TooLarge { command: String, place: PathBuf, limit: usize },
    #[error("`git {command}` in {place} wrote something that is not UTF-8", place = place.display())]
    NotText { command: String, place: PathBuf },
}

impl Error {
    /// Whether the same may well succeed a little later: the machine was slow or full, or somebody held a lock.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Error::Io { .. } | Error::TimedOut { .. } => true,
            Error::Failed { code, stderr, .. } => code.is_none() || PASSING.iter().any(|it| stderr.contains(it)),
            Error::NoGit | Error::TooLarge { .. } | Error::NotText { .. } => false,
        }
    }
}

/// What a command said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// None: a signal ended it, which is what happens when its output is `cut`.
    pub code: Option<i32>,
    pub stdout: Vec<u8>,
    /// There was more than the limit; `stdout` is what came before.
    pub cut: bool,
    /// The end of it, without the user part of URLs.
    pub stderr: String,
}

impl Output {
    #[must_use]
    pub fn success(&self) -> bool {
        self.code == Some(0)
    }
}

/// git, at one place.
#[derive(Clone, Debug)]
pub struct Git {
    dir: GitDir,
    options: Options,
}

impl Git {
    #[must_use]
    pub fn new(dir: GitDir, options: Options) -> Git {
        Git { dir, options }
    }

    /// The same place with other limits or settings.
    #[must_use]
    pub fn with(&self, change: impl FnOnce(&mut Options)) -> Git {
        let mut git = self.clone();
        change(&mut git.options);
        git
    }

    /// The folder that errors name.
    #[must_use]
    pub fn place(&self) -> &Path {
        match &self.dir {
            GitDir::In(folder) => folder,
            GitDir::Bare(git_dir) | GitDir::Split { git_dir, .. } => git_dir,
        }
    }

    /// Runs a command that has to succeed, and returns what it wrote, without the line break at its end.
    ///
    /// # Errors
    /// Also if it fails, if there is more than `stdout_max`, or if that is not text.
    pub async fn ok(&self, args: &[&str]) -> Result<String, Error> {
        self.ok_with(args, b"").await
    }

    /// As [`Git::ok`], with something to read.
    ///
    /// # Errors
    /// As [`Git::ok`].
    pub async fn ok_with(&self, args: &[&str], stdin: &[u8]) -> Result<String, Error> {
        let output = self.output(args, stdin).await?;
        let (command, place) = (command(args), self.place().to_owned());
        if output.cut {
            return Err(Error::TooLarge { command, place, limit: self.options.stdout_max });
        }
        if !output.success() {
            return Err(self.failed(&command, output));
        }
        let mut text = String::from_utf8(output.stdout).map_err(|_| Error::NotText { command, place })?;
        text.truncate(text.trim_end_matches(['\n', '\r']).len());
        Ok(text)
    }

    /// Runs a command, whatever its exit code says.
    ///
    /// # Errors
    /// If it cannot be run, or takes too long.
    pub async fn run(&self, args: &[&str]) -> Result<Output, Error> {
        self.output(args, b"").await
    }

    /// As [`Git::run`], with something to read.
    ///
    /// # Errors
    /// As [`Git::run`].
    pub async fn output(&self, args: &[&str], stdin: &[u8]) -> Result<Output, Error> {
        let limit = self.options.timeout;
        let mut running = Running(self.command(args).spawn().map_err(|error| self.failed_to_run(args, error))?);
        let talk = talk(&mut running.0, stdin, self.options.stdout_max);
        if let Ok(result) = tokio::time::timeout(limit, talk).await {
            return result.map_err(|error| self.failed_to_run(args, error));
        }
        running.end().await;
        Err(Error::TimedOut { command: command(args), place: self.place().to_owned(), limit })
    }

    /// The error that an output is, for those who [ran](Git::run) something and have no use for how it ended.
    #[must_use]
    pub fn failed(&self, command: &str, output: Output) -> Error {
        let (command, place) = (command.to_owned(), self.place().to_owned());
        Error::Failed { command, place, code: output.code, stderr: output.stderr }
    }

    /// git's version: `(2, 47)`.
    ///
    /// # Errors
    /// [`Error::NoGit`] if there is none.
    pub async fn version(&self) -> Result<(u32, u32), Error> {
        let text = self.ok(&["version"]).await?;
        let mut numbers = text.trim_start_matches(|it: char| !it.is_ascii_digit()).split('.');
        let mut next = || numbers.next().and_then(|it| it.parse().ok()).unwrap_or(0);
        Ok((next(), next()))
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = match self.options.memory_max {
            None => Command::new("git"),
            Some(bytes) => {
                // A limit on a child's memory is the shell's to set: doing it between fork and exec would be unsafe code.
                let mut shell = Command::new("sh");
                shell.args(["-c", "ulimit -v \"$0\" && exec git \"$@\"", &(bytes >> 10).to_string()]);
                shell
            }
        };
        command
            .args(args)
            .current_dir(match &self.dir {
                GitDir::In(folder) => folder,
                GitDir::Bare(git_dir) => git_dir,
                GitDir::Split { work_tree, .. } => work_tree,
            })
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_ATTR_NOSYSTEM", "1")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("LC_ALL", "C")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        match &self.dir {
            GitDir::In(_) => {}
            GitDir::Bare(git_dir) => drop(command.env("GIT_DIR", git_dir)),
            GitDir::Split { git_dir, work_tree } => {
                command.env("GIT_DIR", git_dir).env("GIT_WORK_TREE", work_tree);
            }
        }
        let own = self.options.settings.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let mut count = 0;
        for (name, value) in SETTINGS.into_iter().chain(own) {
            command.env(format!("GIT_CONFIG_KEY_{count}"), name).env(format!("GIT_CONFIG_VALUE_{count}"), value);
            count += 1;
        }
        command.env("GIT_CONFIG_COUNT", count.to_string());
        command.envs(self.options.env.iter().map(|(name, value)| (name, value)));
        command
    }

    fn failed_to_run(&self, args: &[&str], source: io::Error) -> Error {
        let place = self.place().to_owned();
        // The folder may be missing as well as the program.
        if source.kind() == io::ErrorKind::NotFound && place.is_dir() {
            return Error::NoGit;
        }
        Error::Io { command: command(args), place, source }
    }
}

/// A git that is ended when nobody waits for it any more.
struct Running(Child);

impl Running {
    /// Ends it the way that lets it clean up, then the other way.
    async fn end(&mut self) {
        self.signal(Signal::TERM);
        if tokio::time::timeout(GRACE, self.0.wait()).await.is_err() {
            self.signal(Signal::KILL);
            // It is dead; if it cannot be waited for, there is nothing left to do about it.
            drop(self.0.wait().await);
        }
    }

    fn signal(&self, signal: Signal) {
        // The id is there only as long as the process was not waited for, so it is nobody else's by now.
        let group = self.0.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(Err(error)) = group.map(|group| kill_process_group(group, signal)) {
            tracing::debug!(%error, "A git process was gone before it could be ended");
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.signal(Signal::TERM);
    }
}

/// Gives and takes everything, and waits for the end.
async fn talk(child: &mut Child, stdin: &[u8], stdout_max: usize) -> io::Result<Output> {
    let (input, output, errors) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let write = async {
        let Some(mut input) = input else { return Ok(()) };
        match input.write_all(stdin).await {
            // git may know enough before it has read everything.
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    };
    let ((), (stdout, cut), stderr) = tokio::try_join!(write, head(output, stdout_max), tail(errors))?;
    let code = child.wait().await?.code();
    Ok(Output { code, stdout, cut, stderr })
}

/// Reads the first `most` bytes. If there are more, the pipe is closed, which ends a git that goes on writing.
async fn head(pipe: Option<impl AsyncRead + Unpin>, most: usize) -> io::Result<(Vec<u8>, bool)> {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        pipe.take(most as u64 + 1).read_to_end(&mut bytes).await?;
    }
    let cut = bytes.len() > most;
    bytes.truncate(most);
    Ok((bytes, cut))
}

/// Reads everything and keeps the end.
async fn tail(pipe: Option<impl AsyncRead + Unpin>) -> io::Result<String> {
    let (mut kept, mut piece) = (Vec::new(), [0; STDERR_KEPT]);
    if let Some(mut pipe) = pipe {
        loop {
            let read = pipe.read(&mut piece).await?;
            if read == 0 {
                break;
            }
            kept.extend_from_slice(&piece[..read]);
            kept.drain(..kept.len().saturating_sub(STDERR_KEPT));
        }
    }
    Ok(without_users(String::from_utf8_lossy(&kept).trim()))
}

/// Text with the user part of each URL, which may be a token, taken out.
fn without_users(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        let authority = after.find(|it: char| it == '/' || it.is_whitespace() || it == '\'').unwrap_or(after.len());
        clean.push_str(before);
        rest = after[..authority].rfind('@').map_or(after, |at| &after[at + 1..]);
    }
    clean + rest
}

/// The subcommand: the only argument that errors show, for others may be private.
fn command(args: &[&str]) -> String {
    args.first().copied().unwrap_or_default().to_owned()
}

fn code_words(code: Option<i32>) -> String {
    code.map_or_else(|| "ended by a signal".into(), |code| format!("exit code {code}"))
}

fn stderr_words(stderr: &str) -> &str {
    if stderr.is_empty() { "it said nothing" } else { stderr }
}

#[cfg(test)]
mod tests;
