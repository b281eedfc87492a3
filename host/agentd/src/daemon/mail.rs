//! The host's end of the plugins' import `mail`: checks a message, and hands it to the operator's mail server.
//!
//! [`address`] says what an address is and which ones are allowed, [`smtp`] speaks with the server. What was handed over
//! under an id is remembered for three days (messages are repeated for one), so that a repetition sends nothing; if
//! agentd dies between the server's word and its own note of it, that one mail may come twice.
//!
//! - Never sends to an address that no pattern covers; not even to the others of the same message.
//! - Never lets a line break into a header, and never sends half of what it was given: a message is taken or refused.
//! - Never says a password, whatever the server answered.
//! - Never speaks in the clear with a server that is not on this machine.

mod address;
mod smtp;

use crate::config::{Mail, Security};
use agentd_egress::Egress;
use agentd_plugin::wit::{common::Error, mail::Message};
use agentd_store::Store;
use async_trait::async_trait;
use lettre::{
    message::{Mailbox, MultiPart, header},
    transport::smtp::client::TlsParameters,
};
use secrecy::SecretString;
use sha2::{Digest as _, Sha256};
use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::{Duration, UNIX_EPOCH},
};

/// The entry of the store's key-value space that is this file's. No name of a section has a colon.
const ENTRY: &str = "agentd:mail";
const DAY_MS: i64 = 86_400_000;
/// For how many days it is remembered what was sent.
const DAYS: i64 = 3;
const TIMEOUT: Duration = Duration::from_secs(30);

/// Remembers which messages were handed over: keys and values of its own, across restarts.
#[async_trait]
pub(super) trait Memory: Send + Sync {
    /// # Errors
    /// What is wrong with the memory, for people.
    async fn has(&self, key: &str) -> Result<bool, String>;

    /// The first keys in byte order, at most 1,000.
    ///
    /// # Errors
    /// As above.
    async fn first(&self) -> Result<Vec<String>, String>;

    /// # Errors
    /// As above: nothing was written then.
    async fn write(&self, changes: Vec<(String, Option<String>)>) -> Result<(), String>;
}

#[async_trait]
impl Memory for Store {
    async fn has(&self, key: &str) -> Result<bool, String> {
        self.reader().kv_get(ENTRY, key).await.map(|it| it.is_some()).map_err(|it| it.to_string())
    }

    async fn first(&self) -> Result<Vec<String>, String> {
        self.reader().kv_keys(ENTRY, "", None, 1_000).await.map_err(|it| it.to_string())
    }

    async fn write(&self, changes: Vec<(String, Option<String>)>) -> Result<(), String> {
        self.kv_commit(ENTRY.into(), changes).await.map_err(|it| it.to_string())
    }
}

/// The operator's mail server, and what holds for mail through it.
#[derive(Clone, Debug)]
struct Options {
    host: String,
    port: u16,
    security: Security,
    /// User and password; without, the server takes mail as it comes.
    login: Option<(String, SecretString)>,
    /// Whom mail is from: `agentd <agentd@acme.com>`.
    from: String,
    /// Whom shipped plugins may write to: addresses, or `*@domain`.
    allow: Vec<String>,
    /// A file of certificates that are trusted beside the system's.
    ca: Option<PathBuf>,
}

impl Options {
    /// As `[mail]` and `[network] ca` have it.
    fn of(mail: Mail, ca: Option<&Path>) -> Options {
        let Mail { host, port, security, login, from, allow } = mail;
        let login = login.map(|it| (it.user, it.password.value));
        Options { host, port, security, login, from, allow, ca: ca.map(Path::to_owned) }
    }
}

/// Sends mail for plugins through one server. A changed configuration makes a new one.
pub(super) struct Mailer {
    options: Options,
    from: Mailbox,
    tls: TlsParameters,
    egress: Egress,
    memory: Box<dyn Memory>,
    /// What is being handed over just now, by key.
    under_way: Mutex<HashSet<String>>,
    timeout: Duration,
}

