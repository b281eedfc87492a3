//! What plugins may call: one file for each interface of `agentd:host`, and `wasi:http`.
//!
//! Each function first asks whether it answers in this call at all ([`State::open`]), then the entry's rights, then
//! its own limits, and only then the daemon. A refusal is a typed error for the guest, never a trap.

mod clock;
mod entry;
mod forge;
mod http;
mod kv;
mod log;
mod mail;
mod metrics;
mod repository;
mod wasi_http;

pub(crate) use wasi_http::WasiHttp;

use crate::bindings::agentd::agent::activity;
use crate::bindings::agentd::types::{common, work};
use crate::state::State;

impl common::Host for State {}
impl work::Host for State {}
impl activity::Host for State {}
