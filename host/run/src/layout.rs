//! Where things lie below the daemon's home folder.
//!
//! `mirrors/` holds one bare repository for each configured one, `templates/` checkouts that workspaces are laid over,
//! `runs/` a folder for each run that is not cleaned up, `transcripts/` what agents said in runs that are over,
//! `sessions/` the conversations that later runs may go on with, `kept/` changes that were sent back before they were
//! pushed. Nothing in here reads or writes; it only names.

use agentd_store::RunKey;
use agentd_task::TaskId;
use std::path::{Path, PathBuf};

/// The home folder, and the names below it.
#[derive(Clone, Debug)]
pub struct Layout {
    home: PathBuf,
}

impl Layout {
    #[must_use]
    pub fn new(home: PathBuf) -> Layout {
        Layout { home }
    }

    /// The folders that hold other people's code and words, and that nobody else may enter.
    #[must_use]
    pub fn private(&self) -> [PathBuf; 6] {
        ["kept", "mirrors", "runs", "sessions", "templates", "transcripts"].map(|it| self.home.join(it))
    }

    #[must_use]
    pub fn runs(&self) -> PathBuf {
        self.home.join("runs")
    }

    #[must_use]
    pub fn transcripts(&self) -> PathBuf {
        self.home.join("transcripts")
    }

    /// The spool of a run that is over.
    #[must_use]
    pub fn transcript(&self, key: RunKey) -> PathBuf {
        self.transcripts().join(format!("{}.{}.spool", key.task, key.run))
    }

    #[must_use]
    pub fn sessions(&self) -> PathBuf {
        self.home.join("sessions")
    }

    #[must_use]
    pub fn kept_changes(&self) -> PathBuf {
        self.home.join("kept")
    }

    /// A repository with the task's change as it was when a person sent it back, before it was ever pushed.
    #[must_use]
    pub fn kept_change(&self, task: TaskId) -> PathBuf {
        self.kept_changes().join(task.to_string())
    }

    /// The files of a task's conversation.
    #[must_use]
    pub fn session(&self, task: TaskId) -> PathBuf {
        self.sessions().join(task.to_string())
    }

    #[must_use]
    pub fn mirror(&self, repository: &str) -> PathBuf {
        self.home.join("mirrors").join(format!("{}.git", folder_name(repository)))
    }

    /// Checkouts of single commits of a repository, which workspaces are laid over.
    #[must_use]
    pub fn templates(&self, repository: &str) -> PathBuf {
        self.home.join("templates").join(folder_name(repository))
    }

    #[must_use]
    pub fn run(&self, key: RunKey) -> RunLayout {
        RunLayout { dir: self.runs().join(format!("{}.{}", key.task, key.run)) }
    }
}

/// A repository's id may hold `/`, and two ids never share a folder.
fn folder_name(repository: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let name: String = repository.chars().map(|c| if plain(c) { c } else { '+' }).collect();
    format!("{name}-{}", crate::contract::short_hash(repository))
}

/// The folder of one run.
#[derive(Clone, Debug)]
pub struct RunLayout {
    dir: PathBuf,
}

impl RunLayout {
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The checkout that the agent works in.
    #[must_use]
    pub fn workspace(&self) -> PathBuf {
        self.dir.join("workspace")
    }

    /// The layers of a workspace that is an overlay.
    #[must_use]
    pub fn overlay(&self) -> PathBuf {
        self.dir.join("overlay")
    }

    /// The agent's own home.
    #[must_use]
    pub fn agent_home(&self) -> PathBuf {
        self.dir.join("home")
    }

    /// Where a sandbox's launch file and spool are: one for each sandbox of the run.
    #[must_use]
    pub fn control(&self, sandbox: &str) -> PathBuf {
        self.controls().join(sandbox)
    }

    /// Those of all sandboxes of the run.
    #[must_use]
    pub fn controls(&self) -> PathBuf {
        self.dir.join("control")
    }

    /// Where the sockets of its ways out are: one folder for each network of the run.
    #[must_use]
    pub fn gateway(&self, network: &str) -> PathBuf {
        self.gateways().join(network)
    }

    /// Those of all networks of the run.
    #[must_use]
    pub fn gateways(&self) -> PathBuf {
        self.dir.join("gateway")
    }

    /// What its image is built from.
    #[must_use]
    pub fn image(&self) -> PathBuf {
        self.dir.join("image")
    }

    /// What the collecting sandbox hands out.
    #[must_use]
    pub fn handout(&self) -> PathBuf {
        self.dir.join("handout")
    }

    /// The repository that the agent's commits enter, and that alone is pushed from.
    #[must_use]
    pub fn quarantine(&self) -> PathBuf {
        self.dir.join("quarantine.git")
    }

    /// The fresh checkout that the gates run in.
    #[must_use]
    pub fn proof(&self) -> PathBuf {
        self.dir.join("proof")
    }

    #[must_use]
    pub fn proof_home(&self) -> PathBuf {
        self.dir.join("proof-home")
    }
}
