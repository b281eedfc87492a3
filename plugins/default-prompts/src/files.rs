//! The template files: those of the directory, and the built-in ones.
//!
//! Knows names, not what stands in the files. Which file is taken is decided by the list of those that are there, so
//! that no name (of a label, of a repository) can lead out of the directory.

use agentd_sdk::host::repository::{FileQuery, list_files, read_file};
use agentd_sdk::{Content, Error};
use std::sync::Arc;

/// The host's name for the directory that the setting `path` holds.
const TREE: &str = "dir:path";

/// Names that begin so are there to be brought in by others, and are no prompts themselves.
const PARTIAL: char = '_';

const BUILT_IN: &[(&str, &str)] = &[
    ("_rules.md", include_str!("../prompts/_rules.md")),
    ("_task.md", include_str!("../prompts/_task.md")),
    ("ci-fix.md", include_str!("../prompts/ci-fix.md")),
    ("execute.md", include_str!("../prompts/execute.md")),
    ("fallback.md", include_str!("../prompts/fallback.md")),
    ("feedback.md", include_str!("../prompts/feedback.md")),
    ("retry.md", include_str!("../prompts/retry.md")),
];

type Read = Arc<dyn Fn(&str) -> Result<Content, Error> + Send + Sync>;

/// All template files that there are.
#[derive(Clone)]
pub(crate) struct Files {
    /// The paths of those in the directory.
    own: Vec<String>,
    read: Read,
}

impl Files {
    pub(crate) fn built_in() -> Files {
        Files { own: vec![], read: Arc::new(|path| Err(Error::NotFound(path.to_owned()))) }
    }

    /// With those of the directory that the setting `path` holds; it is given for messages only.
    pub(crate) fn in_directory(path: &str) -> Result<Files, Error> {
        let mut own = vec![];
        let mut query =
            FileQuery { tree: TREE.into(), globs: vec!["*.md".into()], limit: 10_000, ..FileQuery::default() };
        loop {
            let page = list_files(&query).map_err(|error| explain(error, path))?;
            own.extend(page.files.into_iter().map(|file| file.path));
            query.cursor = page.next;
            if query.cursor.is_none() {
                return Ok(Files { own, read: Arc::new(|path| read_file(TREE, None, path)) });
            }
        }
    }

    /// The file to take for a run, by name: the most special one that there is.
    pub(crate) fn choose(&self, repository: &str, labels: &[String], purpose: &str) -> Option<String> {
        let folder = repository.replace('/', "--");
        let general = format!("{purpose}.md");
        let labelled: Vec<String> = labels.iter().map(|label| format!("{label}.{purpose}.md")).collect();
        let mut names: Vec<String> = labelled.iter().map(|name| format!("{folder}/{name}")).collect();
        names.push(format!("{folder}/{general}"));
        names.extend(labelled);
        names.push(general);
        let own = |name: &String| self.own.iter().find(|path| path.eq_ignore_ascii_case(name)).cloned();
        let built_in = || names.last().filter(|name| !name.starts_with(PARTIAL) && text_of(name).is_some()).cloned();
        names.iter().find_map(own).or_else(built_in)
    }

    /// The names of all files that are prompts, or parts of them; the directory's first.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        let built_in = BUILT_IN.iter().map(|(name, _)| *name);
        let others = built_in.filter(|name| !self.own.iter().any(|own| own == name));
        self.own.iter().map(String::as_str).chain(others)
    }

    /// What stands in a file: the directory's, or else the built-in one of that name. None: there is no such file.
    pub(crate) fn text(&self, name: &str) -> Result<Option<String>, Error> {
        if !self.own.iter().any(|own| own == name) {
            return Ok(text_of(name).map(ToOwned::to_owned));
        }
        match (self.read)(name)? {
            Content::Text(text) => Ok(Some(text)),
            Content::Bytes(_) => Err(Error::Invalid(format!("{name} is not UTF-8 text: save it as UTF-8"))),
        }
    }

    #[cfg(test)]
    pub(crate) fn of(files: &'static [(&'static str, &'static str)]) -> Files {
        let own = files.iter().map(|(path, _)| (*path).to_owned()).collect();
        let find = |path: &str| files.iter().find(|(it, _)| *it == path).map(|(_, text)| Content::Text((*text).into()));
        Files { own, read: Arc::new(move |path| find(path).ok_or_else(|| Error::NotFound(path.to_owned()))) }
    }
}

fn text_of(name: &str) -> Option<&'static str> {
    BUILT_IN.iter().find(|(it, _)| *it == name).map(|(_, text)| *text)
}

/// Puts the setting's name and a way out where the host can only say that something is not there.
fn explain(error: Error, path: &str) -> Error {
    match error {
        Error::NotFound(_) => Error::NotFound(format!(
            "the directory {path:?} of the setting `path` does not exist: make it, or leave `path` out"
        )),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &[(&str, &str)] = &[
        ("acme--shop/bug.execute.md", ""),
        ("acme--shop/execute.md", ""),
        ("bug.execute.md", ""),
        ("Docs.execute.md", ""),
        ("execute.md", ""),
        ("rebase.md", ""),
    ];

    #[track_caller]
    fn check(own: &'static [(&str, &str)], repository: &str, labels: &[&str], purpose: &str, expected: Option<&str>) {
        let labels: Vec<String> = labels.iter().map(|label| (*label).to_owned()).collect();
        assert_eq!(Files::of(own).choose(repository, &labels, purpose).as_deref(), expected);
    }

    #[test]
    fn the_most_special_file_counts() {
        check(OWN, "acme/shop", &["docs", "bug"], "execute", Some("acme--shop/bug.execute.md"));
        check(OWN, "acme/shop", &["docs"], "execute", Some("acme--shop/execute.md"));
        check(OWN, "acme/blog", &["bug", "docs"], "execute", Some("bug.execute.md"));
        check(OWN, "acme/blog", &["docs", "bug"], "execute", Some("Docs.execute.md"));
        check(OWN, "acme/blog", &[], "execute", Some("execute.md"));
    }

    #[test]
    fn purposes_without_a_file_are_unknown() {
        check(OWN, "acme/blog", &["bug"], "ci-fix", Some("ci-fix.md"));
        check(OWN, "acme/blog", &["bug"], "rebase", Some("rebase.md"));
        check(OWN, "acme/blog", &["bug"], "plan", None);
        check(&[], "acme/blog", &["bug"], "_rules", None);
    }

    #[test]
    fn names_cannot_lead_out_of_the_directory() {
        check(OWN, "..", &["../../etc/passwd"], "../execute", None);
    }

    #[test]
    fn the_directory_comes_before_what_is_built_in() {
        let files = Files::of(&[("_rules.md", "Be brief.")]);
        assert_eq!(files.text("_rules.md").expect("readable").as_deref(), Some("Be brief."));
        assert!(files.text("_task.md").expect("readable").is_some_and(|text| text.contains("{{ title }}")));
        assert_eq!(files.text("other.md").expect("readable"), None);
        assert_eq!(files.names().filter(|name| *name == "_rules.md").count(), 1);
    }
}
