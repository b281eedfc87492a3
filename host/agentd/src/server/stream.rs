//! The event log as a stream: one JSON object a line, and, where somebody follows, on and on.
//!
//! - Holds a batch at most; a slow client slows down nobody but itself.
//! - Ends when the daemon stops or the client is gone. An empty line now and then finds out about the client.

use super::{
    query::{self, ROWS_MAX},
    view::EventView,
};
use agentd_store::Reader;
use agentd_task::TaskId;
use axum::body::{Body, Bytes};
use futures_util::stream;
use std::{io, time::Duration};
use tokio::{
    sync::{OwnedSemaphorePermit, watch},
    time,
};
use tokio_util::sync::CancellationToken;

const HEARTBEAT: Duration = Duration::from_secs(15);

/// What a stream needs to go on.
pub(crate) struct Events {
    pub(crate) reader: Reader,
    pub(crate) latest: watch::Receiver<i64>,
    pub(crate) after: i64,
    pub(crate) task: Option<TaskId>,
    pub(crate) follow: bool,
    pub(crate) stop: CancellationToken,
    /// Its place among those that may follow at once.
    pub(crate) _place: OwnedSemaphorePermit,
}

impl Events {
    pub(crate) fn into_body(self) -> Body {
        Body::from_stream(stream::unfold(Some(self), |state| async move {
            let mut events = state?;
            match events.next().await {
                Ok(Some(lines)) => Some((Ok(lines), Some(events))),
                Ok(None) => None,
                // The client sees a body that breaks off, which is no regular end.
                Err(error) => Some((Err(error), None)),
            }
        }))
    }

    /// The next lines; none: that was all.
    async fn next(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            // Marked as seen before reading: what comes in between wakes the wait below.
            let newest = *self.latest.borrow_and_update();
            let batch = query::events(&self.reader, self.after, ROWS_MAX, self.task).await.map_err(io::Error::other)?;
            if let Some(last) = batch.last() {
                self.after = last.id;
                return lines(&batch).map(Some);
            }
            // Nothing of this task up to the newest: other tasks' events need not be looked at again.
            self.after = self.after.max(newest);
            if !self.follow {
                return Ok(None);
            }
            tokio::select! {
                () = self.stop.cancelled() => return Ok(None),
                changed = self.latest.changed() => if changed.is_err() { return Ok(None) },
                () = time::sleep(HEARTBEAT) => return Ok(Some(Bytes::from_static(b"\n"))),
            }
        }
    }
}

fn lines(events: &[EventView]) -> io::Result<Bytes> {
    let mut text = Vec::new();
    for event in events {
        serde_json::to_writer(&mut text, event)?;
        text.push(b'\n');
    }
    Ok(text.into())
}
