//! Tries what the host lets it do, and tells.

use crate::Settings;
use agentd_sdk::host::{clock, entry, forge, http, kv, mail, metrics, repository};
use agentd_sdk::{Content, Error, log};
use std::collections::HashSet;
use std::net::TcpStream;
use std::time::{Instant, SystemTime};

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

/// Asks the forge each question once, about its own repository and about all.
pub(crate) fn forge() -> Result<String, Error> {
    let ours = || "acme/shop".to_owned();
    let some = forge::list_issues(&forge::IssueQuery {
        repository: Some(ours()),
        state: "open".into(),
        labels: vec!["agentd".into()],
        limit: 1_000,
        ..forge::IssueQuery::default()
    })?;
    forge::list_issues(&forge::IssueQuery { state: "all".into(), ..forge::IssueQuery::default() })?;
    let one = forge::get_issue("acme/shop", 7)?;
    let comments = forge::CommentQuery { repository: Some(ours()), number: Some(7), ..forge::CommentQuery::default() };
    let page = forge::list_comments(&comments)?;
    forge::list_comments(&forge::CommentQuery::default())?;
    let head = Some("agentd/t-1".into());
    let query = forge::PullRequestQuery {
        repository: ours(),
        state: "open".into(),
        head,
        ..forge::PullRequestQuery::default()
    };
    forge::list_pull_requests(&query)?;
    let missing = word(forge::get_pull_request("acme/shop", 7));
    forge::list_labels("acme/shop")?;
    forge::list_checks("acme/shop", "main")?;
    let by = one.labels.first().and_then(|it| it.by.as_ref()).map(|it| it.login.clone()).unwrap_or_default();
    Ok(format!(
        "{} issue, {} with {} by {by}, then {:?}, {missing}",
        some.issues.len(),
        one.title,
        one.labels[0].name,
        page.next
    ))
}

/// Asks for what it may not see, and for what makes no sense.
pub(crate) fn forge_nonsense() -> String {
    let issues = |query: forge::IssueQuery| word(forge::list_issues(&query));
    let open = || forge::IssueQuery { state: "open".into(), ..forge::IssueQuery::default() };
    let pulls = forge::PullRequestQuery { repository: "acme/other".into(), ..forge::PullRequestQuery::default() };
    let strange = forge::PullRequestQuery {
        repository: "acme/shop".into(),
        state: "open".into(),
        head: Some("a b".into()),
        ..forge::PullRequestQuery::default()
    };
    [
        issues(forge::IssueQuery { repository: Some("acme/other".into()), ..open() }),
        issues(forge::IssueQuery { repository: Some("acme/shop/../other".into()), ..open() }),
        issues(forge::IssueQuery::default()),
        issues(forge::IssueQuery { labels: vec!["a".into(); 21], ..open() }),
        issues(forge::IssueQuery { labels: vec!["a\nb".into()], ..open() }),
        issues(forge::IssueQuery { extra: vec![("milestone".into(), "m".repeat(257))], ..open() }),
        issues(forge::IssueQuery { cursor: Some("c".repeat(65 << 10)), ..open() }),
        word(forge::get_issue("acme/other", 1)),
        word(forge::list_comments(&forge::CommentQuery { number: Some(1), ..forge::CommentQuery::default() })),
        word(forge::list_pull_requests(&pulls)),
        word(forge::list_pull_requests(&strange)),
        word(forge::get_pull_request("acme/other", 1)),
        word(forge::list_labels("acme/other")),
        word(forge::list_checks("acme/other", "main")),
        word(forge::list_checks("acme/shop", "../../other")),
        word(forge::list_checks("acme/shop", "")),
    ]
    .join(" ")
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

/// A request of chance's making, and all that came back.
pub(crate) fn fuzz(settings: &Settings) -> String {
    use std::hash::{BuildHasher, RandomState};
    let seed = RandomState::new().hash_one(0);
    let pick = |of: &[&str], shift: u32| of[usize::try_from((seed >> shift) & 0xff).unwrap_or(0) % of.len()].to_owned();
    let names = ["x-note", "authorization", "cookie", "accept", "agentd-credential", "x-api-key", "te", "referer"];
    let request = http::Request {
        method: pick(&["GET", "POST", "PUT", "DELETE", "HEAD"], 0),
        url: format!(
            "{}{}",
            settings.url,
            pick(&["", "/a", "/../b", "?q=1", "/%2e%2e/c", "//d", "/a?key=x#f", "/é"], 8)
        ),
        headers: vec![(pick(&names, 16), format!("{seed:x}")), (pick(&names, 24), "again".into())],
        body: Content::Text(pick(&["", "hello", "{\"a\": 1}", "\u{0}\u{1}"], 32)),
        credential: settings.credential.clone().filter(|_| seed & (1 << 40) != 0),
        ..http::Request::default()
    };
    format!("{:?} {}", http::send(&request), request.url)
}

/// Whatever differs from one time to the next, and whatever the host says.
#[expect(clippy::disallowed_methods, reason = "what a clock says in here is the question")]
pub(crate) fn dice(settings: &Settings) -> String {
    let chance: HashSet<u32> = (0..8).collect();
    let time = (SystemTime::now(), Instant::now().elapsed(), clock::now());
    let stored = (kv::get("stored"), kv::keys("", None));
    let seen = (repository::read_file("acme/shop", None, "a.txt"), repository::repositories().len());
    let answered = settings.does.ends_with("http").then(|| request(settings));
    format!("{chance:?} {time:?} {stored:?} {seen:?} {answered:?}")
}

pub(crate) fn mail(to: &str) -> Result<String, Error> {
    let message = mail::Message {
        id: "m-1".into(),
        to: vec![to.into()],
        subject: "Done".into(),
        text: "It is done.".into(),
        ..mail::Message::default()
    };
    mail::send(&message)?;
    Ok("sent".into())
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
