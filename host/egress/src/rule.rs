//! What a caller may call: methods, and what the URL begins with.
//!
//! URLs are compared after parsing, part by part, never as text: `https://api.acme.com.evil.org`,
//! `https://api.acme.com@evil.org`, `/api-evil` and `/api/../admin` are all not below `https://api.acme.com/api`.

use crate::Error;
use url::{Position, Url};

/// A grant. An empty `methods` means all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// `GET`, `POST`, …
    pub methods: Vec<String>,
    /// Scheme, host, port if it is not the scheme's own, and as much of the path as is known. Matches at the border of
    /// a path segment. Empty: matches nothing but the URL of a whole-URL credential that the rule names.
    pub url_prefix: String,
    /// The credential that requests there may name.
    pub credential: Option<String>,
}

impl Rule {
    pub(crate) fn allows_method(&self, method: &str) -> bool {
        self.methods.is_empty() || self.methods.iter().any(|it| it.eq_ignore_ascii_case(method))
    }

    /// Whether `url` is below the rule's prefix. A prefix that is no URL covers nothing.
    pub(crate) fn covers(&self, url: &Url) -> bool {
        Prefix::parse(&self.url_prefix).is_ok_and(|prefix| prefix.covers(url))
    }
}

/// What a URL has to begin with.
#[derive(Clone, Debug)]
pub(crate) struct Prefix(Url);

impl Prefix {
    pub(crate) fn parse(text: &str) -> Result<Prefix, Error> {
        let bad = |why: &str| {
            Error::Options(format!("`{}` is no URL prefix: {why}; one looks like https://api.acme.com/v1", clean(text)))
        };
        let url = Url::parse(text).map_err(|_| bad("it is not an absolute URL"))?;
        if !matches!(url.scheme(), "https" | "http") || !url.has_host() {
            return Err(bad("it is neither https: nor http:"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(bad("there is a user or password in it"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(bad("there is a query or fragment in it"));
        }
        Ok(Prefix(url))
    }

    pub(crate) fn covers(&self, url: &Url) -> bool {
        covers(&self.0, url)
    }
}

/// Whether `url` is below `prefix`: the same origin, and a path that begins like the prefix's, up to the border of a
/// segment. Both are parsed: `..` is gone and hosts are in lower case. A prefix with a query covers nothing.
#[must_use]
pub fn covers(prefix: &Url, url: &Url) -> bool {
    prefix.scheme() == url.scheme()
        && prefix.host() == url.host()
        && prefix.port_or_known_default() == url.port_or_known_default()
        && prefix.query().is_none()
        && below(prefix.path(), url.path())
}

fn below(prefix: &str, path: &str) -> bool {
    let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether some server could read the path as one that climbs: `..` that is still there after decoding.
///
/// The parser has already resolved plain ones. What is left is hidden behind `%2F`, `%5C` or double encoding.
pub(crate) fn climbs(url: &Url) -> bool {
    let mut path = url.path().as_bytes().to_vec();
    for _ in 0..4 {
        if path.split(|byte| matches!(byte, b'/' | b'\\')).any(is_dots) {
            return true;
        }
        match crate::secret::percent_decoded(&path) {
            Some(decoded) => path = decoded,
            None => return false,
        }
    }
    // Nobody encodes four times in good faith.
    true
}

/// `.` or `..`, also with parameters: some servers take those off before they look.
fn is_dots(segment: &[u8]) -> bool {
    let name = segment.split(|byte| *byte == b';').next().unwrap_or_default();
    name == b".." || name == b"."
}

/// A URL as it may be shown: without user, query and fragment.
pub(crate) fn shown(url: &Url) -> String {
    format!("{}{}", url.origin().ascii_serialization(), &url[Position::BeforePath..Position::AfterPath])
}

/// Text that did not parse, as it may be shown: no user, nothing behind a `?` or `#`, and not all of it.
fn clean(text: &str) -> String {
    let text = text.split(['?', '#']).next().unwrap_or_default();
    let text = text.rsplit_once('@').map_or_else(|| text.to_owned(), |(_, rest)| format!("…@{rest}"));
    text.chars().filter(|it| !it.is_control()).take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(prefix: &str, url: &str, expected: bool) {
        let rule = Rule { methods: vec![], url_prefix: prefix.into(), credential: None };
        assert_eq!(rule.covers(&Url::parse(url).unwrap()), expected, "{prefix} covers {url}");
    }

    #[test]
    fn a_prefix_covers_what_is_below_it() {
        for url in [
            "https://api.acme.com/api",
            "https://api.acme.com/api/",
            "https://api.acme.com/api/v1?x=1",
            "https://API.acme.com:443/api",
            "https://api.acme.com/other/../api/x",
        ] {
            check("https://api.acme.com/api", url, true);
            check("https://api.acme.com/api/", url, true);
            check("https://api.acme.com", url, true);
        }
    }

    #[test]
    fn a_prefix_covers_nothing_beside_it() {
        for url in [
            "https://api.acme.com/api-evil",
            "https://api.acme.com/",
            "https://api.acme.com/API",
            "https://api.acme.com/api/../admin",
            "https://api.acme.com/api/%2e%2e/admin",
            "https://api.acme.com/api\\..\\admin",
            "http://api.acme.com/api",
            "https://api.acme.com:8443/api",
            "https://api.acme.com.evil.org/api",
            "https://api.acme.com@evil.org/api",
            "https://evil.org/https://api.acme.com/api",
            "https://api.acme.com./api",
        ] {
            check("https://api.acme.com/api", url, false);
        }
        check("", "https://api.acme.com/api", false);
        check("ftp://api.acme.com/", "ftp://api.acme.com/", false);
        check("https://api.acme.com/?x", "https://api.acme.com/?x", false);
    }

    #[test]
    fn hidden_climbing_is_seen() {
        let climbs = |path: &str| climbs(&Url::parse(&format!("https://a.b/api/{path}")).unwrap());
        for bad in [
            "..%2Fadmin",
            "%2e%2e%2fadmin",
            "..%5cadmin",
            "%252e%252e%252fadmin",
            "x%2f..%2f..",
            "a%2f.%2fb",
            "..;/x",
            "%2e%2e%3bx/y",
        ] {
            assert!(climbs(bad), "{bad}");
        }
        for good in ["group%2Fproject", "..a", "a..", "a..b/...", "a;b", "100%25", ""] {
            assert!(!climbs(good), "{good}");
        }
    }

    #[test]
    fn a_bad_prefix_is_refused_without_its_password() {
        let error = Prefix::parse("https://me:hunter2@api.acme.com/").unwrap_err().to_string();
        assert!(error.contains("user or password") && !error.contains("hunter2"), "{error}");
    }
}
