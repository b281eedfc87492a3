//! Which access to GitHub is meant: as the options say, as the environment suggests, or as a person answers.

use crate::cli::{
    ask::Ask,
    config_file::{Access, Candidate},
    exit::Error,
};
use secrecy::SecretString;
use std::path::{Path, PathBuf};

/// The variable that other tools take a token from.
pub(crate) const USUAL_VARIABLE: &str = "GITHUB_TOKEN";
const OPTIONS: &str = "--token-file, --token-env or --app-id with --app-key";

/// Access as the command line names it.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Given {
    /// A file with a personal token in it, which only you can read
    #[arg(long, value_name = "FILE", group = "access")]
    pub(crate) token_file: Option<PathBuf>,
    /// The environment variable that a personal token is in; the daemon has to have it too
    #[arg(long, value_name = "NAME", group = "access")]
    pub(crate) token_env: Option<String>,
    /// The number of a GitHub App
    #[arg(long, value_name = "NUMBER", group = "access", requires = "app_key")]
    pub(crate) app_id: Option<u64>,
    /// The file with the private key of the App, which only you can read
    #[arg(long, value_name = "FILE", requires = "app_id")]
    pub(crate) app_key: Option<PathBuf>,
    /// The address of a GitHub Enterprise Server [default: github.com]
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<String>,
}

/// The access for the configuration.
pub(crate) struct Chosen {
    /// None: the one that stands there.
    pub(crate) access: Option<Access>,
    /// The token itself, if somebody typed it in.
    pub(crate) typed: Option<SecretString>,
}

impl Given {
    /// Whether any access is named at all.
    pub(crate) fn is_given(&self) -> bool {
        self.token_file.is_some() || self.token_env.is_some() || self.app_id.is_some()
    }

    /// What the options say, as far as they do. `config`: the file that is to name it.
    pub(crate) fn access(&self, config: &Path) -> Result<Option<Access>, Error> {
        if let Some(file) = &self.token_file {
            return Ok(Some(Access::Token(reference(file, config)?)));
        }
        if let Some(name) = &self.token_env {
            return Ok(Some(Access::Token(format!("${{{name}}}"))));
        }
        match (self.app_id, &self.app_key) {
            (Some(id), Some(key)) => Ok(Some(Access::App { id, key: reference(key, config)? })),
            _ => Ok(None),
        }
    }

    /// The options, or what is there already, or what a person says.
    pub(crate) fn choose(&self, ask: &mut Ask, config: &Path, there: bool) -> Result<Chosen, Error> {
        let usual = std::env::var_os(USUAL_VARIABLE).is_some_and(|it| !it.is_empty());
        self.choose_with(ask, config, there, usual)
    }

    /// `usual`: the usual variable holds something.
    fn choose_with(&self, ask: &mut Ask, config: &Path, there: bool, usual: bool) -> Result<Chosen, Error> {
        let untyped = |access| Chosen { access, typed: None };
        if let Some(access) = self.access(config)? {
            return Ok(untyped(Some(access)));
        }
        if there {
            return Ok(untyped(None));
        }
        if usual && ask.agree(&format!("{USUAL_VARIABLE} is set: shall agentd work with that token?"))? {
            return Ok(untyped(Some(Access::Token(format!("${{{USUAL_VARIABLE}}}")))));
        }
        match ask.one_of("How does agentd get into GitHub", &["token", "app"], OPTIONS) {
            // Nobody can be asked for a token, so a default would lead nowhere.
            _ if !ask.can() => Err(crate::cli::ask::nobody(OPTIONS)),
            Ok(kind) if kind == "app" => {
                let number = |text: &str| text.parse::<u64>().map(drop).map_err(|_| "that is no number".to_owned());
                let id = ask.text("The App's number (App ID on its page)", None, "--app-id", number)?;
                let file = |text: &str| match Path::new(text).is_file() {
                    true => Ok(()),
                    false => Err(format!("there is no file {text}")),
                };
                let key = ask.text("The file with its private key (.pem)", None, "--app-key", file)?;
                let id = id.parse().map_err(|_| Error::usage("the App's number is none"))?;
                Ok(untyped(Some(Access::App { id, key: reference(Path::new(&key), config)? })))
            }
            Ok(_) => {
                let typed = ask.secret("A personal token of the account that agentd works as", OPTIONS)?;
                let access = Some(Access::Token(Candidate::TYPED_REFERENCE.into()));
                Ok(Chosen { access, typed: Some(typed) })
            }
            Err(error) => Err(error),
        }
    }
}

/// `file:PATH`: relative where it lies beside the configuration, so that both can be moved together.
fn reference(file: &Path, config: &Path) -> Result<String, Error> {
    let path = file
        .canonicalize()
        .map_err(|error| Error::usage(format!("the file {} cannot be read: {error}", file.display())))?;
    let folder = config.parent().and_then(|it| it.canonicalize().ok());
    let beside = folder.as_deref().and_then(|it| path.strip_prefix(it).ok());
    Ok(format!("file:{}", beside.unwrap_or(&path).display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(given: &Given, answers: &'static str, there: bool, usual: bool, expected: &str) {
        let mut ask = match answers {
            "" => Ask::nobody(false),
            "yes" => Ask::nobody(true),
            answers => Ask::scripted(answers, Box::new(std::io::sink())),
        };
        let chosen = given.choose_with(&mut ask, Path::new("/etc/agentd/agentd.toml"), there, usual);
        let text = match chosen {
            Ok(Chosen { access, typed }) => {
                let access = match access {
                    None => "as it is".to_owned(),
                    Some(Access::Token(reference)) => reference,
                    Some(Access::App { id, key }) => format!("{id} {key}"),
                };
                access + if typed.is_some() { ", typed" } else { "" }
            }
            Err(error) => error.text,
        };
        assert_eq!(text, expected);
    }

    #[test]
    fn options_come_first_then_what_is_there_then_the_environment_then_a_person() {
        let nobody =
            "there is no terminal to ask on, and --token-file, --token-env or --app-id with --app-key is missing";
        let none = Given::default();
        let variable = Given { token_env: Some("BOT".into()), ..Given::default() };
        check(&variable, "", true, true, "${BOT}");
        check(&none, "", true, true, "as it is");
        check(&none, "", false, true, nobody);
        check(&none, "yes", false, true, "${GITHUB_TOKEN}");
        check(&none, "yes", false, false, nobody);
        check(&none, "y\n", false, true, "${GITHUB_TOKEN}");
        check(&none, "n\ntoken\nghp_x\n", false, true, "file:secrets/github-token, typed");
        check(&none, "\nghp_x\n", false, false, "file:secrets/github-token, typed");
        check(
            &none,
            "app\nx\n7\n/no/file\n/dev/null\n",
            false,
            false,
            "the answers ended before the questions; nothing was written",
        );
        let missing = Given { token_file: Some("/no/file".into()), ..Given::default() };
        check(&missing, "", false, false, "the file /no/file cannot be read: No such file or directory (os error 2)");
    }

    #[test]
    fn a_file_beside_the_configuration_is_named_from_there() {
        let dir = tempfile::tempdir().unwrap();
        let (config, key) = (dir.path().join("agentd.toml"), dir.path().join("app.pem"));
        std::fs::write(&key, "key").unwrap();
        assert_eq!(reference(&key, &config).unwrap(), "file:app.pem");
        let elsewhere = Path::new("/nowhere/agentd.toml");
        let whole = format!("file:{}", key.canonicalize().unwrap().display());
        assert_eq!(reference(&key, elsewhere).unwrap(), whole);
    }
}
