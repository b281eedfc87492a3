//! The repository itself: names, renaming, forks, Apps, what may not be done.

use super::*;
use crate::{Edit, Said};
use agentd_fake_github::KeyPair;

#[tokio::test]
async fn a_repository_is_an_owner_and_a_name() {
    let ground = OnGitHub::new().await;
    let github = ground.forge.github();
    for bad in
        ["", "api", "acme/", "/api", "acme/api/x", "acme/..", "./api", "acme/a b", "acme/a?b", "https://github.com/a"]
    {
        let error = github.repository(bad, false).unwrap_err();
        check_text(&error, &["the repository on GitHub: ", "is not of the form OWNER/NAME"]);
    }
    let gone = github.repository("acme/nowhere", false).unwrap();
    check_text(&gone.default_branch().await.unwrap_err(), &["no repository acme/nowhere", "hint: "]);
    assert_eq!(github.repository("Acme/API", false).unwrap().default_branch().await.unwrap(), "main");
}

#[tokio::test]
async fn a_renamed_repository_is_the_same() {
    let ground = OnGitHub::new().await;
    let number = ground.place.open_issue("ann", "T", "");
    ground.forge.claim(number, "t-1").await.unwrap();
    let change = ground.opened().await;
    let comment = Said { slot: "progress".into(), body: "Working.".into() };
    let edit = Edit { number, comment: Some(comment), add_labels: vec!["agentd".into()], ..Edit::default() };
    ground.forge.edit(&edit).await.unwrap();
    ground.place.rename("acme/newer");
    for forge in [ground.forge.clone(), ground.fresh()] {
        forge.claim(number, "t-1").await.unwrap();
        forge.edit(&edit).await.unwrap();
        assert_eq!(forge.open_change(new_change()).await.unwrap().number, change.number);
        let from = ground.quarantine.place();
        assert!(!forge.push(from, &change.commit, BRANCH, None).await.unwrap().moved);
        let mirror = TempDir::new().unwrap();
        let git = Git::new(GitDir::Bare(mirror.path().into()), GitOptions::default());
        git.ok(&["init", "--quiet", "--bare", "."]).await.unwrap();
        forge.fetch(mirror.path()).await.unwrap();
    }
    assert_eq!((ground.place.pulls().len(), ground.place.comments(number).len()), (1, 1));
    ground.fresh().close(change.number, true).await.unwrap();
    assert_eq!(ground.tip(BRANCH).await, None);
}

#[tokio::test]
async fn who_may_only_read_works_by_a_fork() {
    let ground = OnGitHub::new().await;
    ground.place.set_public().give(BOT, Given::Read);
    let (from, commit) = ground.work().await;
    let error = ground.forge.push(&from, &commit, BRANCH, None).await.unwrap_err();
    assert!(matches!(error, Error::Forbidden { .. }) && !error.is_transient(), "{error}");
    check_text(&error, &["did not let agentd push in acme/api", "agentd doctor"]);

    let open = || ground.forge.github().repository("acme/api", true).unwrap();
    let writes = ground.fake.writes().len();
    for forge in [open(), open()] {
        forge.push(&from, &commit, BRANCH, None).await.unwrap();
        let change = forge.open_change(new_change()).await.unwrap();
        assert_eq!((change.branch.as_str(), change.commit.as_str()), (BRANCH, commit.as_str()));
    }
    let forks = ground.written(writes).iter().filter(|it| it.ends_with("/forks")).count();
    assert_eq!((forks, ground.place.pulls().len()), (1, 1));
    assert_eq!(ground.place.pulls()[0].head, format!("{BOT}:{BRANCH}"));
    assert_eq!(ground.tip(BRANCH).await, None, "nothing was pushed to the repository itself");
    let fork = ground.place.fork(BOT).unwrap();
    assert_eq!(fork.branches().get(BRANCH), Some(&commit));
    open().close(1, true).await.unwrap();
    assert_eq!(fork.branches().get(BRANCH), None);
}

#[tokio::test]
async fn an_app_does_the_same_as_a_person() {
    let ground = OnGitHub::new().await;
    let key = KeyPair::generate();
    let rights = ["contents", "issues", "pull_requests"].map(|it| (it, "write"));
    let rights = [&rights[..], &[("metadata", "read")]].concat();
    let id = ground.fake.app("agentd-acme", &key.public, &rights);
    ground.fake.install(id, "acme", Some(&[&ground.place]));
    let mut options = Options::clone(&ground.forge.github().options);
    options.auth = Auth::App { id, key: SecretString::from(key.private.clone()) };
    let github = GitHub::new(options).unwrap();
    check_text(&github.repository("acme/api", true).unwrap_err(), &["an App has no forks"]);
    let forge = github.repository("acme/api", false).unwrap();

    let number = ground.place.open_issue("ann", "T", "");
    forge.claim(number, "t-1").await.unwrap();
    let (from, commit) = ground.work().await;
    forge.push(&from, &commit, BRANCH, None).await.unwrap();
    let change = forge.open_change(new_change()).await.unwrap();
    let edit = Edit {
        number,
        comment: Some(Said { slot: "progress".into(), body: "Working.".into() }),
        add_labels: vec!["agentd:in-progress".into()],
        add_assignees: vec!["@me".into()],
        ..Edit::default()
    };
    for _ in 0..2 {
        forge.edit(&edit).await.unwrap();
        assert_eq!(forge.open_change(new_change()).await.unwrap(), change);
    }
    let (issue, comments) = (ground.place.issue(number), ground.place.comments(number));
    assert_eq!((issue.labels, issue.assignees), (vec!["agentd:in-progress".to_owned()], vec![]));
    assert_eq!((comments.len(), comments[0].author.as_str()), (1, "agentd-acme[bot]"));
    forge.release(number, "t-1").await.unwrap();
    assert_eq!(ground.place.refs("refs/agentd/").len(), 0);
}

#[tokio::test]
async fn no_error_and_no_debug_shows_the_token() {
    let ground = OnGitHub::new().await;
    let token = ground.fake.token_of("ann");
    let mut options = Options::clone(&ground.forge.github().options);
    options.auth = Auth::Token(SecretString::from(token.clone()));
    let forge = GitHub::new(options).unwrap().repository("acme/api", false).unwrap();
    ground.fake.revoke(&token);
    let (from, commit) = ground.work().await;
    let errors = [
        forge.push(&from, &commit, BRANCH, None).await.unwrap_err(),
        forge.default_branch().await.unwrap_err(),
        forge.claim(1, "t-1").await.unwrap_err(),
    ];
    for error in errors {
        assert!(matches!(error, Error::Unauthorized { .. }), "{error}");
        for text in [format!("{error}"), format!("{error:?}"), format!("{forge:?}")] {
            assert!(!text.contains(&token), "{text}");
        }
    }
}
