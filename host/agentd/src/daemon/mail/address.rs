//! What a mail address is here, and which ones an operator's list covers.
//!
//! Addresses are the plain ones that people have: ASCII letters, digits and the usual signs, no quotes, no comments, no
//! addresses of machines. What looks like a known address in another alphabet, or hides a second one, is refused rather
//! than understood. The domain is the same in upper and lower case, what stands before it is not.

use lettre::{Address, message::Mailbox};

/// What may stand before the `@`, beside letters and digits.
const SIGNS: &str = "!#$%&'*+-/=?^_`{|}~.";
/// What the standards allow: before the `@`, and all of it.
const LOCAL: usize = 64;
const ALL: usize = 254;
/// How long a name may be, in characters.
const NAME: usize = 128;

/// `ann@example.org` or `Ann <ann@example.org>`.
///
/// # Errors
/// A sentence that names the address and what is wrong with it.
pub(super) fn mailbox(text: &str) -> Result<Mailbox, String> {
    let shown = text.escape_debug().to_string();
    let wrong = |why: &str| format!("`{shown}` is no mail address: {why}");
    if text.chars().any(char::is_control) {
        return Err(wrong("it has a line break or another control character in it"));
    }
    let text = text.trim();
    let (name, bare) = match text.strip_suffix('>').map(|it| it.split_once('<')) {
        None => (None, text),
        Some(Some((name, bare))) => (Some(name.trim().trim_matches('"')), bare),
        Some(None) => return Err(wrong("it ends with > and begins nowhere")),
    };
    if name.is_some_and(|it| it.chars().count() > NAME || it.contains(['<', '>', '@'])) {
        return Err(wrong("its name is too long, or has an address in it"));
    }
    let (local, domain) = parts(bare).map_err(wrong)?;
    let address = Address::new(local, domain).map_err(|error| wrong(&error.to_string()))?;
    Ok(Mailbox::new(name.filter(|it| !it.is_empty()).map(str::to_owned), address))
}

/// Whether one of the patterns covers the address. A pattern that is none covers nothing.
pub(super) fn allows(patterns: &[&str], address: &Address) -> bool {
    patterns.iter().any(|pattern| {
        let Some((local, domain)) = pattern.trim().rsplit_once('@') else { return false };
        (local == "*" || local == address.user()) && domain.eq_ignore_ascii_case(address.domain())
    })
}

/// What stands before the `@` and after it, where both are what is taken here.
fn parts(address: &str) -> Result<(&str, &str), &'static str> {
    let (local, domain) = address.split_once('@').ok_or("it has no @")?;
    if domain.contains('@') {
        return Err("it has more than one @");
    }
    if !address.is_ascii() {
        return Err("it has letters beyond ASCII, which could be taken for others");
    }
    if local.is_empty() || local.len() > LOCAL || address.len() > ALL {
        return Err("what stands before the @ is empty or too long");
    }
    let dots = local.starts_with('.') || local.ends_with('.') || local.contains("..");
    if dots || !local.chars().all(|it| it.is_ascii_alphanumeric() || SIGNS.contains(it)) {
        return Err("what stands before the @ has signs that are not taken");
    }
    let label = |it: &str| {
        let plain = it.chars().all(|it| it.is_ascii_alphanumeric() || it == '-');
        !it.is_empty() && it.len() <= 63 && plain && !it.starts_with('-') && !it.ends_with('-')
    };
    if !domain.split('.').all(label) {
        return Err("what stands after the @ is no domain");
    }
    Ok((local, domain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<(Option<&str>, &str), &str>) {
        let found = mailbox(text);
        let found = found.as_ref().map(|it| (it.name.as_deref(), it.email.as_ref()));
        let shown = found.map_err(|why| why.rsplit(": ").next().unwrap_or_default());
        assert_eq!(shown, expected, "{text:?}");
    }

    #[test]
    fn plain_addresses_are_taken_with_and_without_a_name() {
        check("ann@example.org", Ok((None, "ann@example.org")));
        check("  Ann Lee <ann.lee+x@mail.example.org> ", Ok((Some("Ann Lee"), "ann.lee+x@mail.example.org")));
        check("\"Lee, Ann\" <ann@example.org>", Ok((Some("Lee, Ann"), "ann@example.org")));
        check("Änne <aenne@example.org>", Ok((Some("Änne"), "aenne@example.org")));
        check("<ann@localhost>", Ok((None, "ann@localhost")));
    }

    #[test]
    fn whatever_could_be_something_else_is_refused() {
        let control = "it has a line break or another control character in it";
        check("ann@example.org\r\nBcc: eve@evil.example", Err(control));
        check("Ann\n <ann@example.org>", Err(control));
        check("ann@example.org\0", Err(control));
        check("", Err("it has no @"));
        check("ann", Err("it has no @"));
        check("ann@", Err("what stands after the @ is no domain"));
        check("@example.org", Err("what stands before the @ is empty or too long"));
        check("ann@evil.example@example.org", Err("it has more than one @"));
        check("\"ann@evil.example\"@example.org", Err("it has more than one @"));
        check("\"ann eve\"@example.org", Err("what stands before the @ has signs that are not taken"));
        check("ann@example.org, eve@evil.example", Err("it has more than one @"));
        check("ann@example.org (eve)", Err("what stands after the @ is no domain"));
        check("ann@[127.0.0.1]", Err("what stands after the @ is no domain"));
        check("ann@exa mple.org", Err("what stands after the @ is no domain"));
        check("ann@ехample.org", Err("it has letters beyond ASCII, which could be taken for others"));
        check("аnn@example.org", Err("it has letters beyond ASCII, which could be taken for others"));
        check("ann@evil.example <ann@example.org>", Err("its name is too long, or has an address in it"));
        check("Ann <eve@evil.example> <ann@example.org>", Err("it has more than one @"));
        check("ann@example.org>", Err("it ends with > and begins nowhere"));
        check(".ann@example.org", Err("what stands before the @ has signs that are not taken"));
    }

    #[track_caller]
    fn check_allowed(patterns: &[&str], address: &str, expected: bool) {
        let mailbox = mailbox(address).expect("an address");
        assert_eq!(allows(patterns, &mailbox.email), expected, "{patterns:?} {address}");
    }

    #[test]
    fn a_pattern_covers_an_address_or_a_domain() {
        check_allowed(&[], "ann@example.org", false);
        check_allowed(&["ann@example.org"], "ann@example.org", true);
        check_allowed(&["ann@example.org"], "ann@EXAMPLE.org", true);
        check_allowed(&["ann@example.org"], "Ann@example.org", false);
        check_allowed(&["*@Example.org"], "anybody@example.ORG", true);
        check_allowed(&["*@example.org"], "ann@mail.example.org", false);
        check_allowed(&["*@example.org"], "ann@evilexample.org", false);
        check_allowed(&["*@example.org"], "ann@example.org.evil.example", false);
        check_allowed(&["*"], "ann@example.org", false);
        check_allowed(&["*@*"], "ann@example.org", false);
        check_allowed(&["bob@example.org", "*@acme.com"], "ann@acme.com", true);
    }
}
