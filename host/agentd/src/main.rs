//! agentd: finds coding work, runs coding agents in locked containers, checks what they did, and publishes it.
//!
//! The program is three things: the command line ([`cli`]), what it configures ([`config`]), and the daemon, which
//! wires the rooms together and serves the command line on a socket in its home folder.

mod cli;
mod config;
mod daemon;
mod hint;
mod home;
mod observe;
mod server;
mod toolbox;

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    cli::main().await
}
