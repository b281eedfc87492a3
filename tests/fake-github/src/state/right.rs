//! What a person may do in a repository.

/// Each includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Right {
    None,
    Read,
    Triage,
    Write,
    Maintain,
    Admin,
}

impl Right {
    /// The name of the role.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Right::None => "none",
            Right::Read => "read",
            Right::Triage => "triage",
            Right::Write => "write",
            Right::Maintain => "maintain",
            Right::Admin => "admin",
        }
    }

    /// The older word, which knows neither triage nor maintain.
    pub(crate) fn permission(self) -> &'static str {
        match self {
            Right::None => "none",
            Right::Read | Right::Triage => "read",
            Right::Write | Right::Maintain => "write",
            Right::Admin => "admin",
        }
    }
}
