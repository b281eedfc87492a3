//! What a path asks for. Everything that no registry could have is refused here, before anybody hears of it.

use super::{Options, PUBLIC, Registry, crates, npm, pypi};
use crate::answer::Body;

/// One request, understood.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ask {
    Npm(npm::Ask),
    Crates(crates::Ask),
    Pypi(pypi::Ask),
    /// A route of the registry's that has no mirror, and that its clients do well without.
    Nothing,
}

/// How it is asked.
pub(super) struct Asked<'a> {
    /// `127.0.0.1:8417`.
    pub(super) host: String,
    pub(super) accept: &'a str,
    pub(super) agent: &'a str,
}

/// An index page as it is handed out.
pub(super) struct Answer {
    pub(super) content_type: &'static str,
    /// The ETag, without quotes.
    pub(super) tag: String,
    /// Of the body, in bytes.
    pub(super) length: u64,
    pub(super) body: Body,
}

/// The upstream registries, without a slash at the end.
pub(super) struct Roots {
    pub(super) npm: String,
    pub(super) crates: String,
    pub(super) pypi: String,
    /// The npm registry whose URLs stay in lock files: npm itself reads them as "the registry that is configured".
    pub(super) npm_public: &'static str,
}

impl Roots {
    pub(super) fn new(options: &Options) -> Roots {
        let clean = |root: &str| root.trim_start_matches("sparse+").trim_end_matches('/').to_owned();
        Roots {
            npm: clean(&options.npm),
            crates: clean(&options.crates),
            pypi: clean(&options.pypi),
            npm_public: PUBLIC[Registry::Npm as usize].root,
        }
    }
}

/// What the path below the mirror's name asks for; `None`: nothing that the registry could have.
pub(super) fn parse(registry: Registry, rest: &str) -> Option<Ask> {
    match registry {
        Registry::Npm if rest.starts_with("-/") => Some(Ask::Nothing),
        Registry::Npm => npm::parse(rest).map(Ask::Npm),
        Registry::Crates => crates::parse(rest).map(Ask::Crates),
        Registry::Pypi if matches!(rest, "simple" | "simple/") => Some(Ask::Nothing),
        Registry::Pypi => pypi::parse(rest).map(Ask::Pypi),
    }
}

/// Whether `text` has 1 to `max` characters, letters, digits and those of `marks`, and begins with none of `marks` but
/// those that are allowed `first`.
pub(super) fn is_word(text: &str, max: usize, marks: &str, first: &str) -> bool {
    let fits = |it: char| it.is_ascii_alphanumeric() || marks.contains(it);
    (1..=max).contains(&text.len())
        && text.chars().all(fits)
        && text.starts_with(|it: char| it.is_ascii_alphanumeric() || first.contains(it))
}
