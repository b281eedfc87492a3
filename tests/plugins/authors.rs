//! Authors in five languages: a project from nothing, built with the language's own tools, and copied into the folder of a
//! daemon that runs.

use super::{says, wait_until};
use crate::support::{Daemon, Home, Judge, wait_for};
use std::fs;

/// Makes a prioritizer in the language, and has it order the tasks of a live daemon.
#[track_caller]
fn check(language: &str) {
    let home = Home::new("local").agent(super::AGENT);
    let daemon = Daemon::start(&home);
    let name = format!("mine-{language}");
    home.ok(&["plugin", "new", &name, "--lang", language, "--kind", "prioritizer"]);
    let built = home.ok(&["plugin", "build", &name]);
    says(&built, &["prioritizer", "sha256:"]);
    let file = home.path(&name).join("build").join(format!("{name}.wasm"));
    says(&home.ok(&["plugin", "test", &name]), &["ok    ranks"]);
    home.ok(&["plugin", "conform", file.to_str().unwrap()]);

    home.drop_plugin(&format!("{name}.wasm"), &fs::read(&file).unwrap());
    wait_until(&home, &name, "it serves", |it| it["serving"] == true);
    home.ok(&["plugin", "use", &name, "--kind", "prioritizer"]);
    wait_for("the configuration is taken up", || {
        Judge::new(&home).events().iter().any(|it| it.kind == "config.reloaded").then_some(())
    });
    home.task("a.md", "# Mend the greeting\n\nIt says helo.\n");
    let health = wait_for("it ranks", || {
        let listed = home.listed(&name);
        listed["health"].as_array()?.iter().find(|it| it["function"] == "rank" && it["calls"] != 0).cloned()
    });
    assert_eq!(health["failures"], 0, "{health}");
    daemon.wait_for_state("t-1", &["in-review"]);
    assert_eq!(daemon.stop(&[]), Some(0));
}

#[test]
fn a_rust_plugin_serves_after_a_build_and_a_copy() {
    check("rust");
}

#[test]
fn a_javascript_plugin_serves_after_a_build_and_a_copy() {
    check("javascript");
}

#[test]
fn a_typescript_plugin_serves_after_a_build_and_a_copy() {
    check("typescript");
}

#[test]
fn a_python_plugin_serves_after_a_build_and_a_copy() {
    check("python");
}

#[test]
fn a_c_plugin_serves_after_a_build_and_a_copy() {
    check("c");
}