impl Mailer {
    /// A mailer for `[mail]`; `ca`: a file of certificates that are trusted beside the system's.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the sender or the certificates.
    pub(super) fn new(
        mail: Mail,
        ca: Option<&Path>,
        egress: Egress,
        memory: Box<dyn Memory>,
    ) -> Result<Mailer, String> {
        Mailer::with(Options::of(mail, ca), egress, memory)
    }

    fn with(options: Options, egress: Egress, memory: Box<dyn Memory>) -> Result<Mailer, String> {
        let from = address::mailbox(&options.from).map_err(|why| format!("[mail] from: {why}"))?;
        let tls = smtp::tls(&options)?;
        Ok(Mailer { options, from, tls, egress, memory, under_way: Mutex::default(), timeout: TIMEOUT })
    }

    /// Hands a message of `entry`'s to the server, unless that was done already; `now_ms` since 1970. `allowed` are the
    /// addresses and `*@domain`s that this entry may write to; a lone `*` stands for those that the configuration allows
    /// shipped plugins.
    ///
    /// # Errors
    /// `Invalid`, `Denied` and `Unavailable`, as the contract says; the texts are for people and hold no secret.
    pub(super) async fn send(
        &self,
        entry: &str,
        allowed: &[String],
        message: Message,
        now_ms: i64,
    ) -> Result<(), Error> {
        let configured = if allowed.iter().any(|it| it == "*") { &self.options.allow[..] } else { &[] };
        let allowed: Vec<&str> = allowed.iter().chain(configured).map(String::as_str).collect();
        let letter = Letter::new(entry, &allowed, &message)?;
        let key = hex::encode(Sha256::digest(format!("{entry}\0{}", message.id)));
        let Some(_turn) = Turn::take(&self.under_way, &key) else {
            return Err(Error::Unavailable("this mail is being handed over just now, by another call".into()));
        };
        let today = now_ms.div_euclid(DAY_MS);
        for day in (today - DAYS + 1..=today + 1).rev() {
            if self.memory.has(&place(day, &key)).await.map_err(forgetful)? {
                return Ok(());
            }
        }
        let mail = self.compose(letter, &key, message, now_ms)?;
        let server = smtp::Server { options: &self.options, tls: &self.tls, egress: &self.egress };
        server.hand_over(&mail, self.timeout).await?;
        self.note(today, &key).await;
        Ok(())
    }

    fn compose(&self, letter: Letter, key: &str, message: Message, now_ms: i64) -> Result<lettre::Message, Error> {
        let domain = self.from.email.domain();
        let date = UNIX_EPOCH + Duration::from_millis(u64::try_from(now_ms).unwrap_or(0));
        let mut mail = lettre::Message::builder()
            .message_id(Some(format!("<{}@{domain}>", &key[..40])))
            .date(date)
            .from(self.from.clone())
            .subject(message.subject)
            .header(AutoSubmitted);
        for to in letter.to {
            mail = mail.to(to);
        }
        for cc in letter.cc {
            mail = mail.cc(cc);
        }
        if let Some(conversation) = &message.conversation {
            // A mail that was never sent: all mails of the conversation name it as what they answer, and so belong
            // together wherever they are shown.
            let root = hex::encode(Sha256::digest(format!("conversation\0{conversation}")));
            let root = format!("<{}@{domain}>", &root[..40]);
            mail = mail.in_reply_to(root.clone()).references(root);
        }
        let made = match message.html {
            None => mail.header(header::ContentType::TEXT_PLAIN).body(message.text),
            Some(html) => mail.multipart(MultiPart::alternative_plain_html(message.text, html)),
        };
        made.map_err(|error| Error::Invalid(format!("the mail cannot be put together: {error}")))
    }

