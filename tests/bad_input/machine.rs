//! The configuration and the machine: what keeps agentd from starting, and what it says about it.

use super::{a_good_task_gets_through, home_of, says};
use crate::support::{Daemon, Home, Judge};
use std::{fs, os::unix::fs::symlink};

#[test]
fn every_mistake_of_a_configuration_is_named_at_once() {
    let home = Home::new("local");
    let config = "mode = \"auto\"\nconcurency = 2\n[limits]\nconcurrent = \"two\"\n\
        [credentials.tracker]\nbearer = \"hunter2hunter2\"\nurls = [\"https://tracker.acme.com/\"]\n\
        [credentials.wiki]\nbearer = \"${AGENTD_TEST_NO_SUCH_VARIABLE}\"\nurls = [\"https://wiki.acme.com/\"]\n";
    fs::write(home.path("agentd.toml"), config).unwrap();
    for command in [&["start", "--foreground"][..], &["config", "check"], &["start"]] {
        let said = home.agentd(command);
        assert_eq!(said.code, Some(2), "{command:?}: {said:?}");
        assert!(!said.stderr.contains("hunter2"), "{command:?}: {said:?}");
        let text = said.stderr.replace(&format!("{}/", home.root().display()), "");
        insta::allow_duplicates! {
            insta::assert_snapshot!(text, @r#"
            error: the configuration has 4 mistakes
            agentd.toml:2: concurency: is not a key; known are accounts, agents, analyzers, approvals, budget, commits, credentials, github, home, limits, log, mail, mode, network, notifiers, plugins, prices, prioritizer, prompts, registries, repositories, sandbox, sources, timeouts
            agentd.toml:4: limits.concurrent: must be a whole number, is a text
            agentd.toml:6: credentials.tracker.bearer: is a secret written in the clear: say "${NAME}", "file:PATH" or "cmd:PROGRAM", and change the secret if this file was ever shared
            agentd.toml:9: credentials.wiki.bearer: the variable AGENTD_TEST_NO_SUCH_VARIABLE is not set: export it, or write AGENTD_TEST_NO_SUCH_VARIABLE=… into .env beside this file
            hint: agentd config check looks at it again; nothing was changed
            "#);
        }
    }
}

#[test]
fn a_second_daemon_on_the_same_home_hears_who_has_it() {
    let home = home_of("local", "true");
    let daemon = Daemon::start(&home);
    for command in [&["start", "--foreground"][..], &["start"]] {
        let said = home.agentd(command);
        assert_eq!(said.code, Some(1), "{said:?}");
        let pid = format!("(pid {})", daemon.pid());
        says(&said.stderr, &["agentd is already running on", &pid, "hint: "]);
    }
    a_good_task_gets_through(&home, &daemon);
}

#[test]
fn without_git_it_says_so_and_a_git_that_goes_away_costs_one_task() {
    let home = home_of("local", "cat > /dev/null; echo done");
    let bin = home.path("bin");
    fs::create_dir(&bin).unwrap();
    for name in ["sh", "cat", "grep"] {
        symlink(format!("/bin/{name}"), bin.join(name)).unwrap();
    }
    let home = home.env("PATH", bin.to_str().unwrap());
    let doctor = home.agentd(&["doctor"]);
    assert_eq!(doctor.code, Some(1), "{doctor:?}");
    says(&doctor.stdout, &["fail  git: cannot be started", "hint: install git 2.38 or newer"]);
    let started = home.agentd(&["start", "--foreground"]);
    assert_eq!(started.code, Some(2), "{started:?}");
    says(&started.stderr, &["git is not installed, or not in PATH", "hint: "]);
    let ran = home.agentd(&["run", "--repo", "forge.git", "--executor", "local", "Mend it"]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    says(&ran.stderr, &["git is not installed, or not in PATH"]);

    symlink("/usr/bin/git", bin.join("git")).unwrap();
    let daemon = Daemon::start(&home);
    fs::rename(bin.join("git"), bin.join("no-git")).unwrap();
    home.task("a.md", "# Mend the greeting\n");
    let (reason, text) = daemon.wait_for_failure("t-1");
    assert_eq!(reason, "misconfigured");
    says(&text, &["git is not installed, or not in PATH", "install git"]);
    fs::rename(bin.join("no-git"), bin.join("git")).unwrap();
    a_good_task_gets_through(&home, &daemon);
}

#[test]
fn without_an_engine_it_says_what_to_do() {
    let home = Home::new("docker").sandbox("socket = \"/no/such/docker.sock\"");
    let doctor = home.agentd(&["doctor"]);
    assert_eq!(doctor.code, Some(1), "{doctor:?}");
    let hint = "start the engine, and see that you may use its socket; to try agentd without one: --executor local";
    says(&doctor.stdout, &["fail  engine: ", "/no/such/docker.sock", hint]);

    // Nothing has to be asked of the engine at the start where the image is named: tasks wait for it.
    let image = match std::env::var("AGENTD_TEST_IMAGE") {
        Ok(_) => "",
        Err(_) => {
            let started = home.agentd(&["start", "--foreground"]);
            assert_eq!(started.code, Some(2), "{started:?}");
            says(&started.stderr, &["/no/such/docker.sock", "hint: start Docker, or"]);
            "image = \"acme/dev:3\"\n"
        }
    };
    let home = home.sandbox(&format!("{image}socket = \"/no/such/docker.sock\""));
    let daemon = Daemon::start(&home);
    home.task("a.md", "# Mend the greeting\n");
    let (reason, text) = daemon.wait_for_retry("t-1");
    assert_eq!(reason, "engine-unavailable");
    says(&text, &["/no/such/docker.sock", "is it running?"]);
    let judge = Judge::new(&home);
    assert_eq!(judge.state("t-1").as_deref(), Some("queued"));
    says(&home.ok(&["task", "show", "t-1"]), &["queued", "retries at", "/no/such/docker.sock"]);
    assert_eq!(daemon.stop(&[]), Some(0));
}
