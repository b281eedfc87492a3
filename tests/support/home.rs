//! A home folder with a repository, and agentd's command line on it.

use super::Judge;
use serde_json::Value;
use std::{
    fs,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};
use tempfile::TempDir;

/// The greeting is wrong, and the gate says so.
pub(super) const FILES: [(&str, &str); 3] = [
    ("greeting.txt", "helo\n"),
    ("check.sh", "#!/bin/sh\ngrep -qx hello greeting.txt || { echo 'the greeting is wrong' >&2; exit 1; }\n"),
    ("README.md", "# A repository\n"),
];

pub(crate) struct Home {
    dir: TempDir,
    /// `docker` or `local`.
    pub(crate) executor: &'static str,
    place: Place,
    settings: Settings,
}

/// Where the work comes from and goes to.
enum Place {
    /// A folder of tasks, and a bare repository.
    Here,
    /// Issues and repositories on GitHub: `[github]`, and the repository whose section the settings are for.
    GitHub { section: String, repository: String },
}

/// What a test may want otherwise. The text of TOML values and sections.
struct Settings {
    agent: String,
    gates: String,
    /// Empty: the key is left out.
    push: String,
    repository: String,
    source: String,
    concurrent: u32,
    more: String,
    timeouts: String,
    sandbox: String,
    mode: String,
    env: Vec<(String, String)>,
}

