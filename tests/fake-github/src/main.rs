//! Starts a fake GitHub with a sample repository, to try a program against by hand.
//!
//! `cargo run -p agentd-fake-github [PORT]` prints its address and a token, and shows every request that is not as
//! GitHub has it. It ends with its standard input, or by Ctrl-C, and keeps nothing.

use agentd_fake_github::{Fake, Right};
use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

fn main() -> io::Result<()> {
    let port = std::env::args().nth(1).and_then(|it| it.parse().ok()).unwrap_or(0);
    let fake = Fake::start_at(port);
    let repository = fake.repository("acme/api");
    repository.give("ann", Right::Admin).give("agentd-bot", Right::Write);
    repository.push_files(&[("src/greeting.txt", "Hello wrold\n"), ("Dockerfile", "FROM debian:bookworm-slim\n")]);
    let number = repository.open_issue("ann", "Greeting is misspelled", "`src/greeting.txt` says `wrold`.");
    repository.label("ann", number, "agentd");
    let mut out = io::stdout();
    writeln!(out, "url         {}", fake.url())?;
    writeln!(out, "repository  acme/api, with issue {number} labelled `agentd` by ann")?;
    writeln!(out, "token       {} (of agentd-bot, who may write)", fake.token_of("agentd-bot"))?;
    let ended = Arc::new(AtomicBool::new(false));
    let watched = ended.clone();
    let input = thread::spawn(move || {
        let mut rest = Vec::new();
        drop(io::stdin().read_to_end(&mut rest));
        watched.store(true, Ordering::SeqCst);
    });
    let mut shown = 0;
    while !ended.load(Ordering::SeqCst) {
        let violations = fake.violations();
        for text in &violations[shown..] {
            writeln!(out, "not as GitHub has it: {text}")?;
        }
        shown = violations.len();
        thread::sleep(Duration::from_millis(200));
    }
    drop(input.join());
    Ok(())
}
