//! A repository whose tests need a database: it stands beside the agent and, anew, beside the gates.

use super::{home, task};
use crate::support::{Daemon, Home, Judge, Model, Provider, Turn, dev_image, postgres_image, wait_for};
use std::process::Command;

const DATABASE: &str = "postgres://postgres:test@127.0.0.1/postgres";

/// The agent leaves a table behind, and in the change what it read from there.
fn turns() -> Vec<Turn> {
    let ask = format!("psql -X {DATABASE} -Atc");
    vec![
        Turn::bash(&format!("{ask} \"create table kept as select 'hello' as word\"")),
        Turn::bash(&format!("{ask} 'select word from kept' > greeting.txt")).held(),
        Turn::text("The greeting is what the database says."),
    ]
}

/// Needs a database in which nobody has left anything.
fn gates() -> String {
    format!(r#"["psql -X {DATABASE} -Atc \"select to_regclass('kept') is null\" | grep -qx t", "sh check.sh"]"#)
}

fn with_database(home: Home, env: &str) -> Home {
    home.gates(&gates()).repository(&format!(
        "image = \"{}\"\nservices = [{{ image = \"{}\", env = {{ {env} }} }}]",
        dev_image(),
        postgres_image()
    ))
}

fn docker(args: &[&str]) -> String {
    String::from_utf8(Command::new("docker").args(args).output().unwrap().stdout).unwrap()
}

/// What docker says of each of these containers.
fn about(containers: &[String], format: &str) -> Vec<String> {
    let names: Vec<&str> = containers.iter().map(String::as_str).collect();
    docker(&[&["inspect", "--format", format], &names[..]].concat()).lines().map(Into::into).collect()
}

#[test]
fn a_database_stands_beside_the_agent_and_anew_beside_the_gates() {
    let model = Model::start(turns());
    model.release();
    let home = with_database(home(&model, Provider::OpenAi), "POSTGRES_PASSWORD = \"test\"");
    task(&home, Provider::OpenAi, "# Mend the greeting");
    let daemon = Daemon::start(&home);
    daemon.wait_for_state("t-1", &["in-review"]);
    assert_eq!(home.git(&["show", "agentd/t-1:greeting.txt"]), "hello");
    Judge::new(&home).all_is_well(&[1]);
    assert_eq!(daemon.stop(&[]), Some(0));
}

/// The daemon ends in the middle, in one way or another; what is running in docker then, and how.
#[track_caller]
fn goes_on_with_its_database(end: impl FnOnce(Daemon<'_>), status: &str) {
    let model = Model::start(turns());
    let home = with_database(home(&model, Provider::Anthropic), "POSTGRES_PASSWORD = \"test\"");
    task(&home, Provider::Anthropic, "# Mend the greeting");
    let daemon = Daemon::start(&home);
    model.in_call();
    let judge = Judge::new(&home);
    let containers = judge.containers();
    assert!(containers.len() == 3, "agent, service and what holds their network: {containers:?}");
    let volumes = about(&containers, "{{range .Mounts}}{{with .Name}}{{.}}{{end}}{{end}}").concat();
    assert!(!volumes.is_empty(), "the database is on a volume of its own");
    end(daemon);
    assert_eq!(about(&containers, "{{.State.Status}}"), [status; 3]);

    let daemon = Daemon::start(&home);
    model.release();
    daemon.wait_for_state("t-1", &["in-review"]);
    assert_eq!(home.git(&["show", "agentd/t-1:greeting.txt"]), "hello");
    judge.all_is_well(&[1]);
    let runs = judge.events_of(1).into_iter().filter_map(|it| it.run).max();
    assert_eq!(runs, Some(1), "one run, with a pause in it");
    assert_eq!(docker(&["volume", "ls", "--quiet", "--filter", &format!("name={volumes}")]), "");
    assert_eq!(daemon.stop(&[]), Some(0));
}

#[test]
fn a_pause_in_the_middle_keeps_the_agent_s_database() {
    goes_on_with_its_database(|daemon| assert_eq!(daemon.stop(&[]), Some(0)), "paused");
}

#[test]
fn a_kill_in_the_middle_keeps_the_agent_s_database() {
    goes_on_with_its_database(|daemon| daemon.kill(), "running");
}

/// Its service is gone and cannot come again, and that is nobody's concern any more.
#[test]
fn an_agent_that_ended_without_a_daemon_needs_no_service() {
    let image = format!("agentd-test-gone:{}", std::process::id());
    docker(&["tag", &dev_image(), &image]);
    let service = format!("services = [{{ image = \"{image}\", command = [\"sleep\", \"1000\"] }}]");
    let script = "cat > /dev/null; sleep 1; echo It is as it should be";
    let home = Home::new("docker").agent(script).repository(&service);
    home.task("look.md", "# Look at the greeting\n");
    let daemon = Daemon::start(&home);
    let judge = Judge::new(&home);
    let named = |end: &str| judge.containers().into_iter().find(|it| it.ends_with(end));
    let agent = wait_for("the agent begins", || {
        named("-agent").filter(|it| about(std::slice::from_ref(it), "{{.State.Status}}") == ["running"])
    });
    daemon.kill();
    docker(&["wait", &agent]);
    docker(&["rm", "--force", "--volumes", &named("-work-service-0").unwrap()]);
    docker(&["rmi", &image]);
    assert_eq!(docker(&["images", "--quiet", &image]), "");

    let daemon = Daemon::start(&home);
    daemon.wait_for_state("t-1", &["done"]);
    judge.is_sound();
    judge.states_follow(1);
    assert_eq!(judge.events_of(1).into_iter().filter_map(|it| it.run).max(), Some(1), "one run");
    assert_eq!(daemon.stop(&[]), Some(0));
}

#[test]
fn a_service_that_cannot_start_says_why() {
    let model = Model::start(turns());
    let home = with_database(home(&model, Provider::Anthropic), "");
    task(&home, Provider::Anthropic, "# Mend the greeting");
    let daemon = Daemon::start(&home);
    let (reason, text) = daemon.wait_for_failure("t-1");
    assert_eq!(reason, "service-failed");
    assert!(text.contains(&postgres_image()) && text.contains("superuser password is not specified"), "{text}");
    let judge = Judge::new(&home);
    wait_for("nothing is left of it", || judge.containers().is_empty().then_some(()));
    assert_eq!(model.calls().len(), 0, "the agent was not started");
    assert_eq!(daemon.stop(&[]), Some(0));
}
