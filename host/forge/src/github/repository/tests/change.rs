//! Pull requests and branches.

use super::*;
use crate::github::scripted::{Script, TOKEN, reply};
use serde_json::json;

#[tokio::test]
async fn a_pull_request_is_what_was_asked_for_and_no_more() {
    let ground = OnGitHub::new().await;
    let change = ground.opened().await;
    let pull = ground.place.pull(change.number);
    assert_eq!((pull.draft, change.draft, change.state), (true, true, State::Open));
    assert_eq!((pull.issue.title.as_str(), pull.issue.author.as_str()), ("Fix the sum", BOT));
    assert_eq!(change.body, "It was wrong.\n\nCloses #1", "its own lines may close an issue");
    let marker = "\n\n<!-- agentd:v1 mill%2D1 mill%2D1/t%2D1.1 ";
    assert!(pull.issue.body.starts_with(&format!("{}{marker}", change.body)), "{}", pull.issue.body);
    assert_eq!(change.url, Some(format!("{}/acme/api/pull/{}", ground.fake.url(), change.number)));
    assert_eq!(ground.forge.url(), Some(format!("{}/acme/api", ground.fake.url())));
    let loud = NewChange { title: "Fixes #7 for @ann".into(), ..new_change() };
    let title = ground.forge.open_change(loud).await.unwrap().title;
    assert!(!title.contains('@') && !title.contains("Fixes #7"), "{title}");
    let long = NewChange { body: "x".repeat(66_000), ..new_change() };
    let error = ground.forge.open_change(long).await.unwrap_err();
    check_text(&error, &["the body of the pull request", "66000 bytes"]);
}

#[tokio::test]
async fn where_there_are_no_drafts_it_is_a_normal_one() {
    let ground = OnGitHub::new().await;
    ground.place.refuse_drafts();
    let change = ground.opened().await;
    assert!(!change.draft && !ground.place.pull(change.number).draft);
    assert_eq!(ground.fresh().open_change(new_change()).await.unwrap(), change);
    assert_eq!(ground.place.pulls().len(), 1);
}

#[tokio::test]
async fn what_people_push_is_kept() {
    let ground = OnGitHub::new().await;
    let commit = ground.pushed().await;
    let theirs = ground.place.push_to(BRANCH, "ann", &[("c.txt", "c\n")]);
    let (from, next) = ground.commit(&commit, &[("b.txt", "next\n")]).await;
    let error = ground.forge.push(&from, &next, BRANCH, Some(&commit)).await.unwrap_err();
    assert!(matches!(&error, Error::Stale { found: Some(found), .. } if *found == theirs), "{error}");
    assert!(!error.is_transient());
    assert_eq!(ground.tip(BRANCH).await, Some(theirs));
}

#[tokio::test]
async fn a_persons_pull_request_for_the_branch_is_taken_over_while_it_is_open() {
    let ground = OnGitHub::new().await;
    ground.pushed().await;
    let theirs = ground.place.open_pull("ann", BRANCH, "By hand", "Closes #3");
    let change = ground.forge.open_change(new_change()).await.unwrap();
    assert_eq!((change.number, change.title.as_str()), (theirs, "Fix the sum"));
    assert_eq!(ground.place.pulls().len(), 1);
}

#[tokio::test]
async fn a_copied_marker_makes_no_pull_request_agentds() {
    let ground = OnGitHub::new().await;
    let ours = ground.opened().await;
    ground.place.close("ann", ours.number, None);
    let body = ground.place.pull(ours.number).issue.body;
    let theirs = ground.place.open_pull("eve", BRANCH, "Mine", &body);
    let found = ground.fresh().open_change(new_change()).await.unwrap();
    assert_eq!((found.number, found.state), (ours.number, State::Closed));
    ground.place.close("eve", theirs, None);
    let next = NewChange { key: "mill-1/t-1.2".into(), ..new_change() };
    let next = ground.forge.open_change(next).await.unwrap();
    assert!(![ours.number, theirs].contains(&next.number));
}

