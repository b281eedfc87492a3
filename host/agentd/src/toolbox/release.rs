//! How a release is written: `npm:@scope/name@1.2.3`, one version and no other.

use super::Error;
use std::{fmt, str::FromStr};

/// One version of one package of the npm registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Release {
    pub(crate) package: String,
    pub(crate) version: String,
}

impl Release {
    /// The same package in another version. Packages for one kind of machine each may say so in their versions, as in
    /// `1.2.3-linux-x64`: then the kind stays.
    #[must_use]
    pub(crate) fn at(&self, version: &str) -> Release {
        let machine = self.version.find("-linux-").map_or("", |start| &self.version[start..]);
        let version = if version.ends_with(machine) { version.to_owned() } else { format!("{version}{machine}") };
        Release { package: self.package.clone(), version }
    }
}

impl FromStr for Release {
    type Err = Error;

    fn from_str(text: &str) -> Result<Release, Error> {
        let bad = |what| Error::Release { release: text.chars().take(200).collect(), what };
        if text.starts_with("pypi:") {
            return Err(bad("packages of PyPI bring no program that runs by itself"));
        }
        let rest = text.strip_prefix("npm:").ok_or_else(|| bad("it does not begin with npm:"))?;
        let (package, version) = match rest.rsplit_once('@') {
            Some((package, version)) if !package.is_empty() => (package, version),
            _ => return Err(bad("it names no version")),
        };
        let names: Vec<_> = package.strip_prefix('@').map_or(vec![package], |it| it.splitn(2, '/').collect());
        let scoped = package.starts_with('@');
        if package.len() > 214 || scoped != (names.len() == 2) || !names.iter().all(|it| is_name(it)) {
            return Err(bad("that is not the name of a package"));
        }
        if !is_version(version) {
            return Err(bad("that is not a version"));
        }
        Ok(Release { package: package.to_owned(), version: version.to_owned() })
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "npm:{}@{}", self.package, self.version)
    }
}

/// A version, and not a range, a tag or a path.
pub(crate) fn is_version(text: &str) -> bool {
    text.starts_with(|it: char| it.is_ascii_digit())
        && text.len() <= 100
        && text.chars().all(|it| it.is_ascii_alphanumeric() || matches!(it, '.' | '-' | '+'))
        && !text.contains("..")
}

/// The name of a program becomes the name of a file.
pub(super) fn check_name(name: &str) -> Result<(), Error> {
    if is_name(name) {
        return Ok(());
    }
    Err(Error::Release { release: name.chars().take(100).collect(), what: "that is not the name of a program" })
}

fn is_name(text: &str) -> bool {
    text.starts_with(|it: char| it.is_ascii_alphanumeric())
        && text.len() <= 100
        && text.chars().all(|it| it.is_ascii_alphanumeric() || matches!(it, '.' | '-' | '_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, package: &str, version: &str) {
        let release: Release = text.parse().unwrap();
        assert_eq!((release.package.as_str(), release.version.as_str()), (package, version));
        assert_eq!(release.to_string(), text);
    }

    #[test]
    fn releases_are_read_as_plugins_write_them() {
        check("npm:@acme/cli-linux-x64@2.1.328", "@acme/cli-linux-x64", "2.1.328");
        check("npm:cli@1.0.0-beta.1", "cli", "1.0.0-beta.1");
        for bad in [
            "cli@1.0.0",
            "pypi:cli@1.0.0",
            "npm:cli",
            "npm:@acme/cli",
            "npm:cli@latest",
            "npm:cli@^1.0.0",
            "npm:../cli@1.0.0",
            "npm:@acme@1.0.0",
            "npm:@a/b/c@1.0.0",
            "npm:a/b@1.0.0",
            "npm:cli@1.0/../2",
            "npm:cli@",
        ] {
            assert!(bad.parse::<Release>().is_err(), "{bad}");
        }
    }

    #[test]
    fn another_version_stays_for_the_same_machine() {
        let at = |text: &str, version| text.parse::<Release>().unwrap().at(version).to_string();
        assert_eq!(at("npm:cli@1.2.3-linux-x64", "1.3.0"), "npm:cli@1.3.0-linux-x64");
        assert_eq!(at("npm:cli@1.2.3-linux-x64", "1.3.0-linux-x64"), "npm:cli@1.3.0-linux-x64");
        assert_eq!(at("npm:@acme/cli-linux-x64@1.2.3", "1.3.0-rc.1"), "npm:@acme/cli-linux-x64@1.3.0-rc.1");
    }
}
