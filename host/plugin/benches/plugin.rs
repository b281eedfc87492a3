//! A plugin call with a fresh instance (`label-priority`, one candidate), beside a bare wasmtime loop that does the same
//! with the same component: what lies between the two is what limits, rights, log and health cost.
//!
//! Then the same policy beside other ways to have one ([`peers`]), prioritizers in other languages ([`languages`]), and
//! calls that go on while their plugin is replaced ([`reload`]).
//!
//! All are reported beside their target, measured in turns so that a busy spell of the machine meets both; criterion's
//! own figures follow.
//!
//! The component is taken from the folder `AGENTD_SHIPPED`, or from where `cargo xtask plugins` leaves it.

#![expect(clippy::print_stdout, reason = "a bench reports to the terminal")]

#[path = "plugin/languages.rs"]
mod languages;
#[path = "plugin/nobody.rs"]
mod nobody;
#[path = "plugin/peers.rs"]
mod peers;
#[path = "plugin/reload.rs"]
mod reload;

use agentd_plugin::wit::prioritizer::{Batch, Candidate};
use agentd_plugin::wit::work;
use agentd_plugin::{Entry, Options, Plugins, Shipped};
use criterion::{Criterion, criterion_group, criterion_main};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use wasmtime::component::{Component, HasSelf, Linker};
use wasmtime::{Config, Engine, Store, UpdateDeadline};
use wasmtime_wasi::{ResourceTable, WasiCtx, WasiCtxView, WasiView};

/// How many calls of each the report makes.
const CALLS: usize = 2_000;

mod bindings {
    wasmtime::component::bindgen!({
        inline: "package agentd:bench;
            world bare {
                import agentd:host/entry@1.0.0;
                export agentd:prioritizer/prioritizer@1.0.0;
            }",
        path: ["../../wit/types", "../../wit/plugin", "../../wit/host", "../../wit/prioritizer"],
        world: "agentd:bench/bare",
        imports: { default: async | trappable },
        exports: { default: async },
    });
}

criterion_group!(benches, plugin);
criterion_main!(benches);

fn plugin(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let wasm = component();
    let (entry, _cache) = runtime.block_on(shipped(wasm));
    let bare = Bare::new(wasm);
    runtime.block_on(report(&entry, &bare));
    runtime.block_on(peers::report(&entry));
    runtime.block_on(languages::report());
    runtime.block_on(reload::report(wasm));
    let mut group = criterion.benchmark_group("plugin call, fresh instance");
    group.bench_function("agentd", |bencher| {
        bencher.to_async(&runtime).iter(async || entry.rank(batch()).await.expect("it ranks").value);
    });
    group.bench_function("bare wasmtime", |bencher| {
        bencher.to_async(&runtime).iter(async || bare.rank().await.expect("it ranks"));
    });
    group.finish();
}

async fn report(entry: &Entry, bare: &Bare) {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..CALLS {
        let start = Instant::now();
        entry.rank(batch()).await.expect("it ranks");
        ours.push(start.elapsed());
        let start = Instant::now();
        bare.rank().await.expect("it ranks");
        theirs.push(start.elapsed());
    }
    let (ours, theirs) = (median(&mut ours), median(&mut theirs));
    let ratio = ours.as_secs_f64() / theirs.as_secs_f64();
    println!(
        "plugin call, fresh instance: p50 {ours:?} (target 80 us), bare wasmtime {theirs:?}: {ratio:.2}x (target 3x)"
    );
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn component() -> &'static [u8] {
    let folder = std::env::var_os("AGENTD_SHIPPED").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/guests/wasm32-wasip2/guest")),
        PathBuf::from,
    );
    ["label-priority.wasm", "label_priority.wasm"]
        .iter()
        .find_map(|name| std::fs::read(folder.join(name)).ok())
        .expect("label-priority is built: `cargo xtask plugins`")
        .leak()
}

