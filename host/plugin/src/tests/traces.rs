//! Calls of authors, and failed calls that are done again: the same bytes each time.

use super::*;
use crate::wit::activity::Run;
use crate::wit::agent::{Line, Order};
use crate::wit::notifier::Message;
use crate::wit::task_source::PollRequest;
use crate::{Answers, Approved, HostAnswer, Opened, Played, Rehearsal, json};

async fn opened(house: &House, name: &str) -> Opened {
    house.plugins.open(&house.folder.path().join(name).with_extension("wasm")).await.unwrap()
}

/// All that two plays of one trace have to have in common.
fn essence(played: &Played) -> String {
    let Played { outcome, kv, lines, asked, missing, .. } = played;
    format!("{outcome:?}\n{kv:?}\n{lines:?}\n{asked:?}\n{missing:?}")
}

/// Does the last failed call again, twice: it fails in the same words.
async fn check_replay(house: &House, failure: &CallError) -> Trace {
    let trace = house.daemon.traces.lock().unwrap().pop().expect("a failure makes a trace");
    assert!(failure.to_string().contains(&format!("`agentd plugin repro {}`", trace.id)), "{failure}");
    let kept = serde_json::to_string(&trace).unwrap();
    let trace: Trace = serde_json::from_str(&kept).unwrap();
    let opened = opened(house, "hostile_plugin").await;
    assert_eq!(opened.info().digest, trace.digest);
    let (first, second) = (trace.replay(&opened).await, trace.replay(&opened).await);
    assert_eq!(essence(&first), essence(&second));
    assert_eq!(first.outcome.as_ref().unwrap_err(), failure);
    assert!(first.missing.is_empty() && trace.complete, "{:?}", first.missing);
    trace
}

#[tokio::test]
async fn a_failed_call_is_done_again_with_the_same_clock_chance_and_answers() {
    let house = House::new().await;
    house.daemon.kv.lock().unwrap().insert("stored".into(), "yes".into());
    *house.daemon.answer.lock().unwrap() = answer(418, "short and stout");
    let dice = json!({ "does": "dice-http", "url": "https://example.org/hook" });
    let mut said = vec![];
    for _ in 0..2 {
        let failure = rank(&house.hostile(dice.clone()).await).await.unwrap_err();
        let CallError::Failed { details, .. } = &failure else { panic!("{failure:?}") };
        said.push(details.said.clone());
        house.daemon.pass(1_234);
        let trace = check_replay(&house, &failure).await;
        let imports: Vec<&str> = trace.answers.iter().map(|it| it.import.as_str()).collect();
        for import in ["clock.now", "clock.monotonic", "kv.get", "kv.keys", "repository.read-file", "http.send"] {
            assert!(imports.contains(&import), "{import} is missing in {imports:?}");
        }
        assert_eq!(trace.kv["stored"], "yes");
        assert_eq!((trace.function.as_str(), trace.entry.as_str(), trace.repositories.len()), ("rank", "e", 1));
    }
    assert!(said[0].contains("Ok(Some(\"yes\"))") && said[0].contains("418"), "{}", said[0]);
    assert_ne!(said[0], said[1], "two live calls do not have the same chance");
}

#[tokio::test]
async fn calls_of_every_kind_are_done_again() {
    let house = House::new().await;
    let entry = async || house.hostile(json!({ "does": "dice" })).await;
    let failure = entry().await.poll(PollRequest { cursor: Some("c".into()), extra: vec![] }).await.unwrap_err();
    assert_eq!(check_replay(&house, &failure).await.function, "poll");
    let message = Message { id: "m-1".into(), events: vec![], digest: false, extra: vec![] };
    let failure = entry().await.notify(message).await.unwrap_err();
    assert_eq!(check_replay(&house, &failure).await.function, "notify");
    let request = json::read(
        &json!({ "purpose": "execute", "task": json::value(&task("t-1")), "body": "b", "run": 1,
        "runs-left": 2, "resumed": false, "workspace": "/w", "branch": "b", "base": "main" }),
        "request",
    );
    let failure = entry().await.render(request.unwrap()).await.unwrap_err();
    assert_eq!(check_replay(&house, &failure).await.function, "render");
    let failure = rank(&house.does("kv-panic").await).await.unwrap_err();
    assert_eq!(check_replay(&house, &failure).await.function, "rank");
}

