//! A plugin's file appears, is replaced, turns out to be bad, and is removed: the daemon serves on.

use super::{a_task_gets_through, home_with_prioritizer, says, wait_for_event, wait_until};
use crate::support::{Daemon, Home, Judge, hostile_plugin, hostile_variant, wait_for};
use std::{fs, io::Write};

#[test]
fn a_file_serves_from_its_arrival_and_a_newer_one_takes_over() {
    let home = Home::new("local").agent(super::AGENT);
    let daemon = Daemon::start(&home);
    assert!(home.listed("hostile").is_null());

    home.drop_plugin("hostile.wasm", hostile_plugin());
    let first = wait_until(&home, "hostile", "it serves", |it| it["serving"] == true);
    assert_eq!((&first["version"], &first["generation"]), (&"1.0.0".into(), &1.into()));
    wait_for_event(&home, "plugin.loaded", "hostile");
    says(&home.ok(&["plugin", "use", "hostile", "--kind", "prioritizer", "--set", "does=nothing"]), &["[prioritizer]"]);
    wait_for("the configuration is taken up", || {
        Judge::new(&home).events().iter().any(|it| it.kind == "config.reloaded").then_some(())
    });
    a_task_gets_through(&home, &daemon, 1);

    home.drop_plugin("hostile.wasm", &hostile_variant("newer"));
    let second = wait_until(&home, "hostile", "the newer one serves", |it| it["version"] == "1.1.0");
    assert_eq!((&second["generation"], &second["previous"]), (&2.into(), &first["digest"]));
    says(&wait_for_event(&home, "plugin.swapped", "hostile").text, &["hostile", "1.1.0"]);
    a_task_gets_through(&home, &daemon, 2);

    says(&home.ok(&["plugin", "rollback", "hostile"]), &["1.0.0"]);
    let back = home.listed("hostile");
    assert_eq!((&back["digest"], &back["held"]["digest"]), (&first["digest"], &second["digest"]));
    wait_for_event(&home, "plugin.rolled-back", "hostile");
    a_task_gets_through(&home, &daemon, 3);

    fs::remove_file(home.home().join("plugins/hostile.wasm")).unwrap();
    wait_until(&home, "hostile", "it is gone", |it| it["serving"] != true);
    wait_for_event(&home, "plugin.removed", "hostile");
    // Tasks keep the order that they have, without their prioritizer.
    a_task_gets_through(&home, &daemon, 4);
    assert_eq!(daemon.stop(&[]), Some(0));
}

#[test]
fn a_version_that_fails_each_call_goes_back_by_itself() {
    let home = home_with_prioritizer("nothing").plugin("hostile.wasm", hostile_plugin());
    let daemon = Daemon::start(&home);
    a_task_gets_through(&home, &daemon, 1);
    let good = home.listed("hostile");

    home.drop_plugin("hostile.wasm", &hostile_variant("breaks"));
    wait_until(&home, "hostile", "the bad one serves", |it| it["version"] == "1.1.0");
    // A prioritizer that fails is left alone for a few seconds each time.
    for number in 2..=30 {
        a_task_gets_through(&home, &daemon, number);
        if home.listed("hostile")["digest"] == good["digest"] {
            break;
        }
    }
    let back = wait_until(&home, "hostile", "the good one is back", |it| it["digest"] == good["digest"]);
    assert_eq!(back["serving"], true);
    says(back["held"]["why"].as_str().unwrap_or_default(), &["failed", "rolled back"]);
    says(&wait_for_event(&home, "plugin.rolled-back", "hostile").text, &["hostile", "1.0.0"]);
    assert_eq!(daemon.stop(&[]), Some(0));
}

#[test]
fn a_file_that_is_copied_slowly_or_is_none_harms_nothing() {
    let home = home_with_prioritizer("nothing").plugin("hostile.wasm", hostile_plugin());
    let daemon = Daemon::start(&home);
    let good = home.listed("hostile");
    let path = home.home().join("plugins/hostile.wasm");

    // In place, piece by piece: until the last one is written it is a damaged file.
    let newer = hostile_variant("newer");
    let mut file = fs::File::create(&path).unwrap();
    for piece in newer.chunks(64 << 10) {
        file.write_all(piece).unwrap();
        assert_eq!(home.listed("hostile")["serving"], true);
    }
    drop(file);
    wait_until(&home, "hostile", "it is whole", |it| it["version"] == "1.1.0");

    for (bytes, what) in [(&b"not a plugin"[..], "is not WebAssembly"), (&newer[..newer.len() / 2], "truncated")] {
        home.drop_plugin("hostile.wasm", bytes);
        wait_for("the refusal is told", || {
            let told = |it: &crate::support::StoredEvent| it.kind == "plugin.refused" && it.text.contains(what);
            Judge::new(&home).events().iter().any(told).then_some(())
        });
        let listed = home.listed("hostile");
        assert_eq!((&listed["serving"], &listed["version"]), (&true.into(), &"1.1.0".into()), "{listed}");
    }
    home.drop_plugin("hostile.wasm", hostile_plugin());
    wait_until(&home, "hostile", "the first one is back", |it| it["digest"] == good["digest"]);
    a_task_gets_through(&home, &daemon, 1);
    assert_eq!(daemon.stop(&[]), Some(0));
}

#[test]
fn what_plugins_say_and_how_they_fare_can_be_read() {
    let home = home_with_prioritizer("panic").plugin("hostile.wasm", hostile_plugin());
    let daemon = Daemon::start(&home);
    a_task_gets_through(&home, &daemon, 1);
    let failed = wait_for("a failure is counted", || {
        let health = home.listed("hostile")["health"].as_array()?.iter().find(|it| it["function"] == "rank")?.clone();
        (health["failures"].as_u64()? > 0).then_some(health)
    });
    says(failed["last_error"].as_str().unwrap_or_default(), &["panicked or aborted"]);
    says(&home.ok(&["plugin", "inspect", "hostile"]), &["prioritizer rank", "failed"]);
    says(&home.ok(&["plugin", "logs", "hostile"]), &["warn", "hostile/prioritizer", "I give up"]);

    // The failure can be taken home, and happens again there, to the last byte.
    let told = Judge::new(&home).events().into_iter().find(|it| it.kind == "plugin.failed").expect("it is told");
    let id =
        told.text.split("plugin repro ").nth(1).expect("the text names the trace").split([' ', ')', '`', ',']).next();
    let trace = home.path("trace.json").display().to_string();
    home.ok(&["plugin", "repro", id.unwrap_or_default(), "-o", &trace]);
    fs::write(home.path("hostile.wasm"), hostile_plugin()).unwrap();
    let replay = || {
        let said = home.agentd(&["--json", "plugin", "replay", &trace, "--component", "hostile.wasm"]);
        said.stdout
    };
    let (one, other) = (replay(), replay());
    says(&one, &["panicked or aborted"]);
    assert_eq!(one, other);
    assert_eq!(daemon.stop(&[]), Some(0));
}
