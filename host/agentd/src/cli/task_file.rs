//! A task written as a Markdown file: `agentd run --task FILE.md`, `agentd task submit --task FILE.md`.
//!
//! The first line is the title, what follows is the body. In front there may be a block between `---` lines: one
//! `name: value` (or `name = value`) a line, lists as `a, b`, `[a, b]` or as lines that begin with a dash. It reads as
//! the plugin `folder` reads its files, so that one file does for both; what that plugin would hand on and nobody here
//! understands is refused.

use super::exit::Error;
use std::{io::ErrorKind, path::Path};

const FILE_BYTES_MAX: u64 = 300 << 10;
const KEYS: &str = "title, repository, base, labels, priority, depends-on, agent, instructions";

/// What a file, or the words on the command line, say.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct TaskText {
    pub(crate) title: String,
    pub(crate) body: String,
    /// None: the command line says it.
    pub(crate) repository: Option<String>,
    pub(crate) base: Option<String>,
    pub(crate) agent: Option<String>,
    pub(crate) priority: Option<u32>,
    pub(crate) instructions: Option<String>,
    pub(crate) labels: Vec<String>,
    pub(crate) depends_on: Vec<String>,
}

/// The task of a file, or of words: the first line is the title.
pub(crate) fn given(file: Option<&Path>, words: &[String]) -> Result<TaskText, Error> {
    match (file, words.is_empty()) {
        (Some(file), true) => read(file),
        (None, false) => parse(&words.join(" ")).map_err(|what| Error::usage(format!("the task {what}"))),
        (Some(_), false) => Err(Error::usage("a task is either a file or words, not both")),
        (None, true) => Err(Error::usage("there is no task: give it as words, or as a file with --task FILE.md")
            .hint("agentd run --repo . \"Fix the failing test\"")),
    }
}

impl TaskText {
    /// Where to work: as the command line says, or else the file.
    pub(crate) fn repository_or(&self, given: Option<&String>) -> Result<String, Error> {
        given.or(self.repository.as_ref()).cloned().ok_or_else(|| {
            Error::usage("the task file names no repository")
                .hint("name it with --repo, or with `repository: ID` between lines of --- at the file's head")
        })
    }
}

fn read(file: &Path) -> Result<TaskText, Error> {
    let bad = |what: String| Error::usage(format!("the task file {} {what}", file.display()));
    let length = std::fs::metadata(file).map_err(|error| match error.kind() {
        ErrorKind::NotFound => bad("does not exist".into()),
        _ => bad(format!("cannot be read: {error}")),
    })?;
    if length.len() > FILE_BYTES_MAX {
        return Err(bad(format!("is {} KiB long; a task has at most 256 KiB", length.len() >> 10)));
    }
    let bytes = std::fs::read(file).map_err(|error| bad(format!("cannot be read: {error}")))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let line = 1 + error.as_bytes()[..valid].iter().filter(|it| **it == b'\n').count();
        bad(format!("is not UTF-8 text: the byte at offset {valid}, line {line}, is none; save it as UTF-8"))
    })?;
    parse(&text).map_err(bad)
}

/// The error continues `the task …`.
fn parse(text: &str) -> Result<TaskText, String> {
    let text = text.trim_start_matches('\u{feff}').replace("\r\n", "\n");
    let (head, rest) = split(&text)?;
    let mut task = read_head(head)?;
    let rest = rest.trim_start();
    if task.title.is_empty() {
        let (first, after) = rest.split_once('\n').unwrap_or((rest, ""));
        task.title = first.trim_start_matches('#').trim().to_owned();
        after.trim().clone_into(&mut task.body);
    } else {
        rest.trim_end().clone_into(&mut task.body);
    }
    if task.title.is_empty() { Err("is empty: its first line is the title".into()) } else { Ok(task) }
}

/// The block in front, without its `---`, and the rest.
fn split(text: &str) -> Result<(&str, &str), String> {
    let first = text.split_inclusive('\n').next().unwrap_or_default();
    if first.trim_end() != "---" || !first.ends_with('\n') {
        return Ok(("", text));
    }
    let (after, mut at) = (&text[first.len()..], 0);
    for line in after.split_inclusive('\n') {
        if line.trim_end() == "---" {
            return Ok((&after[..at], &after[at + line.len()..]));
        }
        at += line.len();
    }
    Err("begins with --- that nothing closes".into())
}

fn read_head(head: &str) -> Result<TaskText, String> {
    let (mut task, mut seen) = (TaskText::default(), Vec::new());
    let mut lines = head.lines().map(str::trim).zip(2..).peekable();
    while let Some((line, number)) = lines.next() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let bad = |what: String| format!("has a mistake in line {number}: {what}");
        let at = line.find([':', '=']).ok_or_else(|| bad("it is not name: value".into()))?;
        let name = line[..at].trim().to_lowercase().replace('_', "-");
        let mut value = line[at + 1..].trim().to_owned();
        if value.is_empty() {
            let mut entries = Vec::new();
            while let Some((entry, _)) = lines.next_if(|(line, _)| line.starts_with("- ")) {
                entries.push(entry[2..].trim());
            }
            value = entries.join(", ");
        }
        if seen.contains(&name) {
            return Err(bad(format!("`{name}` stands there twice")));
        }
        set(&mut task, &name, &value).map_err(bad)?;
        seen.push(name);
    }
    Ok(task)
}

