//! Server-sent events, however they were cut: the `data` of each, and nothing else of it.

/// Puts events together.
pub(super) struct Events {
    max: usize,
    /// The line that is coming.
    line: Vec<u8>,
    /// The data of the event that is coming.
    data: Vec<u8>,
    has_data: bool,
    /// The event is too long, and passes by.
    skips: bool,
    /// The last byte was `\r`: a `\n` after it belongs to it.
    after_return: bool,
}

impl Events {
    /// `max`: the longest event, in bytes.
    pub(super) fn new(max: usize) -> Events {
        Events { max, line: Vec::new(), data: Vec::new(), has_data: false, skips: false, after_return: false }
    }

    /// The next piece of the stream; `event` gets the data of each event that ends in it.
    pub(super) fn take(&mut self, mut piece: &[u8], event: &mut dyn FnMut(&[u8])) {
        if self.after_return && piece.first() == Some(&b'\n') {
            piece = &piece[1..];
        }
        if piece.is_empty() {
            return;
        }
        self.after_return = false;
        while let Some(end) = piece.iter().position(|it| matches!(it, b'\n' | b'\r')) {
            self.grow(&piece[..end]);
            self.line_ended(event);
            let returned = piece[end] == b'\r';
            piece = &piece[end + 1..];
            if returned && piece.first() == Some(&b'\n') {
                piece = &piece[1..];
            } else {
                self.after_return = returned && piece.is_empty();
            }
        }
        self.grow(piece);
    }

    /// The stream is over: what has come of the last event is an event.
    pub(super) fn end(&mut self, event: &mut dyn FnMut(&[u8])) {
        self.line_ended(event);
        self.event_ended(event);
    }

    fn grow(&mut self, bytes: &[u8]) {
        if self.skips || self.line.len() + self.data.len() + bytes.len() > self.max {
            self.skips = true;
            self.data = Vec::new();
            // One byte is left as a mark, so that the line is not taken for an empty one.
            self.line.truncate(1);
            self.line.shrink_to_fit();
            if self.line.is_empty() {
                self.line.extend_from_slice(&bytes[..bytes.len().min(1)]);
            }
        } else {
            self.line.extend_from_slice(bytes);
        }
    }

    fn line_ended(&mut self, event: &mut dyn FnMut(&[u8])) {
        if self.line.is_empty() {
            self.event_ended(event);
            return;
        }
        if let Some(value) = self.line.strip_prefix(b"data:").filter(|_| !self.skips) {
            if self.has_data {
                self.data.push(b'\n');
            }
            self.data.extend_from_slice(value.strip_prefix(b" ").unwrap_or(value));
            self.has_data = true;
        }
        self.line.clear();
    }

    fn event_ended(&mut self, event: &mut dyn FnMut(&[u8])) {
        if self.has_data && !self.skips {
            event(&self.data);
        }
        self.data.clear();
        (self.has_data, self.skips) = (false, false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same events come out however the text is cut.
    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let read = |pieces: &mut dyn Iterator<Item = &[u8]>| {
            let (mut events, mut found) = (Events::new(40), Vec::new());
            let mut note = |data: &[u8]| found.push(String::from_utf8_lossy(data).into_owned());
            for piece in pieces {
                events.take(piece, &mut note);
            }
            events.end(&mut note);
            found
        };
        let bytes = text.as_bytes();
        for size in 1..=bytes.len().max(1) {
            assert_eq!(read(&mut bytes.chunks(size)), expected, "{text:?} in pieces of {size}");
        }
        for at in 0..bytes.len() {
            assert_eq!(read(&mut [&bytes[..at], &bytes[at..]].into_iter()), expected, "{text:?} cut at {at}");
        }
    }

    #[test]
    fn events_are_put_together_however_they_are_cut() {
        check("event: a\ndata: {\"x\":1}\n\ndata: 2\n\n", &["{\"x\":1}", "2"]);
        check("data: 1\r\n\r\ndata:2\r\n\r\n", &["1", "2"]);
        check("data: 1\r\rdata: 2\r\r", &["1", "2"]);
        check("data: a\ndata: b\n\n", &["a\nb"]);
        check(": a comment\n\nid: 1\nretry: 2\n\ndata: x\n\n", &["x"]);
        check("data: the end is missing", &["the end is missing"]);
        check("data:\n\ndata\n\n", &[""]);
        check("", &[]);
    }

    #[test]
    fn an_event_that_is_too_long_passes_by_and_the_next_one_counts() {
        let long = "x".repeat(60);
        check(&format!("data: {long}\n\ndata: 1\n\n"), &["1"]);
        check(&format!("data: 1\n\ndata: {long}\ndata: more\n\ndata: 2\r\n\r\n"), &["1", "2"]);
        check(&format!(": {long}\n\ndata: 1\n\n"), &["1"]);
    }
}
