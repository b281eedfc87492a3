//! What waits for a person's word, and what the word changes.

use super::files::patched;
use super::folder::Home;
use super::reload::{digest, entry, info, put, variant};
use super::*;
use crate::{HttpGrant, Kind, Origin};

const COLLECTOR: &str = "https://collector.example.org/v1";

fn approval(wasm: &[u8], kinds: &[Kind], urls: &[&str]) -> Approval {
    let http = |url: &&str| HttpGrant { methods: vec![], url_prefix: (*url).into(), credential: None };
    let grants = Grants { http: urls.iter().map(http).collect(), ..Grants::default() };
    Approval { digest: digest(wasm), kinds: kinds.into(), grants }
}

fn of(name: &str, approval: Approval) -> BTreeMap<String, Approval> {
    [(name.to_owned(), approval)].into()
}

/// All that the hostile plugin is.
const KINDS: [Kind; 5] = [Kind::TaskSource, Kind::Prioritizer, Kind::PromptTemplate, Kind::Notifier, Kind::Agent];

#[tokio::test]
async fn a_version_that_wants_more_waits_while_the_old_one_serves() {
    let home = Home::new().file("plugins/a.wasm", &variant("one"));
    let plugins = home.load().await.unwrap();
    let entry = entry(&plugins, "hostile").await;
    put(&home, &plugins, "a.wasm", &variant("wider")).await;
    assert_eq!(home.daemon.heard(), ["hostile loaded", "hostile held"]);
    let held = info(&plugins, "hostile").held.unwrap();
    assert_eq!((held.version.as_str(), held.digest), ("1.1.0", digest(&variant("wider"))));
    assert_eq!(held.wider, [format!("http: POST {COLLECTOR} (to report)")]);
    assert!(held.why.contains("hint: `agentd plugin approve hostile`"), "{}", held.why);
    assert_eq!((rank(&entry).await.unwrap(), entry.generation()), ("done".into(), 1));

    plugins.set_approvals(of("hostile", approval(&variant("two"), &KINDS, &[])), OnDrop::Hold).await;
    assert_eq!(info(&plugins, "hostile").held.unwrap().wider, [format!("http: POST {COLLECTOR}")], "another's word");
    home.daemon.heard();
    plugins.set_approvals(of("hostile", approval(&variant("wider"), &KINDS, &[COLLECTOR])), OnDrop::Hold).await;
    assert_eq!(home.daemon.heard(), ["hostile swapped"]);
    let listed = info(&plugins, "hostile");
    assert_eq!((listed.generation, listed.approved, listed.held), (2, true, None));
    assert_eq!((rank(&entry).await.unwrap(), entry.generation()), ("done".into(), 2));

    put(&home, &plugins, "a.wasm", &patched(variant("wider"), "plugin must not do", "plugin should not ")).await;
    assert_eq!(home.daemon.heard(), ["hostile swapped"], "a later version that wants no more needs no new word");
    assert!(!info(&plugins, "hostile").approved, "though it is not what the person saw");
}

#[tokio::test]
async fn a_first_version_that_wants_more_serves_nobody_until_it_is_approved() {
    let home = Home::new().file("plugins/a.wasm", &variant("wider"));
    let plugins = home.load().await.unwrap();
    assert_eq!(home.daemon.heard(), ["hostile held"]);
    let listed = info(&plugins, "hostile");
    assert_eq!((listed.serving, listed.generation), (false, 0));
    assert!(listed.problem.unwrap().starts_with("waits for approval: plugin `hostile` wants http: POST"));
    let refused = plugins.entry("e", "hostile", json!({}), vec![]).await.err().unwrap().to_string();
    assert!(refused.starts_with("plugin `hostile` may not serve: waits for approval: "), "{refused}");
    plugins.set_approvals(of("hostile", approval(&variant("wider"), &KINDS, &[])), OnDrop::Hold).await;
    assert_eq!(home.daemon.heard(), ["hostile loaded"]);
    assert!(plugins.entry("e", "hostile", json!({}), vec![]).await.is_ok());
}

