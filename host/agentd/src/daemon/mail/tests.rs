//! Mail as a server sees it. The server follows a script, and writes down what it is told.

use super::*;
use agentd_egress::Credentials;
use server::{Script, Server};
use std::{collections::BTreeMap, sync::Arc};

mod server;

const NOW: i64 = 1_790_000_000_000;
const PASSWORD: &str = "s3cret-pass";

#[derive(Clone, Default)]
struct Toy {
    keys: Arc<Mutex<BTreeMap<String, String>>>,
    down: bool,
}

impl Toy {
    fn keys(&self) -> Vec<String> {
        self.keys.lock().unwrap().keys().cloned().collect()
    }
}

#[async_trait]
impl Memory for Toy {
    async fn has(&self, key: &str) -> Result<bool, String> {
        if self.down { Err("the disk is gone".into()) } else { Ok(self.keys.lock().unwrap().contains_key(key)) }
    }

    async fn first(&self) -> Result<Vec<String>, String> {
        Ok(self.keys())
    }

    async fn write(&self, changes: Vec<(String, Option<String>)>) -> Result<(), String> {
        let mut keys = self.keys.lock().unwrap();
        for (key, value) in changes {
            match value {
                Some(value) => drop(keys.insert(key, value)),
                None => drop(keys.remove(&key)),
            }
        }
        Ok(())
    }
}

fn options(server: &Server, security: Security) -> Options {
    Options {
        host: "127.0.0.1".into(),
        port: server.port(),
        security,
        login: Some(("agentd".into(), PASSWORD.into())),
        from: "agentd <agentd@acme.com>".into(),
        allow: vec!["*@acme.com".into()],
        ca: Some(server.authority()),
    }
}

fn mailer(options: Options, memory: &Toy) -> Mailer {
    let open = agentd_egress::Options { allow_private: vec!["127.0.0.0/8".into()], ..Default::default() };
    let egress = Egress::new(open, Credentials::default()).unwrap();
    Mailer { timeout: Duration::from_secs(10), ..Mailer::with(options, egress, Box::new(memory.clone())).unwrap() }
}

fn message() -> Message {
    Message {
        id: "5c8e".into(),
        to: vec!["Ann <ann@acme.com>".into()],
        cc: vec![],
        subject: "t-3 failed".into(),
        text: "It failed.\n.\n".into(),
        html: None,
        conversation: None,
        extra: vec![],
    }
}

fn anybody() -> Vec<String> {
    vec!["*".into()]
}

/// Sends one message to a server; gives the outcome and what the server was told.
async fn send(script: Script, security: Security, message: Message) -> (Result<(), Error>, Vec<String>) {
    let mut server = Server::new(script, security == Security::Tls).await;
    let mailer = mailer(options(&server, security), &Toy::default());
    let allowed = anybody();
    let (sent, ()) = tokio::join!(mailer.send("mail", &allowed, message, NOW), server.serve(1));
    (sent, server.told)
}

#[tokio::test]
async fn a_mail_arrives_with_every_kind_of_encryption() {
    for security in [Security::Tls, Security::StartTls, Security::None] {
        let (sent, told) = send(Script::default(), security, message()).await;
        assert_eq!(sent, Ok(()), "{security:?}: {told:?}");
        let encrypted = told.iter().position(|it| it == "(encrypted)");
        let login = told.iter().position(|it| it.starts_with("AUTH PLAIN"));
        assert!(security == Security::None || encrypted < login, "{security:?}: {told:?}");
        assert_eq!(encrypted.is_some(), security != Security::None, "{told:?}");
        assert!(told.contains(&"MAIL FROM:<agentd@acme.com>".to_owned()), "{told:?}");
        assert!(told.contains(&"RCPT TO:<ann@acme.com>".to_owned()), "{told:?}");
        assert_eq!(told.last().map(String::as_str), Some("QUIT"));
    }
}

