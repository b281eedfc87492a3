//! The sandbox's only exit: routes to models, mirrors of package registries, tunnels.
//!
//! A *door* is the way out of one run: what it may reach and spend, behind a socket of its own (or, at the loopback
//! listener, behind its token). [`Gateway::open`] opens a [`Door`] at a socket in a folder that the sandbox has mounted.
//! What comes through it is HTTP, and there are three things to be had: the model routes of the run's endpoints
//! (`/model/NAME/…`), mirrors of the registries that its repository may read (`/npm/…`, `/crates/…`, `/pypi/…`), and
//! tunnels to the hosts that it may reach (`CONNECT`). Everything else is refused with a text that says what would allow
//! it, and becomes an event of the run.
//!
//! - Holds no key of a provider: it names a credential, and the egress attaches it. A run's token is good for that run's
//!   endpoint and worth nothing anywhere else.
//! - Changes nothing in an answer and holds none of it back. What it reads of it, it reads from a copy.
//! - Does not judge what an agent asks of its model: what a provider does for it (web fetch, `mcp_servers`) is not
//!   filtered.
//! - Every call that may have cost money is booked, in whatever way it ended; where the ledger does not work, no call is
//!   made.
//! - Never dials by itself: every way out is the egress's.
//! - Never logs or shows a token, a header or a body.

mod account;
mod answer;
mod budget;
mod door;
mod error;
mod fault;
mod gateway;
mod ledger;
mod listen;
mod meter;
mod model;
mod prices;
pub mod registry;
mod scope;
mod serve;
mod token;
mod tunnel;

#[cfg(test)]
mod tests;

pub use account::{Account, Provider};
pub use budget::{Budget, dollars};
pub use door::{Door, Endpoint};
pub use error::Error;
pub use fault::{Fault, FaultKind};
pub use gateway::{Arrangement, Gateway, Options};
pub use ledger::{Call, Ledger, Refusal, Spent, Usage};
pub use prices::{Price, Prices};
pub use scope::{Model, Scope};

/// Where the gateway is reached in a sandbox: this port of 127.0.0.1.
pub const PORT: u16 = 8417;

/// The name of a door's socket in its folder.
pub const SOCKET: &str = "s";
