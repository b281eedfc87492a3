//! The changes that people and programs make to threads, each with the traces that GitHub leaves.

use super::State;
use super::pull::{Merged, Pull};
use super::thread::{Comment, Edit, Place, Reaction, Thread, What};

impl State {
    /// Opens an issue, or a pull request, and returns its number.
    pub(crate) fn open(&mut self, repo: u64, author: &str, title: &str, body: Option<&str>, pull: Option<Pull>) -> u32 {
        let (id, now) = (self.id(), self.now());
        let repo = self.repo_mut(repo);
        repo.last_number += 1;
        let number = repo.last_number;
        if let Some(pull) = &pull {
            repo.git.set_ref(&format!("refs/pull/{number}/head"), &pull.head);
        }
        let thread = Thread {
            id,
            number,
            author: author.to_owned(),
            title: title.to_owned(),
            body: body.map(str::to_owned),
            open: true,
            reason: None,
            closed_at: None,
            closed_by: None,
            labels: Vec::new(),
            assignees: Vec::new(),
            milestone: None,
            locked: false,
            created_at: now,
            updated_at: now,
            events: Vec::new(),
            edits: Vec::new(),
            reactions: Vec::new(),
            pull,
        };
        repo.threads.insert(number, thread);
        number
    }

    pub(crate) fn thread_mut(&mut self, repo: u64, number: u32) -> &mut Thread {
        self.repo_mut(repo).threads.get_mut(&number).expect("the caller looked whether it is there")
    }

    pub(crate) fn note(&mut self, repo: u64, number: u32, actor: &str, what: What) {
        let (id, now) = (self.id(), self.now());
        self.thread_mut(repo, number).note(id, actor, now, what);
    }

    pub(crate) fn set_title(&mut self, repo: u64, number: u32, actor: &str, title: &str) {
        let thread = self.thread_mut(repo, number);
        if thread.title != title {
            let from = std::mem::replace(&mut thread.title, title.to_owned());
            self.note(repo, number, actor, What::Renamed { from, to: title.to_owned() });
        }
    }

    pub(crate) fn set_body(&mut self, repo: u64, number: u32, actor: &str, body: Option<&str>) {
        let (id, now) = (self.id(), self.now());
        let thread = self.thread_mut(repo, number);
        if thread.body.as_deref() != body {
            thread.body = body.map(str::to_owned);
            thread.edits.push(Edit { id, by: actor.to_owned(), at: now });
            thread.updated_at = now;
        }
    }

    /// Adds a label that it lacks; one that the repository lacks is made.
    pub(crate) fn add_thread_label(&mut self, repo: u64, number: u32, actor: &str, name: &str) {
        self.add_label(repo, name, "ededed", None);
        let label = self.repo(repo).label(name).expect("it was just made").clone();
        let thread = self.thread_mut(repo, number);
        if !thread.labels.contains(&label.id) {
            thread.labels.push(label.id);
            self.note(repo, number, actor, What::Labeled(label.name));
        }
    }

    /// False: it had no such label.
    pub(crate) fn remove_thread_label(&mut self, repo: u64, number: u32, actor: &str, name: &str) -> bool {
        let Some(label) = self.repo(repo).label(name).cloned() else { return false };
        let labels = &mut self.thread_mut(repo, number).labels;
        let before = labels.len();
        labels.retain(|it| *it != label.id);
        let removed = labels.len() < before;
        if removed {
            self.note(repo, number, actor, What::Unlabeled(label.name));
        }
        removed
    }

    pub(crate) fn assign(&mut self, repo: u64, number: u32, actor: &str, login: &str) {
        let thread = self.thread_mut(repo, number);
        if !thread.assignees.iter().any(|it| it == login) {
            thread.assignees.push(login.to_owned());
            self.note(repo, number, actor, What::Assigned(login.to_owned()));
        }
    }

    pub(crate) fn unassign(&mut self, repo: u64, number: u32, actor: &str, login: &str) {
        let assignees = &mut self.thread_mut(repo, number).assignees;
        let before = assignees.len();
        assignees.retain(|it| !it.eq_ignore_ascii_case(login));
        if assignees.len() < before {
            self.note(repo, number, actor, What::Unassigned(login.to_owned()));
        }
    }

    pub(crate) fn close(&mut self, repo: u64, number: u32, actor: &str, reason: Option<&str>, commit: Option<&str>) {
        let now = self.now();
        let thread = self.thread_mut(repo, number);
        if !thread.open {
            return;
        }
        thread.open = false;
        let issue = thread.pull.is_none();
        thread.reason = issue.then(|| reason.unwrap_or("completed").to_owned());
        thread.closed_at = Some(now);
        thread.closed_by = Some(actor.to_owned());
        let reason = thread.reason.clone();
        self.note(repo, number, actor, What::Closed { reason, commit: commit.map(str::to_owned) });
    }

