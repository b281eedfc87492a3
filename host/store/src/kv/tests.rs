//! Keys, values and their limits.

use crate::{Error, tests::Home};

async fn write(home: &Home, entry: &str, writes: &[(&str, Option<&str>)]) -> Result<(), Error> {
    let writes = writes.iter().map(|(key, value)| ((*key).into(), value.map(Into::into))).collect();
    home.store.kv_commit(entry.into(), writes).await
}

#[tokio::test]
async fn an_entry_sees_its_own_keys_only() {
    let home = Home::new();
    write(&home, "a", &[("k", Some("1")), ("gone", Some("x"))]).await.unwrap();
    write(&home, "a", &[("k", Some("2")), ("gone", None), ("never", None)]).await.unwrap();
    let reader = home.store.reader();
    assert_eq!(reader.kv_get("a", "k").await.unwrap().as_deref(), Some("2"));
    assert_eq!(reader.kv_get("a", "gone").await.unwrap(), None);
    assert_eq!(reader.kv_get("b", "k").await.unwrap(), None);
}

#[tokio::test]
async fn keys_are_listed_by_prefix_and_page() {
    let home = Home::new();
    let keys = ["seen/1", "seen/2", "seen/é", "see", "sef", "seen"];
    write(&home, "a", &keys.map(|key| (key, Some("")))).await.unwrap();
    let list = async |prefix: &str, after: Option<&str>, limit| {
        home.store.reader().kv_keys("a", prefix, after, limit).await.unwrap().join(" ")
    };
    assert_eq!(list("seen/", None, 10).await, "seen/1 seen/2 seen/é");
    assert_eq!(list("seen/", Some("seen/1"), 1).await, "seen/2");
    assert_eq!(list("", None, 10).await, "see seen seen/1 seen/2 seen/é sef");
}

#[track_caller]
fn check_full(result: Result<(), Error>, text: &str) {
    let error = result.unwrap_err();
    assert!(matches!(error, Error::KvFull { .. }), "{error}");
    assert_eq!(error.to_string(), format!("the key-value store of `a` takes no more: {text}"));
}

#[tokio::test]
async fn each_limit_is_kept_and_leaves_what_was_there() {
    let home = Home::new();
    let full = "v".repeat(64 << 10);
    check_full(write(&home, "a", &[("", Some("1"))]).await, "a key has to be 1 to 256 bytes");
    check_full(write(&home, "a", &[(&"k".repeat(257), Some("1"))]).await, "a key has to be 1 to 256 bytes");
    check_full(write(&home, "a", &[("k", Some(&format!("{full}v")))]).await, "a value may have 64 KiB");
    for number in 0..255 {
        write(&home, "a", &[(&format!("k{number}"), Some(&full))]).await.unwrap();
    }
    let over = write(&home, "a", &[("x", Some(&full)), ("y", Some(&full))]).await;
    check_full(over, "an entry may have 16 MiB: delete keys first");
    assert_eq!(home.store.reader().kv_get("a", "x").await.unwrap(), None, "all or none");
    write(&home, "b", &[("x", Some(&full))]).await.unwrap();
    write(&home, "a", &[("k0", None), ("k1", None)]).await.unwrap();
    write(&home, "a", &[("x", Some(&full)), ("y", Some(&full))]).await.unwrap();
}
