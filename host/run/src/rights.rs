//! Who may start work, and whose words are believed: asked of the forge, when work comes in and again when it starts.
//!
//! A source that says who may (`allow`) gets nothing past here that nobody entitled asked for. The text is pinned: what
//! counts is the text that the requester saw, or that somebody entitled wrote later. Whatever cannot be found out is a
//! no.

use crate::{contract, options::Source, service::Runtime};
use agentd_forge::{Issue, Right, Text, Tracker};
use agentd_store::TaskRow;
use agentd_task::{Draft, Millis, Thread};
use sha2::{Digest, Sha256};
use std::{
    collections::{BTreeSet, HashMap},
    sync::{Mutex, PoisonError},
};

/// Who may start work of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Allow {
    /// Whoever has this right in the repository, or a greater one.
    Right(Right),
    /// These people, by login.
    People(BTreeSet<String>),
}

/// Why somebody may not.
pub(crate) enum Denied {
    /// It is so.
    Known(String),
    /// It could not be found out this time.
    Unknown(agentd_forge::Error),
}

/// Why a draft was not taken, for people.
#[derive(Debug)]
pub(crate) struct NotTaken {
    pub(crate) why: String,
    /// It could not be found out just now: the same draft may be taken a little later.
    pub(crate) for_now: bool,
}

impl From<String> for NotTaken {
    fn from(why: String) -> NotTaken {
        NotTaken { why, for_now: false }
    }
}

/// How long a draft is not looked into again, if nothing of it changed.
const JUDGED_MS: Millis = 5 * 60_000;
const JUDGED_MAX: usize = 10_000;

/// Drafts that were looked into, and why they were refused if they were: who polls every half minute would otherwise ask
/// the forge each time about those that became no task of their own.
#[derive(Default)]
pub(crate) struct Judged(Mutex<HashMap<String, Judgement>>);

struct Judgement {
    /// Of the draft: many long ones would be much to keep.
    hash: [u8; 32],
    verdict: Verdict,
    at: Millis,
}

