//! The last lines that plugins said, for `agentd plugin logs`.
//!
//! Kept in memory alone, so many and no more: the daemon's own log has all of them. A line is given to whoever asks;
//! nobody is waited for.

use agentd_plugin::wit::log::Level;
use serde::Serialize;
use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio::sync::watch;

const LINES: usize = 2_000;
/// Below the limit of a request.
const WAIT: Duration = Duration::from_secs(20);

/// One line of a plugin's log, its output or its standard error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Line {
    /// Grows by one with each line, from 1.
    pub(crate) id: u64,
    /// Milliseconds since 1970.
    pub(crate) at: i64,
    pub(crate) plugin: String,
    pub(crate) entry: String,
    pub(crate) level: &'static str,
    pub(crate) message: String,
    pub(crate) fields: String,
}

pub(crate) struct PluginLog {
    lines: Mutex<VecDeque<Line>>,
    newest: watch::Sender<u64>,
}

impl Default for PluginLog {
    fn default() -> PluginLog {
        PluginLog { lines: Mutex::default(), newest: watch::Sender::new(0) }
    }
}

/// The contract's word.
pub(crate) fn word(level: Level) -> &'static str {
    match level {
        Level::Debug => "debug",
        Level::Info => "info",
        Level::Warn => "warn",
        Level::Error => "error",
    }
}

impl PluginLog {
    pub(crate) fn add(&self, at: i64, plugin: &str, entry: &str, level: Level, message: &str, fields: &str) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let id = *self.newest.borrow() + 1;
        if lines.len() >= LINES {
            lines.pop_front();
        }
        lines.push_back(Line {
            id,
            at,
            plugin: plugin.into(),
            entry: entry.into(),
            level: word(level),
            message: message.into(),
            fields: fields.into(),
        });
        self.newest.send_replace(id);
    }

    /// The lines after a number, of one plugin or of all; with `wait`, as soon as there is one, and empty after 20 s.
    pub(crate) async fn after(&self, after: u64, plugin: Option<&str>, wait: bool) -> Vec<Line> {
        let mut newest = self.newest.subscribe();
        let found = async {
            loop {
                newest.borrow_and_update();
                let found = self.kept(after, plugin);
                if !wait || !found.is_empty() || newest.changed().await.is_err() {
                    return found;
                }
            }
        };
        tokio::time::timeout(WAIT, found).await.unwrap_or_default()
    }

    fn kept(&self, after: u64, plugin: Option<&str>) -> Vec<Line> {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = |it: &&Line| it.id > after && plugin.is_none_or(|name| it.plugin == name);
        lines.iter().filter(wanted).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn say(log: &PluginLog, plugin: &str, message: &str) {
        log.add(0, plugin, "entry", Level::Info, message, "");
    }

    fn messages(lines: &[Line]) -> String {
        lines.iter().map(|it| format!("{} {}", it.id, it.message)).collect::<Vec<_>>().join(", ")
    }

    #[tokio::test]
    async fn the_last_lines_are_kept_and_found_by_number_and_plugin() {
        let log = PluginLog::default();
        for number in 1..=2_002 {
            say(&log, if number % 2 == 0 { "even" } else { "odd" }, "line");
        }
        say(&log, "odd", "last");
        let all = log.after(0, None, false).await;
        assert_eq!((all.len(), all[0].id, all[LINES - 1].id), (2_000, 4, 2_003));
        assert_eq!(messages(&log.after(2_000, Some("odd"), false).await), "2001 line, 2003 last");
        assert_eq!(messages(&log.after(2_003, None, false).await), "");
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_hears_of_the_next_line_of_the_plugin_and_of_no_other() {
        let log = PluginLog::default();
        say(&log, "loud", "first");
        let waiting = log.after(1, Some("quiet"), true);
        let talking = async {
            say(&log, "loud", "second");
            tokio::task::yield_now().await;
            say(&log, "quiet", "at last");
        };
        let (heard, ()) = tokio::join!(waiting, talking);
        assert_eq!(messages(&heard), "3 at last");
        assert!(log.after(3, None, true).await.is_empty(), "nobody waits for ever");
    }
}
