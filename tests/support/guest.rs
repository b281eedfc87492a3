//! The plugin that misbehaves on demand, built once by cargo into the target folder of the guests.

use std::{env, fs, path::Path, process::Command, sync::OnceLock};

/// The component's bytes.
pub(crate) fn hostile_plugin() -> &'static [u8] {
    static BUILT: OnceLock<Vec<u8>> = OnceLock::new();
    BUILT.get_or_init(build)
}

/// Without what the cargo around this test has set: its flags are for another target.
fn build() -> Vec<u8> {
    let workspace = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let target = workspace.join("target/guests");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(workspace).args(["build", "--quiet", "-p", "hostile-plugin", "--target", "wasm32-wasip2"]);
    cargo.args(["--profile", "guest", "--target-dir"]).arg(&target);
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        let of_cargo = text.starts_with("CARGO") && text != "CARGO_HOME" && text != "CARGO_NET_OFFLINE";
        if of_cargo || ["RUSTFLAGS", "MAKEFLAGS", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER"].contains(&&*text) {
            cargo.env_remove(&name);
        }
    }
    let done = cargo.status().unwrap();
    assert!(done.success(), "the hostile plugin cannot be built; is the target wasm32-wasip2 installed?");
    fs::read(target.join("wasm32-wasip2/guest/hostile_plugin.wasm")).unwrap()
}

/// Another version of it: `breaks` fails in each call, `wider` wants more, any other word only differs.
pub(crate) fn hostile_variant(word: &str) -> Vec<u8> {
    let mut bytes = hostile_plugin().to_vec();
    let built = b"variant:as-built........";
    let mut changed = format!("variant:{word}").into_bytes();
    changed.resize(built.len(), b'.');
    let places: Vec<usize> =
        bytes.windows(built.len()).enumerate().filter(|(_, it)| it == built).map(|(at, _)| at).collect();
    assert_eq!(places.len(), 1, "the word stands in the component once");
    bytes[places[0]..places[0] + built.len()].copy_from_slice(&changed);
    bytes
}
