//! Events that are nothing but words: notices for people, and notes of what fits no other event.
//!
//! The host cuts long texts, too. Here they lose their middle: commands say at the end what went wrong.

use super::{Event, Happening, Note, Notice, Weight};

/// How much of a text becomes an event, in bytes: the host cuts there, and this saves copying.
pub const TEXT_BYTES: usize = 256 << 10;

/// How much less of the end is kept than of the beginning, so that the mark between them fits in.
const MARK_BYTES: usize = 64;

/// Something that people should see.
#[must_use]
pub fn notice(weight: Weight, code: &str, text: &str) -> Event {
    let text = shortened(text);
    Event::from(Happening::Notice(Notice { weight, code: code.into(), text, extra: vec![] }))
}

/// Something that the agent said, under the agent's own name for it.
#[must_use]
pub fn note(kind: &str, content: &str) -> Event {
    Event::from(Happening::Other(Note { kind: kind.into(), content: shortened(content), extra: vec![] }))
}

/// The text; of one that is longer than an event holds, its beginning and its end.
#[must_use]
pub fn shortened(text: &str) -> String {
    if text.len() <= TEXT_BYTES {
        return text.to_owned();
    }
    let half = TEXT_BYTES / 2;
    let start = &text[..text.floor_char_boundary(half)];
    let end = &text[text.ceil_char_boundary(text.len() - half + MARK_BYTES)..];
    format!("{start}\n… ({} bytes left out) …\n{end}", text.len() - start.len() - end.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, start: &str, end: &str) {
        let shown = shortened(text);
        assert!(shown.len() <= TEXT_BYTES && shown.starts_with(start) && shown.ends_with(end), "{} bytes", shown.len());
    }

    #[test]
    fn a_long_text_keeps_its_beginning_and_its_end() {
        check("short", "short", "short");
        check(&format!("first {} last", "x".repeat(TEXT_BYTES)), "first x", "x last");
        check(&format!("first {} last", "ж".repeat(TEXT_BYTES)), "first ж", "ж last");
        let whole = "x".repeat(TEXT_BYTES);
        check(&whole, &whole, "");
    }
}
