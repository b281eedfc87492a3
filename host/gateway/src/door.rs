//! A door, and what is remembered of it: its endpoints' faults, what was refused, what is under way.

use crate::{
    Account, Error, Fault, FaultKind, Refusal,
    budget::Spending,
    gateway::Shared,
    meter,
    scope::{Model, Scope},
    token,
};
use agentd_task::Millis;
use serde_json::Value;
use std::{
    collections::BTreeSet,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio_util::sync::{CancellationToken, DropGuard};

/// So many different refusals of one run are told of; a program that tries everything fills no log.
const REFUSALS_MAX: usize = 200;
/// So many different models without a price are.
const UNPRICED_MAX: usize = 20;

/// The way out of one run. Dropping it closes it: its connections end, and what its calls have cost is booked.
#[derive(Debug)]
pub struct Door {
    pub(crate) state: Arc<DoorState>,
    /// Cancels [`DoorState::stop`].
    pub(crate) _closes: DropGuard,
}

/// What an agent is told to reach a model.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint {
    pub name: String,
    pub api: String,
    /// `http://127.0.0.1:PORT/model/NAME`: what the provider expects below its own base URL is expected below this one.
    pub url: String,
    pub token: String,
}

impl fmt::Debug for Endpoint {
    /// Without the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Endpoint { name, api, url, .. } = self;
        f.debug_struct("Endpoint").field("name", name).field("api", api).field("url", url).finish_non_exhaustive()
    }
}

impl Door {
    /// For the agent's plugin, in the order of the scope's models.
    #[must_use]
    pub fn endpoints(&self) -> Vec<Endpoint> {
        self.state
            .endpoints
            .iter()
            .map(|it| Endpoint {
                name: it.name.clone(),
                api: it.api.to_owned(),
                url: format!("http://127.0.0.1:{}/model/{}", self.state.port, it.name),
                token: self.state.token(&it.name),
            })
            .collect()
    }

    /// The newest fault of an endpoint that no good answer of the same endpoint followed.
    #[must_use]
    pub fn fault(&self) -> Option<Fault> {
        let newest = self.state.endpoints.iter().filter_map(|it| it.faults().newest.clone()).max_by_key(|it| it.at);
        newest.map(|it| it.fault)
    }
}

/// What a door's connections share.
pub(crate) struct DoorState {
    pub(crate) shared: Arc<Shared>,
    pub(crate) scope: Scope,
    /// How the egress's audit lines name the run.
    pub(crate) caller: String,
    /// In the order of the scope's models.
    pub(crate) endpoints: Vec<EndpointState>,
    /// Where the agent finds it, on 127.0.0.1.
    pub(crate) port: u16,
    pub(crate) spending: Spending,
    /// Bytes of requests that are held at this moment.
    pub(crate) held: Arc<std::sync::atomic::AtomicUsize>,
    pub(crate) stop: CancellationToken,
    moments: AtomicU64,
    refused: Distinct,
    unpriced: Distinct,
}

/// Tells what is said for the first time, up to so many different texts.
struct Distinct {
    max: usize,
    said: Mutex<BTreeSet<String>>,
}

/// What is remembered of one endpoint's calls.
#[derive(Default)]
struct Faults {
    newest: Option<Noted>,
    /// When the newest call began that was answered well.
    good: u64,
}

#[derive(Clone)]
struct Noted {
    fault: Fault,
    /// When it was noted.
    at: u64,
    /// Who asks after this moment may know of it.
    seen: u64,
    /// Of a call that costs nothing.
    free: bool,
}

/// When a fault became known, in the door's moments.
#[derive(Clone, Copy)]
pub(crate) enum When {
    Now,
    /// With the answer's head, or in place of it. `free`: the call costs nothing.
    Head {
        at: u64,
        free: bool,
    },
    /// Some time after the answer's head.
    Later {
        head: u64,
    },
}

/// An endpoint: the account behind it, and how its calls went.
pub(crate) struct EndpointState {
    pub(crate) name: String,
    pub(crate) account_name: String,
    pub(crate) account: Account,
    pub(crate) api: &'static str,
    faults: Mutex<Faults>,
}

impl fmt::Debug for DoorState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DoorState").field("caller", &self.caller).finish_non_exhaustive()
    }
}

impl DoorState {
    pub(crate) fn new(shared: Arc<Shared>, scope: Scope, port: u16) -> Result<DoorState, Error> {
        let mut endpoints: Vec<EndpointState> = Vec::new();
        for model in &scope.models {
            let endpoint = EndpointState::new(&shared, model)?;
            if endpoints.iter().any(|it| it.name == endpoint.name) {
                return Err(Error::Name(endpoint.name));
            }
            endpoints.push(endpoint);
        }
        Ok(DoorState {
            caller: format!("{}.{}", scope.task, scope.run),
            stop: shared.stop.child_token(),
            shared,
            scope,
            endpoints,
            port,
            spending: Spending::default(),
            held: Arc::default(),
            moments: AtomicU64::new(1),
            refused: Distinct::new(REFUSALS_MAX),
            unpriced: Distinct::new(UNPRICED_MAX),
        })
    }

