//! `agentd plugin use`: writes the section that puts a plugin to use.

use super::{plugin, words};
use crate::cli::{config_file, context::Context, exit::Error, rehearsal::Rehearsal};
use serde_json::{Value, json};
use std::fs;
use toml_edit::{DocumentMut, Item, Table, value};

/// Put a plugin to use: writes its section into the configuration
///
/// A prioritizer or prompt template takes the place of the one before; the other kinds get a section of their own.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  agentd plugin use weighted\n  agentd plugin use linear --as backlog --set team=ENG"
)]
pub(crate) struct Use {
    /// The plugin's name, as `agentd plugin list` shows it
    name: String,
    /// The name of the section, for kinds that may be used several times [default: the plugin's name]
    #[arg(long = "as", value_name = "NAME")]
    section: Option<String>,
    /// As what, for a plugin of several kinds
    #[arg(long)]
    kind: Option<String>,
    /// A setting, as NAME=VALUE; the value as TOML, or else a text
    #[arg(long = "set", value_name = "NAME=VALUE")]
    settings: Vec<String>,
}

impl Use {
    pub(crate) async fn act(self, context: &mut Context) -> Result<(), Error> {
        let listed = plugin(context, &self.name).await?;
        let kind = self.kind(&listed)?;
        let path = section_path(&kind, self.section.as_deref().unwrap_or(&self.name))?;
        let file = config_file::place(&context.global)?;
        let old = fs::read_to_string(&file).unwrap_or_default();
        self.check(context, &with(&old, &path, &self.name, &self.settings)?, &path).await?;
        config_file::change(context, &file, |old| with(old.unwrap_or_default(), &path, &self.name, &self.settings))?;
        let section = path.join(".");
        let answer = json!({ "plugin": self.name, "kind": kind, "section": section, "file": file });
        context.out.either(&answer, |_| {
            format!("[{section}] in {} uses {} now; a running agentd takes it up by itself", file.display(), self.name)
        })
    }

    /// Settings that the plugin refuses are not written: with them agentd would refuse the whole configuration. Whatever
    /// else is in the way, as an approval that is missing, is said where the configuration is read.
    async fn check(&self, context: &Context, text: &str, path: &[String]) -> Result<(), Error> {
        let Ok(config) = context.config() else { return Ok(()) };
        let rehearsal = context.progress.during("loading the plugins", Rehearsal::load(&config)).await?;
        let name = path.last().map_or("", String::as_str);
        match rehearsal.plugins.entry(name, &self.name, settings_in(text, path), vec![]).await {
            Err(error @ agentd_plugin::Error::Settings { .. }) => Err(Error::usage(error.to_string())
                .hint(format!("`agentd plugin inspect {}` shows what it takes; nothing was changed", self.name))),
            _ => Ok(()),
        }
    }

    fn kind(&self, listed: &Value) -> Result<String, Error> {
        let kinds: Vec<String> = listed["kinds"].as_array().into_iter().flatten().map(words).collect();
        match (&self.kind, &kinds[..]) {
            (Some(kind), _) if kinds.contains(kind) => Ok(kind.clone()),
            (None, [only]) => Ok(only.clone()),
            _ => Err(Error::usage(format!(
                "{} is of the kinds {}: say one of them with --kind",
                self.name,
                kinds.join(", ")
            ))),
        }
    }
}

/// The settings of a section, as the plugin gets them.
fn settings_in(text: &str, path: &[String]) -> Value {
    let whole: Value = toml::from_str(text).unwrap_or_default();
    match &path.iter().fold(&whole, |it, key| &it[key.as_str()])["settings"] {
        Value::Null => json!({}),
        settings => settings.clone(),
    }
}

/// Where the plugins of a kind are put to use.
fn section_path(kind: &str, name: &str) -> Result<Vec<String>, Error> {
    let named = |section: &str| Ok(vec![section.to_owned(), name.to_owned()]);
    match kind {
        "prioritizer" => Ok(vec!["prioritizer".into()]),
        "prompt-template" => Ok(vec!["prompts".into()]),
        "task-source" => named("sources"),
        "analyzer" => named("analyzers"),
        "notifier" => named("notifiers"),
        "agent" => named("agents"),
        other => Err(Error::usage(format!("plugins of the kind {other} cannot be put to use by this agentd"))),
    }
}

/// The text with the section in it; settings that it has and that are not given stay, as long as the plugin is the same.
fn with(text: &str, path: &[String], plugin: &str, settings: &[String]) -> Result<String, Error> {
    let mut document: DocumentMut = text.parse().map_err(|error| {
        Error::usage(format!("the configuration cannot be read: {error}")).hint("agentd config check says where")
    })?;
    let mut table = document.as_table_mut();
    for (depth, key) in path.iter().enumerate() {
        let item = table.entry(key).or_insert_with(|| {
            let mut new = Table::new();
            new.set_implicit(depth + 1 < path.len());
            Item::Table(new)
        });
        table = item.as_table_mut().ok_or_else(|| {
            Error::usage(format!("{} in the configuration is not a section of its own", path.join(".")))
                .hint("write it as [section]")
        })?;
    }
    let same = table.get("plugin").and_then(Item::as_str) == Some(plugin);
    if !same {
        table.remove("settings");
    }
    table.insert("plugin", value(plugin));
    for setting in settings {
        let (name, text) =
            setting.split_once('=').ok_or_else(|| Error::usage(format!("--set {setting}: say NAME=VALUE")))?;
        let given: toml_edit::Value = text.parse().unwrap_or_else(|_| text.into());
        let all = table.entry("settings").or_insert_with(|| Item::Value(toml_edit::InlineTable::new().into()));
        let all = all.as_table_like_mut().ok_or_else(|| Error::usage("settings is not a table"))?;
        all.insert(name, Item::Value(given));
    }
    Ok(document.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, path: &[&str], plugin: &str, settings: &[&str], expected: &str) {
        let owned = |it: &[&str]| it.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
        assert_eq!(with(text, &owned(path), plugin, &owned(settings)).unwrap(), expected);
    }

    #[test]
    fn the_plugin_is_asked_about_the_settings_that_would_be_written() {
        let path = ["sources", "a"].map(String::from);
        let text = with("[sources.a]\nplugin = \"b\"\nsettings = { x = 1 }\n", &path, "b", &["y=2".into()]).unwrap();
        assert_eq!(settings_in(&text, &path), json!({ "x": 1, "y": 2 }));
        assert_eq!(settings_in("", &path), json!({}));
    }

    #[test]
    fn the_section_is_made_or_brought_up_to_date() {
        check("", &["prioritizer"], "weighted", &[], "[prioritizer]\nplugin = \"weighted\"\n");
        let old = "mode = \"ask\"\n[prioritizer] # mine\nplugin = \"old\"\nsettings = { a = 1 }\n";
        let new = "mode = \"ask\"\n[prioritizer] # mine\nplugin = \"weighted\"\nsettings = { age = 2, x = \"y z\" }\n";
        check(old, &["prioritizer"], "weighted", &["age=2", "x=y z"], new);
        check(
            "[sources.inbox]\nplugin = \"folder\"\n",
            &["sources", "backlog"],
            "linear",
            &["team=ENG"],
            "[sources.inbox]\nplugin = \"folder\"\n\n[sources.backlog]\nplugin = \"linear\"\nsettings = { team = \"ENG\" }\n",
        );
        assert!(with("sources = 1", &["sources".into(), "a".into()], "b", &[]).is_err());
    }
}