/// What a command said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Home {
    /// A bare repository at `forge.git` whose gate fails, and an agent that mends it.
    pub(crate) fn new(executor: &'static str) -> Home {
        let home = Home::empty(executor, Place::Here);
        fs::create_dir(home.path("tasks")).unwrap();
        let work = home.path("seed");
        fs::create_dir(&work).unwrap();
        git(&work, &["init", "-q", "-b", "main"]);
        for (name, content) in FILES {
            fs::write(work.join(name), content).unwrap();
        }
        git(&work, &["add", "."]);
        git(&work, &["commit", "-qm", "Begin"]);
        git(home.root(), &["clone", "-q", "--bare", "seed", "forge.git"]);
        home.write_config();
        home
    }

    /// One whose work is on GitHub; [`Home::github`] has to say how that is reached.
    pub(super) fn on_github(repository: &str) -> Home {
        let place = Place::GitHub { section: String::new(), repository: repository.into() };
        let home = Home::empty("docker", place);
        home.write_config();
        home
    }

    fn empty(executor: &'static str, place: Place) -> Home {
        Home {
            dir: tempfile::Builder::new().prefix("agentd-e2e-").tempdir().unwrap(),
            executor,
            place,
            settings: Settings {
                agent: "cat > /dev/null; echo I look; echo hello > greeting.txt; echo I mended it".into(),
                gates: "[\"sh check.sh\"]".into(),
                push: "branch".into(),
                repository: String::new(),
                source: String::new(),
                concurrent: 1,
                more: String::new(),
                timeouts: String::new(),
                sandbox: String::new(),
                mode: "auto".into(),
                env: vec![],
            },
        }
    }

    /// The agent's shell script. Its prompt is on its input. Empty: there is no such agent.
    pub(crate) fn agent(self, script: &str) -> Home {
        self.with(|it| it.agent = script.into())
    }

    /// A TOML array of shell commands.
    pub(crate) fn gates(self, gates: &str) -> Home {
        self.with(|it| it.gates = gates.into())
    }

    pub(crate) fn push(self, push: &str) -> Home {
        self.with(|it| it.push = push.into())
    }

    /// More keys of the repository's section.
    pub(crate) fn repository(self, keys: &str) -> Home {
        self.with(|it| it.repository = keys.into())
    }

    pub(crate) fn mode(self, mode: &str) -> Home {
        self.with(|it| it.mode = mode.into())
    }

    pub(crate) fn concurrent(self, concurrent: u32) -> Home {
        self.with(|it| it.concurrent = concurrent)
    }

    /// Other keys of `[github]` than before.
    pub(crate) fn github(mut self, keys: &str) -> Home {
        if let Place::GitHub { section, .. } = &mut self.place {
            *section = format!("[github]\n{keys}\n");
        }
        self.with(|_| ())
    }

    /// More keys of the source of tasks.
    pub(crate) fn source(self, keys: &str) -> Home {
        self.with(|it| it.source = keys.into())
    }

    /// Keys of `[timeouts]`.
    pub(crate) fn timeouts(self, keys: &str) -> Home {
        self.with(|it| it.timeouts = keys.into())
    }

    /// Keys of `[sandbox]`.
    pub(crate) fn sandbox(self, keys: &str) -> Home {
        self.with(|it| it.sandbox = keys.into())
    }

    /// Sections to be added.
    pub(crate) fn more(self, sections: &str) -> Home {
        self.with(|it| {
            it.more.push_str(sections);
            it.more.push('\n');
        })
    }

    /// Another agent, for tasks that say `agent: NAME`.
    pub(crate) fn and_agent(self, name: &str, script: &str) -> Home {
        let section = script_section(name, script, "");
        self.with(|it| it.more.push_str(&section))
    }

    /// A variable of agentd's environment.
    pub(crate) fn env(self, name: &str, value: impl Into<String>) -> Home {
        self.with(|it| it.env.push((name.into(), value.into())))
    }

    /// A file in the plugin folder.
    pub(crate) fn plugin(self, name: &str, bytes: &[u8]) -> Home {
        let folder = self.home().join("plugins");
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder).unwrap();
        fs::write(folder.join(name), bytes).unwrap();
        fs::set_permissions(folder.join(name), fs::Permissions::from_mode(0o644)).unwrap();
        self
    }

    fn with(mut self, change: impl FnOnce(&mut Settings)) -> Home {
        change(&mut self.settings);
        self.write_config();
        self
    }

    fn write_config(&self) {
        let Settings { agent, concurrent, more, timeouts, sandbox, mode, .. } = &self.settings;
        let image = match (self.executor, std::env::var("AGENTD_TEST_IMAGE")) {
            ("docker", Ok(image)) => format!("image = \"{image}\""),
            _ => String::new(), // agentd makes one of this machine's programs
        };
        let text = format!(
            "mode = \"{mode}\"\n\
             [limits]\nconcurrent = {concurrent}\nper_repository = {concurrent}\nopen_changes = 1000\n\
             [timeouts]\n{timeouts}\n\
             [sandbox]\nexecutor = \"{executor}\"\n{image}\n{sandbox}\n\
             {work}\n\
             {agent}\n\
             {more}\n",
            executor = self.executor,
            agent = script_section("script", agent, "default = true\n"),
            work = self.work_sections(),
        );
        fs::write(self.path("agentd.toml"), text).unwrap();
    }

    /// The source of tasks, and the repository.
    fn work_sections(&self) -> String {
        let Settings { gates, push, repository: keys, source, .. } = &self.settings;
        let push = if push.is_empty() { String::new() } else { format!("push = \"{push}\"") };
        match &self.place {
            Place::Here => format!(
                "[sources.tasks]\nplugin = \"folder\"\nrepository = \"acme/notes\"\ninterval = \"1s\"\n\
                 settings = {{ path = \"{tasks}\" }}\n{source}\n\
                 [repositories.\"acme/notes\"]\npath = \"{forge}\"\ngates = {gates}\n{push}\n{keys}\n",
                tasks = self.path("tasks").display(),
                forge = self.forge().display(),
            ),
            Place::GitHub { section, repository } => format!(
                "{section}[sources.issues]\nplugin = \"github-issues\"\ninterval = \"1s\"\n{source}\n\
                 [repositories.\"{repository}\"]\ngates = {gates}\n{push}\n{keys}\n"
            ),
        }
    }

    pub(crate) fn root(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root().join(name)
    }

    /// The daemon's own folder.
    pub(crate) fn home(&self) -> PathBuf {
        self.path("home")
    }

    pub(crate) fn forge(&self) -> PathBuf {
        self.path("forge.git")
    }

    /// Puts a task into the folder that the source watches.
    pub(crate) fn task(&self, name: &str, text: &str) {
        let partial = self.path(&format!("{name}.partial"));
        fs::write(&partial, text).unwrap();
        fs::rename(partial, self.path("tasks").join(name)).unwrap();
    }

    /// The same, for this agent.
    pub(crate) fn task_for(&self, agent: &str, text: &str) {
        self.task(&format!("{agent}.md"), &format!("---\nagent: {agent}\n---\n{text}\n"));
    }

    /// Puts a file into the plugin folder of a home that may be in use, in one move.
    pub(crate) fn drop_plugin(&self, name: &str, bytes: &[u8]) {
        let folder = self.home().join("plugins");
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder).unwrap();
        let partial = self.path(&format!("{name}.partial"));
        fs::write(&partial, bytes).unwrap();
        fs::set_permissions(&partial, fs::Permissions::from_mode(0o644)).unwrap();
        fs::rename(partial, folder.join(name)).unwrap();
    }

    /// A plugin, as `plugin list` has it; null: it is not there.
    #[track_caller]
    pub(crate) fn listed(&self, name: &str) -> Value {
        let list: Value = serde_json::from_str(&self.ok(&["--json", "plugin", "list"])).unwrap();
        let found = list["plugins"].as_array().unwrap().iter().find(|it| it["name"] == name);
        found.cloned().unwrap_or(Value::Null)
    }

    /// agentd with this home and configuration, before its arguments.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(program());
        command.arg("--home").arg(self.home()).arg("--config").arg(self.path("agentd.toml"));
        command.env_remove("AGENTD_HOME").env_remove("AGENTD_CONFIG").current_dir(self.root());
        command.envs(self.settings.env.iter().map(|(name, value)| (name, value)));
        command
    }

    pub(crate) fn agentd(&self, args: &[&str]) -> Said {
        Said::of(self.command().args(args).output().unwrap())
    }

    /// A command that has to work; its output.
    #[track_caller]
    pub(crate) fn ok(&self, args: &[&str]) -> String {
        let said = self.agentd(args);
        assert_eq!(said.code, Some(0), "agentd {args:?}: {said:?}");
        said.stdout
    }

    /// All that `task show` says.
    #[track_caller]
    pub(crate) fn shown(&self, task: &str) -> Value {
        serde_json::from_str(&self.ok(&["--json", "task", "show", task])).unwrap()
    }

    /// The branch of a task.
    #[track_caller]
    pub(crate) fn branch(&self, task: &str) -> String {
        self.shown(task)["branch"].as_str().unwrap().into()
    }

    /// What the forge's repository says.
    #[track_caller]
    pub(crate) fn git(&self, args: &[&str]) -> String {
        git(&self.forge(), args)
    }

    /// As [`Home::git`], where the answer need not be text.
    pub(crate) fn git_bytes(&self, args: &[&str]) -> Vec<u8> {
        Command::new("git").args(args).current_dir(self.forge()).output().unwrap().stdout
    }

    /// The daemon's log, for people who look at a failed test.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.path("daemon.log")).unwrap_or_default()
    }
}

