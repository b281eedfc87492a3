//! Reads one section of the configuration: a method per kind of value, each with its default.
//!
//! A key is known because it was asked for: [`Section::finish`] refuses all others. Whatever is wrong is noted and
//! reading goes on with the default, so that one look shows every mistake. What was read, and where it came from, is
//! kept for `config show`.

use super::{
    effective::{Fingerprint, Origin, Shadowed, Shown},
    problem::{At, Problems},
    secret::{Environment, Secret},
    tree::{Entry, Node, Table, Value, join_path},
    value,
};
use serde_json::{Value as Json, json};
use std::{
    collections::BTreeSet,
    ops::RangeInclusive,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

/// What is collected while the sections are read.
pub(crate) struct Reading<'a> {
    pub(crate) problems: Problems,
    pub(crate) shown: Vec<Shown>,
    pub(crate) shadowed: Vec<Shadowed>,
    /// The files that secrets were read from, whether that worked or not.
    pub(crate) files: BTreeSet<PathBuf>,
    pub(crate) environment: &'a Environment,
    /// What relative paths start from: the main file's folder.
    pub(crate) folder: PathBuf,
}

impl Reading<'_> {
    /// Looks a reference up, and remembers the file that it names.
    pub(crate) fn secret(&mut self, reference: &str) -> Result<Secret, String> {
        self.files.extend(Secret::file(reference, &self.folder, self.environment));
        Secret::resolve(reference, &self.folder, self.environment)
    }
}

/// A value that does not fit, and where.
pub(crate) struct Bad(pub(crate) At, pub(crate) String);

pub(crate) struct Section<'a, 'r> {
    pub(crate) reading: &'r mut Reading<'a>,
    path: String,
    table: &'r Table,
    /// Where the section itself stands, for what it lacks.
    at: At,
    /// Another section whose values serve where this one has none.
    fallback: Option<(&'r Table, &'static str)>,
    asked: BTreeSet<&'static str>,
}

static EMPTY: Table = Table { entries: std::collections::BTreeMap::new() };

impl<'a, 'r> Section<'a, 'r> {
    /// The whole tree.
    pub(crate) fn root(table: &'r Table, reading: &'r mut Reading<'a>) -> Section<'a, 'r> {
        let at = At { file: 0, line: 0 };
        Section { reading, path: String::new(), table, at, fallback: None, asked: BTreeSet::new() }
    }

    /// The section `key`, empty if the files have none, read by `read` to its end.
    pub(crate) fn section<T>(&mut self, key: &'static str, read: impl FnOnce(&mut Section<'a, '_>) -> T) -> T {
        self.asked.insert(key);
        let (at, table) = self.subtable(key);
        let path = join_path(&self.path, key);
        inner(self.reading, path, table, at, None, read)
    }

    /// The sections `key.NAME`, each read by `read`, which gets the name.
    pub(crate) fn named<T>(
        &mut self,
        key: &'static str,
        check: fn(&str) -> Result<(), String>,
        mut read: impl FnMut(&mut Section<'a, '_>, &str) -> T,
    ) -> Vec<(String, T)> {
        self.asked.insert(key);
        let (_, table) = self.subtable(key);
        let path = join_path(&self.path, key);
        table.entries.iter().filter_map(|it| self.one_named(&path, it, None, check, &mut read)).collect()
    }

    /// The same where the section `fallback` is no section of its own: it holds what the others inherit, and is given
    /// apart. Names of `more` that have no section, in whatever case, are read as if they had an empty one there.
    pub(crate) fn named_with<T>(
        &mut self,
        key: &'static str,
        fallback: &'static str,
        check: fn(&str) -> Result<(), String>,
        more: &[(String, At)],
        mut read: impl FnMut(&mut Section<'a, '_>, &str) -> T,
    ) -> (Vec<(String, T)>, T) {
        self.asked.insert(key);
        let (_, table) = self.subtable(key);
        let path = join_path(&self.path, key);
        let (at, inherited) = match table.entries.get(fallback) {
            None => (self.at, &EMPTY),
            Some(Entry { at, node: Node { value: Value::Table(table), .. } }) => (*at, table),
            Some(entry) => {
                let what = format!("must be a table, is {}", entry.node.value.kind());
                self.reading.problems.add(entry.node.at, &join_path(&path, fallback), what);
                (entry.at, &EMPTY)
            }
        };
        // Read once for itself, so that its mistakes show even if nobody inherits.
        let default = inner(self.reading, join_path(&path, fallback), inherited, at, None, |it| read(it, fallback));
        let inherited = Some((inherited, fallback));
        let own = table.entries.iter().filter(|(name, _)| *name != fallback);
        let mut all: Vec<_> = own.filter_map(|it| self.one_named(&path, it, inherited, check, &mut read)).collect();
        for (name, at) in more {
            if !table.entries.keys().any(|it| it.eq_ignore_ascii_case(name)) {
                let value = inner(self.reading, join_path(&path, name), &EMPTY, *at, inherited, |it| read(it, name));
                all.push((name.clone(), value));
            }
        }
        (all, default)
    }

