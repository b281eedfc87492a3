//! What a busy hour costs: GitHub counts the requests of 200 tasks and 50 open pull requests in 20 repositories.
//!
//! The client is asked what a daemon asks it, in the daemon's order: at each poll of a source (`github-issues`), at each
//! look at the changes in review, and for the tasks that begin and end meanwhile. GitHub's clock and the client's go
//! forward by the half minute between two polls; nothing waits for it.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use agentd_fake_github::{Fake, Repository, Right};
use agentd_forge::{
    Author, Edit, Forge, GitHub, GitHubForge, NewChange, Said, Tracker,
    github::{Auth, IssueOrder, IssueQuery, Options, Patience},
};
use std::{
    collections::{BTreeMap, VecDeque},
    path::Path,
    process::Command,
    sync::Arc,
    time::Duration,
};
use tempfile::TempDir;

/// An hour, at the usual interval of sources and of the look at changes.
const POLLS: u64 = 120;
const INTERVAL: Duration = Duration::from_secs(30);
const OWNERS: [&str; 2] = ["acme", "mill"];
const REPOSITORIES: usize = 20;
/// Of these 200 tasks, some begin within the hour: one at each fourth poll.
const TASKS: usize = 200;
const NEW_EVERY: u64 = 4;
const OPEN: usize = 50;
const BOT: &str = "agentd-bot";

/// A pull request, and the issue that it is for.
struct InReview {
    repository: usize,
    issue: u32,
    number: u32,
    task: usize,
}

/// GitHub with its people, and agentd's client of it.
struct World {
    fake: Arc<Fake>,
    repositories: Vec<Repository>,
    github: GitHub,
    forges: Vec<GitHubForge>,
    folder: TempDir,
    open: VecDeque<InReview>,
    tasks: usize,
}

impl World {
    fn new() -> World {
        let fake = Arc::new(Fake::start());
        let names = (0..REPOSITORIES).map(|it| format!("{}/r{it}", OWNERS[it % OWNERS.len()]));
        let repositories: Vec<Repository> = names.map(|it| fake.repository(&it)).collect();
        for repository in &repositories {
            repository.give("ann", Right::Write).give(BOT, Right::Write);
            for label in ["agentd", "agentd:in-progress", "agentd:blocked"] {
                repository.create_label(label);
            }
        }
        let folder = tempfile::tempdir().unwrap();
        let github = client(&fake, folder.path());
        let forges = repositories.iter().map(|it| github.repository(&it.full_name(), false).unwrap()).collect();
        World { fake, repositories, github, forges, folder, open: VecDeque::new(), tasks: 0 }
    }

    /// What is there when the hour begins: issues that wait, and changes in review. It was made in the hour before.
    async fn furnish(&mut self) {
        let new = usize::try_from(POLLS / NEW_EVERY).unwrap();
        for task in 0..TASKS - new {
            let (repository, issue) = self.ask_for(task);
            if task < OPEN {
                let (at, forge) = (&self.repositories[repository], &self.forges[repository]);
                forge.claim(issue, &format!("t-{task}")).await.unwrap();
                forge.edit(&edit(issue, "The change is ready for review.", Lock::Take)).await.unwrap();
                let branch = format!("agentd/t-{task}");
                at.push_to(&branch, BOT, &[(&format!("fix-{task}.txt"), "fixed\n")]);
                let number = at.open_pull(BOT, &branch, "A fix", &format!("Closes #{issue}"));
                self.open.push_back(InReview { repository, issue, number, task });
            }
        }
        self.tasks = TASKS - new;
        self.fake.advance(Duration::from_secs(3600));
    }

    /// Points since then, of requests and searches and of GraphQL.
    fn points(&self, since: &BTreeMap<String, u64>) -> (u64, u64, u64) {
        let points = self.fake.usage().points;
        let of = |resource: &str| {
            let read = |points: &BTreeMap<String, u64>| points.get(resource).copied().unwrap_or_default();
            read(&points) - read(since)
        };
        (of("core"), of("search"), of("graphql"))
    }

    /// Ann opens an issue and sets the label.
    fn ask_for(&self, task: usize) -> (usize, u32) {
        let repository = task % REPOSITORIES;
        let at = &self.repositories[repository];
        let issue = at.open_issue("ann", &format!("Task {task}"), &"What is wrong, in some words. ".repeat(20));
        at.label("ann", issue, "agentd");
        (repository, issue)
    }

