//! What a plugin says: its log, its standard output, its standard error.
//!
//! All three go to one log with one limit for each call (200 lines of 8 KiB); what is over is counted, and the count
//! is logged. A guest never waits for it and never fails by it. The end of standard error is kept for error messages.

use crate::Host;
use crate::wit::log::Level;
use bytes::Bytes;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use tokio::io::AsyncWrite;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError};

const LINES: u32 = 200;
const LINE_BYTES: usize = 8 << 10;
const TAIL_BYTES: usize = 2 << 10;

/// One call's output; clones write to the same.
#[derive(Clone)]
pub(crate) struct Output(Arc<Mutex<State>>);

struct State {
    host: Arc<dyn Host>,
    plugin: String,
    entry: String,
    lines: u32,
    dropped: u64,
    /// What has no end of line yet, of standard output and standard error.
    open: [Vec<u8>; 2],
    tail: Vec<u8>,
}

/// Where the guest's bytes come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    Stdout = 0,
    Stderr = 1,
}

/// One of the two, as WASI wants it.
#[derive(Clone)]
pub(crate) struct Pipe(Output, Stream);

impl Output {
    pub(crate) fn new(host: Arc<dyn Host>, plugin: &str, entry: &str) -> Output {
        let (plugin, entry) = (plugin.to_owned(), entry.to_owned());
        Output(Arc::new(Mutex::new(State {
            host,
            plugin,
            entry,
            lines: 0,
            dropped: 0,
            open: [vec![], vec![]],
            tail: vec![],
        })))
    }

    pub(crate) fn pipe(&self, stream: Stream) -> Pipe {
        Pipe(self.clone(), stream)
    }

    pub(crate) fn log(&self, level: Level, message: &str, fields: Vec<(String, String)>) {
        self.state().log(level, message, fields);
    }

    /// Ends the call's output: lines without an end are logged, what was dropped is told, and the limits begin anew.
    pub(crate) fn finish(&self) {
        let mut state = self.state();
        for stream in [Stream::Stdout, Stream::Stderr] {
            let rest = std::mem::take(&mut state.open[stream as usize]);
            if !rest.is_empty() {
                state.line(stream, &rest);
            }
        }
        let dropped = std::mem::take(&mut state.dropped);
        state.lines = 0;
        if dropped > 0 {
            let message = format!("{dropped} more lines of this call were dropped: at most {LINES} are kept");
            state.host.log(&state.plugin, &state.entry, Level::Warn, &message, &[]);
        }
    }

    /// The last lines of standard error.
    pub(crate) fn tail(&self) -> String {
        let state = self.state();
        crate::error::readable(&String::from_utf8_lossy(&state.tail), TAIL_BYTES)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn log(&mut self, level: Level, message: &str, mut fields: Vec<(String, String)>) {
        if self.lines >= LINES {
            self.dropped += 1;
            return;
        }
        self.lines += 1;
        let cut = &message[..message.floor_char_boundary(LINE_BYTES)];
        let mut left = LINE_BYTES - cut.len();
        fields.retain(|(name, value)| {
            // An empty one takes room too: there could be a million of them.
            let size = name.len() + value.len() + 2;
            let fits = size <= left;
            left -= if fits { size } else { 0 };
            fits
        });
        self.host.log(&self.plugin, &self.entry, level, cut, &fields);
    }

    fn write(&mut self, stream: Stream, bytes: &[u8]) {
        if stream == Stream::Stderr {
            self.tail.extend_from_slice(&bytes[bytes.len().saturating_sub(TAIL_BYTES)..]);
            let over = self.tail.len().saturating_sub(TAIL_BYTES);
            self.tail.drain(..over);
        }
        for piece in bytes.split_inclusive(|it| *it == b'\n') {
            let open = &mut self.open[stream as usize];
            let room = LINE_BYTES.saturating_sub(open.len());
            open.extend_from_slice(&piece[..piece.len().min(room)]);
            if piece.ends_with(b"\n") {
                let line = std::mem::take(open);
                self.line(stream, &line);
            }
        }
    }

    fn line(&mut self, stream: Stream, line: &[u8]) {
        let text = String::from_utf8_lossy(line);
        let (level, name) = match stream {
            Stream::Stdout => (Level::Info, "stdout"),
            Stream::Stderr => (Level::Warn, "stderr"),
        };
        self.log(level, text.trim_end(), vec![("stream".into(), name.into())]);
    }
}

impl IsTerminal for Pipe {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Pipe {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    /// At once, and not by a task in between: the last words before a trap must not be lost.
    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[async_trait]
impl Pollable for Pipe {
    async fn ready(&mut self) {}
}

impl OutputStream for Pipe {
    fn write(&mut self, bytes: Bytes) -> Result<(), StreamError> {
        self.0.state().write(self.1, &bytes);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), StreamError> {
        Ok(())
    }

    fn check_write(&mut self) -> Result<usize, StreamError> {
        Ok(64 << 10)
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        self.0.state().write(self.1, bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
