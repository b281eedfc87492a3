//! One exchange with GitHub, from the question to the answer: token, limits, breaker, cache, retries, redirects.
//!
//! A read is repeated when it fails and shared by all who ask the same at once. A write is made once: if its answer is
//! lost the error says that nobody knows, and whoever wants it repeated looks first.
//!
//! - Never waits longer than [`Patience::wait`] for a limit: [`Error::Limited`] says when to come back.
//! - Never follows a redirect to another origin, or an issue into another repository, and never shows a token.

use super::{
    address::Address,
    auth::{Auth, Scope, Tokens},
    breaker::Breaker,
    cache::Cache,
    limits::{Admission, Limits, Permit, Refusal, refused},
    moved::Moved,
    transport::Failure,
    turn::{Flights, Turn, Turns},
    usage::{Counters, Usage},
};
use crate::Error;
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, header};
use secrecy::SecretString;
use serde_json::Value;
use std::{
    hash::{BuildHasher, RandomState},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tokio::{sync::Semaphore, time::Instant};
use url::Url;

mod token;
mod wire;

use wire::Wire;
pub(crate) use wire::{Making, octocrab};

/// GitHub refuses more than a hundred at once, whoever they are from.
const AT_ONCE: usize = 32;
/// What is kept of answers, in bytes.
const CACHE_BYTES: usize = 32 << 20;
const REDIRECTS: usize = 3;

/// How long agentd waits for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// For the beginning of an answer, and between its pieces.
    pub answer: Duration,
    /// For a limit to be over. What takes longer is an error that says until when.
    pub wait: Duration,
    /// How often a read is repeated that failed.
    pub retries: u32,
    /// Before a read is repeated; each further pause is twice as long, and up to half as long again by chance.
    pub retry: Duration,
    /// Between two writes of one account. GitHub asks for a second.
    pub write: Duration,
    /// Before GitHub is tried again when it failed several times in a row, and the most that this grows to.
    pub rest: Duration,
    pub rest_max: Duration,
}

impl Default for Patience {
    fn default() -> Patience {
        let s = Duration::from_secs;
        Patience {
            answer: s(30),
            wait: s(30),
            retries: 3,
            retry: Duration::from_millis(500),
            write: s(1),
            rest: s(10),
            rest_max: s(300),
        }
    }
}

/// A question.
#[derive(Clone)]
pub(crate) struct Ask {
    pub(crate) scope: Scope,
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) accept: &'static str,
    pub(crate) body: Option<Value>,
    /// It changes nothing.
    pub(crate) reads: bool,
}

