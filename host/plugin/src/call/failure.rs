//! What is made of a call that failed: a cause in words, a place in the guest's code, a trace, a count.

use super::Attempt;
use crate::error::{CallError, Details, readable};
use crate::state::State;
use crate::trace::Trace;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;
use wasmtime::{FrameInfo, Trap, WasmBacktrace};
use wasmtime_wasi::I32Exit;

/// Frames, from the innermost, and bytes in all.
const FRAMES: usize = 16;
const STACK_BYTES: usize = 2 << 10;
const FUNCTION_CHARS: usize = 160;

const FAULT: &str = "this is a fault of the plugin; tell its author";

/// Why, and what helps.
pub(super) struct Failure {
    what: String,
    hint: String,
    /// Where in the guest's code, a frame a line.
    stack: String,
}

pub(super) fn nonsense(what: &str) -> Failure {
    let what = format!("its answer makes no sense: {what}");
    Failure { what, hint: "this is a fault of the plugin".into(), stack: String::new() }
}

impl Attempt {
    pub(super) fn silence(&self) -> Failure {
        Failure {
            what: format!("it gave no answer within {} s", self.budget.wall.as_secs()),
            hint: format!(
                "it waits for something that does not come; see what it logged, `agentd plugin logs`. {}",
                self.raise("wall")
            ),
            stack: String::new(),
        }
    }

    pub(super) fn cause(&self, state: &State, error: &wasmtime::Error) -> Failure {
        let (what, hint) = self.words(state, error);
        Failure { what, hint, stack: error.downcast_ref::<WasmBacktrace>().map(stack).unwrap_or_default() }
    }

    fn words(&self, state: &State, error: &wasmtime::Error) -> (String, String) {
        if let Some(wanted) = state.refused_memory() {
            let allowed = self.budget.memory >> 20;
            let what = format!("it asked for {} MiB of memory, and {allowed} MiB are allowed", wanted >> 20);
            return (what, format!("make it use less memory. {}", self.raise("memory")));
        }
        if let Some(exit) = error.downcast_ref::<I32Exit>() {
            return (format!("it ended its program with code {}", exit.0), "a plugin returns, it does not exit".into());
        }
        let what = match error.downcast_ref::<Trap>() {
            Some(Trap::Interrupt) => {
                let what = format!("it used more than its {} s of CPU time", self.budget.cpu.as_secs());
                let hint = "it is in an endless loop, or has too much to do at a time";
                return (what, format!("{hint}. {}", self.raise("cpu")));
            }
            Some(Trap::UnreachableCodeReached) => "it trapped: it panicked or aborted".into(),
            Some(Trap::StackOverflow) => "it trapped: its stack overflowed".into(),
            Some(Trap::MemoryOutOfBounds) => {
                "it trapped: it reached beyond its memory, as it does when its stack overflows".into()
            }
            Some(trap) => format!("it trapped: {trap}"),
            None => {
                let cause = readable(&error.root_cause().to_string(), 512);
                return (cause, "this is a fault of the plugin, or it was built for another contract".into());
            }
        };
        (what, FAULT.into())
    }

    fn raise(&self, key: &str) -> String {
        if self.function.is_about_itself() && key != "memory" {
            return "What a plugin says of itself, it has to say at once".into();
        }
        format!("`{key}` in [plugins.limits.{}] raises the limit", self.plugin)
    }

    /// Counts it, tells the breaker and the daemon, and makes the error.
    pub(super) fn fail(self, state: &State, failure: Failure, cpu: Duration, arguments: Value) -> CallError {
        let Failure { what, hint, stack } = failure;
        let said = state.output.tail();
        self.ticket.failed(self.host.now(), &what);
        self.tallies.of(self.function).failed(cpu, self.began.elapsed(), &what);
        let mut error = what.clone();
        for part in [&said, &stack].into_iter().filter(|it| !it.is_empty()) {
            error.push('\n');
            error.push_str(part);
        }
        let (function, arguments) = self.function.traced(arguments);
        let mut trace = Trace {
            id: state.seed.id(),
            digest: self.digest.to_string(),
            plugin: self.plugin.clone(),
            entry: self.entry.clone(),
            function: function.into(),
            settings: serde_json::from_str(&self.settings).unwrap_or_default(),
            repositories: state.rights.repositories().to_vec(),
            arguments,
            answers: vec![],
            kv: BTreeMap::new(),
            now: state.recorder.began(),
            seed: state.seed.number(),
            limits: self.budget,
            grants: state.rights.grants(),
            error,
            complete: true,
        };
        state.recorder.tell(&mut trace);
        let id = trace.id.clone();
        self.host.failed(trace);
        let details = Box::new(Details { said, stack, trace: id, hint });
        CallError::Failed { plugin: self.plugin, entry: self.entry, function: self.function.name(), what, details }
    }
}

/// The frames of the guest's own code, innermost first, as far as the component can tell.
fn stack(trace: &WasmBacktrace) -> String {
    let mut text = String::new();
    for (number, frame) in trace.frames().iter().take(FRAMES).enumerate() {
        if text.len() > STACK_BYTES {
            break;
        }
        line(&mut text, number, frame);
    }
    let left = trace.frames().len().saturating_sub(FRAMES);
    if left > 0 {
        write!(text, "… and {left} more").expect("a String takes everything");
    }
    readable(&text, STACK_BYTES)
}

fn line(text: &mut String, number: usize, frame: &FrameInfo) {
    let place = frame.module_offset().unwrap_or(0);
    let mut add = |name: Option<String>, at: String| {
        let name = name.unwrap_or_else(|| format!("function {}", frame.func_index()));
        let name = readable(&name.replace('\n', " "), FUNCTION_CHARS);
        writeln!(text, "{number}: {name}{at}").expect("a String takes everything");
    };
    if frame.symbols().is_empty() {
        return add(frame.func_name().map(demangled), format!(" at 0x{place:x}"));
    }
    for symbol in frame.symbols() {
        let name = symbol.name().or(frame.func_name()).map(demangled);
        let at = match (symbol.file(), symbol.line()) {
            (Some(file), Some(line)) => format!(" ({file}:{line})"),
            (Some(file), None) => format!(" ({file})"),
            (None, _) => format!(" at 0x{place:x}"),
        };
        add(name, at);
    }
}

fn demangled(name: &str) -> String {
    format!("{:#}", rustc_demangle::demangle(name))
}
