//! One task's way on GitHub, from the label to the merge: its writes, and how everything looks at its stations.
//!
//! For stories in which something breaks on the way. Whatever broke, the stations look the same.

use crate::support::{
    Daemon, Home, Hub, Judge,
    github::{BOT, IN_PROGRESS, LABEL},
    wait_for,
};
use agentd_fake_github::{Match, Repository, Write};
use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    sync::{Mutex, OnceLock, PoisonError},
    thread,
};

/// What a repository's section says on this way, so that nothing that agentd may write is left out.
pub(super) const SETTINGS: &str = "labels = [\"by-agentd\"]\nreviewers = [\"ann\"]";
/// The label of the pull request.
const MARK: &str = "by-agentd";

/// One of the requests: the `nth` of its kind on the way there, or back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Station {
    pub(super) method: String,
    pub(super) route: String,
    pub(super) nth: usize,
}

/// All writes in their order: up to the review, and from the merge to the end. And what is read in a repository, once.
#[derive(Clone, Debug)]
pub(super) struct Way {
    pub(super) there: Vec<Station>,
    pub(super) back: Vec<Station>,
    pub(super) reads: Vec<Station>,
}

impl Station {
    pub(super) fn requests(&self) -> Match {
        match self.method.as_str() {
            "PUSH" => Match::GitPush,
            method => Match::api(method, &self.route),
        }
    }
}

impl fmt::Display for Station {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ({}.)", self.method, self.route, self.nth)
    }
}

impl Way {
    /// As a task goes that nothing disturbs.
    pub(super) fn get() -> &'static Way {
        static WAY: OnceLock<Way> = OnceLock::new();
        WAY.get_or_init(|| {
            let hub = Hub::start();
            hub.api.create_label(MARK);
            let home = Home::on(&hub).repository(SETTINGS);
            let number = hub.ask_for("Mend the greeting", "It says helo.");
            let daemon = Daemon::start(&home);
            in_review(&hub, &home, &daemon, &hub.api, number, 1);
            let there = hub.writes().len();
            assert_eq!(daemon.stop(&[]), Some(0));
            merge(&hub.api);
            let daemon = Daemon::start(&home);
            ended(&hub, &home, &daemon, &hub.api, number, 1);
            let all = hub.writes();
            let requests = hub.usage().requests;
            let reads = requests.keys().filter_map(|it| it.strip_prefix("GET ")).filter(|it| it.starts_with("/repos/"));
            let read = |it: &str| Station { method: "GET".into(), route: it.into(), nth: 1 };
            // In more than one repository issues are found by a search.
            let reads = reads.filter(|it| !it.ends_with("/issues")).map(read).collect();
            Way { there: stations(&all[..there]), back: stations(&all[there..]), reads }
        })
    }
}

fn stations(writes: &[Write]) -> Vec<Station> {
    let mut seen = BTreeMap::<(String, String), usize>::new();
    let station = |it: &Write| {
        let nth = seen.entry((it.method.clone(), it.route.clone())).or_default();
        *nth += 1;
        Station { method: it.method.clone(), route: it.route.clone(), nth: *nth }
    };
    let mut all: Vec<Station> = writes.iter().map(station).collect();
    // How often the comment is rewritten depends on how fast the news come.
    all.retain(|it| it.method != "PATCH" || it.nth == 1);
    all
}

/// A repository for this way, with an issue that ann asks for.
pub(super) fn ask_in(repository: &Repository) -> u32 {
    repository.create_label(MARK);
    let number = repository.open_issue("ann", "Mend the greeting", "It says helo.");
    repository.label("ann", number, LABEL);
    number
}

/// Nothing is left to be sent. What was given up with a run that was tried again is history.
#[track_caller]
pub(super) fn is_quiet(home: &Home) {
    let judge = Judge::new(home);
    wait_for("nothing is left to be sent", || {
        let open = |state: &String| matches!(state.as_str(), "pending" | "sending" | "held");
        (!judge.outbox().keys().any(open)).then_some(())
    });
}

