//! The client against a GitHub that checks every request: whom it works as, what it lists, what it may, and what it
//! does when tokens, names and limits change under it.

use super::{
    Auth, CommentQuery, GitHub, IssueQuery, Label, Options, Patience, PullQuery, Scope, Written,
    scripted::{app_of, app_public},
};
use crate::{
    Author, Error,
    git::{Git, GitDir},
};
use agentd_fake_github::{Fake, Fault, How, Match, Repository, Right, When};
use http::Method;
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use tempfile::TempDir;

const BOT: &str = "agentd-bot";
/// What an App is to be given.
const RIGHTS: [(&str, &str); 7] = [
    ("actions", "read"),
    ("checks", "read"),
    ("contents", "write"),
    ("issues", "write"),
    ("metadata", "read"),
    ("pull_requests", "write"),
    ("statuses", "read"),
];

/// A GitHub with two repositories of one owner, and the client.
struct World {
    fake: Arc<Fake>,
    api: Repository,
    web: Repository,
    folder: TempDir,
    github: GitHub,
}

impl World {
    async fn new(auth: impl FnOnce(&Fake) -> Auth) -> World {
        // It makes a runtime of its own, which a thread of this one must not.
        let fake = Arc::new(tokio::task::spawn_blocking(Fake::start).await.unwrap());
        fake.user(BOT);
        let [api, web] = ["acme/api", "acme/web"].map(|name| fake.repository(name));
        for repository in [&api, &web] {
            repository.push_files(&[("a.txt", "one\n")]);
            repository.give(BOT, Right::Write).give("ann", Right::Write);
        }
        let folder = TempDir::new().unwrap();
        let github = github(&fake, auth(&fake), &folder);
        World { fake, api, web, folder, github }
    }

    async fn with_token() -> World {
        World::new(|fake| Auth::Token(fake.token_of(BOT).into())).await
    }

    async fn with_app() -> World {
        World::new(|fake| {
            let id = fake.app("mill", app_public(), &RIGHTS);
            fake.install(id, "acme", None);
            app_of(id)
        })
        .await
    }

    async fn issues(&self, repositories: &[&str], labels: &[&str]) -> Vec<(String, u32)> {
        let text = |list: &[&str]| list.iter().map(|it| (*it).to_owned()).collect();
        let (repositories, labels) = (text(repositories), text(labels));
        let query = IssueQuery { repositories, labels, state: "open".into(), limit: 100, ..IssueQuery::default() };
        let found = self.github.issues(&query).await.unwrap().items;
        found.into_iter().map(|it| (it.repository, it.number)).collect()
    }

    async fn ls_remote(&self, name: &str) -> Result<String, crate::git::Error> {
        let remote = self.github.remote(name).await.unwrap();
        let options = crate::git::Options { settings: remote.settings, ..Default::default() };
        Git::new(GitDir::In(self.folder.path().to_owned()), options).ok(&["ls-remote", &remote.url]).await
    }
}

fn github(fake: &Arc<Fake>, auth: Auth, folder: &TempDir) -> GitHub {
    let clock = Arc::clone(fake);
    let ms = Duration::from_millis;
    GitHub::new(Options {
        url: Some(fake.url().to_owned()),
        auth,
        egress: agentd_egress::Options { allow_private: vec!["127.0.0.1".into()], ..Default::default() },
        instance: "mill".into(),
        key: [7; 32],
        branch_prefix: "agentd/".into(),
        author: Author { name: "agentd".into(), email: "agentd@localhost".into() },
        patience: Patience { answer: ms(20_000), retry: ms(1), write: ms(0), wait: ms(0), ..Patience::default() },
        clock: Arc::new(move || clock.now()),
        scratch: folder.path().join("github"),
    })
    .unwrap()
}

#[tokio::test]
async fn a_token_works_as_its_account() {
    let world = World::with_token().await;
    let account = world.github.account().await.unwrap();
    assert_eq!((account.login.as_str(), account.app), (BOT, false));
    assert_eq!(account.scopes, Some(vec!["repo".to_owned()]));
    assert_eq!(world.github.repositories_of("Acme").await.unwrap(), ["acme/api", "acme/web"]);
    world.web.set_archived(true);
    assert_eq!(world.github.repositories_of("acme").await.unwrap(), ["acme/api"]);
    assert!(world.github.missing_rights("acme/api").await.unwrap().is_empty());
    let lacks = world.github.missing_rights("acme/none").await.unwrap();
    assert!(lacks[0].starts_with("there is no repository acme/none"), "{lacks:?}");
    world.api.give(BOT, Right::Read);
    let lacks = world.github.missing_rights("acme/api").await.unwrap();
    assert!(lacks[0].starts_with("agentd-bot may not write to acme/api"), "{lacks:?}");
}

