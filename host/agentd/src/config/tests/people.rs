//! Sources and notifiers: which repositories they are for, who may start work, and what becomes of it.

use super::*;
use agentd_forge::Right;
use agentd_run::Allow;

const GITHUB: &str = "[github]\ntoken = \"${T}\"\nrepositories = [\"acme/api\", \"acme/web-*\"]\n";

fn with_github(rest: &str) -> Folder {
    Folder::with(&format!("{GITHUB}{rest}")).variable("T", "t")
}

#[test]
fn who_may_start_work() {
    #[track_caller]
    fn check(plugin: &str, allow: &str, expected: Result<Option<Allow>, &str>) {
        let folder = with_github(&format!("[sources.s]\nplugin = \"{plugin}\"\n{allow}"));
        match expected {
            Ok(allow) => assert_eq!(folder.config().sources["s"].allow, allow),
            Err(what) => assert_eq!(folder.problems(), format!("agentd.toml:6: sources.s.allow: {what}")),
        }
    }
    let right = |it| Ok(Some(Allow::Right(it)));
    let people = |it: &[&str]| Ok(Some(Allow::People(it.iter().map(|it| (*it).to_owned()).collect())));
    check("github-issues", "", right(Right::Write));
    check("folder", "", Ok(None));
    check("folder", "allow = \"write\"", right(Right::Write));
    check("github-issues", "allow = \"triage\"", right(Right::Triage));
    check("github-issues", "allow = \"admin\"", right(Right::Admin));
    check("github-issues", "allow = [\"anna\", \"ben\", \"anna\"]", people(&["anna", "ben"]));
    check("linear", "allow = [\"712020:ab12\"]", people(&["712020:ab12"]));
    let open = |word: &str| {
        format!(
            "is {word}, and so anybody who sees the repository could start work: take triage, write, maintain or admin"
        )
    };
    check("github-issues", "allow = \"read\"", Err(&open("read")));
    check("github-issues", "allow = \"none\"", Err(&open("none")));
    let words = "must be triage, write, maintain or admin, or a list of people, is";
    check("github-issues", "allow = \"everybody\"", Err(&format!("{words} \"everybody\"")));
    check("github-issues", "allow = true", Err(&format!("{words} true or false")));
    check(
        "github-issues",
        "allow = []",
        Err("names nobody, and so no work could ever start: take the source out instead"),
    );
    check("github-issues", "allow = [\"@anna\"]", Err("`@anna`: write the account without the @, as in \"anna\""));
    check(
        "github-issues",
        "allow = [\"*\"]",
        Err("`*` is not the name of an account; each has to be named for itself"),
    );
    check("github-issues", "allow = [1]", Err("must be the name of an account, is a whole number"));
}

#[test]
fn rights_and_issues_need_github() {
    check(
        "[sources.s]\nplugin = \"folder\"\nallow = \"write\"\n[sources.issues]\nplugin = \"github-issues\"",
        "agentd.toml:3: sources.s.allow: is a right, which only GitHub knows of, and there is no [github]: name people \
         instead\n\
         agentd.toml:5: sources.issues.plugin: reads issues on GitHub, and there is no [github]: `agentd auth github` \
         makes it",
    );
    let none = "[github]\ntoken = \"${T}\"\n[sources.issues]\nplugin = \"github-issues\"";
    assert_eq!(
        Folder::with(none).variable("T", "t").problems(),
        "agentd.toml:4: sources.issues.plugin: reads issues on GitHub, and [github] repositories has none for it"
    );
}

#[test]
fn globs_of_repositories_have_to_name_some() {
    #[track_caller]
    fn check(section: &str, globs: &str, problem: Option<&str>) {
        let rest =
            format!("[repositories.here]\npath = \"here\"\n[{section}.x]\nplugin = \"p\"\nrepositories = {globs}");
        let folder = with_github(&rest);
        match problem {
            None => drop(folder.config()),
            Some(what) => assert_eq!(folder.problems(), format!("agentd.toml:8: {section}.x.repositories: {what}")),
        }
    }
    for section in ["sources", "analyzers", "notifiers"] {
        for good in ["here", "acme/api", "Acme/API", "acme/*", "acme/web-2", "acme/web-*", "acme/*-2", "her?"] {
            check(section, &format!("[{good:?}]"), None);
        }
        let (known, unnamed) = ("known are acme/api, here", "and [github] repositories does not name it");
        for (bad, meant) in [("acme/ap", "did you mean \"acme/api\"?"), ("acme/docs-site", known)] {
            let what = format!("there is no [repositories.{bad:?}], {unnamed}; {meant}");
            check(section, &format!("[{bad:?}]"), Some(&what));
        }
        check(section, "[\"other/*\"]", Some(&format!("no repository is named by \"other/*\"; {known}")));
        check(
            section,
            "[\"{a\"]",
            Some("is not a glob: unclosed alternate group; missing '}' (maybe escape '{' with '[{]'?)"),
        );
    }
}

