//! GitHub: whether it lets agentd in, what it lacks there, and what a pushed branch would be given in CI.

use super::{Check, workflows};
use crate::{
    cli::github::{self, Look},
    config::Config,
};
use agentd_forge::github::WORK_LABEL;
use std::{collections::BTreeSet, time::Duration};
use tokio::time::timeout;

const LIMIT: Duration = Duration::from_secs(60);
const PLUGIN: &str = "github-issues";

pub(super) async fn check(config: &Config) -> Vec<Check> {
    if config.github.is_none() {
        return Vec::new();
    }
    let client = match github::client(config) {
        Ok(client) => client,
        Err(error) => return vec![Check::fail("github", error.text, error.hint.unwrap_or_default())],
    };
    let look = match timeout(LIMIT, github::look(&client, config, &start_label(config))).await {
        Ok(Ok(look)) => look,
        Ok(Err(error)) => {
            let hint = error.hint.unwrap_or_else(|| "agentd auth github tests it alone".into());
            return vec![Check::fail("github", error.text, hint)];
        }
        Err(_) => {
            let hint = "see whether it can be reached from here, and [network] proxy";
            return vec![Check::fail("github", "does not answer within 60 s", hint)];
        }
    };
    let mut checks = look.checks();
    checks.extend(look.clock());
    checks.extend(labels(&look));
    let sees = |id: &str| look.repositories.iter().any(|it| it.name == id && it.lacks.is_empty());
    for repository in config.repositories.values().filter(|it| it.on_github() && sees(&it.id)) {
        checks.push(workflows::check(&client, config, repository).await);
    }
    checks
}

/// The label that starts work; where sources differ, the first one's.
fn start_label(config: &Config) -> String {
    let sources = config.sources.values().filter(|it| it.plugin == PLUGIN);
    let mut labels = sources.filter_map(|it| it.settings.get("labels")?.get(0)?.as_str());
    labels.next().unwrap_or(WORK_LABEL).to_owned()
}

fn labels(look: &Look) -> Option<Check> {
    let missing: Vec<_> = look.without_labels().collect();
    if missing.is_empty() {
        return None;
    }
    let names: BTreeSet<_> = missing.iter().flat_map(|it| &it.without).map(|it| it.name.as_str()).collect();
    let names = names.into_iter().collect::<Vec<_>>().join(", ");
    let of = missing.iter().map(|it| it.name.as_str()).collect::<Vec<_>>().join(", ");
    let hint = "agentd auth github --create-labels makes them";
    Some(Check::warn("labels", format!("{names} are missing in {of}"), hint))
}
