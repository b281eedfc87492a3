//! Each write with each failure, before and after its effect, and then again: it ends as if nothing had failed.

use super::*;
use crate::{Reaction, Said};
use agentd_fake_github::{Fault, How, Match, When};

/// What the outbox does, one write each.
#[derive(Clone, Copy, Debug)]
enum Step {
    Push,
    PushAgain,
    Open,
    Renew,
    Label,
    AskReview,
    Comment,
    Rewrite,
    AddLabel,
    MakeLabel,
    RemoveLabel,
    Assign,
    Unassign,
    React,
    ClaimCommit,
    Claim,
    Release,
    Ready,
    Merge,
    Close,
    DeleteBranch,
}

const ISSUE: &str = "/repos/{owner}/{repo}/issues/{issue_number}";

impl Step {
    /// The request that fails.
    fn request(self) -> Match {
        let issue = |method, rest: &str| Match::api(method, &format!("{ISSUE}{rest}"));
        let repository = |method, rest: &str| Match::api(method, &format!("/repos/{{owner}}/{{repo}}{rest}"));
        match self {
            Step::Push | Step::PushAgain => Match::GitPush,
            Step::Open => repository("POST", "/pulls"),
            Step::Renew | Step::Close => repository("PATCH", "/pulls/{pull_number}"),
            Step::AskReview => repository("POST", "/pulls/{pull_number}/requested_reviewers"),
            Step::Comment => issue("POST", "/comments"),
            Step::Rewrite => repository("PATCH", "/issues/comments/{comment_id}"),
            Step::AddLabel | Step::Label => issue("POST", "/labels"),
            Step::MakeLabel => repository("POST", "/labels"),
            Step::RemoveLabel => issue("DELETE", "/labels/{name}"),
            Step::Assign => issue("POST", "/assignees"),
            Step::Unassign => issue("DELETE", "/assignees"),
            Step::React => issue("POST", "/reactions"),
            Step::ClaimCommit => repository("POST", "/git/commits"),
            Step::Claim => repository("POST", "/git/refs"),
            Step::Release | Step::DeleteBranch => repository("DELETE", "/git/refs/{ref}"),
            Step::Ready => Match::Graphql,
            Step::Merge => repository("PUT", "/pulls/{pull_number}/merge"),
        }
    }

    /// Nothing is pushed for it.
    fn of_the_thread(self) -> bool {
        self.edit(1) != Edit { number: 1, ..Edit::default() }
            || matches!(self, Step::ClaimCommit | Step::Claim | Step::Release)
    }

    fn edit(self, number: u32) -> Edit {
        let said = |body: &str| Some(Said { slot: "progress".into(), body: body.into() });
        let edit = Edit { number, ..Edit::default() };
        match self {
            Step::Comment => Edit { comment: said("Working."), ..edit },
            Step::Rewrite => Edit { comment: said("Done."), ..edit },
            Step::AddLabel | Step::MakeLabel => Edit { add_labels: vec!["agentd:in-progress".into()], ..edit },
            Step::RemoveLabel => Edit { remove_labels: vec!["bug".into()], ..edit },
            Step::Assign => Edit { add_assignees: vec!["@me".into()], ..edit },
            Step::Unassign => Edit { remove_assignees: vec!["ann".into()], ..edit },
            Step::React => Edit { reaction: Some(Reaction { comment: None, content: "eyes".into() }), ..edit },
            _ => edit,
        }
    }

    /// Does what the outbox does.
    async fn take(self, forge: &GitHubForge, at: &At) -> Result<(), Error> {
        let author = Author { name: "Ann".into(), email: "ann@acme.example".into() };
        let At { issue, branch, pull, from, commit, next } = at;
        match self {
            Step::Push => forge.push(from, commit, branch, None).await.map(drop),
            Step::PushAgain => forge.push(from, next, branch, Some(commit)).await.map(drop),
            Step::Open => forge.open_change(at.change()).await.map(drop),
            Step::Renew => {
                let renewed = NewChange { body: "Better.".into(), key: "mill-1/t-1.2".into(), ..at.change() };
                forge.open_change(renewed).await.map(drop)
            }
            Step::Label => forge.dress_change(*pull, &["bug".into()], &[]).await,
            Step::AskReview => forge.dress_change(*pull, &[], &["ann".into()]).await,
            Step::ClaimCommit | Step::Claim => forge.claim(*issue, "t-1").await,
            Step::Release => forge.release(*issue, "t-1").await,
            Step::Ready | Step::Merge => forge.merge(*pull, commit, &author).await.map(drop),
            Step::Close => forge.close(*pull, false).await.map(drop),
            Step::DeleteBranch => forge.delete_branch(branch, commit).await.map(drop),
            _ => forge.edit(&self.edit(*issue)).await,
        }
    }
}