#[tokio::test]
async fn the_mail_is_what_was_asked_for() {
    let (text, html) = ("Schön.\n".to_owned(), Some("<p>Schön.</p>".to_owned()));
    let asked = Message { cc: vec!["bob@acme.com".into()], conversation: Some("t-3".into()), text, html, ..message() };
    let (sent, told) = send(Script::default(), Security::None, asked).await;
    assert_eq!(sent, Ok(()));
    let mail = told.join("\n");
    for part in [
        "From: agentd <agentd@acme.com>",
        "To: Ann <ann@acme.com>",
        "Cc: bob@acme.com",
        "Subject: t-3 failed",
        "Date: Mon, 21 Sep 2026 14:13:20 +0000",
        "Auto-Submitted: auto-generated",
        "In-Reply-To: <",
        "References: <",
        "@acme.com>",
        "Content-Type: multipart/alternative;",
        "Content-Type: text/plain; charset=utf-8",
        "Content-Type: text/html; charset=utf-8",
    ] {
        assert!(mail.contains(part), "{part} in {mail}");
    }
}

#[tokio::test]
async fn the_id_of_a_mail_is_made_of_the_messages_alone() {
    let mut found = vec![];
    for (id, conversation) in [("1", "t-1"), ("1", "t-1"), ("2", "t-1"), ("2", "t-2")] {
        let asked = Message { id: id.into(), conversation: Some(conversation.into()), ..message() };
        let (_, told) = send(Script::default(), Security::None, asked).await;
        let line = |name: &str| told.iter().find(|it| it.starts_with(name)).cloned().expect("a header");
        found.push((line("Message-ID: "), line("References: ")));
    }
    assert_eq!(found[0], found[1]);
    assert!(found[1].0 != found[2].0 && found[1].1 == found[2].1, "{found:?}");
    assert!(found[2].0 == found[3].0 && found[2].1 != found[3].1, "{found:?}");
}

#[tokio::test]
async fn a_lone_dot_ends_nothing() {
    let (sent, told) = send(Script::default(), Security::None, message()).await;
    assert_eq!(sent, Ok(()));
    assert!(told.contains(&"..".to_owned()) && told.iter().filter(|it| *it == ".").count() == 1, "{told:?}");
}

#[tokio::test]
async fn what_was_sent_is_sent_no_second_time() {
    let mut server = Server::new(Script::default(), false).await;
    let memory = Toy::default();
    let mailer = mailer(options(&server, Security::None), &memory);
    let allowed = anybody();
    let (sent, ()) = tokio::join!(mailer.send("mail", &allowed, message(), NOW), server.serve(1));
    assert_eq!(sent, Ok(()));
    // Nobody listens any more: what says that it is sent has not asked.
    assert_eq!(mailer.send("mail", &allowed, message(), NOW + DAY_MS).await, Ok(()));
    assert_eq!(mailer.send("mail", &allowed, message(), NOW - DAY_MS).await, Ok(()), "the clock may go back");

    // Another message, another entry, and the same one long after: those are sent.
    let other = Message { id: "other".into(), ..message() };
    for (entry, message, now) in [("mail", other, NOW), ("ops", message(), NOW), ("mail", message(), NOW + 9 * DAY_MS)]
    {
        let (sent, ()) = tokio::join!(mailer.send(entry, &allowed, message, now), server.serve(1));
        assert_eq!(sent, Ok(()));
    }
    assert_eq!(memory.keys().len(), 1, "what is old is forgotten: {:?}", memory.keys());
    assert_eq!(server.told.iter().filter(|it| *it == "DATA").count(), 4);
}

#[tokio::test]
async fn two_at_once_send_one() {
    let mut server = Server::new(Script::default(), false).await;
    let mailer = mailer(options(&server, Security::None), &Toy::default());
    let allowed = anybody();
    let (one, other, ()) = tokio::join!(
        mailer.send("mail", &allowed, message(), NOW),
        mailer.send("mail", &allowed, message(), NOW),
        server.serve(1)
    );
    assert_eq!(one, Ok(()));
    assert!(matches!(&other, Err(Error::Unavailable(text)) if text.contains("just now")), "{other:?}");
    assert_eq!(mailer.send("mail", &allowed, message(), NOW).await, Ok(()));
}

