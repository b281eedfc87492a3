//! What differs between two configurations, and what of it waits for a restart.

use super::*;
use std::fmt::Write as _;

const BOTH: &str = "[repositories.web]\npath = \"web\"\n";

/// One line for each change, `*` before those that wait.
fn told(before: &Config, after: &Config) -> String {
    let mut text = String::new();
    for it in changes(&before.shown, &after.shown) {
        writeln!(text, "{}{it}", if it.waits() { "* " } else { "" }).unwrap();
    }
    text
}

#[track_caller]
fn check_change(before: &str, after: &str, expected: &str) {
    let (before, after) = (Folder::with(&format!("{before}\n{BOTH}")), Folder::with(&format!("{after}\n{BOTH}")));
    let text = told(&before.config(), &after.config());
    let text = text.replace(&before.path().display().to_string(), "").replace(&after.path().display().to_string(), "");
    // The two lie in different folders.
    let lines: Vec<&str> = text.lines().filter(|it| !it.starts_with("repositories.web.path")).collect();
    assert_eq!(lines.join("\n"), expected);
}

#[test]
fn each_key_is_named_with_both_values() {
    check_change("", "", "");
    check_change("# a remark", "mode = \"ask\"", ""); // that is the default
    check_change("[limits]\nconcurrent = 2", "[limits]\nconcurrent = 5", "limits.concurrent = 5 (was 2)");
    check_change("", "log = \"debug\"", "log = \"debug\" (was \"info\")");
    check_change("[budget]\nday = 20", "", "budget.day = 50.0 (was 20.0)");
    check_change("[commits]\nname = \"bot\"", "", "commits.name = \"agentd\" (was \"bot\")");
    check_change("", "[plugins]\non_drop = \"grant\"", "plugins.on_drop = \"grant\" (was \"hold\")");
    let agent = "[agents.one]\nplugin = \"command\"";
    check_change(agent, "", "agents.one.default is gone\nagents.one.plugin is gone\nagents.one.settings is gone");
}

#[test]
fn what_counts_from_the_start_on_is_marked() {
    check_change(
        "",
        "home = \"/other\"",
        "* home = \"/other\" (was \"/home/me/.local/share/agentd\")\n* plugins.folder = \"/other/plugins\" (was \"/home/me/.local/share/agentd/plugins\")",
    );
    check_change(
        "",
        "[sandbox]\nexecutor = \"local\"\ncpus = 1",
        "sandbox.cpus = 1.0 (was 2.0)\n* sandbox.executor = \"local\" (was \"docker\")",
    );
    check_change("", "[network]\nprivate = [\"10.0.0.0/8\"]", "* network.private = [\"10.0.0.0/8\"] (was [])");
    check_change("", "[registries]\ncache = \"1 GiB\"", "* registries.cache = \"1 GiB\" (was \"5 GiB\")");
}

#[test]
fn another_secret_is_told_without_a_word_of_it() {
    let main = "[credentials.a]\nbearer = \"file:secret\"\nurls = [\"https://a.example/\"]\n";
    let folder = Folder::with(main).file("secret", "first-secret", 0o600);
    let before = folder.config();
    let folder = folder.file("secret", "second-secret", 0o600);
    let after = folder.config();
    assert_eq!(told(&before, &after), "credentials.a.bearer: another secret\n");
    assert_eq!(told(&after, &after), "");
    let all = format!("{:?} {:?} {:?}", before, after, changes(&before.shown, &after.shown));
    let json = serde_json::to_string(&changes(&before.shown, &after.shown)).unwrap();
    assert!(!all.contains("-secret") && !json.contains("-secret"), "{json}");
    assert_eq!(json, r#"[{"key":"credentials.a.bearer","old":"file:secret","new":"file:secret","secret":true}]"#);
}

#[test]
fn a_configuration_is_held_to_what_the_daemon_was_started_with() {
    let started = Folder::with("[sandbox]\nexecutor = \"local\"\ncpus = 1\n").config();
    let new = "home = \"/other\"\n[sandbox]\nexecutor = \"docker\"\ncpus = 3\n[network]\nprivate = [\"10.0.0.0/8\"]\n\
               [github]\ntoken = \"${T}\"\nrepositories = [\"acme/api\"]\n[limits]\nconcurrent = 9\n";
    let new = Folder::with(&format!("{new}{BOTH}")).variable("T", "secret").config();
    let held = new.held_to(&started);
    assert_eq!((held.sandbox.executor, held.sandbox.cpus), (ExecutorKind::Local, 3.0));
    assert_eq!((&held.home, held.network.private.len(), held.limits.concurrent), (&started.home, 0, 9));
    // Without access nothing on GitHub can be worked on yet.
    assert!(held.github.is_none());
    assert_eq!(held.repositories.keys().collect::<Vec<_>>(), ["web"]);
}

#[test]
fn other_peoples_text_never_comes_to_the_old_executor() {
    let github = "[github]\ntoken = \"${T}\"\nrepositories = [\"acme/api\"]\n";
    let started = Folder::with(&format!("{github}[sandbox]\nexecutor = \"local\"\n")).variable("T", "secret").config();
    let new = format!("{github}[sandbox]\nexecutor = \"docker\"\n[sources.issues]\nplugin = \"github-issues\"\n");
    let new = Folder::with(&new).variable("T", "secret").config();
    assert_eq!(new.unsafe_sources(), []);
    let found = new.held_to(&started).unsafe_sources();
    assert!(found[0].0 == "sources.issues.plugin" && found[0].1.contains("no walls"), "{found:?}");
}

#[test]
fn what_something_else_is_over_is_named() {
    let shadowed = |folder: &Folder, home: Option<&str>| {
        let environment: Environment = folder.variables.iter().cloned().collect();
        let config = Config::load_in(Some(&folder.path().join("agentd.toml")), home.map(Path::new), environment);
        let all = config.unwrap().shadowed.into_iter().map(|it| format!("{} by {}", it.key, it.by));
        all.collect::<Vec<_>>().join(", ")
    };
    let folder = Folder::with("log = \"debug\"\nhome = \"/in/file\"\n");
    assert_eq!(shadowed(&folder, None), "");
    assert_eq!(shadowed(&folder, Some("/in/file")), "");
    assert_eq!(shadowed(&folder, Some("/option")), "home by option --home");
    let folder = folder.variable("AGENTD_LOG", "warn").variable("TOKEN", "one").file(".env", "TOKEN=two\nB=c\n", 0o600);
    assert_eq!(shadowed(&folder, None), "TOKEN in .env by environment TOKEN, log by environment AGENTD_LOG");
}

#[test]
fn all_files_are_named_that_it_was_read_from_or_would_be() {
    let main = "[credentials.a]\nbearer = \"file:secrets/a\"\nurls = [\"https://a.example/\"]\n";
    let folder = Folder::with(main).file("conf.d/10.toml", "mode = \"auto\"\n", 0o644);
    let (loaded, files) =
        Config::load_with_files(Some(&folder.path().join("agentd.toml")), None, Environment::default());
    assert!(loaded.is_err(), "the secret is not there yet");
    let names: Vec<_> = files.iter().filter_map(|it| it.strip_prefix(folder.path()).ok()).collect();
    let expected = [".env", "agentd.toml", "conf.d", "conf.d/10.toml", "secrets/a"].map(Path::new);
    assert_eq!(names, expected);
}
