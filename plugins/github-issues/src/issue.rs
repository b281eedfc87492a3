//! Which issues are work, and the draft of one that is.
//!
//! The same issue gives the same draft: labels are sorted, agentd's own labels and its own assignment are left out.

use crate::mark::Mark;
use crate::settings::{Settings, has, same};
use agentd_sdk::host::forge::{AppliedLabel, Issue};
use agentd_sdk::task_source::{Draft, Thread};

/// What an issue is for this entry.
#[derive(Debug, PartialEq)]
pub(crate) enum Verdict {
    /// It is work.
    Work,
    /// Its task failed, and nobody asked anew: neither work nor withdrawn, for a person may try the task again.
    Held,
    /// Another instance, or somebody by hand, works on it.
    Taken,
    /// It is no work (any more): why, for people.
    Not(String),
}

/// The key of its task: the same as long as the issue lives.
pub(crate) fn key(repository: &str, number: u32) -> String {
    format!("{repository}#{number}")
}

/// Judges an issue; `mark` matters only if it [bears an own label](bears_own_label), `known`: this entry gave it to the host before.
pub(crate) fn judge(settings: &Settings, issue: &Issue, known: bool, mark: &Mark) -> Verdict {
    if let Some(reason) = refusal(settings, issue) {
        return Verdict::Not(reason);
    }
    if let Some(blocked) = label(issue, &settings.blocked) {
        let asked_anew =
            blocked.at.zip(newest(settings, issue).and_then(|it| it.at)).is_some_and(|(it, asked)| asked > it);
        if !asked_anew {
            return match known && mark.set_the_label(blocked.at) {
                true => Verdict::Held,
                false => Verdict::Not(format!("labelled {}", settings.blocked)),
            };
        }
    }
    match label(issue, &settings.in_progress) {
        Some(_) if !known && !mark.holds() => Verdict::Taken,
        _ => Verdict::Work,
    }
}

/// Whether the issue has a label that agentd sets: only then its mark matters.
pub(crate) fn bears_own_label(settings: &Settings, issue: &Issue) -> bool {
    label(issue, &settings.in_progress).or_else(|| label(issue, &settings.blocked)).is_some()
}

/// Why an issue does not qualify, whatever agentd did with it.
fn refusal(settings: &Settings, issue: &Issue) -> Option<String> {
    if issue.state != "open" {
        return Some(closed(issue));
    }
    if let Some(missing) = settings.labels.iter().find(|it| label(issue, it).is_none()) {
        return Some(format!("no longer labelled {missing}"));
    }
    let foreign = settings.exclude.iter().filter(|it| !same(it, &settings.blocked));
    if let Some(found) = foreign.into_iter().find(|it| label(issue, it).is_some()) {
        return Some(format!("labelled {found}"));
    }
    match settings.assignee.as_deref() {
        Some("*") if issue.assignees.is_empty() => return Some("no longer assigned to anybody".into()),
        Some(login) if login != "*" && !has(&issue.assignees, login) => {
            return Some(format!("no longer assigned to {login}"));
        }
        _ => (),
    }
    let wanted = settings.milestone.as_deref()?;
    let there = issue.milestone.as_deref().is_some_and(|it| same(it, wanted));
    (!there).then(|| format!("no longer in the milestone {wanted}"))
}

/// `closed as not planned by ann`, as far as the forge says it.
fn closed(issue: &Issue) -> String {
    let why = match issue.state_reason.as_str() {
        "" => String::new(),
        "duplicate" => " as a duplicate".into(),
        word => format!(" as {}", word.replace('-', " ")),
    };
    let by = issue.extra.iter().find(|(name, _)| name == "closed-by").map(|(_, login)| format!(" by {login}"));
    format!("closed{why}{}", by.unwrap_or_default())
}

/// The issue as a draft; `assignees` are those that people chose.
pub(crate) fn draft(settings: &Settings, issue: &Issue, assignees: &[String]) -> Draft {
    let asked = newest(settings, issue);
    let own = |label: &str| same(label, &settings.in_progress) || same(label, &settings.blocked);
    let mut labels: Vec<String> = issue.labels.iter().map(|it| it.name.clone()).filter(|it| !own(it)).collect();
    labels.sort();
    labels.dedup();
    let mut fields: Vec<_> = assignees.iter().map(|login| ("assignee".to_owned(), login.clone())).collect();
    fields.extend(issue.milestone.clone().map(|title| ("milestone".to_owned(), title)));
    Draft {
        key: key(&issue.repository, issue.number),
        title: issue.title.clone(),
        body: issue.body.clone(),
        url: Some(issue.url.clone()),
        subject: Some(issue.url.clone()),
        repository: Some(issue.repository.clone()),
        thread: Some(Thread::new(&issue.repository, issue.number)),
        author: Some(issue.author.clone()),
        editor: issue.editor.clone(),
        requester: asked.and_then(|it| it.by.clone()),
        requested_at: asked.and_then(|it| it.at),
        priority: priority(settings, &labels),
        labels,
        fields,
        created_at: Some(issue.created_at),
        ..Draft::default()
    }
}

fn label<'a>(issue: &'a Issue, name: &str) -> Option<&'a AppliedLabel> {
    issue.labels.iter().find(|it| same(&it.name, name))
}

/// The needed label that was set last: with it the issue became work. One of which the forge does not say when it was
/// set counts as that, for it may have been.
fn newest<'a>(settings: &Settings, issue: &'a Issue) -> Option<&'a AppliedLabel> {
    let needed = settings.labels.iter().filter_map(|it| label(issue, it));
    needed.max_by_key(|it| (it.at.is_none(), it.at))
}

/// The most urgent of what the labels say.
fn priority(settings: &Settings, labels: &[String]) -> Option<u32> {
    settings.priorities.iter().filter(|(label, _)| has(labels, label)).map(|(_, number)| *number).min()
}

/// Who is assigned, sorted; while agentd works on the issue, as it was before, for one of them is agentd.
pub(crate) fn assignees(settings: &Settings, issue: &Issue, before: Option<&str>) -> Vec<String> {
    let mut now = issue.assignees.clone();
    now.sort();
    let settled = label(issue, &settings.in_progress).is_none() || !settings.assigns();
    match before {
        Some(before) if !settled => before.split(',').filter(|it| !it.is_empty()).map(str::to_owned).collect(),
        _ => now,
    }
}

#[cfg(test)]
pub(crate) mod tests;
