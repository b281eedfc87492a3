//! What a refusal says to do does what it says; what is wider is told line by line.

use super::*;
use crate::approval::Allowance;
use crate::grants::{Rights, wider};
use crate::wit::manifest::{
    Attachment, Credential, DirectoryWant, ForgeWant, HttpWant, MailWant, ModelWant, RepositoryWant, Want, WebhookWant,
};
use crate::{ForgeGrant, HttpGrant};

fn http_want(methods: &[&str], url: &str, credential: Option<&str>) -> Want {
    let credential = credential.map(|name| Credential { name: name.into(), attach: Attachment::Bearer, extra: vec![] });
    let methods = methods.iter().map(|it| (*it).into()).collect();
    Want::Http(HttpWant { methods, url: url.into(), credential, why: String::new(), extra: vec![] })
}

fn forge_want(writes: &[&str]) -> Want {
    let writes = writes.iter().map(|it| (*it).into()).collect();
    Want::Forge(ForgeWant { writes, why: String::new(), extra: vec![] })
}

fn wants() -> Vec<Want> {
    let webhook = WebhookWant {
        signature_header: "x-signature".into(),
        signature_prefix: String::new(),
        signature_encoding: "hex".into(),
        signed_content: "{body}".into(),
        id_header: None,
        timestamp_header: None,
        event_header: None,
        why: String::new(),
        extra: vec![],
    };
    vec![
        http_want(&["GET", "POST"], "https://api.example.org/v1", Some("the \"main\" one")),
        forge_want(&["comment", "label"]),
        Want::Directory(DirectoryWant { setting: "path".into(), why: String::new(), extra: vec![] }),
        Want::Mail(MailWant { why: String::new(), extra: vec![] }),
        Want::Webhook(webhook),
    ]
}

type Ask = fn(&Rights) -> Result<(), String>;

fn words(refused: Refusal) -> String {
    match refused {
        Refusal::Denied(text) => text,
        other => panic!("{other:?}"),
    }
}

/// Refused with nothing but what else is granted; with the line that ends the refusal it is allowed, and the rest still is.
#[track_caller]
fn check_line(granted: Grants, ask: Ask) {
    let settings = json!({ "path": "/srv/notes" });
    let rights = |grants: &Grants| Rights::new("linear", "e", &wants(), grants, &settings);
    let refusal = ask(&rights(&granted)).expect_err("it is not granted");
    let (_, line) = refusal.split_once("; to allow it, put into [approvals.linear]: ").expect("it ends with the line");
    let line: Grants = toml::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    assert_eq!(ask(&rights(&line)), Ok(()), "{refusal}");
    assert!(line.http.len() >= granted.http.len() && line.mail.len() >= granted.mail.len());
}

fn request(url: &str, credential: Option<&str>) -> http::Request {
    http::Request {
        method: "POST".into(),
        url: url.into(),
        headers: vec![],
        body: Content::Text(String::new()),
        credential: credential.map(Into::into),
        timeout_ms: None,
        extra: vec![],
    }
}

#[test]
fn the_line_that_ends_a_refusal_allows_it() {
    let http: Ask = |rights| {
        let asked = request("https://api.example.org/v1/things?q=1", Some("the \"main\" one"));
        rights.http(&asked).map(drop).map_err(words)
    };
    check_line(Grants::default(), http);
    let other = HttpGrant { methods: vec![], url_prefix: "https://other.example.org/".into(), credential: None };
    check_line(Grants { http: vec![other], ..Grants::default() }, http);
    check_line(Grants::default(), |rights| rights.tree("dir:path").map(drop).map_err(words));
    check_line(Grants::default(), |rights| rights.forge(None).map(drop).map_err(words));
    check_line(Grants::default(), |rights| rights.writes("label"));
    let comments = ForgeGrant { writes: ["comment".to_owned()].into() };
    check_line(Grants { forge: Some(comments), ..Grants::default() }, |rights| {
        rights.writes("label").and_then(|()| rights.writes("comment"))
    });
    check_line(Grants::default(), |rights| rights.webhook().map_err(words));
    let to_ann: Ask =
        |rights| rights.mail(&["ann@example.org".into(), "bob@example.org".into()]).map(drop).map_err(words);
    check_line(Grants::default(), to_ann);
    check_line(Grants { mail: vec!["*@acme.com".into()], ..Grants::default() }, to_ann);
}

#[test]
fn what_nobody_asked_for_cannot_be_granted() {
    let everything = Grants {
        http: vec![HttpGrant { methods: vec![], url_prefix: "https://api.example.org/".into(), credential: None }],
        forge: Some(ForgeGrant { writes: ["comment".to_owned()].into() }),
        directories: vec!["path".into()],
        mail: vec!["*".into()],
        webhook: true,
        ..Grants::default()
    };
    let rights = Rights::new("p", "e", &[], &everything, &json!({ "path": "/srv" }));
    let refusals = [
        words(rights.http(&request("https://api.example.org/", None)).unwrap_err()),
        words(rights.tree("dir:path").unwrap_err()),
        words(rights.tree("acme/shop").unwrap_err()),
        words(rights.forge(None).unwrap_err()),
        rights.writes("comment").unwrap_err(),
        words(rights.webhook().unwrap_err()),
        words(rights.mail(&["ann@example.org".into()]).unwrap_err()),
    ];
    for refusal in refusals {
        assert!(refusal.contains("its `describe` does not want"), "{refusal}");
        assert!(!refusal.contains("approvals"), "nothing that an operator could do: {refusal}");
    }
}

