//! The control socket as its clients see it: a real socket, a real store, and a daemon that only writes down what it
//! was told.

use super::*;
use crate::{
    cli::client::{self, Client, with_query},
    home::Home,
};
use agentd_store::{Intake, NewEvent, Options, Store};
use agentd_task::{Draft, Mode, Severity, TaskId};
use async_trait::async_trait;
use serde_json::{Value, json};
use std::sync::Mutex;
use tokio_util::task::TaskTracker;

const NOW: i64 = 1_700_000_000_000;

/// Writes down what it was told; tasks it takes really are in the store.
pub(crate) struct Told {
    store: Store,
    pub(crate) orders: Mutex<Vec<String>>,
}

impl Told {
    fn note(&self, order: String) -> Result<String, Refusal> {
        let said = format!("did {order}");
        self.orders.lock().unwrap().push(order);
        Ok(said)
    }
}

#[async_trait]
impl Control for Told {
    async fn submit(&self, draft: Draft, mode: Mode) -> Result<TaskId, Refusal> {
        if draft.repository == "unknown" {
            return Err(Refusal::Invalid("there is no repository unknown".into()));
        }
        Ok(take(&self.store, draft, mode).await)
    }
    async fn start(&self, task: TaskId) -> Result<String, Refusal> {
        self.note(format!("start {task}"))
    }
    async fn cancel(&self, task: TaskId) -> Result<String, Refusal> {
        Err(Refusal::NotNow(format!("{task} is over")))
    }
    async fn retry(&self, task: TaskId) -> Result<String, Refusal> {
        Err(Refusal::NotFound(format!("there is no task {task}")))
    }
    async fn approve(&self, task: TaskId) -> Result<String, Refusal> {
        self.note(format!("approve {task}"))
    }
    async fn reject(&self, task: TaskId, comment: Option<String>) -> Result<String, Refusal> {
        self.note(format!("reject {task} {comment:?}"))
    }
    async fn clean(&self, task: TaskId) -> Result<String, Refusal> {
        Err(Refusal::Failed(format!("{task} cannot be cleaned")))
    }
    async fn diff(&self, task: TaskId) -> Result<String, Refusal> {
        Ok(format!("--- a\n+++ {task}\n"))
    }
    async fn pause(&self, paused: bool) -> Result<(), Refusal> {
        self.note(format!("pause {paused}")).map(drop)
    }
    async fn check_workspaces(&self) -> Result<Vec<String>, Refusal> {
        Ok(vec!["t-9 has no checkout".into()])
    }
    async fn effect(&self, id: i64, order: EffectOrder) -> Result<String, Refusal> {
        self.note(format!("{order:?} {id}"))
    }
    async fn plugins(&self) -> Vec<Value> {
        vec![json!({ "name": "folder" })]
    }
    async fn rollback(&self, plugin: &str) -> Result<String, Refusal> {
        self.note(format!("rollback {plugin}"))
    }
    async fn readmit(&self, plugin: &str) -> Result<String, Refusal> {
        self.note(format!("readmit {plugin}"))
    }
    async fn plugin_log(&self, after: u64, plugin: Option<&str>, wait: bool) -> Vec<Value> {
        vec![json!({ "id": after + 1, "plugin": plugin, "wait": wait })]
    }
    async fn reload(&self) -> Result<Value, Refusal> {
        self.note("reload".into()).map(|said| json!({ "said": said }))
    }
    async fn configuration(&self) -> Value {
        json!({ "waits_for_restart": ["home"] })
    }
    async fn stop(&self, mode: StopMode) -> Result<(), Refusal> {
        self.note(format!("stop {mode:?}")).map(drop)
    }
}

async fn take(store: &Store, draft: Draft, mode: Mode) -> TaskId {
    let key = draft.key.clone();
    let intake = Intake {
        source: "cli".into(),
        drafts: vec![draft],
        withdrawn: Vec::new(),
        complete: None,
        cursor: None,
        entry: None,
        kv: Vec::new(),
        mode,
        branch_prefix: "agentd/".into(),
        shared: std::collections::BTreeSet::new(),
    };
    store.intake(intake, NOW).await.unwrap();
    store.reader().task_by_key("cli", key).await.unwrap().unwrap().task.id
}

