//! Where changes are reviewed: branches are pushed there, changes opened, remarked upon, merged and closed.
//!
//! [`Forge`] is what the steps and the outbox use, [`Tracker`] what is known of issues and people. [`LocalForge`] is a
//! repository on this machine's disk, reviewed by command line; [`GitHubForge`] one on GitHub, which all of them reach by
//! one [`GitHub`]. Every effect looks before it acts, so that repeating it after a crash does nothing twice.
//!
//! - Never touches a work tree, and pushes to no branch outside its prefix.
//! - Never decides what is published: it does what it is told, if the world is still as the caller believes.
//!
//! [`git`] runs git as a child process with limits; the room of runs uses it too.

mod error;
mod forge;
pub mod git;
pub mod github;
mod local;
pub mod markdown;
mod mirror;
mod name;
mod tracker;

#[cfg(test)]
mod conformance;

pub use error::Error;
pub use forge::{Author, Change, Comment, Forge, NewChange, Pushed, State};
pub use github::{GitHub, GitHubForge};
pub use local::{LocalForge, Options};
pub use tracker::{Applied, Edit, Issue, Person, Reaction, Right, Said, Text, TextEdit, Tracker};
