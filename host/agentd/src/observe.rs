//! What agentd says about itself: log lines on stderr, for people or as JSON.
//!
//! `AGENTD_LOG` says how much (`info`, `debug`, `agentd_store=trace`, …), `AGENTD_LOG_FORMAT=json` in which form.
//! Where neither that nor an option says it, the configuration does, also while the daemon runs. Events of tasks are not
//! logged here: they are in the store.

use std::io::{self, IsTerminal};
use std::sync::OnceLock;
use tracing_subscriber::{EnvFilter, Registry, fmt, prelude::*, reload};

/// How much is logged, where the configuration may say it.
static LEVEL: OnceLock<reload::Handle<EnvFilter, Registry>> = OnceLock::new();

/// Begins logging, with `default` where `AGENTD_LOG` says nothing. `fixed`: somebody wants that level, whatever the
/// configuration says. A second call changes nothing.
///
/// # Errors
/// The text of what is wrong with `AGENTD_LOG` or `AGENTD_LOG_FORMAT`.
pub(crate) fn start(default: &str, fixed: bool) -> Result<(), String> {
    let said = variable("AGENTD_LOG");
    let fixed = fixed || said.is_some();
    let wanted = said.unwrap_or_else(|| default.to_owned());
    let filter = EnvFilter::try_new(&wanted).map_err(|error| format!("AGENTD_LOG={wanted} cannot be used: {error}"))?;
    let (filter, level) = reload::Layer::new(filter);
    let lines = fmt::layer().with_writer(io::stderr).with_target(false);
    let begun = match variable("AGENTD_LOG_FORMAT").as_deref() {
        None | Some("text") => {
            Registry::default().with(filter).with(lines.with_ansi(io::stderr().is_terminal())).try_init()
        }
        Some("json") => {
            Registry::default().with(filter).with(lines.with_target(true).json().flatten_event(true)).try_init()
        }
        Some(other) => return Err(format!("AGENTD_LOG_FORMAT={other} is unknown: take text or json")),
    };
    // Only a test that runs two commands in one process gets here twice.
    if begun.is_ok() && !fixed {
        LEVEL.get_or_init(|| level);
    }
    Ok(())
}

/// Logs as much as the configuration says, unless somebody said otherwise when this process began.
pub(crate) fn follow(wanted: &str) {
    let Some(level) = LEVEL.get() else { return };
    let filter = EnvFilter::try_new(wanted).map_err(|error| error.to_string());
    let set = filter.and_then(|filter| level.reload(filter).map_err(|error| error.to_string()));
    if let Err(error) = set {
        tracing::warn!(wanted, error, "How much is logged cannot be changed");
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|it| !it.is_empty())
}
