//! Finds secrets in bytes that are about to go somewhere: requests of plugins, changes of agents.
//!
//! Two ways, and both are needed: [`SecretScan`] knows the live values of the configuration and finds them in the
//! disguises that programs put on without ill will (base64, hex, JSON, percent-encoding); [`find_pattern`] knows how
//! the tokens of well-known services look. Neither stops somebody who hides a secret on purpose: that is what keeping the
//! secret away from them is for.
//!
//! Never shows, logs or returns what it found: only where.

use aho_corasick::{AhoCorasick, MatchKind};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use regex::bytes::Regex;
use secrecy::{ExposeSecret, SecretString};
use std::{collections::BTreeSet, fmt, sync::LazyLock};

/// Shorter values are not looked for: they stand in ordinary text by chance.
pub(crate) const SHORTEST_BYTES: usize = 8;

/// Lines of a secret that has several are looked for one by one from this length on: a diff puts marks between them.
const SHORTEST_LINE_BYTES: usize = 20;

/// Of a secret that is a whole URL, the path is looked for by itself from this length on: it is what is secret in it.
const SHORTEST_PATH_BYTES: usize = 16;

/// So often a text is percent-decoded.
const DECODINGS: usize = 3;

/// A set of live secret values. Its `Debug` shows how many forms it looks for, and none of them.
#[derive(Clone)]
pub struct SecretScan {
    forms: AhoCorasick,
}

impl SecretScan {
    #[must_use]
    #[expect(clippy::needless_pass_by_value, reason = "the caller's copies of the secrets end here")]
    pub fn new(secrets: Vec<SecretString>) -> SecretScan {
        let forms: BTreeSet<Vec<u8>> = secrets.iter().flat_map(|it| forms(it.expose_secret())).collect();
        let forms = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostFirst)
            .build(forms)
            .expect("an operator's secrets are far smaller than the four gigabytes that are the limit");
        SecretScan { forms }
    }

    /// Where the first secret stands in `bytes`, in bytes from the start.
    #[must_use]
    pub fn find(&self, bytes: &[u8]) -> Option<usize> {
        if self.forms.patterns_len() == 0 {
            return None;
        }
        let mut first = self.forms.find(bytes).map(|it| it.start());
        // A URL inside a URL is encoded twice, and one inside that three times.
        let mut layers: Vec<Vec<u8>> = Vec::new();
        for _ in 0..DECODINGS {
            let Some(decoded) = percent_decoded(layers.last().map_or(bytes, Vec::as_slice)) else { break };
            if let Some(found) = self.forms.find(&decoded) {
                let encoded = layers.iter().rev().map(Vec::as_slice).chain([bytes]);
                let start = encoded.fold(found.start(), |at, layer| before_decoding(layer, at));
                first = Some(first.map_or(start, |it| it.min(start)));
            }
            layers.push(decoded);
        }
        first
    }

    /// The longest text that is looked for, in bytes, were all of it percent-encoded as often as is looked for.
    pub(crate) fn longest(&self) -> usize {
        self.forms.max_pattern_len() * (1 + 2 * DECODINGS)
    }
}

impl fmt::Debug for SecretScan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretScan").field("forms", &self.forms.patterns_len()).finish()
    }
}

/// The first thing in `bytes` that looks like a token of a well-known service: the service's name, and where it stands.
#[must_use]
pub fn find_pattern(bytes: &[u8]) -> Option<(&'static str, usize)> {
    PATTERNS
        .iter()
        .filter_map(|(name, pattern)| {
            // Amazon's documentation uses keys that end in this word.
            let found = pattern.find_iter(bytes).find(|it| !it.as_bytes().ends_with(b"EXAMPLE"))?;
            Some((*name, found.start()))
        })
        .min_by_key(|(_, offset)| *offset)
}

