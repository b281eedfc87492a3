//! The configuration while agentd runs: read again when its files change, checked whole, applied to what changed.
//!
//! - A configuration with a mistake changes nothing, and every mistake is named, in an event too.
//! - What runs is not disturbed: a run keeps what it began with.
//! - What counts from the start on waits for a restart, and is named as waiting.

use super::parts::{Before, Wiring};
use crate::{
    config::{Change, Config, Environment, Problem, Problems, Shadowed, changes},
    observe,
};
use agentd_plugin::{Plugins, Watcher};
use agentd_run::{Arrangement, Clock, Handle};
use agentd_store::{NewEvent, Store};
use agentd_task::{Millis, Severity};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::sync::broadcast::{self, error::RecvError};
use tokio_util::sync::CancellationToken;

/// Of a change or of problems, what one event holds.
const LISTED_MAX: usize = 200;
/// Of a change, what one sentence holds.
const SAID_MAX: usize = 5;

/// Reads and applies. Cheap to clone.
#[derive(Clone)]
pub(super) struct Reload {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    clock: Clock,
    handle: Handle,
    plugins: Plugins,
    state: tokio::sync::Mutex<State>,
    told: Mutex<Told>,
}

/// What is worked on by one at a time.
struct State {
    wiring: Wiring,
    /// As it was at the start.
    started: Config,
    /// As the files had it when they last had no mistake.
    written: Config,
    /// As it holds.
    holding: Config,
    arrangement: Arrangement,
    /// The problems that were told last; none: the files are right.
    refused: Option<String>,
}

/// What whoever asks is told, without waiting for a reading that is under way.
#[derive(Default)]
struct Told {
    file: Option<PathBuf>,
    files: BTreeSet<PathBuf>,
    applied_at: Option<Millis>,
    problems: Vec<Problem>,
    waits: Vec<Change>,
    shadowed: Vec<Shadowed>,
}

/// What came of a reading.
#[derive(Debug)]
pub(super) enum Outcome {
    /// The files say what they said before.
    Unchanged,
    Reloaded {
        changed: Vec<Change>,
        /// Keys that wait for a restart, these and earlier ones.
        waits: Vec<String>,
        shadowed: Vec<Shadowed>,
    },
    /// Nothing was changed.
    Refused(Vec<Problem>),
}

impl Outcome {
    /// For programs, and for the event.
    pub(super) fn to_json(&self) -> Value {
        match self {
            Outcome::Unchanged => json!({ "outcome": "unchanged" }),
            Outcome::Reloaded { changed, waits, shadowed } => json!({
                "outcome": "reloaded",
                "changed": changed.iter().take(LISTED_MAX).collect::<Vec<_>>(),
                "waits_for_restart": waits,
                "shadowed": shadowed,
            }),
            Outcome::Refused(problems) => json!({
                "outcome": "refused",
                "problems": problems.iter().take(LISTED_MAX).collect::<Vec<_>>(),
            }),
        }
    }
}

impl Reload {
    /// `config` is what the daemon was started with, `holding` the same with what globs found.
    pub(super) fn new(
        config: Config,
        holding: Config,
        wiring: Wiring,
        arrangement: Arrangement,
        handle: Handle,
    ) -> Reload {
        let (store, clock, plugins) = (wiring.store.clone(), wiring.clock, wiring.plugins.clone());
        let shadowed = config.shadowed.clone();
        let told = Told { file: config.file.clone(), files: config.files.clone(), shadowed, ..Told::default() };
        let (started, written) = (config.clone(), config);
        let state = State { wiring, started, written, holding, arrangement, refused: None };
        let (state, told) = (tokio::sync::Mutex::new(state), Mutex::new(told));
        Reload { inner: Arc::new(Inner { store, clock, handle, plugins, state, told }) }
    }

    /// Reads the configuration now, and applies what changed.
    pub(super) async fn reload_now(&self) -> Outcome {
        let inner = &self.inner;
        let mut state = inner.state.lock().await;
        if !state.started.follows_files {
            return Outcome::Unchanged;
        }
        let (file, home) = (state.started.file.clone(), state.started.given_home.clone());
        let load = move || Config::load_with_files(file.as_deref(), home.as_deref(), Environment::of_process());
        // A secret may come from a program that takes its time.
        let loaded = tokio::task::spawn_blocking(load).await;
        let (loaded, files) = loaded.unwrap_or_else(|died| {
            let mut problems = Problems::default();
            problems.add_elsewhere("", format!("it cannot be read: {died}"));
            (Err(problems), BTreeSet::new())
        });
        if !files.is_empty() {
            self.told().files = files;
        }
        match loaded {
            Ok(config) => match self.apply(&mut state, config, false).await {
                Ok(changed) => self.tell(&mut state, changed).await,
                Err(problems) => self.refuse(&mut state, problems).await,
            },
            Err(problems) => self.refuse(&mut state, problems.as_slice().to_vec()).await,
        }
    }