/// What the step is about.
struct At {
    issue: u32,
    branch: String,
    /// 0: there is none.
    pull: u32,
    from: PathBuf,
    commit: String,
    next: String,
}

impl At {
    fn change(&self) -> NewChange {
        NewChange { branch: self.branch.clone(), draft: false, ..new_change() }
    }
}

/// What people see of it.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    branch: Option<&'static str>,
    pulls: Vec<Pull>,
    comments: Vec<String>,
    labels: Vec<String>,
    assignees: Vec<String>,
    reactions: usize,
    claims: usize,
    /// That the repository knows.
    own_label: bool,
}

#[derive(Debug, PartialEq, Eq)]
struct Pull {
    body: String,
    open: bool,
    merged: bool,
    draft: bool,
    reviewers: Vec<String>,
    labels: Vec<String>,
}

/// A new issue, a commit to push to a new branch, and whatever has to be there before the step.
async fn before(step: Step, ground: &OnGitHub) -> At {
    let issue = ground.place.open_issue("ann", "T", "");
    ground.place.label("ann", issue, "bug");
    ground.place.assign("ann", issue, "ann");
    ground.place.give("ann", Given::Write);
    if !matches!(step, Step::MakeLabel) {
        ground.place.create_label("agentd:in-progress");
    }
    let branch = format!("agentd/t-{issue}");
    let base = ground.tip("main").await.unwrap();
    let (from, commit) = match step.of_the_thread() {
        true => (ground.quarantine.place().to_owned(), base),
        false => ground.commit(&base, &[("b.txt", &branch)]).await,
    };
    let next = match step {
        Step::PushAgain => ground.commit(&commit, &[("b.txt", "next\n")]).await.1,
        _ => commit.clone(),
    };
    let mut at = At { issue, branch, pull: 0, from, commit, next };
    let forge = ground.fresh();
    match step {
        Step::PushAgain | Step::DeleteBranch | Step::Open => Step::Push.take(&forge, &at).await.unwrap(),
        Step::Rewrite => Step::Comment.take(&forge, &at).await.unwrap(),
        Step::Release => Step::Claim.take(&forge, &at).await.unwrap(),
        Step::Renew | Step::Label | Step::AskReview | Step::Ready | Step::Merge | Step::Close => {
            Step::Push.take(&forge, &at).await.unwrap();
            let new = NewChange { draft: matches!(step, Step::Ready), ..at.change() };
            at.pull = forge.open_change(new).await.unwrap().number;
        }
        _ => {}
    }
    at
}

fn seen(ground: &OnGitHub, at: &At) -> Seen {
    let branch = ground.place.branches().remove(&at.branch).map(|it| match it {
        it if it == at.next && it != at.commit => "next",
        it if it == at.commit => "commit",
        _ => "another",
    });
    let pulls = ground.place.pulls().into_iter().filter(|it| it.head == at.branch).map(|it| Pull {
        body: crate::github::marker::without(&it.issue.body).to_owned(),
        open: it.issue.open,
        merged: it.merged,
        draft: it.draft,
        reviewers: it.requested_reviewers,
        labels: it.issue.labels,
    });
    let issue = ground.place.issue(at.issue);
    let comments = ground.place.comments(at.issue).into_iter();
    Seen {
        branch,
        pulls: pulls.collect(),
        comments: comments.map(|it| crate::github::marker::without(&it.body).to_owned()).collect(),
        labels: issue.labels,
        assignees: issue.assignees,
        reactions: issue.reactions.len(),
        claims: ground.place.refs(&format!("refs/agentd/claims/{}", at.issue)).len(),
        own_label: ground.place.labels().iter().any(|it| it == "agentd:in-progress"),
    }
}

/// All ways in which the request can fail.
fn ways(step: Step) -> Vec<How> {
    let status = |status, text: &str| How::Status(status, text.to_owned());
    let mut ways = vec![
        status(500, "Server Error"),
        status(502, "Bad Gateway"),
        status(401, "Bad credentials"),
        status(403, "Resource not accessible by integration"),
        How::Cut,
    ];
    if matches!(step, Step::Push | Step::PushAgain) {
        return ways;
    }
    ways.extend([How::SecondaryLimit { retry_after: Some(60) }, How::SecondaryLimit { retry_after: None }, How::Hang]);
    // Whom GitHub does not let review or be assigned is left out.
    if !matches!(step, Step::AskReview | Step::Assign | Step::Unassign) {
        ways.push(status(422, "Validation Failed"));
    }
    ways
}

