//! JSON objects from an agent's lines, whatever happened to the lines on the way.
//!
//! Agents that speak JSON write one object a line, mostly. What is recovered besides:
//!
//! - several objects on one line, and an object after a banner or between colours;
//! - an event written into the middle of another one, whose rest then stands on a later line: both are given, the inner
//!   one first;
//! - the beginning of an object that was cut off, as far as it came (`whole` is false).
//!
//! Everything else is text. Nothing here traps, and everything depends on the lines alone.

use super::terminal;
use serde_json::{Deserializer, Map, Value};

/// A JSON object.
pub type Object = Map<String, Value>;

/// What a line holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Piece {
    /// A JSON object.
    Object {
        object: Object,
        /// It came to its end; else its last text may be cut, and what would have followed is missing.
        whole: bool,
    },
    /// Something that is no JSON object.
    Text(String),
}

/// How many lines may come between the two halves of an object.
const PATIENCE: u32 = 16;
/// How long an object that comes in pieces may be, in bytes.
const JOINED_BYTES: usize = 32 << 20;
/// How many events inside of others are looked for in a line.
const SPLICES: usize = 8;
/// How many beginnings are tried when an object has to be found in the midst of a line.
const TRIES: usize = 64;

/// Reads an agent's standard output, line by line.
#[derive(Debug)]
pub struct JsonLines {
    /// Whether the agent's lines are of such a `type`.
    is_event: fn(&str) -> bool,
    /// The first part of an object whose rest may stand on one of the next lines.
    begun: Option<String>,
    /// How many lines it has been waited for.
    waited: u32,
}

impl Default for JsonLines {
    /// Any object that has a `type` may be a line.
    fn default() -> JsonLines {
        JsonLines::of(|_| true)
    }
}

impl JsonLines {
    /// For lines of these types: where lines were broken into one another, it tells lines from parts of lines.
    #[must_use]
    pub fn of(is_event: fn(&str) -> bool) -> JsonLines {
        JsonLines { is_event, begun: None, waited: 0 }
    }

    /// The pieces of the next line; `cut`: its end is lost.
    pub fn line(&mut self, line: &str, cut: bool) -> Vec<Piece> {
        let stripped;
        let line = if line.contains(|it: char| it.is_control() && it != '\t') {
            stripped = terminal::stripped(line);
            &stripped
        } else {
            line
        };
        if is_blank(line) {
            return vec![];
        }
        let own = scan(line, self.is_event);
        let mut pieces = vec![];
        if let Some(begun) = self.begun.take() {
            self.waited += 1;
            if own.is_clean() && self.waited < PATIENCE {
                self.begun = Some(begun);
                return own.pieces;
            }
            if !own.is_clean() && begun.len() + line.len() <= JOINED_BYTES {
                let joined = scan(&(begun.clone() + line), self.is_event);
                if joined.pieces.iter().all(|piece| matches!(piece, Piece::Object { .. })) {
                    pieces = joined.pieces;
                    self.keep(joined.rest, cut, &mut pieces);
                    return pieces;
                }
            }
            pieces.push(beginning(begun));
        }
        self.waited = 0;
        pieces.extend(own.pieces);
        self.keep(own.rest, cut, &mut pieces);
        pieces
    }

    /// What was still waited for at the end of the output.
    pub fn end(&mut self) -> Vec<Piece> {
        self.begun.take().map(beginning).into_iter().collect()
    }

    fn keep(&mut self, rest: Option<String>, cut: bool, pieces: &mut Vec<Piece>) {
        match rest {
            Some(rest) if cut || self.waited >= PATIENCE => pieces.push(beginning(rest)),
            rest => self.begun = rest,
        }
    }
}

/// What one line gives by itself.
struct Scan {
    pieces: Vec<Piece>,
    /// The beginning of an object that does not end on this line.
    rest: Option<String>,
}

impl Scan {
    /// Nothing but objects: the rest of another one has an end more than beginnings.
    fn is_clean(&self) -> bool {
        self.rest.is_none() && self.pieces.iter().all(|piece| matches!(piece, Piece::Object { .. }))
    }
}

