//! What GitHub acts upon in running text: mentions, closing words, commands, references to characters.
//!
//! Knows nothing of Markdown's structure; whatever markup may stand between two words is passed over.

use regex::{Captures, Regex};
use std::sync::LazyLock;

/// A closing word and the reference it closes, with whatever may stand between them. Upper and lower case are one as
/// Unicode has it, long s included, since GitHub's patterns are of that kind.
static CLOSING: LazyLock<Regex> = LazyLock::new(|| {
    // Characters of markup, blanks, a tag; the end of a link, and a footnote's mark.
    let between = r#"(?:[\s:*_~"'`()\[\]{}<>|\\-]|&nbsp;|</?[a-z0-9]+ ?/?>)"#;
    let between = format!(r"(?:{between}|\](?:\([^()\n]{{0,300}}\)|\[[^\]\n]{{0,100}}\])|\[\^[^\]\n]{{1,100}}\])");
    let number = r"\\?#\\?[0-9]";
    let named = r"(?:[\w.\\-]+(?:/[\w.\\-]+)?\\?#\\?[0-9]|gh\\?-\\?[0-9])";
    let url = r"https?://\S{1,300}?/(?:issues|pull|discussions)/[0-9]";
    let label = r"[^\]\n]{0,200}\]\s*\(\s*<?";
    let word = r"(?:close[sd]?|fix(?:e[sd])?|resolve[sd]?)";
    let rest = format!("{between}*(?:{number}|{url})|{between}+(?:{named}|{label}{url})");
    pattern_of(&format!("(?i)(?P<before>^|(?-i:[^A-Za-z0-9])){word}(?P<rest>{rest})"))
});
static COMMAND: LazyLock<Regex> = LazyLock::new(|| pattern_of(r"(?m)^((?:[ \t]|>)*)/+(code\b)"));
static MARKER: LazyLock<Regex> = LazyLock::new(|| pattern_of(r"(?i)<!--(\s*agentd)"));
static IMAGE: LazyLock<Regex> = LazyLock::new(|| pattern_of(r"!+\["));
static REFERENCE: LazyLock<Regex> = LazyLock::new(|| pattern_of(r"&(#|[A-Za-z][A-Za-z0-9]*;)"));
static SKIP: LazyLock<Regex> =
    LazyLock::new(|| pattern_of(r"(?i)\[((?:skip[ -]+(?:ci|actions)|(?:ci|actions)[ -]+skip|no[ -]+ci))\]"));
static TRAILER: LazyLock<Regex> =
    LazyLock::new(|| pattern_of(r"(?im)^[ \t]*(?:co-authored-by|on-behalf-of|skip-checks)[ \t]*:.*\n?"));

/// References to characters that are left: none of them is part of a mention, a reference or a tag.
const REFERENCES: [&str; 22] = [
    "amp", "lt", "gt", "quot", "apos", "nbsp", "ndash", "mdash", "hellip", "larr", "rarr", "uarr", "darr", "copy",
    "reg", "times", "middot", "bull", "deg", "euro", "pound", "sect",
];

/// How far back the beginning of a URL is looked for, in bytes.
const URL_MAX: usize = 2_000;

fn pattern_of(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a fixed pattern")
}

/// The text without characters that nobody sees or that turn others around, and with plain line breaks.
pub(super) fn visible(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace(['\r', '\u{2028}', '\u{2029}'], "\n");
    text.chars().filter(|it| !is_hidden(*it)).collect()
}

fn is_hidden(it: char) -> bool {
    // What joins and parts letters (U+200C, U+200D) is part of writing, and of emoji.
    (it.is_control() && !matches!(it, '\n' | '\t'))
        || matches!(it, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}')
        || matches!(it, '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
        || matches!(it, '\u{e0000}'..='\u{e007f}')
}

/// Without mentions, closing words and what is left of images.
pub(super) fn tamed(text: &str) -> String {
    let text = without_mentions(&IMAGE.replace_all(text, "["));
    CLOSING.replace_all(&text, "${before}about${rest}").into_owned()
}

fn without_mentions(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    for (at, character) in text.char_indices() {
        let (before, after) = (&text[..at], &text[at + character.len_utf8()..]);
        if character != '@' || !may_name(after) || is_address(before, after) {
            kept.push(character);
        } else if is_in_url(before) {
            kept.push_str("%40");
        }
    }
    kept
}

/// Whether a name may begin here, now or when what stands before it has been taken out.
fn may_name(after: &str) -> bool {
    // The last two are a k and an s for patterns that do not mind upper and lower case.
    after.starts_with(|it: char| it.is_ascii_alphanumeric() || matches!(it, '@' | '<' | '&' | '\\' | '\u{212a}' | 'ſ'))
}

/// Whether what stands before belongs to a URL that goes on.
fn is_in_url(before: &str) -> bool {
    let near = &before[before.ceil_char_boundary(before.len().saturating_sub(URL_MAX))..];
    let token = near.rsplit(|it: char| it.is_whitespace() || "<>()\"'".contains(it)).next();
    token.is_some_and(|it| it.contains("://"))
}

/// Whether an `@` stands in something like `ann@example.org` or `checkout@v4`, where GitHub sees nobody mentioned.
fn is_address(before: &str, after: &str) -> bool {
    let is_local = |it: char| it.is_ascii_alphanumeric() || "._%+-".contains(it);
    if !before.ends_with(|it: char| it.is_ascii_alphanumeric()) {
        return false;
    }
    let outside = before.trim_end_matches(is_local);
    let local = &before[outside.len()..];
    let is_commit = (7..=40).contains(&local.len()) && local.bytes().all(|it| it.is_ascii_hexdigit());
    let label = after.trim_start_matches(|it: char| it.is_ascii_alphanumeric() || it == '-');
    let is_domain = label.len() < after.len()
        && label.strip_prefix('.').is_some_and(|it| it.starts_with(|it: char| it.is_ascii_alphanumeric()));
    // After one of these, what looks like the first part of an address is something else to GitHub.
    let odd = outside.ends_with(['#', '@', '&']) || is_commit;
    after.starts_with(|it: char| it.is_ascii_alphanumeric()) && (!odd || (is_domain && !outside.ends_with('@')))
}

/// Characters that are written as references (`&#64;`) become the text of the reference.
pub(super) fn without_references(text: &str) -> String {
    let replaced = REFERENCE.replace_all(text, |found: &Captures<'_>| {
        let name = found[1].trim_end_matches(';');
        if REFERENCES.contains(&name) { found[0].to_owned() } else { format!("&amp;{}", &found[1]) }
    });
    replaced.into_owned()
}

/// Lines that would be commands to agentd are none any more.
pub(super) fn without_commands(text: &str) -> String {
    COMMAND.replace_all(text, "$1$2").into_owned()
}

/// What looks like one of agentd's markers is none any more.
pub(super) fn without_markers(text: &str) -> String {
    MARKER.replace_all(text, "<! --$1").into_owned()
}

/// For text in which there are no comments, whatever it is shown in later.
pub(super) fn without_comments(text: &str) -> String {
    text.replace("<!--", "<! --")
}

/// Words in a commit's message that keep GitHub from running workflows.
pub(super) fn without_skips(text: &str) -> String {
    SKIP.replace_all(text, "($1)").into_owned()
}

/// Lines that name other authors, or keep checks from running.
pub(super) fn without_trailers(text: &str) -> String {
    TRAILER.replace_all(text, "").into_owned()
}