#[tokio::test]
async fn a_change_is_dressed_once_and_nobody_is_asked_twice() {
    let ground = OnGitHub::new().await;
    let number = ground.opened().await.number;
    for login in ["ann", "bob", "cat"] {
        ground.place.give(login, Given::Write);
    }
    ground.place.request_review("ann", number, "ann");
    ground.place.review("bob", number, "COMMENT", "Hm.");
    let (labels, reviewers) = (["agentd".into(), "bug".into()], ["Ann", "bob", "cat", BOT].map(str::to_owned));
    ground.forge.dress_change(number, &labels, &reviewers).await.unwrap();
    let pull = ground.place.pull(number);
    assert_eq!(
        (pull.issue.labels.as_slice(), pull.requested_reviewers),
        (labels.as_slice(), vec!["ann".into(), "cat".into()])
    );
    assert!(ground.forge.change(number).await.unwrap().unwrap().review_requested);
    let writes = ground.fake.writes().len();
    ground.fresh().dress_change(number, &labels, &reviewers).await.unwrap();
    assert_eq!(ground.written(writes), [""; 0]);
}

#[tokio::test]
async fn who_may_not_review_does_not_keep_others_from_it() {
    let ground = OnGitHub::new().await;
    let number = ground.opened().await.number;
    ground.place.give("ann", Given::Write);
    ground.fake.user("eve");
    ground.forge.dress_change(number, &[], &["eve".into(), "ann".into()]).await.unwrap();
    assert_eq!(ground.place.pull(number).requested_reviewers, ["ann"]);
}

#[tokio::test]
async fn a_draft_is_made_ready_and_merged_as_the_repository_allows() {
    for (merge, squash, rebase) in [(true, true, true), (false, true, true), (false, false, true)] {
        let ground = OnGitHub::new().await;
        ground.place.allow_merges(merge, squash, rebase);
        let change = ground.opened().await;
        let author = Author { name: "Ann".into(), email: "ann@acme.example".into() };
        let merged = ground.forge.merge(change.number, &change.commit, &author).await.unwrap();
        assert_eq!((merged.state, merged.draft), (State::Merged, false));
        assert_eq!(merged.merged_as, ground.tip("main").await);
        assert_eq!(ground.base_file("b.txt").await, "b");
    }
}

#[tokio::test]
async fn what_people_did_is_seen() {
    let ground = OnGitHub::new().await;
    let change = ground.opened().await;
    ground.place.ready_for_review("ann", change.number);
    assert!(!ground.forge.change(change.number).await.unwrap().unwrap().draft);
    let merged_as = ground.place.merge("ann", change.number);
    let merged = ground.forge.change(change.number).await.unwrap().unwrap();
    assert_eq!((merged.state, merged.merged_as), (State::Merged, Some(merged_as)));
    assert_eq!(ground.forge.changes_of(&[change.number]).await.unwrap()[0].state, State::Merged);
}

#[tokio::test]
async fn a_branch_that_moved_is_not_deleted_with_its_change() {
    let ground = OnGitHub::new().await;
    let change = ground.opened().await;
    ground.forge.close(change.number, false).await.unwrap();
    let theirs = ground.place.push_to(BRANCH, "ann", &[("c.txt", "c\n")]);
    let error = ground.forge.close(change.number, true).await.unwrap_err();
    assert!(matches!(&error, Error::Stale { found: Some(found), .. } if *found == theirs), "{error}");
    assert_eq!(ground.tip(BRANCH).await, Some(theirs));
    // A person's branch is none of agentd's, whoever asks.
    ground.place.push_to("ann/x", "ann", &[("c.txt", "c\n")]);
    let number = ground.place.open_pull("ann", "ann/x", "Mine", "");
    let error = ground.forge.close(number, true).await.unwrap_err();
    assert!(matches!(error, Error::OutsidePrefix { .. }), "{error}");
    assert!(ground.tip("ann/x").await.is_some());
}

#[tokio::test]
async fn looking_at_changes_costs_one_request_and_no_point() {
    let ground = OnGitHub::new().await;
    let mut numbers = vec![ground.opened().await.number];
    for number in 2..5 {
        let branch = format!("agentd/t-{number}");
        ground.place.push_to(&branch, BOT, &[(&branch, "x\n")]);
        numbers.push(ground.place.open_pull(BOT, &branch, "T", ""));
    }
    let forge = ground.fresh();
    assert_eq!(forge.changes_of(&numbers).await.unwrap().len(), 4);
    let before = ground.fake.usage();
    for _ in 0..10 {
        assert_eq!(forge.changes_of(&numbers).await.unwrap().len(), 4);
    }
    let after = ground.fake.usage();
    let requests = |usage: &agentd_fake_github::Usage| usage.requests.values().sum::<u64>();
    assert_eq!(requests(&after) - requests(&before), 10);
    assert_eq!(after.not_modified - before.not_modified, 10);
    assert_eq!(after.points, before.points);
    ground.place.merge("ann", numbers[1]);
    let seen = forge.changes_of(&numbers).await.unwrap();
    assert_eq!(seen.iter().filter(|it| it.state == State::Merged).count(), 1);
}