    /// What the source asks at each poll; how many issues it finds.
    async fn poll(&self) -> usize {
        let mut query = IssueQuery {
            repositories: self.repositories.iter().map(Repository::full_name).collect(),
            state: "open".into(),
            labels: vec!["agentd".into()],
            order: IssueOrder::Oldest,
            limit: 100,
            ..IssueQuery::default()
        };
        let mut found = 0;
        loop {
            let page = self.github.issues(&query).await.unwrap();
            found += page.items.len();
            query.cursor = page.next;
            if query.cursor.is_none() {
                return found;
            }
        }
    }

    /// What is asked about the changes in review; how many of them are open.
    async fn look_at_changes(&self) -> usize {
        let mut numbers = BTreeMap::<usize, Vec<u32>>::new();
        for it in &self.open {
            numbers.entry(it.repository).or_default().push(it.number);
        }
        let mut open = 0;
        for (repository, numbers) in numbers {
            let seen = self.forges[repository].changes_of(&numbers).await.unwrap();
            open += seen.iter().filter(|it| it.state == agentd_forge::State::Open).count();
        }
        open
    }

    /// A task from its draft to its change: rights, claim, lock, push, pull request, labels, comment.
    async fn work_on(&mut self, repository: usize, issue: u32, task: usize) {
        let forge = &self.forges[repository];
        let id = format!("t-{task}");
        // When it comes in, and when it begins.
        for _ in 0..2 {
            assert_eq!(forge.right("ann").await.unwrap(), agentd_forge::Right::Write);
            assert!(forge.issue(issue).await.unwrap().unwrap().open);
        }
        forge.claim(issue, &id).await.unwrap();
        forge.edit(&edit(issue, "agentd works on this.", Lock::Take)).await.unwrap();
        let mirror = self.folder.path().join(format!("mirror-{repository}"));
        if !mirror.exists() {
            git(self.folder.path(), &["init", "-q", "--bare", &mirror.display().to_string()]);
        }
        forge.fetch(&mirror).await.unwrap();
        let base = forge.default_branch().await.unwrap();
        forge.workflow_token_writes().await.unwrap();
        let (branch, tree) = (format!("agentd/{id}"), format!("{base}^{{tree}}"));
        let commit = git(&mirror, &["commit-tree", "-p", &base, "-m", &format!("Fix {id}"), &tree]);
        forge.push(&mirror, &commit, &branch, None).await.unwrap();
        let new = NewChange {
            branch,
            base,
            title: format!("Fix {id}"),
            body: format!("Closes #{issue}"),
            key: format!("one/{id}.1"),
            draft: true,
        };
        let change = forge.open_change(new).await.unwrap();
        forge.dress_change(change.number, &["by-agentd".into()], &["ann".into()]).await.unwrap();
        forge.edit(&edit(issue, "The change is ready for review.", Lock::Leave)).await.unwrap();
        self.open.push_back(InReview { repository, issue, number: change.number, task });
    }

    /// What is done when a change was merged: comment, lock, claim, branch.
    async fn clean_up(&self, done: &InReview) {
        let forge = &self.forges[done.repository];
        let change = &forge.changes_of(&[done.number]).await.unwrap()[0];
        forge.edit(&edit(done.issue, "Done: the change was merged.", Lock::GiveBack)).await.unwrap();
        forge.release(done.issue, &format!("t-{}", done.task)).await.unwrap();
        assert!(forge.delete_branch(&format!("agentd/t-{}", done.task), &change.commit).await.unwrap());
    }
}

enum Lock {
    Take,
    Leave,
    GiveBack,
}

fn edit(number: u32, body: &str, lock: Lock) -> Edit {
    let said = Said { slot: "1234/progress".into(), body: body.into() };
    let edit = Edit { number, comment: Some(said), ..Edit::default() };
    let (label, me) = (vec!["agentd:in-progress".to_owned()], vec!["@me".to_owned()]);
    match lock {
        Lock::Take => Edit { add_labels: label, add_assignees: me, ..edit },
        Lock::Leave => edit,
        Lock::GiveBack => Edit { remove_labels: label, remove_assignees: me, ..edit },
    }
}

