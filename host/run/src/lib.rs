//! Moves tasks: finds them, ranks them, runs them step by step, publishes what came of them.
//!
//! - [`feeding`] keeps sources and analyzers going: [`intake`] asks sources for work and stores it, [`analysis`] has
//!   analyzers find it. [`ranking`] has it scored.
//! - [`rights`] says who may start work: at intake, and again when a run begins.
//! - [`dispatcher`] claims what is due and hands each task to a run; at the start it takes over the runs of the
//!   daemon before.
//! - [`steps`] is one run: prepare, execute, collect, verify. Each is a function of values to values whose output is a
//!   row in the store, so that an unfinished one is simply done again. [`prompt`], [`workspace`], [`image`], [`session`]
//!   and [`git`] are what they are made of.
//! - [`outbox`] carries out what was decided: pushes, changes, [`edits`] of issues, and what [`notices`] makes of events.
//! - [`review`] watches changes until they are merged or closed; [`maintenance`] removes what belongs to nobody.
//! - [`handle`] is what people can do, [`reading`] what plugins may read.
//!
//! What the configuration says is an [`Arrangement`], which [`Handle::rearrange`] replaces while all goes on.
//!
//! Never talks SQL, Docker, WebAssembly or HTTP itself: those are the rooms it uses.

mod analysis;
mod clock;
mod contract;
mod disk;
mod dispatcher;
mod edits;
mod feeding;
mod git;
mod handle;
mod image;
mod intake;
mod layout;
mod maintenance;
mod notices;
mod options;
mod outbox;
mod prompt;
mod pull_request;
mod ranking;
mod reading;
mod review;
mod rights;
mod service;
mod session;
mod steps;
pub mod workflows;
mod workspace;

pub use clock::Clock;
pub use feeding::Fed;
pub use git::Author;
pub use handle::{Handle, Refusal};
pub use image::is_built;
pub use layout::Layout;
pub use options::{
    Agent, Analyzer, Arrangement, Notifier, Options, Push, Repository, Sandboxes, ServiceContainer, Source, Timeouts,
    Tool, Toolbox,
};
pub use reading::{Known, Reading};
pub use rights::Allow;
pub use service::{Error, Service, StopMode};
