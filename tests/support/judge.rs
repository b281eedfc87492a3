//! The outside judge: reads the database, the forge, the containers and the spools, and believes nobody.

use super::{Home, home::sandboxes_of, wait_for};
use rusqlite::{Connection, OpenFlags, OptionalExtension};
use serde_json::Value;
use std::{collections::BTreeMap, fs};

pub(crate) struct Judge<'a> {
    home: &'a Home,
    conn: Option<Connection>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct StoredEvent {
    pub(crate) task: Option<i64>,
    pub(crate) run: Option<u32>,
    pub(crate) kind: String,
    pub(crate) text: String,
    pub(crate) details: Value,
}

impl<'a> Judge<'a> {
    /// Without a database only [`Judge::state`] has an answer: a judge who sees nothing must not find all well.
    pub(crate) fn new(home: &'a Home) -> Judge<'a> {
        let path = home.home().join("agentd.db");
        let conn = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).ok();
        if let Some(conn) = &conn {
            conn.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
        }
        Judge { home, conn }
    }

    #[track_caller]
    fn conn(&self) -> &Connection {
        self.conn.as_ref().expect("no database was there when the judge came: nothing can be said about it")
    }

    /// None: the task is not there, or nothing is; for those who wait.
    pub(crate) fn state(&self, task: &str) -> Option<String> {
        let id: i64 = task.trim_start_matches("t-").parse().unwrap();
        let conn = self.conn.as_ref()?;
        conn.query_row("SELECT state FROM task WHERE id = ?1", [id], |row| row.get(0)).optional().ok()?
    }

    /// When a queued task may start, in milliseconds since 1970.
    pub(crate) fn due(&self, task: i64) -> Option<i64> {
        self.conn().query_row("SELECT due FROM task WHERE id = ?1", [task], |row| row.get(0)).unwrap()
    }

    /// All events, oldest first.
    #[track_caller]
    pub(crate) fn events(&self) -> Vec<StoredEvent> {
        let mut select = self
            .conn()
            .prepare("SELECT task, run, kind, text, details FROM event ORDER BY id")
            .expect("the log is read");
        let rows = select.query_map((), |row| {
            let details: String = row.get(4)?;
            Ok(StoredEvent {
                task: row.get(0)?,
                run: row.get(1)?,
                kind: row.get(2)?,
                text: row.get(3)?,
                details: serde_json::from_str(&details).unwrap(),
            })
        });
        rows.unwrap().map(Result::unwrap).collect()
    }

    #[track_caller]
    pub(crate) fn events_of(&self, task: i64) -> Vec<StoredEvent> {
        self.events().into_iter().filter(|it| it.task == Some(task)).collect()
    }

