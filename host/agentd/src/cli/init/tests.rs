//! `agentd init` as a person meets it: what it writes, what it asks, what it refuses.

use super::{
    super::{Cli, Command, tests::screen::Screen},
    *,
};
use crate::config::Config;
use clap::Parser;
use std::{fs, os::unix::fs::PermissionsExt};

/// A folder with a repository that has a commit, one that has none, and a file.
fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let git = |name: &str, args: &[&str]| {
        let mut command = std::process::Command::new("git");
        command.arg("-C").arg(dir.path().join(name)).args(["-c", "user.name=a", "-c", "user.email=a@b"]).args(args);
        assert!(command.output().unwrap().status.success());
    };
    for name in ["api", "empty", "plain"] {
        fs::create_dir(dir.path().join(name)).unwrap();
    }
    git("api", &["init", "-q"]);
    git("api", &["commit", "-q", "--allow-empty", "-m", "first"]);
    git("empty", &["init", "-q"]);
    dir
}

/// What a person sees of `agentd init`, with the folder's path as DIR.
async fn seen(dir: &Path, line: &str, mut ask: Ask) -> String {
    let home = dir.join("home").display().to_string();
    let line = line.replace("DIR", &dir.display().to_string());
    let words =
        ["agentd", "--quiet", "--home", &home, "init"].into_iter().chain(line.split('|').filter(|it| !it.is_empty()));
    let cli = match Cli::try_parse_from(words) {
        Ok(cli) => cli,
        Err(error) => return error.to_string().lines().next().unwrap_or_default().to_owned(),
    };
    let screen = Screen::default();
    let out = screen.out(cli.global.json);
    let mut context = Context::for_test(cli.global, out);
    let Command::Init(init) = cli.command else { panic!("not init") };
    let result = init.act_with(&mut context, &mut ask).await;
    let mut text = screen.text();
    if let Err(error) = result {
        text.push_str(&error.to_string());
    }
    text.replace(&dir.display().to_string(), "DIR")
}

