//! `agentd outbox`: what was decided and is not yet done outside.

use super::{
    context::Context,
    exit::Error,
    print::{Out, age, now, one_line},
};
use crate::server::view::EffectView;
use agentd_task::TaskId;
use clap::Subcommand;
use serde_json::{Value, json};

/// Show and hold what is about to be sent: pushes, changes, notifications
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  agentd outbox list")]
pub(crate) struct Outbox {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show what is not done yet, and what failed
    #[command(after_help = "Example:\n  agentd outbox list\n  agentd outbox list --all --task t-3")]
    List {
        /// What is done or dropped, too
        #[arg(long)]
        all: bool,
        /// Of one task
        #[arg(long, value_name = "ID")]
        task: Option<TaskId>,
    },
    /// Keep an effect, and those behind it in its lane, from being sent
    #[command(after_help = "Example:\n  agentd outbox hold 12")]
    Hold {
        /// The effect's number
        effect: i64,
    },
    /// Let a held effect be sent, or give one that failed another try
    #[command(after_help = "Example:\n  agentd outbox release 12")]
    Release {
        /// The effect's number
        effect: i64,
    },
    /// Give an effect up: it is never sent
    #[command(after_help = "Example:\n  agentd outbox drop 12")]
    Drop {
        /// The effect's number
        effect: i64,
    },
}

impl Outbox {
    pub(crate) async fn act(self, context: &mut Context) -> Result<(), Error> {
        match self.command {
            Command::List { all, task } => {
                let effects = context.reads().await?.effects(task, all).await?;
                context.out.either(&json!({ "effects": effects }), |out| text(out, &effects, now()))
            }
            Command::Hold { effect } => order(context, effect, "hold").await,
            Command::Release { effect } => order(context, effect, "release").await,
            Command::Drop { effect } => order(context, effect, "drop").await,
        }
    }
}

async fn order(context: &mut Context, effect: i64, order: &str) -> Result<(), Error> {
    let path = format!("/v1/outbox/{effect}/{order}");
    let answer: Value = context.client()?.post(&path, &json!({})).await?;
    context.out.either(&answer, |_| one_line(answer["said"].as_str().unwrap_or_default(), 400))
}

fn text(out: &Out, effects: &[EffectView], now: i64) -> String {
    let rows: Vec<_> = effects
        .iter()
        .map(|effect| {
            vec![
                effect.id.to_string(),
                effect.state.clone(),
                effect.kind.clone(),
                effect.task.map(|it| it.to_string()).unwrap_or_default(),
                effect.attempts.to_string(),
                age(effect.created_at, now),
                one_line(&effect.lane, 40),
                one_line(effect.error.as_deref().unwrap_or_default(), 60),
            ]
        })
        .collect();
    let heads = ["effect", "state", "kind", "task", "tries", "age", "lane", "error"];
    out.table(&heads, &rows, "nothing waits to be sent")
}
