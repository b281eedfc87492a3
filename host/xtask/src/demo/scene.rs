//! The stage: a temporary folder with a repository, its bare clone as the forge, a task, and a configuration.

use super::Executor;
use crate::process;
use crate::say::Say;
use anyhow::{Context, Result};
use serde_json::Value;
use std::fs::{self, DirBuilder, Permissions};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

pub(super) const GATE: &str = "./test.sh";
const REPOSITORY: &str = "demo/slug";
const AGENT: &str = include_str!("../../demo/agent.sh");
const TASK: &str = include_str!("../../demo/task.md");
/// The repository's history: what is written, whether it can be run, and what the commit says.
const HISTORY: [(&str, &str, bool, &str); 3] = [
    ("README.md", include_str!("../../demo/README.md"), false, "Say what this is"),
    ("lib/slug.sh", include_str!("../../demo/slug.sh"), false, "Turn titles into slugs"),
    ("test.sh", include_str!("../../demo/test.sh"), true, "Check titles with punctuation and blanks"),
];

pub(super) struct Scene {
    folder: PathBuf,
    program: PathBuf,
}

impl Scene {
    /// Writes everything; nothing runs yet.
    pub(super) fn make(
        root: &Path,
        program: &Path,
        executor: Executor,
        image: Option<&str>,
        nonce: &str,
    ) -> Result<Scene> {
        let folder = fresh_folder()?;
        let scene = Scene { folder, program: root.join(program) };
        for name in ["home", "tasks", "slug"] {
            private().create(scene.folder.join(name)).with_context(|| format!("making {name}"))?;
        }
        scene.make_repository().context("making the demo's repository")?;
        write(&scene.folder.join("tasks/trim-slugs.md"), &TASK.replace("@NONCE@", nonce), 0o600)?;
        write(&scene.home().join("agentd.toml"), &scene.configuration(executor, image), 0o600)?;
        Ok(scene)
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn home(&self) -> PathBuf {
        self.folder.join("home")
    }

    /// The bare repository that changes are pushed to.
    pub(super) fn forge(&self) -> PathBuf {
        self.folder.join("slug.git")
    }

    /// What the daemon writes to stdout and stderr.
    pub(super) fn log(&self) -> PathBuf {
        self.folder.join("daemon.log")
    }

    pub(super) fn log_tail(&self) -> String {
        let text = fs::read(self.log()).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }

    /// The program on this home, as a user calls it.
    pub(super) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.current_dir(&self.folder).arg("--home").arg(self.home()).args(arguments);
        // Only the configuration of the scene counts, whatever the person has in the environment.
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("AGENTD_") && text != "AGENTD_LOG" {
                command.env_remove(&name);
            }
        }
        command
    }

    /// What the program says to a question.
    pub(super) fn agentd(&self, arguments: &[&str]) -> Result<String> {
        process::output(&mut self.command(arguments), "asking agentd")
    }

    pub(super) fn json(&self, arguments: &[&str]) -> Result<Value> {
        let mut all = arguments.to_vec();
        all.push("--json");
        let said = self.agentd(&all)?;
        serde_json::from_str(&said).with_context(|| format!("`agentd {}` should say JSON: {said}", all.join(" ")))
    }

    pub(super) fn introduce(&self, say: Say, image: Option<&str>) {
        say.headline("\nThe scene");
        say.line(format_args!("  repository  {REPOSITORY}, three commits; its gate {GATE} fails"));
        say.line(format_args!("  forge       {}", self.forge().display()));
        say.line(format_args!("  task        {}", self.folder.join("tasks/trim-slugs.md").display()));
        say.line("  agent       an offline script, no model: it stands where Claude Code or Codex would");
        match image {
            Some(tag) => {
                say.line(format_args!("  sandbox     Docker, no network, image {tag} made from this machine's files"))
            }
            None => say.line("  sandbox     a plain process (local executor): for trying out, it has no walls"),
        }
        say.headline("\nThe task's way");
    }

    /// How the change is taken, and what of it is possible now.
    pub(super) fn farewell(&self, say: Say, task: &str, keep: bool) {
        let call = format!("{} --home {}", self.program.display(), self.home().display());
        say.headline("\nHow it is approved");
        if keep {
            say.line(format_args!("  {call} start"));
            say.line(format_args!("  {call} task approve {task}"));
            say.line(format_args!("Everything is in {}", self.folder.display()));
        } else {
            say.line(format_args!("  agentd task approve {task}        (to try it: cargo xtask demo --keep)"));
        }
    }

    /// Removes everything, or everything but the forge.
    pub(super) fn clear(&self, keep_forge: bool) -> Result<()> {
        if !keep_forge {
            return fs::remove_dir_all(&self.folder).with_context(|| format!("removing {}", self.folder.display()));
        }
        for name in ["home", "tasks", "slug"] {
            fs::remove_dir_all(self.folder.join(name)).with_context(|| format!("removing {name}"))?;
        }
        fs::remove_file(self.log()).context("removing the daemon's log")
    }

    fn make_repository(&self) -> Result<()> {
        let tree = self.folder.join("slug");
        git(&tree, &["init", "-q", "-b", "main"])?;
        for (day, (name, text, runs, message)) in HISTORY.iter().enumerate() {
            let file = tree.join(name);
            fs::create_dir_all(file.parent().unwrap_or(&tree))?;
            write(&file, text, if *runs { 0o755 } else { 0o644 })?;
            git(&tree, &["add", name])?;
            let date = format!("2025-03-0{}T10:00:00+00:00", day + 3);
            let mut commit = git_command(&tree, &["commit", "-q", "-m", message]);
            commit.env("GIT_AUTHOR_DATE", &date).env("GIT_COMMITTER_DATE", &date);
            process::output(&mut commit, "committing")?;
        }
        git(&self.folder, &["clone", "-q", "--bare", "slug", "slug.git"])?;
        Ok(())
    }

    fn configuration(&self, executor: Executor, image: Option<&str>) -> String {
        let tasks = quoted(self.folder.join("tasks").display());
        let forge = quoted(self.forge().display());
        // A literal string: whoever looks into the file can read the script.
        let argv = format!("[\"sh\", \"-c\", '''\n{AGENT}''']");
        let image = image.map(|tag| format!("image = {}\n", quoted(tag))).unwrap_or_default();
        format!(
            "mode = \"auto\"\n\n\
             [sources.tasks]\nplugin = \"folder\"\nsettings = {{ path = {tasks} }}\n\n\
             [agents.script]\nplugin = \"command\"\nsettings = {{ argv = {argv} }}\ndefault = true\n\n\
             [repositories.{id}]\npath = {forge}\ngates = [{gate}]\npush = \"branch\"\n\n\
             [sandbox]\nexecutor = \"{executor}\"\n{image}memory = \"512 MiB\"\n",
            id = quoted(REPOSITORY),
            gate = quoted(GATE),
            executor = executor.as_str(),
        )
    }
}

