//! What a scripted model says, turn by turn, and how it is told from a conversation which turn is next.

use super::http::{Connection, Gone};
use serde_json::Value;
use std::iter::Sum;

/// One thing that the model does when it is asked.
#[derive(Clone, Debug)]
pub(crate) struct Turn {
    pub(super) kind: Kind,
    pub(super) usage: Usage,
    pub(super) held: bool,
    times: Option<usize>,
    broken: Option<Broken>,
}

#[derive(Clone, Debug)]
pub(super) enum Kind {
    Text(String),
    /// A shell command, by whatever tool the agent offers for that.
    Bash(String),
    /// Any tool, by its name, with its input.
    Tool(String, Value),
    Refusal(String),
    /// Text that ends where the tokens ended.
    MaxTokens(String),
    Status(u16, Vec<(String, String)>),
    /// An error inside of a stream that began well; its kind in Anthropic's words.
    StreamError(String),
    Hang,
}

#[derive(Clone, Copy, Debug)]
enum Broken {
    Stall(usize),
    Cut(usize),
}

/// Tokens. What came from a cache or went into one is no part of `input`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) input: u64,
    pub(crate) output: u64,
    pub(crate) cache_read: u64,
    pub(crate) cache_write: u64,
}

/// What stands of the model's own words in a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    Text(String),
    /// A call of a tool, by the id that this server gave it.
    Call(String),
}

impl Turn {
    /// Says something and is done with it.
    pub(crate) fn text(text: &str) -> Turn {
        Turn::of(Kind::Text(text.into()))
    }

    /// Has a shell command run.
    pub(crate) fn bash(command: &str) -> Turn {
        Turn::of(Kind::Bash(command.into()))
    }

    /// Calls any tool, whether it is there or not.
    pub(crate) fn tool(name: &str, input: Value) -> Turn {
        Turn::of(Kind::Tool(name.into(), input))
    }

    /// Answers with an HTTP status and these headers, and with an error of the provider's form.
    pub(crate) fn status(status: u16, headers: &[(&str, &str)]) -> Turn {
        let headers = headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        Turn::of(Kind::Status(status, headers))
    }

    /// Takes the call and never says anything.
    pub(crate) fn hang() -> Turn {
        Turn::of(Kind::Hang)
    }

    /// Says so many events of a stream and then nothing more, with the connection open.
    pub(crate) fn stall_after(events: usize) -> Turn {
        Turn { broken: Some(Broken::Stall(events)), ..Turn::text("This text is never finished.") }
    }

    /// Says so many events of a stream and breaks the connection.
    pub(crate) fn cut_after(events: usize) -> Turn {
        Turn { broken: Some(Broken::Cut(events)), ..Turn::text("This text is never finished.") }
    }

    /// Ends as a model that does not want to.
    pub(crate) fn refusal() -> Turn {
        Turn::of(Kind::Refusal("I cannot help with that.".into()))
    }

    /// Ends in the middle, for it may not say more.
    pub(crate) fn max_tokens() -> Turn {
        Turn::of(Kind::MaxTokens("This text is longer than".into()))
    }

    /// Begins a stream well and has an error in it: `overloaded_error`, for example.
    pub(crate) fn sse_error(kind: &str) -> Turn {
        Turn::of(Kind::StreamError(kind.into()))
    }

    /// Only so many times; then comes what stands after it. For faults: an answer is over once it is in the history.
    pub(crate) fn times(self, times: usize) -> Turn {
        Turn { times: Some(times), ..self }
    }

    /// Begins, and goes on only after `Model::release`.
    pub(crate) fn held(self) -> Turn {
        Turn { held: true, ..self }
    }

    /// What it costs.
    pub(crate) fn usage(self, usage: Usage) -> Turn {
        Turn { usage, ..self }
    }

    /// The text that comes back in a history, if it does.
    pub(super) fn words(&self) -> Option<&str> {
        match &self.kind {
            Kind::Text(text) | Kind::Refusal(text) | Kind::MaxTokens(text) => Some(text),
            Kind::Bash(_) | Kind::Tool(..) | Kind::Status(..) | Kind::StreamError(_) | Kind::Hang => None,
        }
    }

