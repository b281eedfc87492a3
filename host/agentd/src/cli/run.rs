//! `agentd run`: one task, watched, up to its diff.
//!
//! Where a daemon runs on the home, the task is handed to it. Where none does, the daemon runs in this process for as
//! long as the task takes: it takes no other new work in, and what is not over at the end goes on with the next
//! `agentd start`. In a repository on GitHub it pushes nothing of its own accord.

mod issue;

use super::{
    agent,
    client::{self, Client},
    context::{Asked, Context, Go, Reads},
    events,
    exit::Error,
    print::{Paint, lines_of, now, one_line, say},
    rehearsal::Rehearsal,
    start,
    task::{diff, new_key, user},
    task_file::{self, TaskText},
};
use crate::{
    config::{Config, ExecutorKind, Push, Repository, repository_glob},
    daemon,
    home::Home,
    server::view::{EventView, Submission, TaskDetail},
};
use agentd_task::{Mode, TaskId};
use issue::About;
use serde_json::{Value, json};
use std::{
    path::{Path, PathBuf},
    pin::pin,
    time::Duration,
};
use tokio::time::sleep;

const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Do one task, watched, up to its diff
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  agentd run --repo . \"Fix the failing test\"\n  agentd run --repo . \"Fix the failing test\" --agent claude-code\n  agentd run --repo acme/api --issue 42\n  agentd run --repo acme/api --task fix.md --executor docker --gate 'cargo test'"
)]
pub(crate) struct Run {
    /// The task: the first line is its title
    #[arg(value_name = "TEXT", required_unless_present_any = ["task", "issue"])]
    words: Vec<String>,
    /// The repository: a folder, or an id in the configuration [default: the one that the file names]
    #[arg(long, value_name = "PATH", required_unless_present = "task")]
    repo: Option<String>,
    /// An issue on GitHub is the task, as it stands; you vouch for its text
    #[arg(long, value_name = "NUMBER", conflicts_with_all = ["words", "task"], requires = "repo")]
    issue: Option<u32>,
    /// The task as a Markdown file
    #[arg(long, value_name = "FILE", conflicts_with = "words")]
    task: Option<PathBuf>,
    /// The branch to start from [default: the repository's]
    #[arg(long, value_name = "BRANCH")]
    base: Option<String>,
    /// A command that must pass before anything is pushed; may be given again [default: the repository's gates]
    #[arg(long, value_name = "COMMAND")]
    gate: Vec<String>,
    /// Where the agent runs: docker, or local (no walls: never for other people's text) [default: the configured one]
    #[arg(long, value_name = "EXECUTOR")]
    executor: Option<ExecutorKind>,
    /// The agent that does it: one of the configuration, or claude-code, codex, gemini, opencode [default: the configured one]
    #[arg(long, value_name = "NAME")]
    agent: Option<String>,
}

impl Run {
    pub(crate) async fn act(self, context: &mut Context) -> Result<(), Error> {
        let mut config = context.config()?;
        let (text, about) = match (self.issue, &self.repo) {
            (Some(number), Some(repo)) => {
                let taking = issue::take(&mut config, repo, number);
                let (text, about) = context.progress.during("reading the issue", taking).await?;
                (text, Some(about))
            }
            _ => (task_file::given(self.task.as_deref(), &self.words)?, None),
        };
        let repo = text.repository_or(self.repo.as_ref())?;
        let home = Home::new(&config.home);
        let client = Client::new(&home);
        match client.health().await {
            Ok(_) => {
                let submission = self.submission(text, about, repository_of(&mut config, &repo, &home)?);
                self.refuse_what_only_the_daemon_decides(&home)?;
                watched(context, &client, submission, true).await
            }
            Err(client::Error::NotRunning { .. }) => {
                let known = known_repository(&mut config, &repo).is_some();
                let id = self.prepare(&mut config, &repo)?;
                // The plugins are compiled once, for this look and for the daemon.
                home.prepare()?;
                let named = self.agent.as_deref().or(text.agent.as_deref());
                let looking = async { agent::choose(&Rehearsal::load(&config).await?, &mut config, named).await };
                context.progress.during("loading the plugins", looking).await?;
                let submission = self.submission(text, about, id);
                in_this_process(context, config, &client, submission, known).await
            }
            Err(other) => Err(other.into()),
        }
    }

