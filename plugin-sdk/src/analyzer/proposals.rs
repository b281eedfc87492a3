//! A few findings at a time, and the same ones until they are dealt with.
//!
//! An analyzer that finds a hundred things helps nobody by proposing all of them. It hands its findings to [`propose`],
//! the most important first, and gets those that are to be reported: what was proposed earlier and is still found keeps
//! its place, and what is free goes to the most important of the others. So there are never more open proposals of an
//! entry and repository than it says, and none is taken back because a worse one turned up.
//!
//! What is proposed stands in the entry's key-value store, under `proposed/REPOSITORY`.
//!
//! A finding that nobody wants to have done keeps its place too: a setting of the analyzer's should let people leave it
//! out.

use crate::host::kv;
use crate::work::Draft;
use crate::{Error, log};

/// How long the text of a proposal may be that is kept, in bytes: all of them fit into one value of the store.
const KEPT: usize = 6 << 10;

/// What was proposed, in its order: keys, and the words that were used.
#[derive(serde::Serialize, serde::Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(default)]
pub struct Proposed(Vec<Proposal>);

#[derive(serde::Serialize, serde::Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(default)]
struct Proposal {
    key: String,
    title: String,
    body: String,
}

/// Whether a proposal that stays also keeps the words it was first made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Words {
    /// It says what is so now. For findings whose words change only if what they are about does.
    Fresh,
    /// It says what it said. For findings with figures that change with every commit, since an open task hears of each
    /// change.
    Kept,
}

impl Proposed {
    /// What was proposed for a repository so far.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn read(repository: &str) -> Result<Proposed, Error> {
        let text = kv::get(&place(repository))?;
        Ok(text.and_then(|it| serde_json::from_str(&it).ok()).unwrap_or_default())
    }

    /// Whether a finding of this key was proposed: who cannot keep all findings in memory keeps these.
    pub fn has(&self, key: &str) -> bool {
        self.0.iter().any(|it| it.key == key)
    }

    /// Of all findings, the most important first, those to report: at most `most`, in the same order.
    #[must_use]
    pub fn choose(&self, found: Vec<Draft>, most: usize, words: Words) -> Vec<Draft> {
        let stays = found.iter().filter(|it| self.has(&it.key)).count().min(most);
        let (mut old, mut new) = (stays, most - stays);
        let mut chosen = vec![];
        for mut draft in found {
            let before = self.0.iter().find(|it| it.key == draft.key);
            let place = if before.is_some() { &mut old } else { &mut new };
            if *place == 0 {
                continue;
            }
            *place -= 1;
            if let Some(before) = before.filter(|_| words == Words::Kept) {
                draft.title.clone_from(&before.title);
                draft.body.clone_from(&before.body);
            }
            chosen.push(draft);
        }
        chosen
    }
}

/// Of all findings in a repository, the most important first, those to report; and notes them.
///
/// # Errors
/// If the store cannot be read or written.
pub fn propose(repository: &str, found: Vec<Draft>, most: usize, words: Words) -> Result<Vec<Draft>, Error> {
    let before = Proposed::read(repository)?;
    let chosen = before.choose(found, most, words);
    let now = Proposed(chosen.iter().map(Proposal::of).collect());
    if now != before {
        let text = serde_json::to_string(&now).map_err(|error| Error::Other(format!("noting proposals: {error}")))?;
        kv::set(&place(repository), &text)?;
        log::debug(format!("{} proposals", chosen.len()), &[("repository", repository)]);
    }
    Ok(chosen)
}

/// A key that stays the same while all of these do: for what is named by a path, which may be longer than a key.
pub fn key(kind: &str, parts: &[&str]) -> String {
    // FNV-1a: what makes a key must never change with a library or a compiler.
    let bytes = parts.join("\0");
    let hash =
        bytes.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |it, byte| (it ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    format!("{kind}-{hash:016x}")
}

impl Proposal {
    fn of(draft: &Draft) -> Proposal {
        let fits = draft.body.len() <= KEPT;
        let end = if fits { draft.body.len() } else { draft.body.floor_char_boundary(KEPT) };
        Proposal { key: draft.key.clone(), title: draft.title.clone(), body: draft.body[..end].to_owned() }
    }
}

fn place(repository: &str) -> String {
    format!("proposed/{repository}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(keys: &[&str]) -> Vec<Draft> {
        keys.iter().map(|key| Draft { key: (*key).into(), title: format!("{key} now"), ..Draft::default() }).collect()
    }

    fn proposed(keys: &[&str]) -> Proposed {
        let proposal = |key: &&str| Proposal { key: (*key).into(), title: format!("{key} then"), body: String::new() };
        Proposed(keys.iter().map(proposal).collect())
    }

    #[track_caller]
    fn check(before: &[&str], now: &[&str], expected: &[&str]) {
        let chosen = proposed(before).choose(found(now), 3, Words::Fresh);
        assert_eq!(chosen.iter().map(|it| it.key.as_str()).collect::<Vec<_>>(), expected, "{before:?} {now:?}");
    }

    #[test]
    fn what_was_proposed_keeps_its_place_until_it_is_gone() {
        check(&[], &[], &[]);
        check(&[], &["a", "b"], &["a", "b"]);
        check(&[], &["a", "b", "c", "d"], &["a", "b", "c"]);
        check(&["b", "c", "d"], &["a", "b", "c", "d"], &["b", "c", "d"]);
        check(&["b", "c", "d"], &["a", "b", "d", "e"], &["a", "b", "d"]);
        check(&["x", "y", "z"], &["a", "b", "c", "d"], &["a", "b", "c"]);
        check(&["a", "b", "c", "d", "e"], &["e", "d", "c", "b", "a"], &["e", "d", "c"]);
    }

    #[test]
    fn words_are_kept_or_fresh() {
        let titles = |words| {
            let chosen = proposed(&["b"]).choose(found(&["a", "b"]), 3, words);
            chosen.into_iter().map(|it| it.title).collect::<Vec<_>>()
        };
        assert_eq!(titles(Words::Fresh), ["a now", "b now"]);
        assert_eq!(titles(Words::Kept), ["a now", "b then"]);
    }

    #[test]
    fn a_key_is_for_ever() {
        assert_eq!(key("hotspot", &["src/a.rs"]), "hotspot-d1e1ab149cef02d2");
        assert_ne!(key("x", &["ab", "c"]), key("x", &["a", "bc"]));
    }

    #[test]
    fn even_the_longest_texts_fit_into_the_store() {
        let long = Draft { body: "ж".repeat(1 << 20), title: "t".repeat(256), ..Draft::default() };
        let all = Proposed(vec![Proposal::of(&long); 4]);
        assert!(serde_json::to_string(&all).expect("JSON").len() <= 64 << 10);
    }
}