fn client(fake: &Arc<Fake>, scratch: &Path) -> GitHub {
    let clock = Arc::clone(fake);
    let author = Author { name: "agentd".into(), email: "agentd@example.org".into() };
    let egress =
        agentd_egress::Options { allow_private: vec!["127.0.0.1/32".into()], ..agentd_egress::Options::default() };
    GitHub::new(Options {
        url: Some(fake.url().to_owned()),
        auth: Auth::Token(fake.token_of(BOT).into()),
        egress,
        instance: "one".into(),
        key: [7; 32],
        branch_prefix: "agentd/".into(),
        author,
        // The pauses between writes are real time, of which nothing is counted here.
        patience: Patience { write: Duration::ZERO, ..Patience::default() },
        clock: Arc::new(move || clock.now()),
        scratch: scratch.join("github"),
    })
    .unwrap()
}

fn git(folder: &Path, args: &[&str]) -> String {
    let said = Command::new("git")
        .args(["-c", "user.name=agentd", "-c", "user.email=agentd@example.org"])
        .args(args)
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(said.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&said.stderr));
    String::from_utf8(said.stdout).unwrap().trim().to_owned()
}

/// A daemon that makes more requests than this has lost something that it knew, or its cache.
const CORE_MAX: u64 = 1_400;
const SEARCH_MAX: u64 = 240;
const GRAPHQL_MAX: u64 = 300;

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_tasks_and_fifty_pull_requests_fit_into_an_hour() {
    let mut world = World::new();
    world.furnish().await;
    let before = world.fake.usage().points;
    for poll in 0..POLLS {
        let asked = (poll % NEW_EVERY == 0).then(|| world.ask_for(world.tasks));
        // Somebody says something somewhere: the list is another one.
        world.repositories[usize::try_from(poll).unwrap() % REPOSITORIES].comment("ann", 1, "Any news?");
        assert!(world.poll().await >= TASKS - usize::try_from(POLLS).unwrap());
        if let Some((repository, issue)) = asked {
            let task = world.tasks;
            world.tasks += 1;
            world.work_on(repository, issue, task).await;
            let done = world.open.pop_front().unwrap();
            world.repositories[done.repository].merge("ann", done.number);
            world.clean_up(&done).await;
        }
        assert_eq!(world.look_at_changes().await, OPEN);
        world.fake.advance(INTERVAL);
    }
    assert_eq!((world.tasks, world.open.len()), (TASKS, OPEN));
    let (core, search, graphql) = world.points(&before);
    println!("points of one hour: {core} of requests, {search} of searches, {graphql} of GraphQL");
    assert!(core + search + graphql < 5_000, "the whole of it: {core} + {search} + {graphql}");
    assert!(core <= CORE_MAX && search <= SEARCH_MAX && graphql <= GRAPHQL_MAX, "{:#?}", world.fake.usage());
    assert_eq!((world.fake.usage().refused, world.github.usage().refused), (0, 0), "no call was refused");
    assert_eq!(world.fake.violations(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_changed_costs_nothing() {
    let mut world = World::new();
    world.furnish().await;
    for _ in 0..2 {
        world.poll().await;
        world.look_at_changes().await;
        world.fake.advance(INTERVAL);
    }
    let (before, asked) = (world.fake.usage().points, world.fake.usage().not_modified);
    for _ in 0..5 {
        world.poll().await;
        world.look_at_changes().await;
        world.fake.advance(INTERVAL);
    }
    assert_eq!(world.points(&before), (0, 0, 0));
    // Two searches, one for each owner, and one list for each repository with a change in review.
    assert_eq!(world.fake.usage().not_modified - asked, 5 * (2 + 20));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_costs_some_dozens_of_points() {
    let mut world = World::new();
    world.tasks = 1;
    let (repository, issue) = world.ask_for(0);
    let before = world.fake.usage().points;
    world.work_on(repository, issue, 0).await;
    let done = world.open.pop_front().unwrap();
    world.repositories[repository].merge("ann", done.number);
    world.clean_up(&done).await;
    let (core, search, graphql) = world.points(&before);
    println!("points of one task: {core} of requests, {search} of searches, {graphql} of GraphQL");
    assert!((20..=45).contains(&core), "{:#?}", world.fake.usage().requests);
    assert_eq!((search, graphql), (0, 2));
}
