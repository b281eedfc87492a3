//! Configurations as docker writes them, and helpers as they answer.

use super::*;
use std::{fs, os::unix::fs::PermissionsExt as _};
use tempfile::TempDir;

fn folder(config: &str) -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(folder.path().join("config.json"), config).unwrap();
    folder
}

/// Puts a helper into the folder, which is then its `PATH` too.
fn helper(folder: &TempDir, name: &str, script: &str) {
    let path = folder.path().join(format!("docker-credential-{name}"));
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

async fn ask(folder: &TempDir, registry: &str) -> Found {
    Logins { folder: Some(folder.path().into()), path: folder.path().into() }.of(registry).await
}

fn password(server: &str, user: &str, password: &str) -> Found {
    let (user, password) = (Some(user.into()), Some(password.into()));
    Found::Login(Login { server: server.into(), user, password, identity_token: None })
}

fn token(server: &str, token: &str) -> Found {
    Found::Login(Login { server: server.into(), user: None, password: None, identity_token: Some(token.into()) })
}

#[tokio::test]
async fn the_file_itself_may_hold_it() {
    // `bWU6cGE6c3M=` is `me:pa:ss`.
    let config = r#"{"auths": {
        "https://index.docker.io/v1/": {"auth": "bWU6cGE6c3M="},
        "ghcr.io": {"auth": "bWU6cGE6c3M="},
        "https://old.example/v1/": {"auth": "bWU6cGE6c3M="},
        "localhost:5000": {"username": "me", "password": "x"},
        "azure.example": {"auth": "MDAwMDo=", "identitytoken": "long"},
        "broken.example": {"auth": "%%%"},
        "empty.example": {}
    }, "credsStore": ""}"#;
    let folder = folder(config);
    for (registry, expected) in [
        ("docker.io", password("https://index.docker.io/v1/", "me", "pa:ss")),
        ("ghcr.io", password("ghcr.io", "me", "pa:ss")),
        ("old.example", password("old.example", "me", "pa:ss")),
        ("localhost:5000", password("localhost:5000", "me", "x")),
        ("localhost", Found::Nothing),
        ("azure.example", token("azure.example", "long")),
        ("empty.example", Found::Nothing),
        ("other.example", Found::Nothing),
    ] {
        assert_eq!(ask(&folder, registry).await, expected, "{registry}");
    }
    let Found::Failed(why) = ask(&folder, "broken.example").await else { panic!("it cannot be read") };
    assert_eq!(why, "docker's login for broken.example is not readable: `docker login` again");
}

#[tokio::test]
async fn no_configuration_is_no_login() {
    assert_eq!(Logins { folder: None, path: OsString::new() }.of("ghcr.io").await, Found::Nothing);
    let empty = tempfile::tempdir().unwrap();
    assert_eq!(ask(&empty, "ghcr.io").await, Found::Nothing);
    assert_eq!(ask(&folder("{}"), "ghcr.io").await, Found::Nothing);
    let Found::Failed(why) = ask(&folder("{\n\"auths\": hunter2"), "ghcr.io").await else { panic!("no JSON") };
    assert!(why.ends_with("config.json is not JSON (line 2)"), "{why}");
}

#[tokio::test]
async fn a_helper_is_asked_with_the_servers_name() {
    let folder = folder(r#"{"credHelpers": {"ghcr.io": "one"}, "credsStore": "all", "auths": {"ghcr.io": {}}}"#);
    let echo = r#"read server; [ "$1" = get ] && printf '{"ServerURL":"%s","Username":"me","Secret":"of %s"}' "$server" "$server""#;
    helper(&folder, "one", echo);
    helper(&folder, "all", r#"read server; printf '{"Username":"<token>","Secret":"%s"}' "$server""#);
    assert_eq!(ask(&folder, "ghcr.io").await, password("ghcr.io", "me", "of ghcr.io"));
    let hub = "https://index.docker.io/v1/";
    assert_eq!(ask(&folder, "docker.io").await, token(hub, hub), "docker's own registry has an old name");
}

#[track_caller]
fn failed(found: Found, words: &str) {
    let Found::Failed(why) = found else { panic!("{found:?}") };
    assert!(why.contains(words) && !why.contains("hunter2"), "{why}");
}

#[tokio::test]
async fn a_helper_that_knows_nothing_or_fails_is_told_apart() {
    let folder = folder(r#"{"credsStore": "x"}"#);
    failed(ask(&folder, "ghcr.io").await, "names `docker-credential-x`, which is not in PATH");
    helper(&folder, "x", "echo 'credentials not found in native keychain'; exit 1");
    assert_eq!(ask(&folder, "ghcr.io").await, Found::Nothing);
    helper(&folder, "x", "echo 'locked; hunter2'; exit 1");
    failed(ask(&folder, "ghcr.io").await, "`docker-credential-x` failed; try `echo ghcr.io | docker-credential-x get`");
    helper(&folder, "x", "echo hunter2");
    failed(ask(&folder, "ghcr.io").await, "answered something that is no login");
    helper(&folder, "x", "exec yes hunter2");
    failed(ask(&folder, "ghcr.io").await, "`docker-credential-x`");
    let elsewhere = self::folder(r#"{"credsStore": "../../bin/x"}"#);
    failed(ask(&elsewhere, "ghcr.io").await, "which is not in PATH");
}

#[tokio::test(start_paused = true)]
async fn a_helper_that_hangs_is_ended() {
    let folder = folder(r#"{"credsStore": "x"}"#);
    helper(&folder, "x", "exec sleep 1000");
    failed(ask(&folder, "ghcr.io").await, "did not answer for 30s");
}