    /// A running daemon has gates and executor in its configuration.
    fn refuse_what_only_the_daemon_decides(&self, home: &Home) -> Result<(), Error> {
        if self.gate.is_empty() && self.executor.is_none() {
            return Ok(());
        }
        let text = format!(
            "agentd is already running on {}: its configuration says gates and executor",
            home.path().display()
        );
        Err(Error::usage(text).hint("leave --gate and --executor away, or name another folder with --home"))
    }

    /// Makes the configuration one for this task alone, and gives the repository's id.
    fn prepare(&self, config: &mut Config, repo: &str) -> Result<String, Error> {
        config.sources.clear();
        config.analyzers.clear();
        let id = match known_repository(config, repo) {
            Some(id) => id,
            None => add_repository(config, repo)?,
        };
        if let Some(repository) = config.repositories.get_mut(&id) {
            if !self.gate.is_empty() {
                repository.gates.clone_from(&self.gate);
            }
            repository.executor = self.executor.or(repository.executor);
            if repository.on_github() {
                repository.push = Some(Push::Ask);
            }
        }
        let local = |it: &Repository| config.executor_of(it) == ExecutorKind::Local;
        if config.repositories.get(&id).is_some_and(|it| local(it) && !it.services.is_empty()) {
            let text = format!("the services of {id} are containers, and --executor local starts none");
            return Err(Error::usage(text).hint("take --executor docker"));
        }
        if self.issue.is_some() && config.repositories.get(&id).is_some_and(local) {
            say("warning: with the executor local the agent has no walls, and an issue is other people's text");
        }
        Ok(id)
    }

    fn submission(&self, text: TaskText, about: Option<About>, repository: String) -> Submission {
        let (key, url, thread) = match about {
            Some(About { thread, url }) => (thread.to_string(), Some(url), Some(thread)),
            None => (new_key(), None, None),
        };
        Submission {
            key,
            url: url.clone(),
            subject: url,
            thread,
            title: text.title,
            body: text.body,
            repository,
            base: self.base.clone().or(text.base),
            labels: text.labels,
            priority: text.priority,
            depends_on: text.depends_on,
            agent: self.agent.clone().or(text.agent),
            instructions: text.instructions,
            requested_by: user(),
            requested_at: Some(now()),
            mode: Mode::Auto,
        }
    }
}

/// The repository of that id, or at that path; on GitHub also one that only a glob names.
fn known_repository(config: &mut Config, repo: &str) -> Option<String> {
    let by_id = |config: &Config| {
        let mut ids = config.repositories.values();
        ids.find(|it| it.id == repo || it.on_github() && it.id.eq_ignore_ascii_case(repo)).map(|it| it.id.clone())
    };
    if let Some(id) = by_id(config) {
        return Some(id);
    }
    if let Ok(path) = Path::new(repo).canonicalize() {
        let at_path =
            |it: &&Repository| it.path.as_ref().and_then(|it| it.canonicalize().ok()).is_some_and(|it| it == path);
        return config.repositories.values().find(at_path).map(|it| it.id.clone());
    }
    config.take_found([repo.to_owned()]);
    by_id(config)
}

fn repository_of(config: &mut Config, repo: &str, home: &Home) -> Result<String, Error> {
    known_repository(config, repo).ok_or_else(|| {
        let text = format!("{repo} is no repository of the agentd that runs on {}", home.path().display());
        let hint = format!("add it to {}, or name another folder with --home", file_name(config));
        Error::usage(text).hint(hint)
    })
}

