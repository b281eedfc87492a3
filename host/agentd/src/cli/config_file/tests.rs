//! Configurations that are written: what changes in the text, and what lies on the disk afterwards.

use super::*;
use crate::cli::{Cli, print::Out};
use clap::Parser;
use std::os::unix::fs::PermissionsExt;

fn token(reference: &str) -> GitHubLines {
    GitHubLines { access: Some(Access::Token(reference.into())), ..GitHubLines::default() }
}

#[track_caller]
fn check(before: &str, lines: &GitHubLines, after: &str) {
    let text = lines.with_text(before).unwrap();
    assert_eq!(text, after);
    assert_eq!(lines.with_text(&text).unwrap(), text, "a second time nothing changes");
}

#[test]
fn a_section_is_added_after_what_is_there() {
    let lines = GitHubLines { repositories: vec!["acme/api".into(), "acme/web-*".into()], ..token("${GITHUB_TOKEN}") };
    let section = "[github]\ntoken = \"${GITHUB_TOKEN}\"\nrepositories = [\"acme/api\", \"acme/web-*\"]\n";
    check("", &lines, section);
    check("mode = \"auto\" # soon\n", &lines, &format!("mode = \"auto\" # soon\n\n{section}"));
    let comments = "[limits]\nconcurrent = 2\n\n# The end.\n#[budget]\n#task = 1.0\n";
    check(comments, &lines, &format!("{comments}\n{section}"));
    check("# Only a comment.\n", &lines, &format!("# Only a comment.\n\n{section}"));
}

#[test]
fn where_nothing_is_to_be_said_nothing_is_added() {
    let nothing = GitHubLines::default();
    for text in ["", "mode = \"ask\"\n", "[github]\ntoken = \"${T}\"\n"] {
        check(text, &nothing, text);
    }
    assert_eq!(nothing.section().unwrap(), "");
}

#[test]
fn what_is_there_is_changed_in_its_place() {
    let before = "\
# Ours.
[github]
# The bot's.
token = \"${OLD}\" # old
repositories = [
    \"acme/api\", # first
]

[limits]
concurrent = 2
";
    let after = before.replace("${OLD}", "file:secrets/github-token");
    check(before, &token("file:secrets/github-token"), &after);
    let lines = GitHubLines { repositories: vec!["acme/api".into(), "acme/web".into()], ..GitHubLines::default() };
    let text = lines.with_text(before).unwrap();
    assert!(text.contains("\"acme/api\"") && text.contains("\"acme/web\"") && text.contains("# first"), "{text}");
    assert_eq!(text.matches("acme/api").count(), 1, "{text}");
    let app = GitHubLines {
        access: Some(Access::App { id: 7, key: "file:app.pem".into() }),
        url: Some("https://github.acme.com".into()),
        ..GitHubLines::default()
    };
    let text = app.with_text("[github]\ntoken = \"${OLD}\"\n").unwrap();
    assert_eq!(text, "[github]\napp = { id = 7, key = \"file:app.pem\" }\nurl = \"https://github.acme.com\"\n");
}

#[test]
fn the_network_of_a_server_is_added_to_what_is_there() {
    let server = GitHubLines {
        url: Some("https://github.acme.com".into()),
        private: vec!["10.1.2.3/32".into()],
        ..GitHubLines::default()
    };
    let (github, network) =
        ("[github]\nurl = \"https://github.acme.com\"\n", "[network]\nprivate = [\"10.1.2.3/32\"]\n");
    check("", &server, &format!("{github}\n{network}"));
    check("mode = \"auto\"\n# The end.\n", &server, &format!("mode = \"auto\"\n# The end.\n\n{github}\n{network}"));
    assert_eq!(server.section().unwrap(), format!("{github}\n{network}"));
    let there = "[network]\n# Models.\nprivate = [\"10.9.0.0/16\"] # ours\nca = \"acme.pem\"\n";
    let both = there.replace("\"10.9.0.0/16\"", "\"10.9.0.0/16\", \"10.1.2.3/32\"");
    check(there, &server, &format!("{both}\n{github}"));
}

