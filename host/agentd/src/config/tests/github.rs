//! Access to GitHub, and the repositories there.

use super::*;
use secrecy::ExposeSecret;

/// A configuration with access to GitHub, and then `rest`.
fn with_token(rest: &str) -> Folder {
    Folder::with(&format!("[github]\ntoken = \"${{T}}\"\n{rest}")).variable("T", "hidden-token")
}

#[track_caller]
fn check_problem(rest: &str, problems: &str) {
    assert_eq!(with_token(rest).problems(), problems, "{rest}");
}

fn ids(config: &Config) -> Vec<&str> {
    config.repositories.keys().map(String::as_str).collect()
}

#[test]
fn access_is_a_token_or_an_app_and_is_never_shown() {
    let config = with_token("url = \"https://github.acme.com/\"").config();
    let github = config.github.as_ref().unwrap();
    assert_eq!(github.url.as_deref(), Some("https://github.acme.com"));
    assert!(matches!(&github.auth, GitHubAuth::Token(token) if token.value.expose_secret() == "hidden-token"));
    let app = "[github]\napp = { id = 123456, key = \"file:app.pem\" }\nurl = \"https://github.com\"";
    let with_app = Folder::with(app).file("app.pem", "hidden-key", 0o600).config();
    let github = with_app.github.as_ref().unwrap();
    assert_eq!(github.url, None);
    let GitHubAuth::App { id, key } = &github.auth else { panic!("{github:?}") };
    assert_eq!((*id, key.value.expose_secret()), (123_456, "hidden-key"));
    for config in [config, with_app] {
        let shown = format!("{config:?} {}", serde_json::to_string(&config.shown).unwrap());
        assert!(!shown.contains("hidden") && (shown.contains("${T}") || shown.contains("file:app.pem")), "{shown}");
    }
}

#[test]
fn a_token_in_the_environment_opens_nothing() {
    let config = Folder::with("").variable("GITHUB_TOKEN", "t").config();
    assert!(config.github.is_none() && !config.is_mine("acme/api"));
}

