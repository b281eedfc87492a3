//! What somebody curious finds in a sandbox: no key, no token of somebody else, no way out but the gateway, and there only
//! what the configuration names.
//!
//! The same script, `probe.sh`, looks around as the agent `command`, as a command of Claude Code's and of Codex's, and
//! in their gates.

use super::{AGENTS, all_is_well, id_of, number, refusals, task};
use crate::support::{Daemon, Home, Judge, Model, StoredEvent, Turn, git, wait_for};
use serde_json::Value;
use std::{collections::BTreeMap, fs, path::Path, process::Command};

const SCRIPT: &str = include_str!("probe.sh");

/// What is the same for everybody, wherever it runs.
const EVERYWHERE: [(&str, &str); 27] = [
    ("key-in-environment", "0"),
    ("key-in-processes", "0"),
    ("key-in-files", "0"),
    ("stores", ""),
    ("mounts-of-the-host", "0"),
    ("interfaces", "lo "),
    ("launch", "0"),
    ("gateway-folder", "0"),
    ("gateway-socket", "closed"),
    ("metadata", "closed"),
    ("bridge", "closed"),
    ("internet", "closed"),
    ("name", "closed"),
    ("ipv6", "closed"),
    ("other-endpoint", "404 Not Found"),
    ("root", "403 Forbidden"),
    ("provider-path", "403 Forbidden"),
    ("tunnel", "403 Forbidden"),
    ("tunnel-to-provider", "403 Forbidden"),
    ("tunnel-to-registry", "403 Forbidden"),
    ("tunnel-home", "403 Forbidden"),
    ("proxy", "403 Forbidden"),
    ("files", "404 Not Found"),
    ("batches", "404 Not Found"),
    ("stored-answers", "404 Not Found"),
    ("detour", "404 Not Found"),
    ("end", "reached"),
];
/// Requests to `/model/main` that nobody gets anything for.
const WITHOUT_RIGHT: [&str; 5] =
    ["no-token", "no-token-either", "wrong-token", "token-of-another", "token-of-another-too"];
const REGISTRIES: [&str; 6] = ["npm", "npm-write", "crates", "crates-write", "pypi", "pypi-write"];

type Found = BTreeMap<String, String>;

fn read(output: &str) -> Found {
    output.lines().filter_map(|line| line.split_once(": ")).map(|(name, it)| (name.into(), it.into())).collect()
}

/// `own`: the token of the place, where there is a way to a model; `all`: those of all runs.
#[track_caller]
fn is_locked(whose: &str, mut found: Found, own: Option<&String>, all: &[String]) {
    // Among what looks like a token there may be digests that an agent's program keeps.
    let seen = found.remove("tokens").unwrap_or_default().replace('.', "");
    let seen: Vec<&String> = all.iter().filter(|it| seen.contains(it.as_str())).collect();
    assert_eq!(seen, own.into_iter().collect::<Vec<_>>(), "{whose}: tokens that it found");
    let denied = if own.is_some() { "401 Unauthorized" } else { "404 Not Found" };
    let registries = REGISTRIES.map(|name| (name, "403 Forbidden"));
    let expected = EVERYWHERE.into_iter().chain(WITHOUT_RIGHT.map(|name| (name, denied))).chain(registries);
    let expected: Found = expected.map(|(name, it)| (name.into(), it.into())).collect();
    let wrong: Vec<_> = expected.iter().filter(|(name, it)| found.get(*name) != Some(it)).collect();
    assert!(wrong.is_empty() && found.len() == expected.len(), "{whose}: expected {wrong:#?}\nfound {found:#?}");
}

/// Puts the script into the repository.
fn with_probe(home: &Home) {
    let work = home.path("seed");
    fs::write(work.join("probe.sh"), SCRIPT).unwrap();
    git(&work, &["add", "."]);
    git(&work, &["commit", "-qm", "Look around"]);
    git(&work, &["push", "-q", "../forge.git", "main"]);
}

