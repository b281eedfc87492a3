//! Analyzers: the same commit gives the same findings, no more than were asked for, and an end.

use super::sample::{FOREIGN, NOW};
use super::stage::{COMMIT, REPOSITORY};
use super::{Said, Suite, said};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// How many calls one analysis of the stage's repository may take.
const CALLS: usize = 100;

const LIMIT: u32 = 3;

pub(super) async fn tried(suite: &mut Suite<'_>) {
    let plain = request(&json!(null), LIMIT);
    suite.the_same_again("the same commit gives the same findings", "analyze", &plain).await;
    suite.extra_is_taken("analyze", &plain).await;
    to_the_end(suite).await;
    let odd = vec![
        ("a limit of 0", request(&json!(null), 0)),
        ("a large limit", request(&json!(null), u32::MAX)),
        ("a cursor that it never gave", request(&json!(FOREIGN), LIMIT)),
        (
            "a repository that is not there",
            json!([{ "repository": "nobody/nothing", "revision": "0", "last-revision": null,
            "now": 0, "cursor": null, "limit": LIMIT, "extra": [] }]),
        ),
    ];
    suite.no_traps("analyze takes any request without a trap", "analyze", odd).await;
}

fn request(cursor: &Value, limit: u32) -> Value {
    json!([{ "repository": REPOSITORY, "revision": COMMIT, "last-revision": null, "now": NOW, "cursor": cursor,
        "limit": limit, "extra": [] }])
}

/// Follows the cursors of one analysis.
async fn to_the_end(suite: &mut Suite<'_>) {
    let (ends, keys) = ("an analysis comes to an end", "findings have unique keys and a title");
    let (mut cursor, mut seen, mut wrong) = (json!(null), BTreeSet::new(), None);
    for _ in 0..CALLS {
        let played = suite.call("analyze", request(&cursor, LIMIT)).await;
        let report = match said(&played) {
            Ok(Said::Answer(report)) => report,
            Ok(Said::Refusal(why)) => return suite.not_tried(ends, &why),
            Err(trap) => return suite.note(ends, Err(trap)),
        };
        let findings = report["findings"].as_array().cloned().unwrap_or_default();
        if findings.len() > LIMIT as usize {
            wrong = Some(format!("{} findings in one answer, {LIMIT} were asked for", findings.len()));
        }
        for finding in findings {
            let key = finding["key"].as_str().unwrap_or_default().to_owned();
            if finding["title"].as_str().unwrap_or_default().trim().is_empty() {
                wrong = Some(format!("{key} has no title"));
            }
            if !seen.insert(key.clone()) {
                wrong = Some(format!("{key} is there twice"));
            }
        }
        cursor = report["cursor"].clone();
        if cursor.is_null() {
            suite.note(ends, Ok(()));
            return suite.note(keys, wrong.map_or(Ok(()), Err));
        }
    }
    suite.note(ends, Err(format!("after {CALLS} calls there was still a cursor")));
}
