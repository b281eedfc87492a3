//! `[plugins]`, `[approvals]`, `[mail]` and OAuth2 credentials, as people write them.

use super::*;
use agentd_plugin::{Kind, OnDrop};

const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

#[test]
fn an_approval_is_read_whole() {
    let main = format!(
        "[approvals.linear]\ndigest = \"{DIGEST}\"\nkinds = [\"task-source\", \"notifier\"]\n\
         http = [{{ methods = [\"POST\"], url = \"https://api.linear.app/graphql\", credential = \"linear\" }}, {{ credential = \"hook\" }}]\n\
         forge = []\ndirectories = [\"path\"]\nmail = [\"*@acme.com\"]\nmodels = [\"main\"]\n"
    );
    let approvals = Folder::with(&main).config().approvals;
    let approval = &approvals["linear"];
    assert_eq!((approval.digest.as_str(), &approval.kinds[..]), (DIGEST, &[Kind::TaskSource, Kind::Notifier][..]));
    let grants = &approval.grants;
    assert_eq!(grants.http[0].methods, ["POST"]);
    assert_eq!(
        (grants.http[0].url_prefix.as_str(), grants.http[0].credential.as_deref()),
        ("https://api.linear.app/graphql", Some("linear"))
    );
    assert_eq!((grants.http[1].url_prefix.as_str(), grants.http[1].credential.as_deref()), ("", Some("hook")));
    assert!(grants.forge.as_ref().is_some_and(|it| it.writes.is_empty()), "[] is reading");
    assert_eq!(
        (&grants.directories[..], &grants.mail[..], grants.webhook),
        (&["path".to_owned()][..], &["*@acme.com".to_owned()][..], false)
    );
    let bare = Folder::with(&format!("[approvals.a]\ndigest = \"{DIGEST}\"\n")).config();
    assert!(bare.approvals["a"].grants.forge.is_none(), "no line is nothing");
}

#[test]
fn mistakes_in_what_plugins_may_do_are_named() {
    let main = r#"
[approvals.linear]
digest = "sha256:12"
kinds = ["tasksource"]
http = [{ methods = ["post"], url = "ftp://x" }, { methods = ["GET"] }]
forge = ["merge"]
repository = false
mail = ["everybody"]
[approvals.other]
kinds = ["agent"]
[plugins]
on_drop = "ask"
[plugins.limits.hotspots]
wall = "2h"
cpu = "1ms"
memory = "1 KiB"
[plugins.signed_by]
"registry.acme.com" = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3"
"https://acme.com/" = "key"
"#;
    insta::assert_snapshot!(Folder::with(main).problems(), @r#"
    agentd.toml:3: approvals.linear.digest: is not the digest of a file, which is "sha256:" and 64 hexadecimal digits
    agentd.toml:4: approvals.linear.kinds: `tasksource` is no kind of plugin: take task-source, analyzer, prioritizer, prompt-template, notifier, agent, remote
    agentd.toml:5: approvals.linear.http[0].methods: `post` is not a method, which looks like "POST"
    agentd.toml:5: approvals.linear.http[0].url: `ftp://x` is not the beginning of an address, which looks like "https://api.acme.com/v1/"
    agentd.toml:5: approvals.linear.http[1].url: is missing: say url = "https://…/", what addresses begin with
    agentd.toml:6: approvals.linear.forge: `merge` is nothing that a plugin can write: take comment, label, reaction
    agentd.toml:7: approvals.linear.repository: is false, and every plugin may read the repositories that the section which uses it names: name fewer there
    agentd.toml:8: approvals.linear.mail: `everybody` is neither an address nor "*@DOMAIN"
    agentd.toml:9: approvals.other.digest: is missing: say digest = "sha256:…"; `agentd plugin approve NAME` writes the section
    agentd.toml:12: plugins.on_drop: must be hold or grant, is "ask"
    agentd.toml:14: plugins.limits.hotspots.wall: must be at most 1h
    agentd.toml:15: plugins.limits.hotspots.cpu: must be at least 10ms
    agentd.toml:16: plugins.limits.hotspots.memory: must be at least 4 MiB
    agentd.toml:18: plugins.signed_by: "registry.acme.com" is not where plugins come from, as "oci://registry.acme.com/"
    agentd.toml:19: plugins.signed_by: "https://acme.com/" needs a minisign public key: 56 letters from RW on
    "#);
}

#[test]
fn plugins_are_held_and_have_the_usual_limits_unless_the_files_say_otherwise() {
    let config = Folder::with("").config();
    assert_eq!((config.on_drop, config.plugin_limits.len(), config.mail.is_some()), (OnDrop::Hold, 0, false));
    let main = "[plugins]\non_drop = \"grant\"\n[plugins.limits.hotspots]\nwall = \"10m\"\nmemory = \"512 MiB\"\n";
    let config = Folder::with(main).config();
    let limits = config.plugin_limits["hotspots"];
    assert_eq!((config.on_drop, limits.wall, limits.cpu), (OnDrop::Grant, Some(Duration::from_secs(600)), None));
    assert_eq!(limits.memory, Some(512 << 20));
}

#[test]
fn mail_needs_a_server_and_a_sender_and_both_or_none_of_user_and_password() {
    let main =
        "[mail]\nurl = \"smtp://127.0.0.1:2525\"\nfrom = \"agentd <agentd@acme.com>\"\nallow = [\"*@acme.com\"]\n";
    let mail = Folder::with(main).config().mail.unwrap();
    assert_eq!(
        (mail.host.as_str(), mail.port, mail.security, mail.login.is_none()),
        ("127.0.0.1", 2525, Security::None, true)
    );
    insta::assert_snapshot!(Folder::with("[mail]\nuser = \"me\"\nfrom = \"agentd\"\nallow = [\"x\"]\n").problems(), @r#"
    agentd.toml:1: mail: must have both of user and password, or none of the two
    agentd.toml:1: mail.url: is missing: say url = "smtps://mail.acme.com:465"
    agentd.toml:3: mail.from: `agentd` is not an address, which looks like "agentd <agentd@acme.com>"
    agentd.toml:4: mail.allow: `x` is neither an address nor "*@DOMAIN"
    "#);
}

#[test]
fn an_oauth2_client_has_a_secret_or_a_refresh_token() {
    let main = "[credentials.a]\nurls = [\"https://a.example/\"]\n\
                oauth2 = { token_url = \"https://a.example/token\", client_id = \"me\", refresh_token = \"${T}\" }\n";
    let config = Folder::with(main).variable("T", "refresh-secret").config();
    let Attach::OAuth2 { client_id, refresh_token, scopes, .. } = &config.credentials["a"].attach else { panic!() };
    assert_eq!((client_id.as_str(), refresh_token.is_some(), scopes.len()), ("me", true, 0));
    assert!(!format!("{config:?}").contains("refresh-secret"));
    let main = "[credentials.a]\nurls = [\"https://a.example/\"]\noauth2 = { token_url = \"a\", scopes = [\"a b\"] }\n";
    insta::assert_snapshot!(Folder::with(main).problems(), @r#"
    agentd.toml:3: credentials.a.oauth2.token_url: `a` is not the beginning of an address, which looks like "https://api.acme.com/v1/"
    agentd.toml:3: credentials.a.oauth2.client_id: is missing: say client_id = "…", as the service calls its client
    agentd.toml:3: credentials.a.oauth2.secret: is missing: say secret = "${NAME}" or "file:PATH"
    agentd.toml:3: credentials.a.oauth2.scopes: `a b` is not a scope: each is a text of its own, without spaces
    "#);
}
