//! Compiles components: in a child process, so that neither a compiler's appetite nor its death is the daemon's.
//!
//! The child is agentd itself, called with a hidden argument. It has no environment, gets the component on its standard
//! input, and writes the code to a file of the cache; memory, CPU time and priority are limited before it reads the first
//! byte. One works at a time, for two minutes at most, and it is killed when nobody waits for it any more.
//!
//! - Never compiles twice what is in the cache.
//! - Never believes that a child which ended well has left something good: the code is looked at as from the cache.

use crate::cache::{self, Draft};
use crate::call::Shared;
use crate::engine;
use crate::error::{Problem, readable};
use crate::generation::{Bytes, blocking};
use rustix::process::{Resource, Rlimit, nice, setrlimit};
use std::ffi::OsStr;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::time::{Instant, timeout};
use wasmtime::component::Component;

/// Where components are compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Compiler {
    /// In this process: for tests, and where no child can be had.
    InProcess,
    /// By this program, whose `main` calls [`compile_child`] first.
    Child { program: PathBuf },
}

/// What `PROGRAM` is called with, before the file to write.
const ARGUMENT: &str = "__compile";

const WALL: Duration = Duration::from_secs(120);
const CPU_SECONDS: u64 = 120;
const ADDRESS_BYTES: u64 = 2 << 30;
const PRIORITY: i32 = 10;

/// How much of what the child says is kept.
const STDERR_BYTES: usize = 4 << 10;

pub(crate) struct Code {
    pub(crate) component: Component,
    /// None: it was in the cache.
    pub(crate) took: Option<Duration>,
}

/// If this process was started to compile a component, does that, and says how it ended. To be called first thing in
/// `main`.
#[must_use]
pub fn compile_child() -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().as_deref() != Some(OsStr::new(ARGUMENT)) {
        return None;
    }
    let done = match arguments.next() {
        Some(file) => child(Path::new(&file), ADDRESS_BYTES),
        None => Err(format!("usage: {ARGUMENT} FILE, with a component on standard input")),
    };
    let Err(why) = done else { return Some(ExitCode::SUCCESS) };
    std::io::stderr().write_all(why.as_bytes()).ok();
    Some(ExitCode::FAILURE)
}

/// The code of a component. `digest` is the SHA-256 of `wasm`, in hex after `sha256:`.
pub(crate) async fn component(shared: &Arc<Shared>, wasm: Arc<Bytes>, digest: &str) -> Result<Code, Problem> {
    let one_at_a_time = shared.compiling.clone().acquire_owned().await.expect("the semaphore is never closed");
    let hex = digest.trim_start_matches("sha256:").to_owned();
    let (cached, key) = (shared.clone(), hex.clone());
    let found = blocking(move || Ok(cached.cache.find(cached.engine.wasmtime(), &key))).await?;
    if let Some(component) = found {
        return Ok(Code { component, took: None });
    }
    let began = Instant::now();
    let work = async {
        match &shared.compiler {
            Compiler::InProcess => in_process(shared.clone(), wasm, hex, one_at_a_time).await,
            Compiler::Child { program } => in_child(shared.clone(), program, &wasm, hex).await,
        }
    };
    let component = timeout(WALL, work).await.unwrap_or(Err(Problem::Slow { seconds: WALL.as_secs() }))?;
    Ok(Code { component, took: Some(began.elapsed()) })
}

/// The leave is held until it is over, also when nobody waits any more: a thread cannot be stopped.
async fn in_process<T: Send + 'static>(
    shared: Arc<Shared>,
    wasm: Arc<Bytes>,
    hex: String,
    leave: T,
) -> Result<Component, Problem> {
    let work = move || {
        let _until_it_is_over = leave;
        let engine = shared.engine.wasmtime();
        let broken = |error: wasmtime::Error| Problem::Compile(readable(&format!("{error:#}"), 1_024));
        let component = Component::new(engine, wasm.as_ref()).map_err(broken)?;
        shared.cache.keep_code(engine, &hex, &component.serialize().map_err(broken)?);
        Ok(component)
    };
    blocking(work).await
}

async fn in_child(shared: Arc<Shared>, program: &Path, wasm: &[u8], hex: String) -> Result<Component, Problem> {
    let draft = shared.cache.draft(&hex);
    run(program, &draft, wasm).await?;
    let take = move || {
        let taken = shared.cache.take(shared.engine.wasmtime(), &hex, &draft);
        taken.map_err(|error| Problem::Compile(format!("what its compilation left cannot be used: {error}")))
    };
    blocking(take).await
}

async fn run(program: &Path, draft: &Draft, wasm: &[u8]) -> Result<(), Problem> {
    let mut command = Command::new(program);
    command.arg(ARGUMENT).arg(draft.path()).env_clear().current_dir("/").kill_on_drop(true);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let start = |error| Problem::Compile(format!("{} cannot be started to compile it: {error}", program.display()));
    let mut child = command.spawn().map_err(start)?;
    let (status, said) = attend(&mut child, wasm).await.map_err(start)?;
    if status.success() {
        return Ok(());
    }
    let said = readable(&String::from_utf8_lossy(&said), 1_024);
    let how = match (status.signal(), status.code()) {
        (Some(signal), _) => format!(
            "its compilation was ended by signal {signal} (it may use {} MiB of memory and {CPU_SECONDS} s of CPU time)",
            ADDRESS_BYTES >> 20
        ),
        (None, Some(1)) if !said.is_empty() => return Err(Problem::Compile(said)),
        (None, code) => format!("its compilation ended with code {}", code.unwrap_or(-1)),
    };
    Err(Problem::Compile(if said.is_empty() { how } else { format!("{how}: {said}") }))
}

/// Feeds the child, hears it out, and waits for its end.
async fn attend(child: &mut Child, wasm: &[u8]) -> std::io::Result<(ExitStatus, Vec<u8>)> {
    let (stdin, stderr) = (child.stdin.take(), child.stderr.take());
    let feed = async {
        if let Some(mut stdin) = stdin {
            // A child that died does not listen; its status says why.
            stdin.write_all(wasm).await.ok();
            stdin.shutdown().await.ok();
        }
    };
    let listen = async {
        let (mut said, mut piece) = (vec![], [0; 1_024]);
        if let Some(mut stderr) = stderr {
            while let Ok(count @ 1..) = stderr.read(&mut piece).await {
                said.extend_from_slice(&piece[..count]);
                let excess = said.len().saturating_sub(STDERR_BYTES);
                said.drain(..excess);
            }
        }
        said
    };
    let ((), said, status) = tokio::join!(feed, listen, child.wait());
    Ok((status?, said))
}

/// The child's whole life.
pub(crate) fn child(file: &Path, address_bytes: u64) -> Result<(), String> {
    let limit = |resource, most: u64| setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) });
    let limited = limit(Resource::As, address_bytes)
        .and_then(|()| limit(Resource::Cpu, CPU_SECONDS))
        .and_then(|()| limit(Resource::Core, 0))
        .and_then(|()| nice(PRIORITY));
    limited.map_err(|error| format!("the limits of a compilation cannot be set: {error}"))?;
    let mut wasm = vec![];
    std::io::stdin().read_to_end(&mut wasm).map_err(|error| format!("the component cannot be read: {error}"))?;
    let engine = wasmtime::Engine::new(&engine::config()).map_err(|error| format!("{error:#}"))?;
    let code = engine.precompile_component(&wasm).map_err(|error| format!("{error:#}"))?;
    cache::write(file, &code).map_err(|error| format!("{} cannot be written: {error}", file.display()))
}
