//! Configuration files as one tree in which every key and value knows its file and line.
//!
//! Several files become one tree: tables are joined, and a value that two files give is a problem that names both.
//! Knows TOML; knows no key of agentd's.

use super::problem::{At, Problems};
use std::{collections::BTreeMap, path::Path};
use toml::de::{DeTable, DeValue};

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) at: At,
    pub(crate) value: Value,
}

#[derive(Clone, Debug)]
pub(crate) enum Value {
    Text(String),
    Integer(i64),
    Float(f64),
    Flag(bool),
    /// TOML has points in time. No key takes one, and the message says so.
    Date(String),
    List(Vec<Node>),
    Table(Table),
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    pub(crate) entries: BTreeMap<String, Entry>,
}

/// A key with its value. They can be on different lines, and a problem with a key names the key's.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) at: At,
    pub(crate) node: Node,
}

impl Value {
    /// What it is, in words for people who know TOML.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Value::Text(_) => "a text",
            Value::Integer(_) => "a whole number",
            Value::Float(_) => "a decimal number",
            Value::Flag(_) => "true or false",
            Value::Date(_) => "a date",
            Value::List(_) => "a list",
            Value::Table(_) => "a table",
        }
    }

    /// The same as JSON, for settings that a plugin reads.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        match self {
            Value::Text(text) | Value::Date(text) => text.as_str().into(),
            Value::Integer(number) => (*number).into(),
            Value::Float(number) => (*number).into(),
            Value::Flag(flag) => (*flag).into(),
            Value::List(nodes) => nodes.iter().map(|node| node.value.to_json()).collect(),
            Value::Table(table) => {
                table.entries.iter().map(|(key, entry)| (key.clone(), entry.node.value.to_json())).collect()
            }
        }
    }
}

impl Table {
    /// Reads the text of the file numbered `file`, noting every mistake of grammar that is found.
    pub(crate) fn parse(file: usize, text: &str, problems: &mut Problems) -> Table {
        let lines = Lines::of(file, text);
        let (parsed, mistakes) = DeTable::parse_recoverable(text);
        let broken = !mistakes.is_empty();
        for mistake in mistakes {
            let at = lines.at(mistake.span().map_or(0, |span| span.start));
            problems.add(at, "", format!("is not TOML: {}", mistake.message().trim_end().replace('\n', "; ")));
        }
        // What could be made out of a broken file would only bring problems that are none.
        if broken { Table::default() } else { table(parsed.into_inner(), &lines, "", problems) }
    }

    /// Takes over what `other` has. Nothing is replaced.
    pub(crate) fn join(&mut self, other: Table, path: &str, problems: &mut Problems) {
        for (key, entry) in other.entries {
            let path = join_path(path, &key);
            match self.entries.get_mut(&key) {
                None => {
                    self.entries.insert(key, entry);
                }
                Some(mine) => match (&mut mine.node.value, entry.node.value) {
                    (Value::Table(mine), Value::Table(other)) => mine.join(other, &path, problems),
                    _ => {
                        let first = problems.place(mine.at);
                        problems.add(entry.at, &path, format!("is already set at {first}; keep one of the two"));
                    }
                },
            }
        }
    }
}

/// `path.key`, with quotes around a key that TOML wants quoted.
pub(crate) fn join_path(path: &str, key: &str) -> String {
    let bare = !key.is_empty() && key.chars().all(|it| it.is_ascii_alphanumeric() || it == '-' || it == '_');
    let key = if bare { key.to_owned() } else { format!("{key:?}") };
    if path.is_empty() { key } else { format!("{path}.{key}") }
}

/// The files `conf.d/*.toml` beside the main file, in the order of their names.
pub(crate) fn fragments(folder: &Path) -> std::io::Result<Vec<std::path::PathBuf>> {
    let entries = match std::fs::read_dir(folder.join("conf.d")) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|it| it == "toml") {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

fn table(parsed: DeTable<'_>, lines: &Lines, path: &str, problems: &mut Problems) -> Table {
    let mut entries = BTreeMap::new();
    for (key, value) in parsed {
        let at = lines.at(key.span().start);
        let key = key.into_inner().into_owned();
        let path = join_path(path, &key);
        let value_at = lines.at(value.span().start);
        let value = convert(value.into_inner(), value_at, lines, &path, problems);
        entries.insert(key, Entry { at, node: Node { at: value_at, value } });
    }
    Table { entries }
}

fn convert(value: DeValue<'_>, at: At, lines: &Lines, path: &str, problems: &mut Problems) -> Value {
    match value {
        DeValue::String(text) => Value::Text(text.into_owned()),
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Value::Integer(number),
            Err(_) => {
                problems.add(at, path, format!("{number} is too large a number"));
                Value::Integer(0)
            }
        },
        DeValue::Float(number) => Value::Float(number.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(flag) => Value::Flag(flag),
        DeValue::Datetime(date) => Value::Date(date.to_string()),
        DeValue::Array(values) => Value::List(
            values
                .into_iter()
                .map(|value| {
                    let at = lines.at(value.span().start);
                    Node { at, value: convert(value.into_inner(), at, lines, path, problems) }
                })
                .collect(),
        ),
        DeValue::Table(parsed) => Value::Table(table(parsed, lines, path, problems)),
    }
}

/// Where the lines of a file begin.
struct Lines {
    file: usize,
    breaks: Vec<usize>,
}

impl Lines {
    fn of(file: usize, text: &str) -> Lines {
        Lines { file, breaks: text.match_indices('\n').map(|(offset, _)| offset).collect() }
    }

    fn at(&self, offset: usize) -> At {
        At { file: self.file, line: 1 + self.breaks.partition_point(|it| *it < offset) }
    }
}
