//! `agentd:host/forge`: each question reaches the daemon about the entry's repositories, and about no other.

use super::*;
use crate::ForgeGrant;
use crate::grants::Rights;
use crate::wit::manifest::{ForgeWant, Want};
use crate::wit::work::Person;
use std::collections::BTreeSet;

pub(super) fn issue(repository: &str) -> issues::Issue {
    let ann = || Person { login: "ann".into(), name: None, bot: false, extra: vec![] };
    let label = issues::AppliedLabel { name: "agentd".into(), by: Some(ann()), at: Some(NOW), extra: vec![] };
    issues::Issue {
        repository: repository.into(),
        number: 7,
        title: "It breaks".into(),
        body: String::new(),
        url: String::new(),
        state: "open".into(),
        state_reason: String::new(),
        author: ann(),
        editor: None,
        labels: vec![label],
        assignees: vec![],
        milestone: None,
        comments: 0,
        created_at: NOW,
        changed_at: NOW,
        extra: vec![],
    }
}

fn want(writes: &[&str]) -> Want {
    let writes = writes.iter().map(|it| (*it).into()).collect();
    Want::Forge(ForgeWant { writes, why: String::new(), extra: vec![] })
}

fn words(words: &[&str]) -> BTreeSet<String> {
    words.iter().map(|it| (*it).into()).collect()
}

/// What may be asked about, or a piece of the refusal.
#[track_caller]
fn check(wants: &[Want], grants: &Grants, asked: Option<&str>, expected: Result<&[&str], &str>) {
    let what = format!("{wants:?} and {grants:?} for {asked:?}");
    match (Rights::new("p", "e", wants, grants, &json!({})).forge(asked), expected) {
        (Ok(ids), Ok(expected)) => assert_eq!(ids, expected, "{what}"),
        (Err(Refusal::Denied(text)), Err(piece)) => {
            assert!(text.starts_with("plugin `p`, entry `e`, may not ask the forge"), "{what}: {text}");
            assert!(text.contains(piece), "{what}: {text}");
        }
        (answer, _) => panic!("{what}: {answer:?}"),
    }
}

#[test]
fn the_forge_is_asked_about_what_was_wanted_and_granted() {
    let grants = Grants {
        repositories: vec!["acme/shop".into(), "acme/web".into()],
        forge: Some(ForgeGrant::default()),
        ..Grants::default()
    };
    let nothing = Grants { forge: None, ..grants.clone() };
    check(&[want(&[])], &grants, None, Ok(&["acme/shop", "acme/web"]));
    check(&[want(&[])], &grants, Some("acme/web"), Ok(&["acme/web"]));
    for other in ["acme/other", "acme/*", "", "ACME/web", "acme/web/../shop"] {
        check(&[want(&[])], &grants, Some(other), Err("none of those that its section"));
    }
    check(&[], &grants, Some("acme/web"), Err("its `describe` does not want `forge`"));
    check(&[want(&[])], &nothing, Some("acme/web"), Err("put into [approvals.p]: forge = []"));
}

#[test]
fn what_is_written_was_wanted_and_granted() {
    let granted = |writes: &[&str]| Grants { forge: Some(ForgeGrant { writes: words(writes) }), ..Grants::default() };
    for (wanted, grants, write, expected) in [
        (Some(want(&["comment"])), granted(&["comment", "label"]), "comment", true),
        (Some(want(&["comment"])), granted(&["comment", "label"]), "label", false),
        (Some(want(&["comment", "label"])), granted(&["comment"]), "label", false),
        (Some(want(&["comment"])), Grants::default(), "comment", false),
        (None, granted(&["comment"]), "comment", false),
    ] {
        let wants: Vec<Want> = wanted.into_iter().collect();
        let rights = Rights::new("p", "e", &wants, &grants, &json!({}));
        assert_eq!(rights.writes(write).is_ok(), expected, "{wants:?} {grants:?} {write}");
    }
}

#[test]
fn a_section_implies_what_its_plugin_wants() {
    let grants = Grants::implied(&[want(&["comment"]), want(&["label"])], vec![]);
    assert_eq!(grants.forge, Some(ForgeGrant { writes: words(&["comment", "label"]) }));
    assert_eq!(Grants::implied(&[], vec![]).forge, None);
}

#[tokio::test]
async fn a_guest_asks_the_forge_each_question() {
    let house = House::new().await;
    let entry = house.does("forge").await;
    assert_eq!(rank(&entry).await.unwrap(), "1 issue, It breaks with agentd by ann, then Some(\"more\"), not-found");
    assert_eq!(
        *house.daemon.asked.lock().unwrap(),
        [
            "issues [\"acme/shop\"] open [\"agentd\"] 100",
            "issues [\"acme/shop\"] all [] 1",
            "issue acme/shop#7",
            "comments [\"acme/shop\"] Some(7) 1",
            "comments [\"acme/shop\"] None 1",
            "pull requests acme/shop open Some(\"agentd/t-1\") 1",
            "labels acme/shop",
            "checks acme/shop main",
        ]
    );
}

#[tokio::test]
async fn a_guest_learns_nothing_of_other_repositories() {
    let house = House::new().await;
    assert_eq!(
        rank(&house.does("forge-nonsense").await).await.unwrap(),
        "denied denied invalid too-large invalid invalid too-large denied invalid denied invalid denied denied denied \
         invalid invalid"
    );
    assert!(house.daemon.asked.lock().unwrap().is_empty(), "nothing of it was asked");
}