    fn one_named<T>(
        &mut self,
        path: &str,
        (name, entry): (&String, &'r Entry),
        inherited: Option<(&Table, &'static str)>,
        check: fn(&str) -> Result<(), String>,
        mut read: impl FnMut(&mut Section<'a, '_>, &str) -> T,
    ) -> Option<(String, T)> {
        let path = join_path(path, name);
        if let Err(what) = check(name) {
            self.reading.problems.add(entry.at, &path, what);
        }
        let Value::Table(table) = &entry.node.value else {
            let what = format!("must be a table, is {}", entry.node.value.kind());
            self.reading.problems.add(entry.node.at, &path, what);
            return None;
        };
        Some((name.clone(), inner(self.reading, path, table, entry.at, inherited, |section| read(section, name))))
    }

    /// A value of any kind. `read` says what is wrong with it; `show` how it is shown.
    pub(crate) fn value<T>(
        &mut self,
        key: &'static str,
        default: T,
        read: impl FnOnce(&mut Reading<'a>, &Node) -> Result<T, Vec<Bad>>,
        show: impl FnOnce(&T) -> Json,
    ) -> T {
        let (value, origin) = match self.find(key) {
            None => (default, Origin::Default),
            Some((path, node)) => match read(self.reading, node) {
                Ok(value) => (value, Origin::File(self.reading.problems.place(node.at))),
                Err(bad) => {
                    for Bad(at, what) in bad {
                        self.reading.problems.add(at, &path, what);
                    }
                    return default;
                }
            },
        };
        let shown = Shown { key: join_path(&self.path, key), value: show(&value), origin, secret: None };
        self.reading.shown.push(shown);
        value
    }

    pub(crate) fn text(&mut self, key: &'static str) -> Option<String> {
        self.value(key, None, |_, node| text(node).map(|it| Some(it.to_owned())), |it| json!(it))
    }

    pub(crate) fn text_or(&mut self, key: &'static str, default: &str) -> String {
        self.value(key, default.to_owned(), |_, node| text(node).map(str::to_owned), |it| json!(it))
    }

    /// A text that has to be there.
    pub(crate) fn required_text(&mut self, key: &'static str, example: &str) -> String {
        let text = self.text(key);
        if text.is_none() && self.find(key).is_none() {
            self.missing(key, format!("is missing: say {key} = {example}"));
        }
        text.unwrap_or_default()
    }

    /// One of a few words.
    pub(crate) fn word<T: FromStr + std::fmt::Display>(&mut self, key: &'static str, default: T, words: &str) -> T {
        let read = |_: &mut Reading<'a>, node: &Node| {
            let word = text(node)?;
            word.parse().map_err(|_| vec![Bad(node.at, format!("must be {words}, is {word:?}"))])
        };
        self.value(key, default, read, |it| json!(it.to_string()))
    }

    /// One of a few words, or nothing.
    pub(crate) fn word_if_any<T: FromStr + std::fmt::Display>(&mut self, key: &'static str, words: &str) -> Option<T> {
        let read = |_: &mut Reading<'a>, node: &Node| {
            let word = text(node)?;
            word.parse().map(Some).map_err(|_| vec![Bad(node.at, format!("must be {words}, is {word:?}"))])
        };
        self.value(key, None, read, |it: &Option<T>| json!(it.as_ref().map(ToString::to_string)))
    }

    pub(crate) fn number(&mut self, key: &'static str, default: u32, range: RangeInclusive<u32>) -> u32 {
        self.value(key, default, |_, node| number(node, &range), |it| json!(it))
    }

    pub(crate) fn number_if_any(&mut self, key: &'static str, range: RangeInclusive<u32>) -> Option<u32> {
        self.value(key, None, |_, node| number(node, &range).map(Some), |it| json!(it))
    }

    /// A number that may have a fraction.
    pub(crate) fn decimal(&mut self, key: &'static str, default: f64, range: RangeInclusive<f64>) -> f64 {
        let read = |_: &mut Reading<'a>, node: &Node| {
            let number = match node.value {
                Value::Integer(number) => number as f64,
                Value::Float(number) => number,
                _ => return Err(wrong_kind(node, "a number")),
            };
            if range.contains(&number) {
                return Ok(number);
            }
            Err(vec![Bad(node.at, format!("must be {} to {}, is {number}", range.start(), range.end()))])
        };
        self.value(key, default, read, |it| json!(it))
    }

