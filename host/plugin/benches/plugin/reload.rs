//! Calls that go on, two hundred a second, while their plugin is replaced fifty times.
//!
//! Timed is from the rename that puts the file into the plugin folder, compiled before, to the first call that the new
//! generation answers. A call that fails, or that is answered by neither of the two versions, is counted.

use super::{batch, median, nobody::Nobody, options};
use agentd_plugin::{Plugins, Shipped};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

const RELOADS: usize = 50;
const PACE: Duration = Duration::from_millis(5);

pub(crate) async fn report(wasm: &'static [u8]) {
    let root = tempfile::TempDir::new().expect("a folder");
    let folder = root.path().join("plugins");
    fs::create_dir(&folder).expect("a folder");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).expect("a mode");
    let versions = [version(wasm, 1), version(wasm, 2)];
    put(&folder, &versions[0]);
    let plugins =
        Plugins::load(options(root.path(), Shipped::Embedded(&[])), Arc::new(Nobody)).await.expect("it loads");
    let entry = plugins.entry("default", "label-priority", serde_json::json!({}), vec![]).await.expect("an entry");
    let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
    let watching = plugins.clone();
    let until = stop.clone();
    tasks.spawn(async move { watching.watch(until).await });
    let (made, failed) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    tasks.spawn(keep_calling(entry.clone(), stop.clone(), made.clone(), failed.clone()));

    // Once each, so that both are compiled.
    for bytes in [&versions[1], &versions[0]] {
        put(&folder, bytes);
        serving(&entry, bytes).await;
    }
    let mut times = Vec::new();
    for round in 0..RELOADS {
        let bytes = &versions[(round + 1) % 2];
        let start = Instant::now();
        put(&folder, bytes);
        serving(&entry, bytes).await;
        times.push(start.elapsed());
    }
    stop.cancel();
    tasks.close();
    tasks.wait().await;
    let worst = times.iter().max().copied().unwrap_or_default();
    println!(
        "replaced under {} calls: p50 {:?}, worst {worst:?} of {RELOADS} (target 300 ms); {} calls failed (target 0)",
        made.load(Ordering::Relaxed),
        median(&mut times),
        failed.load(Ordering::Relaxed),
    );
}

/// The same code with one custom section more, which makes it another file.
fn version(wasm: &[u8], number: u8) -> Vec<u8> {
    let mut bytes = wasm.to_vec();
    bytes.extend_from_slice(&[0, 3, 1, b'v', number]);
    bytes
}

fn put(folder: &Path, bytes: &[u8]) {
    let partial = folder.join("partial");
    fs::write(&partial, bytes).expect("a file");
    fs::set_permissions(&partial, fs::Permissions::from_mode(0o600)).expect("a mode");
    fs::rename(partial, folder.join("label-priority.wasm")).expect("a place");
}

async fn serving(entry: &agentd_plugin::Entry, bytes: &[u8]) {
    use sha2::{Digest, Sha256};
    let digest = format!("sha256:{}", hex::encode(Sha256::digest(bytes)));
    while entry.digest() != digest {
        tokio::time::sleep(Duration::from_micros(500)).await;
    }
    entry.rank(batch()).await.expect("it ranks");
}

async fn keep_calling(
    entry: agentd_plugin::Entry,
    stop: CancellationToken,
    made: Arc<AtomicU64>,
    failed: Arc<AtomicU64>,
) {
    let mut pace = tokio::time::interval(PACE);
    while !stop.is_cancelled() {
        pace.tick().await;
        made.fetch_add(1, Ordering::Relaxed);
        let scores = entry.rank(batch()).await;
        if !scores.is_ok_and(|it| it.value.len() == 1) {
            failed.fetch_add(1, Ordering::Relaxed);
        }
    }
}