fn set(task: &mut TaskText, name: &str, value: &str) -> Result<(), String> {
    let text = || Some(unquoted(value).to_owned()).filter(|it| !it.is_empty());
    match name {
        "title" => task.title = text().unwrap_or_default(),
        "repository" => task.repository = text(),
        "base" => task.base = text(),
        "labels" => task.labels = list(value)?,
        "priority" => task.priority = priority(unquoted(value))?,
        "depends-on" => task.depends_on = list(value)?,
        "agent" => task.agent = text(),
        "instructions" => task.instructions = text(),
        other => return Err(format!("there is no `{other}`; known are {KEYS}")),
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
        _ => return Err(format!("priority is {value:?}: say 1 (urgent), 2 (high), 3 (normal) or 4 (low)")),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_a_title_a_body_and_what_stands_in_front() {
        let task = parse("# Fix the parser\n\nIt fails on `x`.\n").unwrap();
        assert_eq!((task.title.as_str(), task.body.as_str()), ("Fix the parser", "It fails on `x`."));
        let text =
            "---\ntitle: \"Fix it\"\nlabels: [bug, 'urgent']\npriority: 1\ndepends_on: t-3\n---\n\n# Heading\nBody\n";
        let task = parse(text).unwrap();
        assert_eq!((task.title.as_str(), task.body.as_str()), ("Fix it", "# Heading\nBody"));
        assert_eq!((task.labels, task.priority), (vec!["bug".to_owned(), "urgent".to_owned()], Some(1)));
        assert_eq!(task.depends_on, ["t-3"]);
    }

    /// The plugin `folder` reads the same file in its own test, and understands the same.
    #[test]
    fn a_file_of_the_folder_does_for_the_command_line_too() {
        let example = include_str!("../../../../plugins/folder/src/example.md");
        let expected = TaskText {
            title: "Let people log in again".into(),
            body: "# What happens\n\nThe form says *no* to everybody.".into(),
            repository: Some("acme/shop".into()),
            base: Some("next".into()),
            agent: Some("fixer".into()),
            priority: Some(2),
            instructions: Some("Keep the old tests".into()),
            labels: vec!["bug".into(), "good first issue".into()],
            depends_on: vec!["schema.md".into(), "tokens.md".into()],
        };
        assert_eq!(parse(example).unwrap(), expected);
        assert_eq!(parse(&example.replace('\n', "\r\n")).unwrap(), expected);
    }

    #[test]
    fn the_command_line_says_where_to_work_or_else_the_file() {
        let (named, silent) = (parse("---\nrepository: acme/shop\n---\nx").unwrap(), parse("x").unwrap());
        assert_eq!(named.repository_or(None).unwrap(), "acme/shop");
        assert_eq!(named.repository_or(Some(&"here".into())).unwrap(), "here");
        assert_eq!(silent.repository_or(None).unwrap_err().text, "the task file names no repository");
    }

    #[test]
    fn mistakes_are_named_with_their_line() {
        #[track_caller]
        fn check(text: &str, what: &str) {
            assert_eq!(parse(text).unwrap_err(), what);
        }
        check("", "is empty: its first line is the title");
        check("\n # \n", "is empty: its first line is the title");
        check("---\ntitle: x\n", "begins with --- that nothing closes");
        check(
            "---\nprioritty: 1\n---\nx",
            "has a mistake in line 2: there is no `prioritty`; known are title, repository, base, labels, priority, depends-on, agent, instructions",
        );
        check(
            "---\n\npriority: soon\n---\nx",
            "has a mistake in line 3: priority is \"soon\": say 1 (urgent), 2 (high), 3 (normal) or 4 (low)",
        );
        check("---\nbase: a\nBASE: b\n---\nx", "has a mistake in line 3: `base` stands there twice");
        check("---\nlabels: [a\n---\nx", "has a mistake in line 2: the list \"[a\" has no `]` at its end");
        check("---\nbase\n---\nx", "has a mistake in line 2: it is not name: value");
    }

    #[test]
    fn a_file_that_is_no_text_is_refused_with_the_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("task.md");
        std::fs::write(&path, b"# Title\nlatin \xe4\n").unwrap();
        let error = given(Some(&path), &[]).unwrap_err();
        let place = "is not UTF-8 text: the byte at offset 14, line 2, is none; save it as UTF-8";
        assert_eq!(error.text, format!("the task file {} {place}", path.display()));
    }
}