    /// Notes that it was handed over, and forgets what is older than it has to know. That the note fails is no reason to
    /// say that the mail did: it would be sent again.
    async fn note(&self, today: i64, key: &str) {
        let old = place(today - DAYS, "");
        let known = self.memory.first().await.unwrap_or_default();
        let mut changes: Vec<_> = known.into_iter().filter(|it| *it < old).map(|it| (it, None)).collect();
        changes.push((place(today, key), Some(String::new())));
        if let Err(error) = self.memory.write(changes).await {
            tracing::warn!(error, "A mail was sent, and that could not be noted: repeated, it would be sent again");
        }
    }
}

/// Days have as many digits for the next thousands of years, so that keys are in the order of time.
fn place(day: i64, key: &str) -> String {
    format!("{day:08}/{key}")
}

fn forgetful(error: String) -> Error {
    Error::Unavailable(format!("it is not known whether this mail was sent already: {error}"))
}

/// The right to hand over one mail, until it is dropped.
struct Turn<'a> {
    under_way: &'a Mutex<HashSet<String>>,
    key: String,
}

impl<'a> Turn<'a> {
    fn take(under_way: &'a Mutex<HashSet<String>>, key: &str) -> Option<Turn<'a>> {
        let new = under_way.lock().unwrap_or_else(PoisonError::into_inner).insert(key.to_owned());
        new.then(|| Turn { under_way, key: key.to_owned() })
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

/// Who gets a message that may be sent.
#[derive(Debug)]
struct Letter {
    to: Vec<Mailbox>,
    cc: Vec<Mailbox>,
}

const RECIPIENTS: usize = 100;
const SUBJECT: usize = 256;
const BYTES: usize = 1 << 20;
const ID: usize = 256;

impl Letter {
    fn new(entry: &str, allowed: &[&str], message: &Message) -> Result<Letter, Error> {
        let wrong = |what: String| Error::Invalid(format!("the mail of `{entry}` was not sent: {what}"));
        let invalid = |what: String| Err(wrong(what));
        let Message { id, to, cc, subject, text, html, conversation, .. } = message;
        if id.is_empty() || id.len() > ID {
            return invalid(format!("its id has {} bytes, and 1 to {ID} are taken", id.len()));
        }
        if to.is_empty() || to.len() + cc.len() > RECIPIENTS {
            return invalid(format!("it has {} recipients, and 1 to {RECIPIENTS} are taken", to.len() + cc.len()));
        }
        if subject.chars().count() > SUBJECT || subject.chars().any(char::is_control) {
            return invalid(format!("its subject is no single line of at most {SUBJECT} characters"));
        }
        if text.len() + html.as_ref().map_or(0, String::len) > BYTES {
            return invalid(format!("its text is larger than {BYTES} bytes"));
        }
        if conversation.as_ref().is_some_and(|it| it.is_empty() || it.len() > ID) {
            return invalid(format!("its conversation is no word of 1 to {ID} bytes"));
        }
        let mailboxes = |texts: &[String]| -> Result<Vec<Mailbox>, Error> {
            let all = texts.iter().map(|it| {
                let found = address::mailbox(it).map_err(wrong)?;
                match address::allows(allowed, &found.email) {
                    true => Ok(found),
                    false => Err(denied(entry, found.email.as_ref())),
                }
            });
            all.collect()
        };
        Ok(Letter { to: mailboxes(to)?, cc: mailboxes(cc)? })
    }
}

fn denied(entry: &str, address: &str) -> Error {
    Error::Denied(format!(
        "the mail of `{entry}` was not sent: it may not write to {address}; this line in the configuration allows it: \
         mail = [\"{address}\"] in the [approvals] of its plugin, or allow = [\"{address}\"] in [mail] if the plugin is \
         a shipped one"
    ))
}

/// Tells other programs that no answer of theirs (somebody is away) is wanted.
#[derive(Clone)]
struct AutoSubmitted;

impl header::Header for AutoSubmitted {
    fn name() -> header::HeaderName {
        header::HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<AutoSubmitted, Box<dyn std::error::Error + Send + Sync>> {
        Ok(AutoSubmitted)
    }

    fn display(&self) -> header::HeaderValue {
        header::HeaderValue::new(Self::name(), "auto-generated".into())
    }
}

#[cfg(test)]
mod tests;
