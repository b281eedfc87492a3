//! Repositories and task files that cannot be worked with.

use super::{a_good_task_gets_through, home_of, says};
use crate::support::{Daemon, git};
use std::fs;

const AGENT: &str = "cat > /dev/null; echo done";

#[test]
fn repositories_without_what_is_needed_fail_their_tasks_alone() {
    let home = home_of("local", AGENT);
    git(home.root(), &["init", "-q", "--bare", "empty.git"]);
    let home = home.more(
        "[repositories.\"acme/empty\"]\npath = \"empty.git\"\n\
         [repositories.\"acme/base\"]\npath = \"forge.git\"\nbase = \"develop\"\n",
    );
    let doctor = home.agentd(&["doctor"]);
    assert_eq!(doctor.code, Some(1), "{doctor:?}");
    says(&doctor.stdout, &["empty.git has no commits", "develop does not exist"]);

    let daemon = Daemon::start(&home);
    let check = |task: &str, head: &str, pieces: &[&str]| {
        home.task(&format!("{task}.md"), &format!("---\n{head}\n---\n# Mend the greeting\n"));
        let (reason, text) = daemon.wait_for_failure(task);
        assert_eq!(reason, "repository", "{text}");
        says(&text, pieces);
        says(&home.ok(&["task", "show", task]), &pieces[..1]);
    };
    check("t-1", "repository: acme/empty", &["has no commit yet", "make a first commit"]);
    check("t-2", "repository: acme/base", &["there is no branch `develop`", "there are: main"]);
    check("t-3", "base: develop", &["there is no branch `develop`", "there are: main"]);
    a_good_task_gets_through(&home, &daemon);
}

#[test]
fn a_task_file_that_is_not_utf_8_is_named_and_the_good_one_beside_it_runs() {
    let home = home_of("local", AGENT);
    fs::write(home.path("tasks/bad.md"), b"# Caf\xe9\n").unwrap();
    let daemon = Daemon::start(&home);
    a_good_task_gets_through(&home, &daemon);
    says(&home.log(), &["bad.md is left out: it is not UTF-8 text: save it as UTF-8"]);
    // Saved as it should be, it is a task.
    home.task("bad.md", "# Café\n");
    daemon.wait_for_state("t-2", &["done"]);
    assert_eq!(
        home.log().matches("bad.md is left out").count(),
        1,
        "it is said once, however often the folder is read"
    );
}

#[test]
fn a_task_for_nobody_is_told_of_once() {
    let home = home_of("local", AGENT);
    home.task("a.md", "---\nrepository: acme/nobody\n---\n# Mend the greeting\n");
    home.task("b.md", "---\nagent: nobody\n---\n# Mend the greeting\n");
    let daemon = Daemon::start(&home);
    a_good_task_gets_through(&home, &daemon);
    let events = home.ok(&["events", "--after", "0"]);
    says(
        &events,
        &[
            "a.md is for the repository `acme/nobody`, which is not configured: add [repositories.\"acme/nobody\"]",
            "b.md asks for the agent `nobody`, which is not configured: add [agents.nobody]",
        ],
    );
}
