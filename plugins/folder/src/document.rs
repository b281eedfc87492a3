//! What stands in a task file: a head between two lines of `---` (or none), a title, and text.
//!
//! The head has one `key: value` (or `key = value`) a line, values with or without quotes. Lists are written `a, b`,
//! `[a, b]`, or as lines that begin with a dash. Lines that begin with `#` are remarks. Keys:
//!
//! | key | |
//! |---|---|
//! | `title` | without it the first heading (`# …`), without that the file's name |
//! | `repository`, `base` | where to work, and from which branch |
//! | `labels` | a list |
//! | `priority` | 1 (urgent) to 4 (low), or the word |
//! | `depends-on` | a list of files whose tasks have to be done first |
//! | `agent`, `model` | who works on it |
//! | `instructions` | what the agent is told beyond the text |
//!
//! Other keys become fields for the operator's routes, unless they look like one of these misspelt: a dependency that
//! is lost by a typing mistake would start work too early.

/// A task file, understood.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Document {
    pub(crate) head: Head,
    pub(crate) title: Option<String>,
    pub(crate) body: String,
}

/// What the head says.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Head {
    pub(crate) repository: Option<String>,
    pub(crate) base: Option<String>,
    pub(crate) labels: Vec<String>,
    pub(crate) priority: Option<u32>,
    pub(crate) depends_on: Vec<String>,
    pub(crate) agent: Option<String>,
    pub(crate) model: Option<String>,
    pub(crate) instructions: Option<String>,
    pub(crate) fields: Vec<(String, String)>,
    title: Option<String>,
}

const KEYS: &[&str] =
    &["title", "repository", "base", "labels", "priority", "depends-on", "agent", "model", "instructions"];

/// Reads a file. The error says what is wrong, in which line, and what would be right.
pub(crate) fn read(text: &str) -> Result<Document, String> {
    let text = text.trim_start_matches('\u{feff}').replace("\r\n", "\n");
    let (head, rest) = split(&text)?;
    let head = head.map_or(Ok(Head::default()), parse_head)?;
    let (title, body) = match head.title.clone() {
        Some(title) => (Some(title), rest),
        None => take_heading(rest),
    };
    let body = body.trim_start_matches('\n').to_owned();
    if title.is_none() && body.trim().is_empty() {
        return Err("it is empty: write what is to be done".into());
    }
    Ok(Document { head, title: title.map(|it| one_line(&it)), body })
}

/// Head and rest of a file. A file that begins with `---` has a head.
fn split(text: &str) -> Result<(Option<&str>, &str), String> {
    let Some(after) = text.strip_prefix("---").and_then(|rest| rest.trim_start_matches([' ', '\t']).strip_prefix('\n'))
    else {
        return Ok((None, text));
    };
    let mut at = 0;
    for line in after.split_inclusive('\n') {
        if line.trim_end() == "---" {
            return Ok((Some(&after[..at]), &after[at + line.len()..]));
        }
        at += line.len();
    }
    Err("its first line is `---`, and no other such line ends the head: add one below the last key".into())
}

fn parse_head(text: &str) -> Result<Head, String> {
    let mut head = Head::default();
    let mut lines = text.lines().zip(2..).peekable();
    let mut seen: Vec<String> = vec![];
    while let Some((line, number)) = lines.next() {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            continue;
        }
        let fail = |what: String| format!("line {number}: {what}");
        let at = trimmed.find([':', '=']).ok_or_else(|| fail(format!("{trimmed:?} is no `key: value`")))?;
        let key = trimmed[..at].trim().to_lowercase().replace('_', "-");
        let mut value = trimmed[at + 1..].trim().to_owned();
        if value.is_empty() {
            let mut entries = vec![];
            while let Some((entry, _)) = lines.next_if(|(line, _)| line.trim_start().starts_with("- ")) {
                entries.push(entry.trim()[2..].trim());
            }
            value = entries.join(", ");
        }
        if seen.contains(&key) {
            return Err(fail(format!("`{key}` stands there twice: keep one")));
        }
        set(&mut head, &key, &value).map_err(fail)?;
        seen.push(key);
    }
    Ok(head)
}

