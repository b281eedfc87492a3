//! What the tests of this room share, and the tests of the store as a whole.

use crate::{Effect, EffectFilter, Intake, NewEffect, NewEvent, Options, RunKey, Score, Store, TaskRow, With};
use agentd_task::{Draft, Event, Failure, Limits, Mode, Reason, Severity, Status, Step, TaskId};
use serde_json::Value;
use tempfile::TempDir;

pub(crate) const LIMITS: Limits = Limits { concurrent: 3, per_repository: 1, open_changes: 5 };
pub(crate) const WIDE: Limits = Limits { concurrent: 1_000, per_repository: 1_000, open_changes: 1_000 };

/// A store in a folder of its own.
pub(crate) struct Home {
    pub(crate) store: Store,
    folder: TempDir,
}

impl Home {
    pub(crate) fn new() -> Home {
        let folder = TempDir::new().unwrap();
        let store = Store::open(options(&folder), 0).unwrap();
        Home { store, folder }
    }

    pub(crate) fn path(&self) -> std::path::PathBuf {
        options(&self.folder).path
    }

    pub(crate) async fn effect(&self, key: &str) -> Option<Effect> {
        let all = EffectFilter { limit: 1_000, ..EffectFilter::default() };
        self.store.reader().effects(all).await.unwrap().into_iter().find(|it| it.key == key)
    }

    /// Ends the store as a stop does, and opens it again.
    pub(crate) async fn reopen(self) -> Home {
        self.store.close().await;
        let store = Store::open(options(&self.folder), 0).unwrap();
        Home { store, folder: self.folder }
    }

    /// A copy of the files as they are on the disk right now: what a kill would leave.
    pub(crate) fn killed(&self) -> Home {
        let folder = TempDir::new().unwrap();
        for file in std::fs::read_dir(&self.folder).unwrap() {
            let file = file.unwrap();
            // The shared memory is not on the disk: a new process makes its own.
            if !file.file_name().to_str().unwrap().ends_with("-shm") {
                std::fs::copy(file.path(), folder.path().join(file.file_name())).unwrap();
            }
        }
        let store = Store::open(options(&folder), 0).unwrap();
        Home { store, folder }
    }

    /// Raw access, for what only a mistake or an enemy would write.
    pub(crate) fn raw(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.path()).unwrap()
    }

    pub(crate) async fn take(&self, drafts: Vec<Draft>) -> Vec<TaskId> {
        self.store.intake(intake(drafts), 10).await.unwrap().new
    }

    /// A new task that is queued.
    pub(crate) async fn queued(&self, key: &str) -> TaskId {
        self.take(vec![draft(key)]).await[0]
    }

    /// A new task at its first run.
    pub(crate) async fn running(&self, key: &str) -> RunKey {
        let id = self.queued(key).await;
        self.apply(id, Event::Claimed).await;
        RunKey { task: id, run: 1 }
    }

    /// A new task whose change is in review.
    pub(crate) async fn in_review(&self, key: &str) -> TaskId {
        let RunKey { task, run } = self.running(key).await;
        self.apply(task, Event::Verified { run, ask: false }).await;
        self.apply(task, Event::Published).await.task.id
    }

    pub(crate) async fn apply(&self, task: TaskId, event: Event) -> TaskRow {
        self.store.apply(task, event, With::default(), 20).await.unwrap()
    }

    pub(crate) async fn task(&self, id: TaskId) -> TaskRow {
        self.store.reader().task(id).await.unwrap().unwrap()
    }

    pub(crate) async fn state(&self, id: TaskId) -> &'static str {
        self.task(id).await.task.status.as_str()
    }

    /// The kinds of a task's events, oldest first.
    pub(crate) async fn kinds(&self, id: TaskId) -> Vec<String> {
        self.store.reader().events(0, 1_000, Some(id)).await.unwrap().into_iter().map(|it| it.kind).collect()
    }

    pub(crate) async fn score(&self, task: TaskId, value: f64) {
        self.store.rank(1, vec![Score { task, value, reason: "because".into() }]).await.unwrap();
    }

    pub(crate) async fn claim(&self, limits: &Limits) -> Option<TaskId> {
        self.store.claim(limits.clone(), None, 30).await.unwrap().map(|it| it.task.id)
    }
}

