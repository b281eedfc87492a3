//! Somebody who listens on loopback: takes HTTP posts and keeps their bodies.

use serde_json::Value;
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
};

/// What it says if nothing else is wanted.
const DONE: &str = "HTTP/1.1 204 No Content\r\n";

/// A small HTTP server that takes everything.
pub(crate) struct Listener {
    port: u16,
    heard: Arc<Mutex<Vec<Value>>>,
}

impl Listener {
    pub(crate) fn start() -> Listener {
        Listener::answering(&[DONE])
    }

    /// One that says these heads of answers, one after the other, and the last of them for ever. What it says is in them:
    /// no answer has a body.
    pub(crate) fn answering(heads: &[&'static str]) -> Listener {
        let heads = heads.to_vec();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard = Arc::new(Mutex::new(vec![]));
        let keep = heard.clone();
        // It ends with the test's process.
        std::thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                if let Ok(body) = take(stream.unwrap(), heads[number.min(heads.len() - 1)]) {
                    keep.lock().unwrap().push(body);
                }
            }
        });
        Listener { port, heard }
    }

    /// Where it is, without a path.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// All bodies, in the order that they came.
    pub(crate) fn bodies(&self) -> Vec<Value> {
        self.heard.lock().unwrap().clone()
    }

    /// The sections that have agentd tell it.
    pub(crate) fn sections(&self) -> String {
        format!("[network]\nprivate = [\"127.0.0.1/32\"]\n{}", self.notifier_section())
    }

    /// The same where `[network]` lets agentd call this machine already.
    pub(crate) fn notifier_section(&self) -> String {
        format!(
            "[notifiers.hook]\nplugin = \"webhook\"\nevents = [\"task.*\"]\nsettings = {{ url = \"{}/hook\" }}\n",
            self.url()
        )
    }

    /// The events that were told, each with the id of its message.
    pub(crate) fn events(&self) -> Vec<(String, Value)> {
        let heard = self.heard.lock().unwrap();
        let of = |message: &Value| {
            let id = message["id"].as_str().unwrap().to_owned();
            message["events"].as_array().unwrap().iter().map(move |it| (id.clone(), it.clone())).collect::<Vec<_>>()
        };
        heard.iter().flat_map(of).collect()
    }
}

fn take(mut stream: TcpStream, head: &str) -> Result<Value, std::io::Error> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap_or(0);
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    stream.write_all(format!("{head}content-length: 0\r\nconnection: close\r\n\r\n").as_bytes())?;
    serde_json::from_slice(&body).map_err(Into::into)
}
