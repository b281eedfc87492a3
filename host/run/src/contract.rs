//! From the store's rows to the plugins' records and back, and other small translations at the contract's border.

use agentd_plugin::wit;
use agentd_store::{Change, Store, TaskRow};
use agentd_task::{Draft, Millis, Status, Thread};
use sha2::{Digest, Sha256};

/// The first 12 hex digits of a text's SHA-256: enough to tell names apart.
pub(crate) fn short_hash(text: &str) -> String {
    hex::encode(&Sha256::digest(text.as_bytes())[..6])
}

/// A point in time as the contract has it.
pub(crate) fn timestamp(at: i64) -> u64 {
    u64::try_from(at).unwrap_or(0)
}

/// A task as plugins see it.
pub(crate) fn task(row: &TaskRow, change: Option<&Change>) -> wit::work::Task {
    wit::work::Task {
        id: row.task.id.to_string(),
        source: row.source.clone(),
        key: row.key.clone(),
        title: row.title.clone(),
        url: row.url.clone(),
        repository: row.repository.clone(),
        thread: row.thread.as_ref().map(|it| wit::work::Thread {
            repository: it.repository.clone(),
            number: it.number,
            extra: vec![],
        }),
        requester: row.requested_by.as_deref().map(person),
        labels: row.labels.clone(),
        priority: row.priority,
        state: row.task.status.as_str().into(),
        reason: Some(row.reason.clone()).filter(|it| !it.is_empty()),
        run: row.task.run,
        change: change.map(|it| wit::work::Change {
            repository: it.repository.clone(),
            branch: it.branch.clone(),
            base: it.base.clone(),
            commit: it.commit.clone(),
            number: it.number,
            url: it.url.clone(),
            state: it.state.clone(),
            extra: vec![],
        }),
        created_at: timestamp(row.created_at),
        changed_at: timestamp(row.changed_at),
        spent_microusd: 0,
        extra: standing(&row.task.status).map(|(key, word)| (key.to_owned(), word.to_owned())).into_iter().collect(),
    }
}

/// What the state alone does not say: for whom a task waits, how it ended.
fn standing(status: &Status) -> Option<(&'static str, &'static str)> {
    match status {
        Status::Waiting { on } => Some(("waits-for", on.as_str())),
        Status::Done { outcome } => Some(("outcome", outcome.as_str())),
        _ => None,
    }
}

fn person(login: &str) -> wit::work::Person {
    wit::work::Person { login: login.into(), name: None, bot: false, extra: vec![] }
}

/// The task with its change, as plugins see it now.
pub(crate) async fn task_now(store: &Store, row: &TaskRow) -> Result<wit::work::Task, agentd_store::Error> {
    let change = match row.task.status {
        Status::Queued { .. } | Status::Waiting { .. } if row.task.run == 0 => None,
        _ => store.reader().change(row.task.id).await?,
    };
    let spent = store.reader().spent(row.task.id, row.task.run, Millis::MAX).await?;
    Ok(wit::work::Task { spent_microusd: spent.task, ..task(row, change.as_ref()) })
}

/// A plugin's draft as the store takes it; `repository` is where it goes if it names none.
pub(crate) fn draft(it: wit::work::Draft, repository: Option<&str>) -> Result<Draft, String> {
    let Some(repository) = it.repository.or_else(|| repository.map(Into::into)) else {
        return Err(format!("{} names no repository, and its source has no default one (`repository = …`)", it.key));
    };
    let agent = it.extra.into_iter().find(|(name, _)| name == "agent").map(|(_, value)| value);
    let draft = Draft {
        title: title(&it.title),
        body: body(&it.body).to_owned(),
        key: it.key,
        url: it.url,
        subject: it.subject,
        repository,
        thread: it.thread.map(|it| Thread { repository: it.repository, number: it.number }),
        base: it.base,
        labels: it.labels,
        priority: it.priority.map(|it| if (1..=4).contains(&it) { it } else { 3 }),
        depends_on: it.depends_on,
        instructions: it.instructions,
        requested_by: it.requester.map(|it| it.login),
        requested_at: it.requested_at.and_then(|it| i64::try_from(it).ok()),
        agent,
    };
    match draft.check() {
        Ok(()) => Ok(draft),
        Err(what) => Err(format!("the draft `{}` cannot be taken: {what}", one_line(&draft.key, 60))),
    }
}

/// As much of a title as a draft has.
pub(crate) fn title(text: &str) -> String {
    one_line(text, Draft::TITLE_CHARS_MAX)
}

/// As much of a text as a draft has.
pub(crate) fn body(text: &str) -> &str {
    cut(text, Draft::BODY_BYTES_MAX)
}

/// The first line of a text, without control characters, cut after so many characters.
pub(crate) fn one_line(text: &str, chars: usize) -> String {
    let line = text.trim().lines().next().unwrap_or_default();
    line.chars().filter(|c| !c.is_control()).take(chars).collect()
}

/// A text's beginning of at most so many bytes, cut between characters.
pub(crate) fn cut(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

/// A text's end of at most so many bytes, cut between characters.
pub(crate) fn tail(text: &str, bytes: usize) -> &str {
    &text[text.ceil_char_boundary(text.len().saturating_sub(bytes))..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_between_characters() {
        assert_eq!(cut("aäb", 2), "a");
        assert_eq!(tail("aäb", 2), "b");
        assert_eq!(tail("ab", 9), "ab");
        assert_eq!(one_line("  Mend\u{7} it\nnow", 5), "Mend ");
    }

    #[test]
    fn a_draft_without_any_repository_is_refused_with_what_to_do() {
        let bare = wit::work::Draft { key: "a.md".into(), title: "Do it".into(), ..empty() };
        assert!(draft(bare.clone(), None).unwrap_err().contains("`repository = …`"));
        assert_eq!(draft(bare.clone(), Some("acme/shop")).unwrap().repository, "acme/shop");
        let endless = wit::work::Draft { depends_on: vec!["b".into(); 257], ..bare };
        assert!(draft(endless, Some("x")).unwrap_err().contains("depends-on: must name at most 256"));
    }

    fn empty() -> wit::work::Draft {
        wit::work::Draft {
            key: String::new(),
            title: String::new(),
            body: String::new(),
            url: None,
            subject: None,
            repository: None,
            thread: None,
            base: None,
            author: None,
            editor: None,
            requester: None,
            requested_at: None,
            labels: vec![],
            priority: None,
            depends_on: vec![],
            instructions: None,
            comments: vec![],
            locations: vec![],
            fields: vec![],
            created_at: None,
            extra: vec![],
        }
    }
}
