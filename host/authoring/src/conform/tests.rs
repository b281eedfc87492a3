//! The shipped plugins pass, one that traps does not.

use super::*;
use crate::difference::tests::component;
use crate::tests::{shipped, workbench};
use std::fs;

async fn tried(bytes: &[u8], settings: Option<Value>) -> Conformance {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("it.wasm");
    fs::write(&file, bytes).unwrap();
    conform(&workbench().await, &file, settings).await.unwrap()
}

/// Everything but what passed.
fn complaints(found: &Conformance) -> Vec<String> {
    let other = found.checks.iter().filter(|it| it.outcome != Outcome::Passed);
    other.map(|it| format!("{} {}: {:?}", it.of, it.name, it.outcome)).collect()
}

#[tokio::test]
async fn the_shipped_plugins_conform() {
    let all = [
        "claude-code",
        "codex",
        "command",
        "default-prompts",
        "folder",
        "github-comment",
        "github-issues",
        "label-priority",
        "slack",
        "todo",
        "webhook",
    ];
    for name in all {
        let found = tried(&shipped(name), None).await;
        assert_eq!(found.failed(), 0, "{name}: {:#?}", complaints(&found));
        assert!(found.checks.len() > 8, "{name}: {:?}", found.checks);
    }
}

#[tokio::test]
async fn a_plugin_that_traps_does_not() {
    // It does nothing but trap, and so it cannot say who it is.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("it.wasm");
    fs::write(&file, component(Kind::Prioritizer, "", "")).unwrap();
    let refused = conform(&workbench().await, &file, None).await.unwrap_err().to_string();
    assert!(refused.contains("cannot say who it is"), "{refused}");
}

#[test]
fn unknown_keys_are_put_wherever_they_can_be() {
    let mut value = json!([{ "extra": [], "task": { "extra": [] }, "list": [{ "extra": [] }], "plain": 1 }]);
    put_extra(&mut value);
    assert_eq!(value.to_string().matches("a-later-key").count(), 3);
}
