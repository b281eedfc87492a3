//! `[accounts.NAME]`: with whose key models are called.
//!
//! Where no account of a provider is configured and the provider's usual variable is set, there is one under the
//! provider's name: a person with a key needs no configuration. The key stays with the gateway: no sandbox, plugin or
//! log sees it.

use super::{
    Config, Shown,
    effective::{Fingerprint, Origin},
    plugin_use::Agent,
    secret::Secret,
    section::{Bad, Reading, Section, list, similar},
    tree::{Node, Value},
    value,
};
use agentd_gateway::Provider;
use serde_json::json;
use std::collections::BTreeMap;

/// Every provider: its word, and its address where there is only one.
const PROVIDERS: [(Provider, &str, Option<&str>); 4] = [
    (Provider::Anthropic, "anthropic", Some("https://api.anthropic.com")),
    (Provider::OpenAi, "openai", Some("https://api.openai.com/v1")),
    (Provider::OpenAiCompatible, "openai-compatible", None),
    (Provider::Gemini, "gemini", Some("https://generativelanguage.googleapis.com")),
];

/// Accounts that are there without being configured: name, provider, and the variable that holds the key.
const IMPLIED: [(&str, Provider, &str); 3] = [
    ("anthropic", Provider::Anthropic, "ANTHROPIC_API_KEY"),
    ("openai", Provider::OpenAi, "OPENAI_API_KEY"),
    ("gemini", Provider::Gemini, "GEMINI_API_KEY"),
];

/// Somebody's access to a model provider.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) provider: Provider,
    pub(crate) key: Secret,
    /// What the provider's paths begin with, without a slash at the end.
    pub(crate) url: String,
}

/// Why an agent has nobody's key to work with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoAccount {
    #[error("there is no account that speaks {}", apis.join(" or "))]
    Missing { apis: Vec<String> },
    #[error("several accounts speak {}: {}", apis.join(" or "), accounts.join(", "))]
    Several { apis: Vec<String>, accounts: Vec<String> },
    #[error("the account {account} ({provider}) does not speak {}", apis.join(" or "))]
    Other { apis: Vec<String>, account: String, provider: &'static str },
}

impl NoAccount {
    /// What to do, for the agent of that name.
    #[must_use]
    pub(crate) fn hint(&self, agent: &str) -> String {
        match self {
            NoAccount::Missing { apis } | NoAccount::Other { apis, .. } => {
                let speaks = |provider: Provider| provider.apis().iter().any(|it| apis.iter().any(|api| api == it));
                match IMPLIED.iter().find(|(_, provider, _)| speaks(*provider)) {
                    Some((name, _, variable)) => format!(
                        "export {variable}=…, or add [accounts.NAME] with provider = \"{name}\" and key, and say \
                         [agents.{agent}] account = \"NAME\""
                    ),
                    None => "add [accounts.NAME] with provider, url and key".into(),
                }
            }
            NoAccount::Several { .. } => format!("say which: [agents.{agent}] account = \"NAME\""),
        }
    }
}

impl Account {
    /// As the configuration calls its provider.
    #[must_use]
    pub(crate) fn provider_word(&self) -> &'static str {
        word(self.provider)
    }
}

impl Config {
    /// The account that an agent's model calls go to: the one it names, else the only one that speaks one of `apis`.
    ///
    /// # Errors
    /// [`NoAccount`].
    pub(crate) fn account_of(&self, agent: &Agent, apis: &[String]) -> Result<(&str, &Account), NoAccount> {
        let speaks = |it: &Account| it.provider.apis().iter().any(|api| apis.iter().any(|wanted| wanted == api));
        let apis = || apis.to_vec();
        if let Some(name) = &agent.account {
            let Some((name, account)) = self.accounts.get_key_value(name) else {
                return Err(NoAccount::Missing { apis: apis() });
            };
            if speaks(account) {
                return Ok((name, account));
            }
            return Err(NoAccount::Other { apis: apis(), account: name.clone(), provider: word(account.provider) });
        }
        let fit: Vec<_> = self.accounts.iter().filter(|(_, account)| speaks(account)).collect();
        match fit[..] {
            [] => Err(NoAccount::Missing { apis: apis() }),
            [(name, account)] => Ok((name, account)),
            _ => {
                let accounts = fit.iter().map(|(name, _)| (*name).clone()).collect();
                Err(NoAccount::Several { apis: apis(), accounts })
            }
        }
    }
}

