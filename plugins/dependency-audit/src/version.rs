//! Which versions a range holds, in the order of semantic versioning alone.
//!
//! Cargo's rule that a range without a pre-release matches none is for choosing versions. Here it would say of
//! `2.0.0-rc.1` that no fix and no flaw is in it. So ranges are turned into bounds and compared; the upper bound of `^1.2`
//! is below every pre-release of `2.0.0`, for nobody said anything of those.

use semver::{Comparator, Op, Prerelease, Version, VersionReq};
use std::cmp::Ordering;
use std::ops::Bound;

/// A version as lock files and advisories write it: `1.2`, `v1.2.3`. None: it is no semantic version.
pub(crate) fn parse(text: &str) -> Option<Version> {
    let text = text.trim();
    let text = text.strip_prefix('v').unwrap_or(text);
    if let Ok(version) = Version::parse(text) {
        return Some(version);
    }
    let numbers: Option<Vec<u64>> = text.split('.').map(|it| it.parse().ok()).collect();
    match numbers?[..] {
        [major] => Some(Version::new(major, 0, 0)),
        [major, minor] => Some(Version::new(major, minor, 0)),
        _ => None,
    }
}

/// Build metadata is no part of the order.
pub(crate) fn compare(one: &Version, other: &Version) -> Ordering {
    one.cmp_precedence(other)
}

/// Whether all of a requirement's parts hold for the version.
pub(crate) fn within(range: &VersionReq, version: &Version) -> bool {
    range.comparators.iter().all(|it| {
        let (lower, upper) = bounds(it);
        let above = match &lower {
            Bound::Included(it) => compare(version, it).is_ge(),
            Bound::Excluded(it) => compare(version, it).is_gt(),
            Bound::Unbounded => true,
        };
        let below = match &upper {
            Bound::Included(it) => compare(version, it).is_le(),
            Bound::Excluded(it) => compare(version, it).is_lt(),
            Bound::Unbounded => true,
        };
        above && below
    })
}

fn bounds(it: &Comparator) -> (Bound<Version>, Bound<Version>) {
    use Bound::{Excluded, Included, Unbounded};
    let first = Version { pre: it.pre.clone(), ..Version::new(it.major, it.minor.unwrap_or(0), it.patch.unwrap_or(0)) };
    let whole = it.patch.is_some();
    // The first version behind all that the comparator's numbers name.
    let next = match (it.minor, it.patch) {
        (None, _) => Version::new(it.major.saturating_add(1), 0, 0),
        (Some(minor), None) => Version::new(it.major, minor.saturating_add(1), 0),
        (Some(minor), Some(patch)) => Version::new(it.major, minor, patch.saturating_add(1)),
    };
    match it.op {
        Op::Exact if whole => (Included(first.clone()), Included(first)),
        Op::Greater if whole => (Excluded(first), Unbounded),
        Op::Greater => (Included(next), Unbounded),
        Op::GreaterEq => (Included(first), Unbounded),
        Op::Less => (Unbounded, Excluded(first)),
        Op::LessEq if whole => (Unbounded, Included(first)),
        Op::LessEq => (Unbounded, Excluded(next)),
        Op::Tilde => {
            let end = match it.minor {
                Some(minor) => Version::new(it.major, minor.saturating_add(1), 0),
                None => next,
            };
            (Included(first), Excluded(before_all(end)))
        }
        Op::Caret => (Included(first), Excluded(before_all(breaking(it)))),
        // `1.2.*`, `=1.2`; and what later versions of the crate may know.
        _ => (Included(first), Excluded(before_all(next))),
    }
}

/// The next version that may break what this one does.
fn breaking(it: &Comparator) -> Version {
    match (it.major, it.minor, it.patch) {
        (0, None, _) => Version::new(1, 0, 0),
        (0, Some(0), None) => Version::new(0, 1, 0),
        (0, Some(0), Some(patch)) => Version::new(0, 0, patch.saturating_add(1)),
        (0, Some(minor), _) => Version::new(0, minor.saturating_add(1), 0),
        (major, ..) => Version::new(major.saturating_add(1), 0, 0),
    }
}

/// Before all pre-releases of a version.
fn before_all(version: Version) -> Version {
    let pre = Prerelease::new("0").unwrap_or(Prerelease::EMPTY);
    Version { pre, ..version }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(range: &str, inside: &[&str], outside: &[&str]) {
        let range = VersionReq::parse(range).expect("a range");
        for (versions, expected) in [(inside, true), (outside, false)] {
            for version in versions {
                assert_eq!(within(&range, &parse(version).expect("a version")), expected, "{range} {version}");
            }
        }
    }

    #[test]
    fn ranges_hold_what_their_numbers_say() {
        check(">=1.2.3", &["1.2.3", "1.3.0-alpha", "2.0.0-rc.1", "9.0.0"], &["1.2.2", "1.2.3-rc.1"]);
        check(">=1.2", &["1.2.0", "1.9.9"], &["1.2.0-rc.1", "1.1.9"]);
        check(">1.2.3", &["1.2.4", "1.2.4-a"], &["1.2.3", "1.2.3-a"]);
        check(">1.2", &["1.3.0"], &["1.2.9"]);
        check("<1.2.3", &["0.0.0", "1.2.2", "1.2.3-rc.1"], &["1.2.3", "1.2.4"]);
        check("<=1.2.3", &["1.2.3", "1.2.3-a"], &["1.2.4-a", "1.2.4"]);
        check("<=1.2", &["1.2.9"], &["1.3.0"]);
        check("=1.2.3", &["1.2.3", "1.2.3+build"], &["1.2.3-a", "1.2.4"]);
        check("=1.2", &["1.2.0", "1.2.9"], &["1.3.0", "1.3.0-a"]);
        check("^1.2.3", &["1.2.3", "1.9.0", "1.9.0-a"], &["1.2.2", "2.0.0-a", "2.0.0"]);
        check("^0.2.3", &["0.2.3", "0.2.9"], &["0.3.0-a", "0.3.0"]);
        check("^0.0.3", &["0.0.3"], &["0.0.4", "0.0.4-a", "0.0.2"]);
        check("^0.0", &["0.0.0", "0.0.9"], &["0.1.0"]);
        check("^0", &["0.9.9"], &["1.0.0"]);
        check("1.2.3", &["1.5.0"], &["2.0.0"]); // as Cargo reads it
        check("~1.2.3", &["1.2.3", "1.2.9"], &["1.3.0", "1.3.0-a"]);
        check("~1.2", &["1.2.0"], &["1.3.0"]);
        check("~1", &["1.9.9"], &["2.0.0"]);
        check("1.2.*", &["1.2.7"], &["1.3.0"]);
        check("*", &["0.0.0", "99.0.0-a"], &[]);
        check(">=1.2.3, <2.0.0-0", &["1.9.9"], &["2.0.0-alpha", "1.0.0"]);
        check("^1.2.3-rc.2", &["1.2.3-rc.2", "1.2.3"], &["1.2.3-rc.1"]);
    }

    #[test]
    fn short_versions_are_understood() {
        for (text, expected) in [
            ("1", Some("1.0.0")),
            ("1.2", Some("1.2.0")),
            ("v1.2.3", Some("1.2.3")),
            (" 1.2.3-rc.1+x ", Some("1.2.3-rc.1+x")),
            ("1.2.3.4", None),
            ("latest", None),
            ("", None),
        ] {
            assert_eq!(parse(text).map(|it| it.to_string()).as_deref(), expected, "{text}");
        }
    }
}
