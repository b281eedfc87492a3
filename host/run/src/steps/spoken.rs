//! From the spool's frames to lines, and from an adapter's happenings to events.
//!
//! Lines do not depend on how the output was cut into frames, and what comes of the frames up to some offset depends on
//! these frames alone. So a second pass over the same spool gives the same events, which is how adoption is judged.

use super::Run;
use crate::contract;
use agentd_executor::spool::{Frame, Stream};
use agentd_plugin::wit::{
    activity::{Event, Happening, Weight},
    agent::Line,
};
use agentd_store::NewEvent;
use agentd_task::Severity;
use serde_json::{Value, json};

/// A longer line is handed on as its beginning.
const LINE_MAX: usize = 16 << 20;
/// What of a text goes into an event.
const TEXT_MAX: usize = 64 << 10;
/// What of all events of a run is stored.
const EVENTS_MAX: usize = 20_000;
const BYTES_MAX: usize = 64 << 20;

/// Puts the two outputs' pieces together to lines.
#[derive(Default)]
pub(super) struct Lines {
    stdout: Partial,
    stderr: Partial,
}

#[derive(Default)]
struct Partial {
    bytes: Vec<u8>,
    cut: bool,
}

impl Lines {
    /// The lines that this frame ends.
    pub(super) fn take(&mut self, frame: &Frame, out: &mut Vec<Line>) {
        match frame.stream {
            Stream::Stdout => self.stdout.take(&frame.payload, false, out),
            Stream::Stderr => self.stderr.take(&frame.payload, true, out),
            Stream::Note | Stream::Exit => {}
        }
    }

    /// The last lines, which have no end.
    pub(super) fn finish(&mut self, out: &mut Vec<Line>) {
        for (partial, stderr) in [(&mut self.stdout, false), (&mut self.stderr, true)] {
            if !partial.bytes.is_empty() {
                out.push(partial.line(stderr));
            }
        }
    }
}

impl Partial {
    fn take(&mut self, mut bytes: &[u8], stderr: bool, out: &mut Vec<Line>) {
        while let Some(end) = bytes.iter().position(|it| *it == b'\n') {
            self.add(&bytes[..end]);
            out.push(self.line(stderr));
            bytes = &bytes[end + 1..];
        }
        self.add(bytes);
    }

    fn add(&mut self, bytes: &[u8]) {
        let room = LINE_MAX - self.bytes.len();
        self.cut |= bytes.len() > room;
        self.bytes.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn line(&mut self, stderr: bool) -> Line {
        let mut bytes = std::mem::take(&mut self.bytes);
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
        let text = String::from_utf8(bytes).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned());
        Line { text, stderr, cut: std::mem::take(&mut self.cut), extra: vec![] }
    }
}

/// Turns an adapter's happenings into events, up to the limits of a run.
#[derive(Default)]
pub(super) struct Told {
    events: usize,
    bytes: usize,
    /// It said already that the rest is left out.
    full: bool,
}

impl Told {
    /// Nothing that comes from here on becomes an event.
    pub(super) fn is_full(&self) -> bool {
        self.full
    }

    pub(super) fn events(&mut self, run: &Run, happened: Vec<Event>) -> Vec<NewEvent> {
        let mut events = vec![];
        for event in happened {
            if self.full {
                break;
            }
            let (kind, severity, text, mut details) = describe(event.happening);
            if let (Some(agent), Some(details)) = (event.agent, details.as_object_mut()) {
                details.insert("agent".into(), agent.into());
            }
            self.events += 1;
            self.bytes += details.to_string().len();
            self.full = self.events > EVENTS_MAX || self.bytes > BYTES_MAX;
            if self.full {
                let text = "The agent says more than the log takes; the rest is in the transcript only".into();
                events.push(run.event("agent.notice", Severity::Warning, text, json!({ "code": "log-full" })));
            } else {
                events.push(run.event(kind, severity, contract::one_line(&text, 200), details));
            }
        }
        events
    }
}