async fn shipped(wasm: &'static [u8]) -> (Entry, tempfile::TempDir) {
    let cache = tempfile::TempDir::new().expect("a folder");
    let shipped = Shipped::Embedded(vec![("label-priority", wasm)].leak());
    let plugins = Plugins::load(options(cache.path(), shipped), Arc::new(nobody::Nobody)).await.expect("it loads");
    let entry = plugins.entry("default", "label-priority", serde_json::json!({}), vec![]).await;
    (entry.expect("it has no settings to refuse"), cache)
}

/// Plugins from `shipped`, and from the folder `plugins` in `root`.
fn options(root: &Path, shipped: Shipped) -> Options {
    Options { plugins: Some(root.join("plugins")), ..Options::new(root.join("cache"), shipped) }
}

fn batch() -> Batch {
    let task = work::Task {
        id: "t-1".into(),
        source: "notes".into(),
        key: "fix-login.md".into(),
        title: "Mend the login".into(),
        url: None,
        repository: "acme/shop".into(),
        thread: None,
        requester: None,
        labels: vec!["bug".into()],
        priority: Some(2),
        state: "queued".into(),
        reason: None,
        run: 0,
        change: None,
        created_at: 0,
        changed_at: 0,
        spent_microusd: 0,
        extra: vec![],
    };
    let candidate = Candidate {
        task,
        purpose: "execute".into(),
        waiting_since: 0,
        failures: 0,
        blocks: 0,
        typical_microusd: None,
        extra: vec![],
    };
    Batch { now: 0, candidates: vec![candidate], extra: vec![] }
}

/// The same component with nothing around it but what it cannot do without.
struct Bare {
    engine: Engine,
    pre: bindings::BarePre<State>,
}

struct State {
    wasi: WasiCtx,
    table: ResourceTable,
}

impl Bare {
    fn new(wasm: &[u8]) -> Bare {
        let mut config = Config::new();
        config.epoch_interruption(true);
        let engine = Engine::new(&config).expect("an engine");
        let component = Component::new(&engine, wasm).expect("a component");
        let mut linker = Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker).expect("WASI");
        bindings::Bare::add_to_linker::<_, HasSelf<State>>(&mut linker, |state| state).expect("the entry");
        linker.define_unknown_imports_as_traps(&component).expect("the others");
        let pre = linker.instantiate_pre(&component).expect("imports");
        Bare { engine, pre: bindings::BarePre::new(pre).expect("exports") }
    }

    async fn rank(&self) -> wasmtime::Result<usize> {
        use bindings::agentd::types::work::Task;
        use bindings::exports::agentd::prioritizer::prioritizer as bare;
        let state = State { wasi: WasiCtx::builder().build(), table: ResourceTable::new() };
        let mut store = Store::new(&self.engine, state);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|_| Ok(UpdateDeadline::Continue(1)));
        let instance = self.pre.instantiate_async(&mut store).await?;
        let task = Task {
            id: "t-1".into(),
            source: "notes".into(),
            key: "fix-login.md".into(),
            title: "Mend the login".into(),
            url: None,
            repository: "acme/shop".into(),
            thread: None,
            requester: None,
            labels: vec!["bug".into()],
            priority: Some(2),
            state: "queued".into(),
            reason: None,
            run: 0,
            change: None,
            created_at: 0,
            changed_at: 0,
            spent_microusd: 0,
            extra: vec![],
        };
        let candidate = bare::Candidate {
            task,
            purpose: "execute".into(),
            waiting_since: 0,
            failures: 0,
            blocks: 0,
            typical_microusd: None,
            extra: vec![],
        };
        let batch = bare::Batch { now: 0, candidates: vec![candidate], extra: vec![] };
        let scores = instance.agentd_prioritizer_prioritizer().call_rank(&mut store, &batch).await?;
        Ok(scores.map_or(0, |it| it.len()))
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl bindings::agentd::types::common::Host for State {}
impl bindings::agentd::types::work::Host for State {}

impl bindings::agentd::host::entry::Host for State {
    async fn name(&mut self) -> wasmtime::Result<String> {
        Ok("default".into())
    }

    async fn settings(&mut self) -> wasmtime::Result<String> {
        Ok(r#"{"labels":{}}"#.into())
    }
}
