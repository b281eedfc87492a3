//! Turns events of the log into rows of the outbox: what notifiers and sources are to be told, and which threads are to
//! be given back because their task is over.
//!
//! Each listener has a cursor in the log; rows and cursor are stored in one transaction, so nobody is told of an event
//! twice, or not at all, because the daemon died. Sends nothing.

use crate::{
    contract, edits,
    service::{Current, Runtime},
};
use agentd_plugin::wit::{notifier, task_source};
use agentd_store::{Error, NewEffect, TaskRow};
use agentd_task::{Recorded, Severity};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Effects that give back what was taken on a forge, and the reader of the log that decides them.
pub(crate) const RELEASE: &str = "release";
const CLAIMS: &str = "claims";
const BATCH: u32 = 500;
const PAUSE: Duration = Duration::from_secs(5);

/// What a row of the outbox says about an event.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Notice {
    /// The notifier's or source's name.
    pub(crate) to: String,
    /// A UUID: the same in each repetition.
    pub(crate) id: String,
    pub(crate) event: Recorded,
}

/// Reads the log until `stop`.
pub(crate) async fn enqueue_notices(current: Current, stop: CancellationToken) {
    let (mut changes, mut rearranged) = (current.get().store.latest(), current.changes());
    loop {
        let pause = match enqueue(&current.get()).await {
            Ok(()) => Duration::from_secs(3600),
            Err(error) => {
                tracing::error!(%error, "Notices cannot be stored");
                PAUSE
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            _ = changes.changed() => {}
            _ = rearranged.changed() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

async fn enqueue(rt: &Runtime) -> Result<(), Error> {
    for notifier in &rt.notifiers {
        let wanted = |event: &Recorded| notifier.events.is_match(&event.kind);
        follow(rt, &notifier.name, wanted).await?;
    }
    for name in rt.reporters.keys() {
        follow_tasks(rt, name).await?;
    }
    follow_ends(rt).await
}

/// A listener that is new is told what happens from now on, and not the past. Before anything happens.
pub(crate) async fn begin(rt: &Runtime) -> Result<(), Error> {
    let notifiers = rt.notifiers.iter().map(|it| format!("notify:{}", it.name));
    let sources = rt.reporters.keys().map(|it| consumer_of(it));
    for consumer in notifiers.chain(sources).chain([CLAIMS.to_owned()]) {
        if rt.store.reader().consumer(&consumer).await?.is_none() {
            let newest = *rt.store.latest().borrow();
            rt.store.enqueue(consumer, newest, vec![], rt.clock.now()).await?;
        }
    }
    Ok(())
}

/// The reader of the log that a source is.
pub(crate) fn consumer_of(source: &str) -> String {
    format!("report:{source}")
}

/// Gives back what was taken on the forge for tasks that are over.
async fn follow_ends(rt: &Runtime) -> Result<(), Error> {
    loop {
        let Some(batch) = next_batch(rt, CLAIMS).await? else { return Ok(()) };
        let mut rows = vec![];
        for event in &batch.events {
            let over = matches!(event.kind.as_str(), "task.done" | "task.failed" | "task.cancelled");
            let Some(task) = event.task.filter(|_| over) else { continue };
            let Some(TaskRow { thread: Some(thread), task, .. }) = rt.store.reader().task(task).await? else {
                continue;
            };
            if task.run == 0 {
                continue; // it was never taken
            }
            rows.push(NewEffect {
                task: Some(task.id),
                lane: edits::lane(&thread),
                key: format!("{RELEASE}:{}", event.id),
                kind: RELEASE.into(),
                payload: serde_json::to_string(&thread).expect("plain data becomes JSON"),
            });
        }
        if !batch.take(rt, CLAIMS, rows).await? {
            return Ok(());
        }
    }
}

/// Tells a source what becomes of its own tasks. That a run starts it is told before, by the run.
async fn follow_tasks(rt: &Runtime, name: &str) -> Result<(), Error> {
    let consumer = consumer_of(name);
    loop {
        let Some(batch) = next_batch(rt, &consumer).await? else { return Ok(()) };
        let mut wanted = vec![];
        for event in batch.events.iter().filter(|it| is_status(&it.kind)) {
            let Some(task) = event.task else { continue };
            if rt.store.reader().task(task).await?.is_some_and(|it| it.source == name) {
                wanted.push(row(rt, "report", name, event.clone()));
            }
        }
        if !batch.take(rt, &consumer, wanted).await? {
            return Ok(());
        }
    }
}

fn is_status(kind: &str) -> bool {
    kind.starts_with("task.") && !matches!(kind, "task.changed" | "task.running" | "task.cancelling")
}

/// Tells a notifier of the events that it wants.
async fn follow(rt: &Runtime, name: &str, wanted: impl Fn(&Recorded) -> bool) -> Result<(), Error> {
    let consumer = format!("notify:{name}");
    loop {
        let Some(batch) = next_batch(rt, &consumer).await? else { return Ok(()) };
        let rows = batch.events.iter().filter(|it| wanted(it)).map(|it| row(rt, "notify", name, it.clone())).collect();
        if !batch.take(rt, &consumer, rows).await? {
            return Ok(());
        }
    }
}

/// What a listener has not read yet.
struct Batch {
    after: i64,
    upto: i64,
    events: Vec<Recorded>,
}

async fn next_batch(rt: &Runtime, consumer: &str) -> Result<Option<Batch>, Error> {
    let after = rt.store.reader().consumer(consumer).await?.unwrap_or(0);
    let events = rt.store.reader().events(after, BATCH, None).await?;
    Ok(events.last().map(|it| it.id).map(|upto| Batch { after, upto, events }))
}

impl Batch {
    /// Stores the rows and moves the cursor; false: nothing was stored, and the rest is to be read again later.
    async fn take(self, rt: &Runtime, consumer: &str, rows: Vec<NewEffect>) -> Result<bool, Error> {
        // The cursor need not move for events that nobody wants, or each of its moves would be a write.
        if rows.is_empty() && self.upto - self.after < i64::from(BATCH) {
            return Ok(false);
        }
        rt.store.enqueue(consumer.into(), self.upto, rows, rt.clock.now()).await?;
        Ok(true)
    }
}

fn row(rt: &Runtime, kind: &str, to: &str, event: Recorded) -> NewEffect {
    let id = uuid::Uuid::new_v5(
        &uuid::Uuid::NAMESPACE_OID,
        format!("{}/{kind}/{to}/{}", rt.store.instance(), event.id).as_bytes(),
    );
    let task = event.task;
    let key = format!("{kind}:{to}:{}", event.id);
    let notice = Notice { to: to.into(), id: id.to_string(), event };
    let payload = serde_json::to_string(&notice).expect("plain data becomes JSON");
    // One lane for each listener and task keeps a task's news in order, and lets others pass.
    let lane = format!("{kind}:{to}:{}", task.map(|it| it.to_string()).unwrap_or_default());
    NewEffect { task, lane, key, kind: kind.into(), payload }
}

/// The message that a notifier gets.
pub(crate) fn message(notice: &Notice, task: Option<agentd_plugin::wit::work::Task>) -> notifier::Message {
    let event = &notice.event;
    notifier::Message {
        id: notice.id.clone(),
        events: vec![notifier::Event {
            id: event.id.to_string(),
            kind: event.kind.clone(),
            severity: match event.severity {
                Severity::Info => notifier::Severity::Info,
                Severity::Warning => notifier::Severity::Warning,
                Severity::Urgent => notifier::Severity::Urgent,
            },
            at: contract::timestamp(event.at),
            title: event.text.clone(),
            text: String::new(),
            task,
            url: None,
            details: event.details.clone(),
            extra: vec![],
        }],
        digest: false,
        extra: vec![],
    }
}

/// The update that a source gets before a run of its task begins.
pub(crate) async fn start_of(rt: &Runtime, row: &TaskRow) -> Result<task_source::Update, Error> {
    let task = contract::task_now(&rt.store, row).await?;
    let name = format!("{}/start/{}/{}.{}", rt.store.instance(), row.source, row.task.id, row.task.run);
    Ok(task_source::Update {
        id: uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, name.as_bytes()).to_string(),
        former_state: "queued".into(),
        text: Some(format!("Run {} begins", row.task.run)),
        reply_to: None,
        marker: marker(rt, &task.id),
        at: contract::timestamp(rt.clock.now()),
        task,
        extra: vec![],
    })
}

/// By this line agentd knows its own words.
fn marker(rt: &Runtime, task: &str) -> String {
    let mark = hex::encode(&Sha256::digest(format!("{}/{task}", rt.store.instance()))[..8]);
    format!("<!-- agentd {task} {mark} -->")
}

/// The update that a source gets.
pub(crate) fn update(rt: &Runtime, notice: &Notice, task: agentd_plugin::wit::work::Task) -> task_source::Update {
    let event = &notice.event;
    let details: serde_json::Value = serde_json::from_str(&event.details).unwrap_or_default();
    task_source::Update {
        id: notice.id.clone(),
        former_state: details["former"].as_str().unwrap_or_default().into(),
        text: details["answer"].as_str().map(str::to_owned).or(Some(event.text.clone())).filter(|it| !it.is_empty()),
        reply_to: None,
        marker: marker(rt, &task.id),
        at: contract::timestamp(event.at),
        task,
        extra: details["mode"].as_str().map(|mode| ("mode".to_owned(), mode.to_owned())).into_iter().collect(),
    }
}