#[tokio::test]
async fn a_fine_grained_token_is_told_what_it_lacks_and_nothing_is_written() {
    let rights = [("contents", "write"), ("issues", "read"), ("metadata", "read"), ("pull_requests", "read")];
    let world = World::new(|fake| {
        let repository = fake.repository("acme/api");
        repository.push_files(&[("a.txt", "one\n")]);
        repository.give(BOT, Right::Write);
        Auth::Token(fake.fine_token(BOT, Some(&[&repository]), &rights).into())
    })
    .await;
    let account = world.github.account().await.unwrap();
    assert_eq!(account.scopes, None);
    let labels = world.api.labels();
    let lacks = world.github.missing_rights("acme/api").await.unwrap();
    let named: Vec<_> = lacks.iter().filter_map(|it| it.split('`').nth(1)).collect();
    assert_eq!(named, ["Pull requests: Read and write", "Issues: Read and write"]);
    assert_eq!(world.api.branches().len(), 1);
    assert!(world.api.pulls().is_empty());
    assert_eq!(world.api.labels(), labels);
}

#[tokio::test]
async fn an_app_works_as_its_bot_where_it_is_installed() {
    let world = World::with_app().await;
    let account = world.github.account().await.unwrap();
    assert_eq!((account.login.as_str(), account.app), ("mill[bot]", true));
    assert_eq!(world.github.repositories_of("acme").await.unwrap(), ["acme/api", "acme/web"]);
    assert!(world.github.missing_rights("acme/api").await.unwrap().is_empty());
    world.fake.repository("other/x").push_files(&[("a", "b")]);
    let lacks = world.github.missing_rights("other/x").await.unwrap();
    assert!(lacks[0].starts_with("agentd's App is not installed for other/x"), "{lacks:?}");
}

#[tokio::test]
async fn an_app_with_too_few_rights_is_told_which_and_works_with_those_it_has() {
    let world = World::new(|fake| {
        let id = fake.app("mill", app_public(), &[("issues", "write"), ("metadata", "read")]);
        fake.install(id, "acme", None);
        app_of(id)
    })
    .await;
    let lacks = world.github.missing_rights("acme/api").await.unwrap();
    let named: Vec<_> = lacks.iter().filter_map(|it| it.split('`').nth(1)).collect();
    assert_eq!(named, ["actions: read", "checks: read", "contents: write", "pull_requests: write", "statuses: read"]);
    world.api.open_issue("ann", "one", "x");
    assert_eq!(world.issues(&["acme/api"], &[]).await, [("acme/api".to_owned(), 1)]);
    let query = PullQuery { repository: "acme/api".into(), state: "open".into(), limit: 1, ..PullQuery::default() };
    let error = world.github.pull_requests(&query).await.unwrap_err();
    assert!(matches!(error, Error::Forbidden { .. }), "{error}");
}

#[tokio::test]
async fn an_apps_tokens_are_renewed_when_they_end_and_when_they_are_revoked() {
    let world = World::with_app().await;
    let tokens = || world.fake.writes().iter().filter(|it| it.route.ends_with("/access_tokens")).count();
    world.github.labels("acme/api").await.unwrap();
    world.github.labels("acme/api").await.unwrap();
    assert_eq!(tokens(), 1);
    world.fake.advance(Duration::from_secs(56 * 60));
    world.github.labels("acme/api").await.unwrap();
    assert_eq!(tokens(), 2);
    world.fake.revoke_installation_tokens();
    world.github.labels("acme/api").await.unwrap();
    assert_eq!(tokens(), 3);
    world.ls_remote("acme/api").await.unwrap();
}

#[tokio::test]
async fn labels_are_made_once() {
    let world = World::with_token().await;
    let label = Label { name: "agentd:blocked".into(), color: "d93f0b".into(), description: "needs a person".into() };
    assert!(world.github.create_label("acme/api", &label).await.unwrap());
    assert!(!world.github.create_label("acme/api", &label).await.unwrap());
    assert!(world.github.labels("acme/api").await.unwrap().contains(&label));
    world.api.set_workflows_write(true);
    // Only an administrator is told.
    assert_eq!(world.github.workflow_token_writes("acme/api").await.unwrap(), None);
    world.api.give(BOT, Right::Admin);
    assert_eq!(world.github.workflow_token_writes("acme/api").await.unwrap(), Some(true));
}

