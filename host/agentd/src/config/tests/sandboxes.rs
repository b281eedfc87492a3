//! What a repository's sandbox has around it, and agentd's own way out.

use super::*;
use agentd_gateway::registry::Registry;
use std::collections::BTreeSet;

#[test]
fn services_are_read_inherited_and_shown_where_they_serve() {
    let main = r#"
[repositories.default]
services = [{ image = "redis:7" }]
egress = ["npm"]
[repositories.web]
path = "web"
[repositories.api]
path = "api"
image = "dockerfile:dev"
egress = ["crates", "pypi"]
tunnel = ["License.acme.com:443"]
[[repositories.api.services]]
image = "postgres:16"
env = { POSTGRES_PASSWORD = "test", POSTGRES_DB = "api" }
command = ["postgres", "-c", "fsync=off"]
ready = "pg_isready"
[[repositories.api.services]]
image = "nats"
"#;
    let config = Folder::with(main).config();
    let (api, web) = (&config.repositories["api"], &config.repositories["web"]);
    assert_eq!(api.services.len(), 2);
    assert_eq!(
        api.services[0],
        Service {
            image: "postgres:16".into(),
            env: vec![("POSTGRES_DB".into(), "api".into()), ("POSTGRES_PASSWORD".into(), "test".into())],
            command: ["postgres", "-c", "fsync=off"].map(str::to_owned).into(),
            ready: Some("pg_isready".into()),
        }
    );
    assert_eq!((web.services[0].image.as_str(), &web.egress), ("redis:7", &BTreeSet::from([Registry::Npm])));
    assert_eq!(
        (&api.egress, &api.tunnel),
        (&BTreeSet::from([Registry::Crates, Registry::Pypi]), &vec!["License.acme.com:443".into()])
    );
    let shown: Vec<_> = config.shown.iter().map(|it| it.key.as_str()).filter(|it| it.ends_with(".image")).collect();
    let expected = [
        "repositories.api.image",
        "repositories.api.services[0].image",
        "repositories.api.services[1].image",
        "repositories.web.image",
        "repositories.web.services[0].image",
        "sandbox.image",
    ];
    assert_eq!(shown, expected);
}

#[test]
fn mistakes_in_services_and_ways_out_are_named_once() {
    let main = r#"
[repositories.default]
services = [{ image = "post gres", ports = [1] }, "redis", { env = { A = 1, B = "${SECRET}", "C=" = "c" } }]
[repositories.web]
path = "web"
egress = ["npm", "github.com"]
tunnel = ["acme.com", "*.acme.com:443"]
[repositories.api]
path = "api"
services = "postgres"
"#;
    insta::assert_snapshot!(Folder::with(main).problems(), @r#"
    agentd.toml:3: repositories.default.services[0].image: is not the name of an image, which looks like "postgres:16"
    agentd.toml:3: repositories.default.services[0].ports: is not a key; known are command, env, image, ready
    agentd.toml:3: repositories.default.services: must be a table, is a text
    agentd.toml:3: repositories.default.services[2].image: is missing: say image = "postgres:16"
    agentd.toml:3: repositories.default.services[2].env: A: must be a text, is a whole number
    agentd.toml:3: repositories.default.services[2].env: B: secrets do not belong into a service, which agents can reach: write a test value
    agentd.toml:3: repositories.default.services[2].env: "C=" is not the name of a variable
    agentd.toml:6: repositories.web.egress: must be of npm, crates, pypi, is "github.com"; one host and port is opened by tunnel
    agentd.toml:7: repositories.web.tunnel: `acme.com` is not a host with its port, which looks like "api.acme.com:443"
    agentd.toml:7: repositories.web.tunnel: `*.acme.com:443` is not a host with its port, which looks like "api.acme.com:443"
    agentd.toml:10: repositories.api.services: must be a list of tables, is a text
    "#);
}

#[test]
fn without_containers_there_are_no_services() {
    let main = "[sandbox]\nexecutor = \"local\"\n[repositories.web]\npath = \"web\"\nservices = [{ image = \"redis\" }]\n\
                [repositories.api]\npath = \"api\"\nexecutor = \"docker\"\nservices = [{ image = \"redis\" }]";
    let what = "are containers, and the executor is local: take executor = \"docker\", or no services";
    check(main, &format!("agentd.toml:5: repositories.web.services: {what}"));
}

#[test]
fn a_proxy_with_a_password_is_a_secret() {
    let network = |main: &str| Folder::with(main).variable("PROXY", "http://me:hunter2@proxy:3128").config();
    let config = network("[network]\nproxy = \"http://proxy:3128\"\nca = \"acme.pem\"\nprivate = [\"10.0.0.0/8\"]");
    assert_eq!(config.network.proxy.as_deref(), Some("http://proxy:3128"));
    assert_eq!(config.network.ca, Some(config.folder.join("acme.pem")));
    let options = config.network.egress();
    assert_eq!((options.proxy, options.ca), (config.network.proxy.clone(), config.network.ca.clone()));
    assert_eq!(options.allow_private, ["10.0.0.0/8"]);

    let config = network("[network]\nproxy = \"${PROXY}\"");
    assert_eq!(config.network.proxy.as_deref(), Some("http://me:hunter2@proxy:3128"));
    let shown = format!("{config:?} {}", serde_json::to_string(&config.shown).unwrap());
    assert!(!shown.contains("hunter2") && shown.contains("${PROXY}"), "{shown}");

    let clear = Folder::with("[network]\nproxy = \"http://me:hunter2@proxy:3128\"").problems();
    assert!(clear.starts_with("agentd.toml:2: network.proxy: there is a password in it: say"), "{clear}");
    assert!(!clear.contains("hunter2"), "{clear}");
    check(
        "[network]\nproxy = \"proxy:3128\"",
        "agentd.toml:2: network.proxy: is not the address of a proxy, which looks like \"http://proxy.acme.com:3128\"",
    );
}

#[test]
fn registries_and_timeouts() {
    let main = "[registries]\nnpm = \"https://npm.acme.com/\"\ncache = \"1 GiB\"\n[timeouts]\nmodel = \"30s\"";
    let config = Folder::with(main).config();
    let (registries, public) = (config.registries_options(), registry::Options::public(PathBuf::new()));
    assert_eq!(registries.npm, "https://npm.acme.com");
    assert_eq!((registries.crates, registries.pypi), (public.crates, public.pypi));
    assert_eq!((registries.cache, registries.cache_max), (config.home.join("registry-cache"), 1 << 30));
    let seconds = |it: Duration| it.as_secs();
    let timeouts = &config.timeouts;
    assert_eq!([timeouts.model, timeouts.model_idle, timeouts.service].map(seconds), [30, 300, 120]);
    check(
        "[registries]\ncache = \"1 MiB\"\nnpm = \"npm.acme.com\"",
        "agentd.toml:2: registries.cache: must be at least 16 MiB, is 1 MiB\n\
         agentd.toml:3: registries.npm: `npm.acme.com` is not an address, which looks like \"https://api.acme.com/v1\": it cannot be read as one",
    );
}
