//! Makes tasks of comments: what they are called, in which order they come, and what stays the same.

use crate::comment::{Comment, find};
use agentd_sdk::analyzer::{Draft, Location, Report};
use agentd_sdk::host::repository::Hit;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

const INSTRUCTIONS: &str = "Do what the comment asks for, and remove the comment with the same change. If what it asks \
    for has been done already, or no longer makes sense, only remove it and say so.";

/// How long a title may get, in characters.
const TITLE: usize = 120;

/// What all hits together come to: the most important ones, at most `limit`. `all` is false when the search was cut.
pub(crate) fn report(hits: &[Hit], all: bool, words: &[String], limit: usize) -> Report {
    let mut seen = BTreeMap::new();
    let mut found: Vec<(usize, Draft)> = vec![];
    for hit in hits {
        let Some(comment) = find(&hit.path, &hit.text, words) else { continue };
        let importance = words.iter().position(|word| word == comment.word).unwrap_or(words.len());
        found.push((importance, draft(hit, &comment, &mut seen)));
    }
    found.sort_by_key(|(importance, _)| *importance); // stable: by path and line within a word
    let complete = all && found.len() <= limit;
    let files = found.iter().flat_map(|(_, draft)| &draft.locations).map(|it| &it.path).collect::<BTreeSet<_>>().len();
    let mut summary = format!("{} in {}", counted(found.len(), "comment"), counted(files, "file"));
    if !all {
        summary.push_str(", and more that were not looked at: narrow `globs`");
    }
    if found.len() > limit {
        write!(summary, "; the first {limit} become tasks").expect("writing to a string does not fail");
    }
    let findings = found.into_iter().take(limit).map(|(_, draft)| draft).collect();
    Report { findings, complete, cursor: None, summary, extra: vec![] }
}

