//! `agentd task`: everything that concerns one task.

use super::{
    context::Context,
    events,
    exit::Error,
    print::{Out, Paint, age, lines_of, moment, now, one_line},
    task_file,
};
use crate::server::{
    query::TaskQuery,
    view::{RunView, Submission, TaskDetail, TaskView, UsageView},
};
use agentd_gateway::dollars;
use agentd_task::{Mode, TaskId};
use clap::Subcommand;
use serde_json::{Value, json};
use std::{fmt::Write as _, path::PathBuf};

/// See, submit, start, cancel, approve tasks
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  agentd task list --state waiting\n  agentd task approve t-3")]
pub(crate) struct Task {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    List(List),
    /// Show a task with its runs, its change and what is about to be sent
    #[command(after_help = "Example:\n  agentd task show t-3")]
    Show {
        id: TaskId,
    },
    Submit(Submit),
    /// Start a task that waits for it
    #[command(after_help = "Example:\n  agentd task start t-3")]
    Start {
        id: TaskId,
    },
    /// End a task; a running one ends as soon as its run hears of it
    #[command(after_help = "Example:\n  agentd task cancel t-3")]
    Cancel {
        id: TaskId,
    },
    /// Try a failed, cancelled or stuck task again
    #[command(after_help = "Example:\n  agentd task retry t-3")]
    Retry {
        id: TaskId,
    },
    /// Let a change that waits for you be pushed, agree that there is nothing to do, or merge a change in review
    #[command(after_help = "Example:\n  agentd task diff t-3\n  agentd task approve t-3")]
    Approve {
        id: TaskId,
    },
    /// Close what waits for you or is in review, or, with a comment, have it done again
    #[command(
        after_help = "Example:\n  agentd task reject t-3\n  agentd task reject t-3 --comment \"Keep the old name\""
    )]
    Reject {
        id: TaskId,
        /// What to do differently: another run takes it up
        #[arg(short, long, value_name = "TEXT")]
        comment: Option<String>,
    },
    /// Show the diff of a task's change
    #[command(after_help = "Example:\n  agentd task diff t-3 | less")]
    Diff {
        id: TaskId,
    },
    /// Show what the agent of a task said and did
    #[command(after_help = "Example:\n  agentd task logs t-3 -f")]
    Logs {
        id: TaskId,
        /// Go on as more comes
        #[arg(short, long)]
        follow: bool,
    },
    /// Remove a task's checkouts and containers; its history stays
    #[command(after_help = "Example:\n  agentd task clean t-3")]
    Clean {
        id: TaskId,
    },
}

/// List tasks in the order in which they came
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  agentd task list --state waiting,in-review --repo acme/api")]
struct List {
    /// Only those in these states, with commas between them
    #[arg(long, value_name = "STATES", value_delimiter = ',', value_parser = STATES)]
    state: Vec<String>,
    /// Only those of a source
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Only those of a repository
    #[arg(long, value_name = "ID")]
    repo: Option<String>,
    /// Those after this one in the list
    #[arg(long, value_name = "ID")]
    after: Option<TaskId>,
    /// At most so many
    #[arg(short = 'n', long, default_value_t = 50, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
}

const STATES: [&str; 8] = ["queued", "running", "publishing", "in-review", "waiting", "done", "failed", "cancelled"];

/// Hand a task in; it starts by itself unless --mode says otherwise
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  agentd task submit --repo acme/api \"Fix the failing test\"\n  agentd task submit --repo acme/api --task fix.md --mode ask"
)]
struct Submit {
    /// The task: the first line is its title
    #[arg(value_name = "TEXT", required_unless_present = "task")]
    words: Vec<String>,
    /// The repository, by its id in the configuration [default: the one that the file names]
    #[arg(long, value_name = "ID", required_unless_present = "task")]
    repo: Option<String>,
    /// The task as a Markdown file
    #[arg(long, value_name = "FILE", conflicts_with = "words")]
    task: Option<PathBuf>,
    /// The branch to start from [default: the repository's]
    #[arg(long, value_name = "BRANCH")]
    base: Option<String>,
    /// The agent that does it [default: the configured one]
    #[arg(long, value_name = "NAME")]
    agent: Option<String>,
    /// Labels, with commas between them
    #[arg(long, value_name = "LABELS", value_delimiter = ',')]
    label: Vec<String>,
    /// 1 (urgent) to 4 (low)
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=4))]
    priority: Option<u32>,
    /// Tasks that must be done before
    #[arg(long, value_name = "ID")]
    depends_on: Vec<TaskId>,
    /// auto: it starts by itself; ask: you start it; propose: as ask, and nobody is called
    #[arg(long, value_name = "MODE", default_value = "auto", value_parser = mode)]
    mode: Mode,
    /// A name of your own: handing the same name in twice makes one task
    #[arg(long, value_name = "TEXT")]
    key: Option<String>,
}

pub(super) fn mode(text: &str) -> Result<Mode, &'static str> {
    text.parse().map_err(|()| "take auto, ask or propose")
}