/// Git without the person's own configuration, so that the scene is the same everywhere.
pub(super) fn git_command(folder: &Path, arguments: &[&str]) -> Command {
    let mut git = Command::new("git");
    git.current_dir(folder).args(arguments);
    git.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_TERMINAL_PROMPT", "0");
    for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY"] {
        git.env_remove(name);
    }
    git.env("GIT_AUTHOR_NAME", "Demo").env("GIT_AUTHOR_EMAIL", "demo@example.com");
    git.env("GIT_COMMITTER_NAME", "Demo").env("GIT_COMMITTER_EMAIL", "demo@example.com");
    git
}

pub(super) fn git(folder: &Path, arguments: &[&str]) -> Result<String> {
    process::output(&mut git_command(folder, arguments), "working with git")
}

/// A string as TOML writes it; JSON's escapes are among TOML's.
fn quoted(text: impl ToString) -> String {
    Value::String(text.to_string()).to_string().replace('\x7f', "\\u007f")
}

fn write(file: &Path, text: &str, mode: u32) -> Result<()> {
    fs::write(file, text).with_context(|| format!("writing {}", file.display()))?;
    fs::set_permissions(file, Permissions::from_mode(mode)).with_context(|| format!("writing {}", file.display()))
}

fn private() -> DirBuilder {
    let mut builder = DirBuilder::new();
    builder.mode(0o700);
    builder
}

/// A new folder that nobody else can have prepared.
fn fresh_folder() -> Result<PathBuf> {
    let parent = std::env::temp_dir();
    for _ in 0..16 {
        let folder = parent.join(format!("agentd-demo-{}", &super::random_word()?[..8]));
        if private().create(&folder).is_ok() {
            return folder.canonicalize().context("naming the demo's folder");
        }
    }
    anyhow::bail!("cannot make a folder in {}", parent.display())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::process::Stdio;

    /// Runs the agent's script as a sandbox does, without its pauses.
    fn agent(tree: &Path, orders: &str) -> bool {
        let mut agent = Command::new("sh");
        agent.current_dir(tree).args(["-c", &AGENT.replace("sleep 0.2", ":")]).stdin(Stdio::piped());
        let mut child = agent.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(orders.as_bytes()).unwrap();
        child.wait().unwrap().success()
    }

    #[test]
    fn the_gate_fails_at_the_base_and_the_script_mends_it() {
        let folder = fresh_folder().unwrap();
        let scene = Scene { folder: folder.clone(), program: PathBuf::from("agentd") };
        fs::create_dir(folder.join("slug")).unwrap();
        scene.make_repository().unwrap();
        let tree = folder.join("slug");
        let gate = || Command::new("sh").current_dir(&tree).args(["-c", GATE]).output().unwrap().status.success();
        assert!(!gate());
        assert!(!agent(&tree, "a task without its text"));
        assert!(agent(&tree, "> Nonce: ab-1"));
        assert!(gate());
        assert_eq!(git(&tree, &["diff", "--name-only"]).unwrap(), "lib/slug.sh");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn text_survives_in_toml() {
        assert!(!AGENT.contains("'''"), "the script stands between these in the configuration");
        assert_eq!(quoted("a\n\"b\"\\c\t\x7f"), r#""a\n\"b\"\\c\t\u007f""#);
    }
}
