//! Reads the usage out of an answer while it passes by.
//!
//! The meter sees a copy and never holds an answer up. It understands what it knows and skips the rest: an answer that
//! it cannot read is an answer without usage, and is estimated. Its memory is bounded, and nothing depends on where the
//! answer was cut into pieces.

use crate::{FaultKind, Usage, account::Shape};
use events::Events;
use serde_json::Value;

mod events;

/// The longest event, or whole answer, that is read. Longer ones pass by unread.
const READ_MAX: usize = 16 << 20;

/// Watches one answer.
pub(crate) struct Meter {
    shape: Shape,
    form: Form,
    reading: Reading,
}

/// How the answer comes.
enum Form {
    Stream(Events),
    /// All that came; none: it was too much.
    Whole(Option<Vec<u8>>),
}

/// What an answer has told of itself so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) usage: Usage,
    /// Of the tokens written to the cache, those that stay there for an hour.
    pub(crate) long_cache_write: u64,
    /// The usage is all of it, and not a first word.
    pub(crate) complete: bool,
    /// It came to its proper end.
    pub(crate) ended: bool,
    pub(crate) model: Option<String>,
    /// It began well, and then told an error.
    pub(crate) problem: Option<(FaultKind, String)>,
    pub(crate) bytes: u64,
}

impl Meter {
    /// `stream`: the answer is a stream of events.
    pub(crate) fn new(shape: Shape, stream: bool) -> Meter {
        let form = if stream { Form::Stream(Events::new(READ_MAX)) } else { Form::Whole(Some(Vec::new())) };
        Meter { shape, form, reading: Reading::default() }
    }

    /// The next piece of the answer.
    pub(crate) fn take(&mut self, piece: &[u8]) {
        self.reading.bytes += piece.len() as u64;
        let (shape, reading) = (self.shape, &mut self.reading);
        match &mut self.form {
            Form::Stream(events) => events.take(piece, &mut |data| read_event(shape, data, reading)),
            Form::Whole(Some(body)) if body.len() + piece.len() <= READ_MAX => body.extend_from_slice(piece),
            Form::Whole(body) => *body = None,
        }
    }

    /// What is known so far.
    pub(crate) fn reading(&self) -> &Reading {
        &self.reading
    }

    /// What is known at the end. `whole`: the answer ended by itself.
    pub(crate) fn finish(mut self, whole: bool) -> Reading {
        let (shape, reading) = (self.shape, &mut self.reading);
        match self.form {
            Form::Stream(mut events) => {
                events.end(&mut |data| read_event(shape, data, reading));
                // Chat streams of many providers end without a word.
                reading.ended |= whole && shape == Shape::Chat;
            }
            Form::Whole(body) => {
                match body.and_then(|body| serde_json::from_slice(&body).ok()) {
                    // Gemini streams a list where nobody asks for events.
                    Some(Value::Array(parts)) => parts.iter().for_each(|it| read_whole(shape, it, reading)),
                    Some(value) => read_whole(shape, &value, reading),
                    None => {}
                }
                reading.ended = whole;
            }
        }
        self.reading
    }
}

fn read_event(shape: Shape, data: &[u8], reading: &mut Reading) {
    if data == b"[DONE]" {
        reading.ended = true;
        return;
    }
    let Ok(event) = serde_json::from_slice::<Value>(data) else { return };
    match (shape, event["type"].as_str().unwrap_or_default()) {
        (Shape::Messages, "message_start") => {
            note_model(&event["message"]["model"], reading);
            note_messages_usage(&event["message"]["usage"], reading);
        }
        (Shape::Messages, "message_delta") => {
            note_messages_usage(&event["usage"], reading);
            reading.complete |= event["usage"]["output_tokens"].is_u64();
        }
        (Shape::Messages, "message_stop") => reading.ended = true,
        (Shape::Responses, "response.completed" | "response.incomplete" | "response.failed" | "response.done") => {
            read_whole(shape, &event["response"], reading);
            reading.ended = true;
        }
        (Shape::Responses, "error") if !event["error"].is_object() => note_problem(&event, reading),
        (_, "error") => note_problem(&event["error"], reading),
        (Shape::Chat | Shape::Generate, _) => read_whole(shape, &event, reading),
        (Shape::Messages | Shape::Responses, _) => {}
    }
}

/// A whole answer; in a chat and of Gemini, a piece of one, which looks the same as far as usage goes.
fn read_whole(shape: Shape, answer: &Value, reading: &mut Reading) {
    if shape == Shape::Generate {
        note_model(&answer["modelVersion"], reading);
        note_generated(answer, reading);
    }
    note_model(&answer["model"], reading);
    let usage = &answer["usage"];
    if usage.is_object() {
        match shape {
            Shape::Messages => {
                note_messages_usage(usage, reading);
                reading.complete |= usage["output_tokens"].is_u64();
            }
            Shape::Responses => note_openai_usage(usage, "input_tokens", "output_tokens", reading),
            Shape::Chat => note_openai_usage(usage, "prompt_tokens", "completion_tokens", reading),
            Shape::Generate => {}
        }
    }
    if answer["error"].is_object() {
        note_problem(&answer["error"], reading);
    }
}