/// A server on a home of its own.
pub(crate) struct Daemon {
    _folder: tempfile::TempDir,
    pub(crate) home: Home,
    client: Client,
    pub(crate) store: Store,
    pub(crate) told: Arc<Told>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Daemon {
    pub(crate) fn start() -> Daemon {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path());
        let store = Store::open(Options { path: home.database() }, NOW).unwrap();
        let told = Arc::new(Told { store: store.clone(), orders: Mutex::default() });
        let parts = Parts {
            reader: store.reader().clone(),
            latest: store.latest(),
            control: Arc::clone(&told) as Arc<dyn Control>,
            identity: Identity { instance: store.instance().into(), pid: 41, started_at: NOW },
            home: "/srv/agentd".into(),
        };
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let listener = bind(&home.socket()).unwrap();
        tasks.spawn(serve(listener, parts, stop.clone()));
        Daemon { client: Client::new(&home), _folder: folder, home, store, told, stop, tasks }
    }

    /// Ends it; its home stays.
    pub(crate) async fn end(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        std::fs::remove_file(self.home.socket()).unwrap();
    }

    async fn get(&self, path: &str) -> Value {
        self.client.get(path).await.unwrap()
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Value {
        self.client.post(path, &body).await.unwrap()
    }

    /// `code: message` of a refused request.
    async fn refused(&self, path: &str, body: Option<Value>) -> String {
        let answer: Result<Value, _> = match body {
            Some(body) => self.client.post(path, &body).await,
            None => self.client.get(path).await,
        };
        match answer.unwrap_err() {
            client::Error::Refused(view) => format!("{}: {}", view.code, view.message),
            other => panic!("{other}"),
        }
    }

    pub(crate) async fn log(&self, text: &str, task: Option<TaskId>) -> i64 {
        let event = NewEvent {
            task,
            run: None,
            kind: "test.said".into(),
            severity: Severity::Info,
            text: text.into(),
            details: json!({}),
        };
        self.store.log(event, NOW).await.unwrap()
    }
}

fn draft(title: &str) -> Value {
    json!({ "key": title, "title": title, "repository": "web" })
}

#[tokio::test]
async fn a_task_goes_in_and_is_seen_everywhere() {
    let daemon = Daemon::start();
    assert_eq!(daemon.post("/v1/tasks", draft("Fix it")).await, json!({ "task": "t-1" }));
    let status = daemon.get("/v1/status").await;
    assert_eq!(
        (&status["running"], &status["pid"], &status["tasks"]),
        (&json!(true), &json!(41), &json!({ "queued": 1 }))
    );
    let list = daemon.get("/v1/tasks?state=queued,running&repository=web&limit=5").await;
    assert_eq!(list[0]["title"], "Fix it");
    assert_eq!(daemon.get("/v1/tasks?state=failed").await, json!([]));
    assert_eq!(daemon.get("/v1/queue").await[0]["id"], "t-1");
    assert_eq!(daemon.get("/v1/tasks/t-1").await["branch"], "agentd/t-1");
    assert_eq!(daemon.get("/v1/tasks/1/diff").await["diff"], "--- a\n+++ t-1\n");
    assert_eq!(daemon.get("/v1/outbox").await, json!([]));
}

#[tokio::test]
async fn orders_reach_the_daemon_and_its_answers_come_back() {
    let daemon = Daemon::start();
    assert_eq!(daemon.post("/v1/tasks/t-1/start", json!({})).await, json!({ "task": "t-1", "said": "did start t-1" }));
    daemon.post("/v1/tasks/2/approve", json!({})).await;
    daemon.post("/v1/tasks/t-3/reject", json!({ "comment": "keep the name" })).await;
    daemon.post("/v1/tasks/t-3/reject", json!({ "comment": " " })).await;
    daemon.post("/v1/pause", json!({})).await;
    daemon.post("/v1/resume", json!({})).await;
    daemon.post("/v1/outbox/7/hold", json!({})).await;
    daemon.post("/v1/outbox/7/drop", json!({})).await;
    daemon.post("/v1/stop", json!({ "mode": "drain" })).await;
    daemon.post("/v1/stop", json!({})).await;
    assert_eq!(daemon.post("/v1/workspaces/check", json!({})).await, json!({ "problems": ["t-9 has no checkout"] }));
    assert_eq!(daemon.get("/v1/plugins").await, json!([{ "name": "folder" }]));
    let told = daemon.told.orders.lock().unwrap().join("; ");
    assert_eq!(
        told,
        "start t-1; approve t-2; reject t-3 Some(\"keep the name\"); reject t-3 None; pause true; pause false; \
         Hold 7; Drop 7; stop Drain; stop Stop"
    );
}

#[tokio::test]
async fn what_cannot_be_is_refused_in_words() {
    let daemon = Daemon::start();
    let long = "x".repeat(300);
    let cases = [
        ("/v1/tasks/t-9", None, "not-found: there is no task t-9"),
        ("/v1/tasks/nine", None, "invalid: `nine` is not a task id, which looks like t-17"),
        ("/v1/nothing", None, "not-found: there is no /v1/nothing"),
        ("/v1/pause", None, "invalid: /v1/pause does not take GET"),
        (
            "/v1/tasks?stat=x",
            None,
            "invalid: Failed to deserialize query string: stat: unknown field `stat`, expected one of `state`, `source`, `repository`, `after`, `limit`",
        ),
        ("/v1/tasks/t-1/cancel", Some(json!({})), "not-now: t-1 is over"),
        ("/v1/tasks/t-1/retry", Some(json!({})), "not-found: there is no task t-1"),
        ("/v1/tasks/t-1/clean", Some(json!({})), "failed: t-1 cannot be cleaned"),
        (
            "/v1/tasks/t-1/explode",
            Some(json!({})),
            "invalid: `explode` is no order; known are start, cancel, retry, approve, reject and clean",
        ),
        ("/v1/outbox/x/hold", Some(json!({})), "invalid: `x` is not the number of an effect"),
        (
            "/v1/stop",
            Some(json!({ "mode": "later" })),
            "invalid: the request is not what is expected: unknown variant `later`, expected one of `stop`, `drain`, `now` at line 1 column 15",
        ),
        (
            "/v1/tasks",
            Some(json!({ "key": "k", "title": long, "repository": "web" })),
            "invalid: title: must be at most 256 characters; the rest belongs into the body",
        ),
        (
            "/v1/tasks",
            Some(json!({ "key": "k", "title": "a\nb", "repository": "web" })),
            "invalid: title: must be one line",
        ),
        (
            "/v1/tasks",
            Some(json!({ "key": "k", "title": "t", "repository": "unknown" })),
            "invalid: there is no repository unknown",
        ),
        (
            "/v1/tasks",
            Some(json!({ "key": "k", "title": "x".repeat(2 << 20), "repository": "web" })),
            "too-large: the request is larger than 1 MiB",
        ),
    ];
    for (path, body, expected) in cases {
        assert_eq!(daemon.refused(path, body).await, expected, "{path}");
    }
}

#[tokio::test]
async fn events_come_in_their_order_and_only_those_that_were_asked_for() {
    let daemon = Daemon::start();
    daemon.post("/v1/tasks", draft("one")).await;
    daemon.post("/v1/tasks", draft("two")).await;
    // More than one batch of the stream.
    futures_util::future::join_all((0..1500).map(|_| daemon.log("something", None))).await;
    let last = daemon.log("of the second", Some(TaskId(2))).await;
    let mut lines = daemon.client.lines("/v1/events").await.unwrap();
    let mut ids = Vec::new();
    while let Some(event) = lines.next::<Value>().await.unwrap() {
        ids.push(event["id"].as_i64().unwrap());
    }
    assert!(ids.is_sorted() && ids.len() > 1500, "{} events", ids.len());
    assert_eq!(ids.last(), Some(&last));
    let path = with_query("/v1/events", &[("after", (last - 1).to_string()), ("task", "t-2".into())]);
    let mut lines = daemon.client.lines(&path).await.unwrap();
    assert_eq!(lines.next::<Value>().await.unwrap().unwrap()["text"], "of the second");
    assert!(lines.next::<Value>().await.unwrap().is_none());
}

#[tokio::test]
async fn who_follows_hears_of_what_comes_until_the_daemon_stops() {
    let daemon = Daemon::start();
    let before = daemon.log("before", None).await;
    let path = with_query("/v1/events", &[("after", before.to_string()), ("follow", "true".into())]);
    let mut lines = daemon.client.lines(&path).await.unwrap();
    for number in 0..20 {
        let text = format!("event {number}");
        daemon.log(&text, None).await;
        assert_eq!(lines.next::<Value>().await.unwrap().unwrap()["text"], text);
    }
    daemon.stop.cancel();
    assert!(lines.next::<Value>().await.unwrap().is_none(), "the stream has a regular end");
    daemon.tasks.close();
    daemon.tasks.wait().await;
    let gone = daemon.client.health().await.unwrap_err();
    assert_eq!(gone.to_string(), format!("agentd is not running on {}", daemon.home.path().display()));
}

#[tokio::test]
async fn a_daemon_that_dies_in_the_middle_is_no_regular_end() {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::new(folder.path());
    let listener = bind(&home.socket()).unwrap();
    let answered = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        // All of the request is read: otherwise closing the socket would throw the answer away.
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(tokio::io::AsyncReadExt::read_u8(&mut stream).await.unwrap());
        }
        let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n6\r\n{\"a\":1\r\n";
        tokio::io::AsyncWriteExt::write_all(&mut stream, head).await.unwrap();
    };
    let client = Client::new(&home);
    let (lines, ()) = tokio::join!(client.lines("/v1/events?follow=true"), answered);
    let cut = lines.unwrap().next::<Value>().await.unwrap_err();
    assert_eq!(cut.to_string(), format!("agentd on {} ended before it had answered", folder.path().display()));
}