/// Fails once and is done again, by the same process or another, until it is done.
async fn check(ground: &OnGitHub, step: Step, how: How, when: When, same_process: bool, expected: &Seen) {
    let what = format!("{step:?} with {how:?} {when:?} the effect, same process: {same_process}");
    let at = before(step, ground).await;
    let fresh = || {
        let mut options = options(&ground.fake, &ground.folder, &ground.ahead, "mill-1");
        if how == How::Hang {
            options.patience.answer = Duration::from_millis(500);
        }
        GitHub::new(options).unwrap().repository("acme/api", false).unwrap()
    };
    let mut forge = fresh();
    ground.fake.fail(Fault { of: step.request(), nth: 1, times: 1, when, how: how.clone() });
    let mut failures = 0;
    while let Err(error) = step.take(&forge, &at).await {
        failures += 1;
        assert!(failures <= 3, "{what}: {error}");
        if let Some(until) = error.retry_at() {
            let now = jiff::Timestamp::now().as_millisecond();
            ground.ahead.store((until - now).max(0) + 1, Ordering::Relaxed);
        }
        if !same_process {
            forge = fresh();
        }
    }
    assert_eq!(&seen(ground, &at), expected, "{what}");
    // And once more, as after a crash that came before it was written down.
    step.take(&fresh(), &at).await.unwrap_or_else(|error| panic!("{what}, done once more: {error}"));
    assert_eq!(&seen(ground, &at), expected, "{what}, done once more");
    ground.fake.heal();
}

async fn check_all(steps: &[Step]) {
    let mut ground = OnGitHub::new().await;
    for step in steps.iter().copied() {
        let at = before(step, &ground).await;
        let untouched = seen(&ground, &at);
        step.take(&ground.forge, &at).await.unwrap();
        let expected = seen(&ground, &at);
        assert_ne!(untouched, expected, "{step:?} has an effect");
        for (number, how) in ways(step).into_iter().enumerate() {
            // Who comes again is the same process or another one.
            let same_process = number % 2 == 0;
            for (when, same_process) in [(When::Before, same_process), (When::After, !same_process)] {
                if matches!(step, Step::MakeLabel) {
                    // Whoever needs the label next would find it.
                    ground = OnGitHub::new().await;
                }
                check(&ground, step, how.clone(), when, same_process, &expected).await;
            }
        }
    }
}

#[tokio::test]
async fn a_branch_is_pushed_and_deleted_once_whatever_fails() {
    check_all(&[Step::Push, Step::PushAgain, Step::DeleteBranch]).await;
}

#[tokio::test]
async fn a_pull_request_is_opened_once_whatever_fails() {
    check_all(&[Step::Open, Step::Renew]).await;
}

#[tokio::test]
async fn a_pull_request_is_dressed_once_whatever_fails() {
    check_all(&[Step::Label, Step::AskReview]).await;
}

#[tokio::test]
async fn a_pull_request_ends_once_whatever_fails() {
    check_all(&[Step::Ready, Step::Merge, Step::Close]).await;
}

#[tokio::test]
async fn a_comment_is_made_once_whatever_fails() {
    check_all(&[Step::Comment, Step::Rewrite, Step::React]).await;
}

#[tokio::test]
async fn labels_and_assignees_are_set_whatever_fails() {
    check_all(&[Step::MakeLabel, Step::AddLabel, Step::RemoveLabel, Step::Assign, Step::Unassign]).await;
}

#[tokio::test]
async fn a_claim_is_had_and_given_back_whatever_fails() {
    check_all(&[Step::ClaimCommit, Step::Claim, Step::Release]).await;
}

#[tokio::test]
async fn what_is_dropped_at_any_moment_is_done_once() {
    let ground = OnGitHub::new().await;
    for step in [Step::Push, Step::Open, Step::Comment, Step::Claim, Step::Merge] {
        for when in [When::Before, When::After] {
            let at = before(step, &ground).await;
            let held = ground.fake.hold(step.request(), 1, when);
            let forge = ground.fresh();
            tokio::select! {
                result = step.take(&forge, &at) => panic!("{step:?} did not wait: {result:?}"),
                () = held.arrived() => {}
            }
            held.release();
            // GitHub may still be at it while the next one looks and writes.
            step.take(&ground.fresh(), &at).await.unwrap();
            ground.fake.heal();
            step.take(&ground.fresh(), &at).await.unwrap();
            let (seen, what) = (seen(&ground, &at), format!("{step:?} {when:?}"));
            assert!(seen.pulls.len() <= 1 && seen.comments.len() <= 1 && seen.claims <= 1, "{what}: {seen:?}");
            match step {
                Step::Push => assert_eq!(seen.branch, Some("commit"), "{what}"),
                Step::Comment => assert_eq!(seen.comments, ["Working."], "{what}"),
                Step::Claim => assert_eq!(seen.claims, 1, "{what}"),
                Step::Merge => assert!(seen.pulls[0].merged, "{what}"),
                _ => assert!(seen.pulls[0].open, "{what}"),
            }
        }
    }
}
