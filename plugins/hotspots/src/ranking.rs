//! Which files are worth a refactoring, in which order, and what the task says.

use crate::Settings;
use crate::complexity::{Complexity, measure};
use agentd_sdk::Error;
use agentd_sdk::analyzer::proposals::key;
use agentd_sdk::analyzer::{Draft, Location};
use agentd_sdk::host::repository::ChurnedFile;

const INSTRUCTIONS: &str = "Make this file easier to read and to change without changing what it does. Choose the part that \
    costs most, and improve that: split what does two things, flatten what is nested, name what is not obvious, remove \
    what is repeated. Keep the change small enough to review, keep interfaces that others use, and let the existing \
    tests pass; where the part has none, add tests first that hold what it does now.";

/// A file that is changed often and hard to read.
#[derive(Clone, Debug)]
pub(crate) struct Hotspot {
    pub(crate) file: ChurnedFile,
    pub(crate) complexity: Complexity,
}

/// The hotspots among these files, the worst first.
pub(crate) fn rank(
    settings: &Settings,
    files: Vec<ChurnedFile>,
    read: impl Fn(&str) -> Result<Option<String>, Error>,
) -> Result<Vec<Hotspot>, Error> {
    let mut found = vec![];
    for file in files {
        let Some(text) = read(&file.path)? else { continue };
        let complexity = measure(&text);
        if complexity.points() >= settings.min_complexity && file.commits >= settings.min_commits {
            found.push(Hotspot { file, complexity });
        }
    }
    found.sort_by(|a, b| b.score().cmp(&a.score()).then_with(|| a.file.path.cmp(&b.file.path)));
    Ok(found)
}

impl Hotspot {
    /// How often it is read to be changed, times how hard that is.
    fn score(&self) -> u64 {
        u64::from(self.file.commits) * u64::from(self.complexity.points())
    }

    pub(crate) fn draft(&self, settings: &Settings) -> Draft {
        let path = &self.file.path;
        Draft {
            key: key("hotspot", &[path]),
            title: title(path),
            body: self.body(settings),
            labels: vec!["refactoring".into()],
            instructions: Some(INSTRUCTIONS.into()),
            locations: vec![Location { path: path.clone(), ..Location::default() }],
            ..Draft::default()
        }
    }

    fn body(&self, settings: &Settings) -> String {
        let Hotspot { file, complexity } = self;
        let path = file.path.replace('`', "'");
        let authors = if file.authors == 1 { "one person".into() } else { format!("{} people", file.authors) };
        let mut body = format!(
            "`{path}` was changed by {} commits of {authors} in the {} days before this was found ({} lines added, {} removed), and is \
             hard to read: whoever changes it pays for that each time.\n\n\
             | measured | | proposed from |\n|---|---|---|\n\
             | commits in {} days | {} | {} |\n\
             | complexity | {} | {} |\n\
             | of that, branches | {} | |\n\
             | of that, levels of indentation beyond the second, of all lines | {} | |\n\
             | lines with code | {} | |\n",
            file.commits,
            settings.days,
            file.added_lines,
            file.removed_lines,
            settings.days,
            file.commits,
            settings.min_commits,
            complexity.points(),
            settings.min_complexity,
            complexity.branches,
            complexity.depth,
            complexity.lines,
        );
        if complexity.deepest > 2 {
            let Complexity { deepest, deepest_line, .. } = complexity;
            body.push_str(&format!("\nIt was indented most, by {deepest} levels, at line {deepest_line}.\n"));
        }
        body
    }
}

fn title(path: &str) -> String {
    const MOST: usize = 100;
    let path: String = path.chars().filter(|it| !it.is_control()).collect();
    let length = path.chars().count();
    match length > MOST {
        true => format!("Simplify …{}", path.chars().skip(length - MOST).collect::<String>()),
        false => format!("Simplify {path}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn file(path: &str, commits: u32) -> ChurnedFile {
        ChurnedFile {
            path: path.into(),
            commits,
            authors: 2,
            added_lines: 90,
            removed_lines: 30,
            ..ChurnedFile::default()
        }
    }

    /// A program of so many branches.
    fn program(branches: usize) -> String {
        "if a { b }\n".repeat(branches)
    }

    #[track_caller]
    fn check(files: &[(&str, u32, usize)], expected: &[&str]) {
        let texts: BTreeMap<&str, String> = files.iter().map(|(path, _, size)| (*path, program(*size))).collect();
        let churned = files.iter().map(|(path, commits, _)| file(path, *commits)).collect();
        let read = |path: &str| Ok(texts.get(path).filter(|it| !it.is_empty()).cloned());
        let found = rank(&Settings::default(), churned, read).expect("files can be read");
        assert_eq!(found.iter().map(|it| it.file.path.as_str()).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn what_is_often_changed_and_hard_to_read_comes_first() {
        check(&[], &[]);
        check(&[("a.rs", 10, 200), ("b.rs", 50, 200), ("c.rs", 10, 900)], &["b.rs", "c.rs", "a.rs"]);
        check(&[("b.rs", 10, 200), ("a.rs", 10, 200)], &["a.rs", "b.rs"]);
    }

    #[test]
    fn the_simple_the_quiet_and_the_unreadable_are_left_out() {
        check(&[("simple.rs", 900, 149), ("quiet.rs", 7, 9_000), ("gone.rs", 50, 0), ("it.rs", 8, 150)], &["it.rs"]);
    }

    #[test]
    fn a_file_that_cannot_be_asked_for_ends_the_analysis() {
        let broken = |_: &str| Err(Error::Unavailable("no git".into()));
        assert!(rank(&Settings::default(), vec![file("a.rs", 50)], broken).is_err());
    }

    #[test]
    fn the_task_says_the_figures_and_why() {
        let complexity = Complexity { lines: 900, branches: 210, depth: 400, deepest: 7, deepest_line: 333 };
        let hotspot = Hotspot { file: file("src/big.rs", 42), complexity };
        let draft = hotspot.draft(&Settings::default());
        assert_eq!(
            (draft.key.as_str(), draft.title.as_str()),
            (key("hotspot", &["src/big.rs"]).as_str(), "Simplify src/big.rs")
        );
        assert_eq!(
            draft.body,
            "`src/big.rs` was changed by 42 commits of 2 people in the 180 days before this was found (90 lines added, 30 \
             removed), and is hard to read: whoever changes it pays for that each time.\n\n\
             | measured | | proposed from |\n|---|---|---|\n| commits in 180 days | 42 | 8 |\n| complexity | 610 | 150 |\n\
             | of that, branches | 210 | |\n| of that, levels of indentation beyond the second, of all lines | 400 | |\n\
             | lines with code | 900 | |\n\nIt was indented most, by 7 levels, at line 333.\n"
        );
        assert_eq!((draft.locations[0].path.as_str(), draft.locations[0].line), ("src/big.rs", 0));
    }

    #[test]
    fn a_key_stays_while_the_file_is_changed() {
        let one = Hotspot { file: file("a.rs", 9), complexity: measure(&program(200)) };
        let other = Hotspot { file: file("a.rs", 99), complexity: measure(&program(900)) };
        let settings = Settings::default();
        assert_eq!(one.draft(&settings).key, other.draft(&settings).key);
        assert_eq!(one.draft(&settings).title, other.draft(&settings).title);
    }

    #[test]
    fn long_paths_keep_their_end() {
        let title = title(&format!("{}/b.rs", "a".repeat(300)));
        assert!(
            title.starts_with("Simplify …aaa") && title.ends_with("/b.rs") && title.chars().count() == 110,
            "{title}"
        );
    }
}
