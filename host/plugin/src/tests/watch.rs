//! Changes are noticed, soon and not too often.

use super::folder::Home;
use super::reload::{info, other};
use super::*;
use crate::Watcher;
use std::time::Duration;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

/// Long enough for a busy machine; a change that is noticed comes much sooner.
const PATIENCE: Duration = Duration::from_secs(30);

async fn check_noticed(what: &str, prepare: impl Fn(&Path), path: &str, change: impl Fn(&Path)) {
    let folder = TempDir::new().unwrap();
    prepare(folder.path());
    let mut watcher = Watcher::new([folder.path().join(path)]);
    change(folder.path());
    assert!(timeout(PATIENCE, watcher.changed()).await.is_ok(), "{what}");
}

fn write(path: PathBuf, text: &str) {
    std::fs::write(path, text).unwrap();
}

fn folder(path: PathBuf) {
    std::fs::create_dir(path).unwrap();
}

#[tokio::test]
async fn whatever_changes_is_noticed() {
    let with_file = |it: &Path| {
        folder(it.join("d"));
        write(it.join("d/f"), "1");
    };
    check_noticed("a new file", |it| folder(it.join("d")), "d", |it| write(it.join("d/f"), "1")).await;
    check_noticed("a file written over", with_file, "d", |it| write(it.join("d/f"), "2")).await;
    check_noticed("a file that goes", with_file, "d", |it| std::fs::remove_file(it.join("d/f")).unwrap()).await;
    check_noticed("a folder that comes", |_| (), "d", |it| folder(it.join("d"))).await;
    check_noticed("a folder far away that comes", |_| (), "c/d", |it| std::fs::create_dir_all(it.join("c/d")).unwrap())
        .await;
    check_noticed("a folder that goes", with_file, "d", |it| std::fs::remove_dir_all(it.join("d")).unwrap()).await;
    check_noticed("one file", with_file, "d/f", |it| write(it.join("d/f"), "22")).await;
    check_noticed("another in its place", with_file, "d/f", |it| {
        write(it.join("d/new"), "2");
        std::fs::rename(it.join("d/new"), it.join("d/f")).unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_folder_that_was_made_anew_is_watched_again() {
    let home = TempDir::new().unwrap();
    let path = home.path().join("d");
    folder(path.clone());
    let mut watcher = Watcher::new([path.clone()]);
    for round in 0..3 {
        std::fs::remove_dir_all(&path).unwrap();
        timeout(PATIENCE, watcher.changed()).await.expect("that it goes is noticed");
        folder(path.clone());
        timeout(PATIENCE, watcher.changed()).await.expect("that it comes is noticed");
        write(path.join("f"), &round.to_string());
        timeout(PATIENCE, watcher.changed()).await.expect("what happens in it is noticed");
    }
}

#[tokio::test]
async fn what_does_not_matter_wakes_nobody() {
    let home = TempDir::new().unwrap();
    write(home.path().join("config"), "1");
    let mut watcher = Watcher::new([home.path().join("config")]);
    for number in 0..100 {
        write(home.path().join("database"), &number.to_string());
        std::fs::read(home.path().join("config")).unwrap();
    }
    assert!(timeout(Duration::from_secs(1), watcher.changed()).await.is_err(), "another file, and reading");
    watcher.watch([home.path().join("database")]);
    write(home.path().join("database"), "new");
    timeout(PATIENCE, watcher.changed()).await.expect("now it matters");
}

#[tokio::test]
async fn a_storm_is_a_few_changes() {
    let home = TempDir::new().unwrap();
    let mut watcher = Watcher::new([home.path().to_owned()]);
    let path = home.path().join("f");
    let storm = tokio::task::spawn_blocking(move || {
        let began = std::time::Instant::now();
        let mut writes = 0_u32;
        while began.elapsed() < Duration::from_secs(5) {
            writes += 1;
            write(path.clone(), &writes.to_string());
        }
        writes
    });
    let (began, mut noticed) = (Instant::now(), 0_u32);
    while !storm.is_finished() {
        noticed += u32::from(timeout(PATIENCE, watcher.changed()).await.is_ok());
    }
    let writes = storm.await.unwrap();
    let most = u32::try_from(began.elapsed().as_secs()).unwrap() + 1;
    assert!((1..=most).contains(&noticed), "{writes} writes, noticed {noticed} times");
}

#[tokio::test]
async fn what_is_dropped_into_the_folder_serves_by_itself() {
    let home = Home::new();
    std::fs::remove_dir(home.path("plugins")).unwrap();
    let plugins = home.load().await.unwrap();
    let stop = CancellationToken::new();
    let happens = |expected: &'static str| {
        let daemon = home.daemon.clone();
        let heard = async move {
            while !daemon.heard().iter().any(|it| it == expected) {
                daemon.told.notified().await;
            }
        };
        timeout(PATIENCE, heard)
    };
    let story = async {
        std::fs::create_dir(home.path("plugins")).unwrap();
        write_wasm(home.path("plugins/a.wasm"), &other(1));
        happens("other-priority loaded").await.expect("the folder came, and a file in it");
        let entry = reload::entry(&plugins, "other-priority").await;
        for round in 0..20 {
            write_wasm(home.path("plugins/a.wasm"), &other(1 + round % 3));
        }
        write_wasm(home.path("plugins/a.wasm"), &other(2));
        happens("other-priority swapped").await.expect("it changed");
        plugins.look().await;
        assert_eq!(rank(&entry).await.unwrap(), "lab02 bug +30");
        assert!(info(&plugins, "other-priority").generation < 5, "a storm is a few swaps");
        std::fs::remove_file(home.path("plugins/a.wasm")).unwrap();
        happens("other-priority removed").await.expect("it went");
        stop.cancel();
    };
    tokio::join!(plugins.watch(stop.clone()), story);
}

fn write_wasm(path: PathBuf, wasm: &[u8]) {
    std::fs::write(path, wasm).unwrap();
}
