//! A call with a fresh instance of a prioritizer in JavaScript and of one in Python: the golden components, which the
//! tests keep.

use super::{batch, median, nobody::Nobody, options};
use agentd_plugin::{Plugins, Shipped};
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

const CALLS: usize = 500;

pub(crate) async fn report() {
    for (language, target) in [("javascript", "0.6 ms"), ("python", "1.5 ms"), ("c", "none"), ("rust", "80 us")] {
        let root = tempfile::TempDir::new().expect("a folder");
        let name: &'static str = format!("{language}-prioritizer").leak();
        let shipped = Shipped::Embedded(vec![(name, golden(language))].leak());
        let plugins = Plugins::load(options(root.path(), shipped), Arc::new(Nobody)).await.expect("it loads");
        let entry = plugins.entry("default", name, serde_json::json!({}), vec![]).await.expect("an entry");
        let mut times = Vec::new();
        for _ in 0..CALLS {
            let start = Instant::now();
            entry.rank(batch()).await.expect("it ranks");
            times.push(start.elapsed());
        }
        println!("plugin call in {language}, fresh instance: p50 {:?} (target {target})", median(&mut times));
    }
}

/// The component that was built when the contract was frozen.
fn golden(language: &str) -> &'static [u8] {
    let archive = format!("{}/../../tests/golden/{language}.tar.xz", env!("CARGO_MANIFEST_DIR"));
    let member = format!("{language}-prioritizer.wasm");
    let packed = Command::new("tar").args(["-xJOf", &archive, &member]).output().expect("tar is there");
    assert!(packed.status.success(), "{archive} holds no {member}");
    packed.stdout.leak()
}
