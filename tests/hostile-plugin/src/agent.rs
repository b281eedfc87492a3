//! An agent that does as its output says: a line `panic` makes it panic.

use crate::{Hostile, Settings, probe, spin};
use agentd_sdk::agent::{
    Agent, Conclusion, Event, Exit, File, Happening, Line, Message, Order, Outcome, Plan, Progress, Requirements, Run,
};
use agentd_sdk::{Error, settings};
use std::collections::HashSet;
use std::time::{Instant, SystemTime};

impl Agent for Hostile {
    fn needs() -> Result<Requirements, Error> {
        Ok(Requirements { check: vec!["true".into()], ..Requirements::default() })
    }

    fn launch(run: Run) -> Result<(Hostile, Plan), Error> {
        let settings: Settings = settings()?;
        let argv: Vec<String> = if settings.does == "no-argv" { vec![] } else { vec!["agent".into()] };
        let path = match settings.does.as_str() {
            "file-outside" => "/etc/profile".into(),
            "file-dots" => format!("{}/../x", run.home),
            _ => format!("{}/.config/x", run.home),
        };
        let env = if settings.does == "bad-variable" { vec![("A=B".into(), "1".into())] } else { vec![] };
        let files = vec![File { path, ..File::default() }];
        Ok((Hostile, Plan { argv, env, files, ..Plan::default() }))
    }

    fn read(&mut self, lines: Vec<Line>) -> Progress {
        let events = lines.into_iter().map(|line| match line.text.as_str() {
            "panic" => panic!("a bad line"),
            "loop" => spin(),
            "long" => said("ä".repeat(300 << 10)),
            _ => said(line.text),
        });
        Progress { events: events.collect(), ..Progress::default() }
    }

    fn control(&mut self, order: Order) -> Result<Progress, Error> {
        match order.verb.as_str() {
            "say" => Ok(Progress { send: order.text, ..Progress::default() }),
            verb => Err(Error::Unsupported(format!("`{verb}`"))),
        }
    }

    /// Tells all that could differ from one time to the next.
    #[expect(clippy::disallowed_methods, reason = "what a clock says in here is the question")]
    fn conclude(&mut self, _exit: Exit) -> Conclusion {
        let chance: HashSet<u32> = (0..8).collect();
        let time = (SystemTime::now(), Instant::now().elapsed());
        let answer = format!("{chance:?} {time:?} {}", probe::imports());
        Conclusion { outcome: Outcome::Completed, answer, session: None, events: vec![], extra: vec![] }
    }
}

fn said(text: String) -> Event {
    Happening::Message(Message { text, ..Message::default() }).into()
}
