//! A plugin's project: the folder with `agentd-plugin.toml`, and what that file says.

use crate::Error;
use agentd_plugin::Kind;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Component, Path, PathBuf};

/// The file that makes a folder a plugin's project.
pub(crate) const FILE: &str = "agentd-plugin.toml";

#[derive(Clone, Debug)]
pub struct Project {
    pub folder: PathBuf,
    pub name: String,
    pub kinds: Vec<Kind>,
    pub language: String,
    /// Program and arguments, run in the folder, in order.
    pub commands: Vec<Vec<String>>,
    /// What the commands make: a component, or a core module. Absolute or relative to where agentd runs, as `folder`.
    pub output: PathBuf,
    /// By program: what to say where it is missing.
    pub tools: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    name: String,
    kinds: Vec<String>,
    language: String,
    build: Build,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Build {
    commands: Vec<Vec<String>>,
    output: PathBuf,
    #[serde(default)]
    tools: BTreeMap<String, String>,
}

impl Project {
    /// Reads the project in `folder`.
    ///
    /// # Errors
    /// [`Error::Project`] with the place in the file.
    pub fn read(folder: &Path) -> Result<Project, Error> {
        let path = folder.join(FILE);
        let text = fs::read_to_string(&path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => Error::Project { path: folder.into(), what: format!("there is no {FILE}") },
            _ => Error::file("cannot read", &path)(error),
        })?;
        let bad = |what: String| Error::Project { path: path.clone(), what };
        let raw: Raw = toml::from_str(&text).map_err(|error| bad(error.to_string().trim_end().to_owned()))?;
        let kinds = raw.kinds.iter().map(|it| kind(it).map_err(&bad)).collect::<Result<Vec<_>, _>>()?;
        if kinds.is_empty() {
            return Err(bad("kinds is empty".into()));
        }
        // The built file is called like that.
        let plain = |it: char| it.is_ascii_alphanumeric() || "-_".contains(it);
        if raw.name.is_empty() || !raw.name.chars().all(plain) {
            return Err(bad("name must be made of letters, digits, - and _".into()));
        }
        if raw.build.commands.iter().any(Vec::is_empty) {
            return Err(bad("build.commands: a command is empty".into()));
        }
        if raw.build.output.components().any(|it| !matches!(it, Component::Normal(_) | Component::CurDir)) {
            return Err(bad("build.output must lie in the project's folder".into()));
        }
        Ok(Project {
            folder: folder.into(),
            name: raw.name,
            kinds,
            language: raw.language,
            commands: raw.build.commands,
            output: folder.join(raw.build.output),
            tools: raw.build.tools,
        })
    }
}

/// The kind of that name.
///
/// # Errors
/// The names that there are, as a sentence.
pub fn kind(name: &str) -> Result<Kind, String> {
    let known = || Kind::ALL.map(Kind::name).join(", ");
    Kind::ALL
        .into_iter()
        .find(|it| it.name() == name)
        .ok_or_else(|| format!("there is no kind {name:?}: there are {}", known()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(FILE), text).unwrap();
        let said = Project::read(folder.path()).map_or_else(|error| error.to_string(), |it| format!("{:?}", it.kinds));
        assert_eq!(said.replace(&folder.path().display().to_string(), "DIR"), expected);
    }

    #[test]
    fn a_project_says_how_it_is_built() {
        let text = "name = \"a\"\nkinds = [\"analyzer\"]\nlanguage = \"c\"\n[build]\ncommands = [[\"true\"]]\n";
        check(&format!("{text}output = \"build/a.wasm\""), "[Analyzer]");
        check(
            &format!("{text}output = \"../a.wasm\""),
            "DIR/agentd-plugin.toml: build.output must lie in the project's folder",
        );
        check(
            &format!("{}output = \"a\"", text.replace("name = \"a\"", "name = \"../a\"")),
            "DIR/agentd-plugin.toml: name must be made of letters, digits, - and _",
        );
        check(
            &format!("{}output = \"a\"", text.replace("analyzer", "oracle")),
            "DIR/agentd-plugin.toml: there is no kind \"oracle\": there are task-source, analyzer, prioritizer, \
             prompt-template, notifier, agent, remote",
        );
        check(
            &format!("{text}out = \"a.wasm\""),
            "DIR/agentd-plugin.toml: TOML parse error at line 6, column 1\n  |\n6 | out = \"a.wasm\"\n  | ^^^\nunknown \
             field `out`, expected one of `commands`, `output`, `tools`",
        );
    }

    #[test]
    fn a_folder_without_the_file_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let error = Project::read(folder.path()).unwrap_err();
        assert!(error.to_string().ends_with("there is no agentd-plugin.toml"), "{error}");
        assert!(error.hint().unwrap().contains("agentd plugin new"));
    }
}