#[test]
fn a_hint_in_a_refusal_becomes_the_hint() {
    #[track_caller]
    fn check(refusal: Refusal, message: &str, hint: Option<&str>) {
        let shown = format!("{:?}", error::Refused::from(refusal));
        assert!(shown.contains(&format!("message: {message:?}, hint: {hint:?}")), "{shown}");
    }
    check(
        Refusal::Failed("main is checked out\nhint: merge it there".into()),
        "main is checked out",
        Some("merge it there"),
    );
    check(Refusal::Failed("no room".into()), "no room", Some("agentd logs says more"));
    check(Refusal::NotNow("it is over".into()), "it is over", None);
}

#[tokio::test]
async fn followers_have_a_limit_and_give_their_place_back() {
    let daemon = Daemon::start();
    let mut all = Vec::new();
    for _ in 0..FOLLOWERS_MAX {
        all.push(daemon.client.lines("/v1/events?follow=true").await.unwrap());
    }
    assert_eq!(daemon.refused("/v1/events", None).await, "busy: too many requests are under way");
    assert_eq!(daemon.client.health().await.unwrap(), 41, "everything else goes on");
    all.clear();
    // A client that is gone is noticed with the next event at the latest.
    while daemon.client.lines("/v1/events").await.is_err() {
        daemon.log("somebody there?", None).await;
    }
}

#[tokio::test]
async fn the_socket_is_its_owners_and_replaces_a_dead_one() {
    let daemon = Daemon::start();
    let mode = std::fs::metadata(daemon.home.socket()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("agentd.sock");
    drop(bind(&path).unwrap());
    assert!(path.exists(), "a daemon that was killed leaves its socket");
    bind(&path).unwrap();
}