#[tokio::test]
async fn issues_are_listed_and_searched_with_those_who_made_them() {
    for world in [World::with_token().await, World::with_app().await] {
        for repository in [&world.api, &world.web] {
            repository.create_label("agentd").create_label("bug");
            let number = repository.open_issue("ann", "one", "x");
            repository.label("ann", number, "agentd");
            repository.open_issue("ann", "two", "x");
            repository.push_to("topic", "ann", &[("b.txt", "b\n")]);
            repository.open_pull("ann", "topic", "three", "x");
        }
        assert_eq!(world.issues(&["acme/api"], &[]).await, [("acme/api".to_owned(), 2), ("acme/api".to_owned(), 1)]);
        let labelled = [("acme/api".to_owned(), 1), ("acme/web".to_owned(), 1)];
        let mut found = world.issues(&["acme/web", "acme/api"], &["agentd"]).await;
        found.sort();
        assert_eq!(found, labelled);
        let query = IssueQuery {
            repositories: vec!["acme/api".into()],
            labels: vec!["agentd".into()],
            state: "open".into(),
            limit: 1,
            ..IssueQuery::default()
        };
        let before = world.github.issues(&query).await.unwrap().items.remove(0);
        assert_eq!(before.labels[0].by.as_ref().map(|it| it.login.as_str()), Some("ann"));
        world.fake.advance(Duration::from_secs(60));
        world.api.edit_body("mallory", 1, "y");
        let after = world.github.issues(&query).await.unwrap().items.remove(0);
        assert_eq!(after.body, "y");
        let editor = after.edits.last().unwrap().by.as_ref();
        assert_eq!(editor.map(|it| it.login.as_str()), Some("mallory"));
    }
}

#[tokio::test]
async fn pages_go_on_to_the_last() {
    let world = World::with_token().await;
    for number in 1..=5 {
        assert_eq!(world.api.open_issue("ann", "x", "x"), number);
    }
    world.web.open_issue("ann", "x", "x");
    for repositories in [vec!["acme/api"], vec!["acme/api", "acme/web"]] {
        let mut query = IssueQuery {
            repositories: repositories.iter().map(|it| (*it).to_owned()).collect(),
            state: "all".into(),
            limit: 2,
            ..IssueQuery::default()
        };
        let mut numbers = Vec::new();
        loop {
            let page = world.github.issues(&query).await.unwrap();
            assert!(page.items.len() <= 2);
            numbers.extend(page.items.iter().map(|it| it.number));
            query.cursor = page.next;
            if query.cursor.is_none() {
                break;
            }
        }
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers, [1, 2, 3, 4, 5], "{repositories:?}");
    }
}

#[tokio::test]
async fn comments_changes_and_checks_are_read() {
    let world = World::with_token().await;
    let commit = world.api.push_to("topic", "ann", &[("b.txt", "b\n")]);
    let number = world.api.open_pull("ann", "topic", "one", "x");
    world.api.comment("ann", number, "first");
    world.api.comment_on_line("ann", number, "b.txt", 1, "here");
    world.api.check(&commit, "test", Some("failure"), "3 failed");
    world.api.status(&commit, "ci/old", "success");
    let all = CommentQuery { repositories: vec!["acme/api".into()], limit: 10, ..CommentQuery::default() };
    for query in [all.clone(), CommentQuery { number: Some(number), ..all }] {
        let (mut query, mut said) = (query, Vec::new());
        loop {
            let page = world.github.comments(&query).await.unwrap();
            said.extend(page.items.into_iter().map(|it| (it.number, it.body, it.location.map(|it| it.line))));
            query.cursor = page.next;
            if query.cursor.is_none() {
                break;
            }
        }
        assert_eq!(said, [(number, "first".to_owned(), None), (number, "here".to_owned(), Some(1))]);
    }
    let query = PullQuery { repository: "acme/api".into(), state: "open".into(), limit: 10, ..PullQuery::default() };
    let found = world.github.pull_requests(&query).await.unwrap().items;
    assert_eq!((found.len(), found[0].head_commit.as_str()), (1, commit.as_str()));
    assert_eq!(world.github.pull_request("acme/api", number).await.unwrap().as_ref(), Some(&found[0]));
    let checks = world.github.checks("acme/api", &commit).await.unwrap();
    let states: Vec<_> = checks.iter().map(|it| (it.name.as_str(), it.state.as_str())).collect();
    assert_eq!(states, [("ci/old", "passed"), ("test", "failed")]);
}

