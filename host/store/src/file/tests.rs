//! Files that are new, newer, foreign, damaged or somebody else's.

use crate::{
    Error, Options, Reader, Store,
    tests::{Home, draft},
};
use agentd_task::TaskId;
use rusqlite::Connection;
use std::path::{Path, PathBuf};

/// A database that was closed properly, and its folder.
async fn closed() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("agentd.db");
    let store = Store::open(Options { path: path.clone() }, 0).unwrap();
    store.intake(crate::tests::intake(vec![draft("a")]), 10).await.unwrap();
    store.close().await;
    (folder, path)
}

fn open(path: &Path) -> Result<Store, Error> {
    Store::open(Options { path: path.into() }, 0)
}

#[track_caller]
fn check_refused(path: &Path, text: &str) {
    let before = std::fs::read(path).ok();
    for error in [open(path).map(drop).unwrap_err(), Reader::open(path).map(drop).unwrap_err()] {
        assert_eq!(error.to_string().replace(path.to_str().unwrap(), "FILE"), text);
    }
    assert_eq!(std::fs::read(path).ok(), before, "the file is left as it was");
}

#[tokio::test]
async fn a_database_of_a_newer_agentd_is_refused() {
    let (_folder, path) = closed().await;
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 4).unwrap();
    check_refused(
        &path,
        "the database FILE has version 4, made by a newer agentd; this one knows versions up to 3: run the newer \
         agentd, or restore the backup made before the upgrade",
    );
}

#[tokio::test]
async fn a_database_of_the_first_version_is_brought_up_to_date() {
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("agentd.db");
    let old = Connection::open(&path).unwrap();
    old.execute_batch(include_str!("../migrations/0001.sql")).unwrap();
    old.execute_batch(
        "PRAGMA user_version = 1; PRAGMA application_id = 0x61677464;
         INSERT INTO meta (name, value) VALUES ('instance', '0000002a'), ('created', '0');
         INSERT INTO task (id, source, key, repository, branch, state, run, waits_on, session, created_at, changed_at, waiting_since)
             VALUES (7, 'tasks', 'a', 'shop', 'agentd/t-7', 'waiting', 1, 'approval', 'a conversation', 1, 2, 3);
         INSERT INTO content (task, title, body, labels, depends_on) VALUES (7, 'Mend it', '', '[]', '[]');
         INSERT INTO run (task, number, purpose, started_at, ended_at, outcome) VALUES (7, 1, 'execute', 1, 2, 'verified');",
    )
    .unwrap();
    drop(old);
    let store = open(&path).unwrap();
    assert_eq!(store.instance(), "0000002a");
    let row = store.reader().task(TaskId(7)).await.unwrap().unwrap();
    assert_eq!((row.title.as_str(), row.task.run, row.session), ("Mend it", 1, None));
    assert_eq!(store.reader().integrity().await.unwrap(), [""; 0]);
    let taken = store.intake(crate::tests::intake(vec![draft("b")]), 10).await.unwrap();
    assert_eq!(taken.new, [TaskId(8)], "ids go on where they were");
    assert_eq!(store.reader().spent(TaskId(7), 1, 0).await.unwrap(), crate::Spent::default());
    store.close().await;
    drop(open(&path).unwrap());
}

#[tokio::test]
async fn a_damaged_database_is_refused_or_says_so_when_it_is_read() {
    let (_folder, path) = closed().await;
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[..16].copy_from_slice(b"not a database!!");
    std::fs::write(&path, &bytes).unwrap();
    check_refused(
        &path,
        "the database FILE is damaged (file is not a database): stop agentd and restore it from a backup, or move it \
         away (together with the files beside it that end in -wal and -shm) to start with an empty one",
    );
}

#[tokio::test]
async fn damage_in_the_middle_is_found_by_whoever_meets_it() {
    let (_folder, path) = closed().await;
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[4096..].fill(0xff);
    std::fs::write(&path, &bytes).unwrap();
    let found = match open(&path) {
        Err(error) => error,
        Ok(store) => store.stage(5).await.map(drop).unwrap_err(),
    };
    assert!(matches!(found, Error::Corrupt { .. }), "{found}");
}

#[tokio::test]
async fn a_database_of_another_program_is_left_alone() {
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("other.db");
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE x (y)").unwrap();
    check_refused(&path, "the file FILE is a database, but not one of agentd's: name another file, or move it away");
}

