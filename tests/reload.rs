//! The configuration changes while agentd works: what changed holds, what is wrong changes nothing, and nobody who is at
//! work notices.

use crate::support::{Daemon, Home, Judge, StoredEvent, wait_for};
use serde_json::Value;
use std::{fs, os::unix::fs::PermissionsExt, path::Path};

/// Reads what is told of the configuration, one event after the other.
struct Ear<'a> {
    judge: Judge<'a>,
    heard: usize,
}

impl<'a> Ear<'a> {
    fn new(home: &'a Home) -> Ear<'a> {
        Ear { judge: Judge::new(home), heard: 0 }
    }

    /// The next event of this kind; none of the other may come before it.
    #[track_caller]
    fn hears(&mut self, kind: &str) -> StoredEvent {
        let told = wait_for(kind, || {
            let mut told = self.judge.events().into_iter().filter(|it| it.kind.starts_with("config."));
            told.nth(self.heard)
        });
        self.heard += 1;
        assert_eq!(told.kind, kind, "{told:?}");
        told
    }

    #[track_caller]
    fn hears_nothing_more(&self) {
        let all = self.judge.events().into_iter().filter(|it| it.kind.starts_with("config."));
        assert_eq!(all.skip(self.heard).collect::<Vec<_>>(), []);
    }
}

/// Puts a file in its place in one move, as editors do.
fn write(path: &Path, text: &str, mode: u32) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let partial = path.with_extension("partial");
    fs::write(&partial, text).unwrap();
    fs::set_permissions(&partial, fs::Permissions::from_mode(mode)).unwrap();
    fs::rename(partial, path).unwrap();
}

fn edit(home: &Home, from: &str, to: &str) {
    let file = home.path("agentd.toml");
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains(from), "{text}");
    write(&file, &text.replace(from, to), 0o644);
}

#[track_caller]
fn says(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "{word:?} is not in {text:?}");
    }
}

fn keys(changes: &Value) -> Vec<&str> {
    changes.as_array().into_iter().flatten().filter_map(|it| it["key"].as_str()).collect()
}

/// A home whose agent works until there is a file `go`.
fn patient_home() -> Home {
    let home = Home::new("local");
    let go = home.path("go").display().to_string();
    home.agent(&format!(
        "cat > /dev/null; while [ ! -e {go} ]; do sleep 0.05; done; echo hello > greeting.txt; echo I mended it"
    ))
}

#[test]
fn limits_and_sources_change_while_a_task_is_at_work() {
    let home = patient_home();
    home.task("a.md", "# First\n");
    let daemon = Daemon::start(&home);
    let mut ear = Ear::new(&home);
    daemon.wait_for_state("t-1", &["running"]);
    home.task("b.md", "# Second\n");
    daemon.wait_for_state("t-2", &["queued"]);

    // There is room for one; then there is room for three.
    edit(&home, "concurrent = 1\nper_repository = 1", "concurrent = 3\nper_repository = 3");
    let told = ear.hears("config.reloaded");
    assert_eq!(keys(&told.details["changed"]), ["limits.concurrent", "limits.per_repository"]);
    says(&told.text, &["limits.concurrent = 3 (was 1)"]);
    daemon.wait_for_state("t-2", &["running"]);

    // Another source brings work, and goes again; the first one goes on.
    fs::create_dir(home.path("more")).unwrap();
    fs::write(home.path("more/c.md"), "# Third\n").unwrap();
    let section = format!(
        "[sources.more]\nplugin = \"folder\"\nrepository = \"acme/notes\"\ninterval = \"1s\"\nsettings = {{ path = \"{}\" }}\n",
        home.path("more").display()
    );
    write(&home.path("conf.d/more.toml"), &section, 0o644);
    let told = ear.hears("config.reloaded");
    assert!(keys(&told.details["changed"]).contains(&"sources.more.plugin"), "{told:?}");
    daemon.wait_for_state("t-3", &["running"]);
    assert_eq!(home.shown("t-3")["source"], "more");
    fs::remove_file(home.path("conf.d/more.toml")).unwrap();
    says(&ear.hears("config.reloaded").text, &["sources.more", "is gone"]);
    home.task("d.md", "# Fourth\n");
    daemon.wait_for_state("t-4", &["queued"]);

    // All of them end as they began.
    fs::write(home.path("go"), "").unwrap();
    for task in ["t-1", "t-2", "t-3", "t-4"] {
        daemon.wait_for_state(task, &["in-review"]);
    }
    let judge = Judge::new(&home);
    for task in 1..=4 {
        let runs = judge.events_of(task).iter().filter(|it| it.kind == "task.running").count();
        assert_eq!(runs, 1, "t-{task} was begun once");
    }
    ear.hears_nothing_more();
    assert_eq!(daemon.stop(&[]), Some(0));
}