fn word(provider: Provider) -> &'static str {
    PROVIDERS.iter().find(|(it, ..)| *it == provider).map_or("unknown", |(_, word, _)| word)
}

/// Those that are whole, and those that the environment implies; what is wrong with the others is noted.
pub(super) fn accounts(root: &mut Section<'_, '_>) -> BTreeMap<String, Account> {
    let all = root.named("accounts", value::name, |section, _| account(section));
    let mut accounts: BTreeMap<_, _> = all.into_iter().filter_map(|(name, account)| Some((name, account?))).collect();
    for (name, provider, variable) in IMPLIED {
        let reading = &mut *root.reading;
        let taken = accounts.contains_key(name) || accounts.values().any(|it| it.provider == provider);
        if taken || reading.environment.get(variable).is_none() {
            continue;
        }
        let reference = format!("${{{variable}}}");
        let Ok(secret) = Secret::resolve(&reference, &reading.folder, reading.environment) else { continue };
        let url = default_url(provider).unwrap_or_default();
        for (key, value) in [("provider", word(provider)), ("key", &reference), ("url", &url)] {
            let secret = (key == "key").then(|| Fingerprint::of(&secret.value));
            let (key, value) = (format!("accounts.{name}.{key}"), json!(value));
            reading.shown.push(Shown { key, value, origin: Origin::Environment(variable), secret });
        }
        accounts.insert(name.to_owned(), Account { provider, key: secret, url });
    }
    accounts
}

fn account(section: &mut Section<'_, '_>) -> Option<Account> {
    let read = |_: &mut Reading<'_>, node: &Node| match &node.value {
        Value::Text(text) => match PROVIDERS.iter().find(|(_, word, _)| word == text) {
            Some((provider, ..)) => Ok(Some(*provider)),
            None => Err(vec![Bad(node.at, format!("must be {}, is {text:?}", words()))]),
        },
        other => Err(vec![Bad(node.at, format!("must be a text, is {}", other.kind()))]),
    };
    let provider = section.value("provider", None, read, |it| json!(it.map(word)));
    if !section.has("provider") {
        section.missing("provider", format!("is missing: say {}", words()));
    }
    let key = section.secret("key");
    if !section.has("key") {
        section.missing("key", "is missing: say key = \"${NAME}\" or \"file:PATH\"");
    }
    let default = provider.and_then(default_url).unwrap_or_default();
    let url = section.value("url", default, |_, node| base_url(node), |it| json!(it));
    if provider == Some(Provider::OpenAiCompatible) && !section.has("url") {
        section.missing("url", "is missing: say url = \"https://HOST/v1\", what the paths of the interface begin with");
    }
    Some(Account { provider: provider?, key: key?, url })
}

fn default_url(provider: Provider) -> Option<String> {
    PROVIDERS.iter().find(|(it, ..)| *it == provider)?.2.map(str::to_owned)
}

fn words() -> String {
    let words: Vec<_> = PROVIDERS.iter().map(|(_, word, _)| *word).collect();
    let (last, first) = words.split_last().expect("there are providers");
    format!("{} or {last}", first.join(", "))
}

/// A URL that paths are added to, without a slash at its end.
pub(super) fn base_url(node: &Node) -> Result<String, Vec<Bad>> {
    let Value::Text(text) = &node.value else {
        return Err(vec![Bad(node.at, format!("must be a text, is {}", node.value.kind()))]);
    };
    value::base_url(text).map_err(|what| vec![Bad(node.at, what)])
}

/// Looks up the accounts that agents name.
pub(super) fn resolve_accounts(root: &mut Section<'_, '_>, config: &Config) {
    let known: Vec<_> = config.accounts.keys().map(String::as_str).collect();
    for (agent, it) in &config.agents {
        let Some(account) = it.account.as_deref().filter(|it| !known.contains(it)) else { continue };
        // One that is there and broken has been named already.
        if root.has_below("accounts", account) {
            continue;
        }
        let what = match similar(account, known.iter().copied()) {
            Some(meant) => format!("there is no [accounts.{account}]; did you mean {meant:?}?"),
            None => format!("there is no [accounts.{account}]; known are {}", list(known.iter().copied())),
        };
        root.problem_at(&["agents", agent, "account"], what);
    }
}
