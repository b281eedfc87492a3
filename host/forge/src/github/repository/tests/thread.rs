//! Issues, people, comments, labels and claims.

use super::*;
use crate::github::marker::Place as Marked;
use crate::{Applied, Reaction, Said, Text, TextEdit};

fn said(number: u32, slot: &str, body: &str) -> Edit {
    Edit { number, comment: Some(Said { slot: slot.into(), body: body.into() }), ..Edit::default() }
}

fn words(list: &[&str]) -> Vec<String> {
    list.iter().map(|it| (*it).to_owned()).collect()
}

/// Who said what on a thread, without markers.
fn heard(ground: &OnGitHub, number: u32) -> Vec<(String, String)> {
    let comments = ground.place.comments(number).into_iter();
    comments.map(|it| (it.author, crate::github::marker::without(&it.body).to_owned())).collect()
}

#[track_caller]
fn check_heard(ground: &OnGitHub, number: u32, expected: &[(&str, &str)]) {
    let heard = heard(ground, number);
    let seen: Vec<_> = heard.iter().map(|(who, what)| (who.as_str(), what.as_str())).collect();
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn a_right_is_what_github_says_now() {
    let ground = OnGitHub::new().await;
    ground.place.set_public();
    ground.fake.user("eve");
    for (login, given, expected) in [
        ("ann", Given::Admin, Right::Admin),
        ("mae", Given::Maintain, Right::Maintain),
        ("wes", Given::Write, Right::Write),
        ("tim", Given::Triage, Right::Triage),
        ("rob", Given::Read, Right::Read),
    ] {
        ground.place.give(login, given);
        assert_eq!(ground.forge.right(login).await.unwrap(), expected, "{login}");
        assert_eq!(ground.forge.right(&login.to_uppercase()).await.unwrap(), expected, "{login}");
    }
    ground.place.give_role("cat", "release captain", Given::Write);
    assert_eq!(ground.forge.right("cat").await.unwrap(), Right::Write);
    ground.place.give("ann", Given::Read);
    assert_eq!(ground.forge.right("ann").await.unwrap(), Right::Read, "it was taken away meanwhile");
    // Everybody may read what is public; who does not exist may not even do that.
    assert_eq!(ground.forge.right("eve").await.unwrap(), Right::Read);
    for nobody in ["", "nobody-of-that-name", "..", "../../..", "ann/permission", "ann?x", "dependabot[bot]"] {
        assert_eq!(ground.forge.right(nobody).await.unwrap(), Right::None, "{nobody}");
    }
}

#[tokio::test]
async fn what_cannot_be_seen_says_nothing_of_people_and_issues() {
    let ground = OnGitHub::new().await;
    ground.place.give("ann", Given::Write);
    let number = ground.place.open_issue("ann", "T", "");
    ground.place.give(BOT, Given::None);
    let errors = [ground.forge.right("ann").await.unwrap_err(), ground.forge.issue(number).await.unwrap_err()];
    for error in errors {
        assert!(matches!(error, Error::NoRepository { .. }), "{error}");
        assert!(error.is_access() && !error.is_transient());
    }
}

#[tokio::test]
async fn an_issue_comes_with_who_made_it_what_it_is() {
    let ground = OnGitHub::new().await;
    let number = ground.place.open_issue("ann", "The sum is wrong", "It says 5.");
    ground.place.label("wes", number, "agentd");
    ground.fake.advance(Duration::from_secs(60));
    ground.place.edit_body("eve", number, "It says 6.");
    ground.place.edit_title("ann", number, "The sums are wrong");
    ground.place.assign("wes", number, "rob");
    ground.place.set_milestone("wes", number, Some("v2"));
    ground.place.comment("eve", number, "Me too");
    let issue = ground.forge.issue(number).await.unwrap().unwrap();
    assert_eq!((issue.title.as_str(), issue.body.as_str()), ("The sums are wrong", "It says 6."));
    assert_eq!((issue.open, issue.author.login.as_str(), issue.comments), (true, "ann", 1));
    assert_eq!((issue.assignees.as_slice(), issue.milestone.as_deref()), (words(&["rob"]).as_slice(), Some("v2")));
    let [Applied { name, by: Some(Person { login, .. }), at: Some(at) }] = issue.labels.as_slice() else {
        panic!("{:?}", issue.labels)
    };
    assert_eq!((name.as_str(), login.as_str()), ("agentd", "wes"));
    let by = |it: &TextEdit| (it.by.as_ref().map(|it| it.login.clone()), it.what);
    let later: Vec<_> = issue.edits.iter().filter(|it| it.at > *at).map(by).collect();
    assert!(later.contains(&(Some("eve".into()), Text::Body)), "{later:?}");
    assert!(later.contains(&(Some("ann".into()), Text::Title)), "{later:?}");
    assert!(later.iter().all(|(by, _)| by.is_some()), "nothing is unknown here: {later:?}");

    ground.place.close("ann", number, Some("not_planned"));
    let issue = ground.forge.issue(number).await.unwrap().unwrap();
    assert_eq!((issue.open, issue.state_reason.as_str()), (false, "not-planned"));
    assert_eq!(issue.closed_by.map(|it| it.login).as_deref(), Some("ann"));
    let change = ground.opened().await;
    assert_eq!(ground.forge.issue(change.number).await.unwrap(), None, "a pull request is none");
    assert_eq!(ground.forge.issue(999).await.unwrap(), None);
}

#[tokio::test]
async fn a_slot_is_one_living_comment() {
    let ground = OnGitHub::new().await;
    let number = ground.place.open_issue("ann", "T", "");
    ground.forge.edit(&said(number, "progress", "Working.")).await.unwrap();
    let writes = ground.fake.writes().len();
    ground.forge.edit(&said(number, "progress", "Working.")).await.unwrap();
    ground.other.edit(&said(number, "progress", "Working.\r\n")).await.unwrap();
    assert_eq!(ground.written(writes), [""; 0], "nothing new, nothing written");
    ground.other.edit(&said(number, "progress", "Done.")).await.unwrap();
    ground.forge.edit(&said(number, "notice", "Something else.")).await.unwrap();
    check_heard(&ground, number, &[(BOT, "Done."), (BOT, "Something else.")]);
    // Somebody tidies up: it is said anew, once.
    let first = ground.place.comments(number)[0].id;
    ground.place.delete_comment(first);
    ground.forge.edit(&said(number, "progress", "Done again.")).await.unwrap();
    ground.fresh().edit(&said(number, "progress", "Done again.")).await.unwrap();
    check_heard(&ground, number, &[(BOT, "Something else."), (BOT, "Done again.")]);
}

#[tokio::test]
async fn of_twins_the_younger_goes() {
    let ground = OnGitHub::new().await;
    let number = ground.place.open_issue("ann", "T", "");
    let marked = ground.forge.signer().mark(Marked::Thread(number), "progress", "Working.");
    for _ in 0..3 {
        ground.place.comment(BOT, number, &marked);
    }
    let eldest = ground.place.comments(number)[0].id;
    ground.forge.edit(&said(number, "progress", "Working on.")).await.unwrap();
    check_heard(&ground, number, &[(BOT, "Working on.")]);
    assert_eq!(ground.place.comments(number)[0].id, eldest);
    // Two processes, which know nothing of one another, at the same time.
    let (one, two) = (said(number, "notice", "Hello."), said(number, "notice", "Hello."));
    let (forge, other) = (ground.fresh(), ground.fresh());
    let (one, two) = tokio::join!(forge.edit(&one), other.edit(&two));
    one.unwrap();
    two.unwrap();
    ground.fresh().edit(&said(number, "notice", "Hello.")).await.unwrap();
    check_heard(&ground, number, &[(BOT, "Working on."), (BOT, "Hello.")]);
}

#[tokio::test]
async fn a_copied_marker_is_nothing() {
    let ground = OnGitHub::new().await;
    let (one, two) = (ground.place.open_issue("ann", "T", ""), ground.place.open_issue("ann", "U", ""));
    ground.forge.edit(&said(one, "progress", "Working.")).await.unwrap();
    let copied = ground.place.comments(one)[0].body.clone();
    // An outsider copies it, before and after; and agentd's own account says the same elsewhere.
    ground.place.comment("eve", one, &copied);
    ground.place.comment("eve", two, &copied);
    ground.place.comment(BOT, two, &copied);
    let forge = ground.fresh();
    forge.edit(&said(one, "progress", "Done.")).await.unwrap();
    forge.edit(&said(two, "progress", "Working, too.")).await.unwrap();
    check_heard(&ground, one, &[(BOT, "Done."), ("eve", "Working.")]);
    check_heard(&ground, two, &[("eve", "Working."), (BOT, "Working."), (BOT, "Working, too.")]);
    // Another instance with the same account has comments of its own.
    ground.of_instance("mill-2").edit(&said(one, "progress", "Me too.")).await.unwrap();
    check_heard(&ground, one, &[(BOT, "Done."), ("eve", "Working."), (BOT, "Me too.")]);
    // A text cannot bring a marker along.
    ground.forge.edit(&said(one, "notice", &copied)).await.unwrap();
    assert_eq!(ground.place.comments(one)[3].body.matches("<!--").count(), 1);
}

#[tokio::test]
async fn what_is_posted_calls_nobody_and_closes_nothing() {
    let ground = OnGitHub::new().await;
    let number = ground.place.open_issue("ann", "T", "");
    let body = "Thanks @ann! Fixes #1. ![x](https://evil.example/?secret)";
    ground.forge.edit(&said(number, "progress", body)).await.unwrap();
    let posted = ground.place.comments(number)[0].body.clone();
    for bad in ["@ann", "Fixes #1", "evil.example"] {
        assert!(!posted.contains(bad), "`{bad}` is in: {posted}");
    }
    let long = "word ".repeat(30_000);
    ground.forge.edit(&said(number, "progress", &long)).await.unwrap();
    let posted = ground.place.comments(number)[0].body.clone();
    assert!(posted.len() < 65_536 && posted.contains("longer than GitHub takes"), "{}", posted.len());
}

#[tokio::test]
async fn an_edit_makes_all_of_it_so_and_only_once() {
    let ground = OnGitHub::new().await;
    let number = ground.place.open_issue("ann", "T", "");
    for name in ["agentd", "bug", "agentd:blocked"] {
        ground.place.label("ann", number, name);
    }
    ground.place.assign("ann", number, "rob");
    ground.place.give("rob", Given::Write);
    let edit = Edit {
        add_labels: words(&["Bug", "agentd:in-progress"]),
        remove_labels: words(&["agentd:blocked", "never there"]),
        add_assignees: words(&["@me", "Rob"]),
        remove_assignees: words(&["nobody"]),
        reaction: Some(Reaction { comment: None, content: "eyes".into() }),
        ..said(number, "progress", "Working.")
    };
    ground.forge.edit(&edit).await.unwrap();
    let issue = ground.place.issue(number);
    assert_eq!(issue.labels, ["agentd", "agentd:in-progress", "bug"]);
    assert_eq!(issue.assignees, ["rob", BOT]);
    assert_eq!(issue.reactions, [("eyes".to_owned(), BOT.to_owned())]);
    let writes = ground.fake.writes().len();
    ground.fresh().edit(&edit).await.unwrap();
    assert_eq!(ground.written(writes), ["POST /repos/{owner}/{repo}/issues/{issue_number}/reactions"]);
    assert_eq!(ground.place.issue(number), issue);

    let back = Edit {
        number,
        remove_assignees: words(&["@me"]),
        remove_labels: words(&["Agentd:In-Progress"]),
        ..Edit::default()
    };
    ground.forge.edit(&back).await.unwrap();
    let issue = ground.place.issue(number);
    assert_eq!((issue.labels, issue.assignees), (words(&["agentd", "bug"]), words(&["rob"])));
}

#[tokio::test]
async fn agentds_labels_have_their_colours_and_others_are_made_as_they_come() {
    let ground = OnGitHub::new().await;
    let number = ground.place.open_issue("ann", "T", "");
    let edit = Edit { number, add_labels: words(&["agentd:in-progress", "odd/name #1?"]), ..Edit::default() };
    ground.forge.edit(&edit).await.unwrap();
    let labels = ground.forge.github().labels("acme/api").await.unwrap();
    let made = labels.iter().find(|it| it.name == "agentd:in-progress").unwrap();
    assert_eq!((made.color.as_str(), made.description.as_str()), ("fbca04", "agentd works on it"));
    assert_eq!(ground.place.issue(number).labels, ["agentd:in-progress", "odd/name #1?"]);
    ground.forge.edit(&Edit { number, remove_labels: edit.add_labels, ..Edit::default() }).await.unwrap();
    assert_eq!(ground.place.issue(number).labels, [""; 0]);
}

#[tokio::test]
async fn a_part_that_is_refused_does_not_keep_the_others_from_being_done() {
    let ground = OnGitHub::new().await;
    let number = ground.place.open_issue("ann", "T", "");
    let edit = Edit {
        add_assignees: words(&["nobody-of-that-name"]),
        reaction: Some(Reaction { comment: None, content: "thumbs".into() }),
        ..said(number, "progress", "It failed.")
    };
    let error = ground.forge.edit(&edit).await.unwrap_err();
    check_text(&error, &["the reaction: `thumbs` is none of +1"]);
    check_heard(&ground, number, &[(BOT, "It failed.")]);
    // A comment that is gone takes its reaction with it.
    let gone = Reaction { comment: Some("12345".into()), content: "+1".into() };
    ground.forge.edit(&Edit { number, reaction: Some(gone), ..Edit::default() }).await.unwrap();
    let comment = ground.place.comment("ann", number, "agentd?");
    let seen = Reaction { comment: Some(comment.to_string()), content: "eyes".into() };
    ground.forge.edit(&Edit { number, reaction: Some(seen), ..Edit::default() }).await.unwrap();
    let reactions = ground.place.comments(number).pop().unwrap().reactions;
    assert_eq!(reactions, [("eyes".to_owned(), BOT.to_owned())]);
    let error = ground.forge.edit(&said(999, "progress", "x")).await.unwrap_err();
    check_text(&error, &["acme/api has no issue or pull request 999"]);
}

#[tokio::test]
async fn a_thread_is_one_instances_and_one_tasks() {
    let ground = OnGitHub::new().await;
    let number = ground.place.open_issue("ann", "T", "");
    let theirs = ground.of_instance("mill-2");
    ground.forge.claim(number, "t-1").await.unwrap();
    ground.fresh().claim(number, "t-1").await.unwrap();
    let error = theirs.claim(number, "t-1").await.unwrap_err();
    let Error::Claimed { since: Some(since), .. } = &error else { panic!("{error}") };
    assert!((ground.fake.now() - since).abs() < 60_000);
    check_text(&error, &["acme/api#1 is taken: the agentd instance mill-1 (task t-1) works on it since 20"]);
    check_text(&error, &["hint: ", "gh api -X DELETE repos/acme/api/git/refs/agentd/claims/1"]);
    let error = ground.forge.claim(number, "t-2").await.unwrap_err();
    check_text(&error, &["the task t-1 of this agentd works on it"]);
    // It is nobody else's to give back: not another instance's, nor that of the task that was refused.
    theirs.release(number, "t-1").await.unwrap();
    ground.forge.release(number, "t-2").await.unwrap();
    assert_eq!(ground.place.refs("refs/agentd/").len(), 1);
    for _ in 0..2 {
        ground.fresh().release(number, "t-1").await.unwrap();
        assert_eq!(ground.place.refs("refs/agentd/").len(), 0);
    }
    theirs.claim(number, "t-9").await.unwrap();
    assert_eq!(ground.place.branches().keys().collect::<Vec<_>>(), ["main"], "a claim is no branch");
}

#[tokio::test]
async fn a_claim_needs_no_right_to_change_workflows() {
    let ground = OnGitHub::new().await;
    ground.place.push_files(&[(".github/workflows/ci.yml", "on: push\n")]);
    let number = ground.place.open_issue("ann", "T", "");
    ground.forge.claim(number, "t-1").await.unwrap();
    let main = ground.tip("main").await.unwrap();
    let claim = &ground.place.refs("refs/agentd/")[&format!("refs/agentd/claims/{number}")];
    let git = git_in(&ground.place.folder());
    assert_eq!(git.ok(&["diff-tree", "-r", &main, claim]).await.unwrap(), "", "it changes nothing");
}

#[tokio::test]
async fn an_issue_that_was_moved_away_is_none_of_this_repository() {
    let ground = OnGitHub::new().await;
    let elsewhere = ground.fake.repository("acme/elsewhere");
    elsewhere.give(BOT, Given::Write);
    // It gets the same number there, as that of a repository that was renamed would.
    let number = ground.place.open_issue("ann", "T", "");
    assert_eq!(ground.place.transfer(number, &elsewhere), number);
    for forge in [&ground.forge, &ground.fresh()] {
        assert_eq!(forge.issue(number).await.unwrap(), None);
        let error = forge.edit(&said(number, "progress", "x")).await.unwrap_err();
        check_text(&error, &["acme/api has no issue or pull request 1"]);
        assert_eq!(forge.right("ann").await.unwrap(), Right::None);
    }
    assert_eq!((elsewhere.comments(number), elsewhere.refs("refs/agentd/").len()), (vec![], 0));
    assert_eq!(ground.place.open_issue("ann", "Next", ""), 2);
    assert_eq!(ground.forge.issue(2).await.unwrap().unwrap().title, "Next");
}

#[tokio::test]
async fn of_many_who_claim_at_once_one_has_it() {
    let ground = OnGitHub::new().await;
    let number = ground.place.open_issue("ann", "T", "");
    let instances = ["mill-1", "mill-2", "mill-3", "mill-4"].map(|it| ground.of_instance(it));
    let [a, b, c, d] = &instances;
    let (a, b, c, d) =
        tokio::join!(a.claim(number, "t-1"), b.claim(number, "t-1"), c.claim(number, "t-1"), d.claim(number, "t-1"));
    let won = [a, b, c, d].into_iter().filter(|it| match it {
        Ok(()) => true,
        Err(error) => {
            assert!(matches!(error, Error::Claimed { .. }), "{error}");
            false
        }
    });
    assert_eq!(won.count(), 1);
    // Whoever has it, has it still.
    let mut still = 0;
    for instance in &instances {
        still += usize::from(instance.claim(number, "t-1").await.is_ok());
    }
    assert_eq!((still, ground.place.refs("refs/agentd/").len()), (1, 1));
}

#[tokio::test]
async fn a_claim_that_nobody_can_read_is_somebodys() {
    let ground = OnGitHub::new().await;
    let number = ground.place.open_issue("ann", "T", "");
    let main = ground.place.branches()["main"].clone();
    git_in(&ground.place.folder()).ok(&["update-ref", &format!("refs/agentd/claims/{number}"), &main]).await.unwrap();
    let error = ground.forge.claim(number, "t-1").await.unwrap_err();
    check_text(&error, &["somebody who does not say who they are works on it\n"]);
    ground.forge.release(number, "t-1").await.unwrap();
    assert_eq!(ground.place.refs("refs/agentd/").len(), 1);
}