    pub(crate) fn flag(&mut self, key: &'static str, default: bool) -> bool {
        let read = |_: &mut Reading<'a>, node: &Node| match node.value {
            Value::Flag(flag) => Ok(flag),
            _ => Err(wrong_kind(node, "true or false")),
        };
        self.value(key, default, read, |it| json!(it))
    }

    pub(crate) fn duration(&mut self, key: &'static str, default: &str, least: Duration) -> Duration {
        let default = value::duration(default).expect("the defaults of agentd are durations");
        let read = |_: &mut Reading<'a>, node: &Node| {
            let duration = value::duration(text(node)?).map_err(|what| vec![Bad(node.at, what)])?;
            if duration < least {
                let least = value::duration_text(least);
                return Err(vec![Bad(
                    node.at,
                    format!("must be at least {least}, is {}", value::duration_text(duration)),
                )]);
            }
            Ok(duration)
        };
        self.value(key, default, read, |it| json!(value::duration_text(*it)))
    }

    pub(crate) fn duration_if_any(&mut self, key: &'static str, least: Duration) -> Option<Duration> {
        let read = |_: &mut Reading<'a>, node: &Node| {
            let duration = value::duration(text(node)?).map_err(|what| vec![Bad(node.at, what)])?;
            match duration < least {
                true => Err(vec![Bad(node.at, format!("must be at least {}", value::duration_text(least)))]),
                false => Ok(Some(duration)),
            }
        };
        self.value(key, None, read, |it: &Option<Duration>| json!(it.map(value::duration_text)))
    }

    /// In bytes.
    pub(crate) fn size_if_any(&mut self, key: &'static str, least: u64) -> Option<u64> {
        let read = |_: &mut Reading<'a>, node: &Node| {
            let size = value::size(text(node)?).map_err(|what| vec![Bad(node.at, what)])?;
            match size < least {
                true => Err(vec![Bad(node.at, format!("must be at least {}", value::size_text(least)))]),
                false => Ok(Some(size)),
            }
        };
        self.value(key, None, read, |it: &Option<u64>| json!(it.map(value::size_text)))
    }

    /// In bytes.
    pub(crate) fn size(&mut self, key: &'static str, default: u64, least: u64) -> u64 {
        let read = |_: &mut Reading<'a>, node: &Node| {
            let size = value::size(text(node)?).map_err(|what| vec![Bad(node.at, what)])?;
            if size < least {
                let (least, size) = (value::size_text(least), value::size_text(size));
                return Err(vec![Bad(node.at, format!("must be at least {least}, is {size}"))]);
            }
            Ok(size)
        };
        self.value(key, default, read, |it| json!(value::size_text(*it)))
    }

    /// A list of texts, each looked at by `check`.
    pub(crate) fn texts(
        &mut self,
        key: &'static str,
        default: &[&str],
        check: impl Fn(&str) -> Result<(), String>,
    ) -> Vec<String> {
        let default = default.iter().map(|it| (*it).to_owned()).collect();
        let read = |_: &mut Reading<'a>, node: &Node| {
            let Value::List(nodes) = &node.value else { return Err(wrong_kind(node, "a list of texts")) };
            let (mut texts, mut bad) = (Vec::new(), Vec::new());
            for node in nodes {
                match text(node).and_then(|it| check(it).map(|()| it).map_err(|what| vec![Bad(node.at, what)])) {
                    Ok(text) => texts.push(text.to_owned()),
                    Err(found) => bad.extend(found),
                }
            }
            if bad.is_empty() { Ok(texts) } else { Err(bad) }
        };
        self.value(key, default, read, |it| json!(it))
    }

    /// A list of tables, each read by `read` to its end. One that is inherited is shown where it is inherited to, and
    /// its mistakes where it stands.
    pub(crate) fn tables<T>(&mut self, key: &'static str, mut read: impl FnMut(&mut Section<'a, '_>) -> T) -> Vec<T> {
        let own = join_path(&self.path, key);
        let Some((path, node)) = self.find(key) else {
            self.reading.shown.push(Shown { key: own, value: json!([]), origin: Origin::Default, secret: None });
            return Vec::new();
        };
        let Value::List(nodes) = &node.value else {
            let what = format!("must be a list of tables, is {}", node.value.kind());
            self.reading.problems.add(node.at, &path, what);
            return Vec::new();
        };
        let first = self.reading.shown.len();
        if nodes.is_empty() {
            let origin = Origin::File(self.reading.problems.place(node.at));
            self.reading.shown.push(Shown { key: own.clone(), value: json!([]), origin, secret: None });
        }
        let mut all = Vec::new();
        for (index, node) in nodes.iter().enumerate() {
            match &node.value {
                Value::Table(table) => {
                    let path = format!("{path}[{index}]");
                    all.push(inner(self.reading, path, table, node.at, None, &mut read));
                }
                other => {
                    self.reading.problems.add(node.at, &path, format!("must be a table, is {}", other.kind()));
                }
            }
        }
        if path != own {
            for shown in &mut self.reading.shown[first..] {
                shown.key = shown.key.replacen(&path, &own, 1);
            }
        }
        all
    }

    /// A path: `~/` is the home folder of the user, a relative one starts from `from`.
    pub(crate) fn path(&mut self, key: &'static str, default: &Path, from: &Path) -> PathBuf {
        let read = |reading: &mut Reading<'a>, node: &Node| path(reading, node, from);
        self.value(key, default.to_owned(), read, |it| json!(it))
    }

    pub(crate) fn path_if_any(&mut self, key: &'static str, from: &Path) -> Option<PathBuf> {
        let read = |reading: &mut Reading<'a>, node: &Node| path(reading, node, from).map(Some);
        self.value(key, None, read, |it| json!(it))
    }

    /// Settings of a plugin: only the plugin knows their keys.
    pub(crate) fn settings(&mut self) -> Json {
        let read = |_: &mut Reading<'a>, node: &Node| match &node.value {
            Value::Table(_) => Ok(node.value.to_json()),
            _ => Err(wrong_kind(node, "a table")),
        };
        self.value("settings", json!({}), read, Clone::clone)
    }

    /// A secret, by reference. Shown as its reference, never as its value.
    pub(crate) fn secret(&mut self, key: &'static str) -> Option<Secret> {
        let read = |reading: &mut Reading<'a>, node: &Node| {
            let reference = text(node)?;
            reading.secret(reference).map(Some).map_err(|what| vec![Bad(node.at, what)])
        };
        let before = self.reading.shown.len();
        let secret = self.value(key, None, read, |it| json!(it.as_ref().map(|it| &it.reference)));
        // A mistake shows nothing.
        if let (Some(secret), Some(shown)) = (&secret, self.reading.shown.get_mut(before)) {
            shown.secret = Some(Fingerprint::of(&secret.value));
        }
        secret
    }

    /// Whether the files have the key, here or where it is inherited from.
    pub(crate) fn has(&mut self, key: &'static str) -> bool {
        self.find(key).is_some()
    }

    /// Whether the section itself has the key, and does not inherit it.
    pub(crate) fn has_own(&self, key: &str) -> bool {
        self.table.entries.contains_key(key)
    }

    /// Whether the files have the section `key.name`, whatever is in it.
    pub(crate) fn has_below(&mut self, key: &'static str, name: &str) -> bool {
        let Some((_, node)) = self.find(key) else { return false };
        matches!(&node.value, Value::Table(table) if table.entries.contains_key(name))
    }

    /// Notes that something is wrong with the value of `key`.
    pub(crate) fn problem(&mut self, key: &'static str, what: impl Into<String>) {
        match self.find(key) {
            Some((path, node)) => self.reading.problems.add(node.at, &path, what),
            None => self.missing(key, what),
        }
    }

    /// Notes that `key` is not there; the place is the section's.
    pub(crate) fn missing(&mut self, key: &'static str, what: impl Into<String>) {
        self.reading.problems.add(self.at, &join_path(&self.path, key), what);
    }

    /// Notes that something is wrong with the section as a whole.
    pub(crate) fn problem_here(&mut self, what: impl Into<String>) {
        self.reading.problems.add(self.at, &self.path, what);
    }

    /// Notes that something is wrong with a value further down, found only after its section was read.
    pub(crate) fn problem_at(&mut self, keys: &[&str], what: impl Into<String>) {
        let (mut at, mut path, mut table) = (self.at, self.path.clone(), Some(self.table));
        for key in keys {
            path = join_path(&path, key);
            let Some(entry) = table.and_then(|it| it.entries.get(*key)) else { break };
            at = entry.at;
            table = if let Value::Table(table) = &entry.node.value { Some(table) } else { None };
        }
        self.reading.problems.add(at, &path, what);
    }

    /// Refuses every key that nobody asked for.
    pub(crate) fn finish(self) {
        for (key, entry) in &self.table.entries {
            if !self.asked.contains(key.as_str()) {
                let what = match similar(key, self.asked.iter().copied()) {
                    Some(known) => format!("is not a key; did you mean `{known}`?"),
                    None => format!("is not a key; known are {}", list(self.asked.iter().copied())),
                };
                self.reading.problems.add(entry.at, &join_path(&self.path, key), what);
            }
        }
    }

    /// The node of `key` with the path to it.
    fn find(&mut self, key: &'static str) -> Option<(String, &'r Node)> {
        self.asked.insert(key);
        if let Some(entry) = self.table.entries.get(key) {
            return Some((join_path(&self.path, key), &entry.node));
        }
        let (table, name) = self.fallback?;
        let parent = self.path.split('.').next().unwrap_or_default();
        Some((join_path(&join_path(parent, name), key), &table.entries.get(key)?.node))
    }

    fn subtable(&mut self, key: &str) -> (At, &'r Table) {
        match self.table.entries.get(key) {
            None => (self.at, &EMPTY),
            Some(Entry { at, node: Node { value: Value::Table(table), .. } }) => (*at, table),
            Some(entry) => {
                let what = format!("must be a table, is {}", entry.node.value.kind());
                self.reading.problems.add(entry.node.at, &join_path(&self.path, key), what);
                (entry.at, &EMPTY)
            }
        }
    }
}