#[test]
fn mistakes_in_the_section_are_named() {
    let main = r#"
[github]
token = "ghp_in-the-clear"
url = "https://github.acme.com/api/v3"
repositories = ["acme/api", "acme", "*/api", "acme/../x", "acme/[ab]", 3, "https://github.com/acme/api"]
"#;
    insta::assert_snapshot!(Folder::with(main).problems(), @r#"
    agentd.toml:3: github.token: is a secret written in the clear: say "${NAME}", "file:PATH" or "cmd:PROGRAM", and change the secret if this file was ever shared
    agentd.toml:4: github.url: `https://github.acme.com/api/v3` is not an address of GitHub, which looks like "https://github.acme.com": it has a path
    agentd.toml:5: github.repositories: `acme` is not a repository on GitHub, which looks like "acme/api" or "acme/web-*"
    agentd.toml:5: github.repositories: `*/api`: the owner cannot be a glob; name each owner, as in "acme/*"
    agentd.toml:5: github.repositories: `acme/../x` is not a repository on GitHub, which looks like "acme/api" or "acme/web-*"
    agentd.toml:5: github.repositories: `acme/[ab]` is not a repository on GitHub, which looks like "acme/api" or "acme/web-*"
    agentd.toml:5: github.repositories: must be a text, is a whole number
    agentd.toml:5: github.repositories: `https://github.com/acme/api` is not a repository on GitHub, which looks like "acme/api" or "acme/web-*"
    "#);
    check(
        "[github]",
        "agentd.toml:1: github: must have token = \"${GITHUB_TOKEN}\" or app = { id = NUMBER, key = \"file:PATH\" }: \
         `agentd auth github` makes the section",
    );
    check_problem("app = { id = 1 }", "agentd.toml:1: github: must have one of token, app, has both");
    insta::assert_snapshot!(Folder::with("[github]\napp = { ID = 1 }\nrepository = \"a/b\"").problems(), @r#"
    agentd.toml:2: github.app.id: is missing: say id = NUMBER, the App ID that its page on GitHub shows
    agentd.toml:2: github.app.key: is missing: say key = "file:PATH", the private key that GitHub made for the App
    agentd.toml:2: github.app.ID: is not a key; did you mean `id`?
    agentd.toml:3: github.repository: is not a key; did you mean `repositories`?
    "#);
    let said = Folder::with("[github]\napp = 3").problems();
    assert!(said.starts_with("agentd.toml:2: github.app: must be a table, is a whole number\n"), "{said}");
    // What the broken section would have allowed is no further mistake.
    let main = "[github]\ntoken = \"${GONE}\"\nrepositories = [\"acme/*\"]\n[repositories.\"acme/api\"]\n\
                [sources.issues]\nplugin = \"github-issues\"\nrepositories = [\"acme/api\"]";
    let said = Folder::with(main).problems();
    assert!(said.starts_with("agentd.toml:2: github.token: the variable GONE is not set") && said.lines().count() == 1);
}

#[test]
fn repositories_on_github_need_no_section_and_inherit() {
    let rest = r#"repositories = ["acme/api", "Acme/Web", "acme/api", "acme/lib-*"]
[repositories.default]
gates = ["make test"]
labels = ["by-agent"]
[repositories."acme/web"]
draft = false
[repositories."other/tool"]
push = "fork"
[repositories.here]
path = "here"
"#;
    let mut config = with_token(rest).config();
    assert_eq!(ids(&config), ["acme/api", "acme/web", "here", "other/tool"]);
    let of = |id: &str| {
        let it = &config.repositories[id];
        (it.on_github(), it.push, it.draft, it.gates.len(), it.labels.len())
    };
    assert_eq!(of("acme/api"), (true, None, true, 1, 1));
    assert_eq!(of("acme/web"), (true, None, false, 1, 1));
    assert_eq!(of("other/tool"), (true, Some(Push::Fork), true, 1, 1));
    assert_eq!(of("here"), (false, None, true, 1, 1));
    let shown = |key: &str| {
        let it = config.shown.iter().find(|it| it.key == key).unwrap();
        format!("{} ({})", it.value, it.origin.to_string().rsplit('/').next().unwrap())
    };
    assert_eq!(shown("repositories.\"acme/api\".gates"), "[\"make test\"] (agentd.toml:5)");
    assert_eq!(shown("repositories.\"acme/api\".draft"), "true (default)");

    let found = ["acme/lib-a", "acme/LIB-b", "acme/other", "acme/API", "elsewhere/lib-a"].map(str::to_owned);
    config.take_found(found);
    assert_eq!(ids(&config), ["acme/LIB-b", "acme/api", "acme/lib-a", "acme/web", "here", "other/tool"]);
    let lib = &config.repositories["acme/lib-a"];
    assert_eq!((lib.id.as_str(), &lib.gates, lib.on_github()), ("acme/lib-a", &vec!["make test".to_owned()], true));
}

#[test]
fn nothing_outside_the_list_is_agentds() {
    #[track_caller]
    fn check(config: &Config, names: &[&str], mine: bool) {
        for name in names {
            assert_eq!(config.is_mine(name), mine, "{name}");
        }
    }
    let rest = "repositories = [\"acme/api\", \"acme/web-*\", \"Tools/*\"]\n[repositories.\"other/tool\"]\n\
                [repositories.\"tools/here\"]\npath = \"x\"\n[repositories.\"far/away\"]\npath = \"y\"";
    let config = with_token(rest).config();
    check(
        &config,
        &["acme/api", "ACME/Api", "acme/web-", "acme/web-2", "tools/x", "tools/.github", "other/tool"],
        true,
    );
    check(&config, &["acme/ap", "acme/apis", "acme/web", "acme/web-2/x", "xacme/api", "other/tools", "api", ""], false);
    // What is a folder of this machine is none of GitHub's, and what is no name of a repository is nobody's.
    check(&config, &["tools/here", "far/away", "tools/..", "tools/*", "tools/a b", "tools/x?y"], false);
    let owners: Vec<_> = config.owners_with_globs().into_iter().collect();
    assert_eq!(owners, ["acme", "tools"]);
    check(&Folder::with("[repositories.a]\npath = \"a\"").config(), &["a", "acme/api"], false);
}

#[test]
fn a_repository_is_in_one_place() {
    check(
        "[repositories.\"acme/api\"]\nbase = \"main\"",
        "agentd.toml:1: repositories.\"acme/api\".path: is missing: say path = \"/srv/git/project\" for a repository on \
         this machine; for one on GitHub there has to be [github], which `agentd auth github` makes",
    );
    insta::assert_snapshot!(with_token("[repositories.web]\n[repositories.\"acme/x.git\"]").problems(), @r#"
    agentd.toml:3: repositories.web.path: is missing: say path = "/srv/git/project" for a repository on this machine; one on GitHub has its owner in its id, as in [repositories."acme/api"]
    agentd.toml:4: repositories."acme/x.git".path: is missing: say path = "/srv/git/project" for a repository on this machine; one on GitHub has its owner in its id, as in [repositories."acme/api"]
    "#);
    check_problem(
        "repositories = [\"Acme/api\"]\n[repositories.\"acme/api\"]\npath = \"x\"",
        "agentd.toml:5: repositories.\"acme/api\".path: is a folder of this machine, and [github] repositories has the \
         same id: take one of the two out",
    );
    check_problem(
        "[repositories.\"Acme/api\"]\n[repositories.\"acme/api\"]",
        "agentd.toml:4: repositories.\"acme/api\": is the same repository on GitHub as [repositories.\"Acme/api\"]: keep \
         one of the two",
    );
}

#[test]
fn a_fork_needs_an_account_of_a_person() {
    let fork = "[repositories.default]\npush = \"fork\"\n";
    assert_eq!(with_token(fork).config().repository_defaults.push, Some(Push::Fork));
    check_problem(
        "[repositories.web]\npath = \"web\"\npush = \"fork\"",
        "agentd.toml:5: repositories.web.push: is fork, and web is on this machine: say push = \"ask\" or \"branch\" in \
         its section",
    );
    check_problem(
        &format!("{fork}[repositories.web]\npath = \"web\""),
        "agentd.toml:4: repositories.default.push: is fork, and web is on this machine: say push = \"ask\" or \"branch\" \
         in its section",
    );
    check(fork, "agentd.toml:2: repositories.default.push: is fork, and there is no [github]: say ask or branch");
    let app = format!("[github]\napp = {{ id = 1, key = \"${{T}}\" }}\nrepositories = [\"acme/api\"]\n{fork}");
    assert_eq!(
        Folder::with(&app).variable("T", "key").problems(),
        "agentd.toml:5: repositories.default.push: is fork, and a GitHub App has no forks: say ask or branch, or use a \
         token in [github]"
    );
    check_problem(
        "[repositories.\"acme/api\"]\npush = \"always\"",
        "agentd.toml:4: repositories.\"acme/api\".push: must be ask, branch or fork, is \"always\"",
    );
}

#[test]
fn how_a_pull_request_is_dressed() {
    let rest = r#"[repositories."acme/api"]
labels = ["by-agent", "needs review"]
reviewers = ["octocat", "team:Acme/backend"]
pull_request = "pr.md"
"#;
    let folder = with_token(rest).file("pr.md", "## What\n", 0o644);
    let config = folder.config();
    let api = &config.repositories["acme/api"];
    assert_eq!((&api.labels[1][..], &api.reviewers[1][..]), ("needs review", "team:Acme/backend"));
    assert_eq!(api.pull_request, Some(folder.path().join("pr.md")));
    let rest = format!(
        "[repositories.\"acme/api\"]\nlabels = [\"\", \"{}\"]\nreviewers = [\"@anna\", \"team:acme\", \"team:other/x\"]\n\
         pull_request = \"gone.md\"\ndraft = \"no\"\n[repositories.\"acme/b\"]\npull_request = \"folder\"\n\
         [repositories.\"acme/c\"]\npull_request = \"long.md\"\n",
        "x".repeat(51)
    );
    let folder = with_token(&rest).file("folder/x", "", 0o644).file("long.md", &"x".repeat((64 << 10) + 1), 0o644);
    insta::assert_snapshot!(folder.problems(), @r#"
    agentd.toml:4: repositories."acme/api".labels: must not be empty
    agentd.toml:4: repositories."acme/api".labels: `xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx` is longer than GitHub lets a label be: 50 characters
    agentd.toml:5: repositories."acme/api".reviewers: `@anna` is not the name of an account on GitHub, which looks like "octocat"
    agentd.toml:5: repositories."acme/api".reviewers: `team:acme` is not a team, which looks like "team:acme/backend"
    agentd.toml:5: repositories."acme/api".reviewers: `team:other/x` is a team of other, and cannot be asked for acme/api, which belongs to acme
    agentd.toml:6: repositories."acme/api".pull_request: gone.md cannot be read: No such file or directory (os error 2)
    agentd.toml:7: repositories."acme/api".draft: must be true or false, is a text
    agentd.toml:9: repositories."acme/b".pull_request: folder is not a file: give a Markdown template, or none for the built-in one
    agentd.toml:11: repositories."acme/c".pull_request: long.md is longer than a template may be: 64 KiB
    "#);
}