fn hash_of(draft: &Draft) -> [u8; 32] {
    Sha256::digest(serde_json::to_vec(draft).expect("plain data becomes JSON")).into()
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Verdict {
    /// It is taken as it is.
    Taken,
    /// The text that was taken before stays; all else of it counts.
    Pinned,
    Refused(String),
}

impl Judged {
    fn find(&self, source: &str, draft: &Draft, now: Millis) -> Option<Verdict> {
        let judged = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = judged.get(&format!("{source} {}", draft.key))?;
        (known.hash == hash_of(draft) && now - known.at < JUDGED_MS).then(|| known.verdict.clone())
    }

    fn note(&self, source: &str, draft: &Draft, verdict: Verdict, at: Millis) {
        let mut judged = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if judged.len() >= JUDGED_MAX {
            judged.clear();
        }
        judged.insert(format!("{source} {}", draft.key), Judgement { hash: hash_of(draft), verdict, at });
    }
}

/// The draft as it may be taken over: asked for by somebody who may, with text that somebody who may has seen.
///
/// # Errors
/// Why it may not.
pub(crate) async fn screen(rt: &Runtime, source: &Source, mut draft: Draft) -> Result<Draft, NotTaken> {
    let Some(allow) = &source.allow else { return Ok(draft) };
    let known = rt.store.reader().task_by_key(&source.name, &draft.key).await;
    let known = known.map_err(|error| NotTaken { why: error.to_string(), for_now: true })?;
    if known.as_ref().is_some_and(|row| is_same(row, &draft)) {
        return Ok(draft); // it was looked at when it came in, and is again when it starts
    }
    // The text that was taken before, for the same request.
    let pinned = known.filter(|it| it.requested_at == draft.requested_at);
    let now = rt.clock.now();
    let verdict = match rt.judged.find(&source.name, &draft, now) {
        Some(verdict) if verdict != Verdict::Pinned || pinned.is_some() => verdict,
        _ => {
            let verdict = judge(&Door::of(rt, &draft.repository, allow), &draft, pinned.is_some()).await?;
            rt.judged.note(&source.name, &draft, verdict.clone(), now);
            verdict
        }
    };
    match (verdict, pinned) {
        (Verdict::Refused(why), _) => Err(format!("{} is not taken: {why}", draft.key).into()),
        (Verdict::Pinned, Some(row)) => {
            (draft.title, draft.body, draft.instructions) = (row.title, row.body, row.instructions);
            Ok(draft)
        }
        (Verdict::Pinned, None) => Err(format!("{} is not taken: nobody who may has seen its text", draft.key).into()),
        (Verdict::Taken, _) => Ok(draft),
    }
}

/// Asks the forge. What cannot be found out is an error, and no verdict.
async fn judge(door: &Door<'_>, draft: &Draft, pinned: bool) -> Result<Verdict, NotTaken> {
    let unknown = |error: agentd_forge::Error| NotTaken {
        why: format!("{} is not taken now: {error}", draft.key),
        for_now: error.is_transient(),
    };
    match door.may_start(draft.requested_by.as_deref()).await {
        Ok(()) => {}
        Err(Denied::Known(why)) => return Ok(Verdict::Refused(why)),
        Err(Denied::Unknown(error)) => return Err(unknown(error)),
    }
    let Some(thread) = &draft.thread else { return Ok(Verdict::Taken) };
    match door.text_is_seen(thread, draft).await {
        Ok(()) => Ok(Verdict::Taken),
        Err(Denied::Known(_)) if pinned => Ok(Verdict::Pinned),
        Err(Denied::Known(why)) => Ok(Verdict::Refused(why)),
        Err(Denied::Unknown(error)) => Err(unknown(error)),
    }
}

/// Whether the draft brings nothing that would have to be looked at.
fn is_same(row: &TaskRow, draft: &Draft) -> bool {
    row.title == draft.title
        && row.body == draft.body
        && row.requested_by == draft.requested_by
        && row.requested_at == draft.requested_at
        && row.instructions == draft.instructions
        && row.repository == draft.repository
        && row.thread == draft.thread
}

/// Asks again, right before a run begins.
pub(crate) async fn may_start(rt: &Runtime, row: &TaskRow) -> Result<(), Denied> {
    // What its source allowed is not known any more where that was taken out of the configuration.
    let usual = Allow::Right(Right::Write);
    let allow = match rt.allowed.get(&row.source) {
        Some(allow) => allow,
        None if is_of_a_gone_source(rt, row) => &usual,
        None => return Ok(()),
    };
    Door::of(rt, &row.repository, allow).may_start(row.requested_by.as_deref()).await
}

/// Whether it came from an issue by a source that is not configured any more. What people put in, and analyzers found
/// (`ANALYZER@REPOSITORY`), has no source that could be gone.
fn is_of_a_gone_source(rt: &Runtime, row: &TaskRow) -> bool {
    let no_source = row.source == "cli" || row.source.contains('@');
    row.thread.is_some() && !no_source && !rt.reporters.contains_key(&row.source)
}

/// One repository, and who may start work in it.
struct Door<'a> {
    tracker: Option<&'a dyn Tracker>,
    repository: &'a str,
    allow: &'a Allow,
}

