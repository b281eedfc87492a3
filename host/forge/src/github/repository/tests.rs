//! The forge against a GitHub that keeps its promises, and against one that breaks off at the worst moment.

use super::*;
use crate::{
    Person, State,
    conformance::{Files, Ground, suite},
    git::{Git, GitDir, Options as GitOptions},
    github::{Auth, Options, Patience},
};
use agentd_fake_github::{Fake, Repository as Place, Right as Given};
use secrecy::SecretString;
use std::{
    fs,
    path::PathBuf,
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};
use tempfile::TempDir;

mod change;
mod faults;
mod place;
mod thread;

suite!(on_github, OnGitHub::new());
suite!(by_a_fork, OnGitHub::with_a_fork());

const BOT: &str = "agentd-bot";
const BRANCH: &str = "agentd/t-1";

/// A GitHub with one repository, and two processes of one instance that work in it.
struct OnGitHub {
    fake: Fake,
    place: Place,
    /// Where branches are pushed to.
    pushed: Place,
    folder: TempDir,
    /// The repository of everything that is pushed.
    quarantine: Git,
    /// What the daemon's clock is ahead, in milliseconds.
    ahead: Arc<AtomicI64>,
    forge: GitHubForge,
    other: GitHubForge,
}

impl OnGitHub {
    async fn new() -> OnGitHub {
        OnGitHub::start(false).await
    }

    async fn with_a_fork() -> OnGitHub {
        OnGitHub::start(true).await
    }

    async fn start(fork: bool) -> OnGitHub {
        // It makes a runtime of its own, which a thread of this one must not.
        let fake = tokio::task::spawn_blocking(Fake::start).await.unwrap();
        fake.user(BOT);
        let place = fake.repository("acme/api");
        place.push_files(&[("a.txt", "one\ntwo\nthree\n")]);
        place.give(BOT, Given::Write);
        let folder = TempDir::new().unwrap();
        let quarantine = git_in(&folder.path().join("quarantine"));
        fs::create_dir(quarantine.place()).unwrap();
        quarantine.ok(&["init", "--quiet", "--initial-branch=q", "."]).await.unwrap();
        let ahead = Arc::new(AtomicI64::new(0));
        let open = || GitHub::new(options(&fake, &folder, &ahead, "mill-1")).unwrap();
        let open = || open().repository("acme/api", fork).unwrap();
        let (forge, other) = (open(), open());
        if fork {
            forge.pushed_to().await.unwrap();
        }
        let pushed = if fork { place.fork(BOT).unwrap() } else { place.clone() };
        OnGitHub { fake, place, pushed, folder, quarantine, ahead, forge, other }
    }

    /// As after a restart: nothing is remembered.
    fn fresh(&self) -> GitHubForge {
        self.of_instance("mill-1")
    }

    fn of_instance(&self, instance: &str) -> GitHubForge {
        let github = GitHub::new(options(&self.fake, &self.folder, &self.ahead, instance)).unwrap();
        github.repository("acme/api", self.forge.forks()).unwrap()
    }

    /// A commit on top of the base, pushed nowhere.
    async fn work(&self) -> (PathBuf, String) {
        let base = self.tip("main").await.unwrap();
        self.commit(&base, &[("b.txt", "b\n")]).await
    }

    async fn pushed(&self) -> String {
        let (from, commit) = self.work().await;
        self.forge.push(&from, &commit, BRANCH, None).await.unwrap();
        commit
    }

    async fn opened(&self) -> Change {
        self.pushed().await;
        self.forge.open_change(new_change()).await.unwrap()
    }

    /// Routes that were written to since the call before, as `METHOD route`.
    fn written(&self, since: usize) -> Vec<String> {
        self.fake.writes()[since..].iter().map(|it| format!("{} {}", it.method, it.route)).collect()
    }
}

fn new_change() -> NewChange {
    let (title, body) = ("Fix the sum".to_owned(), "It was wrong.\n\nCloses #1".to_owned());
    NewChange { branch: BRANCH.into(), base: "main".into(), title, body, key: "mill-1/t-1.1".into(), draft: true }
}

fn options(fake: &Fake, folder: &TempDir, ahead: &Arc<AtomicI64>, instance: &str) -> Options {
    let ahead = Arc::clone(ahead);
    let ms = Duration::from_millis;
    Options {
        url: Some(fake.url().to_owned()),
        auth: Auth::Token(SecretString::from(fake.token_of(BOT))),
        egress: agentd_egress::Options { allow_private: vec!["127.0.0.1".into()], ..Default::default() },
        instance: instance.into(),
        key: [7; 32],
        branch_prefix: "agentd/".into(),
        author: Author { name: "agentd".into(), email: "agentd@localhost".into() },
        patience: Patience {
            answer: ms(1000),
            retry: ms(1),
            write: ms(0),
            rest: ms(1),
            rest_max: ms(1),
            ..Patience::default()
        },
        clock: Arc::new(move || jiff::Timestamp::now().as_millisecond() + ahead.load(Ordering::Relaxed)),
        scratch: folder.path().join("scratch"),
    }
}

fn git_in(folder: &Path) -> Git {
    let mut options = GitOptions::default();
    for role in ["AUTHOR", "COMMITTER"] {
        options.env.push((format!("GIT_{role}_NAME"), "Somebody".into()));
        options.env.push((format!("GIT_{role}_EMAIL"), "somebody@acme.example".into()));
    }
    Git::new(GitDir::In(folder.into()), options)
}

#[async_trait]
impl Ground for OnGitHub {
    fn forge(&self) -> &dyn Forge {
        &self.forge
    }

    fn other(&self) -> &dyn Forge {
        &self.other
    }

    async fn commit(&self, parent: &str, files: Files<'_>) -> (PathBuf, String) {
        let git = &self.quarantine;
        if !git.run(&["cat-file", "-e", parent]).await.unwrap().success() {
            let has = |place: &Place| place.branches().values().any(|it| it == parent);
            let from = if has(&self.pushed) { &self.pushed } else { &self.place };
            git.ok(&["fetch", "--quiet", from.folder().to_str().unwrap(), parent]).await.unwrap();
        }
        git.ok(&["checkout", "--quiet", "--detach", parent]).await.unwrap();
        for (name, text) in files {
            fs::write(git.place().join(name), text).unwrap();
        }
        git.ok(&["add", "--all"]).await.unwrap();
        git.ok(&["commit", "--quiet", "--message", "A commit"]).await.unwrap();
        (git.place().to_owned(), git.ok(&["rev-parse", "HEAD"]).await.unwrap())
    }

    async fn commit_to_base(&self, files: Files<'_>) -> String {
        self.place.push_files(files)
    }

    async fn tag(&self, name: &str, commit: &str) {
        git_in(&self.place.folder()).ok(&["tag", name, commit]).await.unwrap();
    }

    async fn tip(&self, branch: &str) -> Option<String> {
        let place = if branch.starts_with("agentd/") { &self.pushed } else { &self.place };
        place.branches().remove(branch)
    }

    async fn base_line(&self) -> Vec<String> {
        let line = git_in(&self.place.folder()).ok(&["rev-list", "--first-parent", "main"]).await.unwrap();
        line.lines().map(str::to_owned).collect()
    }

    fn names_conflicts(&self) -> bool {
        false
    }

    async fn base_file(&self, name: &str) -> String {
        self.place.file("main", name).unwrap().trim_end().to_owned()
    }
}

#[track_caller]
fn check_text(error: &Error, parts: &[&str]) {
    let text = error.to_string();
    for part in parts {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
}
