//! The scripted model beside a plain client, and beside the real agents' programs, which have to take it for real.

use super::*;
use crate::support::{Home, Usage, network, tool};
use serde_json::json;
use std::io::{ErrorKind, Read, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Sends a call and reads what comes until it ends, or until it has been silent for a while.
fn call(model: &Model, path: &str, body: &Value) -> (String, Ended) {
    let mut stream = TcpStream::connect(("127.0.0.1", model.0.port)).unwrap();
    let text = body.to_string();
    let head =
        format!("POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", text.len());
    stream.write_all((head + &text).as_bytes()).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    let (mut said, mut piece) = (vec![], [0; 4096]);
    loop {
        let ended = match stream.read(&mut piece) {
            Ok(0) => Ended::Closed,
            Ok(read) => {
                said.extend_from_slice(&piece[..read]);
                continue;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ended::Silent,
            Err(_) => Ended::Closed,
        };
        return (String::from_utf8(said).unwrap(), ended);
    }
}

#[derive(Debug, PartialEq)]
enum Ended {
    Closed,
    /// It is open, whether more will come or not.
    Silent,
}

#[track_caller]
fn check(turn: Turn, streamed: bool, expected: &[&str], ended: Ended) {
    let model = Model::start(Some(turn.clone()));
    let body = json!({ "model": "m", "stream": streamed, "messages": [{ "role": "user", "content": "Go" }] });
    let (said, how) = call(&model, "/v1/messages?beta=true", &body);
    let mut rest = said.as_str();
    for part in expected {
        let at = rest.find(part).unwrap_or_else(|| panic!("{turn:?}: no {part:?} in {rest}"));
        rest = &rest[at + part.len()..];
    }
    assert_eq!((how, expected.is_empty()), (ended, said.is_empty()), "{turn:?}: {said}");
}

#[test]
fn every_turn_looks_as_a_provider_s() {
    let text = || Turn::text("Hello");
    check(text(), true, &["200", "message_start", "\"He\"", "\"llo\"", "end_turn", "\r\n0\r\n\r\n"], Ended::Silent);
    check(text(), false, &["200", "content-length", "Hello", "end_turn"], Ended::Silent);
    check(Turn::bash("ls"), true, &["tool_use", "input_json_delta", "message_stop"], Ended::Silent);
    check(Turn::tool("Write", json!({ "a": 1 })), false, &["Write", "tool_use"], Ended::Silent);
    check(
        Turn::status(429, &[("retry-after", "7")]),
        true,
        &["429", "retry-after: 7", "rate_limit_error"],
        Ended::Silent,
    );
    check(Turn::refusal(), true, &["\"refusal\"", "message_stop"], Ended::Silent);
    check(Turn::max_tokens(), true, &["\"max_tokens\"", "message_stop"], Ended::Silent);
    check(
        Turn::sse_error("overloaded_error"),
        true,
        &["message_start", "event: error", "overloaded_error"],
        Ended::Silent,
    );
    check(Turn::hang(), true, &[], Ended::Silent);
    check(Turn::stall_after(2), true, &["message_start", "content_block_start"], Ended::Silent);
    check(Turn::cut_after(1), true, &["message_start"], Ended::Closed);
    check(Turn::cut_after(1), false, &[], Ended::Closed);
}

#[test]
fn whoever_goes_away_gets_the_same_turn_again() {
    let model = Model::start([Turn::text("One").held(), Turn::text("Two")]);
    let body = |said: &[&str]| {
        let said = said.iter().map(|it| json!({ "type": "message", "role": "assistant", "content": [{ "text": it }] }));
        json!({ "model": "m", "stream": true, "prompt_cache_key": "c", "input": said.collect::<Vec<_>>() })
    };
    let (said, ended) = call(&model, "/v1/responses", &body(&[]));
    model.in_call();
    assert!(said.contains("response.created") && !said.contains("One"), "{said}");
    assert_eq!(ended, Ended::Silent);
    model.release();
    assert!(call(&model, "/v1/responses", &body(&[])).0.contains("response.completed"));
    assert!(call(&model, "/v1/responses", &body(&["One"])).0.contains("Two"));
    let calls = model.wait_for_calls(3);
    assert!(calls.is_sorted_by_key(|it| it.at) && calls.iter().all(|it| it.path == "/v1/responses"));
    let turns: Vec<_> = calls.into_iter().map(|it| (it.turn, it.conversation)).collect();
    assert_eq!(turns, [(Some(0), "c".into()), (Some(0), "c".into()), (Some(1), "c".into())]);
}

/// Claude Code as a person runs it, in a folder of its own; the conversation goes on where it was.
fn claude(model: &Model, folder: &Path, more: &[&str]) -> Output {
    let mut claude = Command::new(tool("claude"));
    claude.args(["-p", "Work", "--output-format", "stream-json", "--verbose", "--dangerously-skip-permissions"]);
    claude.args(more).env("IS_SANDBOX", "1").env("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1");
    claude.env("ANTHROPIC_BASE_URL", model.url()).env("ANTHROPIC_API_KEY", Model::KEY);
    output(&mut claude, folder)
}

fn codex(model: &Model, folder: &Path, more: &[&str]) -> Output {
    let provider = format!(
        "model_providers.fake = {{ name = \"fake\", base_url = \"{}/v1\", env_key = \"KEY\", wire_api = \"responses\" }}",
        model.url()
    );
    let mut codex = Command::new(tool("codex"));
    codex.arg("exec").args(more).args(["--json", "--dangerously-bypass-approvals-and-sandbox"]);
    codex.args(["--skip-git-repo-check", "-c", "model_provider=\"fake\"", "-c", &provider]);
    output(codex.arg("Work").env("KEY", Model::KEY), folder)
}

fn output(command: &mut Command, folder: &Path) -> Output {
    std::fs::create_dir_all(folder.join("work")).unwrap();
    command.env("HOME", folder).env_remove("CODEX_HOME").env_remove("CLAUDE_CONFIG_DIR");
    command.current_dir(folder.join("work")).stdin(Stdio::null()).output().unwrap()
}

/// What both of them do: run a command, come to an end, and go on in the same session later.
#[track_caller]
fn two_runs_of_one_session(agent: fn(&Model, &Path, &[&str]) -> Output, again: fn(&str) -> Vec<String>) {
    let cached = Usage { input: 10, output: 20, cache_read: 300, cache_write: 40 };
    let folder = tempfile::tempdir().unwrap();
    let model = Model::start([
        Turn::status(529, &[]).times(1),
        Turn::bash("echo once >> said.txt").usage(cached),
        Turn::text("All done."),
        Turn::bash("echo twice >> said.txt"),
        Turn::text("Done again."),
    ]);
    let mut said = agent(&model, folder.path(), &[]);
    assert!(said.status.success() && String::from_utf8_lossy(&said.stdout).contains("All done."), "{said:?}");
    let session = model.calls()[0].conversation.clone();
    let more = again(&session);
    said = agent(&model, folder.path(), &more.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(said.status.success() && String::from_utf8_lossy(&said.stdout).contains("Done again."), "{said:?}");

    assert_eq!(std::fs::read_to_string(folder.path().join("work/said.txt")).unwrap(), "once\ntwice\n");
    let calls = model.wait_for_calls(5);
    assert_eq!(calls.iter().map(|it| it.turn).collect::<Vec<_>>(), [0, 1, 2, 3, 4].map(Some));
    assert!(calls.iter().all(|it| it.conversation == session && it.key() == Model::KEY));
    assert!(calls[3].history().contains("All done."), "the second run knows of the first");
    assert_eq!(model.billed(), Usage { input: 3610, output: 146, cache_read: 300, cache_write: 40 });
}

#[test]
fn claude_code_takes_it_for_real() {
    two_runs_of_one_session(claude, |session| vec!["--resume".into(), session.into()]);
}

#[test]
fn codex_takes_it_for_real() {
    two_runs_of_one_session(codex, |session| vec!["resume".into(), session.into()]);
}

#[test]
fn its_sections_are_a_configuration() {
    let model = Model::start([Turn::text("Hello")]);
    for provider in [Provider::Anthropic, Provider::OpenAi] {
        let sections = model.config_sections(provider) + &network();
        let home = Home::new("docker").more(&sections).env(Model::KEY_VARIABLE, Model::KEY).with_toolbox();
        home.ok(&["config", "check"]);
        let list = home.ok(&["toolbox", "list"]);
        assert!(list.contains("claude") && list.contains("codex"), "{list}");
    }
}
