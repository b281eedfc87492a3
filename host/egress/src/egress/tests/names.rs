//! Names: what is dialled is what was checked.

use super::*;
use client::tests::{asked, script};

impl Bed {
    /// Asks for `/api` at a name, at the server's port.
    async fn ask(&self, name: &str) -> Result<Response, Error> {
        let url = format!("http://{name}:{}/api", self.server.port);
        let rule = Rule { methods: vec![], url_prefix: url.clone(), credential: None };
        self.egress.send("x", &[rule], Request { method: "GET".into(), url, ..Request::default() }).await
    }
}

#[tokio::test]
async fn a_name_that_changes_its_address_is_dialled_where_it_was_checked() {
    let bed = Bed::with(&["127.0.0.1"]).await;
    // Whoever asked twice, once to check and once to dial, would be sent to the second address.
    script("rebinding.test", &[&["127.0.0.1"], &["127.0.0.2"]]);
    assert_eq!(bed.ask("rebinding.test").await.unwrap().status, 200);
    assert_eq!(asked("rebinding.test"), 1);
    let error = bed.ask("rebinding.test").await.unwrap_err();
    assert!(matches!(error, Error::Address { address, .. } if address.to_string() == "127.0.0.2"), "{error}");
    assert_eq!(bed.server.heard().len(), 1);
}

#[tokio::test]
async fn of_several_addresses_only_those_that_may_be_are_dialled() {
    let bed = Bed::with(&["127.0.0.1"]).await;
    script("several.test", &[&["169.254.169.254", "::ffff:10.0.0.1", "127.0.0.1", "fd00:ec2::254"]]);
    assert_eq!(bed.ask("several.test").await.unwrap().status, 200);
    for (name, address, why) in [
        ("metadata.test", "169.254.169.254", "a cloud's metadata service"),
        ("mapped.test", "::ffff:169.254.169.254", "a cloud's metadata service"),
        ("nat64.test", "64:ff9b::a9fe:a9fe", "a cloud's metadata service"),
        ("sixtofour.test", "2002:a9fe:a9fe::", "a cloud's metadata service"),
        ("metadata6.test", "fd00:ec2::254", "a cloud's metadata service"),
        ("zero.test", "0.0.0.0", "unspecified"),
        ("zero6.test", "::", "unspecified"),
        ("loop6.test", "::1", "loopback"),
    ] {
        script(name, &[&[address]]);
        match bed.ask(name).await {
            Err(Error::Address { why: found, .. }) => assert_eq!(found, why, "{name}"),
            other => panic!("{name}: {other:?}"),
        }
        let error = bed.egress.connect("x", name, bed.server.port).await.unwrap_err();
        assert!(matches!(error, Error::Address { .. }), "{name}: {error}");
    }
    assert_eq!(bed.server.heard().len(), 1);
}

#[tokio::test]
async fn a_name_is_private_only_if_all_of_it_is_and_somebody_said_so() {
    let bed = Bed::with(&["10.0.0.0/8", "127.0.0.1"]).await;
    script("inside.test", &[&["10.0.0.1", "10.0.0.2"]]);
    script("both.test", &[&["10.0.0.1", "1.1.1.1"]]);
    script("unnamed.test", &[&["192.168.0.1"]]);
    script("nowhere.test", &[&[]]);
    for (host, expected) in [
        ("inside.test", true),
        ("both.test", false),
        ("unnamed.test", false),
        ("nowhere.test", false),
        ("10.1.1.1", true),
        ("127.0.0.1", true),
        ("127.0.0.2", false),
        ("[::1]", false),
        ("1.1.1.1", false),
    ] {
        assert_eq!(bed.egress.is_private(host).await, expected, "{host}");
    }
}
