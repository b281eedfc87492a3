//! What plugins want written: what is left of it, and what they are told about the rest.

use super::*;
use crate::edits::{assignees, screen};
use crate::grants::Rights;
use crate::wit::manifest::{ForgeWant, Want};
use crate::wit::work::{Edit, Thread};

fn rights(writes: &[&str]) -> Rights {
    let writes = writes.iter().map(|it| (*it).into()).collect();
    let wants = [Want::Forge(ForgeWant { writes, why: String::new(), extra: vec![] })];
    let grants = Grants::implied(&wants, vec!["acme/shop".into()]);
    Rights::new("p", "e", &wants, &grants, &json!({}))
}

const ALL: &[&str] = &["comment", "label", "reaction"];

fn edit() -> Edit {
    Edit {
        thread: Thread { repository: "acme/shop".into(), number: 3, extra: vec![] },
        comment: None,
        slot: None,
        reply_to: None,
        reaction: None,
        add_labels: vec![],
        remove_labels: vec![],
        extra: vec![],
    }
}

fn whole() -> Edit {
    Edit {
        comment: Some("Works on it.".into()),
        slot: Some("progress".into()),
        reply_to: Some("IC_7".into()),
        reaction: Some("eyes".into()),
        add_labels: vec!["agentd:in-progress".into()],
        remove_labels: vec!["agentd:blocked".into()],
        extra: vec![
            ("add-assignees".into(), r#"["@me"]"#.into()),
            ("remove-assignees".into(), r#"["dependabot[bot]"]"#.into()),
            ("p.own".into(), "stays".into()),
        ],
        ..edit()
    }
}

/// `left`: what stays; `told`: a piece of each sentence.
#[track_caller]
fn check(writes: &[&str], it: Edit, left: Option<Edit>, told: &[&str]) {
    let what = format!("{it:?}");
    let (kept, dropped) = screen(&rights(writes), vec![it]);
    assert_eq!(kept, left.into_iter().collect::<Vec<_>>(), "{what}");
    assert_eq!(dropped.len(), told.len(), "{what}: {dropped:?}");
    for (sentence, piece) in dropped.iter().zip(told) {
        assert!(sentence.contains(piece) && !sentence.contains(['\n', '\u{1b}']), "{what}: {sentence}");
    }
}

#[test]
fn what_is_granted_stays_as_it_is() {
    check(ALL, whole(), Some(whole()), &[]);
    let (add, remove) = assignees(&whole());
    assert_eq!((add, remove), (vec!["@me".to_owned()], vec!["dependabot[bot]".to_owned()]));
    check(ALL, edit(), None, &[]);
}

#[test]
fn what_is_not_granted_is_dropped_with_what_would_allow_it() {
    let allow = "its `describe` does not want `forge` with the write `reaction`";
    let extra = vec![("p.own".to_owned(), "stays".to_owned())];
    let talk = Edit { add_labels: vec![], remove_labels: vec![], reaction: None, extra: extra.clone(), ..whole() };
    let label = "acme/shop#3: a change of labels was dropped: ";
    check(
        &["comment"],
        whole(),
        Some(talk),
        &[
            "acme/shop#3: a reaction was dropped: ",
            label,
            "an assignee to add was dropped: it counts as the write `label`",
            "an assignee to take off was",
        ],
    );
    let mute = Edit { comment: None, slot: None, reaction: None, ..whole() };
    check(&["label"], whole(), Some(mute), &["acme/shop#3: a comment was dropped: ", allow]);
    check(&["reaction"], Edit { reaction: None, extra, ..whole() }, None, &["a comment was", "a change of labels"]);
}

#[test]
fn nothing_is_written_elsewhere() {
    for (repository, number, why) in [
        ("acme/other", 3, "acme/other#3: what it wants written was dropped: the repository is none of the entry's"),
        ("acme/shop", 0, "acme/shop#0: what it wants written was dropped: no issue"),
        ("acme/\u{1b}[2Jshop\n", 3, "the repository is none of the entry's"),
    ] {
        let thread = Thread { repository: repository.into(), number, extra: vec![] };
        check(ALL, Edit { thread, ..whole() }, None, &[why]);
    }
}

#[test]
fn what_cannot_be_is_dropped() {
    let slot = |slot: &str| Edit { comment: Some("x".into()), slot: Some(slot.into()), ..edit() };
    for name in ["", "a b", "-->", "ä", &"s".repeat(65)] {
        check(ALL, slot(name), None, &["a comment was dropped: its slot is not a name"]);
    }
    check(ALL, Edit { comment: Some(" \n".into()), ..edit() }, None, &["it is empty"]);
    check(ALL, Edit { slot: Some("alone".into()), ..edit() }, None, &[]);
    check(ALL, Edit { reaction: Some("tada".into()), ..edit() }, None, &["there is no such reaction"]);
    let nowhere = Edit { reaction: Some("eyes".into()), reply_to: Some("a\nb".into()), ..edit() };
    check(ALL, nowhere, None, &["named by no id"]);
    for label in ["", " ", "a\u{1b}[2Jb", "a\nb", &"l".repeat(51)] {
        let bad = Edit { add_labels: vec![label.into(), "good".into()], ..edit() };
        let good = Edit { add_labels: vec!["good".into()], ..edit() };
        check(ALL, bad, Some(good), &["a label to add was dropped: "]);
    }
    for (logins, told) in [
        (r#"["a/../b"]"#, "`a/../b` cannot be one"),
        (r#"["@you"]"#, "`@you` cannot be one"),
        ("ann", "it is no JSON list of logins"),
        (r#"{"a": 1}"#, "it is no JSON list of logins"),
    ] {
        let extra = vec![("add-assignees".to_owned(), logins.to_owned())];
        check(ALL, Edit { extra, ..edit() }, None, &[told]);
    }
}

#[test]
fn a_label_that_is_to_be_there_is_not_taken_off() {
    let names = |names: &[&str]| names.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
    let torn = Edit { add_labels: names(&["a", "a", "b"]), remove_labels: names(&["B", "c", "c"]), ..edit() };
    let clear = Edit { add_labels: names(&["a", "b"]), remove_labels: names(&["c"]), ..edit() };
    check(ALL, torn, Some(clear), &[]);
}

#[test]
fn there_is_an_end_to_everything() {
    let many: Vec<String> = (0..25).map(|it| format!("l{it}")).collect();
    let kept = Edit { add_labels: many[..20].to_vec(), ..edit() };
    check(ALL, Edit { add_labels: many.clone(), ..edit() }, Some(kept), &["there are 25, and 20 are allowed"]);
    let logins = |logins: &[String]| vec![("add-assignees".to_owned(), serde_json::to_string(logins).unwrap())];
    let kept = Edit { extra: logins(&many[..10]), ..edit() };
    check(ALL, Edit { extra: logins(&many), ..edit() }, Some(kept), &["there are 25, and 10 are allowed"]);

    let edits = vec![whole(); 60];
    let (kept, dropped) = screen(&rights(ALL), edits);
    assert_eq!((kept.len(), dropped.len()), (50, 1), "{dropped:?}");
    assert_eq!(dropped[0], "10 edits were dropped: one answer may hold 50");
}

#[test]
fn a_long_comment_is_cut_between_letters() {
    let long = Edit { comment: Some("ä".repeat(40_000)), ..edit() };
    let (kept, dropped) = screen(&rights(ALL), vec![long]);
    let comment = kept[0].comment.as_ref().unwrap();
    assert!((59_990..=60_000).contains(&comment.len()), "{}", comment.len());
    assert!(comment.ends_with("ä\n\n(agentd cut this text: it was 80000 bytes long.)"));
    assert_eq!(dropped, ["acme/shop#3: a comment was cut: 60000 bytes are allowed"]);
    let fits = Edit { comment: Some("a".repeat(60_000)), ..edit() };
    check(ALL, fits.clone(), Some(fits), &[]);
}
