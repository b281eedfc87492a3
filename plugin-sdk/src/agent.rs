//! Agents that are a program in the sandbox: how one is started, and how its output reads.
//!
//! The plugin's struct is one run: [`Agent::launch`] makes it, `read` and `control` change it, `conclude` asks it. It
//! lives as long as the host's instance does.
//!
//! What it says may depend on the run, the settings, the lines and the orders alone: not on time, not on chance, not on
//! how the lines were cut into calls. After a restart of the host the same run is launched again and reads all lines
//! from the beginning, and must say the same again.

pub mod json_lines;
pub mod telling;
pub mod terminal;

use crate::Error;
pub use crate::activity::{
    Conclusion, Endpoint, Event, Happening, McpServer, Message, Note, Notice, Outcome, Run, Started, ToolCall,
    ToolResult, Usage, UsageScope, Weight, Window,
};
use crate::bindings::agent::exports::agentd::agent::agent::Guest;
pub use crate::bindings::agent::exports::agentd::agent::agent::{
    Exit, File, Line, Order, Plan, Progress, Requirements, Tool,
};
pub use crate::work::Task;
use std::any::Any;
use std::cell::RefCell;

/// One run of an agent.
pub trait Agent: Sized + 'static {
    /// What the sandbox must have. No effects.
    ///
    /// # Errors
    /// The agent cannot be used then, and the operator is told.
    fn needs() -> Result<Requirements, Error>;

    /// How to start the agent for a run, and what reads its output. No effects.
    ///
    /// # Errors
    /// End the run without costing an attempt; the task waits with the error as its reason.
    fn launch(run: Run) -> Result<(Self, Plan), Error>;

    /// Makes events of output. What cannot be understood becomes a note or nothing.
    fn read(&mut self, lines: Vec<Line>) -> Progress;

    /// Passes an order on to the agent.
    ///
    /// # Errors
    /// [`Error::Unsupported`] unless overridden: the host then offers to stop the run and begin a feedback run.
    fn control(&mut self, order: Order) -> Result<Progress, Error> {
        Err(Error::Unsupported(format!("this agent does not take `{}` while it runs", order.verb)))
    }

    /// Judges how the run ended, after all output was read.
    fn conclude(&mut self, exit: Exit) -> Conclusion;
}

thread_local! {
    /// The one run that this instance is for: the plugin's own type, which a static cannot name.
    static RUN: RefCell<Option<Box<dyn Any>>> = const { RefCell::new(None) };
}

impl<T: Agent> Guest for T {
    fn needs() -> Result<Requirements, Error> {
        <T as Agent>::needs()
    }

    fn launch(run: Run) -> Result<Plan, Error> {
        let (run, plan) = <T as Agent>::launch(run)?;
        RUN.set(Some(Box::new(run)));
        Ok(plan)
    }

    fn read(lines: Vec<Line>) -> Progress {
        with_run(|run: &mut T| run.read(lines))
    }

    fn control(order: Order) -> Result<Progress, Error> {
        with_run(|run: &mut T| run.control(order))
    }

    fn conclude(exit: Exit) -> Conclusion {
        with_run(|run: &mut T| run.conclude(exit))
    }
}

fn with_run<T: Agent, R>(act: impl FnOnce(&mut T) -> R) -> R {
    RUN.with_borrow_mut(|run| {
        let run = run.as_mut().and_then(|run| run.downcast_mut::<T>());
        act(run.expect("the host calls `launch` before anything else, and goes on only if that succeeded"))
    })
}

impl From<Happening> for Event {
    /// Of the main agent.
    fn from(happening: Happening) -> Event {
        Event { happening, agent: None, extra: vec![] }
    }
}

#[expect(clippy::derivable_impls, reason = "the enum is generated, and its variants take no attribute")]
impl Default for UsageScope {
    fn default() -> UsageScope {
        UsageScope::Run
    }
}

/// Compiles for agents only.
#[doc(hidden)]
pub const fn implemented<T: Agent>() {}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts its lines.
    struct Counter(usize);

    impl Agent for Counter {
        fn needs() -> Result<Requirements, Error> {
            Ok(Requirements::default())
        }

        fn launch(run: Run) -> Result<(Counter, Plan), Error> {
            if run.prompt.is_empty() {
                return Err(Error::Invalid("no prompt".into()));
            }
            Ok((Counter(0), Plan { stdin: run.prompt, ..Plan::default() }))
        }

        fn read(&mut self, lines: Vec<Line>) -> Progress {
            self.0 += lines.len();
            Progress::default()
        }

        fn conclude(&mut self, _exit: Exit) -> Conclusion {
            let answer = self.0.to_string();
            Conclusion { outcome: Outcome::Completed, answer, session: None, events: vec![], extra: vec![] }
        }
    }

    #[test]
    fn the_struct_lives_from_launch_to_conclude_and_a_replay_begins_anew() {
        for lines in [3, 2] {
            let run = Run { prompt: "go".into(), ..Run::default() };
            assert_eq!(<Counter as Guest>::launch(run).map(|plan| plan.stdin).ok().as_deref(), Some("go"));
            for _ in 0..lines {
                <Counter as Guest>::read(vec![Line::default()]);
            }
            assert_eq!(<Counter as Guest>::conclude(Exit::default()).answer, lines.to_string());
        }
    }

    #[test]
    fn an_agent_that_takes_no_orders_says_which_one_it_does_not_take() {
        let run = Run { prompt: "go".into(), ..Run::default() };
        assert!(<Counter as Guest>::launch(run).is_ok());
        let refused = <Counter as Guest>::control(Order { verb: "say".into(), ..Order::default() });
        assert!(matches!(refused, Err(Error::Unsupported(text)) if text.contains("`say`")));
    }
}
