//! `agentd queue`, `pause` and `resume`.

use super::{
    context::Context,
    exit::Error,
    print::{Out, age, now, one_line},
};
use crate::server::view::TaskView;
use serde_json::{Value, json};

/// Show what would start next, in its order, and what holds the others back
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  agentd queue\n  agentd queue -n 5 --json")]
pub(crate) struct Queue {
    /// At most so many
    #[arg(short = 'n', long, default_value_t = 20, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
}

/// Start nothing new until `agentd resume`, across restarts too; what runs goes on
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  agentd pause")]
pub(crate) struct Pause {}

/// Start new tasks again
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  agentd resume")]
pub(crate) struct Resume {}

impl Queue {
    pub(crate) async fn act(self, context: &mut Context) -> Result<(), Error> {
        let reads = context.reads().await?;
        let paused = reads.status().await?.paused;
        let tasks = reads.queue(self.limit).await?;
        context.out.either(&json!({ "paused": paused, "tasks": tasks }), |out| text(out, paused, &tasks, now()))
    }
}

impl Pause {
    pub(crate) async fn act(self, context: &mut Context) -> Result<(), Error> {
        let answer: Value = context.client()?.post("/v1/pause", &json!({})).await?;
        context.out.either(&answer, |_| "paused: nothing new starts until agentd resume".into())
    }
}

impl Resume {
    pub(crate) async fn act(self, context: &mut Context) -> Result<(), Error> {
        let answer: Value = context.client()?.post("/v1/resume", &json!({})).await?;
        context.out.either(&answer, |_| "resumed: tasks start again".into())
    }
}

fn text(out: &Out, paused: bool, tasks: &[TaskView], now: i64) -> String {
    let rows: Vec<_> = tasks
        .iter()
        .map(|task| {
            vec![
                task.id.to_string(),
                format!("{:.2}", task.score),
                age(task.waiting_since, now),
                task.repository.clone(),
                one_line(&task.title, 50),
                one_line(if task.reason.is_empty() { &task.score_reason } else { &task.reason }, 60),
            ]
        })
        .collect();
    let heads = ["task", "score", "waits", "repository", "title", "why"];
    let table = out.table(&heads, &rows, "the queue is empty");
    if paused { format!("paused: nothing starts until agentd resume\n{table}") } else { table }
}
