//! As much HTTP/1.1 as a scripted model needs, over one connection that is kept.

use serde_json::Value;
use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;

pub(super) struct Request {
    pub(super) method: String,
    /// With the query.
    pub(super) path: String,
    /// Names in small letters.
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

/// What a turn is in a provider's words: in one piece and as events. Which one is sent is for the caller to say.
#[derive(Default)]
pub(super) struct Answer {
    /// A status instead of an answer.
    pub(super) refusal: Option<Refusal>,
    pub(super) headers: Vec<(String, String)>,
    pub(super) whole: String,
    /// Name and data of each.
    pub(super) events: Vec<(String, Value)>,
    /// The events end in an error.
    pub(super) failed: bool,
}

pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: String,
}

/// The connection is over, by whomever.
#[derive(Debug)]
pub(super) struct Gone;

impl From<io::Error> for Gone {
    fn from(_: io::Error) -> Gone {
        Gone
    }
}

impl Request {
    /// The path without its query.
    pub(super) fn route(&self) -> &str {
        self.path.split('?').next().unwrap_or_default()
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(it, _)| it == name).map_or("", |(_, value)| value)
    }

    /// Null where it is no JSON.
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

pub(super) struct Connection {
    reader: BufReader<TcpStream>,
}

impl Connection {
    pub(super) fn new(stream: TcpStream) -> Connection {
        stream.set_nodelay(true).ok();
        Connection { reader: BufReader::new(stream) }
    }

    /// None when the other end is done.
    pub(super) fn request(&mut self) -> Result<Option<Request>, Gone> {
        let mut line = String::new();
        if self.reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let mut words = line.split_whitespace().map(str::to_owned);
        let (Some(method), Some(path)) = (words.next(), words.next()) else { return Err(Gone) };
        let mut headers: Vec<(String, String)> = vec![];
        loop {
            let mut line = String::new();
            self.reader.read_line(&mut line)?;
            let Some((name, value)) = line.trim().split_once(':') else { break };
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let mut request = Request { method, path, headers, body: vec![] };
        if request.header("transfer-encoding").eq_ignore_ascii_case("chunked") {
            request.body = self.chunks()?;
        } else {
            request.body = vec![0; request.header("content-length").parse().unwrap_or(0)];
            self.reader.read_exact(&mut request.body)?;
        }
        Ok(Some(request))
    }

    fn chunks(&mut self) -> Result<Vec<u8>, Gone> {
        let mut body = vec![];
        loop {
            let mut line = String::new();
            self.reader.read_line(&mut line)?;
            let length = u64::from_str_radix(line.trim(), 16).map_err(|_| Gone)?;
            (&mut self.reader).take(length).read_to_end(&mut body)?;
            self.reader.read_line(&mut String::new())?;
            if length == 0 {
                return Ok(body);
            }
        }
    }

    /// A whole answer; the connection stays.
    pub(super) fn whole(&mut self, status: u16, headers: &[(String, String)], body: &str) -> Result<(), Gone> {
        let length = [("content-length".to_owned(), body.len().to_string())];
        let mut text = head(status, "application/json", headers, &length);
        text.push_str(body);
        self.write(text.as_bytes())
    }

    pub(super) fn begin_stream(&mut self, headers: &[(String, String)]) -> Result<(), Gone> {
        let chunked = [("transfer-encoding".to_owned(), "chunked".to_owned())];
        self.write(head(200, "text/event-stream", headers, &chunked).as_bytes())
    }

    /// One event, on its way before this returns. `message` is what an event without a name is, and goes without one.
    pub(super) fn event(&mut self, (name, data): &(String, Value)) -> Result<(), Gone> {
        let name = if name == "message" { String::new() } else { format!("event: {name}\n") };
        let event = format!("{name}data: {data}\n\n");
        self.write(format!("{:x}\r\n{event}\r\n", event.len()).as_bytes())
    }

    pub(super) fn end_stream(&mut self) -> Result<(), Gone> {
        self.write(b"0\r\n\r\n")
    }

    /// Says nothing until the other end gives up.
    pub(super) fn wait_for_its_end(&mut self) -> Result<(), Gone> {
        io::copy(&mut self.reader, &mut io::sink())?;
        Err(Gone)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Gone> {
        Ok(self.reader.get_mut().write_all(bytes)?)
    }
}

fn head(status: u16, kind: &str, headers: &[(String, String)], more: &[(String, String)]) -> String {
    let mut head = format!("HTTP/1.1 {status} Scripted\r\ncontent-type: {kind}\r\n");
    for (name, value) in headers.iter().chain(more) {
        write!(head, "{name}: {value}\r\n").unwrap();
    }
    head.push_str("\r\n");
    head
}
