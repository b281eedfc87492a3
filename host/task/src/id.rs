//! Names of things, and points in time.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// A point in time: milliseconds since 1970-01-01T00:00:00Z.
pub type Millis = i64;

/// The number of a run within its task. It only grows, and fences every write: what an older run says is refused.
pub type RunNumber = u32;

/// A task, unique in one instance for ever. Written `t-17`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TaskId(pub i64);

/// The text is no task id.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a task id, which looks like t-17")]
pub struct BadTaskId(String);

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "t-{}", self.0)
    }
}

impl FromStr for TaskId {
    type Err = BadTaskId;

    /// Takes `t-17` and, since people will type it, `17`.
    fn from_str(text: &str) -> Result<TaskId, BadTaskId> {
        let number = text.strip_prefix("t-").unwrap_or(text);
        match number.parse() {
            Ok(id) if id > 0 => Ok(TaskId(id)),
            _ => Err(BadTaskId(text.into())),
        }
    }
}

impl TryFrom<String> for TaskId {
    type Error = BadTaskId;

    fn try_from(text: String) -> Result<TaskId, BadTaskId> {
        text.parse()
    }
}

impl From<TaskId> for String {
    fn from(id: TaskId) -> String {
        id.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_id_is_read_as_it_is_written() {
        assert_eq!("t-17".parse::<TaskId>().unwrap(), TaskId(17));
        assert_eq!("17".parse::<TaskId>().unwrap(), TaskId(17));
        assert_eq!(TaskId(17).to_string(), "t-17");
        for bad in ["", "t-", "t-0", "t--1", "x", "t-1.2"] {
            assert!(bad.parse::<TaskId>().is_err(), "{bad}");
        }
    }
}