    /// A plugin is another one now: what depends on its answers is asked again.
    async fn refresh(&self, plugin: &str) {
        let mut state = self.inner.state.lock().await;
        let used = state.holding.agents.values().any(|it| it.plugin == plugin);
        if !used {
            return;
        }
        let config = state.written.clone();
        if let Err(problems) = self.apply(&mut state, config, true).await {
            for problem in problems {
                tracing::warn!(plugin.name = plugin, %problem, "An agent does not go with its plugin any more");
            }
        }
    }

    /// What is known: where it was read, what is wrong with the files, what waits for a restart.
    pub(super) fn state(&self) -> Value {
        let told = self.told();
        json!({
            "file": told.file,
            "applied_at": told.applied_at,
            "problems": told.problems,
            "waits_for_restart": told.waits.iter().map(|it| &it.key).collect::<Vec<_>>(),
            "waiting": told.waits,
            "shadowed": told.shadowed,
        })
    }

    /// Reads again whenever the files change, somebody asks by `hangup`, or a plugin is replaced; until `stop`.
    pub(super) async fn watch(
        self,
        mut hangup: tokio::signal::unix::Signal,
        mut others: broadcast::Receiver<String>,
        stop: CancellationToken,
    ) {
        let mut known = self.told().files.clone();
        let mut files = Watcher::new(known.clone());
        let mut told_of_others = true;
        // What changed between the start's own reading and now is a change.
        self.reload_now().await;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = files.changed() => {}
                _ = hangup.recv() => tracing::info!("A signal asks for the configuration to be read again"),
                other = others.recv(), if told_of_others => {
                    match other {
                        Ok(plugin) => self.refresh(&plugin).await,
                        Err(RecvError::Lagged(_)) => {}
                        // Whoever told of them is gone, and would be so at once each time.
                        Err(RecvError::Closed) => told_of_others = false,
                    }
                    continue;
                }
            }
            loop {
                tokio::select! {
                    () = stop.cancelled() => return,
                    _ = self.reload_now() => {}
                }
                let now = self.told().files.clone();
                if now == known {
                    break;
                }
                // Another file may have changed before it was watched.
                files.watch(now.clone());
                known = now;
            }
        }
    }

    /// Has the configuration hold, as far as it can now. Gives what is otherwise than before.
    async fn apply(&self, state: &mut State, config: Config, ask_agents: bool) -> Result<Vec<Change>, Vec<Problem>> {
        let held = config.held_to(&state.started);
        let wrong = held.unsafe_sources();
        if !wrong.is_empty() {
            let here = |(key, what): (String, String)| {
                let what = format!("{what} (until the next restart, [sandbox] executor is what it was)");
                Problem { file: config.file.clone(), line: None, key, what }
            };
            return Err(wrong.into_iter().map(here).collect());
        }
        let changed = changes(&state.written.shown, &config.shown);
        let inner = &self.inner;
        let (approvals, on_drop) = (held.approvals.clone(), held.on_drop);
        let rights = held.approvals != state.holding.approvals || on_drop != state.holding.on_drop;
        if rights {
            // First, for what was held may be what the configuration uses now.
            inner.plugins.set_approvals(approvals, on_drop).await;
        }
        // They hold for the next call of whoever it is, and nothing can be wrong with them.
        inner.plugins.set_limits(held.plugin_limits.clone());
        let before = Before { config: &state.holding, arrangement: &state.arrangement, changes: &changed, ask_agents };
        let next = match state.wiring.next(held, &before).await {
            Ok(next) => next,
            Err(troubles) => {
                self.put_back(&state.holding, rights).await;
                return Err(troubles.iter().flat_map(|it| it.placed(&config)).collect());
            }
        };
        let outside = state.wiring.host.outside();
        let (holding, arrangement) = state.wiring.let_hold(next);
        if let Err(error) = inner.handle.rearrange(arrangement.clone()).await {
            state.wiring.host.replace(outside);
            self.put_back(&state.holding, rights).await;
            return Err(vec![Problem { file: None, line: None, key: String::new(), what: error.to_string() }]);
        }
        observe::follow(&holding.log);
        (state.holding, state.arrangement, state.written) = (holding, arrangement, config);
        Ok(changed)
    }

    /// Plugins have the limits and rights again that hold.
    async fn put_back(&self, holding: &Config, rights: bool) {
        let plugins = &self.inner.plugins;
        plugins.set_limits(holding.plugin_limits.clone());
        if rights {
            plugins.set_approvals(holding.approvals.clone(), holding.on_drop).await;
        }
    }

    /// Says what changed, in an event and to whoever asks.
    async fn tell(&self, state: &mut State, changed: Vec<Change>) -> Outcome {
        let mended = state.refused.take().is_some();
        let waits: Vec<Change> =
            changes(&state.started.shown, &state.written.shown).into_iter().filter(Change::waits).collect();
        let shadowed = state.written.shadowed.clone();
        {
            let mut told = self.told();
            told.file.clone_from(&state.written.file);
            told.problems.clear();
            (told.waits, told.shadowed) = (waits.clone(), shadowed.clone());
            if !changed.is_empty() {
                told.applied_at = Some(self.inner.clock.now());
            }
        }
        if changed.is_empty() && !mended {
            return Outcome::Unchanged;
        }
        let text = said(&changed, &waits);
        let waits = waits.into_iter().map(|it| it.key).collect();
        let outcome = Outcome::Reloaded { changed, waits, shadowed };
        tracing::info!("{text}");
        self.log("config.reloaded", Severity::Info, text, outcome.to_json()).await;
        outcome
    }

    /// Says what is wrong, once for as long as the same is.
    async fn refuse(&self, state: &mut State, problems: Vec<Problem>) -> Outcome {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        let all = lines.join("\n");
        self.told().problems.clone_from(&problems);
        let outcome = Outcome::Refused(problems);
        if state.refused.as_ref() != Some(&all) {
            let first = lines.first().cloned().unwrap_or_default();
            let more = match lines.len() {
                0 | 1 => String::new(),
                count => format!(" (and {} more)", count - 1),
            };
            let text = format!("The configuration has mistakes, and the one before stays in force: {first}{more}");
            tracing::warn!("{text}");
            self.log("config.refused", Severity::Warning, text, outcome.to_json()).await;
            state.refused = Some(all);
        }
        outcome
    }

    async fn log(&self, kind: &str, severity: Severity, text: String, details: Value) {
        let event = NewEvent { task: None, run: None, kind: kind.into(), severity, text, details };
        if let Err(error) = self.inner.store.log(event, self.inner.clock.now()).await {
            tracing::error!(%error, "An event could not be stored");
        }
    }

    fn told(&self) -> std::sync::MutexGuard<'_, Told> {
        self.inner.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One sentence of what changed.