    fn token(&self, endpoint: &str) -> String {
        token::make(&self.shared.key, self.scope.task, self.scope.run, endpoint)
    }

    /// Whether `presented` is the token of this run's endpoint.
    pub(crate) fn is_token(&self, presented: &str, endpoint: &str) -> bool {
        token::is(presented, &self.shared.key, self.scope.task, self.scope.run, endpoint)
    }

    pub(crate) fn now(&self) -> Millis {
        (self.shared.clock)()
    }

    /// A number that is larger than those before it.
    pub(crate) fn moment(&self) -> u64 {
        self.moments.fetch_add(1, Ordering::Relaxed)
    }

    /// A call of the endpoint failed.
    pub(crate) fn set_fault(&self, index: usize, when: When, fault: Fault) {
        let Fault { kind, status, text, .. } = &fault;
        tracing::info!(target: "gateway", run = self.caller, kind = ?kind, status, text, "A call of the model failed");
        let now = self.moment();
        let mut faults = self.endpoints[index].faults();
        let (seen, free) = match when {
            When::Now => (now, false),
            // Whoever asked again at once may have got a good answer before this was noted.
            When::Head { at, .. } if faults.good > at => return,
            When::Head { at, free } => (at, free),
            When::Later { head } => (head, false),
        };
        // What is asked for by the way says something only as long as nothing else does.
        if free && (faults.good > 0 || faults.newest.as_ref().is_some_and(|it| !it.free)) {
            return;
        }
        faults.newest = Some(Noted { fault, at: now, seen, free });
    }

    /// A good answer came, to a call that began then. It says nothing of what failed afterwards.
    pub(crate) fn answered_well(&self, index: usize, began: u64, free: bool) {
        let mut faults = self.endpoints[index].faults();
        if !free {
            faults.good = faults.good.max(began);
        }
        if faults.newest.as_ref().is_some_and(|it| it.seen < began && (it.free || !free)) {
            faults.newest = None;
        }
    }

    /// Tells of a refusal, if it is a new one.
    pub(crate) async fn refuse(&self, refusal: Refusal) {
        let refusal = Refusal { what: clean(&refusal.what), why: clean(&refusal.why), allow: refusal.allow };
        if self.refused.is_new(format!("{}\n{}", refusal.what, refusal.why)) {
            tracing::info!(target: "gateway", run = self.caller, what = refusal.what, why = refusal.why, "Refused");
            self.shared.ledger.refused(self.scope.task, self.scope.run, refusal).await;
        }
    }

    /// Warns of a model without a price, once for each.
    pub(crate) fn warn_unpriced(&self, model: &str) {
        if self.unpriced.is_new(model.to_owned()) {
            tracing::warn!(
                target: "gateway", run = self.caller, model,
                "This model is not in the table of prices and is counted at the dearest one's; [prices] sets its own"
            );
        }
    }
}

impl EndpointState {
    fn new(shared: &Shared, model: &Model) -> Result<EndpointState, Error> {
        let Model { name, account: account_name, apis } = model;
        let fits = |it: u8| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'_');
        if !(1..=64).contains(&name.len()) || !name.bytes().all(fits) {
            return Err(Error::Name(name.clone()));
        }
        let Some(account) = shared.accounts.get(account_name) else {
            return Err(Error::Account { endpoint: name.clone(), account: account_name.clone() });
        };
        let offered = account.provider.apis();
        let Some(api) = apis.iter().find_map(|wanted| offered.iter().find(|it| *it == wanted)) else {
            let (endpoint, account) = (name.clone(), account_name.clone());
            return Err(Error::Api { endpoint, account, offered: offered.join(" and "), wanted: apis.join(" or ") });
        };
        let (name, account_name, account) = (name.clone(), account_name.clone(), account.clone());
        Ok(EndpointState { name, account_name, account, api, faults: Mutex::default() })
    }

    fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What an error answer of the provider is called, from the beginning of its body.
    pub(crate) fn error_text(&self, status: u16, body: &[u8]) -> String {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let message = meter::message(&body["error"]).or_else(|| meter::message(&body));
        FaultKind::text(&self.account_name, status, message.as_deref())
    }
}

impl Distinct {
    fn new(max: usize) -> Distinct {
        Distinct { max, said: Mutex::default() }
    }

    fn is_new(&self, text: String) -> bool {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.len() < self.max && said.insert(text)
    }
}

/// One line of a length that a person reads: what is refused was written by a program that nobody trusts.
fn clean(text: &str) -> String {
    text.chars().map(|it| if it.is_control() { ' ' } else { it }).take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_again_or_after_too_much_is_not_new() {
        let distinct = Distinct::new(2);
        let found = ["a", "a", "b", "c", "b"].map(|it| distinct.is_new(it.into()));
        assert_eq!(found, [true, false, true, false, false]);
    }
}
