//! Which files are tasks, and what a poll makes of them.
//!
//! Works on paths and a function that reads: the host's directory in a plugin, a list in a test. One bad file never
//! spoils a poll; it is left out and named.

use crate::Settings;
use crate::document::{self, Document};
use agentd_sdk::task_source::{Draft, Intake, Item};
use agentd_sdk::{Content, Error};
use std::collections::BTreeSet;

/// How many files one poll may bring, and how much text: the host takes 1,000 items and 16 MiB.
const PAGE_FILES: usize = 1_000;
const PAGE_BYTES: usize = 6 << 20;

/// What came of a poll.
pub(crate) struct Poll {
    pub(crate) intake: Intake,
    pub(crate) skipped: Vec<Skipped>,
}

/// A file that is left out.
pub(crate) struct Skipped {
    pub(crate) path: String,
    /// What is wrong, and what to do.
    pub(crate) reason: String,
}

/// Whether a Markdown file is a task: not if it tells about the folder, or is hidden.
pub(crate) fn is_task(path: &str) -> bool {
    let hidden = path.split('/').any(|part| part.starts_with('.'));
    let name = path.rsplit('/').next().unwrap_or(path);
    !hidden && !name.eq_ignore_ascii_case("readme.md")
}

/// Reads the files from `cursor` on, as many as one answer may hold, and makes drafts of them.
pub(crate) fn gather(
    settings: &Settings,
    paths: &[String],
    cursor: Option<&str>,
    read: impl Fn(&str) -> Result<Content, Error>,
) -> Result<Poll, Error> {
    let start = paths.partition_point(|path| Some(path.as_str()) <= cursor.filter(|it| !it.is_empty()));
    let (mut drafts, mut skipped) = (vec![], vec![]);
    let (mut bytes, mut end) = (0, start);
    for path in &paths[start..] {
        if end - start == PAGE_FILES || bytes > PAGE_BYTES {
            break;
        }
        end += 1;
        match read(path) {
            Ok(content) => match draft(settings, paths, path, content) {
                Ok(draft) => {
                    bytes += draft.body.len();
                    drafts.push(draft);
                }
                Err(reason) => skipped.push(Skipped { path: path.clone(), reason }),
            },
            // Deleted between listing and reading: as if it had never been listed.
            Err(Error::NotFound(_)) => (),
            Err(Error::TooLarge(_)) => skipped.push(Skipped {
                path: path.clone(),
                reason: "it is too large to be read: put the task into a few kilobytes, the rest into other files"
                    .into(),
            }),
            Err(error) => return Err(error),
        }
    }
    hold_back_dependents(&mut drafts, &mut skipped);
    let more = end < paths.len();
    let paged = start > 0 || more;
    let cursor = paged.then(|| if more { paths[end - 1].clone() } else { String::new() });
    let complete = skipped.is_empty() && !paged;
    let items = drafts.into_iter().map(Item::Work).collect();
    Ok(Poll { intake: Intake { items, complete, cursor, more, extra: vec![] }, skipped })
}

/// Leaves out what depends on something left out: the host ignores dependencies that it does not know, and would start
/// the second step before the first.
fn hold_back_dependents(drafts: &mut Vec<Draft>, skipped: &mut Vec<Skipped>) {
    let mut missing: BTreeSet<String> = skipped.iter().map(|it| it.path.clone()).collect();
    loop {
        let before = drafts.len();
        drafts.retain(|draft| {
            let Some(cause) = draft.depends_on.iter().find(|key| missing.contains(*key)) else { return true };
            let reason = format!("it depends on {cause}, which is left out itself: correct that one");
            missing.insert(draft.key.clone());
            skipped.push(Skipped { path: draft.key.clone(), reason });
            false
        });
        if drafts.len() == before {
            return;
        }
    }
}

/// One file as a draft, or what is wrong with it.
fn draft(settings: &Settings, paths: &[String], path: &str, content: Content) -> Result<Draft, String> {
    let text = match content {
        Content::Text(text) => text,
        Content::Bytes(_) => return Err("it is not UTF-8 text: save it as UTF-8".into()),
    };
    if path.len() > 256 {
        return Err("its path is longer than 256 bytes: give it a shorter name".into());
    }
    let Document { head, title, body } = document::read(&text)?;
    let name = path.rsplit('/').next().unwrap_or(path);
    let title = title.unwrap_or_else(|| name.trim_end_matches(".md").to_owned());
    let mut labels = settings.labels.clone();
    labels.extend(head.labels);
    let mut seen = BTreeSet::new();
    labels.retain(|label| seen.insert(label.clone()));
    let depends_on = head.depends_on.iter().map(|name| dependency(name, path, paths)).collect();
    let mut extra = vec![];
    extra.extend(head.agent.map(|agent| ("agent".to_owned(), agent)));
    extra.extend(head.model.map(|model| ("model".to_owned(), model)));
    Ok(Draft {
        key: path.to_owned(),
        title,
        body,
        repository: head.repository.or_else(|| settings.repository.clone()),
        base: head.base,
        labels,
        priority: head.priority,
        depends_on,
        instructions: head.instructions,
        fields: head.fields,
        extra,
        ..Draft::default()
    })
}

/// The key that a person means by a file's name: as seen from the folder, or from the file that says it; with or
/// without `.md`. What is no such file stays as it is: it may be a task's id.
fn dependency(name: &str, from: &str, paths: &[String]) -> String {
    let name = name.trim_start_matches("./");
    let beside = from.rsplit_once('/').map(|(folder, _)| format!("{folder}/{name}"));
    let candidates = [Some(name.to_owned()), beside];
    for candidate in candidates.into_iter().flatten() {
        for key in [candidate.clone(), format!("{candidate}.md")] {
            if paths.binary_search(&key).is_ok() {
                return key;
            }
        }
    }
    name.to_owned()
}

#[cfg(test)]
mod tests;
