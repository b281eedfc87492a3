//! What the program says, and what its end means.
//!
//! Each line of standard output is a message, each line of standard error a notice; blank lines are nothing. The answer
//! is what it said last. All of it depends on the lines alone, and not on how they come in calls.

use agentd_sdk::agent::terminal;
use agentd_sdk::agent::{Conclusion, Event, Exit, Happening, Line, Message, Notice, Outcome, Started, Weight};

/// How much of a line becomes an event, in bytes: the host cuts there too, and this saves copying.
const LINE_BYTES: usize = 256 << 10;

/// How much of what was said last becomes the answer, in bytes.
const ANSWER_BYTES: usize = 4 << 10;

/// What a run has said up to now, as far as its end needs it.
pub(crate) struct Output {
    session: Option<String>,
    started: bool,
    stdout: Tail,
    stderr: Tail,
}

impl Output {
    pub(crate) fn new(session: Option<String>) -> Output {
        Output { session, started: false, stdout: Tail::default(), stderr: Tail::default() }
    }

    /// Reads one line.
    pub(crate) fn line(&mut self, line: Line, events: &mut Vec<Event>) {
        self.start(events);
        let (start, cut) = beginning(&line.text, LINE_BYTES);
        let text = terminal::plain(start);
        let tail = if line.stderr { &mut self.stderr } else { &mut self.stdout };
        tail.add(&text);
        if text.trim().is_empty() {
            return;
        }
        let text = if cut || line.cut { format!("{text}… (cut)") } else { text };
        events.push(Event::from(if line.stderr {
            Happening::Notice(Notice { weight: Weight::Info, code: "stderr".into(), text, extra: vec![] })
        } else {
            Happening::Message(Message { text, ..Message::default() })
        }));
    }

    /// Judges the end.
    pub(crate) fn conclude(&mut self, exit: &Exit) -> Conclusion {
        let mut events = vec![];
        self.start(&mut events);
        let (outcome, answer) = self.verdict(exit);
        Conclusion { outcome, answer, session: self.session.clone(), events, extra: vec![] }
    }

    /// The program has begun: said once, before anything else.
    fn start(&mut self, events: &mut Vec<Event>) {
        if !self.started {
            self.started = true;
            let started = Started { session: self.session.clone(), ..Started::default() };
            events.push(Event::from(Happening::Started(started)));
        }
    }

    fn verdict(&self, exit: &Exit) -> (Outcome, String) {
        let said = [&self.stdout, &self.stderr].into_iter().find(|tail| !tail.is_blank()).map(Tail::text);
        match (exit.cause.as_str(), exit.code) {
            ("exited" | "finished", Some(0)) => match said {
                Some(answer) => (Outcome::Completed, answer),
                None => (Outcome::Empty, "The program ended with exit code 0 and said nothing.".into()),
            },
            ("exited" | "finished", Some(code)) => {
                (Outcome::Failed, self.explained(exit, &format!("The program ended with exit code {code}")))
            }
            ("exited" | "finished", None) => {
                (Outcome::Failed, self.explained(exit, "The program ended without an exit code"))
            }
            ("start", _) => (Outcome::Misconfigured, self.explained(exit, "The program could not be started")),
            ("stopped", _) => (Outcome::Interrupted, "A person stopped the program.".into()),
            ("interrupted", _) => (Outcome::Interrupted, "The program was interrupted.".into()),
            ("budget", _) => (Outcome::Budget, "The program was stopped at its budget.".into()),
            ("timeout", _) => (Outcome::Failed, self.explained(exit, "The program took too long")),
            ("idle", _) => (Outcome::Failed, self.explained(exit, "The program said nothing for too long")),
            ("memory", _) => (Outcome::Failed, self.explained(exit, "The program used too much memory")),
            ("disk", _) => (Outcome::Failed, self.explained(exit, "The program used too much disk space")),
            (cause, _) => (Outcome::Failed, self.explained(exit, &format!("The program was ended ({cause})"))),
        }
    }

    /// What happened, and what the program said of it: the end of its standard error, else of its output.
    fn explained(&self, exit: &Exit, what: &str) -> String {
        let mut reported = Tail::default();
        exit.stderr.lines().for_each(|line| reported.add(&terminal::plain(line)));
        match [&self.stderr, &reported, &self.stdout].into_iter().find(|tail| !tail.is_blank()) {
            Some(tail) => format!("{what}:\n{}", tail.text()),
            None => format!("{what}, and said nothing."),
        }
    }
}

/// The last lines of a stream, as many as fit into an answer.
#[derive(Default)]
struct Tail(String);

impl Tail {
    fn add(&mut self, line: &str) {
        self.0.push_str(line);
        self.0.push('\n');
        // Cut rarely, so that a long run does not copy the tail for each line.
        if self.0.len() > 4 * ANSWER_BYTES {
            self.0 = end(&self.0, 2 * ANSWER_BYTES).to_owned();
        }
    }

    fn is_blank(&self) -> bool {
        self.0.trim().is_empty()
    }

    /// Whole lines where there are any; the end of a line that is too long for that.
    fn text(&self) -> String {
        let text = self.0.trim_end();
        if text.len() <= ANSWER_BYTES {
            return text.trim_start_matches('\n').to_owned();
        }
        let end = end(text, ANSWER_BYTES);
        let whole = end.split_once('\n').map(|(_, rest)| rest).filter(|rest| !rest.trim().is_empty());
        whole.unwrap_or(end).trim_start_matches('\n').to_owned()
    }
}

/// The last bytes, from the beginning of a character on.
fn end(text: &str, bytes: usize) -> &str {
    &text[text.ceil_char_boundary(text.len().saturating_sub(bytes))..]
}

/// The first bytes up to the end of a character, and whether something was cut off.
fn beginning(text: &str, bytes: usize) -> (&str, bool) {
    let at = text.floor_char_boundary(bytes);
    (&text[..at], at < text.len())
}

#[cfg(test)]
mod tests;