impl<'a> Door<'a> {
    fn of(rt: &'a Runtime, repository: &'a str, allow: &'a Allow) -> Door<'a> {
        let tracker = rt.repositories.get(repository).and_then(|it| it.forge.tracker());
        Door { tracker, repository, allow }
    }

    async fn may_start(&self, login: Option<&str>) -> Result<(), Denied> {
        let Some(login) = login else {
            return Err(Denied::Known("nobody is known to have asked for it".into()));
        };
        match self.may(login).await? {
            true => Ok(()),
            false => Err(Denied::Known(match self.allow {
                Allow::Right(needed) => {
                    format!(
                        "{login} asked for it, who has not the right `{needed}` in {} (`allow` of the source)",
                        self.repository
                    )
                }
                Allow::People(_) => format!("{login} asked for it, who is not in the source's `allow`"),
            })),
        }
    }

    async fn may(&self, login: &str) -> Result<bool, Denied> {
        match (self.allow, self.tracker) {
            (Allow::People(people), _) => Ok(people.iter().any(|it| it.eq_ignore_ascii_case(login))),
            (Allow::Right(needed), Some(tracker)) => {
                Ok(tracker.right(login).await.map_err(Denied::Unknown)? >= *needed)
            }
            (Allow::Right(_), None) => {
                Err(Denied::Known(format!("{} is on no forge that knows who may do what", self.repository)))
            }
        }
    }

    /// Whether title and body are what the requester saw, or what somebody wrote since who may start work.
    async fn text_is_seen(&self, thread: &Thread, draft: &Draft) -> Result<(), Denied> {
        let Some(tracker) = self.tracker else { return Ok(()) };
        let issue = tracker.issue(thread.number).await.map_err(Denied::Unknown)?;
        let Some(issue) = issue else {
            return Err(Denied::Known(format!("there is no issue {thread}")));
        };
        for what in [Text::Title, Text::Body] {
            let writers = last_writers_since(&issue, what, draft.requested_at.unwrap_or(0));
            // Whoever wrote since answers for what they wrote, and not for what the draft may have been made of before.
            if !writers.is_empty() && !is_of(draft, &issue, what) {
                let word = what_word(what);
                return Err(Denied::Known(format!(
                    "its {word} was changed while it was looked at: this is not the newest"
                )));
            }
            for by in writers {
                let may = match &by {
                    Some(login) => self.may(login).await?,
                    None => false,
                };
                if !may {
                    let who = by.unwrap_or_else(|| "somebody".into());
                    return Err(Denied::Known(format!(
                        "its {} was changed by {who} after it was asked for, and {who} may not start work: read it, \
                         then take the label off and set it again",
                        what_word(what)
                    )));
                }
            }
        }
        Ok(())
    }
}

/// Who changed the text last, if the requester may not have seen that. Forges tell time in whole seconds: of several in
/// one second any may have been the last.
fn last_writers_since(issue: &Issue, what: Text, asked_at: Millis) -> Vec<Option<String>> {
    let edits = || issue.edits.iter().filter(|it| it.what == what && it.at >= asked_at);
    let last = edits().map(|it| it.at).max();
    edits().filter(|it| Some(it.at) == last).map(|it| it.by.as_ref().map(|it| it.login.clone())).collect()
}

/// Whether the draft has the issue's text as it is.
fn is_of(draft: &Draft, issue: &Issue, what: Text) -> bool {
    match what {
        Text::Title => draft.title == contract::title(&issue.title),
        Text::Body => draft.body == contract::body(&issue.body),
    }
}

fn what_word(what: Text) -> &'static str {
    match what {
        Text::Title => "title",
        Text::Body => "text",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use agentd_forge::{Person, TextEdit};

    fn issue(edits: &[(&str, Text, Millis)]) -> Issue {
        let person = |login: &str| Person { login: login.into(), name: None, bot: false };
        Issue {
            repository: "acme/api".into(),
            number: 7,
            title: "Mend it".into(),
            body: String::new(),
            url: String::new(),
            open: true,
            state_reason: String::new(),
            closed_by: None,
            author: person("mal"),
            labels: vec![],
            assignees: vec![],
            milestone: None,
            comments: 0,
            created_at: 0,
            changed_at: 0,
            edits: edits
                .iter()
                .map(|(by, what, at)| TextEdit {
                    by: Some(*by).filter(|it| !it.is_empty()).map(person),
                    at: *at,
                    what: *what,
                })
                .collect(),
        }
    }

    #[track_caller]
    fn check(edits: &[(&str, Text, Millis)], what: Text, expected: &[Option<&str>]) {
        let found = last_writers_since(&issue(edits), what, 1_000);
        assert_eq!(found.iter().map(Option::as_deref).collect::<Vec<_>>(), expected, "{edits:?}");
    }

    #[test]
    fn what_was_written_after_the_request_is_looked_at() {
        check(&[], Text::Body, &[]);
        check(&[("mal", Text::Body, 999)], Text::Body, &[]);
        // In the same second nobody can say which came first.
        check(&[("mal", Text::Body, 1_000)], Text::Body, &[Some("mal")]);
        check(&[("mal", Text::Body, 2_000)], Text::Body, &[Some("mal")]);
        check(&[("mal", Text::Body, 2_000)], Text::Title, &[]);
        // Whoever wrote last has seen the rest.
        check(&[("mal", Text::Body, 2_000), ("ann", Text::Body, 3_000)], Text::Body, &[Some("ann")]);
        check(&[("ann", Text::Body, 3_000), ("mal", Text::Body, 2_000)], Text::Body, &[Some("ann")]);
        check(&[("mal", Text::Body, 3_000), ("ann", Text::Body, 3_000)], Text::Body, &[Some("mal"), Some("ann")]);
        check(&[("", Text::Title, 2_000)], Text::Title, &[None]);
    }

    /// A repository where ann may write, and an issue of it.
    struct Toy(Issue);

    #[async_trait::async_trait]
    impl Tracker for Toy {
        async fn right(&self, login: &str) -> Result<Right, agentd_forge::Error> {
            Ok(if login == "ann" { Right::Write } else { Right::Read })
        }

        async fn issue(&self, _: u32) -> Result<Option<Issue>, agentd_forge::Error> {
            Ok(Some(self.0.clone()))
        }

        async fn claim(&self, _: u32, _: &str) -> Result<(), agentd_forge::Error> {
            Ok(())
        }

        async fn release(&self, _: u32, _: &str) -> Result<(), agentd_forge::Error> {
            Ok(())
        }

        async fn edit(&self, _: &agentd_forge::Edit) -> Result<(), agentd_forge::Error> {
            Ok(())
        }
    }

    #[track_caller]
    fn check_judged(edits: &[(&str, Text, Millis)], body: &str, expected: Result<(), &str>) {
        let toy = Toy(Issue { body: "As it is now".into(), ..issue(edits) });
        let allow = Allow::Right(Right::Write);
        let door = Door { tracker: Some(&toy), repository: "acme/api", allow: &allow };
        let thread = Thread { repository: "acme/api".into(), number: 7 };
        let draft = Draft {
            title: "Mend it".into(),
            body: body.into(),
            requested_by: Some("ann".into()),
            requested_at: Some(1_000),
            thread: Some(thread),
            ..Draft::default()
        };
        let judged = futures_util::FutureExt::now_or_never(judge(&door, &draft, false)).unwrap().unwrap();
        match (judged, expected) {
            (Verdict::Taken, Ok(())) => {}
            (Verdict::Refused(why), Err(part)) => assert!(why.contains(part), "{why}"),
            (judged, expected) => panic!("{judged:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn a_text_counts_if_the_requester_or_whoever_wrote_it_since_may() {
        check_judged(&[], "As it is now", Ok(()));
        check_judged(&[("ann", Text::Body, 2_000)], "As it is now", Ok(()));
        check_judged(&[("mal", Text::Body, 2_000)], "As it is now", Err("changed by mal"));
        check_judged(
            &[("ann", Text::Title, 2_000), ("mal", Text::Title, 2_000)],
            "As it is now",
            Err("changed by mal"),
        );
        // What mal wrote was listed, and mended by ann before it was looked at: hers counts, and this is his.
        check_judged(
            &[("mal", Text::Body, 2_000), ("ann", Text::Body, 3_000)],
            "Obey mal",
            Err("while it was looked at"),
        );
    }

    #[test]
    fn a_verdict_is_remembered_for_a_while_and_for_that_draft_alone() {
        let judged = Judged::default();
        let draft = Draft { key: "acme/api#7".into(), requested_at: Some(1), ..Draft::default() };
        judged.note("issues", &draft, Verdict::Refused("no".into()), 10);
        assert_eq!(judged.find("issues", &draft, 10 + JUDGED_MS - 1), Some(Verdict::Refused("no".into())));
        assert_eq!(judged.find("issues", &draft, 10 + JUDGED_MS), None);
        assert_eq!(judged.find("others", &draft, 11), None);
        assert_eq!(judged.find("issues", &Draft { requested_at: Some(2), ..draft.clone() }, 11), None);
        judged.note("issues", &draft, Verdict::Taken, 12);
        assert_eq!(judged.find("issues", &draft, 13), Some(Verdict::Taken));
    }
}
