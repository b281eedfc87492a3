//! The mail for a message: subject, plain text, and the same as HTML.
//!
//! Titles and texts come from agents and from anybody who opens issues. In the plain text they are set off from agentd's
//! own lines; in the HTML they are escaped, and nothing of theirs is a link.

use crate::Settings;
use agentd_sdk::host::mail::Message as Mail;
use agentd_sdk::notifier::{Event, Message, Severity, Task};

/// The longest subject, in characters: the host takes 256, and people read less.
const SUBJECT: usize = 160;
/// How many events one mail shows, and how much text of one and of all, in characters: a mail has 1 MiB, and each form of
/// a character may take some bytes.
const EVENTS: usize = 50;
const TEXT: usize = 8_000;
const ALL: usize = 60_000;
/// The longest line.
const LINE: usize = 300;

pub(crate) fn letter(settings: &Settings, message: &Message) -> Mail {
    let shown = &message.events[..message.events.len().min(EVENTS)];
    let more = message.events.len() - shown.len();
    let more = (more > 0).then(|| format!("and {more} more: agentd events"));
    let most = TEXT.min(ALL / shown.len().max(1));
    let plain: Vec<String> = shown.iter().map(|it| plain(it, most)).chain(more.clone()).collect();
    let html = settings.html.then(|| {
        let parts: Vec<String> =
            shown.iter().map(|it| html(it, most)).chain(more.map(|it| format!("<p>{}</p>\n", escaped(&it)))).collect();
        format!("<!doctype html>\n<html><body style=\"font-family: sans-serif\">\n{}</body></html>\n", parts.concat())
    });
    Mail {
        id: message.id.clone(),
        to: settings.to.clone(),
        cc: settings.cc.clone(),
        subject: subject(&settings.prefix, &message.events),
        text: format!("{}\n", plain.join("\n\n----\n\n")),
        html,
        conversation: conversation(&message.events),
        extra: vec![],
    }
}

/// The task, if all events are of one.
fn conversation(events: &[Event]) -> Option<String> {
    let mut ids = events.iter().map(|it| it.task.as_ref().map(|it| &it.id));
    let first = ids.next()??;
    ids.all(|it| it == Some(first)).then(|| first.clone())
}

/// `[agentd] Somebody is needed: t-3 waits for an answer (and 2 more)`
fn subject(prefix: &str, events: &[Event]) -> String {
    let first = events.first().map(|it| line(&it.title)).unwrap_or_default();
    let urgent = events.iter().any(|it| it.severity == Severity::Urgent);
    let call = if urgent { "Somebody is needed: " } else { "" };
    let more = match events.len() {
        0 | 1 => String::new(),
        all => format!(" (and {} more)", all - 1),
    };
    let prefix = line(prefix);
    let blank = if prefix.is_empty() { "" } else { " " };
    let left = SUBJECT.saturating_sub(prefix.chars().count() + call.len() + more.len() + 1);
    format!("{prefix}{blank}{call}{}{more}", cut(&first, left))
}

fn plain(event: &Event, most: usize) -> String {
    let mut parts = vec![format!("{}{}", severity(event), line(&event.title))];
    let text = event.text.trim();
    if !text.is_empty() {
        let quoted: Vec<String> =
            cut(text, most).lines().map(|it| format!("    {}", visible(it)).trim_end().to_owned()).collect();
        parts.push(quoted.join("\n"));
    }
    let facts = facts(event);
    if !facts.is_empty() {
        parts.push(facts.iter().map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>().join("\n"));
    }
    parts.join("\n\n")
}

fn html(event: &Event, most: usize) -> String {
    let mut html = format!("<h3>{}{}</h3>\n", severity(event), escaped(&line(&event.title)));
    let text = event.text.trim();
    if !text.is_empty() {
        let text: Vec<String> = cut(text, most).lines().map(|it| escaped(&visible(it))).collect();
        html.push_str(&format!(
            "<pre style=\"white-space: pre-wrap; border-left: 3px solid #ccc; padding-left: 1em\">{}</pre>\n",
            text.join("\n")
        ));
    }
    let facts: Vec<String> = facts(event)
        .iter()
        .map(|(name, value)| {
            let value = escaped(value);
            match value.starts_with("https://") || value.starts_with("http://") {
                true => format!("{name}: <a href=\"{value}\">{value}</a>"), // shown as it is: nobody is led elsewhere
                false => format!("{name}: {value}"),
            }
        })
        .collect();
    if !facts.is_empty() {
        html.push_str(&format!("<p style=\"color: #666\">{}</p>\n", facts.join("<br>\n")));
    }
    html
}

fn severity(event: &Event) -> &'static str {
    match event.severity {
        Severity::Info => "",
        Severity::Warning => "Worth a look: ",
        Severity::Urgent => "Somebody is needed: ",
    }
}

/// What is known of the task, with addresses as they are.
fn facts(event: &Event) -> Vec<(&'static str, String)> {
    let mut facts = vec![];
    if let Some(task) = &event.task {
        facts.push(("Task", format!("{} ({})", task.id, line(&task.title))));
        facts.push(("Repository", line(&task.repository)));
        facts.extend(change(task).map(|it| ("Change", it)));
        facts.extend(task.url.as_deref().and_then(address).map(|it| ("Issue", it)));
        if task.spent_microusd > 0 {
            let cents = task.spent_microusd.div_ceil(10_000);
            facts.push(("Spent", format!("${}.{:02}", cents / 100, cents % 100)));
        }
    }
    facts.extend(event.url.as_deref().and_then(address).map(|it| ("More", it)));
    facts.retain(|(_, value)| !value.is_empty());
    facts
}

fn change(task: &Task) -> Option<String> {
    let change = task.change.as_ref()?;
    Some(change.url.as_deref().and_then(address).unwrap_or_else(|| line(&change.branch)))
}

/// An address that can be one; else there is none.
fn address(url: &str) -> Option<String> {
    let known = url.starts_with("https://") || url.starts_with("http://");
    let plain = url.chars().all(|it| !it.is_whitespace() && !it.is_control() && !matches!(it, '<' | '>' | '"' | '\''));
    (known && plain && url.len() <= 2_000).then(|| url.to_owned())
}

/// One line without anything that a line should not have.
fn line(text: &str) -> String {
    cut(&visible(&text.split_whitespace().collect::<Vec<_>>().join(" ")), LINE)
}

/// Without control characters, and without those that turn the direction of what follows.
fn visible(text: &str) -> String {
    let turns = |it: char| matches!(it, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().filter(|it| !it.is_control() && !turns(*it)).collect()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

fn cut(text: &str, characters: usize) -> String {
    match text.chars().count() > characters {
        true => text.chars().take(characters.saturating_sub(1)).chain(['…']).collect(),
        false => text.to_owned(),
    }
}

#[cfg(test)]
mod tests;
