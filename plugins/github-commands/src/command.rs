//! Reads a comment: whether a line of it is meant for agentd, and what it says.
//!
//! The text is read as Markdown, as people see it: a line counts if it begins with the word and stands in a paragraph of
//! the comment itself. So quotations, lists, code, HTML and headings say nothing. What belongs to the command is the rest
//! of its paragraph, up to the next line with the word. Of several commands the first one counts.

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};
use std::ops::Range;

/// The orders that agentd knows. What does not begin with one of them is an instruction.
const NAMES: &[&str] = &["continue", "stop", "retry", "approve", "reject", "review", "help"];

/// What a comment says to agentd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// Do this; the text may be empty.
    Work(String),
    /// An order about a task.
    Order { name: &'static str, argument: String },
}

/// The first command in a comment.
pub(crate) fn find(text: &str, word: &str) -> Option<Command> {
    // Other containers than paragraphs that are open, and paragraph and inline ones.
    let (mut containers, mut inline) = (0_usize, 0_usize);
    let mut paragraph: Option<Range<usize>> = None;
    let options =
        Options::ENABLE_TABLES | Options::ENABLE_FOOTNOTES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
    for (event, range) in Parser::new_ext(text, options).into_offset_iter() {
        match event {
            Event::Start(Tag::Paragraph) => paragraph = (containers == 0).then_some(range),
            Event::End(TagEnd::Paragraph) => paragraph = None,
            Event::Start(_) if paragraph.is_some() => inline += 1,
            Event::End(_) if paragraph.is_some() => inline -= 1,
            Event::Start(_) => containers += 1,
            Event::End(_) => containers = containers.saturating_sub(1),
            Event::Text(_) if inline == 0 => {
                if let Some(paragraph) = &paragraph
                    && let Some(rest) = after(text, range.start, word)
                {
                    return Some(command(up_to_next(&text[rest..paragraph.end], word)));
                }
            }
            _ => (),
        }
    }
    None
}

/// Where it goes on after the word, if a line begins with that at this place.
fn after(text: &str, start: usize, word: &str) -> Option<usize> {
    let line = text[..start].rfind(['\n', '\r']).map_or(0, |it| it + 1);
    let rest = text[start..].strip_prefix(word)?;
    let alone = rest.chars().next().is_none_or(char::is_whitespace);
    (alone && text[line..start].chars().all(|it| it == ' ')).then_some(start + word.len())
}

/// The rest of a paragraph, without later commands.
fn up_to_next<'a>(rest: &'a str, word: &str) -> &'a str {
    let begins = |line: &str| {
        let after = line.trim_start().strip_prefix(word);
        after.is_some_and(|it| it.chars().next().is_none_or(char::is_whitespace))
    };
    let mut end = 0;
    for (number, line) in rest.split_inclusive('\n').enumerate() {
        if number > 0 && begins(line) {
            break;
        }
        end += line.len();
    }
    &rest[..end]
}

fn command(said: &str) -> Command {
    let said = said.trim();
    let (first, rest) = said.split_once(char::is_whitespace).unwrap_or((said, ""));
    match NAMES.iter().find(|it| it.eq_ignore_ascii_case(first)) {
        Some(name) => Command::Order { name, argument: rest.trim().replace("\r\n", "\n") },
        None => Command::Work(said.replace("\r\n", "\n")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<Command>) {
        assert_eq!(find(text, "/code"), expected, "{text:?}");
    }

    #[track_caller]
    fn check_work(text: &str, instruction: &str) {
        check(text, Some(Command::Work(instruction.into())));
    }

    #[track_caller]
    fn check_order(text: &str, name: &'static str, argument: &str) {
        check(text, Some(Command::Order { name, argument: argument.into() }));
    }

    #[test]
    fn a_line_that_begins_with_the_word_is_a_command() {
        check_work("/code", "");
        check_work("/code fix the login", "fix the login");
        check_work("  /code  fix it  ", "fix it");
        check_work("Thanks, Ann!\n/code fix it", "fix it");
        check_work("Thanks!\r\n\r\n/code fix it\r\nand the tests\r\n\r\nBye", "fix it\nand the tests");
        check_work("Thanks!\r\n/code fix it", "fix it");
        check_work("/code\tuse `a::b` and *that*", "use `a::b` and *that*");
        check_work("/code\nfix it", "fix it");
    }

    #[test]
    fn orders_are_known_by_their_first_word() {
        check_order("/code stop", "stop", "");
        check_order("/code Stop please", "stop", "please");
        check_order("/code retry\nwith more care", "retry", "with more care");
        check_order("/code approve", "approve", "");
        check_order("/code reject it breaks\r\nlogin", "reject", "it breaks\nlogin");
        check_order("/code help", "help", "");
        check_work("/code stopping is hard", "stopping is hard");
    }

    #[test]
    fn what_is_quoted_listed_or_code_says_nothing() {
        for text in [
            "",
            "say /code to start",
            "> /code stop",
            "> Ann wrote\n/code stop", // people see it in the quotation
            "```\n/code stop\n```",
            "~~~\n/code stop\n~~~",
            "```\n/code stop",
            "    /code stop",
            "\t/code stop",
            "`/code stop`",
            "`a\n/code stop`",
            "- /code stop",
            "1. a\n   /code stop",
            "# /code stop",
            "<!-- \n/code stop\n-->",
            "<pre>\n/code stop\n</pre>",
            "<div>\n/code stop\n</div>",
            "| a |\n|---|\n| /code stop |",
            "[x\n/code stop](https://example.org)",
            "**a\n/code stop**",
            "/codestop",
            "/code-stop",
            "//code stop",
            "\\/code stop",
            "/CODE stop",
            "https://example.org\n-/code",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn an_answer_below_a_quotation_counts() {
        check_order("> Ann wrote\n\n/code stop", "stop", "");
        check_order("```\n/code retry\n```\n/code stop", "stop", "");
    }

    #[test]
    fn of_several_commands_the_first_one_counts() {
        check_work("/code fix it\n/code stop", "fix it");
        check_order("/code stop\n\n/code retry", "stop", "");
        check_work("/code fix\nthe thing\n /code stop", "fix\nthe thing");
    }

    #[test]
    fn no_text_makes_it_stumble() {
        for text in [
            "/code \u{0}",
            "/code ж\u{202e}",
            "\u{feff}/code x",
            "/code\u{a0}x",
            &"> ".repeat(5_000),
            &"[".repeat(5_000),
        ] {
            drop(find(text, "/code"));
        }
    }
}
