//! Wants and grants: what both contain may be done, and the rest is refused in words.

use super::*;
use crate::HttpGrant;
use crate::grants::Rights;
use crate::wit::manifest::{Attachment, Credential, DirectoryWant, HttpWant, RepositoryWant, Want};

fn want(methods: &[&str], url: &str, credential: Option<&str>) -> Want {
    let credential = credential.map(|name| Credential { name: name.into(), attach: Attachment::Bearer, extra: vec![] });
    let methods = methods.iter().map(|it| (*it).into()).collect();
    Want::Http(HttpWant { methods, url: url.into(), credential, why: String::new(), extra: vec![] })
}

fn grant(methods: &[&str], url: &str, credential: Option<&str>) -> HttpGrant {
    let methods = methods.iter().map(|it| (*it).into()).collect();
    HttpGrant { methods, url_prefix: url.into(), credential: credential.map(Into::into) }
}

fn request(method: &str, url: &str, credential: Option<&str>) -> http::Request {
    http::Request {
        method: method.into(),
        url: url.into(),
        headers: vec![],
        body: Content::Text(String::new()),
        credential: credential.map(Into::into),
        timeout_ms: None,
        extra: vec![],
    }
}

/// `expected`: the prefix that allows it, or a piece of the refusal.
#[track_caller]
fn check(want: &Want, grant: &HttpGrant, request: &http::Request, expected: Result<&str, &str>) {
    let grants = Grants { http: vec![grant.clone()], ..Grants::default() };
    let rights = Rights::new("p", "e", std::slice::from_ref(want), &grants, &json!({}));
    let what = format!("{want:?} and {grant:?} for {request:?}");
    match (rights.http(request), expected) {
        (Ok(granted), Ok(prefix)) => assert_eq!(granted[0].url_prefix, prefix, "{what}"),
        (Err(Refusal::Denied(text) | Refusal::Invalid(text)), Err(piece)) => {
            assert!(text.contains(piece), "{what}: {text}");
            assert!(!text.contains("token"), "{what}: {text}");
        }
        (answer, _) => panic!("{what}: {answer:?}"),
    }
}

#[test]
fn a_request_needs_both_the_want_and_the_grant() {
    let api = "https://api.example.org/v1";
    let (wide, narrow) = (want(&[], "https://api.example.org/", None), want(&["POST"], api, None));
    let (open, tight) = (grant(&[], "https://api.example.org/", None), grant(&["post"], api, None));
    let ask = request("POST", "https://api.example.org/v1/things?token=x", None);
    check(&wide, &open, &ask, Ok("https://api.example.org/"));
    check(&wide, &tight, &ask, Ok(api));
    check(&narrow, &open, &ask, Ok(api));
    check(&narrow, &tight, &ask, Ok(api));
    check(&narrow, &open, &request("GET", api, None), Err("may not GET https://api.example.org/v1:"));
    check(&want(&["PUT"], api, None), &tight, &ask, Err("may not POST https://api.example.org/v1/things:"));
    check(&narrow, &grant(&[], "https://elsewhere.org/", None), &ask, Err("the operator has not granted it"));
    check(&want(&[], "{url}", None), &open, &ask, Err("its `describe` never asks for this"));
}

/// The table of the way out's own test: both have the same rule, and a plugin is refused before the way out is asked.
#[test]
fn a_prefix_covers_what_is_below_it() {
    for url in [
        "https://api.acme.com/api",
        "https://api.acme.com/api/",
        "https://api.acme.com/api/v1?x=1",
        "https://API.acme.com:443/api",
        "https://api.acme.com/other/../api/x",
    ] {
        for prefix in ["https://api.acme.com/api", "https://api.acme.com/api/", "https://api.acme.com/"] {
            check(&want(&[], prefix, None), &grant(&[], prefix, None), &request("GET", url, None), Ok(prefix));
        }
    }
}

#[test]
fn a_prefix_covers_nothing_beside_it() {
    let prefix = "https://api.acme.com/api";
    let (want_api, grant_api) = (want(&[], prefix, None), grant(&[], prefix, None));
    for url in [
        "https://api.acme.com/api-evil",
        "https://api.acme.com/",
        "https://api.acme.com/API",
        "https://api.acme.com/api/../admin",
        "https://api.acme.com/api/%2e%2e/admin",
        "https://api.acme.com/api\\..\\admin",
        "http://api.acme.com/api",
        "https://api.acme.com:8443/api",
        "https://api.acme.com.evil.org/api",
        "https://evil.org/https://api.acme.com/api",
        "https://api.acme.com./api?token=x",
    ] {
        check(&want_api, &grant_api, &request("GET", url, None), Err("its `describe` never asks for this"));
    }
    let beside = grant(&[], "https://api.acme.com/api-evil", None);
    check(&want_api, &beside, &request("GET", "https://api.acme.com/api-evil", None), Err("never asks for this"));
    let query = "https://api.acme.com/?x";
    check(&want(&[], query, None), &grant(&[], query, None), &request("GET", query, None), Err("never"));
    for (url, why) in [
        ("https://api.acme.com@evil.org/api", "user or password"),
        ("https://me:token@api.acme.com/api", "user or password"),
        ("file:///etc/passwd", "the URL's scheme is `file`"),
        ("", "has no URL"),
        ("nonsense", "the URL cannot be read"),
    ] {
        check(&want_api, &grant_api, &request("GET", url, None), Err(why));
    }
}

