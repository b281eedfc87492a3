//! Configurations as people write them, and as they write them wrong.

mod accounts;
mod changes;
mod github;
mod people;
mod plugins;
mod sandboxes;

use super::*;
use std::{fs, os::unix::fs::PermissionsExt};

/// A folder with configuration files, and the variables around them.
struct Folder {
    folder: tempfile::TempDir,
    variables: Vec<(String, String)>,
}

impl Folder {
    fn new() -> Folder {
        let folder = tempfile::Builder::new().prefix("c").tempdir().unwrap();
        Folder { folder, variables: Vec::new() }.variable("HOME", "/home/me")
    }

    fn with(main: &str) -> Folder {
        Folder::new().file("agentd.toml", main, 0o644)
    }

    fn file(self, name: &str, text: &str, mode: u32) -> Folder {
        let path = self.folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        self
    }

    fn variable(mut self, name: &str, value: &str) -> Folder {
        self.variables.push((name.into(), value.into()));
        self
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn load(&self) -> Result<Config, Problems> {
        let environment = self.variables.iter().cloned().collect();
        Config::load_in(Some(&self.path().join("agentd.toml")), None, environment)
    }

    /// The problems, with the folder left out.
    #[track_caller]
    fn problems(&self) -> String {
        let problems = self.load().expect_err("it has mistakes");
        problems.to_string().replace(&format!("{}/", self.path().display()), "")
    }

    #[track_caller]
    fn config(&self) -> Config {
        self.load().unwrap_or_else(|problems| panic!("{problems}"))
    }
}

#[track_caller]
fn check(main: &str, problems: &str) {
    assert_eq!(Folder::with(main).problems(), problems, "{main}");
}

#[test]
fn without_a_file_all_is_default() {
    let environment = [("HOME".to_owned(), "/home/nobody-there".to_owned())].into_iter().collect();
    let config = Config::load_in(None, None, environment).unwrap();
    assert_eq!(config.file, None);
    assert_eq!(config.home, Path::new("/home/nobody-there/.local/share/agentd"));
    assert_eq!((config.mode, config.limits.concurrent, config.sandbox.memory), (Mode::Ask, 3, 4 << 30));
    assert_eq!(config.timeouts.wall, Duration::from_secs(7200));
    assert_eq!(
        (config.prioritizer.plugin.as_str(), config.prompts.plugin.as_str()),
        ("label-priority", "default-prompts")
    );
    assert_eq!(config.plugins, config.home.join("plugins"));
}

#[test]
fn every_mistake_is_named_with_file_line_and_key() {
    let main = r#"mode = "sometimes"
concurency = 2
[limits]
concurrent = 0
per_repository = "two"
open_changes = -1
[timeouts]
wall = "2 hours"
idle = 30
gate = "0s"
[sandbox]
memory = "1 MiB"
cpus = 0
executor = "podman"
[network]
private = ["10.0.0.0/8", "everything", 3]
[sources.Inbox]
plugin = ""
interval = "10ms"
[sources.second]
setings = {}
[agents]
claude = "yes"
"#;
    insta::assert_snapshot!(Folder::with(main).problems(), @r#"
    agentd.toml:1: mode: must be propose, ask or auto, is "sometimes"
    agentd.toml:2: concurency: is not a key; known are accounts, agents, analyzers, approvals, budget, commits, credentials, github, home, limits, log, mail, mode, network, notifiers, plugins, prices, prioritizer, prompts, registries, repositories, sandbox, sources, timeouts
    agentd.toml:4: limits.concurrent: must be 1 to 64, is 0
    agentd.toml:5: limits.per_repository: must be a whole number, is a text
    agentd.toml:6: limits.open_changes: must be 1 to 1000, is -1
    agentd.toml:8: timeouts.wall: `2 hours` is not a duration, which looks like "30s", "2h" or "500ms"
    agentd.toml:9: timeouts.idle: must be a text, is a whole number
    agentd.toml:10: timeouts.gate: must be at least 1s, is 0s
    agentd.toml:12: sandbox.memory: must be at least 64 MiB, is 1 MiB
    agentd.toml:13: sandbox.cpus: must be 0.1 to 1024, is 0
    agentd.toml:14: sandbox.executor: must be docker or local, is "podman"
    agentd.toml:16: network.private: `everything` is not a network, which looks like "10.20.0.0/16"
    agentd.toml:16: network.private: must be a text, is a whole number
    agentd.toml:17: sources.Inbox: is not a name: take a lower-case letter, then letters, digits and -, at most 64
    agentd.toml:18: sources.Inbox.plugin: must not be empty
    agentd.toml:19: sources.Inbox.interval: must be at least 1s, is 10ms
    agentd.toml:20: sources.second.plugin: is missing: say plugin = "NAME", as `agentd plugin list` shows it
    agentd.toml:21: sources.second.setings: is not a key; did you mean `settings`?
    agentd.toml:23: agents.claude: must be a table, is a text
    "#);
}

#[test]
fn a_key_that_is_nearly_right_is_recognised() {
    check(
        "[limits]\nper-repository = 2",
        "agentd.toml:2: limits.per-repository: is not a key; did you mean `per_repository`?",
    );
    check("[sandbx]\ncpus = 2", "agentd.toml:1: sandbx: is not a key; did you mean `sandbox`?");
    check("[timeouts]\nWall = \"1h\"", "agentd.toml:2: timeouts.Wall: is not a key; did you mean `wall`?");
}

#[test]
fn what_is_no_toml_is_said_so_and_nothing_else() {
    check("[limits\nconcurrent = 0", "agentd.toml:1: is not TOML: unclosed table, expected `]`");
    check("mode = \"ask\"\nmode = \"auto\"", "agentd.toml:2: is not TOML: duplicate key");
    let folder = Folder::new();
    assert_eq!(folder.problems(), "agentd.toml: does not exist; --config names another file");
    fs::write(folder.path().join("agentd.toml"), b"mode = \"\xff\"").unwrap();
    assert_eq!(folder.problems(), "agentd.toml: is not UTF-8 text");
}

#[test]
fn a_secret_in_the_clear_is_refused_and_not_repeated() {
    let main = "[credentials.api]\nbearer = \"hunter2-hunter2\"\nurls = [\"https://api.acme.com/\"]";
    let said = Folder::with(main).problems();
    assert!(said.starts_with("agentd.toml:2: credentials.api.bearer: is a secret written in the clear"), "{said}");
    assert!(!said.contains("hunter2"), "{said}");
}

#[test]
fn secrets_come_from_variables_files_and_programs() {
    use secrecy::ExposeSecret;
    let main = r#"
[credentials]
a = { bearer = "${TOKEN}", urls = ["https://a.example/"] }
b = { bearer = "file:secrets/b", urls = ["https://b.example/"] }
c = { bearer = "cmd:cat secrets/c", urls = ["https://c.example/"] }
d = { basic = { user = "me", secret = "${FROM_DOTENV}" }, urls = ["https://d.example/"] }
e = { url = "${HOOK}" }
"#;
    let folder = Folder::with(main)
        .file("secrets/b", "from-file\n", 0o600)
        .file("secrets/c", "from-program\n", 0o600)
        .file(".env", "# remarks\nexport FROM_DOTENV='from dotenv'\nTOKEN=not-this-one\nHOOK=https://x/y\n", 0o600)
        .variable("TOKEN", "from-variable");
    let config = folder.config();
    let secret = |name: &str| config.credentials[name].secret.value.expose_secret().to_owned();
    let all: Vec<_> = ["a", "b", "c", "d", "e"].map(secret).into();
    assert_eq!(all, ["from-variable", "from-file", "from-program", "from dotenv", "https://x/y"]);
    assert!(matches!(&config.credentials["d"].attach, Attach::Basic { user } if user == "me"));
    let shown = format!("{config:?} {}", serde_json::to_string(&config.shown).unwrap());
    for value in all {
        assert!(!shown.contains(&value), "{value} is shown");
    }
    assert!(shown.contains("file:secrets/b"));
}

#[test]
fn a_secret_that_cannot_be_had_says_which_and_why() {
    let urls = "urls = [\"https://a.example/\"]";
    let main = format!(
        "[credentials.a]\nbearer = \"${{MISSING_TOKEN}}\"\n{urls}\n[credentials.b]\nbearer = \"file:open\"\n{urls}\n\
         [credentials.c]\nbearer = \"file:gone\"\n{urls}\n[credentials.d]\nbearer = \"cmd:false\"\n{urls}\n\
         [credentials.e]\nbearer = \"${{}}\"\nquery = {{ name = \"k\", secret = \"${{X}}\" }}\n{urls}\n\
         [credentials.f]\nheader = {{ name = \"x\" }}\n[credentials.g]\nbasic = \"x\"\nurls = [\"ftp://x\"]\n"
    );
    let folder = Folder::with(&main).file("open", "s", 0o644).file(".env", "nonsense\n", 0o600);
    insta::assert_snapshot!(folder.problems(), @r#"
    agentd.toml:2: credentials.a.bearer: the variable MISSING_TOKEN is not set: export it, or write MISSING_TOKEN=… into .env beside this file
    agentd.toml:5: credentials.b.bearer: open can be read by others (mode 644): chmod 600 open
    agentd.toml:8: credentials.c.bearer: the file gone does not exist: write the secret into it, and chmod 600 gone
    agentd.toml:11: credentials.d.bearer: the program false failed: exit status: 1
    agentd.toml:13: credentials.e: must have one of bearer, basic, header, query, url, signing-key, oauth2, has bearer, query
    agentd.toml:17: credentials.f.urls: is missing: say urls = ["https://…/"], the addresses it may be sent to
    agentd.toml:18: credentials.f.header.secret: is missing: say secret = "${NAME}" or "file:PATH"
    agentd.toml:20: credentials.g.basic: must be a table, is a text
    agentd.toml:20: credentials.g.basic.user: is missing: say user = "NAME"
    agentd.toml:20: credentials.g.basic.secret: is missing: say secret = "${NAME}" or "file:PATH"
    agentd.toml:21: credentials.g.urls: `ftp://x` is not the beginning of an address, which looks like "https://api.acme.com/v1/"
    .env:1: is not NAME=value
    "#);
    let open = Folder::with("").file(".env", "A=b\n", 0o640).problems();
    assert_eq!(open, ".env: .env can be read by others (mode 640): chmod 600 .env");
}

#[test]
fn files_are_joined_and_a_key_set_twice_names_both() {
    let folder = Folder::with("mode = \"auto\"\n[limits]\nconcurrent = 5\n")
        .file("conf.d/10-agents.toml", "[agents.one]\nplugin = \"command\"\n[limits]\nopen_changes = 9\n", 0o644)
        .file("conf.d/20-repo.toml", "[repositories.web]\npath = \"web.git\"\n", 0o644)
        .file("conf.d/ignored.bak", "nonsense", 0o644);
    let config = folder.config();
    assert_eq!((config.limits.concurrent, config.limits.open_changes), (5, 9));
    assert_eq!(config.repositories["web"].path, Some(folder.path().join("web.git")));
    assert_eq!(config.default_agent().map(|(name, _)| name), Some("one"));
    let folder = folder.file("conf.d/30.toml", "mode = \"ask\"\n[limits]\nconcurrent = 1\n", 0o644);
    insta::assert_snapshot!(folder.problems(), @r"
    conf.d/30.toml:1: mode: is already set at agentd.toml:1; keep one of the two
    conf.d/30.toml:3: limits.concurrent: is already set at agentd.toml:3; keep one of the two
    ");
}

#[test]
fn repositories_inherit_and_mistakes_in_what_is_inherited_show_once() {
    let main = r#"
[repositories.default]
gates = ["make test"]
push = "branch"
[repositories."acme/api"]
path = "/srv/api.git"
push = "ask"
executor = "local"
[repositories.web]
path = "~/web"
"#;
    let config = Folder::with(main).config();
    let (api, web) = (&config.repositories["acme/api"], &config.repositories["web"]);
    assert_eq!((api.push, web.push), (Some(Push::Ask), Some(Push::Branch)));
    assert_eq!((&api.gates, web.executor), (&web.gates, None));
    assert_eq!(web.path.as_deref(), Some(Path::new("/home/me/web")));
    assert_eq!(config.repository_defaults.gates, ["make test"]);
    let shown: Vec<_> = config.shown.iter().filter(|it| it.key.ends_with(".push")).collect();
    assert_eq!(
        shown.iter().map(|it| it.key.as_str()).collect::<Vec<_>>(),
        ["repositories.\"acme/api\".push", "repositories.web.push"]
    );

    let main = "[repositories.default]\npath = \"x\"\ngates = \"make\"\n[repositories.\"a b\"]\n[repositories.web]\npath = \"y\"\nprotected = [\"{a\"]\nbase = \"-f\"";
    insta::assert_snapshot!(Folder::with(main).problems(), @r#"
    agentd.toml:2: repositories.default.path: belongs to one repository, not to all: move it to [repositories."ID"]
    agentd.toml:3: repositories.default.gates: must be a list of texts, is a text
    agentd.toml:4: repositories."a b": is not the id of a repository, which looks like "acme/api" or "api"
    agentd.toml:7: repositories.web.protected: is not a glob: unclosed alternate group; missing '}' (maybe escape '{' with '[{]'?)
    agentd.toml:8: repositories.web.base: is not the name of a branch
    "#);
}

#[test]
fn sections_that_name_one_another_have_to_fit() {
    let main = r#"
[sources.inbox]
plugin = "folder"
repository = "wbe"
[analyzers.todo]
plugin = "todo"
repositories = ["web", "nothing-like-it"]
[repositories.web]
path = "web"
[agents.a]
plugin = "command"
[agents.b]
plugin = "command"
[timeouts]
wall = "10m"
idle = "20m"
[commits]
email = "nobody"
"#;
    insta::assert_snapshot!(Folder::with(main).problems(), @r#"
    agentd.toml:4: sources.inbox.repository: there is no [repositories."wbe"]; did you mean "web"?
    agentd.toml:7: analyzers.todo.repositories: there is no [repositories."nothing-like-it"]; known are web
    agentd.toml:10: agents: one of them must say default = true: a, b
    agentd.toml:16: timeouts.idle: is longer than wall (10m)
    agentd.toml:18: commits.email: is not an e-mail address
    "#);
    let two = "[agents.a]\nplugin = \"x\"\ndefault = true\n[agents.b]\nplugin = \"x\"\ndefault = true";
    check(two, "agentd.toml:6: agents.b.default: is true for the agent a too: one agent is the default");
}

#[test]
fn the_home_is_option_over_environment_over_file_over_default() {
    let folder = Folder::with("home = \"/in/file\"");
    let home = |folder: &Folder, option: Option<&str>| {
        let environment: Environment = folder.variables.iter().cloned().collect();
        let file = folder.path().join("agentd.toml");
        let config = Config::load_in(Some(&file), option.map(Path::new), environment.clone()).unwrap();
        let alone = Config::home_only(Some(&file), option.map(Path::new), &environment).unwrap();
        assert_eq!(config.home, alone);
        let shown = config.shown.iter().find(|it| it.key == "home").unwrap();
        let origin = shown.origin.to_string().replace(&format!("{}/", folder.path().display()), "");
        format!("{} ({origin})", config.home.display())
    };
    assert_eq!(home(&Folder::with(""), None), "/home/me/.local/share/agentd (default)");
    assert_eq!(home(&folder, None), "/in/file (agentd.toml:1)");
    let folder = folder.variable("AGENTD_HOME", "~/env");
    assert_eq!(home(&folder, None), "/home/me/env (environment AGENTD_HOME)");
    assert_eq!(home(&folder, Some("/option")), "/option (option --home)");
    let long = format!("home = \"/{}\"", "x".repeat(90));
    check(&long, "agentd.toml:1: home: is 91 bytes long, and the sockets in it need a path of at most 90");
}

#[test]
fn a_home_is_found_while_the_rest_is_broken() {
    let folder = Folder::with("home = \"/in/file\"\nnonsense = 1\n[credentials.a]\nbearer = \"${GONE}\"\n");
    let file = folder.path().join("agentd.toml");
    let environment = folder.variables.iter().cloned().collect();
    assert_eq!(Config::home_only(Some(&file), None, &environment).unwrap(), Path::new("/in/file"));
}

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../config/agentd.toml");

#[test]
fn the_example_is_right_as_it_is() {
    Folder::with(&fs::read_to_string(EXAMPLE).unwrap()).config();
}

#[test]
fn the_example_is_right_with_every_key_in_use_and_has_every_key() {
    let text = fs::read_to_string(EXAMPLE).unwrap();
    let uncommented = |line: &str| match line.strip_prefix('#') {
        Some(key) if !key.starts_with(' ') && !key.is_empty() => format!("{key}\n"),
        _ => format!("{line}\n"),
    };
    let all: String = text.lines().map(uncommented).collect();
    let mut folder =
        Folder::with(&all).file("secrets/wiki", "secret", 0o600).file("secrets/own-server", "secret", 0o600);
    folder = folder.file("pull-request.md", "{{ what }}", 0o644).variable("GITHUB_TOKEN", "secret");
    folder = folder.file("secrets/calendar", "secret", 0o600);
    for name in ["CLIENT_SECRET", "SMTP_PASSWORD"] {
        folder = folder.variable(name, "secret");
    }
    for name in ["ANTHROPIC_API_KEY", "TRACKER_TOKEN", "BOARD_KEY", "SEARCH_KEY", "CHAT_HOOK_URL", "TEAM_SIGNING_KEY"] {
        folder = folder.variable(name, "secret");
    }
    let config = folder.config();
    // A key that stands in one section of several of a kind is known from there, and a list of tables from their keys.
    let kind = |key: &str| {
        let mut parts = key.split('.').map(|part| part.split('[').next().unwrap().to_owned());
        (parts.next().unwrap(), parts.collect::<Vec<_>>())
    };
    let said: Vec<_> = config.shown.iter().filter(|it| it.origin != Origin::Default).map(|it| kind(&it.key)).collect();
    let known = |key: &str| {
        let (section, names) = kind(key);
        said.iter().any(|(of, said)| *of == section && names.last().is_none_or(|it| said.contains(it)))
    };
    let forgotten = config.shown.iter().filter(|it| it.origin == Origin::Default && !known(&it.key));
    let forgotten: Vec<_> = forgotten.collect();
    assert!(forgotten.is_empty(), "the example lacks {forgotten:#?}");
}

#[test]
fn the_examples_defaults_are_the_defaults() {
    let text = fs::read_to_string(EXAMPLE).unwrap();
    let plain = ["limits", "timeouts", "budget", "sandbox", "registries", "commits", "plugins"];
    let config = Folder::with("").config();
    let mut section = String::new();
    for line in text.lines().filter_map(|it| it.strip_prefix('#')).filter(|it| !it.starts_with(' ')) {
        if let Some(name) = line.strip_prefix('[') {
            name.trim_end_matches(']').clone_into(&mut section);
        } else if let Some((key, value)) = line.split_once(" = ")
            && plain.contains(&section.as_str())
        {
            let shown = config.shown.iter().find(|it| it.key == format!("{section}.{key}")).unwrap();
            if ["image", "socket", "folder", "npm", "crates", "pypi"].contains(&key) {
                continue;
            }
            let number = |text: &str| text.parse::<f64>().map_or(text.to_owned(), |it| it.to_string());
            assert_eq!(number(&shown.value.to_string()), number(value), "{section}.{key}");
        }
    }
}
