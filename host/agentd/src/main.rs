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
mod way_out;

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    if let Some(code) = agentd_plugin::compile_child() {
        return code;
    }
    cli::main().await
}
