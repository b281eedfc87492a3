//! Where a plugin comes from: a path, a URL, or a name in an OCI registry.

use crate::Error;
use std::{fmt, path::PathBuf};
use url::Url;

/// A source as it was named. Its `Display` is whole, as the lock file keeps it; [`Source::name`] is for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Absolute.
    Path(PathBuf),
    /// `https:`, or `http:` within networks that the operator named.
    Url(Url),
    Oci(Reference),
}

/// A name in a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// `docker.io`, `ghcr.io`, `localhost:5000`; in small letters.
    pub registry: String,
    pub repository: String,
    pub version: Version,
    /// `oci+http:`: the registry speaks no TLS, and lies within networks that the operator named.
    pub plain: bool,
}

/// Which of a repository's artifacts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Version {
    /// None was named.
    Unsaid,
    Tag(String),
    /// `sha256:…` of the manifest.
    Digest(String),
}

impl Source {
    /// Reads a source; `here` is where relative paths begin.
    ///
    /// # Errors
    /// [`Error::Source`].
    pub fn parse(text: &str, here: &std::path::Path) -> Result<Source, Error> {
        let bad = |what: &str| Error::Source { source_text: shown(text), what: what.into() };
        if let Some(rest) = text.strip_prefix("oci://") {
            return Reference::parse(rest, false).map(Source::Oci).map_err(bad);
        }
        if let Some(rest) = text.strip_prefix("oci+http://") {
            return Reference::parse(rest, true).map(Source::Oci).map_err(bad);
        }
        let Some((scheme, _)) = text.split_once("://") else {
            if text.is_empty() || text.contains('\0') {
                return Err(bad("it is empty"));
            }
            return Ok(Source::Path(here.join(text)));
        };
        if !matches!(scheme, "https" | "http") {
            return Err(bad("its scheme is neither https: nor oci:"));
        }
        let mut url = Url::parse(text).map_err(|_| bad("it is no URL"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(bad("there is a user or password in it, which would be kept in the lock file"));
        }
        url.set_fragment(None);
        Ok(Source::Url(url))
    }

    /// For people, and for comparing with prefixes: without query, tag and digest.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Source::Path(path) => path.display().to_string(),
            Source::Url(url) => format!("{}{}", url.origin().ascii_serialization(), url.path()),
            Source::Oci(reference) => reference.name(),
        }
    }

    /// Whether both give the same plugin, perhaps in other versions.
    #[must_use]
    pub fn is_same_place(&self, other: &Source) -> bool {
        self.name() == other.name()
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Path(path) => write!(f, "{}", path.display()),
            Source::Url(url) => write!(f, "{url}"),
            Source::Oci(reference) => write!(f, "{reference}"),
        }
    }
}

impl Reference {
    fn parse(text: &str, plain: bool) -> Result<Reference, &'static str> {
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None => (text, None),
        };
        let (registry, rest) = rest.split_once('/').ok_or("it names a registry and nothing in it")?;
        let (repository, tag) = match rest.rsplit_once(':') {
            Some((repository, tag)) => (repository, Some(tag)),
            None => (rest, None),
        };
        let registry = registry.to_ascii_lowercase();
        let registry = if registry == "index.docker.io" { "docker.io".to_owned() } else { registry };
        let host = Url::parse(&format!("https://{registry}/")).map_err(|_| "its registry is no host")?;
        if !host.username().is_empty() || host.password().is_some() || host.path() != "/" || host.query().is_some() {
            return Err("its registry is no host");
        }
        let is_part = |part: &str| {
            let edge = |it: Option<char>| it.is_some_and(|it| it.is_ascii_lowercase() || it.is_ascii_digit());
            edge(part.chars().next())
                && edge(part.chars().last())
                && part.chars().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || "._-".contains(it))
        };
        if repository.len() > 255 || !repository.split('/').all(is_part) {
            return Err("the name in the registry has to be in small letters, digits, `-`, `_`, `.` and `/`");
        }
        let is_tag = |it: &str| {
            !it.is_empty()
                && it.len() <= 128
                && !it.starts_with(['.', '-'])
                && it.chars().all(|it| it.is_ascii_alphanumeric() || "._-".contains(it))
        };
        let version = match (digest, tag) {
            (Some(digest), _) if !is_digest(digest) => return Err("its digest is not sha256: and 64 digits"),
            (_, Some(tag)) if !is_tag(tag) => return Err("its tag is none"),
            // A digest says it all; the tag beside it is for people.
            (Some(digest), _) => Version::Digest(digest.to_owned()),
            (None, Some(tag)) => Version::Tag(tag.to_owned()),
            (None, None) => Version::Unsaid,
        };
        let docker = registry == "docker.io" && !repository.contains('/');
        let repository = if docker { format!("library/{repository}") } else { repository.to_owned() };
        Ok(Reference { registry, repository, version, plain })
    }

    fn name(&self) -> String {
        let scheme = if self.plain { "oci+http" } else { "oci" };
        format!("{scheme}://{}/{}", self.registry, self.repository)
    }

    /// What a registry is asked for.
    pub(crate) fn asked(&self) -> &str {
        match &self.version {
            Version::Unsaid => "latest",
            Version::Tag(it) | Version::Digest(it) => it,
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.version {
            Version::Unsaid => write!(f, "{}", self.name()),
            Version::Tag(tag) => write!(f, "{}:{tag}", self.name()),
            Version::Digest(digest) => write!(f, "{}@{digest}", self.name()),
        }
    }
}

/// `sha256:` and 64 small hexadecimal digits.
pub(crate) fn is_digest(text: &str) -> bool {
    text.strip_prefix("sha256:")
        .is_some_and(|it| it.len() == 64 && it.bytes().all(|it| it.is_ascii_digit() || (b'a'..=b'f').contains(&it)))
}