#[tokio::test]
async fn polling_what_does_not_change_costs_nothing() {
    let world = World::with_token().await;
    let number = world.api.open_issue("ann", "x", "x");
    world.fake.advance(Duration::from_secs(60));
    world.issues(&["acme/api"], &[]).await;
    let left = world.github.usage().left;
    for _ in 0..20 {
        assert_eq!(world.issues(&["acme/api"], &[]).await, [("acme/api".to_owned(), number)]);
    }
    let usage = world.github.usage();
    assert_eq!((usage.left, usage.unchanged, usage.refused), (left, 20, 0));
}

#[tokio::test]
async fn the_last_point_is_used_and_no_request_is_refused() {
    let world = World::with_token().await;
    world.github.labels("acme/api").await.unwrap();
    world.fake.leave_points(BOT, "core", 2);
    world.github.labels("acme/web").await.unwrap();
    let all = futures(&world).await;
    let done = all.iter().filter(|it| it.is_ok()).count();
    assert_eq!(done, 1, "{all:?}");
    let until = all.into_iter().find_map(Result::err).and_then(|it| it.retry_at()).unwrap();
    assert_eq!(world.github.usage().refused, 0);
    world.fake.advance(Duration::from_millis(u64::try_from(until - world.fake.now()).unwrap() + 1000));
    world.github.pull_request("acme/api", 7).await.unwrap();
}

/// Three different requests at once.
async fn futures(world: &World) -> Vec<Result<(), Error>> {
    let ask = |number| async move { world.github.pull_request("acme/api", number).await.map(drop) };
    let (one, two, three) = tokio::join!(ask(11), ask(12), ask(13));
    vec![one, two, three]
}

#[tokio::test]
async fn a_secondary_limit_stops_everything_for_as_long_as_it_says() {
    let world = World::with_token().await;
    let how = How::SecondaryLimit { retry_after: Some(40) };
    world.fake.fail(Fault { of: Match::AnyRead, nth: 1, times: 1, when: When::Before, how });
    let error = world.github.labels("acme/api").await.unwrap_err();
    let until = error.retry_at().unwrap();
    assert!((39_000..=40_000).contains(&(until - world.fake.now())), "{error}");
    assert!(matches!(world.github.labels("acme/web").await, Err(Error::Limited { .. })));
    assert_eq!(world.fake.usage().refused, 1);
    world.fake.advance(Duration::from_secs(41));
    world.github.labels("acme/web").await.unwrap();
}

#[tokio::test]
async fn a_renamed_repository_goes_on_under_its_old_name() {
    for world in [World::with_token().await, World::with_app().await] {
        world.api.open_issue("ann", "x", "x");
        world.ls_remote("acme/api").await.unwrap();
        world.api.rename("acme/api-2");
        assert_eq!(world.issues(&["acme/api"], &[]).await, [("acme/api".to_owned(), 1)]);
        let scope = Scope::repository("acme/api");
        let body = json!({ "body": "hello" });
        let path = "repos/acme/api/issues/1/comments";
        let written = world.github.api.write::<Value>(&scope, Method::POST, path, &body).await.unwrap();
        assert!(matches!(written, Written::Done(_)), "{written:?}");
        world.ls_remote("acme/api").await.unwrap();
        let remote = world.github.remote("acme/api").await.unwrap();
        assert!(remote.url.ends_with("/acme/api-2.git"), "{}", remote.url);
        // Who starts anew has never heard of the redirect.
        let fresh = github(&world.fake, world.github.options.auth.clone(), &world.folder);
        fresh.api.write::<Value>(&scope, Method::POST, path, &body).await.unwrap();
        assert_eq!(world.api.comments(1).len(), 2);
    }
}

#[tokio::test]
async fn a_revoked_token_is_said_to_be_one_everywhere() {
    let world = World::with_token().await;
    let Auth::Token(token) = &world.github.options.auth else { panic!("it is a token") };
    world.fake.revoke(secrecy::ExposeSecret::expose_secret(token));
    let error = world.github.account().await.unwrap_err();
    assert!(matches!(error, Error::Unauthorized { .. }) && !error.is_transient(), "{error}");
    assert!(error.to_string().contains("agentd auth github"), "{error}");
}
