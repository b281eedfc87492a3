//! How agentd knows its own texts on GitHub again: an HTML comment that nobody sees, signed with the instance's key.
//!
//! `<!-- agentd:v1 INSTANCE NAME SIGNATURE -->` is the last line. The signature covers what the text is for (the thread of
//! a comment, the branch of a change), so that a marker which somebody copies elsewhere counts for nothing there. The
//! repository's name is not covered, since it may be renamed.
//!
//! - A valid marker alone proves nothing: whoever reads one also looks whose text it is.

use hmac::{Hmac, Mac as _};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use sha2::Sha256;
use std::borrow::Cow;

const BEGIN: &str = "<!-- agentd:v1 ";
const END: &str = " -->";
/// What stands as it is in a word of a marker.
const WORD: &AsciiSet = &NON_ALPHANUMERIC.remove(b'.').remove(b'_').remove(b':').remove(b'/');

/// Signs and checks markers.
#[derive(Clone)]
pub(crate) struct Signer {
    instance: String,
    key: [u8; 32],
}

/// What a marked text is, and therefore where its marker counts.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place<'a> {
    /// A comment of this thread.
    Thread(u32),
    /// The body of a change of this branch.
    Branch(&'a str),
}

impl Signer {
    pub(crate) fn new(instance: &str, key: [u8; 32]) -> Signer {
        Signer { instance: instance.to_owned(), key }
    }

    /// The text with its marker.
    pub(crate) fn mark(&self, place: Place<'_>, name: &str, text: &str) -> String {
        let signature = hex::encode(self.mac(place, name).finalize().into_bytes());
        let (instance, name) = (encode(&self.instance), encode(name));
        format!("{}\n\n{BEGIN}{instance} {name} {signature}{END}", text.trim_end())
    }

    /// The name in the text's marker and the text without it, if the marker is this instance's and counts here.
    pub(crate) fn read<'a>(&self, place: Place<'_>, text: &'a str) -> Option<(String, &'a str)> {
        let (before, marker) = split(text)?;
        let mut words = marker.split(' ');
        let (instance, name, signature) = (words.next()?, words.next()?, words.next()?);
        if words.next().is_some() || decode(instance)? != self.instance {
            return None;
        }
        let name = decode(name)?;
        self.mac(place, &name).verify_slice(&hex::decode(signature).ok()?).ok()?;
        Some((name, before))
    }

    fn mac(&self, place: Place<'_>, name: &str) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("HMAC takes keys of any length");
        let (kind, place) = match place {
            Place::Thread(number) => ("thread", number.to_string()),
            Place::Branch(branch) => ("branch", branch.to_owned()),
        };
        for part in ["agentd:v1", &self.instance, kind, &place, name] {
            // Lengths keep parts apart.
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part.as_bytes());
        }
        mac
    }
}

/// The text without its last marker, whoever's it is, for people to read.
pub(crate) fn without(text: &str) -> &str {
    split(text).map_or(text, |(before, _)| before)
}

/// Whether two texts are the same for GitHub, which may write line breaks its own way.
pub(crate) fn same_text(one: &str, other: &str) -> bool {
    let (one, other) = (one.trim_end().split('\n'), other.trim_end().split('\n'));
    one.map(|it| it.trim_end_matches('\r')).eq(other.map(|it| it.trim_end_matches('\r')))
}

/// Before the marker, and what stands in it. It has to be the last thing there is.
fn split(text: &str) -> Option<(&str, &str)> {
    let trimmed = text.trim_end();
    let at = trimmed.rfind(BEGIN)?;
    let inside = trimmed[at + BEGIN.len()..].strip_suffix(END)?;
    Some((trimmed[..at].trim_end(), inside))
}

/// One word without anything that could end a comment.
fn encode(text: &str) -> String {
    utf8_percent_encode(text, WORD).to_string()
}

fn decode(word: &str) -> Option<String> {
    percent_decode_str(word).decode_utf8().ok().map(Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signer() -> Signer {
        Signer::new("mill-3", [7; 32])
    }

    #[track_caller]
    fn check(place: Place<'_>, name: &str, text: &str) {
        let marked = signer().mark(place, name, text);
        assert_eq!(signer().read(place, &marked), Some((name.to_owned(), text.trim_end())), "{marked}");
        // What GitHub may do to a text on the way.
        let windows = format!("{}\r\n", marked.replace('\n', "\r\n"));
        assert_eq!(signer().read(place, &windows).map(|it| it.0).as_deref(), Some(name), "{windows}");
        assert_eq!(without(&marked), text.trim_end());
    }

    #[test]
    fn what_was_marked_is_known_again() {
        check(Place::Thread(7), "progress", "Working.\n\nStill.");
        check(Place::Thread(7), "open:1", "");
        check(Place::Branch("agentd/t-1"), "mill-3/t-1.2", "Body\n");
        check(Place::Thread(7), "a b --> ÿ % %41 -- \u{0}", "<!-- agentd:v1 mill-3 progress 00 -->\nx");
    }

    #[test]
    fn a_marker_counts_where_it_was_made_and_nowhere_else() {
        let marked = signer().mark(Place::Thread(7), "progress", "Working.");
        for (who, signer, place) in [
            ("another thread", signer(), Place::Thread(8)),
            ("a change", signer(), Place::Branch("7")),
            ("another instance", Signer::new("mill-4", [7; 32]), Place::Thread(7)),
            ("another key", Signer::new("mill-3", [8; 32]), Place::Thread(7)),
        ] {
            assert_eq!(signer.read(place, &marked), None, "{who}");
        }
        let renamed = marked.replace(" progress ", " notice ");
        assert_eq!(signer().read(Place::Thread(7), &renamed), None);
    }

    #[test]
    fn a_broken_or_buried_marker_is_none() {
        let marked = signer().mark(Place::Thread(7), "progress", "Working.");
        for text in [
            format!("{marked}\nAnd more."),
            marked.replace("-->", ""),
            marked.replace("agentd:v1", "agentd:v2"),
            marked.replace(" -->", " extra -->"),
            format!("{} -->", &marked[..marked.len() - 20]),
            "<!-- agentd:v1  -->".into(),
            "<!-- agentd:v1 %zz %f %ff -->".into(),
            "<!-- agentd:v1 mill%2d3 progress zz -->".into(),
            String::new(),
        ] {
            assert_eq!(signer().read(Place::Thread(7), &text), None, "{text}");
        }
    }

    #[test]
    fn line_breaks_make_no_difference() {
        assert!(same_text("a\r\nb\n", "a\nb"));
        assert!(!same_text("a\nb", "a\n\nb"));
        assert!(!same_text("a", "b"));
    }
}