fn scan(line: &str, is_event: fn(&str) -> bool) -> Scan {
    let is_event = |object: &Object| object.get("type").and_then(Value::as_str).is_some_and(is_event);
    let mut text = line.to_owned();
    let (mut pieces, mut at, mut spliced) = (vec![], 0, 0);
    while let Some(start) = text[at..].find('{').map(|found| at + found) {
        let first = is_blank(&text[at..start]);
        match parse(&text[start..]) {
            Ok((object, length)) if is_event(&object) || (first && is_blank(&text[start + length..])) => {
                push_text(&mut pieces, &text[at..start]);
                pieces.push(Piece::Object { object, whole: true });
                at = start + length;
            }
            Err(error) if first && error.is_eof() => {
                // What ends where the line does was written into it, and ended the line.
                if let Some((inner, begin)) = last_event(&text, start + 1, is_event) {
                    pieces.push(Piece::Object { object: inner, whole: true });
                    text.truncate(begin);
                }
                return Scan { pieces, rest: Some(text.split_off(start)) };
            }
            Err(error) if first && spliced < SPLICES && error.line() == 1 => {
                let Some((inner, begin, end)) = splice(&text, start, start + error.column(), is_event) else { break };
                pieces.push(Piece::Object { object: inner, whole: true });
                text.replace_range(begin..end, "");
                spliced += 1;
            }
            Ok(_) | Err(_) => break,
        }
    }
    if let Some((object, start)) = last_event(&text, at, is_event) {
        push_text(&mut pieces, &text[at..start]);
        pieces.push(Piece::Object { object, whole: true });
    } else {
        push_text(&mut pieces, &text[at..]);
    }
    Scan { pieces, rest: None }
}

fn parse(text: &str) -> Result<(Object, usize), serde_json::Error> {
    let mut values = Deserializer::from_str(text).into_iter::<Object>();
    match values.next() {
        Some(Ok(object)) => Ok((object, values.byte_offset())),
        Some(Err(error)) => Err(error),
        None => Ok((Map::new(), 0)),
    }
}

/// The event that stands inside of the object at `start`, where parsing that one failed.
///
/// Inside of a text it is met two bytes after its beginning (`{"` ends the text), between two tokens at its beginning,
/// and in the place of a value only at its end.
fn splice(
    text: &str,
    start: usize,
    failed: usize,
    is_event: impl Fn(&Object) -> bool,
) -> Option<(Object, usize, usize)> {
    let event_at = |begin: usize| {
        let (object, length) = text[begin..].starts_with("{\"").then(|| parse(&text[begin..]).ok()).flatten()?;
        is_event(&object).then_some((object, begin, begin + length))
    };
    let mut near = (failed.saturating_sub(4)..=failed).filter(|it| *it > start && text.is_char_boundary(*it));
    if let Some(found) = near.find_map(event_at) {
        return Some(found);
    }
    let before = &text[start + 1..text.floor_char_boundary(failed).max(start + 1)];
    let mut begins = before.rmatch_indices("{\"").map(|(it, _)| start + 1 + it).take(TRIES);
    begins.find_map(|it| event_at(it).filter(|(_, _, end)| end.abs_diff(failed) <= 1))
}

/// An event that ends where the line ends, after something else.
fn last_event(text: &str, from: usize, is_event: impl Fn(&Object) -> bool) -> Option<(Object, usize)> {
    let mut begins = text[from..].rmatch_indices("{\"").map(|(it, _)| from + it).take(TRIES);
    begins.find_map(|begin| {
        let (object, length) = parse(&text[begin..]).ok()?;
        (is_event(&object) && is_blank(&text[begin + length..])).then_some((object, begin))
    })
}

/// What can be had of an object that does not end: its complete parts, and as much as there is of its last text.
fn beginning(text: String) -> Piece {
    match closed(&text).and_then(|closed| serde_json::from_str(&closed).ok()) {
        Some(object) if object != Object::new() => Piece::Object { object, whole: false },
        _ => Piece::Text(text),
    }
}

/// The text with the ends that it lacks.
fn closed(text: &str) -> Option<String> {
    let mut open = vec![];
    // Up to `good` it can be closed. A text that begins after it is a value, or the name of one.
    let (mut good, mut value) = (0, false);
    let (mut quoted, mut escaped, mut escape) = (false, false, 0);
    for (at, byte) in text.bytes().enumerate() {
        match (quoted, byte) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => (escaped, escape) = (true, at),
            (true, b'"') => quoted = false,
            (true, _) => (),
            (false, b'"') => quoted = true,
            (false, b'{' | b'[') => {
                open.push(if byte == b'{' { '}' } else { ']' });
                (good, value) = (at + 1, byte == b'[');
            }
            (false, b'}' | b']') => {
                open.pop()?;
                good = at + 1;
            }
            (false, b',') => (good, value) = (at, open.last() == Some(&']')),
            (false, b':') => value = true,
            (false, _) => (),
        }
    }
    // The longest escape has six bytes; one that begins in the last five may lack some.
    let end = if escape > 0 && text.len() - escape < 6 { escape } else { text.len() };
    let mut closed = if quoted && value { format!("{}\"", &text[..end]) } else { text[..good].to_owned() };
    closed.extend(open.iter().rev());
    Some(closed)
}

fn push_text(pieces: &mut Vec<Piece>, text: &str) {
    if !is_blank(text) {
        pieces.push(Piece::Text(text.trim().to_owned()));
    }
}

fn is_blank(text: &str) -> bool {
    text.trim_matches('\u{feff}').trim().is_empty()
}

#[cfg(test)]
mod tests;