impl Task {
    pub(crate) async fn act(self, context: &mut Context) -> Result<(), Error> {
        match self.command {
            Command::List(list) => list.act(context).await,
            Command::Show { id } => {
                let task = context.reads().await?.task(id).await?;
                context.out.either(&task, |out| detail(out, &task, now()))
            }
            Command::Submit(submit) => submit.act(context).await,
            Command::Start { id } => order(context, id, "start", json!({})).await,
            Command::Cancel { id } => order(context, id, "cancel", json!({})).await,
            Command::Retry { id } => order(context, id, "retry", json!({})).await,
            Command::Approve { id } => order(context, id, "approve", json!({})).await,
            Command::Reject { id, comment } => order(context, id, "reject", json!({ "comment": comment })).await,
            Command::Clean { id } => order(context, id, "clean", json!({})).await,
            Command::Diff { id } => {
                let client = context.client()?;
                let path = format!("/v1/tasks/{id}/diff");
                let answer: Value = context.progress.during("reading the diff", client.get(&path)).await?;
                context.out.either(&answer, |out| diff(out, answer["diff"].as_str().unwrap_or_default()))
            }
            Command::Logs { id, follow } => {
                // A task that does not exist has no events, which would look like an agent that said nothing.
                context.reads().await?.task(id).await?;
                events::show(context, Some(0), Some(id), follow, 0, |it| it.kind.starts_with("agent.")).await
            }
        }
    }
}

async fn order(context: &mut Context, id: TaskId, order: &str, body: Value) -> Result<(), Error> {
    let client = context.client()?;
    let path = format!("/v1/tasks/{id}/{order}");
    let answer: Value = context.progress.during(&format!("{order} {id}"), client.post(&path, &body)).await?;
    context.out.either(&answer, |_| one_line(answer["said"].as_str().unwrap_or_default(), 400))
}

impl List {
    async fn act(self, context: &mut Context) -> Result<(), Error> {
        let List { state, source, repo, after, limit } = self;
        let query = TaskQuery { state: state.join(","), source, repository: repo, after, limit: Some(limit) };
        let tasks = context.reads().await?.tasks(query).await?;
        context.out.either(&json!({ "tasks": tasks }), |out| table(out, &tasks, now()))
    }
}

impl Submit {
    async fn act(self, context: &mut Context) -> Result<(), Error> {
        let text = task_file::given(self.task.as_deref(), &self.words)?;
        let submission = Submission {
            key: self.key.unwrap_or_else(new_key),
            repository: text.repository_or(self.repo.as_ref())?,
            title: text.title,
            body: text.body,
            base: self.base.or(text.base),
            labels: if self.label.is_empty() { text.labels } else { self.label },
            priority: self.priority.or(text.priority),
            depends_on: self.depends_on.iter().map(ToString::to_string).chain(text.depends_on).collect(),
            agent: self.agent.or(text.agent),
            instructions: text.instructions,
            requested_by: user(),
            requested_at: Some(now()),
            mode: self.mode,
            ..Submission::default()
        };
        // The daemon checks the same; here a mistake costs no round trip, and is found with the daemon down too.
        submission.clone().into_draft().map_err(Error::usage)?;
        let answer: Value = context.client()?.post("/v1/tasks", &submission).await?;
        let options = context.options();
        context.out.either(&answer, |_| {
            let id = answer["task"].as_str().unwrap_or_default();
            format!("{id}\nagentd events -f --task {id}{options} shows what becomes of it")
        })
    }
}

/// A name for work that has none of its own.
pub(crate) fn new_key() -> String {
    uuid::Uuid::new_v4().simple().to_string()[..12].to_owned()
}

/// Who sits at the terminal, for the task's record.
pub(crate) fn user() -> Option<String> {
    std::env::var("USER").ok().filter(|it| !it.is_empty())
}

fn table(out: &Out, tasks: &[TaskView], now: i64) -> String {
    let rows: Vec<_> = tasks
        .iter()
        .map(|task| {
            vec![
                task.id.to_string(),
                state(task),
                age(task.changed_at, now),
                task.repository.clone(),
                one_line(&task.title, 60),
                one_line(&task.reason, 90),
            ]
        })
        .collect();
    out.table(&["task", "state", "since", "repository", "title", "why"], &rows, "no tasks")
}

fn state(task: &TaskView) -> String {
    match (&task.step, &task.waits_for) {
        (Some(step), _) => format!("{} ({step})", task.state),
        (_, Some(on)) => format!("{} ({on})", task.state),
        _ => task.state.clone(),
    }
}

