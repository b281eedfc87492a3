//! What to do about an error, where its text says it.
//!
//! Errors of the rooms that know what to do end with a line of its own: `hint: …`. Here it is taken off, for whoever shows
//! the two apart.

/// The text without its hint, and the hint.
#[must_use]
pub(crate) fn apart(text: &str) -> (String, Option<String>) {
    match text.split_once("\nhint: ") {
        Some((what, hint)) => (what.to_owned(), Some(hint.to_owned())),
        None => (text.to_owned(), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, what: &str, hint: Option<&str>) {
        assert_eq!(apart(text), (what.to_owned(), hint.map(str::to_owned)));
    }

    #[test]
    fn a_hint_is_a_line_of_its_own() {
        check("a is empty\nhint: fill it", "a is empty", Some("fill it"));
        check("a is empty; hint: none", "a is empty; hint: none", None);
        check("", "", None);
    }
}
