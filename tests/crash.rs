//! SIGKILL at any moment: the same container is found, the spool goes on at the byte, the step rows decide the rest.
//!
//! For each step there are [`KILLS`] seeded kills. Each kills the daemon some time after the step began, starts it
//! again, and has the outside judge look at the end, which is always the same.

use crate::support::{Daemon, Home, Judge, Listener, Seed, wait_for};
use std::{collections::BTreeMap, time::Duration};

const KILLS: i64 = 8;

/// Talks long enough to have a middle, and counts how often it was started: a second start would be seen in the file.
const AGENT: &str = "cat > /dev/null; echo begin >> starts.txt; \
    for i in 1 2 3 4 5 6 7 8 9 10; do echo line $i; sleep 0.04; done; \
    echo hello > greeting.txt; echo I mended it";

/// Kills the daemon `spread` milliseconds at most after the task's event `kind` with this step came.
#[track_caller]
fn kill_in(executor: &'static str, seed: u64, kind: &str, step: Option<&str>, spread: u64) {
    let listener = Listener::start();
    let gates = "[\"sh check.sh\", \"sleep 0.2\"]";
    let home = Home::new(executor).agent(AGENT).gates(gates).more(&listener.sections());
    let judge_name = step.unwrap_or(kind);
    let mut strike = Strike { seed, task: 0, after: Duration::ZERO };
    let mut seed = Seed(seed);
    for task in 1..=KILLS {
        strike.task = task;
        let daemon = Daemon::start(&home);
        home.task(&format!("greeting-{task}.md"), "# Mend the greeting\n");
        let judge = Judge::new(&home);
        wait_for(judge_name, || {
            let came = |it: &crate::support::StoredEvent| {
                it.kind == kind && step.is_none_or(|step| it.details["step"] == step)
            };
            judge.events_of(task).iter().any(came).then_some(())
        });
        let after = Duration::from_millis(seed.below(spread));
        strike.after = after;
        std::thread::sleep(after); // where the fault strikes, not a wait for something
        daemon.kill();

        let daemon = Daemon::start(&home);
        let agents = |it: &&String| it.contains(&format!("-t-{task}-")) && it.ends_with("-agent");
        assert!(judge.containers().iter().filter(agents).count() <= 1, "two live containers of t-{task}");
        daemon.wait_for_state(&format!("t-{task}"), &["in-review"]);
        judge.events_are_one_pass(task, 1);
        let change = home.git(&["show", &format!("agentd/t-{task}:starts.txt")]);
        assert_eq!(change, "begin", "killed {after:?} into {judge_name} of t-{task}: the agent began once");
        assert_eq!(daemon.stop(&[]), Some(0));
    }
    let judge = Judge::new(&home);
    // The sweep of a start takes what is left.
    let _daemon = Daemon::start(&home);
    judge.all_is_well(&(1..=KILLS).collect::<Vec<_>>());
    let runs: Vec<u32> = judge.events().into_iter().filter_map(|it| it.run).collect();
    assert!(runs.iter().all(|it| *it == 1), "a kill costs no run");
    wait_for("nothing is left to be sent", || (judge.outbox().keys().collect::<Vec<_>>() == ["done"]).then_some(()));
    told_at_least_once(&listener, &judge);
}

/// Says which kill it was, whatever it is that fails.
struct Strike {
    seed: u64,
    task: i64,
    after: Duration,
}

impl Drop for Strike {
    #[expect(clippy::print_stderr, reason = "a test that fails says how to repeat it")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("seed {}: failed with the kill of t-{}, {:?} after its event", self.seed, self.task, self.after);
        }
    }
}

/// Each state of each task was told, under one id each, and hardly ever twice: at most once more for each kill.
#[track_caller]
fn told_at_least_once(listener: &Listener, judge: &Judge<'_>) {
    let mut told: BTreeMap<String, (String, i64)> = BTreeMap::new();
    for (message, event) in listener.events() {
        let id = event["id"].as_str().unwrap().to_owned();
        let known = told.entry(id).or_insert((message.clone(), 0));
        assert_eq!(known.0, message, "one event has one message id");
        known.1 += 1;
    }
    let states = judge.events().into_iter().filter(|it| it.kind.starts_with("task.")).count();
    assert_eq!(told.len(), states, "no news is lost");
    let doubles: i64 = told.values().map(|(_, times)| times - 1).sum();
    assert!(doubles <= KILLS, "{doubles} repetitions in {KILLS} kills");
}

#[test]
fn killed_while_preparing() {
    kill_in("docker", 1, "step.started", Some("prepare"), 60);
}

#[test]
fn killed_while_the_agent_works() {
    kill_in("docker", 2, "step.started", Some("execute"), 600);
}

#[test]
fn killed_while_a_plain_process_works() {
    kill_in("local", 3, "step.started", Some("execute"), 500);
}

#[test]
fn killed_while_collecting() {
    kill_in("docker", 4, "step.started", Some("collect"), 350);
}

#[test]
fn killed_while_verifying() {
    kill_in("docker", 5, "step.started", Some("verify"), 900);
}

#[test]
fn killed_while_publishing() {
    kill_in("docker", 6, "task.publishing", None, 60);
}
