//! Other people's text, made fit for messages: what engines, registries, builds and containers say.
//!
//! - Nothing of it is left that a terminal would take for orders, nor what registries sign addresses with.
//! - What it says is never believed: it is shown, and looked through for words that are known.

use super::{DockerExecutor, engine::answer};
use crate::Error;
use bollard::errors::Error as Said;

/// Of what is shown within a sentence, in characters.
const SENTENCE: usize = 500;

impl DockerExecutor {
    /// What the engine says of an image that it was asked for.
    ///
    /// # Errors
    /// If the engine itself is in trouble, and the image is not to blame.
    pub(super) fn engine_words(&self, doing: &'static str, error: Said) -> Result<String, Error> {
        let (Said::DockerResponseServerError { message, .. } | Said::DockerStreamError { error: message }) = error
        else {
            return Err(answer(doing, &self.socket, error).into_error(doing, ""));
        };
        if message.to_ascii_lowercase().contains("no space left") {
            return Err(Error::Engine { doing, what: message });
        }
        Ok(message)
    }
}

/// Text without terminal sequences and control characters.
pub(super) fn clean(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(it) = chars.next() {
        if it == '\u{1b}' && chars.next_if_eq(&'[').is_some() {
            while chars.next().is_some_and(|it| !it.is_ascii_alphabetic()) {}
        } else if it == '\t' || !it.is_control() {
            clean.push(it);
        }
    }
    clean
}

/// The last lines that say something.
pub(super) fn last_lines<'a>(lines: impl Iterator<Item = &'a str>, most: usize) -> String {
    let lines: Vec<_> = lines.map(|it| clean(it).trim_end().to_owned()).filter(|it| !it.is_empty()).collect();
    lines[lines.len().saturating_sub(most)..].join("\n")
}

/// As a part of a sentence: not too much, and without what follows `?` in a URL, for registries sign those.
pub(super) fn sentence(text: &str) -> String {
    let word = |word: &str| match word.split_once('?') {
        Some((url, _)) if url.contains("://") => format!("{}?…", clean(url)),
        _ => clean(word),
    };
    let words: Vec<_> = text.split_whitespace().map(word).collect();
    words.join(" ").chars().take(SENTENCE).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, lines: &str, in_a_sentence: &str) {
        assert_eq!((last_lines(text.lines(), 2).as_str(), sentence(text).as_str()), (lines, in_a_sentence));
    }

    #[test]
    fn other_peoples_text_gives_no_orders_and_no_secrets() {
        check("", "", "");
        check("one\r\n\u{1b}[31mtwo\u{7}\u{1b}[0m\n \r\n", "one\ntwo", "one two");
        check("a\nb\nc\n", "b\nc", "a b c");
        check(
            "Get \"https://cdn/x?sig=hunter2\": EOF",
            "Get \"https://cdn/x?sig=hunter2\": EOF",
            "Get \"https://cdn/x?… EOF",
        );
        check("what?", "what?", "what?");
        assert_eq!(sentence(&"x".repeat(1000)).chars().count(), SENTENCE);
    }
}
