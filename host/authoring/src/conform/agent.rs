//! Agents: a plan that can be carried out, and events that depend on the lines alone, not on how they were cut.

use super::sample::{FOREIGN, task};
use super::{Said, Suite, equal, said};
use crate::case;
use serde_json::{Value, json};

const HOME: &str = "/home/agent";

pub(super) async fn tried(suite: &mut Suite<'_>) {
    suite.the_same_again("needs answers the same again", "needs", &json!([])).await;
    let beginning = json!([{ "run": run(), "lines": [], "exit": null }]);
    suite.extra_is_taken("run", &beginning).await;
    planned(suite, beginning).await;
    let lines = output();
    let one = suite.call("run", life(&lines, 0)).await;
    let mut found = Ok(());
    for (cut, what) in [(1, "cut line by line"), (2, "cut two by two")] {
        let mut arguments = life(&lines, 0);
        arguments[0]["cut"] = json!(cut);
        found = found.and(equal(&one, &suite.call("run", arguments).await, what));
    }
    suite.note("the same lines cut differently give the same events", found);
    let again = suite.call("run", life(&lines, 0)).await;
    suite.note("a replay of the run gives the same", equal(&one, &again, "the replay"));
    let odd = vec![
        ("no output, exit code 0", life(&[], 0)),
        ("no output, exit code 1", life(&[], 1)),
        ("a line of 300 KiB", life(&[line(&"x".repeat(300 << 10), false)], 0)),
        ("JSON that ends early", life(&[line("{\"type\":\"result\",\"us", false)], 137)),
        ("JSON of another shape", life(&[line("[[[]]]", false), line("{\"type\":{}}", false), line("null", false)], 0)),
        ("a program that never started", json!([{ "run": run(), "lines": [], "exit": exit(&json!(null), "start") }])),
        ("a cause of later", json!([{ "run": run(), "lines": [], "exit": exit(&json!(1), "a-later-cause") }])),
    ];
    suite.no_traps("read and conclude take any output without a trap", "run", odd).await;
    success_needs_more_than_a_code(suite).await;
}

/// Banners, warnings, foreign text, and lines of JSON as several agents print them.
fn output() -> Vec<Value> {
    [
        ("Welcome to the agent 1.2.3", false),
        ("warning: something is old", true),
        ("{\"type\":\"system\",\"subtype\":\"init\",\"session_id\":\"s-1\",\"model\":\"m\"}", false),
        ("{\"type\":\"thread.started\",\"thread_id\":\"s-1\"}", false),
        (FOREIGN, false),
        ("", false),
        ("{\"type\":\"assistant\",\"message\":{\"content\":[{\"type\":\"text\",\"text\":\"Hello\"}]}}", false),
        ("{\"type\":\"item.completed\",\"item\":{\"id\":\"i\",\"type\":\"agent_message\",\"text\":\"Hello\"}}", false),
        ("{\"type\":\"result\",\"subtype\":\"success\",\"result\":\"Done\",\"session_id\":\"s-1\"}", false),
        ("{\"type\":\"turn.completed\",\"usage\":{\"input_tokens\":1,\"output_tokens\":2}}", false),
        ("bye", true),
    ]
    .map(|(text, stderr)| line(text, stderr))
    .to_vec()
}

fn line(text: &str, stderr: bool) -> Value {
    json!({ "text": text, "stderr": stderr, "cut": false, "extra": [] })
}

fn run() -> Value {
    let endpoint = |name: &str, api: &str| json!({ "name": name, "api": api, "url": format!("http://127.0.0.1:8080/{name}"), "token": "run-token", "extra": [] });
    json!({
        "id": "r-1", "task": task(1), "purpose": "execute", "prompt": FOREIGN, "system": "Be brief.", "resume": null,
        "new-session": "7c9e6679-7425-40de-944b-e07fc1f90ae7", "model": null, "workspace": "/workspace",
        "branch": "agentd/t-1", "base": "main", "base-commit": super::stage::COMMIT, "home": HOME,
        "endpoints": [endpoint("main", "anthropic-messages")], "mcp-servers": [], "max-turns": 10,
        "max-microusd": 1_000_000, "max-duration-ms": 600_000, "sandboxed": true, "extra": [],
    })
}

fn exit(code: &Value, cause: &str) -> Value {
    json!({ "code": code, "cause": cause, "stderr": "the end\n", "extra": [] })
}

fn life(lines: &[Value], code: i32) -> Value {
    json!([{ "run": run(), "lines": lines, "exit": exit(&json!(code), "exited") }])
}

async fn planned(suite: &mut Suite<'_>, beginning: Value) {
    let name = "a plan starts a program, and writes below its home";
    let plan = match said(&suite.call("run", beginning).await) {
        Ok(Said::Answer(life)) => life["plan"].clone(),
        Ok(Said::Refusal(why)) => return suite.not_tried(name, &why),
        Err(trap) => return suite.note(name, Err(trap)),
    };
    let outside = |it: &&Value| {
        let path = it["path"].as_str().unwrap_or_default();
        !path.starts_with(&format!("{HOME}/")) || path.split('/').any(|it| it == "..")
    };
    let found = if plan["argv"].as_array().is_none_or(Vec::is_empty) {
        Err("argv is empty".into())
    } else {
        let file = plan["files"].as_array().into_iter().flatten().find(outside);
        file.map_or(Ok(()), |it| Err(format!("{} lies outside of home", it["path"])))
    };
    suite.note(name, found);
}

/// Whatever the code says: a program that was killed has not completed.
async fn success_needs_more_than_a_code(suite: &mut Suite<'_>) {
    let name = "a program that failed without a word has not completed";
    let played = suite.call("run", life(&[], 1)).await;
    match said(&played) {
        Ok(Said::Answer(life)) => {
            let outcome = &life["conclusion"]["outcome"];
            let found =
                if outcome == "completed" { Err("exit code 1 and no output was `completed`".into()) } else { Ok(()) };
            suite.note(name, found);
        }
        Ok(Said::Refusal(why)) => suite.not_tried(name, &why),
        Err(_) => suite.not_tried(name, &case::outcome(&played.outcome).to_string()),
    }
}
