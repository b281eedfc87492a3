//! A client that can do little and hides nothing: one connection for each request.

use serde_json::Value;
use std::io::{Read, Write};
use std::net::TcpStream;

pub(super) struct Client {
    address: String,
    authorization: String,
}

pub(super) struct Response {
    pub(super) status: u16,
    headers: Vec<(String, String)>,
    pub(super) text: String,
}

impl Client {
    pub(super) fn new(url: &str, token: &str) -> Client {
        let address = url.trim_start_matches("http://").to_owned();
        Client { address, authorization: format!("Bearer {token}") }
    }

    pub(super) fn get(&self, path: &str) -> Response {
        self.ask("GET", path, &[], None)
    }

    pub(super) fn post(&self, path: &str, body: &Value) -> Response {
        self.ask("POST", path, &[], Some(body))
    }

    pub(super) fn send(&self, method: &str, path: &str, body: Option<&Value>) -> Response {
        self.ask(method, path, &[], body)
    }

    pub(super) fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&Value>) -> Response {
        let path = if path.starts_with("/api/") { path.to_owned() } else { format!("/api/v3{path}") };
        self.raw(method, &path, headers, body).expect("the fake should answer")
    }

    /// None: the connection ended without an answer.
    pub(super) fn raw(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Option<Response> {
        let body = body.map(Value::to_string).unwrap_or_default();
        let mut request = format!("{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n", self.address);
        request += &format!("user-agent: test\r\nauthorization: {}\r\n", self.authorization);
        for (name, value) in headers {
            request += &format!("{name}: {value}\r\n");
        }
        request += &format!("content-length: {}\r\n\r\n{body}", body.len());
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut text = Vec::new();
        stream.read_to_end(&mut text).ok()?;
        let text = String::from_utf8(text).unwrap();
        let (head, text) = text.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let headers = head.lines().skip(1).filter_map(|it| it.split_once(": "));
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Some(Response { status, headers, text: text.to_owned() })
    }
}

impl Response {
    #[track_caller]
    pub(super) fn is(self, status: u16) -> Response {
        assert_eq!(self.status, status, "{}", self.text);
        self
    }

    #[track_caller]
    pub(super) fn json(&self) -> Value {
        self.text.parse().unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(it, _)| it == name).map_or("", |(_, value)| value)
    }
}
