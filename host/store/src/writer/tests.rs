//! The writer's thread: group commits, failing commands, a full disk, its death.

use crate::{
    Error,
    tests::{Home, draft, event, intake},
};
use std::time::Duration;
use tokio::{sync::oneshot, task::JoinSet};

/// Holds the writer's thread until the sender is used or dropped, so that what is asked meanwhile makes one batch.
fn block(home: &Home) -> oneshot::Sender<()> {
    let (go, wait) = oneshot::channel::<()>();
    let writer = home.store.writer.clone();
    let job = super::Call {
        work: Some(move |_: &rusqlite::Connection| {
            drop(wait.blocking_recv());
            Ok(())
        }),
        made: None,
        reply: oneshot::channel().0,
    };
    writer.jobs.try_send(Box::new(job)).unwrap();
    go
}

#[tokio::test]
async fn many_producers_share_a_commit_and_each_gets_its_own_answer() {
    let home = Home::new();
    let (go, mut latest) = (block(&home), home.store.latest());
    let mut producers = JoinSet::new();
    for number in 0..64 {
        let store = home.store.clone();
        producers.spawn(async move {
            let key = if number % 8 == 0 { String::new() } else { format!("k{number}") };
            (number % 8 == 0, store.intake(intake(vec![draft(&key)]), 10).await)
        });
    }
    while home.store.writer.jobs.capacity() > super::QUEUE - 64 {
        tokio::task::yield_now().await;
    }
    go.send(()).unwrap();
    while let Some(answer) = producers.join_next().await {
        let (bad, answer) = answer.unwrap();
        assert_eq!(matches!(answer, Err(Error::Draft { .. })), bad);
        assert_eq!(answer.is_ok(), !bad);
    }
    latest.changed().await.unwrap();
    assert_eq!(*latest.borrow_and_update(), 56, "one commit told of all of them");
    assert!(!latest.has_changed().unwrap());
    assert_eq!(home.killed().store.reader().counts().await.unwrap(), [("queued".into(), 56)]);
}

#[tokio::test]
async fn a_full_disk_fails_the_command_and_the_store_goes_on() {
    let home = Home::new();
    let pages = home.store.writer.call(|conn| Ok(pages(conn, "page_count"))).await.unwrap();
    home.store.writer.call(move |conn| limit(conn, pages + 2)).await.unwrap();
    let big = || vec![("k".to_owned(), Some("v".repeat(60_000)))];
    let error = home.store.kv_commit("a".into(), big()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the store failed while writing a key: database or disk is full; make room on the disk"
    );
    assert!(matches!(&error, Error::Store { source, .. } if source.is_disk_full()));
    home.store.log(event("disk.full"), 5).await.unwrap();
    home.store.writer.call(move |conn| limit(conn, pages + 1_000)).await.unwrap();
    home.store.kv_commit("a".into(), big()).await.unwrap();
    assert_eq!(home.store.reader().integrity().await.unwrap(), [""; 0]);
}

#[tokio::test]
async fn a_command_that_ends_the_transaction_takes_back_what_was_before_it_and_no_more() {
    let home = Home::new();
    let go = block(&home);
    let writer = home.store.writer.clone();
    let before = home.store.log(event("before"), 5);
    let breaking = writer.call(|conn| {
        conn.execute_batch("ROLLBACK").unwrap();
        Err::<(), _>(Error::Gone)
    });
    let after = home.store.log(event("after"), 5);
    let (before, broken, after, ()) = tokio::join!(biased; before, breaking, after, async {
        go.send(()).unwrap();
    });
    assert_eq!(
        before.unwrap_err().to_string(),
        "the store failed while committing: another command of the same transaction failed and took it along"
    );
    assert!(matches!(broken, Err(Error::Gone)));
    after.unwrap();
    let events = home.store.reader().events(0, 10, None).await.unwrap();
    assert_eq!(events.iter().map(|it| &*it.kind).collect::<Vec<_>>(), ["after"]);
}

#[tokio::test]
async fn a_write_waits_for_another_process_that_holds_the_file() {
    let home = Home::new();
    let other = home.raw();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let write = home.store.log(event("a.b"), 5);
    let release = async { other.execute_batch("COMMIT").unwrap() };
    let (written, ()) = tokio::join!(write, release);
    written.unwrap();
}

#[tokio::test]
async fn everybody_hears_of_the_end_of_the_thread() {
    let home = Home::new();
    let store = home.store.clone();
    let panicking = home.store.writer.call(|_| -> Result<(), Error> { panic!("a mistake in a command") });
    assert!(matches!(panicking.await, Err(Error::Gone)));
    tokio::time::timeout(Duration::from_secs(10), store.died()).await.unwrap();
    let error = store.log(event("a.b"), 5).await.unwrap_err();
    assert_eq!(error.to_string(), "the store has stopped: start agentd again");
}

#[tokio::test]
async fn the_log_of_changes_stays_small() {
    let home = Home::new();
    let wal = home.path().with_extension("db-wal");
    for _ in 0..60 {
        let writes = (0..16).map(|key| (format!("k{key}"), Some("v".repeat(60_000)))).collect();
        home.store.kv_commit("a".into(), writes).await.unwrap();
    }
    let bytes = std::fs::metadata(&wal).unwrap().len();
    assert!(bytes < 40 << 20, "{bytes} bytes after 58 MB of writes");
}

fn pages(conn: &rusqlite::Connection, pragma: &str) -> i64 {
    conn.pragma_query_value(None, pragma, |row| row.get(0)).unwrap()
}

fn limit(conn: &rusqlite::Connection, pages: i64) -> Result<(), Error> {
    conn.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(())).map_err(crate::error::store("limiting"))
}
