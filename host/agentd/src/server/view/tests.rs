//! The shape of every answer, field by field: scripts read it, so that a change here is a change for them.

use super::*;
use crate::server::{ErrorBody, ErrorView};
use serde_json::json;

/// The same value with the kind of each value in place of the value.
fn shape(value: &Json) -> Json {
    match value {
        Json::Null => "null".into(),
        Json::Bool(_) => "bool".into(),
        Json::Number(number) if number.is_f64() => "number".into(),
        Json::Number(_) => "integer".into(),
        Json::String(_) => "text".into(),
        Json::Array(values) => values.iter().map(shape).collect(),
        Json::Object(pairs) => pairs.iter().map(|(key, value)| (key.clone(), shape(value))).collect(),
    }
}

fn task() -> TaskView {
    TaskView {
        id: TaskId(3),
        state: "running".into(),
        reason: "it runs".into(),
        step: Some(Step::Verify),
        waits_for: Some("approval".into()),
        run: 1,
        failures: 0,
        purpose: Purpose::Execute,
        source: "inbox".into(),
        key: "fix.md".into(),
        title: "Fix it".into(),
        url: Some("https://x".into()),
        subject: Some("https://x".into()),
        repository: "web".into(),
        base: Some("main".into()),
        branch: "agentd/t-3".into(),
        labels: vec!["bug".into()],
        priority: Some(1),
        depends_on: vec!["t-1".into()],
        requested_by: Some("me".into()),
        agent: Some("fixer".into()),
        score: 1.5,
        score_reason: "bug 30".into(),
        created_at: 1,
        changed_at: 2,
        waiting_since: 3,
    }
}

fn effect() -> EffectView {
    EffectView {
        id: 1,
        task: Some(TaskId(3)),
        lane: "web".into(),
        key: "k".into(),
        kind: "push".into(),
        state: "pending".into(),
        attempts: 0,
        due: 1,
        error: Some("no".into()),
        created_at: 1,
    }
}

fn detail() -> TaskDetail {
    let steps = vec![StepView { step: Step::Prepare, started_at: 1, finished_at: Some(2) }];
    TaskDetail {
        task: task(),
        body: "text".into(),
        instructions: Some("text".into()),
        answer: Some("text".into()),
        session: Some("id".into()),
        change: Some(ChangeView {
            repository: "web".into(),
            branch: "agentd/t-3".into(),
            base: "main".into(),
            commit: "abc".into(),
            number: Some(1),
            url: Some("https://x".into()),
            state: "open".into(),
        }),
        runs: vec![RunView {
            run: 1,
            purpose: Purpose::Execute,
            started_at: 1,
            ended_at: Some(2),
            outcome: Some("verified".into()),
            steps,
            spent_microusd: 1,
        }],
        remarks: vec![RemarkView { author: "me".into(), body: "no".into(), at: 1 }],
        effects: vec![effect()],
        usage: vec![UsageView {
            model: "m-1".into(),
            calls: 2,
            estimated: 1,
            input_tokens: 1,
            output_tokens: 1,
            cache_read_tokens: 1,
            cache_write_tokens: 1,
            cost_microusd: 1,
        }],
    }
}

#[test]
fn answers_have_the_shape_that_scripts_know() {
    let status = StatusView {
        version: "0.1.0".into(),
        home: "/srv/agentd".into(),
        running: true,
        pid: Some(41),
        instance: Some("0a1b2c3d".into()),
        started_at: Some(1),
        paused: false,
        tasks: [("queued".to_owned(), 1)].into(),
        working_on: Vec::new(),
        open_effects: 0,
        spent_today_microusd: 0,
    };
    let event = EventView {
        id: 1,
        at: 1,
        task: Some(TaskId(3)),
        run: Some(1),
        kind: "task.queued".into(),
        severity: Severity::Info,
        text: "t-3 is queued".into(),
        details: json!({ "state": "queued" }),
    };
    let error = ErrorView { code: "not-found".into(), message: "no".into(), hint: Some("look".into()) };
    let all = json!({
        "status": status, "task in a list": task(), "task": detail(), "event": event, "effect": effect(),
        "error": ErrorBody { error },
    });
    insta::assert_snapshot!(serde_json::to_string_pretty(&shape(&all)).unwrap());
}

#[test]
fn what_is_handed_in_needs_three_fields_and_takes_no_other() {
    let least = json!({ "key": "k", "title": " Fix it ", "repository": "web" });
    let (draft, mode) = serde_json::from_value::<Submission>(least).unwrap().into_draft().unwrap();
    assert_eq!((draft.title.as_str(), draft.repository.as_str(), mode), ("Fix it", "web", Mode::Auto));
    let typo = json!({ "key": "k", "title": "t", "repository": "web", "lables": [] });
    assert!(serde_json::from_value::<Submission>(typo).is_err());
}