#[test]
fn a_file_that_is_no_toml_is_left_alone() {
    for text in ["[github\n", "github = 1\n", "network = 1\n"] {
        let lines = GitHubLines { private: vec!["10.1.2.3/32".into()], ..token("${T}") };
        let error = lines.with_text(text).unwrap_err();
        assert_eq!(error.hint.as_deref(), Some("agentd config check says where"), "{error}");
    }
}

fn candidate(folder: &Path, text: &str, typed: Option<&str>) -> Candidate {
    Candidate { path: folder.join("etc/agentd.toml"), text: text.into(), typed: typed.map(SecretString::from) }
}

fn entries(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .map(|entries| entries.map(|it| it.unwrap().file_name().into_string().unwrap()).collect())
        .unwrap_or_default();
    names.sort();
    names
}

#[test]
fn a_check_leaves_nothing_behind_and_names_the_file_as_it_will_be() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("home");
    let good = candidate(dir.path(), "mode = \"auto\"\n", None).check(Some(&home)).unwrap();
    assert_eq!(good.file, Some(dir.path().join("etc/agentd.toml")));
    let bad = candidate(dir.path(), "mode = \"atuo\"\n", None).check(Some(&home)).unwrap_err();
    assert!(bad.text.contains("etc/agentd.toml:1: mode: "), "{bad}");
    assert_eq!(entries(dir.path()), Vec::<String>::new());
}

#[test]
fn a_typed_token_is_tried_before_it_is_kept_and_never_stands_in_the_file() {
    use crate::config::GitHubAuth;
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("home");
    let text = "[github]\ntoken = \"file:secrets/github-token\"\nrepositories = [\"acme/api\"]\n";
    let typed = candidate(dir.path(), text, Some("ghp_typed"));
    let config = typed.check(Some(&home)).unwrap();
    let auth = config.github.unwrap().auth;
    let GitHubAuth::Token(token) = auth else { panic!("{auth:?}") };
    assert_eq!(token.value.expose_secret(), "ghp_typed");
    assert_eq!(entries(dir.path()), Vec::<String>::new());
    typed.write().unwrap();
    assert_eq!(entries(&dir.path().join("etc")), ["agentd.toml", "secrets"]);
    assert_eq!(fs::read_to_string(&typed.path).unwrap(), text);
    assert_eq!(fs::read_to_string(typed.secret_file()).unwrap(), "ghp_typed");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&typed.path), mode(&typed.secret_file())), (0o600, 0o600));
    assert_eq!(mode(typed.secret_file().parent().unwrap()), 0o700);
    // And the daemon, which reads the file, gets in with it.
    Config::load_in(Some(&typed.path), Some(&home), Environment::default()).unwrap();
}

#[test]
fn a_link_and_a_mode_stay_what_they_were() {
    let dir = tempfile::tempdir().unwrap();
    let real = dir.path().join("real.toml");
    fs::write(&real, "").unwrap();
    fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
    let link = dir.path().join("agentd.toml");
    std::os::unix::fs::symlink(&real, &link).unwrap();
    Candidate { path: link.clone(), text: "mode = \"ask\"\n".into(), typed: None }.write().unwrap();
    assert!(link.is_symlink());
    assert_eq!(fs::read_to_string(&real).unwrap(), "mode = \"ask\"\n");
    assert_eq!(fs::metadata(&real).unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(entries(dir.path()), ["agentd.toml", "real.toml"]);
}

#[test]
fn a_change_that_makes_no_configuration_is_taken_back() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("agentd.toml");
    let (home, config) = (dir.path().join("home").display().to_string(), file.display().to_string());
    let cli = Cli::try_parse_from(["agentd", "--home", &home, "--config", &config, "status"]).unwrap();
    let context = Context::for_test(cli.global, Out::to(Box::new(io::sink()), false));
    let write = |text: &str| change(&context, &file, |_| Ok(text.to_owned()));
    assert!(write("mode = \"never\"\n").is_err());
    assert!(!file.exists(), "it was not there before");
    write("mode = \"ask\"\n").unwrap();
    assert!(write("mode = \"never\"\n").is_err());
    assert_eq!(fs::read_to_string(&file).unwrap(), "mode = \"ask\"\n");
    fs::write(&file, b"\xff").unwrap();
    assert!(write("mode = \"ask\"\n").is_err());
    assert_eq!(fs::read(&file).unwrap(), b"\xff", "what cannot be read is not written over");
}
