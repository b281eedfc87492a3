//! Finds the lines of one text that match, with the lines around them.
//!
//! The matching is ripgrep's: the whole text is searched at once, and only where something is found are lines looked
//! for. A line ends with `\n` or `\r\n`; a byte order mark at the start is no part of the first one.

use super::PAGE_MAX;
use agentd_plugin::wit::{
    common::Error,
    repository::{Hit, SearchQuery},
};
use grep_matcher::{LineTerminator, Matcher as _};
use grep_regex::{RegexMatcher, RegexMatcherBuilder};
use grep_searcher::{Searcher, SearcherBuilder, Sink, SinkMatch};
use std::io;

const PATTERN_MAX: usize = 64 << 10;
/// What a compiled pattern may take, in bytes.
const COMPILED_MAX: usize = 10 << 20;
/// Where a NUL byte makes a file one that is not text.
const HEAD: usize = 8 << 10;
/// What is given of a line, in bytes, and how much of that comes before the match if the line is longer.
const LINE_MAX: usize = 1 << 10;
const LINE_BEFORE: usize = 256;
/// What a hit takes beside its text, for the count of a page's bytes.
const HIT: usize = 64;

pub(super) struct Pattern {
    matcher: RegexMatcher,
    context: usize,
}

/// Hits, until there is no room left.
pub(super) struct Found {
    pub(super) hits: Vec<Hit>,
    most: usize,
    bytes: usize,
    /// There was at least one more.
    pub(super) full: bool,
}

impl Found {
    pub(super) fn new(most: usize) -> Found {
        Found { hits: vec![], most, bytes: 0, full: false }
    }

    /// Takes a hit, or finds that it is full. The first hit always fits.
    pub(super) fn push(&mut self, hit: Hit) -> bool {
        let around: usize = hit.before.iter().chain(&hit.after).map(String::len).sum();
        let bytes = HIT + hit.path.len() + hit.text.len() + around;
        let fits = self.bytes + bytes <= PAGE_MAX || self.hits.is_empty();
        if self.full || self.hits.len() >= self.most || !fits {
            self.full = true;
            return false;
        }
        self.bytes += bytes;
        self.hits.push(hit);
        true
    }
}

impl Pattern {
    pub(super) fn new(query: &SearchQuery) -> Result<Pattern, Error> {
        let pattern = &query.pattern;
        if pattern.len() > PATTERN_MAX {
            let (is, most) = (pattern.len(), PATTERN_MAX);
            return Err(Error::TooLarge(format!("the pattern has {is} bytes: at most {most} are read")));
        }
        let matcher = RegexMatcherBuilder::new()
            .multi_line(true)
            .crlf(true)
            .unicode(true)
            .case_insensitive(query.ignore_case)
            .word(query.whole_words)
            .fixed_strings(query.literal)
            .size_limit(COMPILED_MAX)
            .dfa_size_limit(COMPILED_MAX)
            .build_many(&[pattern])
            .map_err(|error| Error::Invalid(format!("the pattern cannot be used: {error}")))?;
        Ok(Pattern { matcher, context: query.context as usize })
    }

    pub(super) fn searcher(&self) -> Searcher {
        SearcherBuilder::new().line_terminator(LineTerminator::crlf()).line_number(true).bom_sniffing(false).build()
    }

    /// Adds the hits of a text after a line; nothing if the file is not text.
    pub(super) fn search(
        &self,
        searcher: &mut Searcher,
        path: &str,
        text: &[u8],
        after: u32,
        found: &mut Found,
    ) -> Result<(), Error> {
        if text[..text.len().min(HEAD)].contains(&0) {
            return Ok(());
        }
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        let lines = Lines { pattern: self, path, text, after, found };
        let searched = searcher.search_slice(&self.matcher, text, lines);
        searched.map_err(|error| Error::Other(format!("searching `{}`: {error}", path.escape_debug())))
    }
}

/// Makes hits of what matches in one text.
struct Lines<'a> {
    pattern: &'a Pattern,
    path: &'a str,
    text: &'a [u8],
    after: u32,
    found: &'a mut Found,
}

impl Sink for Lines<'_> {
    type Error = io::Error;

    fn matched(&mut self, _: &Searcher, matched: &SinkMatch<'_>) -> Result<bool, io::Error> {
        let line = matched.line_number().and_then(|it| u32::try_from(it).ok()).unwrap_or(u32::MAX);
        if line <= self.after {
            return Ok(true);
        }
        let bytes = without_end(matched.bytes());
        let column = self.pattern.matcher.find(bytes)?.map_or(0, |it| it.start());
        let start = usize::try_from(matched.absolute_byte_offset()).unwrap_or(usize::MAX).min(self.text.len());
        let end = (start + matched.bytes().len()).min(self.text.len());
        let hit = Hit {
            path: self.path.to_owned(),
            line,
            column: u32::try_from(column).unwrap_or(u32::MAX),
            text: around(bytes, column),
            before: before(&self.text[..start], self.pattern.context),
            after: self.text[end..].split_inclusive(|it| *it == b'\n').take(self.pattern.context).map(shown).collect(),
            extra: vec![],
        };
        Ok(self.found.push(hit))
    }
}

/// The last lines of a text, in their order.
fn before(text: &[u8], most: usize) -> Vec<String> {
    if text.is_empty() {
        return vec![]; // which is no line, where a line break alone is one
    }
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    let mut lines: Vec<String> = text.rsplit(|it| *it == b'\n').take(most).map(shown).collect();
    lines.reverse();
    lines
}

fn shown(line: &[u8]) -> String {
    around(without_end(line), 0)
}

fn without_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// A line, or the part of it around a place, as text of at most 1 KiB.
fn around(line: &[u8], place: usize) -> String {
    let start = match line.len() > LINE_MAX {
        true => place.saturating_sub(LINE_BEFORE).min(line.len() - LINE_MAX),
        false => 0,
    };
    // Not in the middle of a character: its other bytes look like `10xxxxxx`.
    let middle = |it: &u8| it & 0xc0 == 0x80;
    let start = start + if start > 0 { line[start..].iter().take(3).take_while(|it| middle(it)).count() } else { 0 };
    let mut end = line.len().min(start + LINE_MAX);
    if end < line.len() {
        end -= line[..=end].iter().rev().take(3).take_while(|it| middle(it)).count();
    }
    let mut text = String::from_utf8_lossy(&line[start..end]).into_owned();
    // Bytes that were replaced take more room than before.
    text.truncate(text.floor_char_boundary(LINE_MAX));
    text
}
