//! Names, and what a registry's refusal comes to.

use super::*;

#[track_caller]
fn check(text: &str, registry: &str, repository: &str, asked: &str, version: &str) {
    let name = Name::parse(text).unwrap_or_else(|| panic!("{text} is a name"));
    let found = (&*name.registry, &*name.repository, &*name.asked, &*name.version);
    assert_eq!(found, (registry, repository, asked, version), "{text}");
}

#[test]
fn names_are_read_as_docker_reads_them() {
    check("postgres", "docker.io", "postgres", "postgres", "latest");
    check("postgres:16", "docker.io", "postgres", "postgres", "16");
    check("acme/tool:v1", "docker.io", "acme/tool", "acme/tool", "v1");
    check("docker.io/library/node:22", "docker.io", "library/node", "docker.io/library/node", "22");
    check("index.docker.io/library/node", "docker.io", "library/node", "index.docker.io/library/node", "latest");
    check("ghcr.io/acme/dev/tool:v1", "ghcr.io", "acme/dev/tool", "ghcr.io/acme/dev/tool", "v1");
    check("localhost:5000/x", "localhost:5000", "x", "localhost:5000/x", "latest");
    check("localhost/x:1", "localhost", "x", "localhost/x", "1");
    check("registry:5000/a/b:c", "registry:5000", "a/b", "registry:5000/a/b", "c");
    check("a@sha256:0123", "docker.io", "a", "a", "sha256:0123");
    check("ghcr.io/a:1@sha256:0123", "ghcr.io", "a", "ghcr.io/a", "sha256:0123");
    for bad in ["", "A", "a b", "a:", "http://a/b", "a//b", "-a", "a:b c", "a@", "$X", "a\n"] {
        assert_eq!(Name::parse(bad), None, "{bad}");
    }
}

#[track_caller]
fn explained(message: &str, login: &Found, words: &str, passing: bool) {
    let name = Name::parse("ghcr.io/acme/tool:1").unwrap();
    let (why, may_pass) = explain(message, &name, login);
    assert!(why.contains(words), "{message}: {why}");
    assert_eq!(may_pass, passing, "{message}: {why}");
}

#[test]
fn a_refusal_says_what_to_do() {
    let none = &Found::Nothing;
    let denied = "pull access denied for x, repository does not exist or may require 'docker login': denied: no";
    explained(
        denied,
        none,
        "ghcr.io wants a login, or there is no such image: check the name, or `docker login ghcr.io`",
        false,
    );
    let mut login = Login { server: "ghcr.io".into(), user: Some("me".into()), password: None, identity_token: None };
    login.password = Some("hunter2".into());
    assert!(!format!("{login:?}").contains("hunter2"));
    let login = Found::Login(login);
    explained("unauthorized: authentication required", &login, "ghcr.io refuses the login", false);
    explained(denied, &Found::Failed("`x` failed".into()), "wants a login, and it could not be had: `x` failed", false);
    explained(
        "manifest for x:1 not found: manifest unknown: manifest unknown",
        none,
        "ghcr.io has no such image",
        false,
    );
    explained("no matching manifest for linux/arm64", none, "other kinds of machines", false);
    explained("Get https://x: http: server gave HTTP response to HTTPS client", none, "insecure-registries", false);
    explained("toomanyrequests: You have reached your pull rate limit", none, "raises its limit", true);
    explained("dial tcp: lookup ghcr.io: no such host", none, "ghcr.io does not answer as it should: dial tcp", true);
    explained("received unexpected HTTP status: 503 Service Unavailable", none, "does not answer", true);
    explained("Get \"https://cdn/x?sig=hunter2\": EOF", none, "https://cdn/x?…", true);
    explained("something else", none, "did not give it: something else", false);
}