fn note_model(model: &Value, reading: &mut Reading) {
    if let Some(model) = model.as_str().filter(|it| !it.is_empty()) {
        reading.model = Some(model.chars().take(200).collect());
    }
}

/// Counts are totals, and what is not told again stays.
fn note_messages_usage(usage: &Value, reading: &mut Reading) {
    let set = |count: &mut u64, name: &str| {
        if let Some(told) = usage[name].as_u64() {
            *count = told;
        }
    };
    set(&mut reading.usage.input, "input_tokens");
    set(&mut reading.usage.output, "output_tokens");
    set(&mut reading.usage.cache_read, "cache_read_input_tokens");
    set(&mut reading.usage.cache_write, "cache_creation_input_tokens");
    if let Some(steps) = usage["iterations"].as_array() {
        // A call that also sums up its conversation is billed for all of its steps, and counts only the last ones.
        let raise = |count: &mut u64, name: &str| {
            let told = steps.iter().filter_map(|it| it[name].as_u64());
            *count = told.fold(0, u64::saturating_add).max(*count);
        };
        raise(&mut reading.usage.input, "input_tokens");
        raise(&mut reading.usage.output, "output_tokens");
        raise(&mut reading.usage.cache_read, "cache_read_input_tokens");
        raise(&mut reading.usage.cache_write, "cache_creation_input_tokens");
    }
    if let Some(long) = usage["cache_creation"]["ephemeral_1h_input_tokens"].as_u64() {
        reading.long_cache_write = long;
    }
}

/// The input includes what came from the cache and what was written to it.
fn note_openai_usage(usage: &Value, input: &str, output: &str, reading: &mut Reading) {
    let count = |value: &Value| value.as_u64().unwrap_or_default();
    let details = &usage[format!("{input}_details")];
    let all = count(&usage[input]);
    let cache_read = count(&details["cached_tokens"]).min(all);
    let kept = ["cache_write_tokens", "cache_creation_tokens"].map(|name| count(&details[name]));
    let cache_write = kept.into_iter().max().unwrap_or_default().min(all - cache_read);
    // Some providers count thinking in the total alone.
    let written = count(&usage[output]).max(count(&usage["total_tokens"]).saturating_sub(all));
    reading.usage = Usage { input: all - cache_read - cache_write, output: written, cache_read, cache_write };
    reading.complete = usage[input].is_u64() && usage[output].is_u64();
}

/// Gemini's pieces tell totals, each with those of the pieces before; the piece that says why it ended has the last word.
fn note_generated(answer: &Value, reading: &mut Reading) {
    let blocked = answer["promptFeedback"]["blockReason"].is_string();
    let finished =
        answer["candidates"].as_array().is_some_and(|all| all.iter().any(|it| it["finishReason"].is_string()));
    reading.ended |= blocked || finished;
    let usage = &answer["usageMetadata"];
    if !usage.is_object() {
        return;
    }
    let count = |name: &str| usage[name].as_u64().unwrap_or_default();
    let all = count("promptTokenCount").saturating_add(count("toolUsePromptTokenCount"));
    let cache_read = count("cachedContentTokenCount").min(all);
    let written = count("candidatesTokenCount").saturating_add(count("thoughtsTokenCount"));
    let output = written.max(count("totalTokenCount").saturating_sub(all));
    reading.usage = Usage { input: all - cache_read, output, cache_read, cache_write: 0 };
    reading.complete = reading.ended && usage["promptTokenCount"].is_u64();
}

fn note_problem(error: &Value, reading: &mut Reading) {
    let words = [&error["code"], &error["type"], &error["status"]].into_iter().filter_map(Value::as_str);
    let kinds = words.map(FaultKind::of_word);
    let kind = kinds.reduce(|a, b| if a == FaultKind::Error { b } else { a }).unwrap_or(FaultKind::Error);
    let text = message(error).unwrap_or_else(|| "it does not say why".into());
    reading.problem = Some((kind, text));
}

/// The words of a provider's error, as far as a person wants to read them.
pub(crate) fn message(error: &Value) -> Option<String> {
    let text = error["message"].as_str().or_else(|| error.as_str())?;
    let clean: String = text.chars().map(|it| if it.is_control() { ' ' } else { it }).take(300).collect();
    (!clean.trim().is_empty()).then(|| clean.trim().to_owned())
}

#[cfg(test)]
mod tests;