#[tokio::test]
async fn a_reader_works_with_the_daemon_down_and_beside_it() {
    let folder = tempfile::TempDir::new().unwrap();
    let missing = folder.path().join("none.db");
    let error = Reader::open(&missing).map(drop).unwrap_err();
    assert!(matches!(error, Error::Missing { .. }), "{error}");
    assert!(!missing.exists());

    let (_folder, path) = closed().await;
    let reader = Reader::open(&path).unwrap();
    assert_eq!(reader.counts().await.unwrap(), [("queued".into(), 1)]);
    let store = open(&path).unwrap();
    store.pause(true, 5).await.unwrap();
    assert!(reader.paused().await.unwrap());
    assert_eq!(reader.instance().await.unwrap(), store.instance());
}

#[tokio::test]
async fn a_reader_cannot_write() {
    let home = Home::new();
    home.queued("a").await;
    let error = home
        .store
        .reader()
        .ask(|conn| conn.execute("DELETE FROM content", []).map_err(crate::error::store("trying to write")))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("readonly"), "{error}");
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_named() {
    let error = open(Path::new("/nonexistent/agentd.db")).map(drop).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the database /nonexistent/agentd.db cannot be opened: No such file or directory (os error 2)"
    );
}

#[track_caller]
fn check_statement(home: &Home, sql: &str, accepted: bool) {
    let result = home.raw().execute_batch(&format!("PRAGMA foreign_keys = ON; {sql}"));
    assert_eq!(result.is_ok(), accepted, "{sql}: {result:?}");
}

/// The database itself refuses what `Task::on` would never make.
#[tokio::test]
async fn the_schema_repeats_the_rules() {
    let home = Home::new();
    home.running("a").await;
    home.queued("b").await;
    for (set, accepted) in [
        ("title = 'x'", false),
        ("note = 'x'", true),
        ("state = 'sleeping'", false),
        ("state = 'publishing'", false),
        ("state = 'publishing', step = NULL, cancel = NULL", true),
        ("state = 'in-review', due = 5", false),
        ("state = 'queued', due = 5, queued = 'new'", true),
        ("queued = 'bored'", false),
        ("state = 'running', due = NULL, queued = NULL, step = 'publish', cancel = 0", false),
        ("ready = 1, blocked = 1", false),
        ("state = 'done', due = NULL, queued = NULL, ended_at = 5", false),
        ("state = 'done', due = NULL, queued = NULL, ended_at = 5, outcome = 'change'", true),
        ("ended_at = NULL", false),
        ("run = 0", false),
        ("run = 3", false),
        ("run = 2", false),
        ("state = 'failed', outcome = NULL, failure = 'gate-failed'", false),
        ("state = 'failed', outcome = NULL, failure = 'gate-failed', failure_text = 'x'", true),
        ("state = 'cancelled', failure = NULL, failure_text = NULL", true),
        ("state = 'waiting', ended_at = NULL", false),
        ("state = 'waiting', ended_at = NULL, waits_on = 'godot'", false),
        ("state = 'waiting', ended_at = NULL, waits_on = 'approval'", true),
    ] {
        check_statement(&home, &format!("UPDATE task SET {set} WHERE id = 1"), accepted);
    }
    for sql in [
        "UPDATE task SET state = 'in-review', due = NULL, queued = NULL, ready = 0 WHERE id = 2",
        "INSERT INTO run (task, number, purpose, started_at) VALUES (1, 2, 'execute', 0)",
        "UPDATE run SET ended_at = 5",
        "UPDATE event SET text = 'it never happened'",
        "DELETE FROM event",
        "INSERT INTO event (at, kind, severity, text, details) VALUES (0, 'a.b', 'info', '', '[]')",
        "INSERT INTO event (at, kind, severity, text, details) VALUES (0, 'a.b', 'bad', '', '{}')",
        "INSERT INTO event (at, kind, severity, text, details, task) VALUES (0, 'a.b', 'info', '', '{}', 9)",
        "INSERT INTO dependency VALUES (1, 'a', 1)",
        "INSERT INTO effect (lane, key, kind, payload, state, due, created_at) VALUES ('', 'k', 'x', '{}', 'pending', 0, 0)",
        "INSERT INTO effect (lane, key, kind, payload, state, due, created_at) VALUES ('l', 'k', 'x', '{', 'pending', 0, 0)",
        "INSERT INTO effect (lane, key, kind, payload, state, due, created_at) VALUES ('l', 'k', 'x', '{}', 'done', 0, 0)",
        "INSERT INTO step (task, run, name, input_hash, started_at) VALUES (1, 7, 'prepare', '', 0)",
    ] {
        check_statement(&home, sql, false);
    }
    let sound = "INSERT INTO effect (lane, key, kind, payload, state, due, created_at)
         VALUES ('l', 'k', 'x', '{}', 'pending', 0, 0)";
    check_statement(&home, sound, true);
}