    /// How many events of so many go out.
    pub(super) fn sent(&self, events: usize) -> usize {
        match self.broken {
            Some(Broken::Stall(sent) | Broken::Cut(sent)) => sent.min(events.saturating_sub(1)),
            None => events,
        }
    }

    /// What comes instead of the rest.
    pub(super) fn broken(&self, connection: &mut Connection) -> Result<(), Gone> {
        match self.broken {
            Some(Broken::Stall(_)) => connection.wait_for_its_end(),
            Some(Broken::Cut(_)) | None => Err(Gone),
        }
    }

    fn of(kind: Kind) -> Turn {
        let usage = Usage { input: 1200, output: 42, cache_read: 0, cache_write: 0 };
        Turn { kind, usage, held: false, times: None, broken: None }
    }

    /// Whether it leaves something in the history, so that it is over then.
    fn is_answer(&self) -> bool {
        let fault = matches!(self.kind, Kind::Status(..) | Kind::StreamError(_) | Kind::Hang);
        !fault && self.broken.is_none()
    }

    /// Whether these words of a history are this turn's.
    fn is(&self, index: usize, said: &Said) -> bool {
        match said {
            Said::Text(text) => self.words().is_some_and(|it| it.trim() == text.trim()),
            Said::Call(id) => *id == call_id(index),
        }
    }
}

/// The id of the call that a turn makes: by it the turn is known again.
pub(super) fn call_id(index: usize) -> String {
    format!("call_turn_{index:03}")
}

/// A text in two pieces, so that whoever puts it together has to.
pub(super) fn halves(text: &str) -> [&str; 2] {
    let (one, other) = text.split_at(text.floor_char_boundary(text.len() / 2));
    [one, other]
}

impl Sum for Usage {
    fn sum<I: Iterator<Item = Usage>>(all: I) -> Usage {
        all.fold(Usage::default(), |sum, it| Usage {
            input: sum.input + it.input,
            output: sum.output + it.output,
            cache_read: sum.cache_read + it.cache_read,
            cache_write: sum.cache_write + it.cache_write,
        })
    }
}

pub(super) struct Script(Vec<Turn>);

impl Script {
    pub(super) fn new(turns: impl IntoIterator<Item = Turn>) -> Script {
        let turns: Vec<Turn> = turns.into_iter().collect();
        assert!(!turns.is_empty(), "a model has to have something to say");
        Script(turns)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn turn(&self, index: usize) -> &Turn {
        &self.0[index]
    }

    /// The turn that comes after what was said. What somebody else put into the model's mouth, as agents do after an
    /// error, counts for nothing.
    pub(super) fn next(&self, said: &[Said], given: &[usize]) -> usize {
        let mut at = 0;
        for words in said {
            let rest = self.0.iter().enumerate().skip(at);
            if let Some((index, _)) = rest.filter(|(_, it)| it.is_answer()).find(|(index, it)| it.is(*index, words)) {
                at = index + 1;
            }
        }
        let over = |index: usize| self.0[index].times.is_some_and(|times| given[index] >= times);
        while at < self.0.len() && over(at) && !self.0[at].is_answer() {
            at += 1;
        }
        at.min(self.0.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(script: &Script, said: &[Said], given: &[usize], expected: usize) {
        assert_eq!(script.next(said, given), expected, "{said:?}, {given:?}");
    }

    #[test]
    fn the_next_turn_follows_from_what_was_said() {
        let overloaded = || Turn::status(529, &[]);
        let script = Script::new([overloaded().times(2), Turn::bash("ls"), Turn::hang().times(1), Turn::text("Done")]);
        let (call, done) = ([Said::Call(call_id(1))], Said::Text("Done\n".into()));
        check(&script, &[], &[0, 0, 0, 0], 0);
        check(&script, &[], &[1, 0, 0, 0], 0);
        check(&script, &[], &[2, 0, 0, 0], 1);
        check(&script, &[], &[2, 7, 0, 0], 1); // asked again, answered again
        check(&script, &call, &[2, 1, 0, 0], 2);
        check(&script, &call, &[2, 1, 1, 0], 3);
        check(&script, &[Said::Text("API Error: 529".into()), call[0].clone()], &[2, 1, 1, 0], 3);
        check(&script, &[call[0].clone(), done], &[2, 1, 1, 1], 3); // the last one is for ever
    }
}
