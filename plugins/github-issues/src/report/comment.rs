//! The words of the comment: a line that says where it stands, what was said, what a person may do, and the facts.
//!
//! What was said may come from an agent or from anybody: it is quoted, so that it cannot pass for agentd's own words,
//! and stays in its quotation whatever Markdown it holds. Mentions and the like are the host's to take out.

use crate::settings::Settings;
use agentd_sdk::markdown::quoted;
use agentd_sdk::task_source::{Task, Update};

/// How much of what was said is quoted, in characters. An answer of an agent may be as long as a page.
const QUOTE: usize = 8_000;

/// The comment for an update; none: there is nothing to say about this state.
pub(crate) fn text(settings: &Settings, update: &Update) -> Option<String> {
    let task = &update.task;
    let id = &task.id;
    let (headline, said, next) = match task.state.as_str() {
        "queued" => ("Queued again.", reason(task), None),
        "running" if update.former_state != "running" => ("agentd works on this.", None, None),
        "waiting" => waiting(update),
        "in-review" => ("The pull request is ready for review.", answer(update), None),
        "failed" => {
            let label = settings.labels.join("` or `");
            let next = format!(
                "To try again, take the label `{label}` off and set it anew, or run `agentd task retry {id}` where agentd \
                 runs."
            );
            ("This failed, and needs a person.", reason(task).or_else(|| answer(update)), Some(next))
        }
        "done" => done(update),
        "cancelled" => ("Cancelled: agentd works on this no longer.", cancelled(update), None),
        _ => return None,
    };
    let parts = [Some(format!("**{headline}**")), said.map(|it| quoted(&it, QUOTE)), next, Some(facts(task))];
    Some(parts.into_iter().flatten().collect::<Vec<_>>().join("\n\n"))
}

/// What a part of the comment is made of: headline, quotation, next step.
type Parts = (&'static str, Option<String>, Option<String>);

/// For whom it waits, and what that person may do.
fn waiting(update: &Update) -> Parts {
    let task = &update.task;
    let id = &task.id;
    let run = |commands: String| Some(format!("{commands}, where agentd runs."));
    match extra(task, "waits-for") {
        "start" => ("Waiting for a person to start it.", None, run(format!("To start it: `agentd task start {id}`"))),
        "confirmation" => {
            let headline = "The agent found nothing to do, and waits for a person to say whether that is so.";
            let next =
                format!("If it is so: `agentd task approve {id}`; if not: `agentd task reject {id} --comment \"…\"`");
            (headline, answer(update), run(next))
        }
        "approval" => {
            let headline = "Waiting for a person to look at the change before it is pushed.";
            let next = format!(
                "To see it: `agentd task diff {id}`; to have it pushed: `agentd task approve {id}`; to have it done \
                 otherwise: `agentd task reject {id} --comment \"…\"`"
            );
            (headline, None, run(next))
        }
        _ => {
            let headline = "Waiting for an operator to put something right.";
            let why = task.reason.as_deref().unwrap_or_default();
            let note = why.split_once("put something right: ").map(|(_, note)| note.to_owned());
            (headline, note.or_else(|| reason(task)), run(format!("When that is done: `agentd task retry {id}`")))
        }
    }
}

fn done(update: &Update) -> Parts {
    let task = &update.task;
    match extra(task, "outcome") {
        "change" => ("Done: the pull request was merged.", None, None),
        "nothing-to-do" => ("Done: there was nothing to do.", None, None),
        _ => match answer(update) {
            Some(answer) => ("Done, without a change. This is the answer:", Some(answer), None),
            None => ("Done.", reason(task), None),
        },
    }
}

/// What the host says beside the state; empty: nothing.
fn extra<'a>(task: &'a Task, key: &str) -> &'a str {
    task.extra.iter().find(|(name, _)| name == key).map_or("", |(_, value)| value)
}

/// Why it ended: an update of a withdrawal says more than the task.
fn cancelled(update: &Update) -> Option<String> {
    let own = format!("{} was withdrawn: ", update.task.id);
    let withdrawn = update.text.as_ref().and_then(|it| it.strip_prefix(&own)).map(str::to_owned);
    withdrawn.or_else(|| answer(update)).or_else(|| reason(&update.task))
}

fn reason(task: &Task) -> Option<String> {
    task.reason.clone().filter(|it| !it.trim().is_empty())
}

/// What the update says that the headline does not say already: not agentd's own line for its log, which begins with
/// the task.
fn answer(update: &Update) -> Option<String> {
    let own = format!("{} ", update.task.id);
    update.text.clone().filter(|it| !it.trim().is_empty() && !it.starts_with(&own))
}

/// `t-3 · run 2 · [#12](…), a draft · $0.42`
fn facts(task: &Task) -> String {
    let mut facts = vec![format!("Task `{}`", task.id)];
    if task.run > 0 {
        facts.push(format!("run {}", task.run));
    }
    facts.extend(change(task));
    if task.spent_microusd > 0 {
        facts.push(format!("spent {} so far", dollars(task.spent_microusd)));
    }
    facts.join(" · ")
}

fn change(task: &Task) -> Option<String> {
    let change = task.change.as_ref()?;
    let name = match (change.number, &change.url) {
        (Some(number), Some(url)) => format!("pull request [#{number}]({url})"),
        (Some(number), None) => format!("pull request #{number}"),
        (None, _) => format!("branch `{}`", change.branch),
    };
    Some(match change.state.as_str() {
        "draft" => format!("{name}, a draft"),
        "merged" | "closed" => format!("{name}, {}", change.state),
        _ => name,
    })
}

/// To the cent, rounded up: what little was spent is not nothing.
fn dollars(microusd: u64) -> String {
    let cents = microusd.div_ceil(10_000);
    format!("${}.{:02}", cents / 100, cents % 100)
}
