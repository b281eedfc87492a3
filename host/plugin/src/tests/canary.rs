//! A guest never holds a secret: ten thousand calls by chance, to a server that repeats all it hears.
//!
//! Whatever gets into a guest's memory comes through the trait [`Host`], and so it is enough to look at all answers there;
//! and at what the guest makes of them.

use super::*;
use agentd_egress::{Attach, Credential, Egress, Options as WayOut, Request, Rule};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};

const CALLS: usize = 10_000;
const CANARY: &str = "c4nary-5ecret-of-the-operator";
const SIGNING: &str = "whsec_YzRuYXJ5LTVlY3JldC1vZi10aGUtb3BlcmF0b3I=";

/// Answers each request with all of it, in the body and in a header.
fn echo() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            std::thread::spawn(move || stream.map(serve));
        }
    });
    port
}

fn serve(mut stream: TcpStream) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    loop {
        let (mut head, mut length) = (String::new(), 0);
        loop {
            let from = head.len();
            if reader.read_line(&mut head).unwrap_or(0) == 0 {
                return;
            }
            let line = head[from..].to_ascii_lowercase();
            if let Some(number) = line.strip_prefix("content-length:") {
                length = number.trim().parse().unwrap_or(0);
            }
            if line.trim().is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        let heard = format!("{head}{}", String::from_utf8_lossy(&body));
        let line: String = heard.chars().map(|it| if it.is_ascii_graphic() { it } else { '_' }).collect();
        // A server that means well about half of the time.
        let told = if line.len().is_multiple_of(2) { heard } else { "fine".into() };
        let content = if head.starts_with("HEAD") { "" } else { told.as_str() };
        let answer = format!("HTTP/1.1 200 OK\r\nx-heard: {line}\r\ncontent-length: {}\r\n\r\n{content}", told.len());
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

/// The way out as the daemon wires it.
pub(super) async fn send(egress: &Egress, call: HttpCall) -> Result<http::Response, Refusal> {
    let rule =
        |it: crate::HttpGrant| Rule { methods: it.methods, url_prefix: it.url_prefix, credential: it.credential };
    let rules: Vec<Rule> = call.granted.into_iter().map(rule).collect();
    let http::Request { method, url, headers, body, credential, .. } = call.request;
    let body = match body {
        Content::Text(text) => text.into_bytes(),
        Content::Bytes(bytes) => bytes,
    };
    let request = Request { method, url, headers, body, credential, ..Request::default() };
    let answer = egress.send(&call.entry, &rules, request).await.map_err(|error| Refusal::Denied(error.to_string()))?;
    let body = String::from_utf8(answer.body).map_or_else(|it| Content::Bytes(it.into_bytes()), Content::Text);
    Ok(http::Response { status: answer.status, headers: answer.headers, body, extra: vec![] })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_reaches_a_guest_in_ten_thousand_calls() {
    let place = format!("http://127.0.0.1:{}/api", echo());
    let kinds = [
        ("bearer", Attach::Bearer),
        ("basic", Attach::Basic { user: "ann".into() }),
        ("header", Attach::Header("x-api-key".into())),
        ("query", Attach::Query("key".into())),
        ("signed", Attach::SigningKey),
    ];
    let house = House::new().await;
    let credential = |attach: Attach| {
        let secret = if matches!(attach, Attach::SigningKey) { SIGNING } else { CANARY };
        Credential { attach, secret: secret.into(), urls: vec![place.clone()] }
    };
    let all = kinds.clone().map(|(name, attach)| (name.to_owned(), credential(attach)));
    let options = WayOut { allow_private: vec!["127.0.0.1".into()], ..WayOut::default() };
    let egress = Egress::new(options, all.into_iter().collect()).unwrap();
    *house.daemon.way_out.lock().unwrap() = Some(egress);
    let (mut said, mut echoed) = (vec![], 0);
    for (name, _) in kinds {
        let settings =
            json!({ "does": "http-fuzz", "url": place, "credential": name, "wanted": place, "method": "ANY" });
        let entry = house.hostile(settings).await;
        for _ in 0..CALLS / 5 {
            let text = rank(&entry).await.unwrap_or_else(|error| error.to_string());
            echoed += usize::from(text.contains("status: 200"));
            said.push(text);
        }
    }
    assert!(echoed > CALLS / 20, "only {echoed} of {CALLS} were answered");
    assert!(said.iter().any(|it| it.contains("it contains a secret of the configuration")), "none was held back");
    let told = std::mem::take(&mut *house.daemon.answered.lock().unwrap());
    assert!(told.len() > CALLS / 20);
    let news: Vec<String> = house.daemon.news.lock().unwrap().iter().map(|it| format!("{it:?}")).collect();
    let traces = serde_json::to_string(&*house.daemon.traces.lock().unwrap()).unwrap();
    let forms = [CANARY.to_owned(), "YW5uOmM0bmFyeS01ZWNyZXQ".into(), "YzRuYXJ5LTVlY3JldC".into()];
    let sinks = said.iter().chain(&told).chain(&news).chain([&traces]).cloned().chain(house.daemon.logged());
    for text in sinks {
        assert!(forms.iter().all(|it| !text.contains(it.as_str())), "{text}");
    }
}