static PATTERNS: LazyLock<Vec<(&'static str, Regex)>> = LazyLock::new(|| {
    // The long tails keep out prose, class names and the placeholders of documentation.
    [
        ("GitHub token", r"(?-u)\bgh[pousr]_[A-Za-z0-9]{36,}"),
        ("GitHub fine-grained token", r"(?-u)\bgithub_pat_[A-Za-z0-9_]{40,}"),
        ("GitLab token", r"(?-u)\bglpat-[A-Za-z0-9_-]{20,}"),
        ("AWS access key", r"(?-u)\b(?:AKIA|ASIA)[A-Z2-7]{16}\b"),
        ("Anthropic key", r"(?-u)\bsk-ant-[A-Za-z0-9_-]{24,}"),
        ("OpenAI key", r"(?-u)\bsk-(?:(?:proj|svcacct|admin)-[A-Za-z0-9_-]{32,}|[A-Za-z0-9]{32,})"),
        ("Slack token", r"(?-u)\bxox[abeoprs]-[A-Za-z0-9-]{16,}"),
        ("private key", r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----"),
    ]
    .into_iter()
    .map(|(name, pattern)| (name, Regex::new(pattern).expect("a test reads every pattern")))
    .collect()
});

/// The texts in which `secret` may stand, other than percent-encoded.
fn forms(secret: &str) -> Vec<Vec<u8>> {
    let mut values = vec![secret, secret.trim(), secret.strip_prefix("whsec_").unwrap_or_default()];
    let after_scheme = secret.split_once("://").map_or("", |(_, rest)| rest);
    if let Some(at) = after_scheme.find('/') {
        values.extend(Some(&after_scheme[at..]).filter(|it| it.trim().len() >= SHORTEST_PATH_BYTES));
    }
    if secret.trim().contains('\n') {
        let lines = secret.lines().map(str::trim);
        values.extend(lines.filter(|it| it.len() >= SHORTEST_LINE_BYTES && !it.starts_with("-----")));
    }
    let mut forms = Vec::new();
    for value in values.into_iter().filter(|it| it.len() >= SHORTEST_BYTES) {
        forms.push(value.as_bytes().to_vec());
        forms.push(hex::encode(value).into_bytes());
        forms.push(hex::encode_upper(value).into_bytes());
        forms.push(json_escaped(value));
        // A query says `+` for a space, and percent-encodes the rest.
        forms.push(value.replace(' ', "+").into_bytes());
        for shift in 0..3 {
            forms.push(base64_core(&STANDARD_NO_PAD, value, shift));
            forms.push(base64_core(&URL_SAFE_NO_PAD, value, shift));
        }
    }
    forms.retain(|it| it.len() >= SHORTEST_BYTES);
    forms
}

/// What of `value` is the same in base64 whatever stands around it, when `shift` bytes stand before it in its group.
fn base64_core(engine: &impl Engine, value: &str, shift: usize) -> Vec<u8> {
    let mut padded = vec![0; shift];
    padded.extend_from_slice(value.as_bytes());
    let bits = padded.len() * 8;
    let encoded = engine.encode(padded);
    // The first characters mix with what is before, the last one with what comes after.
    encoded.as_bytes()[(shift * 8).div_ceil(6)..bits / 6].to_vec()
}

fn json_escaped(value: &str) -> Vec<u8> {
    let mut text = Vec::with_capacity(value.len());
    for byte in value.bytes() {
        match byte {
            b'"' | b'\\' => text.extend([b'\\', byte]),
            b'\n' => text.extend(b"\\n"),
            b'\r' => text.extend(b"\\r"),
            b'\t' => text.extend(b"\\t"),
            _ => text.push(byte),
        }
    }
    text
}

/// `bytes` with each `%XX` decoded; `None`: there is none.
pub(crate) fn percent_decoded(bytes: &[u8]) -> Option<Vec<u8>> {
    if !(0..bytes.len()).any(|at| escape(bytes, at).is_some()) {
        return None;
    }
    let (mut decoded, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while at < bytes.len() {
        let (byte, length) = escape(bytes, at).map_or((bytes[at], 1), |byte| (byte, 3));
        decoded.push(byte);
        at += length;
    }
    Some(decoded)
}

/// Where the byte at `offset` of the decoded text stands in the text before decoding.
fn before_decoding(bytes: &[u8], offset: usize) -> usize {
    (0..offset).fold(0, |at, _| at + if escape(bytes, at).is_some() { 3 } else { 1 })
}

fn escape(bytes: &[u8], at: usize) -> Option<u8> {
    let digit = |at: usize| char::from(*bytes.get(at)?).to_digit(16);
    if bytes[at] != b'%' {
        return None;
    }
    u8::try_from(digit(at + 1)? * 16 + digit(at + 2)?).ok()
}

#[cfg(test)]
mod tests;