/// A repository that the configuration does not know: as `[repositories.default]` says.
fn add_repository(config: &mut Config, repo: &str) -> Result<String, Error> {
    let path = Path::new(repo).canonicalize().map_err(|error| {
        let hint = match repository_glob(repo).is_ok() {
            true => format!("for one on GitHub: agentd auth github --repository {repo}"),
            false => {
                "--repo takes a folder with a git repository, or an id of [repositories] in the configuration".into()
            }
        };
        Error::usage(format!("there is no repository {repo}: {error}")).hint(hint)
    })?;
    let mut id = id_of(&path);
    while config.repositories.contains_key(&id) {
        id.push_str("-2");
    }
    let repository = Repository { id: id.clone(), path: Some(path), ..config.repository_defaults.clone() };
    config.repositories.insert(id.clone(), repository);
    Ok(id)
}

/// What a folder's repository is called where nothing else says it.
pub(super) fn id_of(folder: &Path) -> String {
    let name: String = folder.file_name().map(|it| it.to_string_lossy().into_owned()).unwrap_or_default();
    let fits = |it: char| it.is_ascii_alphanumeric() || matches!(it, '-' | '_' | '.');
    let name = name.trim_end_matches(".git").replace(|it: char| !fits(it), "-");
    let name = name.trim_start_matches(['.', '-']);
    if name.is_empty() { "repository".to_owned() } else { name.to_owned() }
}

fn file_name(config: &Config) -> String {
    let default = config.home.join("agentd.toml");
    config.file.as_ref().unwrap_or(&default).display().to_string()
}

/// The daemon and its client side by side. Whoever ends first ends both.
async fn in_this_process(
    context: &mut Context,
    config: Config,
    client: &Client,
    submission: Submission,
    known: bool,
) -> Result<(), Error> {
    let (file, home) = (file_name(&config), config.home.clone());
    let repository = config.repositories.get(&submission.repository).and_then(|it| it.path.clone()).unwrap_or_default();
    let id = submission.repository.clone();
    start::work_in_folder(&config)?;
    // What this command added stands in no file.
    let config = Config { follows_files: false, ..config };
    let mut daemon = pin!(daemon::run(config));
    let progress = context.progress;
    let watched = async {
        progress.during("starting agentd", wait_until_it_answers(client)).await;
        watched(context, client, submission, false).await
    };
    let result = tokio::select! {
        ended = &mut daemon => {
            ended?;
            return Err(Error::work("agentd was stopped before the task ended").hint("agentd start goes on with it"));
        }
        result = watched => result,
    };
    let stop = async {
        let stopping: Result<Value, _> = client.post("/v1/stop", &json!({ "mode": "stop" })).await;
        stopping
    };
    let (ended, stopping) = tokio::join!(progress.during("stopping agentd", daemon), stop);
    ended?;
    stopping?;
    if !known && !context.global.quiet {
        say(&format!("To go on with it under `agentd start`, add to {file} (home {}):", home.display()));
        say(&format!("  [repositories.{id:?}]\n  path = {:?}", repository.display().to_string()));
    }
    result
}

async fn wait_until_it_answers(client: &Client) {
    while client.health().await.is_err() {
        sleep(LOOK_EVERY).await;
    }
}

/// Hands the task in, shows what happens, and at its end the diff and what to do with it.
async fn watched(context: &mut Context, client: &Client, submission: Submission, stays: bool) -> Result<(), Error> {
    submission.clone().into_draft().map_err(Error::usage)?;
    let (started, reads) = (now(), Reads::Daemon(client.clone()));
    // A thread may have a task from before, and what happened to that is over.
    let after = if submission.thread.is_some() { newest(&reads).await? } else { 0 };
    let answer: Value = client.post("/v1/tasks", &submission).await?;
    let id: TaskId = answer["task"]
        .as_str()
        .and_then(|it| it.parse().ok())
        .ok_or_else(|| Error::internal("the daemon took the task and gave no number"))?;
    show_events(context, &reads, id, after).await?;
    let detail = reads.task(id).await?;
    let diff_text = match has_diff(&detail) {
        true => {
            let path = format!("/v1/tasks/{id}/diff");
            let answer: Value = context.progress.during("reading the diff", client.get(&path)).await?;
            answer["diff"].as_str().unwrap_or_default().to_owned()
        }
        false => String::new(),
    };
    if context.out.json {
        let change = detail.change.as_ref();
        context.out.object(&json!({
            "task": id, "state": detail.task.state, "waits_for": detail.task.waits_for, "reason": detail.task.reason,
            "repository": detail.task.repository, "branch": detail.task.branch, "base": change.map(|it| &it.base),
            "commit": change.map(|it| &it.commit), "change": change, "answer": detail.answer, "diff": diff_text,
            "elapsed_ms": now() - started,
        }))?;
    } else {
        show_end(context, &detail, &diff_text, stays)?;
    }
    match detail.task.state.as_str() {
        "in-review" | "done" | "publishing" => Ok(()),
        "waiting" if matches!(detail.task.waits_for.as_deref(), Some("approval" | "confirmation")) => Ok(()),
        _ => {
            let what = format!("{id} is {}: {}", detail.task.state, one_line(&detail.task.reason, 1000));
            Err(Error::work(what).hint(format!("agentd task show {id}{} shows its runs", context.options())))
        }
    }
}

