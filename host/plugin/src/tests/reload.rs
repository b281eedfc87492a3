//! Files of the plugin folder come, change and go while calls are made.

use super::files::patched;
use super::folder::Home;
use super::*;
use crate::{Error, Info, Origin};
use std::os::unix::fs::symlink;
use std::time::Duration;
use tokio::time::sleep;

/// `label-priority` under another name; the number shows in its answers.
pub(super) fn other(number: u32) -> Vec<u8> {
    let wasm = patched(guest("label_priority"), "label-priority", "other-priority");
    patched(wasm, "label ", &format!("lab{number:02} "))
}

/// The hostile plugin, with another word in place of `as-built`; `wider` and `breaks` mean something to it.
pub(super) fn variant(word: &str) -> Vec<u8> {
    let bytes = format!("variant:{word:.<16}");
    patched(guest("hostile_plugin"), "variant:as-built........", &bytes)
}

pub(super) fn digest(wasm: &[u8]) -> String {
    format!("sha256:{}", sha256(wasm))
}

/// Puts a file into the plugin folder, and has the folder looked at.
pub(super) async fn put(home: &Home, plugins: &Plugins, name: &str, wasm: &[u8]) {
    std::fs::write(home.path("plugins").join(name), wasm).unwrap();
    plugins.look().await;
}

async fn remove(home: &Home, plugins: &Plugins, name: &str) {
    std::fs::remove_file(home.path("plugins").join(name)).unwrap();
    plugins.look().await;
}

pub(super) fn info(plugins: &Plugins, name: &str) -> Info {
    plugins.list().into_iter().find(|it| it.name == name).unwrap()
}

pub(super) async fn entry(plugins: &Plugins, plugin: &str) -> Entry {
    plugins.entry("e", plugin, json!({}), vec![]).await.unwrap()
}

#[tokio::test]
async fn a_file_comes_changes_goes_and_comes_back() {
    let home = Home::new();
    let plugins = home.load().await.unwrap();
    put(&home, &plugins, "a.wasm", &other(1)).await;
    assert_eq!(home.daemon.heard(), ["other-priority loaded"]);
    let entry = entry(&plugins, "other-priority").await;
    assert_eq!((rank(&entry).await.unwrap(), entry.generation()), ("lab01 bug +30".into(), 1));

    put(&home, &plugins, "a.wasm", &other(2)).await;
    assert_eq!(home.daemon.heard(), ["other-priority swapped"]);
    assert_eq!((rank(&entry).await.unwrap(), entry.generation()), ("lab02 bug +30".into(), 2));
    let listed = info(&plugins, "other-priority");
    assert_eq!((listed.generation, listed.serving, listed.previous), (2, true, Some(digest(&other(1)))));
    assert_eq!(entry.digest(), digest(&other(2)));

    remove(&home, &plugins, "a.wasm").await;
    assert_eq!(home.daemon.heard(), ["other-priority removed"]);
    let refused = rank(&entry).await.unwrap_err();
    assert!(refused.worth_repeating());
    assert_eq!(
        refused.to_string(),
        format!(
            "plugin `other-priority`, entry `e`, does not serve: its file {} is gone; it answers again when a file \
             brings it back\nhint: see `agentd plugin list`",
            home.path("plugins/a.wasm").display()
        )
    );
    assert!(plugins.list().iter().all(|it| it.name != "other-priority"));
    let refused = plugins.entry("f", "other-priority", json!({}), vec![]).await.err().unwrap();
    assert!(matches!(refused, Error::Unknown { .. }), "{refused}");

    put(&home, &plugins, "b.wasm", &other(1)).await;
    assert_eq!(home.daemon.heard(), ["other-priority loaded"]);
    assert_eq!((rank(&entry).await.unwrap(), entry.generation()), ("lab01 bug +30".into(), 3));
}

