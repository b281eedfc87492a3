//! The steps of a run, in their order.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// Where a running task stands. Each is a row in the store: an unfinished one is done again from its start after a
/// crash, except `Execute`, whose container is found again. Publishing is no step: it is the outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    Prepare,
    Execute,
    Collect,
    Verify,
}

impl Step {
    pub const ALL: [Step; 4] = [Step::Prepare, Step::Execute, Step::Collect, Step::Verify];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Step::Prepare => "prepare",
            Step::Execute => "execute",
            Step::Collect => "collect",
            Step::Verify => "verify",
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Step {
    type Err = ();

    fn from_str(text: &str) -> Result<Step, ()> {
        Step::ALL.into_iter().find(|it| it.as_str() == text).ok_or(())
    }
}
