//! The words of a Dockerfile's instruction: quotes, variables, lists, and marks of heredocs.

use std::collections::HashMap;

/// What the engine itself would fetch.
const SCHEMES: [&str; 6] = ["http://", "https://", "git://", "ssh://", "ftp://", "git@"];

/// Words between spaces, without their quotes: `A="b c" D=e`.
pub(super) fn split(text: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    let mut chars = text.chars();
    while let Some(it) = chars.next() {
        match (quote, it) {
            (None, '"' | '\'') => {
                quote = Some(it);
                word.get_or_insert_default();
            }
            (Some(open), it) if it == open => quote = None,
            (None, it) if it.is_whitespace() => words.extend(word.take()),
            (None | Some('"'), '\\') => word.get_or_insert_default().extend(chars.next()),
            (_, it) => word.get_or_insert_default().push(it),
        }
    }
    words.extend(word);
    words
}

/// Whether something that `ADD` copies is, or could become, an address. It names words, or a JSON list.
pub(super) fn adds_url(rest: &str) -> bool {
    // As the engine reads it, which does not mind what comes after the list.
    let list = serde_json::Deserializer::from_str(rest).into_iter::<Vec<String>>().next();
    let in_list = match list {
        Some(Ok(list)) => list.iter().any(|it| could_be_url(it)),
        // The engine takes more for a list than this, and letters in it may be written as numbers.
        _ => rest.starts_with('[') && rest.contains(['\\', ':', '@', '$']),
    };
    in_list || rest.split_whitespace().any(could_be_url)
}

/// Whether a source is, or could become, an address. Quotes and escapes may stand anywhere in it.
fn could_be_url(source: &str) -> bool {
    let plain: String = source.chars().filter(|it| !"\"'\\`".contains(*it)).collect();
    let plain = plain.to_ascii_lowercase();
    let (begin, varies) = plain.split_once('$').map_or((plain.as_str(), false), |(begin, _)| (begin, true));
    SCHEMES.iter().any(|it| begin.starts_with(it) || (varies && it.starts_with(begin)))
}

/// Puts in variables: `$A`, `${A}`, `${A:-default}`, `${A-default}`, `${A:+other}`. Quotes go.
pub(super) fn expand(text: &str, known: &HashMap<String, String>) -> String {
    let mut made = String::new();
    let mut rest = text;
    while let Some(it) = rest.chars().next() {
        let after = &rest[it.len_utf8()..];
        rest = match it {
            '"' | '\'' => after,
            '\\' => {
                made.extend(after.chars().next());
                after.get(after.chars().next().map_or(0, char::len_utf8)..).unwrap_or_default()
            }
            '$' => variable(after, known, &mut made),
            other => {
                made.push(other);
                after
            }
        };
    }
    made
}

/// What follows a `$`: puts its value in and returns what comes after.
fn variable<'a>(text: &'a str, known: &HashMap<String, String>, made: &mut String) -> &'a str {
    let is_name = |it: char| it.is_ascii_alphanumeric() || it == '_';
    let value = |name: &str| known.get(name).map_or("", String::as_str);
    let Some(inner) = text.strip_prefix('{') else {
        let end = text.find(|it| !is_name(it)).unwrap_or(text.len());
        made.push_str(value(&text[..end]));
        return &text[end..];
    };
    let end = closing(inner);
    let (body, after) = (&inner[..end], inner.get(end + 1..).unwrap_or_default());
    let (name, how) = body.split_at(body.find(|it| !is_name(it)).unwrap_or(body.len()));
    let there = !value(name).is_empty();
    let replaced = |word: &str| expand(word, known);
    if let Some(word) = how.strip_prefix(":-") {
        made.push_str(&if there { value(name).into() } else { replaced(word) });
    } else if let Some(word) = how.strip_prefix(":+").or(how.strip_prefix('+')) {
        made.push_str(&if there { replaced(word) } else { String::new() });
    } else if let Some(word) = how.strip_prefix('-') {
        made.push_str(&if known.contains_key(name) { value(name).into() } else { replaced(word) });
    } else {
        made.push_str(value(name));
    }
    after
}

/// Where the brace ends that is open here.
fn closing(text: &str) -> usize {
    let mut depth = 0;
    for (at, it) in text.char_indices() {
        match it {
            '{' => depth += 1,
            '}' if depth == 0 => return at,
            '}' => depth -= 1,
            _ => (),
        }
    }
    text.len()
}

/// The words after `<<`, `<<-` and their quotes. `<<<` is something else.
pub(super) fn heredocs(text: &str) -> Vec<String> {
    let mut marks = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("<<") {
        rest = &rest[at + 2..];
        if rest.starts_with('<') {
            rest = rest.trim_start_matches('<');
            continue;
        }
        let begin = rest.strip_prefix('-').unwrap_or(rest).trim_start_matches(['"', '\'']);
        let end = begin.find(|it: char| !it.is_ascii_alphanumeric() && it != '_').unwrap_or(begin.len());
        if end > 0 {
            marks.push(begin[..end].to_owned());
        }
    }
    marks
}
