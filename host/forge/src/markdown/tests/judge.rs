//! Says what GitHub would act upon in a text, with eyes of its own: GitHub's dialect is read by another parser, and
//! mentions and closing words are looked for in what it makes of the text, piece by piece and put together.

use comrak::nodes::{AstNode, NodeValue};
use comrak::{Arena, Options, markdown_to_html, parse_document};
use regex::Regex;
use std::sync::LazyLock;

static MENTION: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?i)(?:^|[^A-Za-z0-9_])@[a-z0-9][a-z0-9-]*(?:[^0-9A-Za-z_.]|\.+[\s\W]|\.*$)").unwrap()
});
static CLOSING: LazyLock<Regex> = LazyLock::new(|| {
    let reference = r"(?:#\d|GH-\d|[\w.-]+/[\w.-]+#\d|https?://[^\s/]+/[\w.-]+/[\w.-]+/(?:issues|pull)/\d)";
    let pattern = r"(?i)(?:^|[^A-Za-z0-9])(?:close[sd]?|fix|fixe[sd]|resolve[sd]?):?\s+";
    Regex::new(&format!("{pattern}{reference}")).unwrap()
});
static TAG: LazyLock<Regex> = LazyLock::new(|| Regex::new("<[^>]*>").unwrap());
/// Tags that load and hide nothing, and addresses.
static FINE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^</?(?:b|i|em|strong|del|ins|sub|sup|kbd|code|pre|br|hr)>|^<(?:https?://|[\w.+-]+@)[^\s<>]+>").unwrap()
});
static MARKER: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"(?i)<!--\s*agentd").unwrap());
static AUTHOR: LazyLock<Regex> = LazyLock::new(|| Regex::new("(?im)^co-authored-by:").unwrap());

fn options() -> Options<'static> {
    let mut options = Options::default();
    options.extension.strikethrough = true;
    options.extension.table = true;
    options.extension.autolink = true;
    options.extension.tasklist = true;
    options.extension.footnotes = true;
    options.extension.alerts = true;
    options.render.r#unsafe = true;
    options
}

pub(super) fn html(text: &str) -> String {
    markdown_to_html(text, &options())
}

/// What should not be in a comment.
pub(super) fn offences(text: &str) -> Vec<String> {
    let arena = Arena::new();
    let mut found = vec![];
    let mut whole = String::new();
    look(parse_document(&arena, text, &options()), false, &mut whole, &mut found);
    acts(&whole, false, &mut found);
    if text.chars().any(|it| ('\u{202a}'..='\u{202e}').contains(&it) || ('\u{2066}'..='\u{2069}').contains(&it)) {
        found.push("turns text around".into());
    }
    if MARKER.is_match(text) {
        found.push("forges a marker".into());
    }
    found
}

/// What should not be in a title or in a commit's message.
pub(super) fn offences_of_plain(text: &str) -> Vec<String> {
    let mut found = vec![];
    acts(text, true, &mut found);
    if text.contains("<!--") || AUTHOR.is_match(text) {
        found.push("has a comment, or another author".into());
    }
    found
}

fn look<'a>(node: &'a AstNode<'a>, in_link: bool, whole: &mut String, found: &mut Vec<String>) {
    let value = node.data.borrow().value.clone();
    let is_link = matches!(value, NodeValue::Link(_));
    match &value {
        NodeValue::Image(image) => found.push(format!("loads {}", image.url)),
        NodeValue::Text(text) => {
            // Links are left alone by GitHub's search for mentions; an issue's number may be one.
            if !in_link {
                acts(text, true, found);
            }
            whole.push_str(text);
        }
        NodeValue::HtmlInline(tag) => {
            tags(tag, found);
            acts(tag, true, found);
        }
        NodeValue::HtmlBlock(block) => {
            tags(&block.literal, found);
            let text = TAG.replace_all(&block.literal, " ").into_owned();
            acts(&text, true, found);
            whole.push_str(&block.literal);
        }
        NodeValue::Code(_) => whole.push('`'),
        NodeValue::CodeBlock(_) => whole.push_str("\n`\n"),
        NodeValue::SoftBreak | NodeValue::LineBreak => whole.push('\n'),
        // What stands in two blocks is not one sentence.
        block if block.block() => whole.push_str("\n.\n"),
        _ => {}
    }
    // Where markup begins and ends, so does a piece of text; what stands in two is not one word.
    let parts = !matches!(value, NodeValue::Text(_));
    if parts {
        whole.push(' ');
    }
    for child in node.children() {
        look(child, in_link || is_link, whole, found);
    }
    if parts {
        whole.push(' ');
    }
}

fn tags(html: &str, found: &mut Vec<String>) {
    for (at, _) in html.match_indices('<') {
        let tag = &html[at..];
        let begins = tag[1..].starts_with(|it: char| it.is_ascii_alphabetic() || "!?/".contains(it));
        if begins && !FINE.is_match(tag) {
            found.push(format!("has the tag {tag}"));
        }
    }
}

/// Mentions by the pattern that GitHub has published, and closing words as its documentation lists them.
fn acts(text: &str, with_mentions: bool, found: &mut Vec<String>) {
    if with_mentions && let Some(mention) = MENTION.find(text) {
        found.push(format!("calls {}", mention.as_str()));
    }
    if let Some(closing) = CLOSING.find(text) {
        found.push(format!("closes {}", closing.as_str()));
    }
}