fn said(changed: &[Change], waits: &[Change]) -> String {
    let now: Vec<&Change> = changed.iter().filter(|it| !it.waits()).collect();
    let mut text = match now.len() {
        0 if changed.is_empty() => "The configuration is right again, and as it was before".to_owned(),
        0 => "The configuration was read again".to_owned(),
        count => {
            let first: Vec<String> = now.iter().take(SAID_MAX).map(ToString::to_string).collect();
            let more = if count > SAID_MAX { format!(" and {} more", count - SAID_MAX) } else { String::new() };
            format!("The configuration was read again: {}{more}", first.join(", "))
        }
    };
    if !waits.is_empty() {
        let keys: Vec<&str> = waits.iter().take(SAID_MAX).map(|it| it.key.as_str()).collect();
        text.push_str(&format!("; for a restart wait {}", keys.join(", ")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(key: &str, old: Value, new: Value) -> Change {
        Change { key: key.into(), old, new, secret: false }
    }

    #[track_caller]
    fn check(changed: &[Change], expected: &str) {
        let waits: Vec<Change> = changed.iter().filter(|it| it.waits()).cloned().collect();
        assert_eq!(said(changed, &waits), expected);
    }

    #[test]
    fn a_reading_is_told_in_a_sentence() {
        check(&[], "The configuration is right again, and as it was before");
        let limit = change("limits.concurrent", json!(3), json!(5));
        check(std::slice::from_ref(&limit), "The configuration was read again: limits.concurrent = 5 (was 3)");
        let home = change("home", json!("/a"), json!("/b"));
        check(std::slice::from_ref(&home), "The configuration was read again; for a restart wait home");
        check(
            &[limit, home, Change { secret: true, ..change("credentials.a.bearer", json!("${A}"), json!("${A}")) }],
            "The configuration was read again: limits.concurrent = 5 (was 3), credentials.a.bearer: another secret; for a \
             restart wait home",
        );
        let many: Vec<Change> = (0..7).map(|it| change(&format!("prices.{it}"), Value::Null, json!(it))).collect();
        let text = said(&many, &[]);
        assert!(text.ends_with("prices.4 = 4 and 2 more"), "{text}");
    }
}
