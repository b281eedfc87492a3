//! The JSON that GitHub shows of what the fake knows. Whether it is what the description says is checked with every
//! answer, so nothing here may be guessed.

mod change;
mod commit;
mod person;
mod pull;
mod repository;
mod thread;

use crate::state::State;
pub(crate) use thread::labels;

/// Reads the state; never changes it.
#[derive(Clone, Copy)]
pub(crate) struct Render<'a> {
    pub(crate) state: &'a State,
}

impl Render<'_> {
    /// Below the API's address.
    fn api(&self, path: &str) -> String {
        format!("{}{path}", self.state.api())
    }

    /// Where people look.
    fn page(&self, path: &str) -> String {
        format!("{}{path}", self.state.url)
    }

    /// Below the repository's address in the API.
    fn of(&self, repo: u64, path: &str) -> String {
        self.api(&format!("/repos/{}{path}", self.state.repo(repo).full_name()))
    }

    /// Below the repository's page.
    fn page_of(&self, repo: u64, path: &str) -> String {
        self.page(&format!("/{}{path}", self.state.repo(repo).full_name()))
    }
}
