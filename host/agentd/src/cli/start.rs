//! `agentd start`: the daemon, in the background or here; or, with `--dry-run`, what it would find.

mod dry_run;

use super::{
    client::Client,
    context::Context,
    exit::Error,
    print::{Progress, lines_of},
};
use crate::{config::Config, daemon, home::Home};
use std::{
    fs::{File, OpenOptions},
    io::{Read, Seek, SeekFrom},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    process::{Child, Command, ExitCode, Stdio},
    time::Duration,
};
use tokio::time::{Instant, sleep};

/// How long the daemon may take until it answers: it brings the database up to date and looks for its containers.
const ANSWER_LIMIT: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// A log larger than this is set aside at the next start.
const LOG_BYTES_MAX: u64 = 16 << 20;

/// Start the daemon in the background
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  agentd start\n  agentd start --dry-run\n  agentd start --foreground    # under systemd, or to watch it"
)]
pub(crate) struct Start {
    /// Stay in this terminal and log to it
    #[arg(short, long)]
    pub(crate) foreground: bool,
    /// Ask each source once, rank what it finds, say what would happen, and end
    ///
    /// Nothing is started, claimed, labelled, commented or pushed, and nothing is kept: tasks that agentd has already are
    /// shown again. Analyzers are not asked, for they need copies of the repositories.
    #[arg(long, conflicts_with = "foreground")]
    dry_run: bool,
    /// Set by `start` for the process that it starts
    #[arg(long, hide = true, requires = "foreground")]
    detached: bool,
}

impl Start {
    pub(crate) async fn act(self, context: &mut Context) -> Result<(), Error> {
        if self.detached {
            // The terminal's end must not reach it. It fails only for a leader of a group, which has no terminal's
            // signals to fear either.
            rustix::process::setsid().ok();
        }
        let config = context.config()?;
        if self.dry_run {
            return dry_run::act(context, config).await;
        }
        if self.foreground {
            return foreground(config).await;
        }
        let pid = background(context, &config).await?;
        let home = config.home.display().to_string();
        let started = serde_json::json!({ "pid": pid, "home": home });
        context.out.either(&started, |_| format!("agentd runs on {home} (pid {pid})"))
    }
}

/// Relative paths in plugins' settings start, as all in the configuration do, from the file's folder: it is where the
/// daemon works.
pub(crate) fn work_in_folder(config: &Config) -> Result<(), Error> {
    Home::new(&config.home).prepare()?;
    enter_folder(config)
}

fn enter_folder(config: &Config) -> Result<(), Error> {
    std::env::set_current_dir(&config.folder)
        .map_err(|error| Error::usage(format!("the folder {} cannot be entered: {error}", config.folder.display())))
}

async fn foreground(config: Config) -> Result<(), Error> {
    work_in_folder(&config)?;
    let code = daemon::run(config).await?;
    if code == ExitCode::SUCCESS {
        return Ok(());
    }
    Err(Error::internal("the daemon ended because of a fault of its own").hint("the log says which; start it again"))
}

/// Starts the daemon apart from this terminal and waits until it answers; gives its process id.
pub(crate) async fn background(context: &Context, config: &Config) -> Result<u32, Error> {
    let home = Home::new(&config.home);
    home.prepare()?;
    if let Some(pid) = home.owner()? {
        return Err(crate::home::Error::Held { home: config.home.clone(), pid }.into());
    }
    let (log, from) = open_log(&home.log()).map_err(|error| cannot(&home, &error))?;
    let mut child = spawn(context, config, &log).map_err(|error| cannot(&home, &error))?;
    let client = Client::new(&home);
    let wait = wait_for_answer(&mut child, &client, &home, from);
    context.progress.during("starting agentd", wait).await
}

fn spawn(context: &Context, config: &Config, log: &File) -> std::io::Result<Child> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["start", "--foreground", "--detached", "--home"]).arg(&config.home);
    if let Some(file) = &config.file {
        command.arg("--config").arg(file);
    }
    command.args(std::iter::repeat_n("-v", context.global.verbose.into()));
    command.current_dir(&config.folder).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log.try_clone()?).spawn()
}

async fn wait_for_answer(child: &mut Child, client: &Client, home: &Home, from: u64) -> Result<u32, Error> {
    let until = Instant::now() + ANSWER_LIMIT;
    loop {
        if let Ok(pid) = client.health().await {
            return Ok(pid);
        }
        let ended = child.try_wait().map_err(|error| cannot(home, &error))?;
        if let Some(status) = ended {
            let said = read_from(&home.log(), from).unwrap_or_default();
            let text = format!("agentd did not start ({status})\n{}", lines_of(said.trim_end()));
            let error = if status.code() == Some(2) { Error::usage(text) } else { Error::work(text) };
            return Err(error.hint(format!("its log is {}", home.log().display())));
        }
        if Instant::now() > until {
            let text = format!("agentd (pid {}) does not answer after {} s", child.id(), ANSWER_LIMIT.as_secs());
            return Err(Error::work(text).hint(format!("its log is {}", home.log().display())));
        }
        sleep(LOOK_EVERY).await;
    }
}

/// The log to append to, with its present length. One that has become large is set aside.
fn open_log(path: &Path) -> std::io::Result<(File, u64)> {
    if std::fs::metadata(path).is_ok_and(|it| it.len() > LOG_BYTES_MAX) {
        std::fs::rename(path, path.with_extension("log.1"))?;
    }
    let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
    let length = file.metadata()?.len();
    Ok((file, length))
}

fn read_from(path: &Path, from: u64) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.take(64 << 10).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn cannot(home: &Home, error: &dyn std::fmt::Display) -> Error {
    Error::work(format!("agentd cannot be started on {}: {error}", home.path().display()))
}

/// Waits until nobody owns the home any more.
pub(crate) async fn wait_for_end(home: &Home, progress: Progress, what: &str) -> Result<(), Error> {
    let gone = async {
        loop {
            if home.owner()?.is_none() {
                return Ok(());
            }
            sleep(LOOK_EVERY).await;
        }
    };
    progress.during(what, gone).await
}