fn detail(out: &Out, detail: &TaskDetail, now: i64) -> String {
    let task = &detail.task;
    let some = |text: &str| Some(one_line(text, 400)).filter(|it| !it.is_empty());
    let mut text = out.record(&[
        ("task", Some(format!("{} {}", task.id, out.paint(Paint::Bold, &one_line(&task.title, 256))))),
        ("state", Some(format!("{}, for {}", state(task), age(task.changed_at, now)))),
        ("why", some(&task.reason)),
        ("source", Some(format!("{} {}", one_line(&task.source, 64), one_line(&task.key, 256)))),
        ("url", task.url.as_deref().and_then(some)),
        ("repository", Some(task.repository.clone())),
        ("base", task.base.clone()),
        ("branch", Some(task.branch.clone())),
        ("labels", some(&task.labels.join(", "))),
        ("priority", task.priority.map(|it| it.to_string())),
        ("waits for", some(&task.depends_on.join(", "))),
        ("agent", task.agent.clone()),
        ("score", Some(format!("{:.2} {}", task.score, one_line(&task.score_reason, 200)))),
        ("asked by", task.requested_by.as_deref().and_then(some)),
        ("came", Some(moment(task.created_at))),
    ]);
    if let Some(change) = &detail.change {
        let place = change.url.clone().unwrap_or_else(|| change.branch.clone());
        let short: String = change.commit.chars().take(12).collect();
        let line = format!("{} at {short} onto {} ({})", one_line(&place, 200), change.base, change.state);
        text.push_str(&out.record(&[("change", Some(line))]));
    }
    for run in &detail.runs {
        text.push_str(&run_lines(out, run, now));
    }
    text.push_str(&spent(out, &detail.usage));
    for (head, body) in [("body", Some(&detail.body)), ("answer", detail.answer.as_ref())] {
        if let Some(body) = body.filter(|it| !it.trim().is_empty()) {
            // Writing to a String does not fail.
            write!(text, "\n{}\n{}\n", out.paint(Paint::Dim, head), lines_of(body.trim())).ok();
        }
    }
    for remark in &detail.remarks {
        let head = format!("{} said at {}", one_line(&remark.author, 64), moment(remark.at));
        write!(text, "\n{}\n{}\n", out.paint(Paint::Dim, &head), lines_of(remark.body.trim())).ok();
    }
    text
}

fn run_lines(out: &Out, run: &RunView, now: i64) -> String {
    let took = age(run.started_at, run.ended_at.unwrap_or(now));
    let outcome = run.outcome.as_deref().map_or("still running".to_owned(), |it| one_line(it, 300));
    let steps: Vec<_> = run
        .steps
        .iter()
        .map(|step| match step.finished_at {
            Some(end) => format!("{} {}", step.step, age(step.started_at, end)),
            None => format!("{} …", step.step),
        })
        .collect();
    let spent = match run.spent_microusd {
        0 => String::new(),
        spent => format!(", {} US dollars", dollars(spent)),
    };
    out.record(&[(&format!("run {}", run.run), Some(format!("{took}{spent}: {outcome} [{}]", steps.join(", "))))])
}

/// What the models cost, as agentd metered it.
fn spent(out: &Out, usage: &[UsageView]) -> String {
    if usage.is_empty() {
        return String::new();
    }
    let all: u64 = usage.iter().map(|it| it.cost_microusd).sum();
    let mut text = out.record(&[("spent", Some(format!("{} US dollars", dollars(all))))]);
    for it in usage {
        let estimated = match it.estimated {
            0 => String::new(),
            some => format!(", {some} of them estimated"),
        };
        let line = format!(
            "{}: {} in {} calls{estimated}; tokens: {} in, {} out, {} from the cache, {} into it",
            one_line(&it.model, 100),
            dollars(it.cost_microusd),
            it.calls,
            it.input_tokens,
            it.output_tokens,
            it.cache_read_tokens,
            it.cache_write_tokens,
        );
        text.push_str(&out.record(&[("model", Some(line))]));
    }
    text
}

/// A diff with its colours.
pub(crate) fn diff(out: &Out, text: &str) -> String {
    let paint = |line: &str| match line.as_bytes().first() {
        _ if line.starts_with("+++") || line.starts_with("---") => out.paint(Paint::Bold, line),
        Some(b'+') => out.paint(Paint::Green, line),
        Some(b'-') => out.paint(Paint::Red, line),
        Some(b'@') => out.paint(Paint::Dim, line),
        _ => line.to_owned(),
    };
    lines_of(text).lines().map(paint).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_says_what_it_cost_model_by_model() {
        let out = Out::to(Box::new(std::io::sink()), false);
        let usage = |model: &str, estimated, cost_microusd| UsageView {
            model: model.into(),
            calls: 12,
            estimated,
            input_tokens: 4_000,
            output_tokens: 900,
            cache_read_tokens: 80_000,
            cache_write_tokens: 5_000,
            cost_microusd,
        };
        insta::assert_snapshot!(spent(&out, &[usage("large-1", 0, 1_200_000), usage("small-1\x1b[2J", 3, 34_500)]), @r"
        spent  1.2345 US dollars
        model  large-1: 1.20 in 12 calls; tokens: 4000 in, 900 out, 80000 from the cache, 5000 into it
        model  small-1 [2J: 0.0345 in 12 calls, 3 of them estimated; tokens: 4000 in, 900 out, 80000 from the cache, 5000 into it
        ");
        assert_eq!(spent(&out, &[]), "");
    }
}