/// The section of an agent that is a shell script.
fn script_section(name: &str, script: &str, keys: &str) -> String {
    if script.is_empty() {
        return String::new();
    }
    format!("[agents.{name}]\nplugin = \"command\"\n{keys}settings = {{ argv = [\"sh\", \"-c\", '''{script}'''] }}\n")
}

/// A test that failed shows what its daemon said, and leaves what that would have removed: mounts, and containers.
/// Nothing here may panic.
impl Drop for Home {
    #[expect(clippy::print_stderr, reason = "a test that fails shows the log")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.log());
        }
        let root = self.root().display().to_string();
        let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
        for place in mounts.lines().filter_map(|it| it.split(' ').nth(1)).filter(|it| it.starts_with(&root)) {
            Command::new("umount").args(["-l", place]).status().ok();
        }
        let left = Judge::new(self).instance().and_then(|it| sandboxes_of(&it));
        for name in left.into_iter().flatten() {
            Command::new("docker").args(["rm", "--force", "--volumes", &name]).stdout(Stdio::null()).status().ok();
        }
    }
}

/// The names of an instance's containers, running or not; none: docker does not say.
pub(super) fn sandboxes_of(instance: &str) -> Option<Vec<String>> {
    let filter = format!("label=agentd.instance={instance}");
    let listed = Command::new("docker").args(["ps", "-a", "--filter", &filter, "--format", "{{.Names}}"]).output();
    let listed = listed.ok().filter(|it| it.status.success())?;
    Some(String::from_utf8_lossy(&listed.stdout).lines().map(Into::into).collect())
}

impl Said {
    pub(crate) fn of(output: Output) -> Said {
        Said {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// The program under test.
pub(crate) fn program() -> PathBuf {
    match std::env::var_os("AGENTD_BIN") {
        Some(program) => program.into(),
        None => panic!("AGENTD_BIN names no program: run the tests with `cargo xtask test`"),
    }
}

/// Runs git as a person with a name.
#[track_caller]
pub(crate) fn git(dir: &Path, args: &[&str]) -> String {
    let output = Command::new("git")
        .args(["-c", "user.name=Ann", "-c", "user.email=ann@example.org", "-c", "init.defaultBranch=main"])
        .args(args)
        .current_dir(dir)
        .output()
        .unwrap();
    let said = Said::of(output);
    assert_eq!(said.code, Some(0), "git {args:?}: {said:?}");
    said.stdout.trim_end().into()
}