#[test]
fn a_broken_file_changes_nothing_and_says_where() {
    let home = patient_home();
    home.task("a.md", "# First\n");
    let daemon = Daemon::start(&home);
    let mut ear = Ear::new(&home);
    daemon.wait_for_state("t-1", &["running"]);

    edit(&home, "concurrent = 1\nper_repository", "concurrent = 0\nper_repository");
    let told = ear.hears("config.refused");
    let problem = &told.details["problems"][0];
    assert_eq!((&problem["line"], &problem["key"]), (&3.into(), &"limits.concurrent".into()), "{told:?}");
    says(&told.text, &["the one before stays in force", "agentd.toml:3: limits.concurrent: must be 1 to 64, is 0"]);
    // Half of a file, and none at all, are mistakes like others.
    let whole = fs::read_to_string(home.path("agentd.toml")).unwrap();
    write(&home.path("agentd.toml"), "[limits\nconcurrent", 0o644);
    says(&ear.hears("config.refused").text, &["agentd.toml:1: is not TOML"]);
    fs::remove_file(home.path("agentd.toml")).unwrap();
    says(&ear.hears("config.refused").text, &["agentd.toml: does not exist"]);
    write(&home.path("agentd.toml"), &whole.replace("concurrent = 0", "concurrent = 1"), 0o644);
    let told = ear.hears("config.reloaded");
    assert_eq!((keys(&told.details["changed"]).len(), told.text.contains("right again")), (0, true), "{told:?}");

    fs::write(home.path("go"), "").unwrap();
    daemon.wait_for_state("t-1", &["in-review"]);
    assert_eq!(daemon.stop(&[]), Some(0));
}

#[test]
fn what_plugins_and_repositories_do_not_agree_with_is_named_with_its_place() {
    let home = Home::new("local");
    let daemon = Daemon::start(&home);
    let mut ear = Ear::new(&home);
    let section = "[sources.bad]\nplugin = \"folder\"\nsettings = { path = 5, pth = \"x\" }\n\
                   [notifiers.none]\nplugin = \"nobody\"\n[repositories.gone]\npath = \"/there/is/none\"\n";
    write(&home.path("conf.d/bad.toml"), section, 0o644);
    let told = ear.hears("config.refused");
    let problems: Vec<String> = told.details["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| {
            let file = Path::new(it["file"].as_str().unwrap_or_default()).file_name().unwrap_or_default();
            format!("{}:{} {}", file.display(), it["line"], it["key"].as_str().unwrap_or_default())
        })
        .collect();
    let expected = [
        "bad.toml:7 repositories.gone",
        "bad.toml:3 sources.bad.settings.path",
        "bad.toml:3 sources.bad.settings.pth",
        "bad.toml:5 notifiers.none",
    ];
    for place in expected {
        assert!(problems.iter().any(|it| it == place), "{place} is not among {problems:?}");
    }
    // What was right before is in force, and works.
    home.task("a.md", "# Mend the greeting\n");
    daemon.wait_for_state("t-1", &["in-review"]);
    assert_eq!(daemon.stop(&[]), Some(0));
}

#[test]
fn another_secret_is_taken_without_a_word_of_it_and_what_has_to_wait_is_named() {
    let home = Home::new("local");
    write(&home.path("secret"), "the-first-secret\n", 0o600);
    let home = home.more("[credentials.key]\nbearer = \"file:secret\"\nurls = [\"https://example.org/\"]");
    let daemon = Daemon::start(&home);
    let mut ear = Ear::new(&home);
    write(&home.path("secret"), "the-second-secret\n", 0o600);
    let told = ear.hears("config.reloaded");
    says(&told.text, &["credentials.key.bearer: another secret"]);
    assert_eq!(told.details["changed"][0]["new"], "file:secret");

    write(&home.path("conf.d/net.toml"), "[network]\nprivate = [\"10.0.0.0/8\"]\n[commits]\nname = \"bot\"\n", 0o644);
    let told = ear.hears("config.reloaded");
    assert_eq!(told.details["waits_for_restart"], serde_json::json!(["network.private"]));
    says(&told.text, &["commits.name = \"bot\"", "for a restart wait network.private"]);
    home.task("a.md", "# Mend the greeting\n");
    daemon.wait_for_state("t-1", &["in-review"]);
    assert_eq!(home.git(&["log", "-1", "--format=%an", "agentd/t-1"]), "bot");

    // Taken back, it waits for nothing any more.
    fs::remove_file(home.path("conf.d/net.toml")).unwrap();
    assert_eq!(ear.hears("config.reloaded").details["waits_for_restart"], serde_json::json!([]));
    assert_eq!(daemon.stop(&[]), Some(0));
    let judge = Judge::new(&home);
    for secret in ["the-first-secret", "the-second-secret"] {
        judge.nobody_wrote(secret);
    }
}

#[test]
fn a_signal_has_it_read_again_and_changes_nothing_if_nothing_changed() {
    let home = Home::new("local");
    let daemon = Daemon::start(&home);
    let mut ear = Ear::new(&home);
    let hang_up = || {
        let kill = std::process::Command::new("kill").args(["-HUP", &daemon.pid().to_string()]).status().unwrap();
        assert!(kill.success());
    };
    hang_up();
    edit(&home, "mode = \"auto\"", "mode = \"ask\"");
    hang_up();
    says(&ear.hears("config.reloaded").text, &["mode = \"ask\" (was \"auto\")"]);
    home.task("a.md", "# Mend the greeting\n");
    daemon.wait_for_state("t-1", &["waiting"]);
    ear.hears_nothing_more();
    assert_eq!(daemon.stop(&[]), Some(0));
}
