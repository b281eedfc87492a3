//! `agentd:analyzer`: what in a repository should become work.

use crate::call::Answer;
use crate::draft;
use crate::entry::Entry;
use crate::error::CallError;
use crate::json;
use crate::kind::Kind;
use crate::limits::Function;
use crate::state::State;
use crate::wit::analyzer::{Report, Request};

impl Entry {
    /// Looks through one repository. Findings come within the contract's limits; those that name no work are
    /// left out.
    pub async fn analyze(&self, request: Request) -> Result<Answer<Report>, CallError> {
        let face = self.face_as(Kind::Analyzer)?;
        let exports = face.loaded.exports.analyzer.as_ref().ok_or_else(|| face.wrong_kind(Kind::Analyzer))?;
        let mut call = face.begin(Function::Analyze).await?;
        let outcome = call
            .watch()
            .run(async {
                let instance = call.instantiate().await?;
                let analyzer = exports.load(&mut call.store, &instance)?;
                let mut report = analyzer.call_analyze(&mut call.store, &request).await?;
                if let Ok(report) = &mut report {
                    keep_usable(call.store.data(), report);
                }
                Ok(report)
            })
            .await;
        call.end(outcome, || json::value(&(&request,)), |report| check(report, request.limit))
    }
}

fn keep_usable(state: &State, report: &mut Report) {
    report.findings.retain_mut(|finding| draft::fit(state, finding));
    report.summary = crate::error::readable(&report.summary, 1_024);
}

fn check(report: &Report, limit: u32) -> Result<(), String> {
    let found = report.findings.len();
    if found > limit as usize {
        return Err(format!("{found} findings, and {limit} were asked for"));
    }
    draft::check_cursor(report.cursor.as_ref())
}