    pub(crate) fn reopen(&mut self, repo: u64, number: u32, actor: &str) {
        let thread = self.thread_mut(repo, number);
        if !thread.open {
            (thread.open, thread.closed_at, thread.closed_by) = (true, None, None);
            thread.reason = thread.pull.is_none().then(|| "reopened".to_owned());
            self.note(repo, number, actor, What::Reopened);
        }
    }

    pub(crate) fn add_comment(
        &mut self,
        repo: u64,
        number: u32,
        author: &str,
        body: &str,
        place: Option<Place>,
    ) -> u64 {
        let (id, now) = (self.id(), self.now());
        let (author, body) = (author.to_owned(), body.to_owned());
        let comment =
            Comment { id, number, author, body, created_at: now, updated_at: now, reactions: Vec::new(), place };
        self.repo_mut(repo).comments.insert(id, comment);
        self.thread_mut(repo, number).updated_at = now;
        id
    }

    /// Adds what the person has not said yet; true if it is new.
    pub(crate) fn react(all: &mut Vec<Reaction>, id: u64, by: &str, content: &str, at: i64) -> (Reaction, bool) {
        if let Some(known) = all.iter().find(|it| it.by == by && it.content == content) {
            return (known.clone(), false);
        }
        let reaction = Reaction { id, by: by.to_owned(), content: content.to_owned(), at };
        all.push(reaction.clone());
        (reaction, true)
    }

    /// The pull request's commit is on its base branch: it is merged, and what it says it closes is closed.
    pub(crate) fn merged(&mut self, repo: u64, number: u32, actor: &str, commit: &str) {
        let now = self.now();
        let default = self.repo(repo).default_branch.clone();
        let thread = self.thread_mut(repo, number);
        let pull = thread.pull.as_mut().expect("only pull requests are merged");
        pull.merged = Some(Merged { commit: commit.to_owned(), by: actor.to_owned(), at: now });
        let (base, head, branch) = (pull.base.clone(), pull.head.clone(), pull.base_branch.clone());
        let mut words = thread.body.clone().unwrap_or_default();
        self.note(repo, number, actor, What::Merged(commit.to_owned()));
        self.close(repo, number, actor, None, None);
        if branch == default {
            words.push('\n');
            words.push_str(&self.repo(repo).git.messages(&base, &head));
            words.push_str(&self.repo(repo).git.messages(&base, commit));
            self.close_named(repo, &words, actor, commit);
        }
    }

    /// Closes the issues that the text closes by GitHub's keywords.
    pub(crate) fn close_named(&mut self, repo: u64, words: &str, actor: &str, commit: &str) {
        let full_name = self.repo(repo).full_name();
        for number in closed_by(words, &full_name) {
            let open = self.repo(repo).threads.get(&number).is_some_and(|it| it.open && it.pull.is_none());
            if open {
                self.close(repo, number, actor, Some("completed"), Some(commit));
            }
        }
    }
}

const KEYWORDS: [&str; 9] = ["close", "closes", "closed", "fix", "fixes", "fixed", "resolve", "resolves", "resolved"];

/// The numbers of this repository's issues that a text closes: `Closes #1`, `fixes: acme/api#2`, `resolved URL/issues/3`.
pub(crate) fn closed_by(text: &str, full_name: &str) -> Vec<u32> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut found = Vec::new();
    for pair in words.windows(2) {
        let keyword = pair[0].trim_start_matches(|it: char| !it.is_ascii_alphanumeric()).trim_end_matches(':');
        if !KEYWORDS.contains(&keyword.to_lowercase().as_str()) {
            continue;
        }
        let target = pair[1].to_lowercase();
        let issue = format!("{}/issues/", full_name.to_lowercase());
        let short = format!("{}#", full_name.to_lowercase());
        let rest = target.strip_prefix('#').or_else(|| target.strip_prefix(short.as_str()));
        let Some(rest) = rest.or_else(|| target.split_once(issue.as_str()).map(|(_, rest)| rest)) else { continue };
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        found.extend(digits.parse::<u32>().ok().filter(|number| !found.contains(number)));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[u32]) {
        assert_eq!(closed_by(text, "acme/api"), expected, "{text}");
    }

    #[test]
    fn keywords_close_issues_as_github_has_them() {
        check("Closes #7", &[7]);
        check("This fixes #7, and resolves: acme/API#8.", &[7, 8]);
        check("closed https://github.example/acme/api/issues/9", &[9]);
        check("(Fixes #7)", &[7]);
        check("closes acme/web#7", &[]);
        check("see #7, closes nothing", &[]);
        check("encloses #7", &[]);
    }
}
