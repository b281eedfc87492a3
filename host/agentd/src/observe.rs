//! What agentd says about itself: log lines on stderr, for people or as JSON.
//!
//! `AGENTD_LOG` says how much (`info`, `debug`, `agentd_store=trace`, …), `AGENTD_LOG_FORMAT=json` in which form.
//! Events of tasks are not logged here: they are in the store.

use std::io::{self, IsTerminal};
use tracing_subscriber::{EnvFilter, fmt};

/// Begins logging, with `default` where `AGENTD_LOG` says nothing. A second call changes nothing.
///
/// # Errors
/// The text of what is wrong with `AGENTD_LOG` or `AGENTD_LOG_FORMAT`.
pub(crate) fn start(default: &str) -> Result<(), String> {
    let wanted = variable("AGENTD_LOG").unwrap_or_else(|| default.to_owned());
    let filter = EnvFilter::try_new(&wanted).map_err(|error| format!("AGENTD_LOG={wanted} cannot be used: {error}"))?;
    let builder = fmt().with_env_filter(filter).with_writer(io::stderr).with_target(false);
    let begun = match variable("AGENTD_LOG_FORMAT").as_deref() {
        None | Some("text") => builder.with_ansi(io::stderr().is_terminal()).try_init(),
        Some("json") => builder.with_target(true).json().flatten_event(true).try_init(),
        Some(other) => return Err(format!("AGENTD_LOG_FORMAT={other} is unknown: take text or json")),
    };
    // Only a test that runs two commands in one process gets here twice.
    begun.or(Ok(()))
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|it| !it.is_empty())
}