/// A prefix of sources, written as [`Source::name`] writes them.
pub(crate) fn canonical_prefix(text: &str) -> Result<String, Error> {
    let bad =
        |what: &str| Error::Key(format!("[plugins.signed_by] `{}` is no prefix of a source: {what}", shown(text)));
    let Some((scheme, rest)) = text.split_once("://") else {
        return if text.starts_with('/') { Ok(text.to_owned()) } else { Err(bad("a path has to begin with `/`")) };
    };
    match scheme {
        "https" | "http" => {
            let url = Url::parse(text).map_err(|_| bad("it is no URL"))?;
            Ok(format!("{}{}", url.origin().ascii_serialization(), url.path()))
        }
        "oci" | "oci+http" => {
            let (registry, path) = rest.split_once('/').unwrap_or((rest, ""));
            if registry.is_empty() {
                return Err(bad("it names no registry"));
            }
            Ok(format!("{scheme}://{}/{path}", registry.to_ascii_lowercase()))
        }
        _ => Err(bad("its scheme is neither https: nor oci:")),
    }
}

/// Whether a source's name begins with the prefix, at the border of a part.
pub(crate) fn is_below(prefix: &str, name: &str) -> bool {
    let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
    name.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// What could not be read, as it may be shown: no user, no query, and not all of it.
fn shown(text: &str) -> String {
    let text = text.split(['?', '#']).next().unwrap_or_default();
    let text = match (text.split_once("://"), text.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, rest))) if !rest.starts_with("sha256:") => format!("{scheme}://…@{rest}"),
        _ => text.to_owned(),
    };
    text.chars().filter(|it| !it.is_control()).take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[track_caller]
    fn check(text: &str, whole: &str, name: &str) {
        let source = Source::parse(text, Path::new("/here")).unwrap();
        assert_eq!((source.to_string().as_str(), source.name().as_str()), (whole, name), "{text}");
        assert_eq!(Source::parse(whole, Path::new("/")).unwrap(), source, "{text}: it can be read again");
    }

    #[test]
    fn sources_are_read_as_people_write_them() {
        check("x.wasm", "/here/x.wasm", "/here/x.wasm");
        check("/a/x.wasm", "/a/x.wasm", "/a/x.wasm");
        check("https://Acme.com:443/x.wasm?k=1#p", "https://acme.com/x.wasm?k=1", "https://acme.com/x.wasm");
        check("http://10.0.0.1:80/x", "http://10.0.0.1/x", "http://10.0.0.1/x");
        check("oci://GHCR.io/a/b", "oci://ghcr.io/a/b", "oci://ghcr.io/a/b");
        check("oci://ghcr.io/a/b:1.0", "oci://ghcr.io/a/b:1.0", "oci://ghcr.io/a/b");
        check("oci://localhost:5000/b:1.0", "oci://localhost:5000/b:1.0", "oci://localhost:5000/b");
        check("oci+http://reg:5000/b", "oci+http://reg:5000/b", "oci+http://reg:5000/b");
        check("oci://docker.io/x", "oci://docker.io/library/x", "oci://docker.io/library/x");
        let digest = format!("sha256:{}", "a".repeat(64));
        check(&format!("oci://r/b:1@{digest}"), &format!("oci://r/b@{digest}"), "oci://r/b");
    }

    #[test]
    fn what_is_no_source_is_refused_without_its_password() {
        for bad in [
            "",
            "ftp://acme.com/x",
            "file:///etc/passwd",
            "https://me:hunter2@acme.com/x",
            "https://",
            "oci://ghcr.io",
            "oci:///x",
            "oci://ghcr.io/",
            "oci://ghcr.io/A",
            "oci://ghcr.io/a:",
            "oci://ghcr.io/a/../b",
            "oci://ghcr.io/a//b",
            "oci://me:hunter2@ghcr.io/a",
            "oci://ghcr.io/a@sha256:12",
            "oci://ghcr.io/a@md5:12",
            "oci://gh?cr.io/a",
        ] {
            let error = Source::parse(bad, Path::new("/")).expect_err(bad).to_string();
            assert!(!error.contains("hunter2"), "{bad}: {error}");
        }
    }

    #[test]
    fn a_prefix_ends_at_a_border() {
        #[track_caller]
        fn check(prefix: &str, name: &str, expected: bool) {
            assert_eq!(is_below(&canonical_prefix(prefix).unwrap(), name), expected, "{prefix} {name}");
        }
        check("oci://registry.acme.com/", "oci://registry.acme.com/x", true);
        check("oci://Registry.acme.com", "oci://registry.acme.com/x", true);
        check("oci://registry.acme.com", "oci://registry.acme.com.evil.org/x", false);
        check("oci://registry.acme.com", "oci://registry.acme.com:5000/x", false);
        check("oci://registry.acme.com/a", "oci://registry.acme.com/ab", false);
        check("oci://registry.acme.com/a", "oci://registry.acme.com/a/b", true);
        check("oci://registry.acme.com/a", "oci+http://registry.acme.com/a/b", false);
        check("https://acme.com", "https://acme.com/x.wasm", true);
        check("https://acme.com:443/", "https://acme.com/x.wasm", true);
        check("https://acme.com", "https://acme.computer/x.wasm", false);
        check("/srv/plugins", "/srv/plugins/x.wasm", true);
        check("/srv/plugins", "/srv/plugins2/x.wasm", false);
        assert!(canonical_prefix("srv").is_err() && canonical_prefix("oci:///").is_err());
    }
}
