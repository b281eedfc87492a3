//! `agentd status`: the daemon and its queue at a glance.

use super::{
    context::Context,
    exit::Error,
    print::{Out, Paint, age, now, one_line},
};
use crate::server::view::{StatusView, TaskView};
use agentd_gateway::dollars;

/// Show whether the daemon runs and what it does
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  agentd status\n  agentd status --json | jq .tasks")]
pub(crate) struct Status {}

impl Status {
    pub(crate) async fn act(self, context: &mut Context) -> Result<(), Error> {
        let status = context.reads().await?.status().await?;
        context.out.either(&status, |out| text(out, &status, now()))
    }
}

fn text(out: &Out, status: &StatusView, now: i64) -> String {
    let daemon = match (status.running, status.pid) {
        (true, pid) => {
            let pid = pid.map(|it| format!(" (pid {it})")).unwrap_or_default();
            let since = status.started_at.map(|it| format!(", up {}", age(it, now))).unwrap_or_default();
            format!("{}{pid}{since}", out.paint(Paint::Green, "running"))
        }
        (false, _) => out.paint(Paint::Yellow, "not running"),
    };
    let paused =
        status.paused.then(|| format!("{}: nothing new starts; agentd resume", out.paint(Paint::Yellow, "yes")));
    let counts: Vec<_> = status.tasks.iter().map(|(state, number)| format!("{number} {state}")).collect();
    let tasks = if counts.is_empty() { "none".to_owned() } else { counts.join(", ") };
    let effects =
        (status.open_effects > 0).then(|| format!("{} not done yet; agentd outbox list", status.open_effects));
    let spent = (status.spent_today_microusd > 0)
        .then(|| format!("{} US dollars today (UTC)", dollars(status.spent_today_microusd)));
    let mut text = out.record(&[
        ("agentd", Some(daemon)),
        ("home", Some(status.home.clone())),
        ("paused", paused),
        ("tasks", Some(tasks)),
        ("outbox", effects),
        ("spent", spent),
    ]);
    if !status.working_on.is_empty() {
        let rows: Vec<_> = status.working_on.iter().map(|task| row(task, now)).collect();
        text.push('\n');
        text.push_str(&out.table(&["running", "step", "since", "repository", "title"], &rows, ""));
    }
    text
}

fn row(task: &TaskView, now: i64) -> Vec<String> {
    vec![
        format!("{} run {}", task.id, task.run),
        task.step.map(|it| it.to_string()).unwrap_or_default(),
        age(task.changed_at, now),
        task.repository.clone(),
        one_line(&task.title, 60),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_sees_what_goes_on() {
        let status = StatusView {
            version: "0.1.0".into(),
            home: "/srv/agentd".into(),
            running: true,
            pid: Some(41),
            instance: Some("0a1b2c3d".into()),
            started_at: Some(0),
            paused: true,
            tasks: [("queued".to_owned(), 2), ("running".to_owned(), 1)].into(),
            working_on: Vec::new(),
            open_effects: 3,
            spent_today_microusd: 1_234_000,
        };
        let out = Out::to(Box::new(std::io::sink()), false);
        insta::assert_snapshot!(text(&out, &status, 7_200_000), @r"
        agentd  running (pid 41), up 2h 0m
        home    /srv/agentd
        paused  yes: nothing new starts; agentd resume
        tasks   2 queued, 1 running
        outbox  3 not done yet; agentd outbox list
        spent   1.234 US dollars today (UTC)
        ");
    }
}