/// The answer for an issue that was moved to another repository: it is not where it was, and what is there is none of the
/// business of whoever asked.
fn elsewhere() -> Answer {
    let body = Bytes::from_static(br#"{"message":"It was moved to another repository"}"#);
    Answer { status: 404, headers: HeaderMap::new(), body }
}

/// An answer of any status but a redirect's or a limit's.
#[derive(Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

pub(crate) struct Exchange {
    wire: Wire,
    pub(crate) address: Address,
    pub(crate) tokens: Tokens,
    pub(crate) patience: Patience,
    pub(crate) clock: Arc<dyn Fn() -> i64 + Send + Sync>,
    limits: Limits,
    breaker: Breaker,
    cache: Cache,
    flights: Flights,
    turns: Turns,
    moved: Moved,
    at_once: Semaphore,
    counters: Counters,
    chance: RandomState,
}

/// One try, and what it means for the next.
enum Tried {
    Answer(Answer),
    /// A limit that was not known before: to be asked again when it is over, at this time.
    Limited(i64),
    /// It may be better next time.
    Faulty(Error),
}

impl Exchange {
    pub(crate) fn new(
        address: Address,
        auth: &Auth,
        patience: Patience,
        clock: Arc<dyn Fn() -> i64 + Send + Sync>,
        making: Making,
    ) -> Result<Exchange, Error> {
        Ok(Exchange {
            wire: Wire::new(making, patience.answer),
            address,
            tokens: Tokens::new(auth)?,
            patience,
            clock,
            limits: Limits::default(),
            breaker: Breaker::new(patience.rest, patience.rest_max),
            cache: Cache::new(CACHE_BYTES),
            flights: Flights::default(),
            turns: Turns::default(),
            moved: Moved::default(),
            at_once: Semaphore::new(AT_ONCE),
            counters: Counters::default(),
            chance: RandomState::new(),
        })
    }

    /// The answer to a question, whatever its status; but for those that nobody could do anything with.
    pub(crate) async fn ask(&self, ask: Ask) -> Result<Answer, Error> {
        if ask.reads { self.read(&ask).await } else { self.write(&ask).await }
    }

    /// Nobody else writes in the repository as long as this is held. Whatever is read afterwards is read anew.
    pub(crate) async fn turn(&self, scope: &Scope) -> Turn {
        match scope {
            Scope::Repository(name) => self.turns.take(name).await,
            Scope::Owner(name) => self.turns.take(&format!("{name}/")).await,
            Scope::Account => self.turns.take("").await,
        }
    }

    /// GraphQL says with a 200 that its limit is reached.
    pub(crate) fn graphql_limited(&self, scope: &Scope) -> Error {
        let (account, now) = (self.tokens.account(scope), (self.clock)());
        self.counters.refused.fetch_add(1, Ordering::Relaxed);
        let until = self.limits.used_up(&account, "graphql", now);
        let until = until.unwrap_or_else(|| self.limits.penalise(&account, None, now));
        Error::Limited { host: self.address.host(), until }
    }

    pub(crate) fn usage(&self) -> Usage {
        self.counters.usage(self.limits.allowances())
    }

    async fn read(&self, ask: &Ask) -> Result<Answer, Error> {
        if ask.method != Method::GET {
            return self.repeat(ask, None).await;
        }
        let key = format!("{} {} {}", self.tokens.eyes(&ask.scope), ask.accept, ask.url);
        let flight = self.flights.join(&key, self.turns.ended());
        let pilot = match flight.board().await {
            Ok(answer) => return Ok(answer),
            Err(pilot) => pilot,
        };
        let kept = self.cache.get(&key);
        let mut answer = self.repeat(ask, kept.as_ref().map(|it| it.etag.as_str())).await?;
        match kept {
            Some(kept) if answer.status == 304 => {
                answer = Answer { status: 200, headers: kept.headers, body: kept.body };
            }
            _ if answer.status == 200 => self.cache.put(&key, &answer.headers, &answer.body),
            _ => {}
        }
        pilot.land(&answer);
        Ok(answer)
    }

    async fn write(&self, ask: &Ask) -> Result<Answer, Error> {
        let _turn = self.turn(&ask.scope).await;
        self.turns.space(&self.tokens.account(&ask.scope), self.patience.write).await;
        match self.attempt(ask, None).await? {
            Tried::Answer(answer) => Ok(answer),
            Tried::Limited(until) => Err(Error::Limited { host: self.address.host(), until }),
            Tried::Faulty(error) => Err(error),
        }
    }

    /// Asks until there is an answer, or it has been tried often enough.
    async fn repeat(&self, ask: &Ask, etag: Option<&str>) -> Result<Answer, Error> {
        let mut pause = self.patience.retry;
        for tries_left in (0..=self.patience.retries).rev() {
            match self.attempt(ask, etag).await? {
                Tried::Answer(answer) => return Ok(answer),
                Tried::Limited(until) if tries_left == 0 => {
                    return Err(Error::Limited { host: self.address.host(), until });
                }
                // The next attempt waits for it, or says that it takes too long.
                Tried::Limited(_) => {}
                Tried::Faulty(error) if tries_left == 0 => return Err(error),
                Tried::Faulty(error) => {
                    tracing::debug!(target: "github", %error, "Asked again after a pause");
                    tokio::time::sleep(pause + self.jitter(pause / 2)).await;
                    pause *= 2;
                }
            }
        }
        Err(Error::NotReachable { host: self.address.host(), why: "it was not asked".into() })
    }

    /// One request, with redirects, and with a new token where an App's was refused.
    async fn attempt(&self, ask: &Ask, etag: Option<&str>) -> Result<Tried, Error> {
        let (mut ask, mut minted_anew) = (ask.clone(), false);
        for _ in 0..=REDIRECTS + 1 {
            let token = self.token(&ask.scope).await?;
            ask.url = self.moved.now(&self.address, &ask.url);
            let answer = match self.exchange(&ask, &token, etag).await? {
                Tried::Answer(answer) => answer,
                other => return Ok(other),
            };
            match answer.status {
                301 | 307 | 308 => match self.moved.repository_of(&self.address, &ask.url) {
                    Some(repository) => {
                        let (root, before) = (Ask::get(ask.scope.clone(), repository), ask.url.clone());
                        match self.exchange(&root, &token, None).await? {
                            Tried::Answer(answer) => self.learn(&root.url, &answer)?,
                            other => return Ok(other),
                        }
                        ask.url = self.moved.now(&self.address, &ask.url);
                        if ask.url == before {
                            return Ok(Tried::Answer(elsewhere()));
                        }
                    }
                    None => {
                        self.learn(&ask.url, &answer)?;
                        ask.url = self.redirected(&ask.url, &answer)?;
                    }
                },
                401 if self.tokens.is_app() && ask.scope != Scope::Account && !minted_anew => {
                    minted_anew = true;
                    self.discard(&ask.scope, &token).await;
                }
                _ => return Ok(Tried::Answer(answer)),
            }
        }
        let (what, status) = (ask.words(&self.address), 301);
        Err(Error::Refused { what, status, message: "it sends from one address to the next without an end".into() })
    }

    /// What an answer says of a repository's new place, if it sends there for good.
    fn learn(&self, from: &Url, answer: &Answer) -> Result<(), Error> {
        if matches!(answer.status, 301 | 308) {
            self.moved.learn(&self.address, from, &self.redirected(from, answer)?);
        }
        Ok(())
    }

    /// Where an answer sends to: within GitHub's API, with the query if the address has none of its own.
    fn redirected(&self, from: &Url, answer: &Answer) -> Result<Url, Error> {
        let location = answer.headers.get(header::LOCATION).and_then(|it| it.to_str().ok()).unwrap_or_default();
        let target = from.join(location).ok().filter(|it| self.address.path_of(it).is_some());
        let Some(mut target) = target.filter(|_| !location.is_empty()) else {
            let what = format!("GET {}", from.path());
            let message = "it sends to an address that is not of its API".into();
            return Err(Error::Refused { what, status: answer.status, message });
        };
        if target.query().is_none() {
            target.set_query(from.query());
        }
        Ok(target)
    }

    /// One request and its answer. Takes in what the answer tells about limits.
    async fn exchange(&self, ask: &Ask, token: &SecretString, etag: Option<&str>) -> Result<Tried, Error> {
        let account = self.tokens.account(&ask.scope);
        let path = self.address.path_of(&ask.url).unwrap_or("graphql");
        let resource = Limits::resource(path);
        let permit = self.admitted(&account, resource).await?;
        let _one = self.at_once.acquire().await.ok();
        let tried = self.breaker.admit(Instant::now()).map_err(|pause| Error::Resting {
            host: self.address.host(),
            until: (self.clock)().saturating_add(i64::try_from(pause.as_millis()).unwrap_or(i64::MAX)),
        })?;
        let result = self.wire.send(ask, token, etag).await;
        let answer = match result {
            Ok(answer) => answer,
            Err(failure) => {
                self.counters.failed.fetch_add(1, Ordering::Relaxed);
                if failure.transient {
                    tried.failed(Instant::now());
                }
                let transient = failure.transient && ask.reads;
                let error = self.failed(ask, failure);
                return if transient { Ok(Tried::Faulty(error)) } else { Err(error) };
            }
        };
        let now = (self.clock)();
        self.limits.told(&account, resource, &answer.headers, now);
        self.counters.compare_clocks(&answer.headers, now);
        drop(permit);
        self.counters.requests.fetch_add(1, Ordering::Relaxed);
        if answer.status == 304 {
            self.counters.unchanged.fetch_add(1, Ordering::Relaxed);
        }
        if matches!(answer.status, 408 | 500..=599) {
            tried.failed(Instant::now());
            return Ok(Tried::Faulty(self.faulty(ask, &answer)));
        }
        tried.succeeded();
        match refused(answer.status, &answer.headers, &answer.body) {
            None => self.limits.forgive(&account),
            Some(refusal) => {
                self.counters.refused.fetch_add(1, Ordering::Relaxed);
                let until = match refusal {
                    Refusal::Primary => self.limits.used_up(&account, resource, now),
                    Refusal::Secondary { after_ms: Some(after) } => {
                        Some(self.limits.penalise(&account, Some(after), now))
                    }
                    Refusal::Secondary { after_ms: None } => None,
                };
                let until = until.unwrap_or_else(|| self.limits.penalise(&account, None, now));
                tracing::warn!(target: "github", account, resource, until, "GitHub's limit is reached");
                return Ok(Tried::Limited(until));
            }
        }
        Ok(Tried::Answer(answer))
    }

    /// Waits until a request may be made.
    async fn admitted(&self, account: &str, resource: &'static str) -> Result<Permit, Error> {
        loop {
            let mut freed = std::pin::pin!(self.limits.freed());
            freed.as_mut().enable();
            let now = (self.clock)();
            match self.limits.admit(account, resource, now) {
                Admission::Go(permit) => return Ok(permit),
                Admission::Crowded => freed.await,
                Admission::Until(until) => {
                    let wait = Duration::from_millis(u64::try_from(until - now).unwrap_or(0));
                    if wait > self.patience.wait {
                        return Err(Error::Limited { host: self.address.host(), until });
                    }
                    tokio::time::sleep(wait + self.jitter(Duration::from_secs(1))).await;
                }
            }
        }
    }

    fn failed(&self, ask: &Ask, failure: Failure) -> Error {
        let (host, why) = (self.address.host(), failure.why);
        match (ask.reads, failure.unknown, failure.transient) {
            (false, true, _) => Error::Unknown { what: ask.words(&self.address), host, why },
            (_, _, true) => Error::NotReachable { host, why },
            (true, true, false) => Error::Unreadable { what: ask.words(&self.address), why },
            (_, _, false) => Error::NotAsked { host, why },
        }
    }

    fn faulty(&self, ask: &Ask, answer: &Answer) -> Error {
        let status = StatusCode::from_u16(answer.status).ok().and_then(|it| it.canonical_reason());
        let why = format!("{} {}", answer.status, status.unwrap_or("without a word"));
        self.failed(ask, Failure { why, unknown: true, transient: true })
    }

    /// Something between nothing and `most`, so that not all come back at once.
    fn jitter(&self, most: Duration) -> Duration {
        let chance = self.chance.hash_one(Instant::now()) % 1000;
        most.mul_f64(f64::from(u16::try_from(chance).unwrap_or(0)) / 1000.0)
    }
}

impl Ask {
    /// A question that changes nothing.
    pub(crate) fn get(scope: Scope, url: Url) -> Ask {
        Ask { scope, method: Method::GET, url, accept: "application/vnd.github+json", body: None, reads: true }
    }

    /// For errors: method and path, never the query.
    pub(crate) fn words(&self, address: &Address) -> String {
        format!("{} {}", self.method, address.path_of(&self.url).unwrap_or("graphql"))
    }
}

#[cfg(test)]
mod tests;
