//! A mail server of one connection at a time, which answers as its script says and writes down what it is told.

use std::{path::PathBuf, sync::Arc};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::aws_lc_rs,
        pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    },
};

/// The answers that a test may want otherwise. An empty one: the server hangs up.
pub(super) struct Script {
    pub(super) greeting: &'static str,
    /// The ways to log in that it offers.
    pub(super) ways: &'static str,
    pub(super) starttls: bool,
    pub(super) auth: &'static str,
    pub(super) mail: &'static str,
    pub(super) rcpt: &'static str,
    /// To the mail itself.
    pub(super) data: &'static str,
}

impl Default for Script {
    fn default() -> Script {
        Script {
            greeting: "220 mail.acme.com",
            ways: "PLAIN LOGIN",
            starttls: true,
            auth: "235 welcome",
            mail: "250 fine",
            rcpt: "250 fine",
            data: "250 taken",
        }
    }
}

pub(super) struct Server {
    pub(super) script: Script,
    /// All lines, and `(encrypted)` and `(taken)` where that happened.
    pub(super) told: Vec<String>,
    listener: TcpListener,
    acceptor: TlsAcceptor,
    /// TLS from the first byte.
    encrypted: bool,
    folder: TempDir,
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

impl Server {
    pub(super) async fn new(script: Script, encrypted: bool) -> Server {
        let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
        let folder = TempDir::new().unwrap();
        std::fs::write(folder.path().join("ca.pem"), made.cert.pem()).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Server { script, told: vec![], listener, acceptor: TlsAcceptor::from(Arc::new(config)), encrypted, folder }
    }

    pub(super) fn port(&self) -> u16 {
        self.listener.local_addr().unwrap().port()
    }

    /// The file of the authority that vouches for it.
    pub(super) fn authority(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// Takes so many connections, each until it ends.
    pub(super) async fn serve(&mut self, connections: usize) {
        for _ in 0..connections {
            let (stream, _) = self.listener.accept().await.unwrap();
            self.connection(stream).await;
        }
    }

    async fn connection(&mut self, stream: TcpStream) {
        let mut stream: Box<dyn Stream> = Box::new(stream);
        if self.encrypted {
            let Some(inside) = self.encrypt(stream).await else { return };
            stream = inside;
        }
        if self.greet(&mut stream).await.is_none() {
            return;
        }
        if let Some(bare) = self.talk(stream).await
            && let Some(inside) = self.encrypt(bare).await
        {
            assert!(self.talk(inside).await.is_none(), "encrypted twice");
        }
    }

    async fn encrypt(&mut self, stream: Box<dyn Stream>) -> Option<Box<dyn Stream>> {
        let inside = self.acceptor.accept(stream).await.ok()?;
        self.told.push("(encrypted)".into());
        Some(Box::new(inside))
    }

    async fn greet(&self, stream: &mut Box<dyn Stream>) -> Option<()> {
        say(stream, self.script.greeting).await
    }

    /// Until the connection ends, or is to be encrypted: then it is given back.
    async fn talk(&mut self, stream: Box<dyn Stream>) -> Option<Box<dyn Stream>> {
        let mut stream = BufReader::new(stream);
        loop {
            let line = hear(&mut stream).await?;
            self.told.push(line.clone());
            let answer = match line.split(' ').next().unwrap_or_default() {
                "EHLO" => self.abilities(),
                "STARTTLS" => {
                    say(stream.get_mut(), "220 go on").await?;
                    return Some(stream.into_inner());
                }
                "AUTH" => self.script.auth.to_owned(),
                "MAIL" => self.script.mail.to_owned(),
                "RCPT" => self.script.rcpt.to_owned(),
                "DATA" => {
                    say(stream.get_mut(), "354 go on").await?;
                    while self.told.last().is_none_or(|it| it != ".") {
                        let line = hear(&mut stream).await?;
                        self.told.push(line);
                    }
                    if self.script.data.starts_with('2') {
                        self.told.push("(taken)".into());
                    }
                    self.script.data.to_owned()
                }
                "QUIT" => {
                    say(stream.get_mut(), "221 bye").await?;
                    return None;
                }
                _ => "500 what?".to_owned(),
            };
            say(stream.get_mut(), &answer).await?;
        }
    }

    fn abilities(&self) -> String {
        let mut lines = vec!["250-mail.acme.com".to_owned(), "250-8BITMIME".to_owned()];
        if self.script.starttls && !self.told.contains(&"(encrypted)".to_owned()) {
            lines.push("250-STARTTLS".into());
        }
        if !self.script.ways.is_empty() {
            lines.push(format!("250-AUTH {}", self.script.ways));
        }
        lines.push("250 SIZE 10000000".into());
        lines.join("\r\n")
    }
}

/// None: the other end is gone, or nothing is to be said to it.
async fn say(stream: &mut Box<dyn Stream>, line: &str) -> Option<()> {
    if line.is_empty() {
        return None;
    }
    stream.write_all(format!("{line}\r\n").as_bytes()).await.ok()?;
    stream.flush().await.ok()
}

async fn hear(stream: &mut BufReader<Box<dyn Stream>>) -> Option<String> {
    let mut line = String::new();
    match stream.read_line(&mut line).await {
        Ok(0) | Err(_) => None,
        Ok(_) => Some(line.trim_end_matches(['\r', '\n']).to_owned()),
    }
}
