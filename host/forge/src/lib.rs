//! Where changes are reviewed: branches are pushed there, changes opened, remarked upon, merged and closed.
//!
//! [`Forge`] is what the steps and the outbox use; [`LocalForge`] is a repository on this machine's disk, reviewed by
//! command line. Every effect looks before it acts, so that repeating it after a crash does nothing twice.
//!
//! - Never touches a work tree, and pushes to no branch outside its prefix.
//! - Never decides what is published: it does what it is told, if the world is still as the caller believes.
//!
//! [`git`] runs git as a child process with limits; the room of runs uses it too.

mod error;
mod forge;
pub mod git;
mod local;

#[cfg(test)]
mod conformance;

pub use error::Error;
pub use forge::{Author, Change, Comment, Forge, NewChange, Pushed, State};
pub use local::{LocalForge, Options};