#[tokio::test]
async fn a_narrower_word_takes_effect_on_the_next_call() {
    let home = Home::new().file("plugins/a.wasm", &variant("one"));
    let plugins = home.load().await.unwrap();
    let url = "https://example.org/hook";
    plugins.set_approvals(of("hostile", approval(&variant("one"), &KINDS, &[url])), OnDrop::Hold).await;
    let settings = json!({ "does": "http", "url": url });
    let entry = plugins.entry("e", "hostile", settings, vec![]).await.unwrap();
    assert_eq!(rank(&entry).await.unwrap(), "200");
    let elsewhere = approval(&variant("one"), &KINDS, &["https://example.org/other"]);
    plugins.set_approvals(of("hostile", elsewhere), OnDrop::Hold).await;
    let refused = rank(&entry).await.unwrap_err().to_string();
    assert!(refused.starts_with("denied: ") && refused.contains("[approvals.hostile]"), "{refused}");
    assert_eq!(entry.generation(), 1, "nothing was swapped");
    plugins.set_approvals(BTreeMap::new(), OnDrop::Hold).await;
    let refused = rank(&entry).await.unwrap_err().to_string();
    assert!(refused.contains("does not serve") && refused.contains("waits for approval"), "{refused}");
    plugins.set_approvals(BTreeMap::new(), OnDrop::Grant).await;
    assert!(plugins.entry("f", "hostile", json!({ "does": "http", "url": url }), vec![]).await.is_ok());
}

#[tokio::test]
async fn a_word_that_is_taken_back_ends_what_it_allowed() {
    let home = Home::new().file("plugins/a.wasm", &variant("wider"));
    let plugins = home.load().await.unwrap();
    plugins.set_approvals(BTreeMap::new(), OnDrop::Grant).await;
    let entry = entry(&plugins, "hostile").await;
    assert_eq!(rank(&entry).await.unwrap(), "done");
    plugins.set_approvals(BTreeMap::new(), OnDrop::Hold).await;
    assert_eq!(home.daemon.heard(), ["hostile held", "hostile loaded", "hostile held"]);
    assert!(matches!(rank(&entry).await, Err(CallError::Gone { .. })));
    plugins.set_approvals(BTreeMap::new(), OnDrop::Grant).await;
    assert_eq!(rank(&entry).await.unwrap(), "done", "and the entry is the same");
}

#[tokio::test]
async fn to_be_of_a_kind_is_a_want() {
    let less = patched(variant("one"), "agentd:notifier/notifier@1", "agentx:notifier/notifier@1");
    let home = Home::new().file("plugins/a.wasm", &less);
    let plugins = home.load().await.unwrap();
    put(&home, &plugins, "a.wasm", &variant("two")).await;
    assert_eq!(info(&plugins, "hostile").held.unwrap().wider, ["kind: notifier"]);
    plugins.set_approvals(of("hostile", approval(&variant("two"), &KINDS[..3], &[])), OnDrop::Hold).await;
    let held = info(&plugins, "hostile").held.unwrap();
    assert_eq!(held.wider, ["kind: notifier", "kind: agent"], "the word names other kinds");
    plugins.set_approvals(of("hostile", approval(&variant("two"), &KINDS, &[])), OnDrop::Hold).await;
    assert_eq!(info(&plugins, "hostile").generation, 2);
    plugins.set_approvals(of("hostile", approval(&variant("two"), &KINDS[..3], &[])), OnDrop::Hold).await;
    assert!(!info(&plugins, "hostile").serving, "what is a kind that it may not be any more serves nobody");
}

#[tokio::test]
async fn a_shipped_plugin_is_replaced_by_the_file_that_a_person_saw_and_comes_back() {
    let home = Home::new();
    let plugins = home.load().await.unwrap();
    let entry = entry(&plugins, "label-priority").await;
    let mine = |number| patched(guest("label_priority"), "label ", &format!("lab{number:02} "));
    plugins.set_approvals(BTreeMap::new(), OnDrop::Grant).await;
    put(&home, &plugins, "mine.wasm", &mine(1)).await;
    assert_eq!(home.daemon.heard(), ["label-priority held"], "whatever else is granted");
    let kinds = [Kind::Prioritizer];
    plugins.set_approvals(of("label-priority", approval(&mine(1), &kinds, &[])), OnDrop::Hold).await;
    assert_eq!(rank(&entry).await.unwrap(), "lab01 bug +30");
    put(&home, &plugins, "mine.wasm", &mine(2)).await;
    assert_eq!(home.daemon.heard(), ["label-priority swapped", "label-priority held"]);
    assert_eq!(rank(&entry).await.unwrap(), "lab01 bug +30", "the word was about another file");
    std::fs::remove_file(home.path("plugins/mine.wasm")).unwrap();
    plugins.look().await;
    assert_eq!(home.daemon.heard(), ["label-priority restored"]);
    assert_eq!(rank(&entry).await.unwrap(), "label bug +30");
    let listed = info(&plugins, "label-priority");
    assert_eq!((listed.origin, listed.held, listed.generation), (Origin::Shipped, None, 3));
    put(&home, &plugins, "mine.wasm", &mine(1)).await;
    plugins.set_approvals(BTreeMap::new(), OnDrop::Hold).await;
    assert_eq!(rank(&entry).await.unwrap(), "label bug +30", "without the word, the shipped one serves");
    assert_eq!(home.daemon.heard(), ["label-priority swapped", "label-priority held"]);
}
