//! The end-to-end tests: one binary, a module per story.
//!
//! They look at agentd as its users do: the program, its output, its files, its containers and its forge. What can be
//! seen from inside one room is tested in that room.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod support;

mod agents;
mod bad_input;
mod contract;
mod crash;
mod github;
mod hostile;
mod model_faults;
mod order;
mod plugins;
mod regressions;
mod reload;
mod thread;
mod tidy;