/// The token that an agent's sandbox was started with.
fn token(home: &Home, task: &str) -> Option<String> {
    let launch = fs::read_to_string(home.home().join(format!("runs/{task}.1/control/agent/launch.json"))).ok()?;
    let launch: Value = serde_json::from_str(&launch).ok()?;
    let env = launch["env"].as_array().unwrap();
    let name = |pair: &&Value| ["ANTHROPIC_API_KEY", "AGENTD_MODEL_TOKEN"].contains(&pair[0].as_str().unwrap());
    env.iter().find(name).map(|pair| pair[1].as_str().unwrap().to_owned())
}

/// No file below this folder holds these bytes.
#[track_caller]
fn is_in_no_file(folder: &Path, secret: &str) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let (path, kind) = (entry.path(), entry.file_type().unwrap());
        if kind.is_dir() && entry.file_name() != "toolbox" {
            is_in_no_file(&path, secret);
        } else if kind.is_file() {
            let bytes = fs::read(&path).unwrap_or_default();
            assert!(
                !bytes.windows(secret.len()).any(|it| it == secret.as_bytes()),
                "a secret is in {}",
                path.display()
            );
        }
    }
}

/// Neither key nor tokens are told to anybody who asks agentd or the engine.
#[track_caller]
fn is_not_told(home: &Home, secret: &str) {
    let names = Judge::new(home).containers();
    if !names.is_empty() {
        let inspected = Command::new("docker").arg("inspect").args(&names).output().unwrap();
        assert!(!String::from_utf8_lossy(&inspected.stdout).contains(secret), "docker inspect tells it");
    }
    for args in
        [&["config", "show"][..], &["--json", "status"], &["--json", "task", "show", "t-1"], &["--json", "events"]]
    {
        assert!(!home.ok(args).contains(secret), "agentd {args:?} tells it");
    }
}

#[test]
fn nobody_in_a_sandbox_finds_a_key_or_a_way_out() {
    let look = "bash probe.sh > probe.txt; echo hello > greeting.txt";
    let models: Vec<Model> = AGENTS.iter().map(|_| Model::start([Turn::bash(look), Turn::text("Done.")])).collect();
    let mut home = Home::for_agents()
        .agent(&format!("cat > /dev/null; {look}; echo I looked"))
        .gates("[\"sh check.sh\", \"bash probe.sh proof\"]")
        .concurrent(3);
    with_probe(&home);
    let mut agents = vec!["script"];
    for (provider, model) in AGENTS.into_iter().zip(&models) {
        home = home.more(&model.sections_of(provider, provider.plugin(), provider.plugin(), "{}"));
        agents.push(provider.plugin());
    }
    agents.iter().for_each(|agent| task(&home, agent));
    let daemon = Daemon::start(&home);
    let tasks: Vec<String> = agents.iter().map(|agent| id_of(&home, agent)).collect();
    let checkout = |task: &str, name: &str| home.home().join(format!("runs/{task}.1/workspace/{name}"));
    for task in &tasks {
        wait_for("it looks around", || checkout(task, "ready").exists().then_some(()));
    }
    let tokens: Vec<Option<String>> = tasks.iter().map(|task| token(&home, task)).collect();
    assert!(tokens[0].is_none() && tokens[1].is_some() && tokens[2].is_some());
    let all: Vec<String> = tokens.iter().flatten().cloned().collect();
    // Each gets the token of another, while that one is good.
    for (task, other) in tasks.iter().zip([1, 2, 1]) {
        let partial = checkout(task, "go.partial");
        fs::write(&partial, tokens[other].as_ref().unwrap()).unwrap();
        is_not_told(&home, tokens[other].as_ref().unwrap());
        fs::rename(partial, checkout(task, "go")).unwrap();
    }
    is_not_told(&home, Model::KEY);
    is_in_no_file(home.root(), Model::KEY);

    for ((agent, task), token) in agents.iter().zip(&tasks).zip(&tokens) {
        daemon.wait_for_state(task, &["in-review"]);
        let branch = format!("agentd/{task}");
        is_locked(agent, read(&home.git(&["show", &format!("{branch}:probe.txt")])), token.as_ref(), &all);
        let stolen = home.git(&["show", &format!("{branch}:stolen.txt")]).replace([' ', '\n'], "");
        assert_eq!(stolen, token.clone().unwrap_or_default(), "it took its own token with it, where it had one");
        is_locked(&format!("the gate of {agent}"), read(&gate(&home, task)), None, &all);
        tells_what_would_allow_it(&home, task);
        let told = refusals(&home, task).iter().any(|it| it.0 == "model call" && it.1.contains("not this run's token"));
        assert_eq!(told, token.is_some(), "a wrong token is told of");
        if let Some(token) = token {
            Judge::new(&home).nobody_wrote(token);
        }
    }
    assert!(models.iter().all(|it| it.calls().len() == 2), "nobody called a model but the agents");
    is_not_told(&home, Model::KEY);
    all_is_well(&home, &tasks);
    assert_eq!(daemon.stop(&[]), Some(0));
    is_in_no_file(home.root(), Model::KEY);
}

