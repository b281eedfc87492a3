//! `github-issues`: an open issue with the right labels is work, and the issue shows how it goes.
//!
//! ```toml
//! [sources.issues]
//! plugin = "github-issues"
//! repositories = ["acme/api", "acme/web-*"]
//! settings = { labels = ["agentd"], exclude = ["wontfix"] }
//! ```
//!
//! [`issue`] says which issues qualify and makes drafts of them, [`intake`] goes through them at each poll and notices
//! which have gone, [`report`] shows on the issue what becomes of its task. What is remembered between calls stands in
//! the entry's key-value store: `seen/KEY` is [`intake`]'s, `mark/KEY` is [`report`]'s ([`mark::Mark`]), and each only
//! reads the other's.
//!
//! A person starts work by setting the label, and stops it by taking the label off or closing the issue. After a
//! failure the issue is labelled as blocked; setting the first label anew, or `agentd task retry`, tries again.
//!
//! - Never decides who may start work: it says who set the label, and the host asks the forge about that person.
//! - Never writes to the forge: it returns edits that the host carries out once.
//! - Never takes off a label, or rewrites an assignment, that another instance of agentd made.

mod intake;
mod issue;
mod mark;
mod report;
mod settings;
mod world;

use agentd_sdk::manifest::ForgeWant;
use agentd_sdk::settings::parse;
use agentd_sdk::task_source::{Edit, Intake, PollRequest, TaskSource, Update};
use agentd_sdk::{Description, Error, Plugin, Problem, Want};
use settings::{SCHEMA, Settings};
use world::Host;

struct GithubIssues;
agentd_sdk::plugin!(GithubIssues: task_source);

impl Plugin for GithubIssues {
    fn describe(settings: &str) -> Description {
        let settings: Settings = parse(settings).unwrap_or_default();
        let mut writes = vec!["label".to_owned()];
        if settings.comment {
            writes.insert(0, "comment".into());
        }
        let why = "to find issues to work on, and to show on them how it goes".into();
        Description {
            name: "github-issues".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            summary: "Makes tasks of labelled GitHub issues, and shows on them how it goes".into(),
            settings_schema: SCHEMA.into(),
            wants: vec![Want::Forge(ForgeWant { writes, why, extra: vec![] })],
            ..Description::default()
        }
    }

    fn check(settings: &str) -> Vec<Problem> {
        match parse::<Settings>(settings) {
            Ok(settings) => settings.problems(),
            Err(error) => vec![Problem::new("", error.to_string())],
        }
    }
}

impl TaskSource for GithubIssues {
    fn poll(request: PollRequest) -> Result<Intake, Error> {
        intake::poll(&Host, &agentd_sdk::settings()?, request.cursor.as_deref())
    }

    fn report(update: Update) -> Result<Vec<Edit>, Error> {
        report::report(&Host, &agentd_sdk::settings()?, &update)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(settings: &str, writes: &[&str]) {
        let wants = GithubIssues::describe(settings).wants;
        let [Want::Forge(want)] = &wants[..] else { panic!("one forge want, not {wants:?}") };
        assert_eq!(want.writes, writes);
    }

    #[test]
    fn it_wants_what_it_writes_and_nothing_else() {
        check("{}", &["comment", "label"]);
        check(r#"{"comment": false}"#, &["label"]);
    }
}