fn describe(happening: Happening) -> (&'static str, Severity, String, Value) {
    let info = Severity::Info;
    let cut = |text: &str| contract::cut(text, TEXT_MAX).to_owned();
    match happening {
        Happening::Started(it) => {
            let text =
                format!("The agent began{}", it.model.as_deref().map(|it| format!(" with {it}")).unwrap_or_default());
            let details = json!({ "session": it.session, "model": it.model, "version": it.version });
            ("agent.started", info, text, details)
        }
        Happening::Message(it) => {
            let details = json!({ "text": cut(&it.text), "thinking": it.thinking, "partial": it.partial });
            ("agent.message", info, it.text, details)
        }
        Happening::ToolCall(it) => {
            let details = json!({ "id": it.id, "name": it.name, "input": cut(&it.input) });
            ("agent.tool-call", info, format!("{} {}", it.name, it.input), details)
        }
        Happening::ToolResult(it) => {
            let details = json!({ "id": it.id, "failed": it.failed, "output": cut(&it.output) });
            ("agent.tool-result", info, it.output, details)
        }
        Happening::Usage(it) => {
            let details = json!({ "model": it.model, "input_tokens": it.input_tokens, "output_tokens": it.output_tokens,
                "cache_read_tokens": it.cache_read_tokens, "cache_write_tokens": it.cache_write_tokens,
                "cost_microusd": it.cost_microusd });
            ("agent.usage", info, format!("{} tokens in, {} out", it.input_tokens, it.output_tokens), details)
        }
        Happening::Window(it) => {
            let severity = if it.exhausted { Severity::Warning } else { info };
            let details = json!({ "name": it.name, "exhausted": it.exhausted, "resets_at": it.resets_at });
            ("agent.window", severity, format!("Usage window {}", it.name), details)
        }
        Happening::Notice(it) => {
            let severity = if it.weight == Weight::Info { info } else { Severity::Warning };
            ("agent.notice", severity, it.text.clone(), json!({ "code": it.code, "text": cut(&it.text) }))
        }
        Happening::Other(it) => {
            ("agent.note", info, it.kind.clone(), json!({ "kind": it.kind, "content": cut(&it.content) }))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lines(pieces: &[(Stream, Vec<u8>)]) -> Vec<(String, bool)> {
        let (mut lines, mut out) = (Lines::default(), vec![]);
        for (stream, payload) in pieces {
            let frame = Frame { stream: *stream, payload: payload.clone(), end: 0 };
            lines.take(&frame, &mut out);
        }
        lines.finish(&mut out);
        out.into_iter().map(|it| (it.text, it.stderr)).collect()
    }

    #[test]
    fn the_two_outputs_do_not_mix_and_the_last_line_needs_no_end() {
        let pieces = [
            (Stream::Stdout, b"one\ntw".to_vec()),
            (Stream::Stderr, b"oops\r\n".to_vec()),
            (Stream::Stdout, b"o\n\xff".to_vec()),
        ];
        let expected = [("one", false), ("oops", true), ("two", false), ("\u{fffd}", false)];
        assert_eq!(lines(&pieces), expected.map(|(text, stderr)| (text.to_owned(), stderr)));
    }

    #[test]
    fn a_line_that_is_too_long_is_cut_and_the_next_one_is_whole() {
        let (mut lines, mut out) = (Lines::default(), vec![]);
        let mut payload = vec![b'x'; LINE_MAX + 5];
        payload.extend_from_slice(b"\nnext\n");
        lines.take(&Frame { stream: Stream::Stdout, payload, end: 0 }, &mut out);
        let seen: Vec<_> = out.iter().map(|it| (it.text.len(), it.cut)).collect();
        assert_eq!(seen, [(LINE_MAX, true), (4, false)]);
    }

    proptest! {
        /// However the output was cut into frames, the lines are the same.
        #[test]
        fn lines_do_not_depend_on_frames(bytes in prop::collection::vec(prop_oneof![Just(b'\n'), any::<u8>()], 0..200),
            cuts in prop::collection::vec(1usize..20, 1..40)) {
            let whole = lines(&[(Stream::Stdout, bytes.clone())]);
            let (mut rest, mut pieces, mut cuts) = (&bytes[..], vec![], cuts.into_iter().cycle());
            while !rest.is_empty() {
                let (piece, after) = rest.split_at(cuts.next().unwrap_or(1).min(rest.len()));
                pieces.push((Stream::Stdout, piece.to_vec()));
                rest = after;
            }
            prop_assert_eq!(lines(&pieces), whole);
        }
    }
}