#[tokio::test]
async fn an_agents_life_is_done_again() {
    let house = House::new().await;
    let entry = house.does("nothing").await;
    let mut agent = entry.agent_run().await.unwrap();
    let run: Run = json::read(&run(), "run").unwrap();
    agent.launch(run).await.unwrap();
    let line = |text: &str| Line { text: text.into(), stderr: false, cut: false, extra: vec![] };
    agent.read(vec![line("one"), line("two")]).await.unwrap();
    agent.control(Order { verb: "say".into(), text: "more".into(), extra: vec![] }).await.unwrap();
    let failure = agent.read(vec![line("three"), line("panic")]).await.unwrap_err();
    let trace = check_replay(&house, &failure).await;
    assert_eq!(trace.function, "run");
    assert_eq!(trace.arguments[0]["lines"][3]["text"], "panic");
    assert_eq!(trace.arguments[0]["orders"][0]["after"], 2);
}

fn run() -> Value {
    json!({ "id": "r-1", "task": json::value(&task("t-1")), "purpose": "execute", "prompt": "Mend it",
        "new-session": "s", "workspace": "/w", "branch": "b", "base": "main", "base-commit": "0", "home": "/home/agent",
        "sandboxed": true })
}

#[tokio::test]
async fn more_than_is_kept_makes_a_trace_that_says_so() {
    let house = House::new().await;
    *house.daemon.answer.lock().unwrap() = answer(200, &"x".repeat(5 << 20));
    let dice = json!({ "does": "dice-http", "url": "https://example.org/hook" });
    rank(&house.hostile(dice).await).await.unwrap_err();
    let trace = house.daemon.traces.lock().unwrap().pop().unwrap();
    assert!(!trace.complete);
    assert!(trace.answers.iter().all(|it| it.import != "http.send"), "what has no answer has no place");
    assert!(!trace.answers.is_empty());
}

fn rehearsal(function: &str, settings: Value, arguments: Value) -> Rehearsal {
    Rehearsal {
        entry: "e".into(),
        settings,
        repositories: vec!["acme/shop".into()],
        function: function.into(),
        arguments,
        kv: BTreeMap::new(),
        now: NOW,
        seed: 7,
        answers: Answers::Recorded(vec![]),
        approved: Approved::All,
    }
}

fn candidates() -> Value {
    json!([json::value(&batch(&["t-1"]))])
}

#[tokio::test]
async fn an_author_calls_any_function_with_json() {
    let house = House::new().await;
    let label = opened(&house, "label_priority").await;
    let played = label.call(rehearsal("rank", json!({}), candidates())).await;
    let score = &played.outcome.unwrap()[0];
    assert_eq!((&score["task"], &score["value"]), (&json!("t-1"), &json!(30.0)));
    assert!(played.memory > 1 << 16 && played.cpu_us > 0, "{} bytes, {} us", played.memory, played.cpu_us);

    let hostile = opened(&house, "hostile_plugin").await;
    let about = hostile.call(rehearsal("describe", json!({}), Value::Null)).await.outcome.unwrap();
    assert_eq!((&about["name"], &about["wants"][0]["repository"]["why"]), (&json!("hostile"), &json!("to read")));
    let wrong = hostile.call(rehearsal("check", json!({ "does": "check-problems" }), Value::Null)).await;
    assert_eq!(wrong.outcome.unwrap()[0]["pointer"], "/does");
    let life = json!([{ "run": run(), "lines": ["one", "two"], "cut": 1, "exit": { "cause": "exited", "stderr": "" },
        "orders": [{ "after": 1, "order": { "verb": "dance", "text": "" } }] }]);
    let played = hostile.call(rehearsal("run", json!({}), life)).await.outcome.unwrap();
    assert_eq!(played["plan"]["argv"], json!(["agent"]));
    assert_eq!(played["events"][1]["happening"]["message"]["text"], "two");
    assert_eq!(played["answers"], json!([{ "err": { "unsupported": "`dance`" } }]));
    assert_eq!(played["conclusion"]["outcome"], "completed");
    let needs = hostile.call(rehearsal("needs", json!({}), json!([]))).await.outcome.unwrap();
    assert_eq!(needs["check"], json!(["true"]));
}

