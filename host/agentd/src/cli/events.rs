//! `agentd events`: what happened, and what happens.

use super::{
    context::{Asked, Context, Go},
    exit::Error,
    print::{Out, Paint, moment, one_line},
};
use crate::server::view::EventView;
use agentd_task::{Severity, TaskId};
use std::collections::VecDeque;

/// Show the event log
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  agentd events -f\n  agentd events --after 0 --task t-3 --json")]
pub(crate) struct Events {
    /// Go on as new ones come
    #[arg(short, long)]
    follow: bool,
    /// Those after this number; 0: all [default: the last 50]
    #[arg(long, value_name = "NUMBER")]
    after: Option<i64>,
    /// Those of one task
    #[arg(long, value_name = "ID")]
    task: Option<TaskId>,
}

impl Events {
    pub(crate) async fn act(self, context: &mut Context) -> Result<(), Error> {
        show(context, self.after, self.task, self.follow, 50, |_| true).await
    }
}

/// Prints events that `wanted` takes; without `after` the last `last` that there are.
pub(crate) async fn show(
    context: &mut Context,
    after: Option<i64>,
    task: Option<TaskId>,
    follow: bool,
    last: usize,
    wanted: impl Fn(&EventView) -> bool,
) -> Result<(), Error> {
    let reads = context.reads().await?;
    let mut asked = Asked { after: after.unwrap_or(0), task, follow };
    let out = &mut context.out;
    if after.is_none() {
        let mut kept = VecDeque::with_capacity(last);
        let so_far = Asked { follow: false, ..asked };
        reads
            .events(&so_far, |event| {
                asked.after = event.id;
                if wanted(&event) {
                    if kept.len() == last {
                        kept.pop_front();
                    }
                    kept.push_back(event);
                }
                Ok(Go::On)
            })
            .await?;
        for event in kept {
            print(out, &event)?;
        }
        if !follow {
            return Ok(());
        }
    }
    reads
        .events(&asked, |event| {
            if wanted(&event) {
                print(out, &event)?;
            }
            Ok(Go::On)
        })
        .await
}

fn print(out: &mut Out, event: &EventView) -> Result<(), Error> {
    if out.json { out.object(event) } else { out.line(&text(out, event)) }
}

/// One event as one line.
pub(crate) fn text(out: &Out, event: &EventView) -> String {
    let paint = match event.severity {
        Severity::Info => Paint::Bold,
        Severity::Warning => Paint::Yellow,
        Severity::Urgent => Paint::Red,
    };
    let task = event.task.map(|it| format!(" {it}")).unwrap_or_default();
    let (at, kind) = (out.paint(Paint::Dim, &moment(event.at)), out.paint(paint, &event.kind));
    format!("{at} {:>5}{task} {kind}: {}", event.id, one_line(&event.text, 400))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line_that_cannot_steer_the_terminal() {
        let event = EventView {
            id: 7,
            at: 1_700_000_000_000,
            task: Some(TaskId(3)),
            run: Some(1),
            kind: "agent.message".into(),
            severity: Severity::Info,
            text: "done\x1b[2J\nreally".into(),
            details: serde_json::json!({}),
        };
        let out = Out::to(Box::new(std::io::sink()), false);
        assert_eq!(text(&out, &event), "2023-11-14T22:13:20Z     7 t-3 agent.message: done [2J really");
    }
}