/// What the last gate printed.
#[track_caller]
fn gate(home: &Home, task: &str) -> String {
    let probe = |it: &StoredEvent| it.kind == "gate.passed" && it.details["command"] == "bash probe.sh proof";
    let passed = Judge::new(home).events_of(number(task)).into_iter().find(probe).expect("the gate passed");
    passed.details["output"].as_str().unwrap().to_owned()
}

#[track_caller]
fn tells_what_would_allow_it(home: &Home, task: &str) {
    let refused = refusals(home, task);
    let line = |rest: &str| format!("[repositories.\"acme/notes\"] {rest}");
    let expected = [
        ("CONNECT example.org:443", line("tunnel = [\"example.org:443\"]")),
        ("CONNECT registry.npmjs.org:443", line("egress = [\"npm\"]")),
        ("GET http://example.org:80/", line("tunnel = [\"example.org:443\"]")),
        ("npm is-number", line("egress = [\"npm\"]")),
        ("crates config.json", line("egress = [\"crates\"]")),
        ("pypi simple/six/", line("egress = [\"pypi\"]")),
        ("POST /v1/messages", String::new()),
    ];
    for (what, allow) in expected {
        let told = refused.iter().any(|it| it.0 == what && it.2 == allow);
        assert!(told, "{what} with {allow}: {refused:#?}");
    }
}

/// And what lies about in the open it does find, so that it would find more if there were more.
#[test]
fn a_registry_that_is_allowed_is_for_reading_only() {
    let left = "0123456789abcdef".repeat(4);
    let home = Home::for_agents()
        .agent(&format!("cat > /dev/null; echo x > go; echo {left} > /tmp/left; bash probe.sh > probe.txt; echo hello > greeting.txt; echo I looked"))
        .more("[repositories.default]\negress = [\"crates\", \"npm\"]\n");
    fs::write(home.path("seed/left.txt"), format!("{}\n", Model::KEY)).unwrap();
    with_probe(&home);
    task(&home, "script");
    let daemon = Daemon::start(&home);
    daemon.wait_for_state("t-1", &["in-review"]);
    let found = read(&home.git(&["show", "agentd/t-1:probe.txt"]));
    assert_eq!(found["tokens"].trim().replace('.', ""), left);
    let expected = [
        ("key-in-files", "1"),
        ("npm", "200 OK"),
        ("npm-write", "405 Method Not Allowed"),
        ("crates", "200 OK"),
        ("crates-write", "405 Method Not Allowed"),
        ("pypi", "403 Forbidden"),
        ("pypi-write", "403 Forbidden"),
        ("tunnel-to-registry", "403 Forbidden"),
        ("proxy", "403 Forbidden"),
    ];
    for (name, status) in expected {
        assert_eq!(found[name], status, "{name}: {found:#?}");
    }
    let refused = refusals(&home, "t-1");
    let reads = refused.iter().find(|it| it.0 == "CONNECT registry.npmjs.org:443").unwrap();
    assert!(reads.1.contains("http://127.0.0.1:8417/npm/") && reads.2.is_empty(), "{refused:#?}");
    assert_eq!(daemon.stop(&[]), Some(0));
}