#[tokio::test]
async fn what_an_author_gets_wrong_is_said_with_its_place() {
    let house = House::new().await;
    let hostile = opened(&house, "hostile_plugin").await;
    for (function, settings, arguments, expected) in [
        ("rank", json!({}), json!([]), "rank takes one argument, and 0 are given"),
        ("rank", json!({}), json!({}), "the arguments of rank must be a list"),
        ("rank", json!({}), json!([5]), "arguments[0]: must be an object, is a number"),
        (
            "rank",
            json!({}),
            json!([{ "now": 5, "candidates": [{ "task": { "title": 1 } }] }]),
            "arguments[0].candidates[0].task.id: is missing",
        ),
        ("rank", json!({}), json!([{ "now": "x" }]), "arguments[0].now: invalid type: string \"x\", expected u64"),
        (
            "rank",
            json!({}),
            json!([{ "nwo": 1 }]),
            "arguments[0]: there is no field `nwo`; there are now, candidates, extra",
        ),
        ("dance", json!({}), json!([]), "there is no function `dance` to call; this plugin has describe, check, poll"),
        ("rank", json!({ "dos": 1 }), candidates(), "settings.dos: there is no such setting"),
        (
            "analyze",
            json!({}),
            json!([{ "repository": "a", "revision": "b", "now": 1, "limit": 1 }]),
            "plugin `hostile` is not an analyzer but",
        ),
    ] {
        let error = hostile.call(rehearsal(function, settings, arguments)).await.outcome.unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
}

#[tokio::test]
async fn recorded_answers_stand_for_the_world() {
    let house = House::new().await;
    let hostile = opened(&house, "hostile_plugin").await;
    let settings = json!({ "does": "http", "url": "https://example.org/hook" });
    let live =
        Rehearsal { answers: Answers::Live(house.daemon.clone()), ..rehearsal("rank", settings.clone(), candidates()) };
    let first = hostile.call(live).await;
    assert_eq!(first.outcome.as_ref().unwrap()[0]["reason"], "200");
    assert_eq!(first.asked[0].arguments[0]["url"], "https://example.org/hook");
    let recorded = |answers| Rehearsal {
        answers: Answers::Recorded(answers),
        ..rehearsal("rank", settings.clone(), candidates())
    };
    let second = hostile.call(recorded(first.asked.clone())).await;
    assert_eq!(essence(&first), essence(&second), "what was recorded live plays offline");

    let other = HostAnswer { arguments: json!([{ "url": "https://example.org/" }]), ..first.asked[0].clone() };
    let played = hostile.call(recorded(vec![other])).await;
    let error = played.outcome.unwrap_err().to_string();
    assert!(error.contains("no answer is recorded for http.send [{"), "{error}");
    assert!(error.contains("what comes next is http.send [{\"url\":\"https://example.org/\"}]"), "{error}");
    assert_eq!(played.missing.len(), 1);
    let any = HostAnswer { arguments: Value::Null, ..first.asked[0].clone() };
    assert!(hostile.call(recorded(vec![any])).await.outcome.is_ok(), "null fits every question");
}

#[tokio::test]
async fn a_rehearsal_has_its_own_store_clock_and_log() {
    let house = House::new().await;
    let hostile = opened(&house, "hostile_plugin").await;
    let kv = BTreeMap::from(["a", "b", "stored"].map(|key| (key.to_owned(), "0".to_owned())));
    let played = hostile.call(Rehearsal { kv, ..rehearsal("rank", json!({ "does": "kv" }), candidates()) }).await;
    assert_eq!(played.outcome.unwrap()[0]["reason"], r#"Some("0") Some("1") None None ["a", "b"] []"#);
    assert_eq!(played.kv.len(), 3);
    assert!(played.asked.is_empty());
    let played = hostile.call(rehearsal("rank", json!({ "does": "log-fields" }), candidates())).await;
    assert_eq!((played.lines[0].level.as_str(), played.lines[0].message.as_str()), ("info", "with fields"));
    assert!(house.daemon.logged().is_empty(), "nothing of it reaches the daemon");
    let approved = Approved::Grants(Grants::default());
    let settings = json!({ "does": "http", "url": "https://example.org/hook" });
    let played = hostile.call(Rehearsal { approved, ..rehearsal("rank", settings, candidates()) }).await;
    let error = played.outcome.unwrap_err().to_string();
    assert!(
        error.ends_with("[approvals.hostile]: http = [{ methods = [\"POST\"], url = \"https://example.org/hook\" }]"),
        "{error}"
    );
}