/// The number of the newest event.
async fn newest(reads: &Reads) -> Result<i64, Error> {
    let mut newest = 0;
    reads
        .events(&Asked::default(), |event| {
            newest = event.id;
            Ok(Go::On)
        })
        .await?;
    Ok(newest)
}

/// Shows what happens to a task after an event, until nothing more does unless somebody acts.
async fn show_events(context: &Context, reads: &Reads, id: TaskId, after: i64) -> Result<(), Error> {
    let state = reads.task(id).await?.task.state;
    // A task that rests already may have nothing to tell any more.
    let follow = matches!(state.as_str(), "queued" | "running" | "publishing");
    let mut ended = !follow;
    reads
        .events(&Asked { after, task: Some(id), follow }, |event| {
            if !context.global.quiet {
                // With --json standard output has the result alone.
                say(&events::text(&context.out, &event));
            }
            ended |= ends(&event);
            Ok(if ended && follow { Go::Enough } else { Go::On })
        })
        .await?;
    match ended {
        true => Ok(()),
        false => Err(Error::work(format!("agentd stopped before {id} ended")).hint("agentd start goes on with it")),
    }
}

/// Nothing more happens unless somebody acts.
fn ends(event: &EventView) -> bool {
    let ends = ["task.in-review", "task.waiting", "task.done", "task.failed", "task.cancelled"];
    ends.contains(&event.kind.as_str())
}

fn has_diff(detail: &TaskDetail) -> bool {
    let waits = detail.task.waits_for.as_deref() == Some("approval");
    waits || matches!(detail.task.state.as_str(), "in-review" | "publishing")
}

fn show_end(context: &mut Context, detail: &TaskDetail, diff_text: &str, stays: bool) -> Result<(), Error> {
    let (id, options) = (detail.task.id, context.options());
    if !has_diff(detail) {
        // Where there is a change, what the agent said of it was seen as it came.
        detail.answer.as_ref().map_or(Ok(()), |answer| context.out.line(&lines_of(answer)))?;
        if detail.task.waits_for.as_deref() == Some("confirmation") {
            let head = format!("{id} {}", one_line(&detail.task.reason, 400));
            context.out.line(&context.out.paint(Paint::Bold, &head))?;
            return context.out.line(&orders(id, &options, stays, "what is still to be done"));
        }
        return Ok(());
    }
    let text = diff(&context.out, diff_text);
    context.out.line(&text)?;
    let reason = one_line(&detail.task.reason, 400);
    let head = match detail.task.state.as_str() {
        "waiting" => format!("{id} {reason}"),
        state => format!("{id} is {state}: {reason}"),
    };
    let head = context.out.paint(Paint::Bold, &head);
    context.out.line(&head)?;
    context.out.line(&orders(id, &options, stays, "what to do differently"))
}

/// The commands that a person may go on with.
fn orders(id: TaskId, options: &str, stays: bool, comment: &str) -> String {
    let start = if stays { String::new() } else { format!("  agentd start{options}\n") };
    let approve = format!("  agentd task approve {id}{options}");
    let reject = format!("  agentd task reject {id}{options} --comment \"{comment}\"");
    format!("{start}{approve}\n{reject}")
}

#[cfg(test)]
mod tests;
