//! `[approvals.NAME]` as text: what `agentd plugin approve` writes into `conf.d/approvals.toml` beside the configuration.
//!
//! - The file is written only if the whole configuration is right with it; else the old one is put back.
//! - Approvals of other plugins, and comments, stay as they are.

use crate::{
    cli::{config_file, context::Context, exit::Error},
    config::Config,
};
use agentd_plugin::{Approval, Grants};
use std::path::{Path, PathBuf};
use toml_edit::{Array, DocumentMut, InlineTable, Item, Table, Value};

const HEAD: &str = "# What plugins may do, as people approved it. Written by `agentd plugin approve`; a section that is removed is taken\n\
                    # back at once.\n";

/// Where approvals stand.
pub(super) fn place(context: &Context, plugin: &str) -> Result<PathBuf, Error> {
    let main = config_file::place(&context.global)?;
    if !main.exists() || approves(&main, plugin) {
        return Ok(main);
    }
    Ok(main.with_file_name("conf.d").join("approvals.toml"))
}

/// Whether this very file has the section, and would clash with another that has it too.
fn approves(file: &Path, plugin: &str) -> bool {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.parse::<DocumentMut>().is_ok_and(|it| it.get("approvals").is_some_and(|it| it.get(plugin).is_some()))
}

/// Writes the section, and gives back the configuration with it.
pub(super) fn write(context: &Context, file: &Path, plugin: &str, approval: &Approval) -> Result<Config, Error> {
    // In a document that is nothing but a comment the first section would go before it.
    config_file::change(context, file, |old| match old {
        Some(old) => with(old, plugin, approval),
        None => Ok(format!("{HEAD}\n{}", with("", plugin, approval)?)),
    })
}

/// The text with the plugin's section in it.
fn with(text: &str, plugin: &str, approval: &Approval) -> Result<String, Error> {
    let mut document: DocumentMut = text.parse().map_err(|error| {
        Error::usage(format!("the approvals cannot be read: {error}")).hint("agentd config check says where")
    })?;
    if document.get("approvals").is_none() {
        let mut all = Table::new();
        all.set_implicit(true);
        document.insert("approvals", Item::Table(all));
    }
    let all = document["approvals"].as_table_mut().ok_or_else(|| Error::usage("approvals is not a table"))?;
    all.insert(plugin, Item::Table(section(approval)));
    Ok(document.to_string())
}

/// What the section says. Repositories are no part of it: the section that uses the plugin names those.
fn section(approval: &Approval) -> Table {
    let Approval { digest, kinds, grants } = approval;
    let mut table = Table::new();
    table.insert("digest", toml_edit::value(digest));
    table.insert("kinds", list(kinds.iter().map(|it| it.name())));
    if !grants.http.is_empty() {
        let mut places = Array::new();
        places.extend(grants.http.iter().map(place_of));
        table.insert("http", toml_edit::value(places));
    }
    if let Some(forge) = &grants.forge {
        table.insert("forge", list(forge.writes.iter().map(String::as_str)));
    }
    let Grants { directories, mail, models, .. } = grants;
    for (key, texts) in [("directories", directories), ("mail", mail), ("models", models)] {
        if !texts.is_empty() {
            table.insert(key, list(texts.iter().map(String::as_str)));
        }
    }
    if grants.webhook {
        table.insert("webhook", toml_edit::value(true));
    }
    table
}

fn place_of(grant: &agentd_plugin::HttpGrant) -> Value {
    let mut place = InlineTable::new();
    if !grant.methods.is_empty() {
        place.insert("methods", grant.methods.iter().map(String::as_str).collect::<Array>().into());
    }
    place.insert("url", grant.url_prefix.as_str().into());
    if let Some(credential) = &grant.credential {
        place.insert("credential", credential.as_str().into());
    }
    place.into()
}

fn list<'a>(texts: impl Iterator<Item = &'a str>) -> Item {
    toml_edit::value(texts.collect::<Array>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use agentd_plugin::{ForgeGrant, HttpGrant, Kind};

    fn approval() -> Approval {
        let http = HttpGrant {
            methods: vec!["POST".into()],
            url_prefix: "https://api.example.org/graphql".into(),
            credential: Some("tracker".into()),
        };
        let grants = Grants {
            http: vec![http],
            forge: Some(ForgeGrant { writes: ["comment".to_owned()].into() }),
            mail: vec!["*@example.org".into()],
            ..Grants::default()
        };
        Approval { digest: "sha256:12".into(), kinds: vec![Kind::TaskSource, Kind::Notifier], grants }
    }

    #[test]
    fn an_approval_takes_the_place_of_the_one_before_and_leaves_the_others() {
        let old = "# mine\n[approvals.other]\ndigest = \"sha256:9\" # seen\n\n[approvals.tracker]\ndigest = \"sha256:1\"\nwebhook = true\n";
        insta::assert_snapshot!(with(old, "tracker", &approval()).unwrap(), @r#"
        # mine
        [approvals.other]
        digest = "sha256:9" # seen

        [approvals.tracker]
        digest = "sha256:12"
        kinds = ["task-source", "notifier"]
        http = [{ methods = ["POST"], url = "https://api.example.org/graphql", credential = "tracker" }]
        forge = ["comment"]
        mail = ["*@example.org"]
        "#);
        assert!(with("", "tracker", &approval()).unwrap().starts_with("[approvals.tracker]\n"));
        assert!(with("approvals = 1", "tracker", &approval()).is_err());
    }
}