fn options(folder: &TempDir) -> Options {
    Options { path: folder.path().join("agentd.db") }
}

pub(crate) fn intake(drafts: Vec<Draft>) -> Intake {
    Intake { source: "folder".into(), drafts, mode: Mode::Auto, branch_prefix: "agentd/".into(), ..Intake::default() }
}

pub(crate) fn draft(key: &str) -> Draft {
    Draft {
        key: key.into(),
        title: format!("Title of {key}"),
        body: "Do it.".into(),
        repository: "shop".into(),
        ..Draft::default()
    }
}

pub(crate) fn event(kind: &str) -> NewEvent {
    NewEvent {
        task: None,
        run: None,
        kind: kind.into(),
        severity: Severity::Info,
        text: format!("It is {kind}"),
        details: Value::Null,
    }
}

pub(crate) fn effect(lane: &str, key: &str) -> NewEffect {
    NewEffect { task: None, lane: lane.into(), key: key.into(), kind: "push".into(), payload: "{}".into() }
}

pub(crate) fn failed(run: u32, reason: Reason) -> Event {
    Event::Failed { run, failure: Failure::new(reason, "it broke"), now: 20 }
}

#[tokio::test]
async fn a_store_keeps_its_instance_and_is_private() {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::new();
    let instance = home.store.instance().to_owned();
    assert_eq!(instance.len(), 8, "{instance}");
    assert!(instance.chars().all(|it| it.is_ascii_hexdigit()));
    assert_eq!(std::fs::metadata(home.path()).unwrap().permissions().mode() & 0o777, 0o600);
    let home = home.reopen().await;
    assert_eq!(home.store.instance(), instance);
    assert_ne!(Home::new().store.instance(), instance);
}

#[tokio::test]
async fn a_pause_survives_a_restart_and_stops_claims() {
    let home = Home::new();
    let id = home.queued("a").await;
    home.store.pause(true, 20).await.unwrap();
    home.store.pause(true, 21).await.unwrap();
    let home = home.reopen().await;
    assert!(home.store.reader().paused().await.unwrap());
    assert_eq!(home.claim(&LIMITS).await, None);
    home.store.pause(false, 22).await.unwrap();
    assert_eq!(home.claim(&LIMITS).await, Some(id));
    let events = home.store.reader().events(0, 100, None).await.unwrap();
    let of_daemon: Vec<_> = events.iter().filter(|it| it.kind.starts_with("daemon.")).map(|it| &*it.kind).collect();
    assert_eq!(of_daemon, ["daemon.paused", "daemon.resumed"]);
}

#[tokio::test]
async fn a_kill_loses_nothing_that_was_answered() {
    let home = Home::new();
    let run = home.running("a").await;
    home.queued("b").await;
    home.store.begin_step(run, Step::Prepare, "hash".into(), 20).await.unwrap();
    home.store.take_output(run, 0, 7, vec![(3, event("agent.message"))], 20).await.unwrap();
    let after = home.killed();
    assert_eq!(after.store.instance(), home.store.instance());
    assert_eq!(after.state(run.task).await, "running");
    assert_eq!(after.store.reader().run(run).await.unwrap().unwrap().spool_offset, 7);
    assert_eq!(after.kinds(run.task).await, ["task.queued", "task.running", "step.started", "agent.message"]);
    assert_eq!(after.store.reader().integrity().await.unwrap(), [""; 0]);
}

