//! Where a Markdown text has code and images.
//!
//! The only place that asks a parser of Markdown.

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};
use std::ops::Range;

/// What GitHub's Markdown has beside CommonMark.
fn options() -> Options {
    Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS | Options::ENABLE_FOOTNOTES
}

/// The places of code spans and fenced blocks, in order.
///
/// Left out is what other parsers may take for something else: indented code; a span over several lines; where there may
/// be a table, a span with a `|`; and spans from one on that a URL right before it may take in, backtick and all.
pub(super) fn places(text: &str) -> Vec<Range<usize>> {
    let may_have_table = text.lines().any(|line| line.contains('-') && line.trim_end().ends_with(['-', '|', ':']));
    let mut places: Vec<Range<usize>> = vec![];
    let (mut last_end, mut may_be_shifted) = (0, false);
    for (event, place) in Parser::new_ext(text, options()).into_offset_iter() {
        let code = match event {
            Event::Code(_) => {
                let span = &text[place.clone()];
                may_be_shifted |= text.get(last_end..place.start).is_none_or(ends_in_url);
                last_end = place.end;
                let in_cells = may_have_table && span.contains('|');
                !(may_be_shifted || in_cells || span.contains('\n'))
            }
            event => matches!(event, Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(_)))),
        };
        if code && places.last().is_none_or(|last| last.end <= place.start) {
            places.push(place);
        }
    }
    places
}

fn ends_in_url(before: &str) -> bool {
    let token = before.rsplit(|it: char| it.is_whitespace() || it == '<').next().unwrap_or_default();
    ["://", "www.", "mailto:", "xmpp:"].iter().any(|it| token.contains(it))
}

/// The text with each image replaced by its description.
pub(super) fn without_images(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let (mut from, mut until) = (0, 0);
    let mut parts: Option<(Range<usize>, Option<Range<usize>>)> = None;
    for (event, place) in Parser::new_ext(text, options()).into_offset_iter() {
        if matches!(event, Event::Start(Tag::Image { .. })) && parts.is_none() && place.start >= until {
            parts = Some((place, None));
            continue;
        }
        // The end of an image has the place of its start, which tells it from those of images in its description.
        let ended = matches!(event, Event::End(TagEnd::Image));
        if let Some((image, alt)) = parts.take_if(|(image, _)| ended && *image == place) {
            kept.push_str(&text[from..image.start]);
            kept.push_str(&text[alt.unwrap_or(image.start..image.start)]);
            // The place of `![ref][]` may end before the empty brackets.
            let empty = if text[image.end..].starts_with("[]") { "[]".len() } else { 0 };
            (from, until) = (image.end + empty, image.end + empty);
        } else if let Some((_, alt)) = &mut parts {
            let (start, end) = alt.as_ref().map_or((place.start, place.end), |it| (it.start, it.end));
            *alt = Some(start..place.end.max(end));
        }
    }
    kept.push_str(&text[from..]);
    kept
}

/// The text with an end for the fence that it leaves open.
pub(super) fn closed(text: &str) -> String {
    const PROBE: &str = "\n\nagentd-probe";
    // Followed by a paragraph: a fence inside of something else, like a list, ends where that does.
    let followed = format!("{text}{PROBE}");
    let open = places(&followed).pop().filter(|it| it.end == followed.len());
    let Some(open) = open else { return text.to_owned() };
    let fence: String = {
        let opening = &text[open.start..];
        let mark = opening.chars().next().unwrap_or('`');
        opening.chars().take_while(|it| *it == mark).collect()
    };
    format!("{}\n{fence}", text.trim_end_matches('\n'))
}

/// The whole text as one block of code.
pub(super) fn fenced(text: &str) -> String {
    let longest = text.split(|it| it != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}\n{text}\n{fence}")
}