#[tokio::test]
async fn a_refused_push_says_what_github_says() {
    let ground = OnGitHub::new().await;
    let (from, commit) = ground.work().await;
    ground.place.protect("refs/heads/agentd/*", "GH006: Protected branch update failed");
    let error = ground.forge.push(&from, &commit, BRANCH, None).await.unwrap_err();
    assert!(matches!(error, Error::PushRefused { .. }) && !error.is_transient(), "{error}");
    check_text(&error, &["`agentd/t-1` was not pushed: acme/api refused it: ", "GH006", "hint: let a rule"]);
    ground.place.unprotect();
    assert!(ground.forge.push(&from, &commit, BRANCH, None).await.unwrap().moved);
}

#[tokio::test]
async fn a_long_diff_is_cut_at_a_line_and_says_so() {
    let ground = OnGitHub::new().await;
    let text = "0123456789abcdef\n".repeat(300_000);
    let base = ground.tip("main").await.unwrap();
    let (from, commit) = ground.commit(&base, &[("long.txt", &text)]).await;
    ground.forge.push(&from, &commit, BRANCH, None).await.unwrap();
    let diff = ground.forge.diff("main", &commit).await.unwrap();
    let end = "\n+0123456789abcdef\n[agentd: the diff is longer than 4 MiB and ends here]\n";
    assert!(diff.ends_with(end) && diff.len() < DIFF_MAX + 100, "{}", diff.len());
}

/// A pull request of `head` into `acme/api`, as lists have it.
fn listed(number: u32, head: &str, title: &str) -> serde_json::Value {
    json!({
        "number": number, "node_id": "PR_1", "title": title, "body": "Theirs", "state": "open",
        "html_url": format!("https://github.com/acme/api/pull/{number}"), "user": { "login": "eve" },
        "head": { "ref": BRANCH, "sha": "1".repeat(40), "repo": { "full_name": head } },
        "base": { "ref": "main", "sha": "2".repeat(40), "repo": { "full_name": "acme/api" } },
    })
}

#[tokio::test(start_paused = true)]
async fn a_strangers_branch_of_the_same_name_is_none_of_agentds() {
    // GitHub leaves out a filter that it does not understand.
    let (github, script) = Script::github(&Auth::Token(TOKEN.into()), |heard, _| match heard.line().as_str() {
        "GET repos/acme/api" => reply(200, r#"{"full_name":"Acme/api","default_branch":"main"}"#),
        "GET user" => reply(200, r#"{"login":"agentd-bot"}"#),
        "POST repos/acme/api/pulls" => reply(201, &listed(9, "acme/api", "Ours").to_string()),
        _ => {
            let strangers = ["eve/api", "acme/api-fork"].map(|it| listed(8, it, "Theirs"));
            reply(200, &json!(strangers).to_string())
        }
    });
    let change = github.repository("acme/api", false).unwrap().open_change(new_change()).await.unwrap();
    assert_eq!(change.number, 9, "{:?}", script.lines());
    assert!(script.lines().iter().all(|it| !it.starts_with("PATCH")), "{:?}", script.lines());
}

#[tokio::test(start_paused = true)]
async fn a_change_that_a_list_does_not_have_yet_is_there_all_the_same() {
    let (github, _) = Script::github(&Auth::Token(TOKEN.into()), |heard, _| match heard.path.as_str() {
        "repos/acme/api/pulls/9" => reply(200, &listed(9, "acme/api", "Ours").to_string()),
        path if path.starts_with("repos/acme/api/pulls?") => reply(200, "[]"),
        _ => reply(404, "{}"),
    });
    let seen = github.repository("acme/api", false).unwrap().changes_of(&[7, 9]).await.unwrap();
    assert_eq!(seen.iter().map(|it| (it.number, it.state)).collect::<Vec<_>>(), [(9, State::Open)]);
}

#[tokio::test]
async fn a_change_is_found_under_the_owners_new_name() {
    let ground = OnGitHub::new().await;
    let change = ground.opened().await;
    ground.place.rename("newer/api");
    let next = NewChange { body: "Better.".into(), key: "mill-1/t-1.2".into(), ..new_change() };
    for forge in [ground.forge.clone(), ground.fresh()] {
        assert_eq!(forge.open_change(next.clone()).await.unwrap().number, change.number);
    }
}