fn set(head: &mut Head, key: &str, value: &str) -> Result<(), String> {
    let text = || Some(unquoted(value).to_owned()).filter(|it| !it.is_empty());
    match key {
        "" => return Err(format!("a value without a key: {value:?}")),
        "title" => head.title = text(),
        "repository" => head.repository = text(),
        "base" => head.base = text(),
        "labels" => head.labels = list(value)?,
        "priority" => head.priority = priority(unquoted(value))?,
        "depends-on" => head.depends_on = list(value)?,
        "agent" => head.agent = text(),
        "model" => head.model = text(),
        "instructions" => head.instructions = text(),
        _ => match KEYS.iter().find(|known| misspelt(key, known)) {
            Some(known) => return Err(format!("there is no key `{key}`: do you mean `{known}`?")),
            None => head.fields.push((key.to_owned(), unquoted(value).to_owned())),
        },
    }
    Ok(())
}

fn priority(value: &str) -> Result<Option<u32>, String> {
    Ok(match value.to_lowercase().as_str() {
        "" => None,
        "1" | "urgent" => Some(1),
        "2" | "high" => Some(2),
        "3" | "normal" => Some(3),
        "4" | "low" => Some(4),
        _ => {
            return Err(format!("`priority` is {value:?}: give 1 (urgent), 2 (high), 3 (normal) or 4 (low)"));
        }
    })
}

fn list(value: &str) -> Result<Vec<String>, String> {
    let inner = match value.strip_prefix('[') {
        Some(inner) => inner.strip_suffix(']').ok_or_else(|| format!("the list {value:?} has no `]` at its end"))?,
        None => value,
    };
    let entries = inner.split(',').map(|entry| unquoted(entry.trim()).to_owned());
    Ok(entries.filter(|entry| !entry.is_empty()).collect())
}

fn unquoted(value: &str) -> &str {
    let without = |quote: char| value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
    without('"').or_else(|| without('\'')).unwrap_or(value)
}

/// Whether two words are at most two changed, missing, added or swapped letters apart, and not far shorter than that.
fn misspelt(word: &str, known: &str) -> bool {
    let (word, known): (Vec<char>, Vec<char>) = (word.chars().collect(), known.chars().collect());
    let allowed = if known.len() < 6 { 1 } else { 2 };
    if word.len().abs_diff(known.len()) > allowed {
        return false;
    }
    let mut rows = vec![(0..=known.len()).collect::<Vec<usize>>()];
    for i in 1..=word.len() {
        let mut row = vec![i];
        for j in 1..=known.len() {
            let changed = rows[i - 1][j - 1] + usize::from(word[i - 1] != known[j - 1]);
            let mut least = changed.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && word[i - 1] == known[j - 2] && word[i - 2] == known[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[word.len()][known.len()] <= allowed
}

/// The first heading that is not in a block of code, and the text; without the heading where that is its first line.
fn take_heading(text: &str) -> (Option<String>, &str) {
    let (mut at, mut fence, mut first) = (0, None, true);
    for line in text.split_inclusive('\n') {
        let trimmed = line.trim();
        let mark = ["```", "~~~"].into_iter().find(|mark| trimmed.starts_with(mark));
        match (fence, mark) {
            (None, Some(mark)) => fence = Some(mark),
            (Some(open), Some(mark)) if open == mark => fence = None,
            (None, None) => {
                let heading = line.strip_prefix("# ").map(|it| it.trim().trim_end_matches('#').trim_end());
                if let Some(title) = heading.filter(|it| !it.is_empty()) {
                    let rest = if first { &text[at + line.len()..] } else { text };
                    return (Some(title.to_owned()), rest);
                }
            }
            (Some(_), _) => (),
        }
        first &= trimmed.is_empty();
        at += line.len();
    }
    (None, text)
}

/// Plain text for one line: a title is shown in lists and terminals.
fn one_line(text: &str) -> String {
    let text: String = text.chars().map(|it| if it.is_control() { ' ' } else { it }).collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;
