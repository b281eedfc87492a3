//! What a command prints: tables, records, lines; or the same as JSON, one object a line.
//!
//! Text from outside (titles, messages, diffs) loses its control characters on the way to a person's terminal: it must
//! not be able to move the cursor, change the colours or hide what it says. JSON is left as it is: it escapes them.

use super::exit::Error;
use serde::Serialize;
use std::{
    fmt::Write as _,
    io::{IsTerminal, Write},
    time::Duration,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Color {
    Auto,
    Always,
    Never,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Paint {
    Bold,
    Dim,
    Red,
    Green,
    Yellow,
}

/// Where a command prints to.
pub(crate) struct Out {
    target: Box<dyn Write + Send>,
    pub(crate) json: bool,
    color: bool,
}

impl Out {
    pub(crate) fn stdout(json: bool, color: Color) -> Out {
        let auto = || std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|it| it.is_empty());
        let color = match color {
            Color::Auto => auto(),
            Color::Always => true,
            Color::Never => false,
        };
        Out { target: Box::new(std::io::stdout()), json, color }
    }

    #[cfg(test)]
    pub(crate) fn to(target: Box<dyn Write + Send>, json: bool) -> Out {
        Out { target, json, color: false }
    }

    /// One line for people.
    pub(crate) fn line(&mut self, text: &str) -> Result<(), Error> {
        writeln!(self.target, "{text}")?;
        Ok(self.target.flush()?)
    }

    /// One JSON object on a line of its own.
    pub(crate) fn object(&mut self, value: &impl Serialize) -> Result<(), Error> {
        serde_json::to_writer(&mut self.target, value)?;
        self.line("")
    }

    /// The object for `--json`, else the lines for people.
    pub(crate) fn either(&mut self, value: &impl Serialize, lines: impl FnOnce(&Out) -> String) -> Result<(), Error> {
        if self.json {
            return self.object(value);
        }
        let text = lines(self);
        let text = text.trim_end_matches('\n');
        if text.is_empty() { Ok(()) } else { self.line(text) }
    }

    pub(crate) fn paint(&self, paint: Paint, text: &str) -> String {
        let code = match paint {
            Paint::Bold => 1,
            Paint::Dim => 2,
            Paint::Red => 31,
            Paint::Green => 32,
            Paint::Yellow => 33,
        };
        if self.color && !text.is_empty() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// Columns under their heads. `no rows` is said in words.
    pub(crate) fn table(&self, heads: &[&str], rows: &[Vec<String>], none: &str) -> String {
        if rows.is_empty() {
            return none.to_owned();
        }
        let width = |column: usize| {
            let cells = rows.iter().map(|row| row[column].chars().count());
            cells.chain([heads[column].chars().count()]).max().unwrap_or_default()
        };
        let widths: Vec<usize> = (0..heads.len()).map(width).collect();
        let mut text = String::new();
        let head: Vec<String> = heads.iter().map(|it| (*it).to_owned()).collect();
        text.push_str(&self.paint(Paint::Dim, &row_text(&head, &widths)));
        for row in rows {
            text.push('\n');
            text.push_str(&row_text(row, &widths));
        }
        text
    }

    /// `name: value` lines, without those that have no value.
    pub(crate) fn record(&self, pairs: &[(&str, Option<String>)]) -> String {
        let width = pairs.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
        let mut text = String::new();
        for (name, value) in pairs {
            if let Some(value) = value {
                let name = self.paint(Paint::Dim, &format!("{name:<width$}"));
                // Writing to a String does not fail.
                writeln!(text, "{name}  {value}").ok();
            }
        }
        text
    }
}

fn row_text(cells: &[String], widths: &[usize]) -> String {
    let mut line = String::new();
    for (cell, width) in cells.iter().zip(widths) {
        line.push_str(cell);
        line.extend(std::iter::repeat_n(' ', width + 2 - cell.chars().count().min(*width)));
    }
    line.trim_end().to_owned()
}

/// Text from outside as one line without control characters, and not longer than `most` characters.
pub(crate) fn one_line(text: &str, most: usize) -> String {
    let clean: String = text.chars().map(|it| if is_plain(it) { it } else { ' ' }).collect();
    let clean = clean.split_whitespace().collect::<Vec<_>>().join(" ");
    if clean.chars().count() <= most {
        return clean;
    }
    clean.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

/// Text from outside with its lines and tabs, and without other control characters.
pub(crate) fn lines_of(text: &str) -> String {
    text.chars().filter(|it| matches!(it, '\n' | '\t') || is_plain(*it)).collect()
}

/// Neither a control character nor one that turns the direction of what follows it, or is not seen at all.
fn is_plain(it: char) -> bool {
    let hidden = matches!(it, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    !it.is_control() && !hidden
}

/// The present, in milliseconds since 1970.
pub(crate) fn now() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// `3m`, `2h 10m`: how long ago it was.
pub(crate) fn age(at: i64, now: i64) -> String {
    let seconds = (now - at).max(0) / 1000;
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match () {
        () if seconds < 60 => format!("{seconds}s"),
        () if minutes < 60 => format!("{minutes}m"),
        () if hours < 24 => format!("{hours}h {}m", minutes % 60),
        () => format!("{days}d {}h", hours % 24),
    }
}

/// `2026-11-20T07:19:03Z`.
pub(crate) fn moment(at: i64) -> String {
    jiff::Timestamp::from_millisecond(at / 1000 * 1000).map_or_else(|_| at.to_string(), |it| it.to_string())
}

/// Says on stderr that something takes long, once it does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Progress {
    pub(crate) quiet: bool,
}

impl Progress {
    /// Does `work`; when it takes longer than a second, `what` is shown beside a spinner, or as a plain line.
    pub(crate) async fn during<T>(self, what: &str, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        if self.quiet {
            return work.await;
        }
        tokio::select! {
            done = &mut work => return done,
            () = tokio::time::sleep(Duration::from_secs(1)) => (),
        }
        if !std::io::stderr().is_terminal() {
            say(&format!("{what} …"));
            return work.await;
        }
        let spinner = indicatif::ProgressBar::new_spinner().with_message(what.to_owned());
        spinner.enable_steady_tick(Duration::from_millis(120));
        let done = work.await;
        spinner.finish_and_clear();
        done
    }
}

/// One line on stderr, for people. Where nobody reads it, nothing is lost.
pub(crate) fn say(text: &str) {
    writeln!(std::io::stderr(), "{text}").ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_outside_cannot_steer_the_terminal() {
        let hostile = "a\x1b[2Jb\r\nc\u{202e}d\u{9b}31m\u{7}e\tf\u{200b}g";
        assert_eq!(one_line(hostile, 100), "a [2Jb c d 31m e f g");
        assert_eq!(lines_of(hostile), "a[2Jb\ncd31me\tfg");
        assert_eq!(one_line("äöüß", 3), "äö…");
    }

    #[test]
    fn a_table_is_as_wide_as_its_cells() {
        let out = Out::to(Box::new(std::io::sink()), false);
        let rows = [vec!["t-1".to_owned(), "queued".to_owned()], vec!["t-100".to_owned(), "x".to_owned()]];
        insta::assert_snapshot!(out.table(&["task", "state"], &rows, "none"), @r"
        task   state
        t-1    queued
        t-100  x
        ");
        assert_eq!(out.table(&["task"], &[], "no tasks"), "no tasks");
    }

    #[test]
    fn ages_and_moments_are_short() {
        #[track_caller]
        fn check(seconds: i64, text: &str) {
            assert_eq!(age(0, seconds * 1000), text);
        }
        check(-5, "0s");
        check(59, "59s");
        check(61, "1m");
        check(7_860, "2h 11m");
        check(90_000, "1d 1h");
        assert_eq!(moment(1_700_000_000_999), "2023-11-14T22:13:20Z");
    }
}
