//! The commands for authors, as authors see them.

use crate::cli::{Cli, context::Context, dispatch, tests::screen::Screen};
use clap::Parser;
use serde_json::{Value, json};
use std::{
    env, fs,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

/// The output of a command and, after it, its error. The folder's path is `DIR`.
async fn seen(folder: &Path, line: &[&str]) -> String {
    let home = folder.join("home").display().to_string();
    let all = ["agentd", "--home", &home, "plugin"].into_iter().chain(line.iter().copied());
    let cli = Cli::try_parse_from(all).unwrap();
    let screen = Screen::default();
    let out = screen.out(cli.global.json);
    let mut context = Context::for_test(cli.global, out);
    let result = dispatch(cli.command, &mut context).await;
    let mut text = screen.text();
    if let Err(error) = result {
        text.push_str(&error.to_string());
    }
    text.replace(&folder.display().to_string(), "DIR")
}

fn shipped(name: &str) -> PathBuf {
    let target = || Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().join("target/shipped");
    let folder = env::var_os("AGENTD_SHIPPED").map_or_else(target, PathBuf::from);
    let file = folder.join(format!("{name}.wasm"));
    assert!(file.is_file(), "{} is missing; run `cargo xtask plugins` first", file.display());
    file
}

/// A project whose build copies a shipped plugin.
fn project(name: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let from = shipped(name);
    let text = format!(
        "name = \"{name}\"\nkinds = [\"prioritizer\"]\nlanguage = \"rust\"\n\n[build]\ncommands = [[\"cp\", {from:?}, \"out.wasm\"]]\n\
         output = \"out.wasm\"\n"
    );
    fs::write(folder.path().join("agentd-plugin.toml"), text).unwrap();
    fs::create_dir(folder.path().join("cases")).unwrap();
    folder
}

fn case(expect: &Value) -> String {
    let task = json!({ "id": "t-1", "source": "s", "key": "k", "title": "Fix it", "repository": "shop", "state": "queued",
        "labels": ["bug"], "run": 0, "created-at": 1, "changed-at": 1, "spent-microusd": 0 });
    let candidate = json!({ "task": task, "purpose": "execute", "waiting-since": 1, "failures": 0, "blocks": 0 });
    json!({ "function": "rank", "arguments": [{ "now": 2, "candidates": [candidate] }], "expect": expect }).to_string()
}

#[tokio::test]
async fn a_project_is_built_checked_and_copied() {
    let folder = project("label-priority");
    let dir = folder.path().display().to_string();
    let plugins = folder.path().join("plugins").display().to_string();
    let text = seen(folder.path(), &["build", &dir, "--copy-to", &plugins]).await;
    for line in ["build/label-priority.wasm label-priority", "ok    kinds: prioritizer", "ok    wants: nothing"] {
        assert!(text.contains(line), "{line}: {text}");
    }
    assert!(text.trim_end().ends_with("copied to DIR/plugins/label-priority.wasm"), "{text}");
    assert_eq!(fs::read_dir(&plugins).unwrap().count(), 1);
}

#[tokio::test]
async fn cases_show_what_differs_and_are_recorded_anew() {
    let folder = project("label-priority");
    let dir = folder.path().display().to_string();
    let file = folder.path().join("cases/first.json");
    fs::write(&file, case(&json!({ "ok": [{ "task": "t-2" }] }))).unwrap();
    let unbuilt = seen(folder.path(), &["test", &dir]).await;
    assert!(unbuilt.ends_with("hint: agentd plugin build makes it"), "{unbuilt}");
    seen(folder.path(), &["build", &dir]).await;
    let failed = seen(folder.path(), &["test", &dir]).await;
    assert!(failed.contains("fail  first\n      ok[0].task: \"t-2\" expected, got \"t-1\""), "{failed}");
    assert!(failed.contains("error: 1 of 1 cases failed"), "{failed}");
    assert_eq!(seen(folder.path(), &["test", &dir, "--record"]).await, "ok    first\n");
    let recorded: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    assert_eq!(recorded["expect"]["ok"][0]["task"], "t-1");
}

#[tokio::test]
async fn one_round_of_dev_tells_generation_digest_and_calls() {
    let folder = project("label-priority");
    fs::write(folder.path().join("cases/first.json"), case(&json!({ "error": "invalid" }))).unwrap();
    let dir = folder.path().display().to_string();
    let text = seen(folder.path(), &["dev", &dir, "--once", "--call", "describe"]).await;
    assert!(text.starts_with("generation 1: label-priority "), "{text}");
    for line in ["sha256:", "fail  first", "call  describe", "\"name\": \"label-priority\"", "ms of CPU"] {
        assert!(text.contains(line), "{line}: {text}");
    }
}

#[tokio::test]
async fn a_function_is_called_without_a_daemon() {
    let folder = tempfile::tempdir().unwrap();
    let file = shipped("label-priority").display().to_string();
    let text = seen(folder.path(), &["call", &file, "describe"]).await;
    assert!(text.contains("\"name\": \"label-priority\""), "{text}");
    let text = seen(folder.path(), &["call", &file, "poll"]).await;
    let expected =
        "error: a plugin of the kind prioritizer has no function poll\nhint: there are describe, check, rank";
    assert!(text.ends_with(expected), "{text}");
    let text = seen(folder.path(), &["call", &file, "rank", "--arguments", "{"]).await;
    assert!(text.starts_with("error: --arguments: this is no JSON"), "{text}");
}

#[tokio::test]
async fn a_folder_is_read_as_a_repository() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("shop")).unwrap();
    fs::write(folder.path().join("shop/main.rs"), "fn main() {} // TODO: say more\n").unwrap();
    let file = shipped("todo").display().to_string();
    let shop = format!("shop={}", folder.path().join("shop").display());
    let request = json!([{ "repository": "shop", "revision": "0", "now": 1, "limit": 10 }]).to_string();
    let text = seen(folder.path(), &["call", &file, "analyze", "--repository", &shop, "--arguments", &request]).await;
    assert!(text.contains("say more") && text.contains("host  repository.search"), "{text}");
}

