//! JSON as people write it for tools: with comments, and commas after the last value.

/// The same as plain JSON. Line breaks stay where they are, so that an error's line is the file's.
pub(super) fn plain(text: &str) -> String {
    without_last_commas(&without_comments(text.trim_start_matches('\u{feff}')))
}

fn without_comments(text: &str) -> String {
    let mut made = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(it) = chars.next() {
        match (it, chars.peek()) {
            ('"', _) => {
                made.push(it);
                string(&mut chars, &mut made);
            }
            ('/', Some('/')) => while chars.next_if(|it| *it != '\n').is_some() {},
            ('/', Some('*')) => {
                let (mut before, mut open) = (' ', true);
                chars.next();
                while let Some(it) = chars.next_if(|_| open) {
                    made.extend(Some('\n').filter(|_| it == '\n'));
                    open = !(before == '*' && it == '/');
                    before = it;
                }
                made.push(' ');
            }
            _ => made.push(it),
        }
    }
    made
}

fn without_last_commas(text: &str) -> String {
    let mut made = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(it) = chars.next() {
        match it {
            '"' => {
                made.push(it);
                string(&mut chars, &mut made);
            }
            ',' => {
                let mut space = String::new();
                while let Some(it) = chars.next_if(|it| it.is_whitespace()) {
                    space.push(it);
                }
                if !matches!(chars.peek(), Some(']' | '}')) {
                    made.push(',');
                }
                made.push_str(&space);
            }
            _ => made.push(it),
        }
    }
    made
}

/// The rest of a string, after its first quote.
fn string(chars: &mut impl Iterator<Item = char>, made: &mut String) {
    while let Some(it) = chars.next() {
        made.push(it);
        match it {
            '"' => return,
            '\\' => made.extend(chars.next()),
            _ => (),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[track_caller]
    fn check(text: &str, expected: Value) {
        let made = plain(text);
        assert_eq!(serde_json::from_str::<Value>(&made).ok(), Some(expected), "{text} became {made}");
        assert_eq!(made.matches('\n').count(), text.matches('\n').count(), "{text}");
    }

    #[test]
    fn comments_and_last_commas_go() {
        check("{}", json!({}));
        check("\u{feff}// a\n{ // b\n\"a\": 1, // c\n}\n", json!({ "a": 1 }));
        check("{/* a\n * b **/\"a\":[1,2,],/**/}", json!({ "a": [1, 2] }));
        check("[1, /* x */ ]", json!([1]));
        check("[1, // x\n]", json!([1]));
        check("[1/* x */,2]", json!([1, 2]));
    }

    #[test]
    fn strings_stay_as_they_are() {
        check(r#"{"a": "http://x/*y*/ ,]"}"#, json!({ "a": "http://x/*y*/ ,]" }));
        check(r#"["\"// ,]", "\\", 1]"#, json!(["\"// ,]", "\\", 1]));
    }

    #[test]
    fn what_never_ends_is_no_json() {
        for text in ["/*", "\"", "\"\\", "{\"a\": 1 /*", "//", ","] {
            assert!(serde_json::from_str::<Value>(&plain(text)).is_err(), "{text}");
        }
    }
}
