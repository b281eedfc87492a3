//! Makes a component of a core module, as C compilers and others give it.
//!
//! The contract is inside of the module where its bindings put it there (`plugin_component_type.o`); if not, it is taken
//! from the project's `wit/`, world `plugin`. Calls to WASI's first preview go through the usual adapter.

use crate::{Error, strip};
use std::path::Path;
use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

const SECTION: &[u8] = b"component-type";
const WORLD: &str = "plugin";

/// The component that `bytes`, read from `path`, are or become.
pub(crate) fn encode(path: &Path, bytes: Vec<u8>, wit: &Path) -> Result<Vec<u8>, Error> {
    if !strip::is_core_module(&bytes) {
        return Ok(bytes);
    }
    let bad = |what: String| Error::Encode { path: path.into(), what };
    let mut module = bytes;
    if !module.windows(SECTION.len()).any(|it| it == SECTION) {
        let mut resolve = Resolve::default();
        let (package, _) = resolve.push_dir(wit).map_err(|error| bad(format!("reading wit/: {error:#}")))?;
        let world =
            resolve.select_world(&[package], Some(WORLD)).map_err(|error| bad(format!("in wit/: {error:#}")))?;
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)
            .map_err(|error| bad(format!("{error:#}")))?;
    }
    let encoded = ComponentEncoder::default()
        .validate(true)
        .module(&module)
        .and_then(|it| it.adapter(WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER))
        .and_then(|mut it| it.encode());
    encoded.map_err(|error| bad(format!("{error:#}")))
}
