//! The way back to the version before: by hand, and by itself.

use super::folder::Home;
use super::reload::{digest, entry, info, put, variant};
use super::*;
use crate::{Error, Held};

/// A home with version `one` replaced by `word`, and an entry of it.
async fn swapped(word: &str) -> (Home, Plugins, Entry) {
    let home = Home::new().file("plugins/a.wasm", &variant("one"));
    let plugins = home.load().await.unwrap();
    let entry = entry(&plugins, "hostile").await;
    put(&home, &plugins, "a.wasm", &variant(word)).await;
    assert_eq!(home.daemon.heard(), ["hostile loaded", "hostile swapped"]);
    (home, plugins, entry)
}

async fn fail(entry: &Entry) {
    for _ in 0..3 {
        assert!(matches!(rank(entry).await, Err(CallError::Failed { .. })));
    }
}

fn held(plugins: &Plugins) -> Held {
    info(plugins, "hostile").held.unwrap()
}

#[tokio::test]
async fn a_version_that_fails_at_once_is_taken_back() {
    let (home, plugins, entry) = swapped("breaks").await;
    fail(&entry).await;
    plugins.closed().await;
    assert_eq!(home.daemon.heard(), ["hostile opened", "hostile rolled-back"]);
    assert_eq!((rank(&entry).await.unwrap(), entry.generation()), ("done".into(), 3));
    let listed = info(&plugins, "hostile");
    assert_eq!((listed.digest, listed.previous), (digest(&variant("one")), None));
    assert_eq!(held(&plugins).digest, digest(&variant("breaks")));
    let why = held(&plugins).why;
    assert!(why.starts_with("version 1.1.0 was rolled back: its entry e failed again and again"), "{why}");
    assert!(why.contains("it panicked") && why.contains("`agentd plugin approve hostile`"), "{why}");

    plugins.look().await;
    std::fs::write(home.path("plugins/a.wasm"), variant("breaks")).unwrap();
    plugins.look().await;
    assert_eq!(home.daemon.heard(), Vec::<String>::new(), "the same file stays held");
    put(&home, &plugins, "a.wasm", &variant("two")).await;
    assert_eq!(home.daemon.heard(), ["hostile swapped"], "another one is welcome");
    assert_eq!(info(&plugins, "hostile").held, None);
}

#[tokio::test]
async fn what_fails_later_than_a_minute_after_the_swap_rests_and_stays() {
    let (home, plugins, entry) = swapped("breaks").await;
    home.daemon.pass(60_001);
    fail(&entry).await;
    plugins.closed().await;
    assert_eq!(home.daemon.heard(), ["hostile opened"]);
    assert!(matches!(rank(&entry).await, Err(CallError::Open { .. })));
    home.daemon.pass(30_000);
    rank(&entry).await.unwrap_err();
    assert_eq!(home.daemon.heard(), ["hostile half-open", "hostile opened"]);
    put(&home, &plugins, "a.wasm", &variant("two")).await;
    assert_eq!(rank(&entry).await.unwrap(), "done", "a new version begins with a closed breaker");
}

#[tokio::test]
async fn what_fails_without_a_swap_has_no_way_back() {
    let home = Home::new().file("plugins/a.wasm", &variant("breaks"));
    let plugins = home.load().await.unwrap();
    let entry = entry(&plugins, "hostile").await;
    fail(&entry).await;
    plugins.closed().await;
    assert_eq!(home.daemon.heard(), ["hostile loaded", "hostile opened"]);
    let refused = plugins.rollback("hostile").await.unwrap_err();
    assert!(matches!(refused, Error::NoPrevious { .. }), "{refused}");
    let refused = plugins.rollback("nobody").await.unwrap_err();
    assert!(matches!(refused, Error::Unknown { .. }), "{refused}");
}

#[tokio::test]
async fn a_person_goes_back_and_forth() {
    let (home, plugins, entry) = swapped("two").await;
    let back = plugins.rollback("hostile").await.unwrap();
    assert_eq!((back.digest, back.generation), (digest(&variant("one")), 3));
    assert!(held(&plugins).why.starts_with("version 1.1.0 was rolled back: a person asked for it\nhint: "));
    assert_eq!((rank(&entry).await.unwrap(), entry.digest()), ("done".into(), digest(&variant("one"))));
    plugins.look().await;
    plugins.set_approvals(BTreeMap::new(), OnDrop::Hold).await;
    assert_eq!(entry.generation(), 3, "nothing else brings it back");

    let forth = plugins.retry("hostile").await.unwrap();
    assert_eq!((forth.digest, forth.held), (digest(&variant("two")), None));
    plugins.rollback("hostile").await.unwrap();
    let approval = Approval { digest: digest(&variant("two")), kinds: forth.kinds, ..Approval::default() };
    plugins.set_approvals([("hostile".into(), approval)].into(), OnDrop::Hold).await;
    assert_eq!(entry.digest(), digest(&variant("two")), "a new word about it is an answer");
    assert_eq!(
        home.daemon.heard(),
        ["hostile rolled-back", "hostile swapped", "hostile rolled-back", "hostile swapped"]
    );
}

#[tokio::test]
async fn there_is_no_way_back_for_an_entry_that_does_not_fit() {
    let strict = files::patched(variant("one"), r#""does": {"type": "string""#, r#""does": {"type": "number""#);
    let home = Home::new().file("plugins/a.wasm", &strict);
    let plugins = home.load().await.unwrap();
    put(&home, &plugins, "a.wasm", &variant("two")).await;
    let entry = plugins.entry("e", "hostile", json!({ "does": "nothing" }), vec![]).await.unwrap();
    let refused = plugins.rollback("hostile").await.unwrap_err().to_string();
    assert!(refused.starts_with("its entry `e` does not fit it: "), "{refused}");
    assert_eq!((entry.generation(), rank(&entry).await.unwrap()), (2, "done".into()));
}

/// The same home after a restart.
async fn restarted(home: &Home) -> Plugins {
    let options = Options { keeping: crate::Keeping::Own(home.path("kept")), ..home.options() };
    Plugins::load(options, home.daemon.clone()).await.unwrap()
}

#[tokio::test]
async fn a_restart_forgets_neither_what_served_nor_what_was_left() {
    let home = Home::new().file("plugins/a.wasm", &variant("one"));
    let plugins = restarted(&home).await;
    put(&home, &plugins, "a.wasm", &variant("wider")).await;
    assert_eq!(info(&plugins, "hostile").digest, digest(&variant("one")));
    let plugins = restarted(&home).await;
    let listed = info(&plugins, "hostile");
    assert_eq!((listed.digest, listed.serving), (digest(&variant("one")), true), "what is held takes nobody's place");
    assert_eq!(held(&plugins).digest, digest(&variant("wider")));

    put(&home, &plugins, "a.wasm", &variant("breaks")).await;
    fail(&entry(&plugins, "hostile").await).await;
    plugins.closed().await;
    let plugins = restarted(&home).await;
    assert_eq!(info(&plugins, "hostile").digest, digest(&variant("one")), "what was left is not tried again");
    assert!(held(&plugins).why.contains("rolled back"));

    std::fs::remove_file(home.path("plugins/a.wasm")).unwrap();
    let plugins = restarted(&home).await;
    assert!(plugins.list().iter().all(|it| it.name != "hostile" || !it.serving), "what is gone stays gone");
}
