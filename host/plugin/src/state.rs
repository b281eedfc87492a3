//! What an instance lives on: its rights and limits, its empty WASI, and what it wrote.
//!
//! There is one for each store, and it goes with it. WASI is linked because the libraries of most languages ask for it;
//! it has no files, no environment and no network here, and its output goes to the plugin's log. Its clocks and its
//! chance can be given again, so that a call can be. An agent and a plugin that describes itself get a clock that stands
//! still and the same chance each time.

use crate::Host;
use crate::call::{Caller, Shared};
use crate::grants::Rights;
use crate::imports::WasiHttp;
use crate::limits::{Budget, Limiter, TICK};
use crate::output::{Output, Stream};
use crate::trace::{Recorder, Seed};
use crate::wit::common;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use wasmtime::ResourceLimiter;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{Deterministic, HostMonotonicClock, HostWallClock, WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};

/// Which host imports answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Surface {
    /// `describe` and `check`: the log, and nothing of an entry.
    Manifest,
    /// An agent's run: the log and the entry, so that it is a function of the run and the lines.
    Agent,
    /// All of them, within the entry's rights.
    Whole,
}

/// What an instance's imports work on.
pub(crate) struct State {
    wasi: WasiCtx,
    pub(crate) wasi_http: WasiHttp,
    pub(crate) table: ResourceTable,
    limiter: Limiter,
    ticks_left: u64,
    /// When the call's time is up.
    pub(crate) deadline: Instant,
    pub(crate) surface: Surface,
    pub(crate) plugin: String,
    pub(crate) entry: String,
    pub(crate) settings: Arc<str>,
    pub(crate) rights: Arc<Rights>,
    /// The recorder: whatever a guest asks is written down on its way.
    pub(crate) host: Arc<dyn Host>,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) seed: Seed,
    pub(crate) output: Output,
    /// What this call wrote: none for removed.
    pub(crate) kv: BTreeMap<String, Option<String>>,
    /// What that takes up, in bytes.
    pub(crate) kv_bytes: usize,
    pub(crate) shared: Arc<Shared>,
}

impl State {
    pub(crate) fn new(caller: &Caller, surface: Surface, budget: Budget, seed: Seed) -> State {
        let recorder = Arc::new(Recorder::new(caller.host.clone(), caller.rights.clone()));
        let host: Arc<dyn Host> = recorder.clone();
        let output = Output::new(host.clone(), &caller.plugin, &caller.entry);
        let mut table = ResourceTable::new();
        table.set_max_capacity(10_000);
        State {
            wasi: wasi(surface, &output, &host, seed),
            wasi_http: WasiHttp::default(),
            table,
            limiter: Limiter::new(budget.memory),
            ticks_left: ticks(budget),
            deadline: Instant::now() + budget.wall,
            surface,
            plugin: caller.plugin.clone(),
            entry: caller.entry.clone(),
            settings: caller.settings.clone(),
            rights: caller.rights.clone(),
            host,
            recorder,
            seed,
            output,
            kv: BTreeMap::new(),
            kv_bytes: 0,
            shared: caller.shared.clone(),
        }
    }

    /// Gives an instance that lives on the time of its next call.
    pub(crate) fn arm(&mut self, budget: Budget) {
        self.ticks_left = ticks(budget);
        self.deadline = Instant::now() + budget.wall;
    }

    pub(crate) fn limiter(&mut self) -> &mut dyn ResourceLimiter {
        &mut self.limiter
    }

    /// How much memory it has at the moment, in bytes.
    pub(crate) fn memory(&self) -> usize {
        self.limiter.used()
    }

    /// How much memory it wanted in all when it was refused more.
    pub(crate) fn refused_memory(&self) -> Option<usize> {
        self.limiter.refused()
    }

    /// Takes one tick of CPU time off; true: there is none left.
    pub(crate) fn tick(&mut self) -> bool {
        self.ticks_left = self.ticks_left.saturating_sub(1);
        self.ticks_left == 0
    }

    /// Whether the import answers at all in this call.
    pub(crate) fn open(&self, import: &str) -> Result<(), common::Error> {
        self.surface.open(&self.plugin, import)
    }
}

impl Surface {
    pub(crate) fn open(self, plugin: &str, import: &str) -> Result<(), common::Error> {
        let when = match self {
            Surface::Whole => return Ok(()),
            Surface::Manifest => "while a plugin describes or checks itself",
            Surface::Agent => "in an agent's run, which depends on the run and its output alone",
        };
        Err(common::Error::Denied(format!("plugin `{plugin}`: {import} does not answer {when}")))
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

fn ticks(budget: Budget) -> u64 {
    u64::try_from(budget.cpu.as_millis() / TICK.as_millis()).unwrap_or(u64::MAX)
}

fn wasi(surface: Surface, output: &Output, host: &Arc<dyn Host>, seed: Seed) -> WasiCtx {
    let mut wasi = WasiCtxBuilder::new();
    wasi.stdout(output.pipe(Stream::Stdout)).stderr(output.pipe(Stream::Stderr)).max_random_size(64 << 10);
    match surface {
        Surface::Whole => wasi
            .wall_clock(Now(host.clone()))
            .monotonic_clock(Now(host.clone()))
            .secure_random(seed.chance(b"secure"))
            .insecure_random(seed.chance(b"insecure"))
            .insecure_random_seed(seed.wide()),
        Surface::Manifest | Surface::Agent => wasi
            .wall_clock(Still)
            .monotonic_clock(Still)
            .secure_random(Deterministic::new(vec![17, 42, 5, 99, 201, 3, 77]))
            .insecure_random(Deterministic::new(vec![17, 42, 5, 99, 201, 3, 77]))
            .insecure_random_seed(17),
    };
    wasi.build()
}

struct Now(Arc<dyn Host>);

impl HostWallClock for Now {
    fn resolution(&self) -> Duration {
        Duration::from_millis(1)
    }

    fn now(&self) -> Duration {
        Duration::from_millis(self.0.now())
    }
}

impl HostMonotonicClock for Now {
    fn resolution(&self) -> u64 {
        1_000
    }

    fn now(&self) -> u64 {
        self.0.monotonic()
    }
}

struct Still;

impl HostWallClock for Still {
    fn resolution(&self) -> Duration {
        Duration::from_millis(1)
    }

    fn now(&self) -> Duration {
        Duration::ZERO
    }
}

impl HostMonotonicClock for Still {
    fn resolution(&self) -> u64 {
        1_000_000
    }

    fn now(&self) -> u64 {
        0
    }
}
