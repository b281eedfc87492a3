//! What a plugin wants beyond reading waits for a person, and a newer file cannot get more than was approved.

use super::{a_task_gets_through, home_with_prioritizer, says, wait_for_event, wait_until};
use crate::support::{Daemon, Home, hostile_plugin, hostile_variant};
use std::fs;

#[test]
fn an_upgrade_that_wants_more_is_held_while_the_old_one_serves() {
    let home = home_with_prioritizer("nothing").plugin("hostile.wasm", hostile_plugin());
    let daemon = Daemon::start(&home);
    let old = home.listed("hostile");

    home.drop_plugin("hostile.wasm", &hostile_variant("wider"));
    let held = wait_until(&home, "hostile", "the newer one is held", |it| !it["held"].is_null());
    assert_eq!((&held["digest"], &held["serving"]), (&old["digest"], &true.into()));
    says(&wait_for_event(&home, "plugin.held", "hostile").text, &["hostile", "agentd plugin approve hostile"]);
    let diff = home.ok(&["plugin", "diff", "hostile"]);
    let added: Vec<&str> = diff.lines().filter(|it| it.starts_with("+ ")).collect();
    assert_eq!(added.len(), 1, "{diff}");
    says(added[0], &["http", "POST", "https://collector.example.org/v1"]);
    a_task_gets_through(&home, &daemon, 1);

    let asked = home.agentd(&["plugin", "approve", "hostile"]);
    assert_eq!(asked.code, Some(1), "nobody is there to say yes: {asked:?}");
    let other = home.agentd(&["plugin", "approve", "hostile", "--yes", "--digest", "0000000000"]);
    assert_eq!(other.code, Some(1), "{other:?}");
    assert_eq!(home.listed("hostile")["digest"], old["digest"]);

    let said = home.ok(&["plugin", "approve", "hostile", "--yes"]);
    says(&said, &["http: POST https://collector.example.org/v1 (to report)", "hostile 1.1.0 serves"]);
    let text = fs::read_to_string(home.path("conf.d/approvals.toml")).unwrap();
    let digest = held["held"]["digest"].as_str().unwrap();
    says(&text, &["[approvals.hostile]", digest, "https://collector.example.org/v1"]);
    assert_eq!(home.listed("hostile")["digest"], digest);
    a_task_gets_through(&home, &daemon, 2);

    // Taken back by a person: nothing of it is left.
    fs::write(home.path("conf.d/approvals.toml"), "").unwrap();
    wait_until(&home, "hostile", "it is held again", |it| !it["held"].is_null());
    assert_eq!(daemon.stop(&[]), Some(0));
}

#[test]
fn a_file_with_a_shipped_plugins_name_takes_its_place_only_when_approved() {
    let home = Home::new("local").agent(super::AGENT);
    let daemon = Daemon::start(&home);
    let shipped = home.listed("label-priority");
    let same = fs::read(std::env::var("AGENTD_SHIPPED").unwrap() + "/label-priority.wasm").unwrap();
    // The same code in another file: an empty custom section more.
    let mut other = same.clone();
    other.extend_from_slice(b"\0\x05\x04note");
    home.drop_plugin("label-priority.wasm", &other);
    let held = wait_until(&home, "label-priority", "it is held", |it| !it["held"].is_null());
    assert_eq!(held["digest"], shipped["digest"]);
    home.ok(&["plugin", "approve", "label-priority", "--yes"]);
    let mine = wait_until(&home, "label-priority", "it serves", |it| it["digest"] != shipped["digest"]);
    assert_eq!(mine["serving"], true);
    a_task_gets_through(&home, &daemon, 1);

    fs::remove_file(home.home().join("plugins/label-priority.wasm")).unwrap();
    wait_until(&home, "label-priority", "the shipped one is back", |it| it["digest"] == shipped["digest"]);
    wait_for_event(&home, "plugin.restored", "label-priority");
    assert_eq!(daemon.stop(&[]), Some(0));
}