#[tokio::test]
async fn conformance_is_a_list_of_checks() {
    let folder = tempfile::tempdir().unwrap();
    let text = seen(folder.path(), &["conform", &shipped("label-priority").display().to_string()]).await;
    assert!(text.contains("ok    prioritizer: each candidate is answered once"), "{text}");
    assert!(!text.contains("error:"), "{text}");
}

#[tokio::test]
async fn a_new_project_is_begun_once() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("it").display().to_string();
    let line = ["new", "triage", "--lang", "rust", "--kind", "prioritizer", "--dir", &dir];
    let text = seen(folder.path(), &line).await;
    assert!(text.ends_with("next:\n  cd DIR/it && agentd plugin build\n  agentd plugin test\n"), "{text}");
    assert!(folder.path().join("it/wit/world.wit").is_file());
    let again = seen(folder.path(), &line).await;
    assert!(again.starts_with("error: there is already something at DIR/it\nhint: nothing was written"), "{again}");
    let wrong = seen(folder.path(), &["new", "Triage", "--lang", "rust", "--kind", "prioritizer"]).await;
    assert!(wrong.contains("lower-case words with dashes"), "{wrong}");
}

#[tokio::test]
async fn a_failed_call_is_exported_and_replayed_with_its_component_only() {
    let folder = tempfile::tempdir().unwrap();
    let repro = folder.path().join("home/repro");
    fs::create_dir_all(&repro).unwrap();
    let component = shipped("label-priority");
    let trace = json!({
        "id": "f-1", "digest": agentd_authoring::digest(&fs::read(&component).unwrap()), "plugin": "label-priority",
        "entry": "order", "function": "rank", "settings": {}, "repositories": [], "kv": {}, "now": 2, "seed": 1,
        "arguments": [{ "now": 2, "candidates": [] }], "answers": [], "error": "it failed\nhint: no", "complete": true,
        "limits": serde_json::to_value(budget()).unwrap(), "grants": serde_json::to_value(agentd_plugin::Grants::default()).unwrap(),
    });
    fs::write(repro.join("f-1.json"), trace.to_string()).unwrap();
    let (out, file) = (folder.path().join("f.json").display().to_string(), component.display().to_string());
    let text = seen(folder.path(), &["repro", "f-1", "-o", &out]).await;
    assert!(text.starts_with("wrote DIR/f.json: rank of label-priority"), "{text}");
    let unknown = seen(folder.path(), &["repro", "f-2"]).await;
    assert!(unknown.contains("there is no failed call f-2") && unknown.ends_with("hint: there are f-1"), "{unknown}");
    let first = seen(folder.path(), &["--json", "replay", &out, "--component", &file]).await;
    let second = seen(folder.path(), &["--json", "replay", &out, "--component", &file]).await;
    assert!(first.starts_with('{') && first == second, "{first}\n{second}");
    let other = shipped("todo").display().to_string();
    let refused = seen(folder.path(), &["replay", &out, "--component", &other]).await;
    assert!(refused.contains("hint: --any replays it"), "{refused}");
}

fn budget() -> agentd_plugin::Budget {
    agentd_plugin::limits_of(agentd_plugin::Kind::Prioritizer, agentd_plugin::Options::MAX_MEMORY)[0].1
}
