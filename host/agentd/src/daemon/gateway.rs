//! The gateway, from the configuration: accounts with their keys, budgets, registries, and the ledger in the store.

use super::misconfigured;
use crate::config::{Agent, Config};
use agentd_egress::{Attach, Credential, Credentials, Egress, Patience};
use agentd_gateway::{Account, Arrangement, Call, Gateway, Ledger, Model, Options, Prices, Provider, Refusal, Spent};
use agentd_plugin::wit::manifest::Want;
use agentd_run::Clock;
use agentd_store::{ModelCall, NewEvent, RunKey, Store};
use agentd_task::{RunNumber, Severity, TaskId, day_start};
use anyhow::Context;
use async_trait::async_trait;
use serde_json::json;
use std::{
    collections::BTreeMap,
    fs,
    io::{self, Read, Write},
    net::{Ipv4Addr, TcpListener},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    sync::Arc,
};

/// The secrets of all accounts, each under the name that its account's credential has.
pub(super) fn credentials(config: &Config) -> Credentials {
    let mut credentials = Credentials::default();
    for (name, account) in &config.accounts {
        let attach = match account.provider {
            Provider::Anthropic => Attach::Header("x-api-key".into()),
            Provider::Gemini => Attach::Header("x-goog-api-key".into()),
            Provider::OpenAi | Provider::OpenAiCompatible => Attach::Bearer,
        };
        let credential = Credential { attach, secret: account.key.value.clone(), urls: vec![account.url.clone()] };
        credentials.insert(credential_of(name), credential);
    }
    credentials
}

/// No credential of the configuration can have this name: a colon is not allowed there.
fn credential_of(account: &str) -> String {
    format!("account:{account}")
}

/// `loopback`: some repository's sandboxes are plain processes, which reach it by TCP.
pub(super) fn build(
    config: &Config,
    store: &Store,
    egress: Egress,
    clock: Clock,
    loopback: bool,
) -> anyhow::Result<Gateway> {
    let options = Options {
        egress,
        accounts: accounts(config),
        budget: config.budget,
        prices: prices(config)?,
        patience: patience(config),
        registries: config.registries_options(),
        ledger: Arc::new(Books { store: store.clone(), clock }),
        key: key(&config.home.join("gateway.key")).context("the gateway's key cannot be kept")?,
        loopback: if loopback { Some(listen(&config.home.join("gateway.port"))?) } else { None },
        clock: Arc::new(move || clock.now()),
    };
    Gateway::new(options).context("the gateway cannot listen on 127.0.0.1")
}

/// The same gateway as another configuration has it.
pub(super) fn rearranged(config: &Config, now: &Gateway, egress: Egress, loopback: bool) -> anyhow::Result<Gateway> {
    let wanted = loopback && !now.has_loopback();
    let arrangement = Arrangement {
        egress,
        accounts: accounts(config),
        budget: config.budget,
        prices: prices(config)?,
        patience: patience(config),
        loopback: if wanted { Some(listen(&config.home.join("gateway.port"))?) } else { None },
    };
    now.rearranged(arrangement).context("the gateway cannot listen on 127.0.0.1")
}

fn accounts(config: &Config) -> BTreeMap<String, Account> {
    let accounts = config.accounts.iter().map(|(name, it)| {
        let account = Account { provider: it.provider, url: it.url.clone(), credential: credential_of(name) };
        (name.clone(), account)
    });
    accounts.collect()
}

fn prices(config: &Config) -> anyhow::Result<Prices> {
    let prices = config.prices.iter().map(|(glob, it)| (glob.clone(), *it));
    Prices::with(prices).map_err(|error| misconfigured(error.to_string(), "see [prices]"))
}

fn patience(config: &Config) -> Patience {
    Patience { head: config.timeouts.model, idle: config.timeouts.model_idle }
}