#[tokio::test]
async fn a_folder_and_a_command_make_a_configuration_that_works() {
    let dir = folder();
    let line = "--repository|DIR/api|--agent|command|--command|fixer --batch|--gate|make test|--budget-task|2.50|--yes";
    insta::assert_snapshot!(seen(dir.path(), line, Ask::nobody(true)).await, @r#"
    written to DIR/home/agentd.toml; nothing was started

    Next:
      agentd doctor --home DIR/home
      agentd run --repo DIR/api --home DIR/home "Fix the failing test"
      agentd start --home DIR/home
    "#);
    let file = dir.path().join("home/agentd.toml");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let config = Config::load(Some(&file), None).unwrap();
    assert_eq!(config.repositories["api"].gates, ["make test"]);
    assert_eq!(
        config.repositories["api"].path.as_deref(),
        Some(dir.path().join("api").canonicalize().unwrap().as_path())
    );
    assert_eq!((config.budget.run, config.budget.task), (2_500_000, 2_500_000));
    assert_eq!(config.default_agent().unwrap().0, "command");
    let again = seen(dir.path(), line, Ask::nobody(true)).await;
    assert_eq!(
        again,
        "error: DIR/home/agentd.toml is there already\n\
         hint: agentd auth github adds GitHub to it; --force replaces it, --output FILE writes another one"
    );
    let other = seen(dir.path(), &format!("{line}|--output|DIR/other.toml"), Ask::nobody(true)).await;
    assert!(other.contains("agentd doctor --home DIR/home --config DIR/other.toml\n"), "{other}");
    assert!(seen(dir.path(), &format!("{line}|--force"), Ask::nobody(true)).await.starts_with("written to "));
}

#[tokio::test]
async fn a_person_is_asked_for_what_the_options_leave_open() {
    let dir = folder();
    let screen = Screen::default();
    let answers = "plain\n";
    let ask = Ask::scripted(answers, Box::new(screen.clone()));
    let text = seen(dir.path(), "--repository|DIR/api|--mode|auto", ask).await;
    assert_eq!(text, "error: the answers ended before the questions; nothing was written");
    let ask =
        Ask::scripted("fixer\ncommand\nfixer --batch\nmake lint\nmake test\n\nmuch\n3\n", Box::new(screen.clone()));
    let text = seen(dir.path(), "--repository|DIR/api|--mode|auto", ask).await;
    assert!(text.starts_with("written to DIR/home/agentd.toml; nothing was started"), "{text}");
    let config = Config::load(Some(&dir.path().join("home/agentd.toml")), None).unwrap();
    assert_eq!(config.repositories["api"].gates, ["make lint", "make test"]);
    assert_eq!((config.budget.task, config.mode), (3_000_000, Mode::Auto));
    let prompts = screen.text();
    assert!(prompts.contains("\"fixer\" is none of claude-code, codex, command"), "{prompts}");
    assert!(prompts.contains("\"much\" is no amount, which looks like 10 or 2.50"), "{prompts}");
}

#[tokio::test]
async fn what_a_new_user_gets_wrong_is_said_and_nothing_is_written() {
    let dir = folder();
    let rest = "--agent|command|--command|x|--yes";
    for (line, expected) in [
        (
            "--repository|DIR/plain",
            "error: DIR/plain is not a git repository\n\
             hint: git init DIR/plain, or name another folder; one on GitHub is OWNER/NAME",
        ),
        (
            "--repository|DIR/empty",
            "error: DIR/empty has no commits\nhint: commit something first: agentd starts from a commit",
        ),
        (
            "--repository|DIR/nowhere",
            "error: there is no folder DIR/nowhere: No such file or directory (os error 2)\n\
             hint: --repository takes a folder, or OWNER/NAME",
        ),
        (
            "--repository|api!",
            "error: \"api!\" is neither a folder nor a repository on GitHub, which looks like acme/api\n\
             hint: --repository takes a folder, or OWNER/NAME",
        ),
        (
            "--repository|DIR/api|--output|DIR/plain",
            "error: DIR/plain is a folder\nhint: --output takes the path of a file, as in --output agentd.toml",
        ),
        (
            "--repository|DIR/api|--budget-task|0",
            "error: --budget-task: \"0\" is no amount, which looks like 10 or 2.50",
        ),
        (
            "--repository|DIR/api|--token-env|AGENTD_NO_SUCH_TOKEN",
            "error: access to GitHub is given, and no repository there is named\nhint: --repository OWNER/NAME names one",
        ),
        ("--repository|DIR/api|--agent|clade", "error: invalid value 'clade' for '--agent <AGENT>'"),
    ] {
        let line = if line.contains("clade") { line.to_owned() } else { format!("{line}|{rest}") };
        assert_eq!(seen(dir.path(), &line, Ask::nobody(true)).await, expected, "{line}");
    }
    let unset =
        seen(dir.path(), &format!("--repository|acme/api|--token-env|AGENTD_NO_SUCH_TOKEN|{rest}"), Ask::nobody(true))
            .await;
    assert!(
        unset.contains("DIR/home/agentd.toml:") && unset.contains("the variable AGENTD_NO_SUCH_TOKEN is not set"),
        "{unset}"
    );
    assert!(!dir.path().join("home").exists());
}

#[tokio::test]
async fn without_a_terminal_all_that_is_missing_is_named_at_once() {
    let dir = folder();
    let hint = "\nhint: agentd init --repository acme/api --token-env GITHUB_TOKEN --agent claude-code --yes";
    for (line, expected) in [
        ("", "--repository; --agent (or --yes for the default)"),
        ("--repository|acme/api|--agent|command", "--command; --token-file, --token-env or --app-id with --app-key"),
    ] {
        let text = format!("error: there is no terminal to ask on; missing: {expected}{hint}");
        assert_eq!(seen(dir.path(), line, Ask::nobody(false)).await, text, "{line}");
    }
}

#[test]
fn the_text_for_github_is_whole_and_says_what_it_means() {
    let answers = Answers {
        places: vec![Place::GitHub("acme/api".into()), Place::GitHub("acme/web-*".into())],
        access: Some(config_file::Access::App { id: 7, key: "file:app.pem".into() }),
        typed: None,
        url: Some("https://github.acme.com".into()),
        private: vec![],
        agent: "claude-code".into(),
        command: None,
        key: Some(("ANTHROPIC_API_KEY", "anthropic")),
        mode: Mode::Ask,
        label: "agentd".into(),
        gates: vec![],
        budget_task: 80.0,
        executor: crate::config::ExecutorKind::Docker,
    };
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("agentd.toml");
    let text = text::text(&answers, &file);
    insta::assert_snapshot!(text);
    fs::write(dir.path().join("app.pem"), "key").unwrap();
    fs::set_permissions(dir.path().join("app.pem"), fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&file, &text).unwrap();
    let load = || Config::load(Some(&file), Some(dir.path())).unwrap();
    let config = load();
    assert!(config.is_mine("acme/web-shop"));
    // What is only suggested is right too.
    let suggested = text.replace("\n#", "\n").lines().filter(|it| !it.starts_with(' ')).collect::<Vec<_>>().join("\n");
    assert!(suggested.parse::<toml::Table>().is_ok(), "{suggested}");
    assert_eq!(next(&answers, ""), ["agentd toolbox install claude-code", "agentd doctor", "agentd start --dry-run"]);
    // A server in a network of one's own has a line more, which the rest does not depend on.
    let private = Answers { private: vec!["10.1.2.3/32".into(), "fd00::7/128".into()], ..answers };
    let longer = text::text(&private, &file);
    fs::write(&file, &longer).unwrap();
    assert_eq!(load().network.egress().allow_private, ["10.1.2.3/32", "fd00::7/128"]);
    let section = longer.split("\n\n").find(|it| it.contains("[network]")).unwrap();
    assert!(section.ends_with("private = [\"10.1.2.3/32\", \"fd00::7/128\"]"), "{section}");
    assert_eq!(longer.replace(&format!("{section}\n\n"), ""), text);
}

/// A GitHub of the company's own that knows nobody.
async fn refuses_everybody(listener: tokio::net::TcpListener) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        let answer = b"HTTP/1.1 401 Unauthorized\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}";
        if stream.read(&mut [0; 16_384]).await.is_ok_and(|it| it > 0) {
            stream.write_all(answer).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_server_in_a_private_network_is_called_and_says_no_itself() {
    let dir = folder();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    fs::write(dir.path().join("token"), "ghp_nobody").unwrap();
    fs::set_permissions(dir.path().join("token"), fs::Permissions::from_mode(0o600)).unwrap();
    let line = format!(
        "--repository|acme/api|--url|{url}|--token-file|DIR/token|--agent|command|--command|x|--yes|--no-labels"
    );
    let text = tokio::select! {
        text = seen(dir.path(), &line, Ask::nobody(true)) => text,
        () = refuses_everybody(listener) => unreachable!("it listens for ever"),
    };
    assert!(text.contains("does not take") && !text.contains("was not called"), "{text}");
    assert!(!dir.path().join("home").exists(), "nothing is written before it is let in");
}
