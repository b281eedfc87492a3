//! Speaks with the mail server: one connection for one mail, through the host's own way out.
//!
//! The server's words are shown where they help, cut and without control characters; not those about a login, which may
//! repeat it.

use super::Options;
use crate::config::Security;
use agentd_egress::Egress;
use agentd_plugin::wit::common::Error;
use lettre::transport::smtp::{
    self as wire,
    authentication::{Credentials, Mechanism},
    client::{AsyncSmtpConnection, AsyncTokioStream, Certificate, TlsParameters},
    extension::ClientId,
};
use secrecy::ExposeSecret as _;
use std::{
    error::Error as _,
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::timeout,
};
use tokio_util::compat::{Compat, FuturesAsyncReadCompatExt as _};

/// How long a server may take to say goodbye: the mail is its own by then.
const GOODBYE: Duration = Duration::from_secs(2);
/// How much of a server's answer is shown, in characters.
const SHOWN: usize = 200;

/// What TLS with this host is to be like: the system's authorities, and the operator's own.
///
/// # Errors
/// The operator's file of authorities cannot be used.
pub(super) fn tls(options: &Options) -> Result<TlsParameters, String> {
    let host = &options.host;
    let mut tls = TlsParameters::builder(host.clone());
    if let Some(file) = &options.ca {
        let broken = |why: String| format!("{}: the certificates cannot be read: {why}", file.display());
        let pem = std::fs::read(file).map_err(|error| broken(error.to_string()))?;
        tls = tls.add_root_certificate(Certificate::from_pem(&pem).map_err(|error| broken(error.to_string()))?);
    }
    tls.build().map_err(|error| format!("TLS with the mail server {host} cannot be set up: {error}"))
}

/// The operator's mail server, and the way there.
pub(super) struct Server<'a> {
    pub(super) options: &'a Options,
    pub(super) tls: &'a TlsParameters,
    pub(super) egress: &'a Egress,
}

impl Server<'_> {
    /// Hands the letter over; within `limit` in all.
    ///
    /// # Errors
    /// `Unavailable` if it may work another time, `Invalid` if the server refused the letter for good.
    pub(super) async fn hand_over(&self, letter: &lettre::Message, limit: Duration) -> Result<(), Error> {
        match timeout(limit, self.exchange(letter)).await {
            Ok(done) => done,
            Err(_) => {
                Err(Error::Unavailable(format!("{} did not take the mail within {} s", self.name(), limit.as_secs())))
            }
        }
    }

    async fn exchange(&self, letter: &lettre::Message) -> Result<(), Error> {
        let mut connection = self.connect(letter).await?;
        if let Some((user, password)) = &self.options.login {
            let credentials = Credentials::new(user.clone(), password.expose_secret().to_owned());
            if let Err(error) = connection.auth(&[Mechanism::Plain, Mechanism::Login], &credentials).await {
                return Err(self.not_let_in(user, &error));
            }
        }
        match connection.send(letter.envelope(), &letter.formatted()).await {
            Ok(_) => {
                // Whatever comes of it, the mail is the server's.
                drop(timeout(GOODBYE, connection.quit()).await);
                Ok(())
            }
            Err(error) => Err(self.refused(&error)),
        }
    }

    async fn connect(&self, letter: &lettre::Message) -> Result<AsyncSmtpConnection, Error> {
        let Options { host, port, security, .. } = self.options;
        let unreached = |error: agentd_egress::Error| Error::Unavailable(format!("no mail server: {error}"));
        let stream = self.egress.connect("mail", host, *port).await.map_err(unreached)?;
        let hello = ClientId::Domain(letter.envelope().from().map_or("localhost", |it| it.domain()).to_owned());
        let stream: Box<dyn AsyncTokioStream> = match security {
            Security::Tls => Box::new(Encrypted::begin(stream, self.tls.clone()).await.map_err(|it| self.lost(&it))?),
            Security::StartTls | Security::None => Box::new(stream),
        };
        let connection = AsyncSmtpConnection::connect_with_transport(stream, &hello).await;
        let mut connection = connection.map_err(|it| self.lost(&it))?;
        if *security == Security::StartTls {
            if !connection.can_starttls() {
                connection.abort().await;
                return Err(Error::Unavailable(format!(
                    "{} offers no encryption (STARTTLS), and without it nothing is sent",
                    self.name()
                )));
            }
            connection.starttls(self.tls.clone(), &hello).await.map_err(|it| self.lost(&it))?;
        }
        Ok(connection)
    }

    fn name(&self) -> String {
        format!("the mail server {}:{}", self.options.host, self.options.port)
    }

    fn lost(&self, error: &wire::Error) -> Error {
        Error::Unavailable(format!("{} cannot be spoken with: {}", self.name(), self.shown(error)))
    }

    /// A login that is refused may be one that the operator is about to put right, so the mail may be tried again.
    fn not_let_in(&self, user: &str, error: &wire::Error) -> Error {
        let why = match error.status() {
            Some(code) => format!("code {code}"),
            None if error.is_client() => "no way to log in that both know: PLAIN or LOGIN".to_owned(),
            None => "no answer that could be read".to_owned(),
        };
        let name = self.name();
        Error::Unavailable(format!("{name} did not let `{user}` in ({why}): check user and password in [mail]"))
    }

    fn refused(&self, error: &wire::Error) -> Error {
        let (name, text) = (self.name(), self.shown(error));
        if error.is_permanent() {
            return Error::Invalid(format!("{name} refused the mail for good: {text}"));
        }
        if error.is_client() {
            return Error::Invalid(format!("{name} cannot take this mail: {text}"));
        }
        if error.is_transient() {
            return Error::Unavailable(format!("{name} refused the mail for now: {text}"));
        }
        Error::Unavailable(format!("{name} did not say that it took the mail: {text}"))
    }

    /// An error and what it comes of, in one line that holds nothing secret.
    fn shown(&self, error: &wire::Error) -> String {
        let mut text = error.to_string();
        let mut source = error.source();
        while let Some(error) = source {
            let more = error.to_string();
            if !text.contains(&more) {
                text = format!("{text}: {more}");
            }
            source = error.source();
        }
        let line: String = text.chars().map(|it| if it.is_control() { ' ' } else { it }).collect();
        let password = self.options.login.as_ref().map(|(_, password)| password.expose_secret());
        let line = match password {
            Some(secret) if !secret.is_empty() => line.replace(secret, "…"),
            Some(_) | None => line,
        };
        line.chars().take(SHOWN).collect()
    }
}

/// TLS from the first byte on a connection that was made elsewhere. lettre begins it only on connections of its own, or
/// on this type, which it will one day make private.
#[expect(deprecated, reason = "the one way to have the same TLS on a connection of the host's")]
#[derive(Debug)]
struct Encrypted {
    peer: SocketAddr,
    stream: Compat<wire::client::AsyncNetworkStream>,
}

impl Encrypted {
    #[expect(deprecated, reason = "see the type")]
    async fn begin(stream: TcpStream, tls: TlsParameters) -> Result<Encrypted, wire::Error> {
        let peer = stream.peer_addr().unwrap_or_else(|_| SocketAddr::from(([0, 0, 0, 0], 0)));
        let mut stream = wire::client::AsyncNetworkStream::use_existing_tokio1(Box::new(stream));
        stream.upgrade_tls(tls).await?;
        Ok(Encrypted { peer, stream: stream.compat() })
    }
}

impl AsyncTokioStream for Encrypted {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.peer)
    }
}

impl AsyncRead for Encrypted {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, into)
    }
}

impl AsyncWrite for Encrypted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, from)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
