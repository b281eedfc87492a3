//! Who may call whom: the host's own HTTP, on behalf of plugins, which never open a socket, and of sandboxes, which
//! have none to the outside.
//!
//! A request goes out only if the caller's rules cover its scheme, host, port, path and method, if nothing that the
//! caller wrote contains a secret of the operator's, and if the address that is dialled is public or was named by the
//! operator. The checks are made in that order, and the secret is attached after all of them. [`Egress::send`] gives the
//! whole answer, [`Egress::open`] gives it as it comes, and [`Egress::connect`] a bare connection to a checked address.
//!
//! - Follows no redirect, uses no proxy but the operator's, keeps no cookies and shows none to callers. Retries nothing
//!   but a GET or HEAD whose access token was refused: once, with a new token.
//! - Writes one audit line for each request: never a query, a header or a body.
//! - Never reads the clock for what it sends: the time of a signature comes in.
//! - [`secret`] finds secrets in text, here and in what agents wrote.

mod address;
mod credential;
mod egress;
mod error;
mod request;
mod rule;
pub mod secret;
mod token;

use address::Network;
pub use credential::{Attach, Credential, Credentials};
pub use egress::{Egress, Options, Patience, Streamed};
pub use error::Error;
pub use request::{Request, Response};
pub use rule::{Rule, covers};
pub use token::{Keep, Tokens};