#[track_caller]
fn check_mail(rule: &str, address: &str, allowed: bool) {
    let grants = Grants { mail: vec![rule.into()], ..Grants::default() };
    let rights = Rights::new("p", "e", &wants(), &grants, &Value::Null);
    assert_eq!(rights.mail(&[address.into()]).is_ok(), allowed, "{rule} for {address}");
}

#[test]
fn a_mail_rule_is_an_address_or_a_domain() {
    check_mail("*@acme.com", "Ann@ACME.com", true);
    check_mail("ann@acme.com", "ANN@acme.com", true);
    check_mail("*", "ann@anywhere.org", true);
    check_mail("*@acme.com", "ann@sub.acme.com", false);
    check_mail("*@acme.com", "ann@notacme.com", false);
    check_mail("*@acme.com", "ann@acme.com.evil.org", false);
    check_mail("ann@acme.com", "joann@acme.com", false);
    check_mail("*acme.com", "ann@acme.com", false);
    check_mail("", "ann@acme.com", false);
}

#[track_caller]
fn check_wider(old: &[Want], new: &[Want], expected: &[&str]) {
    let old = Grants::implied(old, vec![]);
    assert_eq!(wider(&old, new), expected);
}

#[test]
fn each_widening_is_a_line() {
    let api = "https://api.example.org/v1";
    let get = || http_want(&["GET"], api, None);
    check_wider(&wants(), &wants(), &[]);
    check_wider(&wants(), &[], &[]);
    check_wider(&[get()], &[http_want(&["get"], "https://api.example.org/v1/things", None)], &[]);
    check_wider(
        &[get()],
        &[http_want(&["GET", "POST", "PUT"], api, None)],
        &["http: POST https://api.example.org/v1", "http: PUT https://api.example.org/v1"],
    );
    check_wider(&[get()], &[http_want(&[], api, None)], &["http: any method https://api.example.org/v1"]);
    check_wider(&[http_want(&[], api, None)], &[get()], &[]);
    check_wider(
        &[get()],
        &[http_want(&["GET"], api, Some("key"))],
        &["http: GET https://api.example.org/v1 with credential `key`"],
    );
    check_wider(&[get()], &[http_want(&["GET"], "https://evil.org/", None)], &["http: GET https://evil.org/"]);
    check_wider(
        &[get()],
        &[http_want(&["GET"], "https://api.example.org/", None)],
        &["http: GET https://api.example.org/"],
    );
    check_wider(&[http_want(&[], "{url}", None)], &[http_want(&[], "{url}", None)], &[]);
    check_wider(&[http_want(&[], "{url}", None)], &[http_want(&[], "{other}", None)], &["http: any method {other}"]);
    // A Cyrillic `а` in it.
    check_wider(&[], &[http_want(&[], "https://\u{430}pi.org/", None)], &["http: any method https://xn--pi-6kc.org/"]);
    check_wider(&[forge_want(&[])], &[forge_want(&["label"])], &["forge: write label"]);
    let model =
        Want::Model(ModelWant { name: "main".into(), apis: vec![], required: true, why: String::new(), extra: vec![] });
    let repository = Want::Repository(RepositoryWant { why: String::new(), extra: vec![] });
    check_wider(&[], &[model, repository], &["model: `main`"]);
    check_wider(
        &[],
        &wants(),
        &[
            "http: GET https://api.example.org/v1 with credential `the \"main\" one`",
            "http: POST https://api.example.org/v1 with credential `the \"main\" one`",
            "forge: read",
            "forge: write comment",
            "forge: write label",
            "directory: read what setting `path` names",
            "mail: send",
            "webhook: be called with deliveries",
        ],
    );
}

#[test]
fn of_models_a_plugin_may_call_those_that_are_allowed() {
    let model = |name: &str, required| {
        Want::Model(ModelWant { name: name.into(), apis: vec![], required, why: String::new(), extra: vec![] })
    };
    let approved =
        |name: &str| Allowance::Approved(Box::new(Grants { models: vec![name.into()], ..Grants::default() }));
    let wants = vec![model("main", true), model("small", false)];
    assert_eq!(Allowance::Wanted.models("p", wants.clone()).unwrap(), wants);
    assert_eq!(approved("main").models("p", wants.clone()).unwrap(), [model("main", true)]);
    for allowance in [approved("small"), Allowance::Reading] {
        let refused = allowance.models("p", wants.clone()).unwrap_err().to_string();
        assert!(refused.contains("waits for approval: plugin `p` wants model: `main`"), "{refused}");
    }
}
