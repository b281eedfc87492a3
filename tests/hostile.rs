//! Agents that attack: their `.git`, their spool, their walls. Nothing they name runs, nothing they point at leaks.

mod git;
mod spool;
mod walls;

use crate::support::{Daemon, Home, Judge, wait_for};
use std::{fs, path::PathBuf};

/// Would be read by anything that follows a link to it: everybody may.
const SECRET: &str = "the-secret-of-this-host-4711";

/// A home, a secret beside it, and a folder that stays empty as long as nobody runs what an agent left.
struct Scene {
    home: Home,
}

impl Scene {
    fn new(executor: &'static str) -> Scene {
        let home = Home::new(executor).concurrent(2);
        fs::write(home.path("secret.txt"), format!("{SECRET}\n")).unwrap();
        fs::create_dir(home.path("canary")).unwrap();
        Scene { home }
    }

    fn secret(&self) -> PathBuf {
        self.home.path("secret.txt")
    }

    fn canary(&self) -> PathBuf {
        self.home.path("canary")
    }

    /// No program of an agent's ran on this machine, and the secret is where it was and nowhere else.
    #[track_caller]
    fn is_unharmed(&self) {
        let canaries: Vec<_> = fs::read_dir(self.canary()).unwrap().map(|it| it.unwrap().file_name()).collect();
        assert!(canaries.is_empty(), "these ran on the host: {canaries:?}");
        Judge::new(&self.home).nobody_wrote(SECRET);
        let objects = self.home.git(&["rev-list", "--all", "--objects", "--no-object-names"]);
        for object in objects.lines() {
            let text = self.home.git_bytes(&["cat-file", "-p", object]);
            let found = text.windows(SECRET.len()).any(|it| it == SECRET.as_bytes());
            assert!(!found, "the secret was pushed in {object}");
        }
        assert_eq!(fs::read_to_string(self.secret()).unwrap().trim(), SECRET);
    }

    /// The daemon goes on: a good task gets through.
    #[track_caller]
    fn goes_on(&self, daemon: &Daemon<'_>) {
        self.home.task("good.md", "# Mend the greeting\n");
        let find = || {
            let list: serde_json::Value = serde_json::from_str(&self.home.ok(&["--json", "task", "list"])).unwrap();
            let tasks = list["tasks"].as_array().unwrap();
            tasks.iter().find(|it| it["key"] == "good.md").map(|it| it["id"].as_str().unwrap().to_owned())
        };
        let task = wait_for("the good task is found", find);
        daemon.wait_for_state(&task, &["in-review"]);
        assert_eq!(self.home.git(&["show", &format!("agentd/{task}:greeting.txt")]), "hello");
    }
}