#[tokio::test]
async fn a_mail_that_was_not_taken_may_be_tried_again() {
    let mut server = Server::new(Script { data: "451 later", ..Script::default() }, false).await;
    let mailer = mailer(options(&server, Security::None), &Toy::default());
    let allowed = anybody();
    let (sent, ()) = tokio::join!(mailer.send("mail", &allowed, message(), NOW), server.serve(1));
    assert!(matches!(sent, Err(Error::Unavailable(_))), "{sent:?}");
    server.script = Script::default();
    let (sent, ()) = tokio::join!(mailer.send("mail", &allowed, message(), NOW), server.serve(1));
    assert_eq!(sent, Ok(()));
}

/// What a server that answers so makes of it: `invalid`, `unavailable`, and words of the text.
#[track_caller]
fn check_refusal(sent: &Result<(), Error>, expected: &str, words: &str) {
    let (case, text) = match sent {
        Err(Error::Invalid(text)) => ("invalid", text),
        Err(Error::Unavailable(text)) => ("unavailable", text),
        Err(Error::Denied(text)) => ("denied", text),
        other => panic!("no refusal: {other:?}"),
    };
    assert!(case == expected && text.contains(words), "{case}: {text}");
    let encoded = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, format!("\0agentd\0{PASSWORD}"));
    assert!(!text.contains(PASSWORD) && !text.contains(&encoded), "a password in {text}");
    assert!(!text.contains(char::is_control), "{text:?}");
}

#[tokio::test]
async fn a_server_that_says_no_is_understood() {
    let normal = Script::default;
    let echo = "535 5.7.8 no: s3cret-pass AGFnZW50ZABzM2NyZXQtcGFzcw==";
    for (script, expected, words) in [
        (Script { greeting: "554 go away", ..normal() }, "unavailable", "cannot be spoken with"),
        (
            Script { auth: echo, ..normal() },
            "unavailable",
            "did not let `agentd` in (code 535): check user and password",
        ),
        (Script { auth: "454 later", ..normal() }, "unavailable", "did not let `agentd` in (code 454)"),
        (Script { ways: "", ..normal() }, "unavailable", "no way to log in that both know"),
        (Script { mail: "550 not from you", ..normal() }, "invalid", "refused the mail for good"),
        (Script { rcpt: "550 no such s3cret-pass", ..normal() }, "invalid", "refused the mail for good"),
        (Script { rcpt: "450 busy", ..normal() }, "unavailable", "refused the mail for now"),
        (Script { data: "552 too\u{7} large", ..normal() }, "invalid", "refused the mail for good"),
        (Script { data: "", ..normal() }, "unavailable", "did not say that it took the mail"),
    ] {
        let (sent, told) = send(script, Security::None, message()).await;
        check_refusal(&sent, expected, words);
        assert!(told.iter().all(|it| it != "(taken)"), "{told:?}");
    }
}

