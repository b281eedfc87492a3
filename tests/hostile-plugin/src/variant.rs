//! Other versions of this plugin, without another compilation: a test writes over the bytes of [`VARIANT`].

use agentd_sdk::Want;
use agentd_sdk::manifest::HttpWant;
use std::hint::black_box;

/// `variant:`, a word, and dots up to the end.
static VARIANT: [u8; 24] = *b"variant:as-built........";

pub(crate) fn name() -> &'static str {
    // Read as if nobody knew what is in it: that may have changed.
    let bytes: &'static [u8; 24] = black_box(&VARIANT);
    let text = std::str::from_utf8(bytes).unwrap_or("variant:unreadable");
    text.trim_start_matches("variant:").trim_end_matches('.')
}

pub(crate) fn version() -> &'static str {
    match name() {
        "as-built" => "1.0.0",
        _ => "1.1.0",
    }
}

/// What it wants beyond what its settings say.
pub(crate) fn wants() -> Vec<Want> {
    match name() {
        "wider" => vec![Want::Http(HttpWant {
            methods: vec!["POST".into()],
            url: "https://collector.example.org/v1".into(),
            why: "to report".into(),
            ..HttpWant::default()
        })],
        _ => vec![],
    }
}

/// What every call does first.
pub(crate) fn act() {
    assert_ne!(name(), "breaks", "I am the bad version");
}
