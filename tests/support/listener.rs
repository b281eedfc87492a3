//! Somebody who listens on loopback: takes HTTP posts and keeps their bodies.

use serde_json::Value;
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
};

/// A small HTTP server that says 204 to everything.
pub(crate) struct Listener {
    port: u16,
    heard: Arc<Mutex<Vec<Value>>>,
}

impl Listener {
    pub(crate) fn start() -> Listener {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard = Arc::new(Mutex::new(vec![]));
        let keep = heard.clone();
        // It ends with the test's process.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if let Ok(body) = take(stream.unwrap()) {
                    keep.lock().unwrap().push(body);
                }
            }
        });
        Listener { port, heard }
    }

    /// The sections that have agentd tell it.
    pub(crate) fn sections(&self) -> String {
        format!("[network]\nprivate = [\"127.0.0.1/32\"]\n{}", self.notifier_section())
    }

    /// The same where `[network]` lets agentd call this machine already.
    pub(crate) fn notifier_section(&self) -> String {
        format!(
            "[notifiers.hook]\nplugin = \"webhook\"\nevents = [\"task.*\"]\nsettings = {{ url = \"http://127.0.0.1:{}/hook\" }}\n",
            self.port
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

fn take(mut stream: TcpStream) -> Result<Value, std::io::Error> {
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
    stream.write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n")?;
    serde_json::from_slice(&body).map_err(Into::into)
}