#[test]
fn a_credential_is_wanted_and_granted_by_name() {
    let url = "https://api.example.org/";
    let ask = |credential| request("GET", url, credential);
    check(&want(&[], url, Some("a")), &grant(&[], url, Some("a")), &ask(Some("a")), Ok(url));
    check(&want(&[], url, Some("a")), &grant(&[], url, Some("a")), &ask(None), Ok(url));
    for (wanted, granted, asked) in [
        (Some("a"), None, Some("a")),
        (None, Some("a"), Some("a")),
        (Some("a"), Some("b"), Some("b")),
        (Some("a"), Some("a"), Some("b")),
    ] {
        let with = format!("with credential `{}`", asked.unwrap());
        check(&want(&[], url, wanted), &grant(&[], url, granted), &ask(asked), Err(&with));
    }
}

#[test]
fn trees_are_the_granted_repositories_and_the_wanted_directories() {
    let settings = json!({ "path": "/srv/notes", "number": 5 });
    let directory =
        |setting: &str| Want::Directory(DirectoryWant { setting: setting.into(), why: String::new(), extra: vec![] });
    let repository = Want::Repository(RepositoryWant { why: String::new(), extra: vec![] });
    let wants = [directory("path"), directory("number"), repository];
    let grants = Grants {
        repositories: vec!["acme/shop".into()],
        directories: vec!["path".into(), "number".into()],
        ..Grants::default()
    };
    let rights = Rights::new("p", "e", &wants, &grants, &settings);
    assert_eq!(rights.tree("acme/shop"), Ok(Tree::Repository("acme/shop".into())));
    assert_eq!(rights.tree("dir:path"), Ok(Tree::Directory("/srv/notes".into())));
    for other in ["acme/other", "", "dir:", "dir:number", "dir:/etc", "/etc"] {
        assert!(matches!(rights.tree(other), Err(Refusal::Denied(_))), "{other}");
    }
    let rights = Rights::new("p", "e", &wants, &Grants::default(), &settings);
    assert!(rights.tree("acme/shop").is_err() && rights.tree("dir:path").is_err(), "nothing was granted");
    let rights = Rights::new("p", "e", &[], &grants, &settings);
    assert!(rights.tree("acme/shop").is_err() && rights.tree("dir:path").is_err(), "nothing was wanted");
}

#[tokio::test]
async fn a_guest_reads_what_it_may_and_no_more() {
    let house = House::new().await;
    let entry = house.hostile(json!({ "does": "trees", "path": "/srv/notes", "url": "/etc" })).await;
    assert_eq!(
        rank(&entry).await.unwrap(),
        "Repository(\"acme/shop\") a.txt, denied, Directory(\"/srv/notes\") a.txt, denied, invalid, invalid"
    );
}

/// Sends a request with these settings, granted all that is wanted; expects a status or a piece of the error.
async fn check_send(house: &House, settings: Value, expected: Result<&str, &str>) {
    let what = settings.to_string();
    match (rank(&house.hostile(settings).await).await, expected) {
        (Ok(status), Ok(expected)) => assert_eq!(status, expected, "{what}"),
        (Err(error), Err(piece)) => assert!(error.to_string().contains(piece), "{what}: {error}"),
        (answer, _) => panic!("{what}: {answer:?}"),
    }
}

#[tokio::test]
async fn a_guest_sends_what_it_may_and_no_more() {
    let house = House::new().await;
    let url = "https://example.org/hook";
    check_send(&house, json!({ "does": "http", "url": url }), Ok("200")).await;
    check_send(&house, json!({ "does": "http", "url": url, "method": "DELETE" }), Err("may not DELETE")).await;
    check_send(&house, json!({ "does": "http", "url": url, "wanted": "https://a.org/" }), Err("denied: plugin")).await;
    check_send(&house, json!({ "does": "http-host-header", "url": url }), Err("the host's business")).await;
    check_send(&house, json!({ "does": "http-split-header", "url": url }), Err("cannot be sent")).await;
    check_send(&house, json!({ "does": "http", "url": url, "method": "A B" }), Err("is not a word")).await;
    check_send(&house, json!({ "does": "http", "url": "" }), Err("has no URL")).await;
    check_send(&house, json!({ "does": "http", "url": "", "credential": "hook" }), Ok("200")).await;

    let sent = house.daemon.requests.lock().unwrap();
    let [call, hidden] = sent.as_slice() else { panic!("{sent:?}") };
    assert_eq!((hidden.request.url.as_str(), hidden.granted[0].credential.as_deref()), ("", Some("hook")));
    assert_eq!((call.entry.as_str(), call.granted[0].url_prefix.as_str()), ("e", url));
    assert!(call.request.timeout_ms.is_some_and(|it| (9_000..=10_000).contains(&it)), "{:?}", call.request.timeout_ms);
}
