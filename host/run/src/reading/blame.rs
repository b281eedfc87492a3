//! Who last changed some lines.

use super::{git_said, millis, of_git, revision::Mirrored};
use agentd_plugin::wit::{common::Error, repository::BlameRange};
use std::collections::HashMap;

/// The most lines at a time.
const LINES: u32 = 10_000;

pub(super) async fn lines(
    mirror: &Mirrored<'_>,
    revision: &Option<String>,
    path: &str,
    first: u32,
    last: u32,
) -> Result<Vec<BlameRange>, Error> {
    if first == 0 || last < first {
        return Err(Error::Invalid(format!("lines {first} to {last} are none: they count from 1")));
    }
    if last - first >= LINES {
        return Err(Error::TooLarge(format!("lines {first} to {last} are too many: at most {LINES} at a time")));
    }
    let commit = mirror.commit(revision).await?;
    // Tells a path that does not exist from everything else that may go wrong.
    mirror.blob(&commit, path).await?;
    let range = format!("-L{first},{last}");
    let args = ["blame", "--incremental", "--encoding=UTF-8", &range, &commit, "--", path];
    let doing = || format!("reading who changed `{}` of `{}`", path.escape_debug(), mirror.known.id);
    let output = mirror.git.run(&args).await.map_err(of_git(doing()))?;
    if output.stderr.contains("has only") {
        return Err(Error::Invalid(format!("line {first} is after the end of `{}`", path.escape_debug())));
    }
    if output.cut || !output.success() {
        return Err(git_said(doing(), &output.stderr));
    }
    Ok(joined(parse(&String::from_utf8_lossy(&output.stdout))))
}

/// What git writes once for each commit.
#[derive(Clone, Default)]
struct Who {
    author: String,
    email: String,
    at: u64,
}

/// Reads `--incremental`: groups of lines in any order, each begun by `commit old-line line count`.
fn parse(text: &str) -> Vec<BlameRange> {
    let mut who: HashMap<&str, Who> = HashMap::new();
    let mut groups: Vec<(&str, u32, u32)> = vec![];
    for line in text.lines() {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        // No key of git's is as long as an id.
        if matches!(word.len(), 40 | 64) && super::revision::is_hex(word) {
            let mut numbers = rest.split(' ').skip(1).filter_map(|it| it.parse::<u32>().ok());
            let (first, count) = (numbers.next().unwrap_or(1), numbers.next().unwrap_or(1));
            groups.push((word, first, first.saturating_add(count.max(1) - 1)));
            who.entry(word).or_default();
            continue;
        }
        let Some(who) = groups.last().and_then(|(commit, ..)| who.get_mut(commit)) else { continue };
        match word {
            "author" => rest.clone_into(&mut who.author),
            "author-mail" => rest.trim_start_matches('<').trim_end_matches('>').clone_into(&mut who.email),
            "committer-time" => who.at = millis(rest),
            _ => {}
        }
    }
    groups.sort_unstable_by_key(|(_, first, _)| *first);
    let range = |(commit, first, last): (&str, u32, u32)| {
        let Who { author, email, at } = who.get(commit).cloned().unwrap_or_default();
        let commit = commit.to_owned();
        BlameRange { first, last, commit, author, author_email: email, committed_at: at, extra: vec![] }
    };
    groups.into_iter().map(range).collect()
}

/// Neighbours of one commit become one range.
fn joined(ranges: Vec<BlameRange>) -> Vec<BlameRange> {
    let mut joined: Vec<BlameRange> = vec![];
    for range in ranges {
        match joined.last_mut() {
            Some(last) if last.commit == range.commit && last.last + 1 == range.first => last.last = range.last,
            _ => joined.push(range),
        }
    }
    joined
}