    /// How many rows of the outbox are in each state.
    pub(crate) fn outbox(&self) -> BTreeMap<String, i64> {
        let conn = self.conn();
        let mut select = conn.prepare("SELECT state, count(*) FROM effect GROUP BY state").unwrap();
        select.query_map((), |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect()
    }

    /// What the home's daemon calls itself; none: nothing is known of one that makes containers.
    pub(crate) fn instance(&self) -> Option<String> {
        let conn = self.conn.as_ref().filter(|_| self.home.executor == "docker")?;
        conn.query_row("SELECT value FROM meta WHERE name = 'instance'", (), |row| row.get(0)).ok()
    }

    /// Sandboxes of this home's instance that exist, running or not.
    #[track_caller]
    pub(crate) fn containers(&self) -> Vec<String> {
        if self.home.executor != "docker" {
            return vec![];
        }
        let instance = self.instance().expect("the database says whose it is");
        sandboxes_of(&instance).expect("docker says what there is")
    }

    /// What must be nowhere: not in the database, not in the log, not in a kept transcript.
    #[track_caller]
    pub(crate) fn nobody_wrote(&self, secret: &str) {
        let home = self.home.home();
        let transcripts = fs::read_dir(home.join("transcripts")).into_iter().flatten().flatten().map(|it| it.path());
        let files = ["agentd.db", "agentd.db-wal", "agentd.log"].map(|it| home.join(it)).into_iter();
        for path in files.chain([self.home.path("daemon.log")]).chain(transcripts) {
            let Ok(bytes) = fs::read(&path) else { continue };
            let found = bytes.windows(secret.len()).any(|it| it == secret.as_bytes());
            assert!(!found, "the secret is in {}", path.display());
        }
    }

    /// I7: the database is sound.
    #[track_caller]
    pub(crate) fn is_sound(&self) {
        let conn = self.conn();
        let check: String = conn.query_row("PRAGMA integrity_check", (), |row| row.get(0)).unwrap();
        assert_eq!(check, "ok");
        let broken: i64 =
            conn.query_row("SELECT count(*) FROM pragma_foreign_key_check", (), |row| row.get(0)).unwrap();
        assert_eq!(broken, 0, "foreign keys");
    }

    /// I6: each state follows from the one before along the graph.
    #[track_caller]
    pub(crate) fn states_follow(&self, task: i64) {
        let mut at: Option<String> = None;
        for event in self.events_of(task) {
            let Some(state) = event.details["state"].as_str().filter(|_| event.kind.starts_with("task.")) else {
                continue;
            };
            if let Some(at) = &at {
                assert_eq!(event.details["former"].as_str(), Some(at.as_str()), "{event:?}");
                assert!(drawn(at, state), "{at} -> {state} is not in the graph: {event:?}");
            }
            at = Some(state.into());
        }
    }

    /// The oracle of adoption: what is stored of a run is one pass over its final spool.
    ///
    /// The adapter `command` makes a message of each line of standard output, and the words of an adapter are all
    /// that is stored with the kinds compared here.
    #[track_caller]
    pub(crate) fn events_are_one_pass(&self, task: i64, run: u32) {
        let path = self.home.home().join(format!("transcripts/t-{task}.{run}.spool"));
        // It is put there after the outcome is stored, while the task already goes on.
        let spool = wait_for("the transcript is kept", || fs::read(&path).ok());
        let stdout = stdout_of(&spool);
        let stdout = String::from_utf8_lossy(&stdout);
        let expected: Vec<String> = stdout.lines().filter(|it| !it.trim().is_empty()).map(Into::into).collect();
        let stored = self.events_of(task).into_iter().filter(|it| it.run == Some(run) && it.kind == "agent.message");
        let stored: Vec<String> = stored.map(|it| it.details["text"].as_str().unwrap().into()).collect();
        assert_eq!(stored, expected);
    }

    /// What must hold when all is quiet: one branch and one change for each task in review, nothing left over.
    #[track_caller]
    pub(crate) fn all_is_well(&self, tasks: &[i64]) {
        let changes = self.home.git(&["for-each-ref", "--format=%(refname)", "refs/agentd/changes"]);
        assert_eq!(changes.lines().count(), tasks.len(), "one change for each task: {changes}");
        let branches = self.home.git(&["for-each-ref", "--format=%(refname:short)", "refs/heads/agentd"]);
        let expected: Vec<String> = tasks.iter().map(|it| format!("agentd/t-{it}")).collect();
        let mut branches: Vec<&str> = branches.lines().collect();
        branches.sort_by_key(|it| it.len());
        assert_eq!(branches, expected);
        self.all_is_tidy(tasks);
    }

    /// The part of it that is the same wherever the changes are.
    #[track_caller]
    pub(crate) fn all_is_tidy(&self, tasks: &[i64]) {
        self.is_sound();
        for task in tasks {
            self.states_follow(*task);
        }
        wait_for("no sandbox is left", || self.containers().is_empty().then_some(()));
        let check = wait_for("no run's folder is left", || {
            let said = self.home.agentd(&["--json", "workspace", "check"]);
            (!said.stdout.contains("belongs to no")).then_some(said)
        });
        assert!(check.stdout.contains("\"problems\":[]"), "{check:?}");
    }
}

fn drawn(from: &str, to: &str) -> bool {
    let next: &[&str] = match from {
        "queued" => &["running", "cancelled", "queued"],
        "running" => &["running", "publishing", "waiting", "done", "failed", "cancelled", "queued"],
        "publishing" => &["in-review", "failed"],
        "in-review" => &["in-review", "done", "cancelled", "queued"],
        "waiting" => &["queued", "publishing", "cancelled"],
        "failed" | "cancelled" | "done" => &["queued", "waiting"],
        _ => &[],
    };
    next.contains(&to)
}

/// Standard output of a spool: frames of a byte for the stream, four for the length, eight for the time.
fn stdout_of(spool: &[u8]) -> Vec<u8> {
    let (mut rest, mut stdout) = (spool, vec![]);
    while rest.len() >= 13 {
        let length = u32::from_le_bytes(rest[1..5].try_into().unwrap()) as usize;
        if rest[0] == 1 {
            stdout.extend_from_slice(&rest[13..13 + length]);
        }
        rest = &rest[13 + length..];
    }
    stdout
}