#[tokio::test]
async fn the_newest_event_is_announced_when_it_is_stored() {
    let home = Home::new();
    let mut latest = home.store.latest();
    assert_eq!(*latest.borrow_and_update(), 0);
    let id = home.store.log(event("plugin.failed"), 5).await.unwrap();
    latest.changed().await.unwrap();
    assert_eq!(*latest.borrow_and_update(), id);
    home.store.kv_commit("folder".into(), vec![("a".into(), Some("1".into()))]).await.unwrap();
    assert!(!latest.has_changed().unwrap(), "nothing was logged");
    let home = home.reopen().await;
    assert_eq!(*home.store.latest().borrow(), id);
}

#[tokio::test]
async fn the_log_is_read_in_pages_and_by_task() {
    let home = Home::new();
    let (a, b) = (home.queued("a").await, home.queued("b").await);
    home.apply(a, Event::Cancelled).await;
    let reader = home.store.reader();
    let first = reader.events(0, 2, None).await.unwrap();
    assert_eq!(first.iter().map(|it| (it.id, it.task)).collect::<Vec<_>>(), [(1, Some(a)), (2, Some(b))]);
    let rest = reader.events(2, 2, None).await.unwrap();
    assert_eq!(rest.iter().map(|it| it.id).collect::<Vec<_>>(), [3]);
    assert_eq!(home.kinds(b).await, ["task.queued"]);
    assert_eq!(
        home.store.log(NewEvent { task: Some(TaskId(99)), ..event("x.y") }, 5).await.unwrap_err().to_string(),
        "task t-99 does not exist: `agentd task list` shows those that do"
    );
}

#[tokio::test]
async fn an_event_stays_one_line_of_bounded_size() {
    let home = Home::new();
    let long = NewEvent {
        text: format!("two\nlines\x1b[31m {}", "x".repeat(5_000)),
        details: serde_json::json!({ "state": "done", "huge": "y".repeat(300 << 10) }),
        ..event("agent.message")
    };
    home.store.log(long, 5).await.unwrap();
    let stored = home.store.reader().events(0, 1, None).await.unwrap().remove(0);
    assert!(stored.text.starts_with("two lines [31m xx"), "{}", &stored.text[..40]);
    assert_eq!(stored.text.chars().count(), 1_000);
    let details: Value = serde_json::from_str(&stored.details).unwrap();
    assert_eq!(details["state"], "done");
    assert!(details["omitted_bytes"].as_u64().unwrap() > 300 << 10);
}

#[tokio::test]
async fn a_row_is_written_as_json_that_names_its_state() {
    let home = Home::new();
    let id = home.queued("a").await;
    let json = serde_json::to_value(home.task(id).await).unwrap();
    assert_eq!(json["task"]["id"], "t-1");
    assert_eq!(json["task"]["status"]["state"], "queued");
    assert_eq!(json["branch"], "agentd/t-1");
    assert_eq!(json["reason"], "starts when the limits allow it");
}

#[tokio::test]
async fn tasks_are_listed_by_state_source_repository_and_page() {
    let home = Home::new();
    let other = Draft { repository: "blog".into(), ..draft("c") };
    let ids = home.take(vec![draft("a"), draft("b"), other]).await;
    home.apply(ids[1], Event::Cancelled).await;
    let list = async |filter| {
        let rows = home.store.reader().tasks(filter).await.unwrap();
        rows.into_iter().map(|it| it.key).collect::<Vec<_>>().join(" ")
    };
    use crate::TaskFilter as F;
    assert_eq!(list(F::default()).await, "a b c");
    assert_eq!(list(F { states: vec!["queued".into()], ..F::default() }).await, "a c");
    assert_eq!(list(F { repository: Some("blog".into()), ..F::default() }).await, "c");
    assert_eq!(list(F { source: Some("other".into()), ..F::default() }).await, "");
    assert_eq!(list(F { after: Some(ids[0]), limit: 1, ..F::default() }).await, "b");
    let counts = home.store.reader().counts().await.unwrap();
    assert_eq!(counts, [("cancelled".into(), 1), ("queued".into(), 2)]);
    let row = home.store.reader().task_by_key("folder", "c").await.unwrap().unwrap();
    assert_eq!(row.task.id, ids[2]);
    assert!(matches!(row.task.status, Status::Queued { .. }));
}