fn counted(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

fn draft(hit: &Hit, comment: &Comment<'_>, seen: &mut BTreeMap<String, u32>) -> Draft {
    let location = Location { path: hit.path.clone(), line: hit.line, end_line: hit.line, extra: vec![] };
    Draft {
        key: key(&hit.path, &comment.text, seen),
        title: title(&hit.path, &comment.text),
        body: body(hit, comment.word),
        labels: vec!["todo".into()],
        instructions: Some(INSTRUCTIONS.into()),
        locations: vec![location],
        ..Draft::default()
    }
}

/// The same for the same words in the same file. Equal comments are told apart by their order: a second one added
/// below the first leaves the first one's key as it is.
fn key(path: &str, text: &str, seen: &mut BTreeMap<String, u32>) -> String {
    let key = format!("todo-{:016x}", hash(format!("{path}\0{text}").as_bytes()));
    let count = seen.entry(key.clone()).or_default();
    *count += 1;
    if *count == 1 { key } else { format!("{key}#{count}") }
}

/// FNV-1a: what makes a key must never change with a library or a compiler.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

fn title(path: &str, text: &str) -> String {
    let title: String = format!("{path}: {text}").chars().filter(|it| !it.is_control()).collect();
    if title.chars().count() <= TITLE {
        return title;
    }
    title.chars().take(TITLE - 1).chain(['…']).collect()
}

/// Where the comment stands, and the lines around it, numbered.
fn body(hit: &Hit, word: &str) -> String {
    let first = hit.line.saturating_sub(u32::try_from(hit.before.len()).unwrap_or(u32::MAX));
    let lines = hit.before.iter().chain([&hit.text]).chain(&hit.after);
    let mut code = String::new();
    for (number, line) in (first..).zip(lines) {
        let mark = if number == hit.line { '>' } else { ' ' };
        writeln!(code, "{mark} {number:4} {line}").expect("writing to a string does not fail");
    }
    let fence = fence(&code);
    format!("A {word} comment in `{}`, line {}:\n\n{fence}text\n{code}{fence}\n", hit.path, hit.line)
}

/// A fence that nothing in the code ends.
fn fence(code: &str) -> String {
    let longest = code.split(|it| it != '`').map(str::len).max().unwrap_or(0);
    "`".repeat(3.max(longest + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hit(path: &str, line: u32, text: &str) -> Hit {
        Hit { path: path.into(), line, text: text.into(), ..Hit::default() }
    }

    fn words() -> Vec<String> {
        ["FIXME", "HACK", "TODO"].map(Into::into).into()
    }

    fn keys(hits: &[Hit]) -> Vec<String> {
        report(hits, true, &words(), 100).findings.into_iter().map(|draft| draft.key).collect()
    }

    #[test]
    fn a_key_stays_while_the_comment_moves_and_is_indented() {
        let before = keys(&[hit("a.rs", 3, "// TODO: x y")]);
        assert_eq!(before, keys(&[hit("a.rs", 90, "        //   TODO: x  y")]));
        assert_eq!(before, ["todo-41bf2e3313142e44"], "a key is for ever: it must not change with this program");
    }

    #[test]
    fn a_key_changes_with_file_and_words() {
        let all = keys(&[hit("a.rs", 1, "// TODO: x"), hit("a.rs", 2, "// TODO: y"), hit("b.rs", 1, "// TODO: x")]);
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 3);
    }

    #[test]
    fn equal_comments_are_numbered() {
        let all = keys(&[hit("a.rs", 1, "// TODO"), hit("a.rs", 5, "// TODO"), hit("a.rs", 9, "// TODO")]);
        assert_eq!(all[1..], [format!("{}#2", all[0]), format!("{}#3", all[0])]);
    }

    #[track_caller]
    fn check(limit: usize, all: bool, titles: &[&str], complete: bool, summary: &str) {
        let hits = [
            hit("a.rs", 1, "// TODO: one"),
            hit("a.rs", 2, "let s = \"TODO\";"),
            hit("b.rs", 1, "// FIXME: two"),
            hit("b.rs", 2, "// TODO: three"),
        ];
        let report = report(&hits, all, &words(), limit);
        assert_eq!(report.findings.iter().map(|it| it.title.as_str()).collect::<Vec<_>>(), titles);
        assert_eq!((report.complete, report.summary.as_str()), (complete, summary));
    }

    #[test]
    fn the_most_important_word_comes_first_and_a_cut_list_is_not_all() {
        let all = ["b.rs: FIXME: two", "a.rs: TODO: one", "b.rs: TODO: three"];
        check(3, true, &all, true, "3 comments in 2 files");
        check(2, true, &all[..2], false, "3 comments in 2 files; the first 2 become tasks");
        check(9, false, &all, false, "3 comments in 2 files, and more that were not looked at: narrow `globs`");
    }

    #[test]
    fn an_untroubled_repository_has_nothing_to_report() {
        let none = report(&[], true, &words(), 10);
        assert_eq!((none.findings.len(), none.complete, none.summary.as_str()), (0, true, "0 comments in 0 files"));
        let one = report(&[hit("a.rs", 1, "// TODO: one")], true, &words(), 10);
        assert_eq!(one.summary, "1 comment in 1 file");
    }

    #[test]
    fn the_body_shows_where_it_is() {
        let mut hit = hit("src/a.rs", 10, "    // TODO: x");
        hit.before = vec!["fn a() {".into()];
        hit.after = vec!["    b(\"```\")".into(), "}".into()];
        let report = report(&[hit], true, &words(), 1);
        let draft = &report.findings[0];
        let expected = "A TODO comment in `src/a.rs`, line 10:\n\n````text\n     9 fn a() {\n>   10     // TODO: x\n    \
                        11     b(\"```\")\n    12 }\n````\n";
        assert_eq!(draft.body, expected);
        assert_eq!((draft.labels.as_slice(), draft.repository.as_deref()), (&["todo".to_owned()][..], None));
        assert_eq!((draft.locations[0].path.as_str(), draft.locations[0].line), ("src/a.rs", 10));
    }

    #[test]
    fn long_titles_are_cut() {
        let report = report(&[hit("a.rs", 1, &format!("// TODO {}", "ж".repeat(300)))], true, &words(), 1);
        let title = &report.findings[0].title;
        assert_eq!(title.chars().count(), TITLE);
        assert!(title.starts_with("a.rs: TODO жж") && title.ends_with('…'));
    }
}