/// One of everything, and the task in review.
#[track_caller]
pub(super) fn in_review(hub: &Hub, home: &Home, daemon: &Daemon<'_>, at: &Repository, number: u32, task: i64) {
    let id = format!("t-{task}");
    daemon.wait_for_state(&id, &["in-review"]);
    is_quiet(home);
    let branch = home.branch(&id);
    assert_eq!(at.branches().into_keys().collect::<Vec<_>>(), [branch.clone(), "main".to_owned()]);
    assert_eq!(at.file(&branch, "greeting.txt").as_deref(), Some("hello\n"));
    let pull = the_pull(at);
    assert_eq!((pull.head.as_str(), pull.draft, pull.issue.open), (branch.as_str(), true, true));
    assert_eq!(pull.head_commit, at.branches()[&branch]);
    assert_eq!(pull.issue.labels, [MARK]);
    assert_eq!(pull.requested_reviewers, ["ann"]);
    let issue = at.issue(number);
    assert_eq!((issue.labels, issue.assignees), (vec![LABEL.to_owned(), IN_PROGRESS.to_owned()], vec![BOT.to_owned()]));
    assert_eq!(at.refs("refs/agentd/").into_keys().collect::<Vec<_>>(), [format!("refs/agentd/claims/{number}")]);
    says_once(at, number, "ready for review");
    assert_eq!(at.comments(pull.issue.number), [], "nothing is said there");
    assert_eq!(hub.violations(), Vec::<String>::new());
}

/// Merged, and nothing left but what people read.
#[track_caller]
pub(super) fn ended(hub: &Hub, home: &Home, daemon: &Daemon<'_>, at: &Repository, number: u32, task: i64) {
    daemon.wait_for_state(&format!("t-{task}"), &["done"]);
    is_quiet(home);
    assert_eq!(at.branches().into_keys().collect::<Vec<_>>(), ["main"]);
    assert_eq!(at.refs("refs/agentd/").len(), 0, "the claim is given back");
    let issue = at.issue(number);
    assert!(!issue.open);
    assert_eq!((issue.labels, issue.assignees), (vec![LABEL.to_owned()], vec![]));
    let pull = the_pull(at);
    assert!(pull.merged);
    assert_eq!(pull.issue.labels, [MARK]);
    says_once(at, number, "Done: the pull request was merged.");
    assert_eq!(hub.violations(), Vec::<String>::new());
}

/// The only run there was.
#[track_caller]
pub(super) fn ran_once(home: &Home, task: i64) {
    let runs: Vec<u32> = Judge::new(home).events_of(task).into_iter().filter_map(|it| it.run).collect();
    assert!(!runs.is_empty() && runs.iter().all(|it| *it == 1), "one run of t-{task}: {runs:?}");
}

#[track_caller]
fn the_pull(at: &Repository) -> agentd_fake_github::PullRequest {
    let mut pulls = at.pulls();
    assert_eq!(pulls.len(), 1, "one pull request: {pulls:#?}");
    pulls.remove(0)
}

#[track_caller]
fn says_once(at: &Repository, number: u32, words: &str) {
    let said = at.comments(number);
    assert_eq!(said.len(), 1, "one comment: {said:#?}");
    assert!(said[0].author == BOT && said[0].body.contains(words), "{words}: {:?}", said[0]);
}

/// Ann merges it. A daemon that looks at changes now and then sees it at once when it starts.
#[track_caller]
pub(super) fn merge(at: &Repository) {
    let number = the_pull(at).issue.number;
    at.ready_for_review("ann", number);
    at.merge("ann", number);
}

/// Not only is one there at the end: GitHub was never told to make a second one.
#[track_caller]
pub(super) fn made_once(hub: &Hub, at: &Repository) {
    let place = format!("/repos/{}/", at.full_name());
    for route in ["/repos/{owner}/{repo}/pulls", "/repos/{owner}/{repo}/issues/{issue_number}/comments"] {
        let made = |it: &&Write| it.method == "POST" && it.route == route && it.status == 201;
        let made = hub.writes().iter().filter(made).filter(|it| it.path.contains(&place)).count();
        assert_eq!(made, 1, "POST {route}");
    }
}

/// Does it for each of the cases, some at the same time, and fails when one of them did.
pub(super) fn each<T: Send + fmt::Display>(cases: Vec<T>, at_once: usize, story: impl Fn(&T) + Sync) {
    let cases = Mutex::new(VecDeque::from(cases));
    let next = || cases.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                while let Some(case) = next() {
                    let told = Told(&case);
                    story(told.0);
                }
            });
        }
    });
}

/// Says which case it was, whatever it is that fails.
struct Told<'a, T: fmt::Display>(&'a T);

impl<T: fmt::Display> Drop for Told<'_, T> {
    #[expect(clippy::print_stderr, reason = "a test that fails says how to repeat it")]
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("this was the case: {}", self.0);
        }
    }
}
