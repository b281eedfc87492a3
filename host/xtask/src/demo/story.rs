//! Tells the events of the one task as they happen.

use crate::say::Say;
use anyhow::{Context, Result};
use serde_json::Value;
use std::time::Instant;

/// One line of the log, as `agentd events --json` prints it.
#[derive(Debug, PartialEq)]
pub(super) struct Event {
    pub(super) id: i64,
    pub(super) task: Option<String>,
    pub(super) kind: String,
    pub(super) text: String,
    /// Whether it is more than information.
    warns: bool,
}

impl Event {
    pub(super) fn parse(line: &str) -> Result<Event> {
        let value: Value = serde_json::from_str(line).with_context(|| format!("an event should be JSON: {line}"))?;
        Ok(Event {
            id: value["id"].as_i64().with_context(|| format!("an event should have a number: {line}"))?,
            task: value["task"].as_str().map(str::to_owned),
            kind: value["kind"].as_str().unwrap_or_default().to_owned(),
            text: value["text"].as_str().unwrap_or_default().to_owned(),
            warns: value["severity"].as_str().is_some_and(|it| it != "info"),
        })
    }
}

pub(super) struct Story {
    say: Say,
    began: Instant,
    task: Option<String>,
    seen: i64,
    events: Vec<Event>,
}

impl Story {
    pub(super) fn new(say: Say, began: Instant) -> Story {
        Story { say, began, task: None, seen: 0, events: Vec::new() }
    }

    /// Prints an event; false when it was told already or is no part of the task's way.
    pub(super) fn tell(&mut self, event: Event) -> Option<&Event> {
        if event.id <= self.seen {
            return None;
        }
        self.seen = event.id;
        let Some(task) = event.task.as_deref() else {
            // What concerns no task concerns this one, too, when it is a warning: a source that cannot be read.
            if event.warns {
                self.line("warning", &event.text);
            }
            return None;
        };
        let task = self.task.get_or_insert_with(|| task.to_owned());
        if event.task.as_ref() != Some(task) {
            return None;
        }
        if let Some(label) = label(&event.kind) {
            self.line(label, &event.text);
        }
        self.events.push(event);
        self.events.last()
    }

    /// The prioritizer's word on the task as it is shown; false when there is none yet.
    pub(super) fn ranked(&self, shown: &Value) -> bool {
        let reason = shown["score_reason"].as_str().unwrap_or_default();
        if !reason.is_empty() {
            self.line("ranked", &format!("score {}: {reason}", shown["score"]));
        }
        !reason.is_empty()
    }

    /// Something that the demo itself does.
    pub(super) fn aside(&self, text: &str) {
        self.line("*", text);
    }

    pub(super) fn task(&self) -> Option<&str> {
        self.task.as_deref()
    }

    /// The newest event that was told.
    pub(super) fn seen(&self) -> i64 {
        self.seen
    }

    /// How many events of this kind have these words.
    pub(super) fn count(&self, kind: &str, words: &str) -> usize {
        self.events.iter().filter(|it| it.kind == kind && it.text.contains(words)).count()
    }

    fn line(&self, label: &str, text: &str) {
        let seconds = self.began.elapsed().as_secs_f64();
        self.say.line(format_args!("  {seconds:5.1} s  {label:<10}  {}", printable(text)));
    }
}

/// What stands before an event; `None`: another one says the same better.
fn label(kind: &str) -> Option<&str> {
    match kind {
        "task.queued" => Some("found"),
        "task.running" => Some("started"),
        _ => match kind.split_once('.') {
            Some(("step", _)) => None,
            // A run's events are called after what was done: prepared, executed, collected, verified.
            Some(("run" | "task", what)) => Some(what),
            Some((who, _)) => Some(who),
            None => Some(kind),
        },
    }
}

/// One line without what could move a terminal's cursor.
fn printable(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    line.chars().filter(|it| !it.is_control()).take(160).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(id: i64, task: &str, kind: &str) -> Event {
        Event { id, task: Some(task.to_owned()), kind: kind.to_owned(), text: "text".to_owned(), warns: false }
    }

    #[test]
    fn an_event_is_read_as_it_is_printed() {
        let line =
            r#"{"id":7,"at":1,"task":"t-1","run":1,"kind":"run.verified","severity":"info","text":"x","details":{}}"#;
        let found = Event::parse(line).unwrap();
        assert_eq!((found.id, found.task.as_deref(), found.text.as_str()), (7, Some("t-1"), "x"));
        assert!(Event::parse("nonsense").is_err());
    }

    #[test]
    fn each_event_of_the_task_is_told_once() {
        let mut story = Story::new(Say::Stderr, Instant::now());
        let mut check = |event: Event, told: bool| assert_eq!(story.tell(event).is_some(), told);
        check(Event { task: None, ..event(1, "", "daemon.started") }, false);
        check(event(2, "t-1", "task.queued"), true);
        check(event(2, "t-1", "task.queued"), false);
        check(event(3, "t-2", "task.queued"), false);
        check(event(4, "t-1", "task.running"), true);
        assert_eq!((story.seen(), story.count("task.running", "text")), (4, 1));
    }

    #[test]
    fn every_kind_of_event_has_a_label() {
        let check = |kind, expected| assert_eq!(label(kind), expected, "{kind}");
        check("task.queued", Some("found"));
        check("task.in-review", Some("in-review"));
        check("run.verified", Some("verified"));
        check("agent.message", Some("agent"));
        check("step.finished", None);
        check("unheard-of", Some("unheard-of"));
    }

    #[test]
    fn text_from_outside_cannot_move_the_cursor() {
        assert_eq!(printable("a\x1b[2Jb\nsecond"), "a[2Jb");
    }
}
