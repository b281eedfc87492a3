//! What the tests of this room share: the shipped plugins, and a place to open them.

use agentd_plugin::Plugins;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn target() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().join("target")
}

/// A plugin as `cargo xtask plugins` built it.
pub(crate) fn shipped(name: &str) -> Vec<u8> {
    let folder = env::var_os("AGENTD_SHIPPED").map_or_else(|| target().join("shipped"), PathBuf::from);
    let file = folder.join(format!("{name}.wasm"));
    fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}; run `cargo xtask plugins` first", file.display()))
}

/// The plugin room, with compiled code kept between runs of the tests.
pub(crate) async fn workbench() -> Plugins {
    crate::plugins(&target().join("guests/opened"), 1_790_000_000_000).await.unwrap()
}
