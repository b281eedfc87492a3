//! A registry of one image, made here: the second version of the interface, with a login or without.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::{
    collections::HashMap,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

const LAYER: &str = "application/x-tar";

/// Who gets in.
#[derive(Clone)]
pub(crate) enum Door {
    Open,
    /// A user's name and password.
    Password(&'static str),
    /// An identity token, which is exchanged for one that the registry takes.
    Token(&'static str),
}

pub(crate) struct Registry {
    /// `127.0.0.1:PORT`.
    pub(crate) host: String,
    /// The lines that were asked.
    pub(crate) asked: Arc<Mutex<Vec<String>>>,
}

struct Content {
    host: String,
    door: Door,
    /// By digest, and the manifest by its tag too.
    files: HashMap<String, (&'static str, Vec<u8>)>,
    /// The next layer stops in its middle.
    stalls: AtomicBool,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Registry {
    /// Serves `NAME:1` for every NAME: one file `/hello` with `text`, and a configuration with more in it.
    pub(crate) fn serve(door: Door, text: &str, config: Value) -> Registry {
        Registry::start(door, text, config, false)
    }

    /// The same, but who asks for its layer first gets half of it and then nothing.
    pub(crate) fn stalled(text: &str) -> Registry {
        Registry::start(Door::Open, text, json!({}), true)
    }

    fn start(door: Door, text: &str, config: Value, stalls: bool) -> Registry {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (files, asked_of) = (files(text, config), asked.clone());
        let content = Content { host: host.clone(), door, files, stalls: stalls.into(), asked: asked_of };
        let content = Arc::new(content);
        // It ends with the test's process.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let content = content.clone();
                std::thread::spawn(move || content.answer(stream));
            }
        });
        Registry { host, asked }
    }
}

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

/// A layer, a configuration and a manifest.
fn files(text: &str, config: Value) -> HashMap<String, (&'static str, Vec<u8>)> {
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o644);
    header.set_mtime(0);
    header.set_size(text.len() as u64);
    tar.append_data(&mut header, "hello", text.as_bytes()).unwrap();
    let layer = tar.into_inner().unwrap();
    let image = json!({ "architecture": "amd64", "os": "linux", "config": config,
        "rootfs": { "type": "layers", "diff_ids": [digest(&layer)] } });
    let image = image.to_string().into_bytes();
    let (schema, v2) = ("schemaVersion", "application/vnd.docker.distribution.manifest.v2+json");
    let manifest = json!({ schema: 2, "mediaType": v2,
        "config": { "mediaType": "application/vnd.docker.container.image.v1+json", "size": image.len(),
            "digest": digest(&image) },
        "layers": [{ "mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip", "size": layer.len(),
            "digest": digest(&layer) }] });
    let manifest = manifest.to_string().into_bytes();
    let blob = "application/octet-stream";
    HashMap::from([
        (digest(&layer), (LAYER, layer)),
        (digest(&image), (blob, image)),
        (digest(&manifest), (v2, manifest.clone())),
        ("1".into(), (v2, manifest)),
    ])
}

impl Content {
    fn answer(&self, mut stream: TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            // The engine tries TLS first, which is no text.
            if reader.read_line(&mut line).is_err() {
                return;
            }
            if line.trim().is_empty() {
                break;
            }
            lines.push(line.trim().to_owned());
        }
        let Some(first) = lines.first().cloned() else { return };
        self.asked.lock().unwrap().push(first.clone());
        let header = |name: &str| {
            let found = lines.iter().find(|it| it.to_lowercase().starts_with(&format!("{name}:")));
            found.and_then(|it| it.split_once(": ")).map(|(_, value)| value.to_owned())
        };
        let length = header("content-length").and_then(|it| it.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        let mut words = first.split(' ');
        let (method, path) = (words.next().unwrap(), words.next().unwrap());
        if path.starts_with("/token") {
            let right = matches!(&self.door, Door::Token(token)
                if String::from_utf8_lossy(&body).contains(&format!("refresh_token={token}")));
            let (status, token) = if right { ("200 OK", "bearer-of-the-day") } else { ("401 Unauthorized", "") };
            let body = json!({ "access_token": token, "token": token }).to_string();
            return reply(&mut stream, status, "", "application/json", body.as_bytes(), true);
        }
        if let Some(challenge) = self.challenge(header("authorization").as_deref()) {
            let body = json!({ "errors": [{ "code": "UNAUTHORIZED", "message": "authentication required" }] });
            let body = body.to_string();
            return reply(&mut stream, "401 Unauthorized", &challenge, "application/json", body.as_bytes(), true);
        }
        let name = path.rsplit('/').next().unwrap();
        match self.files.get(name) {
            _ if path == "/v2/" => reply(&mut stream, "200 OK", "", "application/json", b"{}", true),
            Some((LAYER, bytes)) if self.stalls.swap(false, Ordering::SeqCst) => {
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", bytes.len());
                stream.write_all(head.as_bytes()).unwrap();
                stream.write_all(&bytes[..bytes.len() / 2]).unwrap();
                // Nothing more comes from the engine but, perhaps, the end of the connection, whichever way.
                drop(reader.read(&mut [0]));
            }
            Some((kind, bytes)) => {
                let digest = format!("Docker-Content-Digest: {}\r\n", digest(bytes));
                reply(&mut stream, "200 OK", &digest, kind, bytes, method != "HEAD");
            }
            None => {
                let body = json!({ "errors": [{ "code": "MANIFEST_UNKNOWN", "message": "manifest unknown" }] });
                let body = body.to_string();
                reply(&mut stream, "404 Not Found", "", "application/json", body.as_bytes(), method != "HEAD");
            }
        }
    }

    /// None: it may come in.
    fn challenge(&self, given: Option<&str>) -> Option<String> {
        let (wanted, challenge) = match &self.door {
            Door::Open => return None,
            Door::Password(login) => {
                (format!("Basic {}", STANDARD.encode(login)), "WWW-Authenticate: Basic realm=\"x\"\r\n".into())
            }
            Door::Token(_) => {
                let host = &self.host;
                let realm = format!("WWW-Authenticate: Bearer realm=\"http://{host}/token\",service=\"x\"\r\n");
                ("Bearer bearer-of-the-day".into(), realm)
            }
        };
        (given != Some(&wanted)).then_some(challenge)
    }
}

fn reply(stream: &mut TcpStream, status: &str, headers: &str, kind: &str, body: &[u8], whole: bool) {
    let version = "Docker-Distribution-Api-Version: registry/2.0";
    let head = format!(
        "HTTP/1.1 {status}\r\n{headers}{version}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    if whole {
        stream.write_all(body).unwrap();
    }
}
