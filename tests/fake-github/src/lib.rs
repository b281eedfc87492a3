//! A stateful GitHub in one process, for tests: its API below `/api/v3`, GraphQL at `/api/graphql` and git at
//! `/OWNER/NAME.git`, as GitHub Enterprise has them, over plain HTTP on 127.0.0.1.
//!
//! What a program asks and what is answered are both checked against GitHub's own OpenAPI description, and GraphQL
//! queries against its schema; see [`Fake::violations`]. Repositories are real ones, made and merged by git. Tests do
//! through [`Fake`] and [`Repository`] what people do in a browser, break what they like by [`Fault`], and stop a
//! request at the moment they choose by [`Fake::hold`].
//!
//! - Never reaches another machine.
//! - Knows nothing of agentd: it is judged by GitHub's description alone.
//! - Time is the machine's, moved forward by [`Fake::advance`]; nothing waits for it to pass.

mod fake;
mod handle;

mod clock;
mod fault;
mod journal;

mod message;
mod server;

mod api;
mod auth;
mod graphql;
mod limit;
mod spec;

mod git;
mod render;
mod state;

#[cfg(test)]
mod tests;

pub use auth::KeyPair;
pub use fake::Fake;
pub use fault::{Fault, Held, How, Match, When};
pub use handle::{Comment, Issue, PullRequest, Repository};
pub use journal::{Usage, Write};
pub use state::right::Right;
