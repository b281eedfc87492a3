//! Text as a person would read it, from text as programs send it to a terminal.
//!
//! Colours, cursor movements and window titles are taken out; of a line that was written over and over (a progress bar)
//! the last writing stays. What is left holds no control character but the tabulator.

/// The line without what only a terminal understands.
#[must_use]
pub fn plain(line: &str) -> String {
    if !line.contains(char::is_control) {
        return line.to_owned();
    }
    let text = without_escapes(line);
    let shown = text.rsplit('\r').find(|part| !part.trim().is_empty()).unwrap_or_default();
    shown.chars().filter(|it| *it == '\t' || !it.is_control()).collect()
}

/// The line without escape sequences and control characters, and nothing else changed.
pub(super) fn stripped(line: &str) -> String {
    without_escapes(line).chars().filter(|it| *it == '\t' || !it.is_control()).collect()
}

fn without_escapes(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    let mut rest = line.chars().peekable();
    while let Some(it) = rest.next() {
        match it {
            '\u{1b}' => match rest.next() {
                Some('[') => skip_sequence(&mut rest),
                Some(']' | 'P' | 'X' | '^' | '_') => skip_string(&mut rest),
                // Two characters more: which set of letters to use.
                Some('(' | ')' | '*' | '+' | '#' | '%') => drop(rest.next()),
                _ => (),
            },
            '\u{9b}' => skip_sequence(&mut rest),
            '\u{8}' => drop(text.pop()),
            _ => text.push(it),
        }
    }
    text
}

/// Parameters, then one letter (or `@` to `~`) that ends it. A character that fits neither breaks it off.
fn skip_sequence(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    while let Some(it) = rest.next_if(|it| ('\u{20}'..='\u{7e}').contains(it)) {
        if ('\u{40}'..='\u{7e}').contains(&it) {
            return;
        }
    }
}

/// Up to a bell, or to `ESC \`.
fn skip_string(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    while let Some(it) = rest.next() {
        match it {
            '\u{7}' | '\u{9c}' => return,
            '\u{1b}' => {
                rest.next_if_eq(&'\\');
                return;
            }
            _ => (),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, expected: &str) {
        assert_eq!(plain(line), expected, "{line:?}");
    }

    #[test]
    fn colours_titles_and_movements_are_taken_out() {
        check("plain ж\ttext", "plain ж\ttext");
        check("\u{1b}[1;31mred\u{1b}[0m \u{1b}[38;5;9mtext\u{1b}[K", "red text");
        check("\u{1b}]0;title\u{7}text", "text");
        check("\u{1b}]8;;https://example.org\u{1b}\\link\u{1b}]8;;\u{1b}\\", "link");
        check("\u{1b}(Bletters\u{1b}=", "letters");
        check("\u{9b}31mred", "red");
        check("bell\u{7} and nul\0", "bell and nul");
        check("abd\u{8}c", "abc");
    }

    #[test]
    fn the_last_writing_of_a_progress_bar_stays() {
        check("10 %\r50 %\r100 %", "100 %");
        check("done\r", "done");
        check("10 %\r\u{1b}[2Kdone\r", "done");
        check("\r\r", "");
    }

    #[test]
    fn broken_sequences_do_no_harm() {
        check("\u{1b}", "");
        check("\u{1b}[", "");
        check("a\u{1b}[31", "a");
        check("\u{1b}]never ends", "");
        check("\u{1b}[31жtext", "жtext");
    }
}
