//! Which files a query takes: globs as git's and ripgrep's.
//!
//! - A glob without a `/` matches names in every directory; one with a `/` in it is meant from the root.
//! - `*` and `?` stay within a part of the path, `**` does not.
//! - A glob that ends with `/` takes everything in that directory.
//! - `!` excludes; what excludes a directory excludes all that is in it.
//! - The last glob that matches a file decides. A file that none matches is taken if all globs exclude.

use agentd_plugin::wit::common::Error;
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

const GLOBS_MAX: usize = 1_000;
const GLOB_MAX: usize = 4_096;

pub(super) struct Globs {
    set: GlobSet,
    /// For each glob whether it excludes.
    excludes: Vec<bool>,
}

impl Globs {
    pub(super) fn new(globs: &[String]) -> Result<Globs, Error> {
        if globs.len() > GLOBS_MAX {
            return Err(Error::TooLarge(format!("{} globs were given: at most {GLOBS_MAX} are read", globs.len())));
        }
        let (mut set, mut excludes) = (GlobSetBuilder::new(), vec![]);
        for (index, text) in globs.iter().enumerate() {
            let refuse = |why: &str| {
                let shown: String = text.chars().take(200).collect();
                Error::Invalid(format!("glob {} is `{}`: {why}", index + 1, shown.escape_debug()))
            };
            if text.len() > GLOB_MAX {
                return Err(refuse("it is too long"));
            }
            let (exclude, glob) = text.strip_prefix('!').map_or((false, text.as_str()), |rest| (true, rest));
            if glob.trim_matches('/').is_empty() {
                return Err(refuse("it matches nothing; leave it out"));
            }
            let glob = GlobBuilder::new(&from_the_root(glob)).literal_separator(true).backslash_escape(true).build();
            set.add(glob.map_err(|error| refuse(&error.kind().to_string()))?);
            excludes.push(exclude);
        }
        let set = set.build().map_err(|error| Error::Invalid(format!("the globs cannot be used together: {error}")))?;
        Ok(Globs { set, excludes })
    }

    pub(super) fn takes(&self, path: &str) -> bool {
        if self.excludes.is_empty() {
            return true;
        }
        let own = self.set.matches(path).into_iter().max();
        let directories = path.match_indices('/').map(|(end, _)| &path[..end]);
        let inherited = directories.flat_map(|it| self.set.matches(it)).filter(|index| self.excludes[*index]).max();
        match own.max(inherited) {
            Some(last) => !self.excludes[last],
            None => self.excludes.iter().all(|it| *it),
        }
    }
}

/// The same glob, for whole paths.
fn from_the_root(glob: &str) -> String {
    let inside = glob.trim_end_matches('/');
    let anywhere = if inside.contains('/') { "" } else { "**/" };
    let below = if inside.len() < glob.len() { "/**" } else { "" };
    format!("{anywhere}{}{below}", inside.trim_start_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(globs: &[&str], taken: &[&str], left: &[&str]) {
        let globs = Globs::new(&globs.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>()).unwrap();
        for path in taken {
            assert!(globs.takes(path), "{path} should be taken");
        }
        for path in left {
            assert!(!globs.takes(path), "{path} should be left out");
        }
    }

    #[test]
    fn globs_take_what_git_and_ripgrep_take() {
        check(&[], &["a", "a/b.rs", ".x"], &[]);
        check(&["*.rs"], &["a.rs", "src/deep/a.rs", ".rs"], &["a.rss", "a.rs/b"]);
        check(&["/*.rs"], &["a.rs"], &["src/a.rs"]);
        check(&["src/**"], &["src/a", "src/b/c.rs"], &["src", "a/src/b"]);
        check(&["src/*.rs"], &["src/a.rs"], &["src/b/a.rs", "x/src/a.rs"]);
        check(&["**/test/*"], &["test/a", "x/y/test/a"], &["test/a/b"]);
        check(&["{a,b}/*.lock"], &["a/x.lock", "b/y.lock"], &["c/x.lock", "a/b/x.lock"]);
        check(&["docs/"], &["docs/a", "x/docs/b/c"], &["docs", "docs.md"]);
        check(&["[ab]?.md"], &["a1.md", "x/b2.md"], &["c1.md", "a12.md"]);
        check(&["\\!x"], &["!x"], &["x"]);
    }

    #[test]
    fn the_last_glob_that_matches_decides() {
        check(&["!vendor"], &["a", "src/a", "vendored"], &["vendor/a", "vendor/b/c", "x/vendor/y"]);
        check(&["!vendor/**"], &["a", "x/vendor/y"], &["vendor/a", "vendor/b/c"]);
        check(&["*.js", "!*.min.js"], &["a.js"], &["a.min.js", "a.css"]);
        check(&["!*.min.js", "*.js"], &["a.js", "a.min.js"], &["a.css"]);
        check(&["!vendor", "vendor/keep.rs"], &["vendor/keep.rs"], &["vendor/a.rs", "b.rs"]);
        check(&["*.rs", "!target/"], &["a.rs", "target.rs"], &["target/a.rs", "x/target/y/b.rs"]);
    }

    #[test]
    fn a_bad_glob_is_named_with_its_place() {
        let globs = ["*.rs", "src/[a"].map(str::to_owned);
        let error = Globs::new(&globs).err().unwrap();
        let expected = "glob 2 is `src/[a`: unclosed character class; missing ']'";
        assert!(matches!(&error, Error::Invalid(text) if text == expected), "{error:?}");
        for bad in ["", "!", "/", "!//", "{a", "a\\"] {
            assert!(matches!(Globs::new(&[bad.to_owned()]), Err(Error::Invalid(_))), "{bad}");
        }
        assert!(matches!(Globs::new(&vec!["a".to_owned(); 1001]), Err(Error::TooLarge(_))));
    }
}
