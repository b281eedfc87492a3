//! The one WebAssembly engine, its clock, and what guests may import.
//!
//! Code is compiled ahead of time by Cranelift with epoch checks in it; an operating system's thread advances the
//! epoch every 10 ms. It is no tokio task, because that would starve exactly when it is needed. The thread holds the
//! engine weakly and ends with it.

use crate::Error;
use crate::bindings::All;
use crate::limits::TICK;
use crate::state::State;
use wasmtime::component::{Component, HasSelf, InstancePre, Linker};
use wasmtime::{Config, WasmBacktraceDetails};

pub(crate) struct Engine {
    engine: wasmtime::Engine,
    linker: Linker<State>,
}

impl Engine {
    pub(crate) fn new() -> Result<Engine, Error> {
        let broken = |error: wasmtime::Error| Error::Engine(format!("{error:#}"));
        let engine = wasmtime::Engine::new(&config()).map_err(broken)?;
        let mut linker = Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker).map_err(broken)?;
        wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker).map_err(broken)?;
        All::add_to_linker::<_, HasSelf<State>>(&mut linker, |state| state).map_err(broken)?;
        tick(&engine).map_err(|error| Error::Engine(error.to_string()))?;
        Ok(Engine { engine, linker })
    }

    pub(crate) fn wasmtime(&self) -> &wasmtime::Engine {
        &self.engine
    }

    /// Resolves the imports once, for all instances to come.
    pub(crate) fn link(&self, component: &Component) -> wasmtime::Result<InstancePre<State>> {
        self.linker.instantiate_pre(component)
    }
}

/// How code is compiled and run. Whoever compiles has to do it in the same way.
pub(crate) fn config() -> Config {
    let mut config = Config::new();
    config.epoch_interruption(true).memory_init_cow(true).async_stack_size(2 << 20).max_wasm_stack(1 << 20);
    config.wasm_backtrace_details(WasmBacktraceDetails::Enable);
    config
}

fn tick(engine: &wasmtime::Engine) -> std::io::Result<()> {
    let weak = engine.weak();
    std::thread::Builder::new().name("plugin-ticks".into()).spawn(move || {
        while let Some(engine) = weak.upgrade() {
            engine.increment_epoch();
            drop(engine);
            std::thread::sleep(TICK);
        }
    })?;
    Ok(())
}