#[tokio::test]
async fn nothing_is_said_without_encryption_where_there_has_to_be_some() {
    let (sent, told) = send(Script { starttls: false, ..Script::default() }, Security::StartTls, message()).await;
    check_refusal(&sent, "unavailable", "offers no encryption (STARTTLS)");
    assert!(told.iter().all(|it| !it.starts_with("AUTH") && !it.starts_with("MAIL")), "{told:?}");
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_not_trusted() {
    for security in [Security::Tls, Security::StartTls] {
        let mut server = Server::new(Script::default(), security == Security::Tls).await;
        let mailer = mailer(Options { ca: None, ..options(&server, security) }, &Toy::default());
        let allowed = anybody();
        let (sent, ()) = tokio::join!(mailer.send("mail", &allowed, message(), NOW), server.serve(1));
        check_refusal(&sent, "unavailable", "cannot be spoken with");
        assert!(server.told.iter().all(|it| !it.starts_with("AUTH")), "{:?}", server.told);
    }
}

#[tokio::test]
async fn a_server_that_is_silent_or_not_there_is_unavailable() {
    let server = Server::new(Script::default(), false).await;
    let silent =
        Mailer { timeout: Duration::from_millis(50), ..mailer(options(&server, Security::None), &Toy::default()) };
    check_refusal(
        &silent.send("mail", &anybody(), message(), NOW).await,
        "unavailable",
        "did not take the mail within",
    );
    let gone = Options { ca: None, ..options(&server, Security::None) };
    drop(server);
    let gone = mailer(gone, &Toy::default());
    check_refusal(&gone.send("mail", &anybody(), message(), NOW).await, "unavailable", "no mail server");
}

#[tokio::test]
async fn nobody_gets_mail_who_is_not_allowed() {
    let server = Server::new(Script::default(), false).await;
    let mailer = mailer(options(&server, Security::None), &Toy::default());
    for (allowed, to, cc, expected) in [
        (vec!["*"], "eve@evil.example", None, "eve@evil.example"),
        (vec![], "ann@acme.com", None, "ann@acme.com"),
        (vec!["bob@acme.com"], "ann@acme.com", None, "ann@acme.com"),
        (vec!["*@acme.com"], "ann@acme.com", Some("eve@evil.example"), "eve@evil.example"),
        (vec!["*@acme.com"], "eve@acme.com.evil.example", None, "eve@acme.com.evil.example"),
    ] {
        let allowed: Vec<String> = allowed.into_iter().map(str::to_owned).collect();
        let cc = cc.into_iter().map(str::to_owned).collect();
        let asked = Message { to: vec![to.into()], cc, ..message() };
        let sent = mailer.send("mail", &allowed, asked, NOW).await;
        check_refusal(&sent, "denied", &format!("allow = [\"{expected}\"] in [mail]"));
    }
}

#[track_caller]
fn check_letter(change: impl FnOnce(&mut Message), expected: &str) {
    let mut asked = message();
    change(&mut asked);
    let refused = Letter::new("mail", &["*@acme.com"], &asked).map(|_| ());
    check_refusal(&refused, "invalid", expected);
}

#[test]
fn no_header_is_smuggled_in_and_no_limit_is_passed() {
    check_letter(|it| it.subject = "a\r\nBcc: eve@evil.example".into(), "its subject is no single line");
    check_letter(|it| it.subject = "a\nb".into(), "its subject is no single line");
    check_letter(|it| it.subject = "x".repeat(257), "its subject is no single line");
    check_letter(|it| it.to = vec!["ann@acme.com\r\nDATA".into()], "has a line break");
    check_letter(|it| it.to = vec!["Ann\r\nBcc: eve@evil.example <ann@acme.com>".into()], "has a line break");
    check_letter(|it| it.cc = vec!["eve".into()], "`eve` is no mail address");
    check_letter(|it| it.to.clear(), "it has 0 recipients");
    check_letter(|it| it.cc = vec!["ann@acme.com".into(); 100], "it has 101 recipients");
    check_letter(|it| it.id.clear(), "its id has 0 bytes");
    check_letter(|it| it.id = "x".repeat(257), "its id has 257 bytes");
    check_letter(|it| it.conversation = Some(String::new()), "its conversation is no word");
    check_letter(|it| it.html = Some("x".repeat(1 << 20)), "its text is larger than");
}

#[tokio::test]
async fn without_memory_nothing_is_sent() {
    let server = Server::new(Script::default(), false).await;
    let mailer = mailer(options(&server, Security::None), &Toy { down: true, ..Toy::default() });
    let sent = mailer.send("mail", &anybody(), message(), NOW).await;
    check_refusal(&sent, "unavailable", "it is not known whether this mail was sent already: the disk is gone");
}

#[tokio::test]
async fn a_sender_or_an_authority_that_cannot_be_used_is_said_at_once() {
    let server = Server::new(Script::default(), false).await;
    let egress = || Egress::new(agentd_egress::Options::default(), Credentials::default()).unwrap();
    let new = |options: Options| Mailer::with(options, egress(), Box::new(Toy::default())).map(|_| ()).unwrap_err();
    let sender = Options { from: "agentd".into(), ..options(&server, Security::Tls) };
    assert_eq!(new(sender), "[mail] from: `agentd` is no mail address: it has no @");
    let authority = Options { ca: Some("/nowhere/ca.pem".into()), ..options(&server, Security::Tls) };
    assert!(new(authority).starts_with("/nowhere/ca.pem: the certificates cannot be read: No such file"));
}

#[tokio::test]
async fn a_password_is_in_no_debug_output() {
    let server = Server::new(Script::default(), false).await;
    assert!(!format!("{:?}", options(&server, Security::Tls)).contains(PASSWORD));
}
