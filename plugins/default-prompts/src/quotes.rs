//! Other people's words, on their way through a template and out again as quotes.
//!
//! A template never gets such words: it gets a mark that stands for them. Where the mark comes out of the template, the
//! text is cut, and the quote put in. So whatever a template does, and whatever the words are, they cannot become the
//! template's own. A mark that a template has damaged (by cutting a string in the middle) is an error, not a leak.

use agentd_sdk::prompt_template::{Part, Person, Quote};
use minijinja::value::{Object, ObjectRepr, Value};
use std::fmt;
use std::sync::Arc;

/// A mark is a number between these two, which are in no script and in no keyboard's reach.
const OPEN: char = '\u{f8f0}';
const CLOSE: char = '\u{f8f1}';

/// How long a quote's label may get, in characters.
const LABEL: usize = 200;

/// The quotes that a request can make.
#[derive(Default)]
pub(crate) struct Quotes(Vec<Quote>);

/// A template did something to a mark that cannot be done to other people's words.
#[derive(Debug, PartialEq)]
pub(crate) struct Damaged;

impl Quotes {
    /// Takes words, and gives what stands for them in a template: false and nothing where they are empty.
    pub(crate) fn add(&mut self, label: &str, author: Option<Person>, text: &str) -> Value {
        let label = trusted_line(label).chars().take(LABEL).collect();
        self.0.push(Quote { label, author, text: text.to_owned(), extra: vec![] });
        Value::from_object(Mark { number: self.0.len() - 1, empty: text.trim().is_empty() })
    }

    /// Cuts a template's text at the marks: texts and quotes, in their order.
    pub(crate) fn parts(&self, text: &str) -> Result<Vec<Part>, Damaged> {
        let mut parts = vec![];
        let mut pieces = text.split(OPEN);
        push_text(&mut parts, pieces.next().unwrap_or_default())?;
        for piece in pieces {
            let (number, rest) = piece.split_once(CLOSE).ok_or(Damaged)?;
            let quote = number.parse::<usize>().ok().and_then(|number| self.0.get(number)).ok_or(Damaged)?;
            parts.push(Part::Quote(quote.clone()));
            push_text(&mut parts, rest)?;
        }
        Ok(parts)
    }
}

/// A text of one line from outside that may be a template's own: a branch, a command, a file's name.
pub(crate) fn trusted_line(text: &str) -> String {
    trusted(text).chars().map(|it| if it.is_control() { ' ' } else { it }).collect()
}

/// A text that may be a template's own, so that it cannot pass for a mark.
pub(crate) fn trusted(text: &str) -> String {
    text.replace([OPEN, CLOSE], "")
}

/// Adds a text without the blank lines around and inside of it that tags left behind. A text without a word is what
/// stood around a mark (a full stop, a dash), and means nothing.
fn push_text(parts: &mut Vec<Part>, text: &str) -> Result<(), Damaged> {
    if text.contains(CLOSE) {
        return Err(Damaged);
    }
    if !text.contains(char::is_alphanumeric) {
        return Ok(());
    }
    let mut lines: Vec<&str> = text.trim().lines().map(str::trim_end).collect();
    lines.dedup_by(|next, line| next.is_empty() && line.is_empty());
    parts.push(Part::Text(lines.join("\n")));
    Ok(())
}

/// What stands for words in a template. It can be asked whether there are any, and it can be printed.
struct Mark {
    number: usize,
    empty: bool,
}

impl Object for Mark {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn is_true(self: &Arc<Self>) -> bool {
        !self.empty
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl fmt::Debug for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.empty { Ok(()) } else { write!(f, "{OPEN}{}{CLOSE}", self.number) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Parts in one line each.
    fn shown(parts: &[Part]) -> Vec<String> {
        let part = |part: &Part| match part {
            Part::Text(text) => format!("text {text}"),
            Part::Quote(quote) => format!("quote {}: {}", quote.label, quote.text),
        };
        parts.iter().map(part).collect()
    }

    #[track_caller]
    fn check(text: &str, expected: Result<&[&str], Damaged>) {
        let mut quotes = Quotes::default();
        let marks = ["One", "Two"].map(|text| quotes.add("title", None, text).to_string());
        let text = text.replace("<1>", &marks[0]).replace("<2>", &marks[1]);
        let parts = quotes.parts(&text).map(|parts| shown(&parts));
        assert_eq!(parts, expected.map(|parts| parts.iter().map(|it| (*it).to_owned()).collect()));
    }

    #[test]
    fn marks_cut_the_text() {
        check("no marks", Ok(&["text no marks"]));
        check(
            "before <1> between\n\n\n\nlines <2>",
            Ok(&["text before", "quote title: One", "text between\n\nlines", "quote title: Two"]),
        );
        check("<2><1><2>", Ok(&["quote title: Two", "quote title: One", "quote title: Two"]));
        check("- <1>.\n```\n<2>\n```\n", Ok(&["quote title: One", "quote title: Two"]));
        check("", Ok(&[]));
    }

    #[test]
    fn a_damaged_mark_is_an_error() {
        check(&format!("{OPEN}1"), Err(Damaged));
        check(&format!("1{CLOSE}"), Err(Damaged));
        check(&format!("{OPEN}7{CLOSE}"), Err(Damaged));
        check(&format!("{OPEN}x{CLOSE}"), Err(Damaged));
        check(&format!("{CLOSE}1{OPEN}"), Err(Damaged));
    }

    #[test]
    fn empty_words_are_false_and_leave_nothing() {
        let mut quotes = Quotes::default();
        let empty = quotes.add("body", None, " \n");
        assert_eq!((empty.is_true(), empty.to_string()), (false, String::new()));
        assert!(quotes.add("body", None, "text").is_true());
    }

    #[test]
    fn nothing_from_outside_can_pass_for_a_mark() {
        let mut quotes = Quotes::default();
        let mark = quotes.add("title", None, "words").to_string();
        assert_eq!(trusted_line(&format!("a{mark}\nb")), "a0 b");
        assert_eq!(trusted(&format!("a{mark}\nb")), "a0\nb");
    }

    #[test]
    fn labels_are_one_short_line() {
        let mut quotes = Quotes::default();
        quotes.add(&format!("check \"x\n{}\"", "y".repeat(500)), None, "words");
        assert_eq!(quotes.0[0].label.chars().count(), LABEL);
        assert!(quotes.0[0].label.starts_with("check \"x yyy"));
    }
}
