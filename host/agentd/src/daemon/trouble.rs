//! What keeps a configuration from holding that its reader found nothing wrong with: a plugin, a repository or this
//! machine does not agree with it.

use super::Misconfigured;
use crate::config::{Config, Origin, Problem};
use std::path::PathBuf;

/// One thing that is wrong.
#[derive(Debug)]
pub(super) struct Trouble {
    /// The section, or the key, that it is about.
    key: String,
    /// Each is one sentence; those of a plugin begin with `settings.KEY: `.
    what: Vec<String>,
    error: anyhow::Error,
}

impl Trouble {
    pub(super) fn of(key: &str, error: anyhow::Error) -> Trouble {
        let text = match error.downcast_ref::<Misconfigured>() {
            // It names the section itself, as a start's error has to.
            Some(it) => without_section(&it.text).to_owned(),
            None => format!("{error:#}"),
        };
        Trouble { key: key.into(), what: vec![text], error }
    }

    /// The settings of a section do not suit its plugin.
    pub(super) fn settings(section: &str, problems: &[String], error: anyhow::Error) -> Trouble {
        Trouble { key: section.into(), what: problems.to_vec(), error }
    }

    /// The first of them as what keeps agentd from starting.
    pub(super) fn none(troubles: Vec<Trouble>) -> anyhow::Result<()> {
        match troubles.into_iter().next() {
            Some(it) => Err(it.error),
            None => Ok(()),
        }
    }

    /// With the places in the files that they are about.
    pub(super) fn placed(&self, config: &Config) -> Vec<Problem> {
        let one = |what: &String| {
            let (key, what) = match what.split_once(": ").filter(|(key, _)| key.starts_with("settings")) {
                Some((key, rest)) => (format!("{}.{key}", self.key), rest),
                None => (self.key.clone(), what.as_str()),
            };
            let (file, line) = place(config, &key, &self.key);
            Problem { file, line, key, what: what.into() }
        };
        self.what.iter().map(one).collect()
    }
}

/// `[sources.inbox]: what` without its beginning.
fn without_section(text: &str) -> &str {
    text.strip_prefix('[').and_then(|it| it.split_once("]: ")).map_or(text, |(_, what)| what)
}

/// Where the key stands; else where something of its section does.
fn place(config: &Config, key: &str, section: &str) -> (Option<PathBuf>, Option<usize>) {
    let in_file = |wanted: &dyn Fn(&str) -> bool| {
        let found = config.shown.iter().filter(|it| wanted(&it.key)).find_map(|it| match &it.origin {
            Origin::File(place) => Some(place),
            _ => None,
        })?;
        let (file, line) = found.rsplit_once(':')?;
        Some((Some(PathBuf::from(file)), line.parse().ok()))
    };
    let below = |it: &str, of: &str| it == of || it.strip_prefix(of).is_some_and(|rest| rest.starts_with('.'));
    // Settings are one value of the section, whatever is in them.
    let settings = format!("{section}.settings");
    let exact = |it: &str| it == key || (key.starts_with(&settings) && it == settings);
    in_file(&exact).or_else(|| in_file(&|it| below(it, section))).unwrap_or((None, None))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::Environment, daemon::misconfigured};

    #[track_caller]
    fn check(trouble: &Trouble, expected: &[&str]) {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("agentd.toml");
        let text = "home = \"/h\"\n[sources.inbox]\nplugin = \"folder\"\nsettings = { path = 5 }\n\
                    [repositories.\"acme/api\"]\npath = \"/a\"\n";
        std::fs::write(&file, text).unwrap();
        let config = Config::load_in(Some(&file), None, Environment::of_process()).unwrap();
        let folder = format!("{}/", dir.path().display());
        let all: Vec<_> = trouble.placed(&config).iter().map(|it| it.to_string().replace(&folder, "")).collect();
        assert_eq!(all, expected);
    }

    #[test]
    fn each_problem_is_named_with_the_line_that_it_is_about() {
        let whole = || misconfigured("[sources.inbox]: it does not fit", "look at it");
        let problems = ["settings.path: must be string, is number".to_owned(), "settings.x: is missing".to_owned()];
        check(
            &Trouble::settings("sources.inbox", &problems, whole()),
            &[
                "agentd.toml:4: sources.inbox.settings.path: must be string, is number",
                "agentd.toml:4: sources.inbox.settings.x: is missing",
            ],
        );
        check(&Trouble::of("sources.inbox", whole()), &["agentd.toml:3: sources.inbox: it does not fit"]);
        let gone = misconfigured("[repositories.\"acme/api\"]: /a is no repository", "give another path");
        let key = crate::config::join_path("repositories", "acme/api");
        check(&Trouble::of(&key, gone), &["agentd.toml:6: repositories.\"acme/api\": /a is no repository"]);
        check(&Trouble::of("prompts", anyhow::anyhow!("they are gone")), &["prompts: they are gone"]);
    }
}