#[test]
fn globs_name_repositories_also_when_they_are_found_later() {
    #[track_caller]
    fn check(config: &Config, globs: &[&str], expected: &str) {
        let globs: Vec<_> = globs.iter().map(|it| (*it).to_owned()).collect();
        assert_eq!(config.repositories_of(&globs).join(" "), expected, "{globs:?}");
    }
    let mut config = with_github("[repositories.here]\npath = \"here\"").config();
    check(&config, &[], "acme/api here");
    check(&config, &["acme/web-*"], "");
    config.take_found(["acme/web-a".to_owned(), "acme/lib".to_owned()]);
    check(&config, &[], "acme/api acme/web-a here");
    check(&config, &["acme/web-*"], "acme/web-a");
    check(&config, &["ACME/*"], "acme/api acme/web-a");
    check(&config, &["acme/*", "HERE"], "acme/api acme/web-a here");
}

#[test]
fn a_source_may_name_a_repository_that_is_found_later() {
    let source = |repository: &str| with_github(&format!("[sources.s]\nplugin = \"p\"\nrepository = {repository:?}"));
    assert_eq!(source("acme/web-2").config().sources["s"].repository.as_deref(), Some("acme/web-2"));
    assert_eq!(
        source("acme/docs-site").problems(),
        "agentd.toml:6: sources.s.repository: there is no [repositories.\"acme/docs-site\"], and [github] \
         repositories does not name it; known are acme/api"
    );
}

#[test]
fn what_strangers_write_reaches_no_agent_without_walls() {
    #[track_caller]
    fn check(rest: &str, open: Option<&str>) {
        let folder = with_github(&format!("[sources.s]\nplugin = \"github-issues\"\n{rest}"));
        let Some(open) = open else {
            folder.config();
            return;
        };
        let what = format!(
            "agentd.toml:5: sources.s.plugin: brings what anybody can write, and the executor of {open} is local, which has \
             no walls: take executor = \"docker\"; to try one issue out, `agentd run --issue NUMBER` works on it"
        );
        assert_eq!(folder.problems(), what, "{rest}");
    }
    let local = "executor = \"local\"";
    check("", None);
    check(&format!("[sandbox]\n{local}"), Some("acme/api, acme/web-*"));
    check(&format!("[repositories.default]\n{local}"), Some("acme/api, acme/web-*"));
    check(&format!("[repositories.\"acme/api\"]\n{local}"), Some("acme/api"));
    check(&format!("repositories = [\"acme/web-*\"]\n[repositories.\"acme/api\"]\n{local}"), None);
    check(&format!("[repositories.here]\npath = \"here\"\n{local}"), None);
    let docker = "[repositories.default]\nexecutor = \"docker\"";
    check(&format!("{docker}\n[sandbox]\n{local}"), None);
    // An analyzer that shows issues does the same, and nobody's right is asked for.
    let quiet = format!("[analyzers.q]\nplugin = \"stale-issues\"\nmode = \"ask\"\n[sandbox]\n{local}");
    assert!(with_github(&quiet).problems().starts_with("agentd.toml:5: analyzers.q.plugin: brings what anybody"));
    let auto = "mode = \"auto\"\n[github]\ntoken = \"${T}\"\nrepositories = [\"acme/api\"]\n[analyzers.q]\nplugin = \"stale-issues\"";
    let problems = Folder::with(auto).variable("T", "t").problems();
    assert!(problems.contains("analyzers.q.mode: is auto, here or at the top"), "{problems}");
    Folder::with(&format!("{auto}\nmode = \"propose\"")).variable("T", "t").config();
    // Another source brings what people of one's own wrote.
    with_github(&format!("[sources.s]\nplugin = \"folder\"\n[sandbox]\n{local}")).config();
}

#[test]
fn the_mode_at_the_top_is_that_of_all_that_say_none() {
    let modes = |top: &str| {
        let rest = "[sources.a]\nplugin = \"p\"\n[sources.b]\nplugin = \"p\"\nmode = \"auto\"\n\
                    [analyzers.c]\nplugin = \"p\"\n[analyzers.d]\nplugin = \"p\"\nmode = \"ask\"";
        let config = Folder::with(&format!("{top}\n{rest}")).config();
        let modes = ["a", "b"].map(|it| config.sources[it].mode).into_iter();
        modes.chain(["c", "d"].map(|it| config.analyzers[it].mode)).collect::<Vec<_>>()
    };
    assert_eq!(modes(""), [Mode::Ask, Mode::Auto, Mode::Ask, Mode::Ask]);
    assert_eq!(modes("mode = \"propose\""), [Mode::Propose, Mode::Auto, Mode::Propose, Mode::Ask]);
    assert_eq!(modes("mode = \"auto\""), [Mode::Auto, Mode::Auto, Mode::Auto, Mode::Ask]);
}
