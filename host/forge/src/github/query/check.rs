//! What CI says of a commit: check runs and commit statuses, in one list.

use super::{Check, Error, GitHub, Scope, of};
use crate::github::path;
use serde::Deserialize;

/// Pages of check runs.
const PAGES_MAX: usize = 10;
/// What a check says of itself, in characters.
const SUMMARY_MAX: usize = 2000;

#[derive(Deserialize)]
struct Run {
    name: String,
    status: String,
    #[serde(default)]
    conclusion: Option<String>,
    #[serde(default)]
    html_url: Option<String>,
    #[serde(default)]
    output: Option<Output>,
}

#[derive(Deserialize)]
struct Output {
    #[serde(default)]
    title: Option<String>,
    #[serde(default)]
    summary: Option<String>,
}

#[derive(Deserialize)]
struct Combined {
    #[serde(default)]
    statuses: Vec<Status>,
}

#[derive(Deserialize)]
struct Status {
    context: String,
    state: String,
    #[serde(default)]
    target_url: Option<String>,
    #[serde(default)]
    description: Option<String>,
}

impl GitHub {
    /// The newest outcome of each check on a commit or branch, by name.
    ///
    /// # Errors
    /// [`Error::Refused`] where there is no such commit.
    pub async fn checks(&self, repository: &str, commit: &str) -> Result<Vec<Check>, Error> {
        let scope = Scope::repository(repository);
        let commit = format!("commits/{}", path::segment(commit));
        let (runs_path, latest) = (of(repository, &format!("{commit}/check-runs")), [("filter", "latest".to_owned())]);
        let (mut checks, mut cursor) = (Vec::new(), None::<String>);
        for _ in 0..PAGES_MAX {
            let page = self.api.page_in(&scope, &runs_path, &latest, cursor.as_deref(), "check_runs").await?;
            checks.extend(page.items.into_iter().map(Run::check));
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        let hundred = [("per_page", "100".to_owned())];
        let combined: Option<Combined> =
            self.api.get(&scope, &of(repository, &format!("{commit}/status")), &hundred).await?;
        checks.extend(combined.into_iter().flat_map(|it| it.statuses).map(Status::check));
        checks.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(checks)
    }
}

impl Run {
    fn check(self) -> Check {
        let state = match (self.status.as_str(), self.conclusion.as_deref()) {
            ("completed", Some("success" | "neutral")) => "passed",
            ("completed", Some("skipped")) => "skipped",
            ("completed", Some("cancelled" | "stale")) => "cancelled",
            // A person has to allow it.
            ("completed", Some("action_required")) | ("queued" | "requested" | "waiting" | "pending", _) => "waiting",
            ("completed", _) => "failed",
            _ => "running",
        };
        let text = self.output.map(|it| [it.title, it.summary]).into_iter().flatten().flatten();
        let summary: Vec<String> = text.filter(|it| !it.is_empty()).collect();
        Check { name: self.name, state: state.into(), url: self.html_url, summary: cut(&summary.join("\n")) }
    }
}

impl Status {
    fn check(self) -> Check {
        let state = match self.state.as_str() {
            "success" => "passed",
            "pending" => "waiting",
            _ => "failed",
        };
        let summary = cut(&self.description.unwrap_or_default());
        Check { name: self.context, state: state.into(), url: self.target_url, summary }
    }
}

fn cut(text: &str) -> String {
    text.chars().take(SUMMARY_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(run: &str, expected: &str) {
        let run: Run = serde_json::from_str(run).unwrap();
        assert_eq!(run.check().state, expected);
    }

    #[test]
    fn every_outcome_has_a_word() {
        for (status, conclusion, expected) in [
            ("queued", "null", "waiting"),
            ("in_progress", "null", "running"),
            ("something_new", "null", "running"),
            ("completed", "\"success\"", "passed"),
            ("completed", "\"neutral\"", "passed"),
            ("completed", "\"skipped\"", "skipped"),
            ("completed", "\"cancelled\"", "cancelled"),
            ("completed", "\"action_required\"", "waiting"),
            ("completed", "\"timed_out\"", "failed"),
            ("completed", "\"something_new\"", "failed"),
        ] {
            check(&format!(r#"{{"name":"x","status":"{status}","conclusion":{conclusion}}}"#), expected);
        }
    }
}