/// The ways to models that an agent gets: for each that its plugin wants, an account that speaks its language.
///
/// Beside them, why one that it cannot work without has none, and what to do.
pub(super) fn models(config: &Config, name: &str, agent: &Agent, wants: &[Want]) -> (Vec<Model>, Option<String>) {
    let (mut models, mut missing) = (Vec::new(), None);
    for want in wants {
        let Want::Model(want) = want else { continue };
        match config.account_of(agent, &want.apis) {
            Ok((account, _)) => {
                models.push(Model { name: want.name.clone(), account: account.into(), apis: want.apis.clone() });
            }
            Err(error) if want.required => missing = Some(format!("{error}: {}", error.hint(name))),
            Err(_) => {}
        }
    }
    (models, missing)
}

/// A key in a file, made at the first time. Run tokens are made from one: it outlives the daemon, so that a sandbox that
/// is adopted keeps its token.
pub(super) fn key(path: &Path) -> io::Result<[u8; 32]> {
    let mut key = [0; 32];
    match fs::File::open(path) {
        Ok(mut file) => {
            file.read_exact(&mut key)?;
            return Ok(key);
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    fs::File::open("/dev/urandom")?.read_exact(&mut key)?;
    let new = path.with_extension("new");
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(&key)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    Ok(key)
}

/// The port of before, if it is free: processes that outlived the daemon know that one.
fn listen(remembered: &Path) -> anyhow::Result<TcpListener> {
    let before = fs::read_to_string(remembered).ok().and_then(|it| it.trim().parse::<u16>().ok());
    let listener = match before.and_then(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok()) {
        Some(listener) => listener,
        None => TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no port of 127.0.0.1 is free for the gateway")?,
    };
    fs::write(remembered, format!("{}\n", listener.local_addr()?.port()))?;
    Ok(listener)
}

/// The ledger in the store.
struct Books {
    store: Store,
    clock: Clock,
}

#[async_trait]
impl Ledger for Books {
    async fn spent(&self, task: TaskId, run: RunNumber) -> Result<Spent, String> {
        let since = day_start(self.clock.now());
        let spent = self.store.reader().spent(task, run, since).await.map_err(|error| error.to_string())?;
        Ok(Spent { run: spent.run, task: spent.task, day: spent.day })
    }

    async fn book(&self, call: Call) -> Result<(), String> {
        let booked = ModelCall {
            run: RunKey { task: call.task, run: call.run },
            account: call.account,
            model: call.model,
            input_tokens: call.usage.input,
            output_tokens: call.usage.output,
            cache_read_tokens: call.usage.cache_read,
            cache_write_tokens: call.usage.cache_write,
            cost_microusd: call.cost_microusd,
            complete: call.complete,
        };
        self.store.book(booked, self.clock.now()).await.map_err(|error| error.to_string())
    }

    async fn refused(&self, task: TaskId, run: RunNumber, refusal: Refusal) {
        let Refusal { what, why, allow } = refusal;
        let hint = allow.as_ref().map(|line| format!("; this would allow it: {line}")).unwrap_or_default();
        let event = NewEvent {
            task: Some(task),
            run: Some(run),
            kind: "gateway.refused".into(),
            severity: Severity::Warning,
            text: format!("Refused: {what}: {why}{hint}"),
            details: json!({ "what": what, "why": why, "allow": allow }),
        };
        if let Err(error) = self.store.log(event, self.clock.now()).await {
            tracing::error!(task.id = %task, %error, "A refusal could not be stored");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_made_once_and_nobody_else_may_read_it() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        let first = key(&path).unwrap();
        assert_eq!(key(&path).unwrap(), first);
        assert_ne!(first, [0; 32]);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn the_port_stays_the_same_while_it_is_free() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("port");
        let port = listen(&path).unwrap().local_addr().unwrap().port();
        let again = listen(&path).unwrap();
        assert_eq!(again.local_addr().unwrap().port(), port);
        assert_ne!(listen(&path).unwrap().local_addr().unwrap().port(), port);
    }
}
