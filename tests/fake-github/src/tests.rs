//! The fake itself, asked over HTTP and by git as a program asks it.

mod app;
mod client;
mod faults;
mod git;
mod graphql;
mod polite;
mod refusal;
mod story;
