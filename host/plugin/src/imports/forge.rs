//! `agentd:host/forge`: not yet in this version; every function says so.

use crate::bindings::agentd::host::forge::{
    Check, CommentPage, CommentQuery, Host, Issue, IssuePage, IssueQuery, Label, PullRequest, PullRequestPage,
    PullRequestQuery,
};
use crate::state::State;
use crate::wit::common::Error;

impl State {
    fn no_forge<T>(&self) -> wasmtime::Result<Result<T, Error>> {
        Ok(Err(self.open("forge").err().unwrap_or_else(|| {
            Error::Unsupported(format!(
                "plugin `{}`, entry `{}`: this version of agentd does not read issues and pull requests for plugins \
                 (agentd:host/forge); use a source that needs none",
                self.plugin, self.entry
            ))
        })))
    }
}

impl Host for State {
    async fn list_issues(&mut self, _: IssueQuery) -> wasmtime::Result<Result<IssuePage, Error>> {
        self.no_forge()
    }

    async fn get_issue(&mut self, _: String, _: u32) -> wasmtime::Result<Result<Issue, Error>> {
        self.no_forge()
    }

    async fn list_comments(&mut self, _: CommentQuery) -> wasmtime::Result<Result<CommentPage, Error>> {
        self.no_forge()
    }

    async fn list_pull_requests(&mut self, _: PullRequestQuery) -> wasmtime::Result<Result<PullRequestPage, Error>> {
        self.no_forge()
    }

    async fn get_pull_request(&mut self, _: String, _: u32) -> wasmtime::Result<Result<PullRequest, Error>> {
        self.no_forge()
    }

    async fn list_labels(&mut self, _: String) -> wasmtime::Result<Result<Vec<Label>, Error>> {
        self.no_forge()
    }

    async fn list_checks(&mut self, _: String, _: String) -> wasmtime::Result<Result<Vec<Check>, Error>> {
        self.no_forge()
    }
}
