//! How long a claim takes with few and with many tasks waiting, and how long a restart with many.
//!
//! A claim is timed from the call to the answer, which comes when it is on the disk; a restart from opening files as a
//! kill left them to the answer of the first claim. The disk's own speed decides most of both, so it is probed in the
//! same run; figures are worth something only beside it, and ratios more than figures. `--quick` makes it small.
#![expect(clippy::print_stdout, reason = "a bench reports to the terminal")]

use agentd_store::{Intake, Options, Score, Store, With};
use agentd_task::{Draft, Event, Limits, Millis, Mode, TaskId};
use criterion::{BenchmarkId, Criterion};
use std::{
    fs,
    io::Write,
    path::Path,
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tokio::runtime::Runtime;

const NOW: Millis = 1_000_000;
const LIMITS: Limits = Limits { concurrent: 3, per_repository: 1, open_changes: 5 };
const REPOSITORIES: usize = 20;
/// How often the report restarts.
const RESTARTS: usize = 5;

/// A store with tasks that are ready, scored as if by chance.
struct Waiting {
    store: Store,
    folder: TempDir,
}

impl Waiting {
    async fn new(tasks: usize) -> Waiting {
        let folder = TempDir::new().expect("a folder for the database");
        let store = open(folder.path());
        for first in (0..tasks).step_by(1_000) {
            let drafts = (first..tasks.min(first + 1_000)).map(draft).collect();
            let intake = Intake {
                source: "bench".into(),
                drafts,
                mode: Mode::Auto,
                branch_prefix: "agentd/".into(),
                ..Intake::default()
            };
            let taken = store.intake(intake, NOW).await.expect("tasks are taken in");
            let scores = taken.new.into_iter().map(|task| Score { task, value: chance(task), reason: "x".into() });
            store.rank(1, scores.collect()).await.expect("tasks are ranked");
        }
        Waiting { store, folder }
    }

    /// Claims a task, and puts it back; only the claim is timed.
    async fn claim(&self) -> Duration {
        let start = Instant::now();
        let claimed = self.store.claim(LIMITS, None, NOW).await.expect("a claim");
        let took = start.elapsed();
        let task = claimed.expect("tasks wait").task;
        let back = Event::Interrupted { run: task.run, now: NOW };
        self.store.apply(task.id, back, With::default(), NOW).await.expect("it is put back");
        took
    }

    /// Opens a copy of the files as they are, as after a kill, and claims.
    async fn restart(&self) -> Duration {
        let folder = TempDir::new().expect("a folder for the copy");
        for file in fs::read_dir(&self.folder).expect("the database's folder") {
            let file = file.expect("the database's files");
            if !file.file_name().to_string_lossy().ends_with("-shm") {
                fs::copy(file.path(), folder.path().join(file.file_name())).expect("a copy");
            }
        }
        let start = Instant::now();
        let store = open(folder.path());
        store.recover_effects().await.expect("effects are recovered");
        store.stage(NOW).await.expect("tasks are staged");
        store.claim(LIMITS, None, NOW).await.expect("a claim").expect("tasks wait");
        let took = start.elapsed();
        store.close().await;
        took
    }
}

fn open(folder: &Path) -> Store {
    Store::open(Options { path: folder.join("agentd.db") }, NOW).expect("the database opens")
}

fn draft(number: usize) -> Draft {
    Draft {
        key: format!("{number}"),
        title: format!("Task {number}"),
        body: "x".repeat(512),
        repository: format!("repository-{}", number % REPOSITORIES),
        ..Draft::default()
    }
}

/// The same for each task in each run.
fn chance(task: TaskId) -> f64 {
    (task.0.wrapping_mul(2_654_435_761) % 1_000) as f64
}

/// How long 4 KiB take to the disk, at the median.
fn probe(times: usize) -> Duration {
    let mut file = tempfile::tempfile().expect("a file");
    let once = |_| {
        let start = Instant::now();
        file.write_all(&[7; 4096]).and_then(|()| file.sync_data()).expect("the disk takes it");
        start.elapsed()
    };
    at(&mut (0..times).map(once).collect::<Vec<_>>(), 0.5)
}

fn at(times: &mut [Duration], part: f64) -> Duration {
    times.sort_unstable();
    times[((times.len() - 1) as f64 * part).round() as usize]
}

/// The promises about claims and restarts beside their targets; claims are measured in turns so that a busy spell of the machine meets both.
fn report(runtime: &Runtime, few: &Waiting, many: &Waiting, claims: usize) {
    println!("fdatasync of 4 KiB: p50 {:?}", probe(claims.min(400)));
    let (mut with_few, mut with_many) = (Vec::new(), Vec::new());
    for _ in 0..claims {
        with_few.push(runtime.block_on(few.claim()));
        with_many.push(runtime.block_on(many.claim()));
    }
    for (part, target) in [(0.5, ""), (0.99, " (target 1.2x)")] {
        let (few, many) = (at(&mut with_few, part), at(&mut with_many, part));
        let ratio = many.as_secs_f64() / few.as_secs_f64();
        println!("claim p{}: {few:?} with few waiting, {many:?} with many: {ratio:.2}x{target}", part * 100.0);
    }
    let mut restarts: Vec<_> = (0..RESTARTS).map(|_| runtime.block_on(many.restart())).collect();
    println!("restart with many waiting: p50 {:?} (target 500 ms)", at(&mut restarts, 0.5));
    println!("fdatasync of 4 KiB: p50 {:?}", probe(claims.min(400)));
}

fn main() {
    let quick = std::env::args().any(|it| it == "--quick" || it == "--test");
    let (few, many, claims) = if quick { (1_000, 5_000, 200) } else { (1_000, 100_000, 5_000) };
    let runtime = Runtime::new().expect("a runtime");
    let small = runtime.block_on(Waiting::new(few));
    let large = runtime.block_on(Waiting::new(many));
    report(&runtime, &small, &large, claims);

    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("claim");
    for (tasks, waiting) in [(few, &small), (many, &large)] {
        group.bench_function(BenchmarkId::from_parameter(tasks), |bench| {
            bench.iter_custom(|times| (0..times).map(|_| runtime.block_on(waiting.claim())).sum());
        });
    }
    group.finish();
    let mut group = criterion.benchmark_group("restart");
    group.sample_size(10);
    group.bench_function(BenchmarkId::from_parameter(many), |bench| {
        bench.iter_custom(|times| (0..times).map(|_| runtime.block_on(large.restart())).sum());
    });
    group.finish();
    criterion.final_summary();
}