#[tokio::test]
async fn a_file_that_holds_another_plugin_takes_the_one_before_with_it() {
    let home = Home::new();
    let plugins = home.load().await.unwrap();
    put(&home, &plugins, "a.wasm", &other(1)).await;
    let entry = entry(&plugins, "other-priority").await;
    put(&home, &plugins, "a.wasm", &variant("one")).await;
    let refused = rank(&entry).await.unwrap_err().to_string();
    assert!(refused.contains("a.wasm holds another one now; it answers again"), "{refused}");
    assert!(plugins.list().iter().all(|it| it.name != "other-priority"));
    assert!(info(&plugins, "hostile").serving);
    assert_eq!(home.daemon.heard(), ["other-priority loaded", "hostile loaded", "other-priority removed"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn calls_under_way_while_it_is_swapped_are_answered_by_one_version() {
    let home = Home::new();
    let plugins = home.load().await.unwrap();
    let versions: Vec<Vec<u8>> = (1..=3).map(other).collect();
    put(&home, &plugins, "a.wasm", &versions[0]).await;
    let entries: Vec<Entry> = {
        let mut entries = vec![];
        for number in 0..4 {
            entries.push(plugins.entry(&number.to_string(), "other-priority", json!({}), vec![]).await.unwrap());
        }
        entries
    };
    let calls = tokio_util::task::TaskTracker::new();
    let answers = Arc::new(Mutex::new(BTreeMap::<String, u32>::new()));
    for call in 0..200 {
        let (entry, answers) = (entries[call % entries.len()].clone(), answers.clone());
        calls.spawn(async move {
            let answer = rank(&entry).await.unwrap();
            *answers.lock().unwrap().entry(answer).or_default() += 1;
        });
    }
    for swap in 1..=20 {
        put(&home, &plugins, "a.wasm", &versions[swap % versions.len()]).await;
        assert_eq!(info(&plugins, "other-priority").generation, u32::try_from(swap).unwrap() + 1);
    }
    calls.close();
    calls.wait().await;
    let answers = answers.lock().unwrap();
    assert_eq!(answers.values().sum::<u32>(), 200);
    let known: Vec<String> = (1..=3).map(|it| format!("lab{it:02} bug +30")).collect();
    assert!(answers.keys().all(|it| known.contains(it)), "{answers:?}");
    assert!(entries.iter().all(|it| it.generation() == 21));
    assert_eq!(info(&plugins, "other-priority").draining, 0, "nothing of the earlier ones is left");
}

#[tokio::test]
async fn a_call_ends_on_the_version_that_it_began_on() {
    let home = Home::new().file("plugins/a.wasm", &variant("one"));
    let plugins = home.load().await.unwrap();
    let entry = entry(&plugins, "hostile").await;
    let pinned = entry.pinned().unwrap();
    put(&home, &plugins, "a.wasm", &variant("two")).await;
    assert_eq!((pinned.digest(), pinned.generation()), (digest(&variant("one")), 1));
    assert_eq!((entry.digest(), entry.generation()), (digest(&variant("two")), 2));
    assert_eq!(rank(&pinned).await.unwrap(), "done");
    assert_eq!(info(&plugins, "hostile").draining, 1, "the pinned one");
    drop(pinned);
    assert_eq!(info(&plugins, "hostile").draining, 0);
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_still_being_copied_is_waited_for() {
    let home = Home::new();
    let plugins = home.load().await.unwrap();
    let (path, wasm) = (home.path("plugins/a.wasm"), other(1));
    let pieces: Vec<&[u8]> = wasm.chunks(wasm.len() / 10 + 1).collect();
    let mut file = std::fs::File::create(&path).unwrap();
    std::io::Write::write_all(&mut file, pieces[0]).unwrap();
    let copying = async {
        for piece in &pieces[1..] {
            sleep(Duration::from_millis(20)).await;
            std::io::Write::write_all(&mut file, piece).unwrap();
        }
    };
    tokio::join!(plugins.look(), copying);
    assert_eq!(home.daemon.heard(), ["other-priority loaded"], "and never refused");
}

#[tokio::test]
async fn a_copy_that_was_broken_off_is_refused_and_mended() {
    let home = Home::new();
    let plugins = home.load().await.unwrap();
    put(&home, &plugins, "other.wasm", &other(1)).await;
    let entry = entry(&plugins, "other-priority").await;
    put(&home, &plugins, "other.wasm", &other(2)[..50_000]).await;
    plugins.look().await;
    assert_eq!(home.daemon.heard(), ["other-priority loaded", "other refused"], "told once");
    assert_eq!(rank(&entry).await.unwrap(), "lab01 bug +30", "what served before still does");
    let problem = info(&plugins, "other").problem.unwrap();
    assert!(problem.starts_with("is truncated at byte 50000"), "{problem}");
    put(&home, &plugins, "other.wasm", &other(2)).await;
    assert_eq!(home.daemon.heard(), ["other-priority swapped"]);
    assert_eq!(rank(&entry).await.unwrap(), "lab02 bug +30");
    assert!(plugins.list().iter().all(|it| it.problem.is_none()));
}

#[tokio::test]
async fn another_name_for_the_file_changes_nothing() {
    let home = Home::new().file("plugins/a.wasm", &other(1));
    let plugins = home.load().await.unwrap();
    let entry = entry(&plugins, "other-priority").await;
    home.daemon.heard();
    std::fs::rename(home.path("plugins/a.wasm"), home.path("plugins/b.wasm")).unwrap();
    plugins.look().await;
    std::fs::write(home.path("plugins/b.wasm"), other(1)).unwrap(); // touched, and the same
    plugins.look().await;
    assert_eq!(home.daemon.heard(), Vec::<String>::new());
    assert_eq!((rank(&entry).await.unwrap(), entry.generation()), ("lab01 bug +30".into(), 1));
    assert_eq!(info(&plugins, "other-priority").origin, Origin::Dropped(home.path("plugins/b.wasm")));
    std::fs::remove_file(home.path("plugins/b.wasm")).unwrap();
    put(&home, &plugins, "c.wasm", &other(2)).await;
    assert_eq!(home.daemon.heard(), ["other-priority swapped"], "a new file in the same look takes its place");
}

#[tokio::test]
async fn the_second_file_of_a_name_waits_for_the_first_to_go() {
    let home = Home::new().file("plugins/b.wasm", &other(1));
    let plugins = home.load().await.unwrap();
    let entry = entry(&plugins, "other-priority").await;
    home.daemon.heard();
    put(&home, &plugins, "a.wasm", &other(2)).await;
    assert_eq!(home.daemon.heard(), ["a refused"]);
    let problems: Vec<_> = plugins.list().into_iter().filter_map(|it| it.problem).collect();
    assert!(problems.len() == 1 && problems[0].contains("b.wasm brings a plugin named `other-priority` already"));
    assert_eq!(rank(&entry).await.unwrap(), "lab01 bug +30", "whoever serves goes on");
    remove(&home, &plugins, "b.wasm").await;
    assert_eq!(home.daemon.heard(), ["other-priority swapped"]);
    assert_eq!(rank(&entry).await.unwrap(), "lab02 bug +30");
}

#[tokio::test]
async fn links_are_followed_where_nobody_else_can_write() {
    let home = Home::new().file("other.wasm", &other(1));
    std::fs::create_dir(home.path("open")).unwrap();
    let home = home.mode("open", 0o777).file("open/other.wasm", &other(2));
    symlink(home.path("other.wasm"), home.path("plugins/a.wasm")).unwrap();
    symlink(home.path("open/other.wasm"), home.path("plugins/b.wasm")).unwrap();
    symlink(home.path("nowhere.wasm"), home.path("plugins/c.wasm")).unwrap();
    let plugins = home.load().await.unwrap();
    assert_eq!(home.daemon.heard(), ["other-priority loaded", "b refused", "c refused"]);
    let problem = info(&plugins, "b").problem.unwrap();
    assert!(problem.contains("it is a link to ") && problem.contains("others can write to "), "{problem}");
    // What the link points at changes, and the link does not.
    std::fs::write(home.path("other.wasm"), other(3)).unwrap();
    plugins.look().await;
    assert_eq!(home.daemon.heard(), ["other-priority swapped"]);
}

#[tokio::test]
async fn a_version_that_an_entry_does_not_fit_is_not_taken() {
    let home = Home::new().file("plugins/a.wasm", &variant("one"));
    let plugins = home.load().await.unwrap();
    let entry = plugins.entry("good", "hostile", json!({}), vec![]).await.unwrap();
    let picky = plugins.entry("picky", "hostile", json!({ "does": "nothing" }), vec![]).await.unwrap();
    home.daemon.heard();
    let numbers = patched(variant("two"), r#""does": {"type": "string""#, r#""does": {"type": "number""#);
    put(&home, &plugins, "a.wasm", &numbers).await;
    plugins.look().await;
    assert_eq!(home.daemon.heard(), ["hostile refused"]);
    let held = info(&plugins, "hostile").held.unwrap();
    assert!(held.why.starts_with("its entry `picky` does not fit it: "), "{}", held.why);
    assert!(held.why.contains("settings.does: must be number, is string"), "{}", held.why);
    assert_eq!((entry.generation(), rank(&picky).await.unwrap()), (1, "done".into()), "all or none");
    drop(picky);
    plugins.look().await;
    assert_eq!(home.daemon.heard(), ["hostile swapped"]);
    assert_eq!((entry.generation(), info(&plugins, "hostile").held), (2, None));
}

#[tokio::test]
async fn a_version_without_a_kind_that_is_in_use_is_not_taken() {
    let home = Home::new().file("plugins/a.wasm", &variant("one"));
    let plugins = home.load().await.unwrap();
    let entry = entry(&plugins, "hostile").await;
    rank(&entry).await.unwrap();
    let kindless =
        |word: &str, kind: &str| patched(variant(word), &format!("agentd:{kind}@1"), &format!("agentx:{kind}@1"));
    home.daemon.heard();
    put(&home, &plugins, "a.wasm", &kindless("two", "prioritizer/prioritizer")).await;
    assert_eq!(home.daemon.heard(), ["hostile refused"]);
    let why = info(&plugins, "hostile").held.unwrap().why;
    assert!(why.contains("entry `e` does not fit it: version 1.1.0 is no prioritizer any more"), "{why}");
    put(&home, &plugins, "a.wasm", &kindless("three", "notifier/notifier")).await;
    assert_eq!(home.daemon.heard(), ["hostile swapped"], "nobody calls it as a notifier");
}

#[tokio::test]
async fn a_folder_that_cannot_be_used_any_more_changes_nothing() {
    let home = Home::new().file("plugins/a.wasm", &other(1));
    let plugins = home.load().await.unwrap();
    let entry = entry(&plugins, "other-priority").await;
    let home = home.mode("plugins", 0o777);
    put(&home, &plugins, "a.wasm", &other(2)).await;
    assert_eq!(rank(&entry).await.unwrap(), "lab01 bug +30");
    let home = home.mode("plugins", 0o755);
    plugins.look().await;
    assert_eq!(rank(&entry).await.unwrap(), "lab02 bug +30");
    std::fs::remove_dir_all(home.path("plugins")).unwrap();
    plugins.look().await;
    assert!(matches!(rank(&entry).await, Err(CallError::Gone { .. })));
}