fn inner<'a, T>(
    reading: &mut Reading<'a>,
    path: String,
    table: &Table,
    at: At,
    fallback: Option<(&Table, &'static str)>,
    read: impl FnOnce(&mut Section<'a, '_>) -> T,
) -> T {
    let mut section = Section { reading, path, table, at, fallback, asked: BTreeSet::new() };
    let value = read(&mut section);
    section.finish();
    value
}

fn text(node: &Node) -> Result<&str, Vec<Bad>> {
    match &node.value {
        Value::Text(text) if text.trim().is_empty() => Err(vec![Bad(node.at, "must not be empty".into())]),
        Value::Text(text) => Ok(text),
        _ => Err(wrong_kind(node, "a text")),
    }
}

fn number(node: &Node, range: &RangeInclusive<u32>) -> Result<u32, Vec<Bad>> {
    let Value::Integer(number) = node.value else { return Err(wrong_kind(node, "a whole number")) };
    match u32::try_from(number) {
        Ok(number) if range.contains(&number) => Ok(number),
        _ => Err(vec![Bad(node.at, format!("must be {} to {}, is {number}", range.start(), range.end()))]),
    }
}

fn path(reading: &Reading<'_>, node: &Node, from: &Path) -> Result<PathBuf, Vec<Bad>> {
    let text = text(node)?;
    reading.environment.expand(text, from).map_err(|what| vec![Bad(node.at, what)])
}

fn wrong_kind(node: &Node, wanted: &str) -> Vec<Bad> {
    vec![Bad(node.at, format!("must be {wanted}, is {}", node.value.kind()))]
}

/// The word that was probably meant.
pub(crate) fn similar<'w>(word: &str, known: impl Iterator<Item = &'w str>) -> Option<&'w str> {
    let word = word.to_lowercase().replace('-', "_");
    known
        .map(|it| (strsim::damerau_levenshtein(&word, &it.replace('-', "_")), it))
        .filter(|(distance, it)| *distance <= 1 + it.len() / 4)
        .min()
        .map(|(_, it)| it)
}

/// `a, b, c`, for a sentence.
pub(crate) fn list<'w>(words: impl Iterator<Item = &'w str>) -> String {
    let words: Vec<_> = words.collect();
    if words.is_empty() { "none".into() } else { words.join(", ") }
}
