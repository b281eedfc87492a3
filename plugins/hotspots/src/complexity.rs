//! How hard a file is to read, whatever its language: by how deep its lines are indented, and by its branches.
//!
//! Indentation tracks what a parser would say well enough to compare files, and needs none. A *level* is what the file
//! itself indents by: a tab, or the number of blanks by which its lines most often go in. A line costs a point for each
//! level beyond [`FREE`] (a function in a class is no sin); each word or sign that branches costs one.
//!
//! - Never counts comments, empty lines, or what stands in a text: as far as one line shows it.

use std::collections::BTreeMap;

/// How many levels cost nothing.
const FREE: usize = 2;
/// More levels than this do not make a line harder: tables are indented far.
const DEEPEST: usize = 12;

/// Endings of files that hold programs.
const PROGRAMS: &[&str] = &[
    "bash", "c", "cc", "clj", "coffee", "cpp", "cs", "cxx", "dart", "erl", "ex", "exs", "fs", "go", "groovy", "h",
    "hpp", "hs", "java", "jl", "js", "jsx", "kt", "kts", "lua", "m", "ml", "mjs", "mm", "nim", "php", "pl", "pm",
    "ps1", "py", "r", "rb", "rs", "scala", "sh", "sql", "svelte", "swift", "tcl", "ts", "tsx", "vb", "vue", "zig",
];

/// Words and signs after which a program may go on in more than one way.
const WORDS: &[&str] = &[
    "if", "elif", "elsif", "elseif", "unless", "for", "foreach", "while", "until", "loop", "case", "when", "catch",
    "except", "rescue", "and", "or", "goto",
];
const SIGNS: &[&str] = &["&&", "||", "??", "=> {", " ? "];

/// What was measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Complexity {
    /// Lines with something in them that is no comment.
    pub(crate) lines: u32,
    pub(crate) branches: u32,
    /// Points for depth: levels beyond the free ones, of all lines together.
    pub(crate) depth: u32,
    /// The deepest line: its level, and its number from 1.
    pub(crate) deepest: u32,
    pub(crate) deepest_line: u32,
}

impl Complexity {
    pub(crate) fn points(self) -> u32 {
        self.branches.saturating_add(self.depth)
    }
}

/// Whether a file holds a program, by its name.
pub(crate) fn is_program(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.rsplit_once('.').is_some_and(|(_, ending)| PROGRAMS.contains(&ending.to_ascii_lowercase().as_str()))
}

pub(crate) fn measure(text: &str) -> Complexity {
    let unit = unit(text);
    let mut found = Complexity::default();
    for (number, line) in (1..).zip(text.lines()) {
        let code = line.trim();
        if code.is_empty() || is_comment(code) {
            continue;
        }
        let level = (columns(line, unit) / unit).min(DEEPEST);
        found.lines += 1;
        found.branches += branches(&without_texts(code));
        found.depth += u32::try_from(level.saturating_sub(FREE)).unwrap_or(0);
        let level = u32::try_from(level).unwrap_or(0);
        if level > found.deepest {
            (found.deepest, found.deepest_line) = (level, number);
        }
    }
    found
}

/// By how many columns the file indents: by how many its lines most often go in from one to the next.
fn unit(text: &str) -> usize {
    let mut steps: BTreeMap<usize, usize> = BTreeMap::new();
    let mut before = 0;
    for line in text.lines().filter(|it| !it.trim().is_empty()) {
        if line.starts_with('\t') {
            return 4; // any will do: a tab is as wide as a level
        }
        let now = line.len() - line.trim_start_matches(' ').len();
        if now > before && now - before <= 8 {
            *steps.entry(now - before).or_default() += 1;
        }
        before = now;
    }
    // One column is how comments and lists are lined up, and no level.
    steps.remove(&1);
    let most = steps.into_iter().max_by_key(|(step, count)| (*count, std::cmp::Reverse(*step)));
    most.map_or(4, |(step, _)| step)
}

fn columns(line: &str, unit: usize) -> usize {
    line.chars()
        .map_while(|it| match it {
            ' ' => Some(1),
            '\t' => Some(unit),
            _ => None,
        })
        .sum()
}

fn is_comment(code: &str) -> bool {
    let begins = ["//", "#", "--", "/*", "*/", "* ", "<!--", ";;", "%", "\"\"\"", "'''"];
    code == "*" || begins.iter().any(|it| code.starts_with(it)) && !code.starts_with("#[") && !code.starts_with("#!")
}

/// The line without what stands in quotes, where they are closed on it.
fn without_texts(code: &str) -> String {
    let mut left = String::with_capacity(code.len());
    let mut rest = code;
    while let Some(start) = rest.find(['"', '`', '\'']) {
        let quote = rest[start..].chars().next().unwrap_or('"');
        let inside = &rest[start + 1..];
        let Some(end) = end_of_text(inside, quote) else { break };
        left.push_str(&rest[..start]);
        left.push(' ');
        rest = &inside[end + 1..];
    }
    left.push_str(rest);
    left
}

/// Where a text ends. An apostrophe that closes nothing (a lifetime, a word) begins none.
fn end_of_text(inside: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (place, it) in inside.char_indices() {
        match it {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if it == quote => return Some(place),
            _ => (),
        }
    }
    None
}

fn branches(code: &str) -> u32 {
    let words = code.split(|it: char| !it.is_alphanumeric() && it != '_').filter(|it| WORDS.contains(it)).count();
    let signs: usize = SIGNS.iter().map(|sign| code.matches(sign).count()).sum();
    u32::try_from(words + signs).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
