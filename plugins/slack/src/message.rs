//! What is sent: blocks for people who look at the channel, and a line of text for notifications.
//!
//! Everything that others may have written is escaped as Slack asks (`&`, `<`, `>`), which is also what mentions begin
//! with, and `verbatim` and `parse` keep Slack from making mentions and links of plain words. Links are not unfurled:
//! Slack would fetch addresses that others chose.

use agentd_sdk::notifier::{Event, Message, Severity, Task};
use serde_json::{Value, json};

/// How many events one message shows: Slack takes 50 blocks, and people less.
const EVENTS: usize = 15;
/// How long parts may get, in characters: Slack takes 3,000 in a block, and escaping may make five of one.
const TITLE: usize = 160;
const TASK: usize = 80;
const TEXT: usize = 350;
const ADDRESS: usize = 600; // escaped already

/// The message as JSON text; `mention`: what [`mention`] gave, for what cannot wait.
pub(crate) fn json(message: &Message, mention: Option<&str>) -> String {
    let urgent = message.events.iter().any(|it| it.severity == Severity::Urgent);
    let call = mention.filter(|_| urgent);
    let shown = &message.events[..message.events.len().min(EVENTS)];
    let more = message.events.len() - shown.len();

    let mut blocks: Vec<Value> = vec![];
    if let Some(call) = call {
        blocks.push(section(call.to_owned()));
    }
    blocks.extend(shown.iter().flat_map(blocks_of));
    if more > 0 {
        blocks.push(context(&format!("and {more} more: `agentd events`")));
    }
    let first = message.events.first().map(headline).unwrap_or_default();
    let line = match message.events.len() {
        0 | 1 => first,
        count => format!("{first} (and {} more)", count - 1),
    };
    let text = call.map(|it| format!("{it} {line}")).unwrap_or(line);
    json!({
        "text": text,
        "blocks": blocks,
        "parse": "none",
        "link_names": false,
        "unfurl_links": false,
        "unfurl_media": false,
    })
    .to_string()
}

/// How Slack wants somebody mentioned: a user's or user group's id, `here` or `channel`; none if it is neither.
pub(crate) fn mention(id: &str) -> Option<String> {
    let is_id = id.len() >= 5 && id.chars().all(|it| it.is_ascii_uppercase() || it.is_ascii_digit());
    match id.chars().next()? {
        'U' | 'W' if is_id => Some(format!("<@{id}>")),
        'S' if is_id => Some(format!("<!subteam^{id}>")),
        _ if matches!(id, "here" | "channel") => Some(format!("<!{id}>")),
        _ => None,
    }
}

/// One event: what happened and what was said of it, and below where to see more.
fn blocks_of(event: &Event) -> Vec<Value> {
    let said = cut(event.text.trim(), TEXT);
    let text = match said.is_empty() {
        true => headline(event),
        false => format!("{}\n{}", headline(event), escaped(&said)),
    };
    let mut blocks = vec![section(text)];
    blocks.extend(facts(event).map(|it| context(&it)));
    blocks
}

/// What happened, and in brackets which task it is about: `Change 2 is open (Mend the login)`.
fn headline(event: &Event) -> String {
    let sign = match event.severity {
        Severity::Info => ":information_source:",
        Severity::Warning => ":warning:",
        Severity::Urgent => ":rotating_light:",
    };
    let title = one_line(&event.title);
    let task = event.task.as_ref().map(|it| one_line(&it.title)).filter(|it| !it.is_empty());
    let Some(task) = task else { return format!("{sign} {}", escaped(&cut(&title, TITLE))) };
    // Many texts end with it already, and it is not cut off with what comes before.
    let said = title.strip_suffix(&format!(" ({task})")).unwrap_or(&title);
    format!("{sign} {} ({})", escaped(&cut(said, TITLE)), escaped(&cut(&task, TASK)))
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// `acme/shop · <…|t-3> · <…|change #12> · $0.42`
fn facts(event: &Event) -> Option<String> {
    let mut facts = vec![];
    if let Some(task) = &event.task {
        facts.push(escaped(&task.repository));
        facts.push(linked(task.url.as_deref(), &task.id));
        facts.extend(change(task));
        if task.spent_microusd > 0 {
            let cents = task.spent_microusd.div_ceil(10_000);
            facts.push(format!("${}.{:02}", cents / 100, cents % 100));
        }
    }
    facts.extend(event.url.as_ref().map(|url| linked(Some(url), "more")));
    facts.retain(|it| !it.is_empty());
    Some(facts.join(" · ")).filter(|it| !it.is_empty())
}

fn change(task: &Task) -> Option<String> {
    let change = task.change.as_ref()?;
    Some(match change.number {
        Some(number) => linked(change.url.as_deref(), &format!("change #{number}")),
        None => linked(change.url.as_deref(), &change.branch),
    })
}

/// A link, where the address can be one; a bar would end it early.
fn linked(url: Option<&str>, name: &str) -> String {
    let is_address = |it: &&str| {
        (it.starts_with("https://") || it.starts_with("http://"))
            && escaped(it).len() <= ADDRESS
            && !it.contains(|c: char| c == '|' || c.is_whitespace() || c.is_control())
    };
    match url.filter(is_address) {
        Some(url) => format!("<{}|{}>", escaped(url), escaped(name)),
        None => escaped(name),
    }
}

fn section(text: String) -> Value {
    json!({"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": true}})
}

fn context(text: &str) -> Value {
    json!({"type": "context", "elements": [{"type": "mrkdwn", "text": text, "verbatim": true}]})
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn cut(text: &str, characters: usize) -> String {
    match text.chars().count() > characters {
        true => text.chars().take(characters - 1).chain(['…']).collect(),
        false => text.to_owned(),
    }
}

#[cfg(test)]
mod tests;
