//! How a command ends: 0, 1 work failed, 2 usage or configuration, 70 internal. All errors become one of these here.
//!
//! What a person reads is `error: …` and, last, `hint: …`.

use super::client;
use crate::{config::Problems, daemon::Misconfigured, home};
use std::{fmt, io, process::ExitCode};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// What was asked for was tried and did not work.
    Work,
    /// What was asked for makes no sense, or the configuration does not.
    Usage,
    /// agentd is at fault.
    Internal,
    /// Nobody reads what is printed any more, as with `| head`.
    Closed,
}

/// Why a command ended early.
#[derive(Debug)]
pub(crate) struct Error {
    pub(crate) kind: Kind,
    pub(crate) text: String,
    pub(crate) hint: Option<String>,
}

impl Error {
    pub(crate) fn work(text: impl Into<String>) -> Error {
        Error { kind: Kind::Work, text: text.into(), hint: None }
    }

    pub(crate) fn usage(text: impl Into<String>) -> Error {
        Error { kind: Kind::Usage, text: text.into(), hint: None }
    }

    pub(crate) fn internal(text: impl Into<String>) -> Error {
        Error { kind: Kind::Internal, text: text.into(), hint: None }
    }

    pub(crate) fn hint(self, hint: impl Into<String>) -> Error {
        Error { hint: Some(hint.into()), ..self }
    }

    fn word(&self) -> &'static str {
        match self.kind {
            Kind::Work | Kind::Closed => "failed",
            Kind::Usage => "usage",
            Kind::Internal => "internal",
        }
    }

    /// As a JSON object, for `--json`.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        serde_json::json!({ "error": { "code": self.word(), "message": self.text, "hint": self.hint } })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.text)?;
        match &self.hint {
            Some(hint) => write!(f, "\nhint: {hint}"),
            None => Ok(()),
        }
    }
}

impl Kind {
    pub(crate) fn code(self) -> ExitCode {
        ExitCode::from(match self {
            Kind::Closed => 0,
            Kind::Work => 1,
            Kind::Usage => 2,
            Kind::Internal => 70,
        })
    }
}

impl From<Problems> for Error {
    fn from(problems: Problems) -> Error {
        let text = match problems.as_slice().len() {
            1 => "the configuration has a mistake".to_owned(),
            many => format!("the configuration has {many} mistakes"),
        };
        Error::usage(format!("{text}\n{problems}")).hint("agentd config check looks at it again; nothing was changed")
    }
}

impl From<home::Error> for Error {
    fn from(error: home::Error) -> Error {
        let text = match std::error::Error::source(&error) {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        };
        let kind = if matches!(error, home::Error::Held { .. }) { Kind::Work } else { Kind::Usage };
        Error { kind, text, hint: Some(error.hint()) }
    }
}

impl From<client::Error> for Error {
    fn from(error: client::Error) -> Error {
        let hint = error.hint();
        let kind = match &error {
            client::Error::Refused(view) if view.code == "invalid" || view.code == "too-large" => Kind::Usage,
            _ => Kind::Work,
        };
        Error { kind, text: error.to_string(), hint }
    }
}

impl From<agentd_store::Error> for Error {
    fn from(error: agentd_store::Error) -> Error {
        match error {
            agentd_store::Error::Missing { .. } => {
                Error::work(error.to_string()).hint("agentd start makes it; --home names another home folder")
            }
            other => Error::work(other.to_string()),
        }
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Error {
        let kind = if error.kind() == io::ErrorKind::BrokenPipe { Kind::Closed } else { Kind::Work };
        Error { kind, text: format!("writing the output failed: {error}"), hint: None }
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Error {
        match error.io_error_kind() {
            Some(kind) => io::Error::from(kind).into(),
            None => Error::internal(format!("the output cannot be written as JSON: {error}")),
        }
    }
}

/// What the daemon could not go on with: a mistake of the operator's where one is at its root.
impl From<anyhow::Error> for Error {
    fn from(error: anyhow::Error) -> Error {
        let error = match error.downcast::<Problems>() {
            Ok(problems) => return problems.into(),
            Err(other) => other,
        };
        let error = match error.downcast::<Misconfigured>() {
            Ok(Misconfigured { text, hint }) => return Error::usage(text).hint(hint),
            Err(other) => other,
        };
        let error = match error.downcast::<agentd_store::Error>() {
            Ok(error) => return error.into(),
            Err(other) => other,
        };
        match error.downcast::<home::Error>() {
            Ok(error) => error.into(),
            Err(other) => Error::internal(format!("{other:#}")),
        }
    }
}
