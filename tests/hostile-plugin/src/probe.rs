//! Tries what the host lets it do, and tells.

use crate::Settings;
use agentd_sdk::host::{clock, entry, forge, http, kv, mail, metrics, repository};
use agentd_sdk::{Content, Error, log};
use std::net::TcpStream;

/// What of the machine can be seen: nothing should.
pub(crate) fn outside() -> String {
    let files = std::fs::read_dir("/").map_or(0, Iterator::count);
    let passwd = std::fs::read("/etc/passwd").is_ok();
    let written = std::fs::write("here", "x").is_ok();
    let variables = std::env::vars().count();
    let arguments = std::env::args().count();
    let connected = TcpStream::connect("127.0.0.1:22").is_ok();
    let input = std::io::stdin().lines().count();
    format!(
        "files {files}, passwd {passwd}, written {written}, variables {variables}, arguments {arguments}, connected \
         {connected}, input {input}"
    )
}

/// How each import answers, in a word.
pub(crate) fn imports() -> String {
    let query = repository::FileQuery { tree: "acme/shop".into(), ..repository::FileQuery::default() };
    [
        ("name", entry::name()),
        ("settings", entry::settings().len().min(3).to_string()),
        ("now", clock::now().to_string()),
        ("kv", word(kv::get("a"))),
        ("http", word(http::send(&http::Request::default()))),
        ("forge", word(forge::get_issue("acme/shop", 1))),
        ("mail", word(mail::send(&mail::Message::default()))),
        ("repositories", repository::repositories().len().to_string()),
        ("files", word(repository::list_files(&query))),
    ]
    .map(|(name, answer)| format!("{name} {answer}"))
    .join(", ")
}

pub(crate) fn kv() -> Result<String, Error> {
    let stored = kv::get("stored")?;
    kv::set("b", "1")?;
    kv::set("c", "2")?;
    kv::remove("c")?;
    kv::remove("stored")?;
    let (b, c, gone) = (kv::get("b")?, kv::get("c")?, kv::get("stored")?);
    let keys = kv::keys("", None)?;
    let later = kv::keys("", Some("b"))?;
    Ok(format!("{stored:?} {b:?} {c:?} {gone:?} {keys:?} {later:?}"))
}

/// Changes what is stored as `k0000` to `k2499`, and reads it page by page.
pub(crate) fn kv_pages() -> Result<String, Error> {
    for key in ["k0000x", "k1234x", "z"] {
        kv::set(key, "1")?;
    }
    kv::remove("k0001")?;
    for number in 1_000..2_000 {
        kv::remove(&format!("k{number}"))?;
    }
    let mut keys: Vec<String> = vec![];
    loop {
        let page = kv::keys("", keys.last().map(String::as_str))?;
        if page.is_empty() {
            break;
        }
        keys.extend(page);
    }
    let order = if keys.is_sorted() { "in order" } else { "in disorder" };
    let (first, last) = (keys.first().cloned().unwrap_or_default(), keys.last().cloned().unwrap_or_default());
    let new: Vec<&str> = keys.iter().filter(|it| it.ends_with('x')).map(String::as_str).collect();
    Ok(format!("{} keys {order}, from {first} to {last}, with {}", keys.len(), new.join(" and ")))
}

pub(crate) fn kv_limits() -> String {
    let answers = [
        kv::set("", "x"),
        kv::set(&"k".repeat(257), "x"),
        kv::set("k", &"v".repeat((64 << 10) + 1)),
        kv::set("k", &"v".repeat(64 << 10)),
    ];
    answers.map(word).join(" ")
}

/// Reads everything that it can name.
pub(crate) fn trees() -> String {
    let read = |tree: &str, path: &str| match repository::read_file(tree, None, path) {
        Ok(Content::Text(text)) => text,
        Ok(Content::Bytes(bytes)) => format!("{} bytes", bytes.len()),
        Err(error) => word::<()>(Err(error)),
    };
    [
        read("acme/shop", "a.txt"),
        read("acme/other", "a.txt"),
        read("dir:path", "a.txt"),
        read("dir:url", "a.txt"),
        read("acme/shop", "../a.txt"),
        read("acme/shop", "/etc/passwd"),
    ]
    .join(", ")
}

pub(crate) fn request(settings: &Settings) -> Result<String, Error> {
    let headers = match settings.does.as_str() {
        "http-host-header" => vec![("Host".into(), "example.org".into())],
        "http-split-header" => vec![("x".into(), "a\r\nhost: b".into())],
        _ => vec![],
    };
    let request = http::Request {
        method: settings.method.clone(),
        url: settings.url.clone(),
        headers,
        credential: settings.credential.clone(),
        ..http::Request::default()
    };
    Ok(http::send(&request)?.status.to_string())
}

pub(crate) fn count() {
    for number in 0..150 {
        metrics::add(&format!("counter_{number}"), &[], 1);
        metrics::add("counter_0", &[], 1);
    }
}

pub(crate) fn log_fields() {
    log::info("with fields", &[("small", "1"), ("large", &"x".repeat(9_000)), ("last", "2")]);
}

fn word<T>(answer: Result<T, Error>) -> String {
    let word = match answer {
        Ok(_) => "fine",
        Err(Error::Denied(_)) => "denied",
        Err(Error::Invalid(_)) => "invalid",
        Err(Error::Unsupported(_)) => "unsupported",
        Err(Error::TooLarge(_)) => "too-large",
        Err(Error::NotFound(_)) => "not-found",
        Err(_) => "another error",
    };
    word.into()
}
