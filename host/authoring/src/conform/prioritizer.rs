//! Prioritizers: one score for each candidate, that stands alone.

use super::sample::{FOREIGN, NOW, task, with};
use super::{Said, Suite, said};
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub(super) async fn tried(suite: &mut Suite<'_>) {
    let three = batch((1..=3).map(candidate).collect());
    suite.the_same_again("the same batch gives the same scores", "rank", &three).await;
    suite.extra_is_taken("rank", &three).await;
    let all = scores(suite, &three).await;
    let one_each = |found: &BTreeMap<String, f64>, count: usize| match found.len() {
        many if many == count => Ok(()),
        many => Err(format!("{many} scores for {count} candidates")),
    };
    suite.note("each candidate is answered once", all.as_ref().map_err(Clone::clone).and_then(|it| one_each(it, 3)));
    let alone = scores(suite, &batch(vec![candidate(2)])).await;
    suite.note("a score does not depend on the other candidates", stands_alone(all.as_ref(), alone.as_ref()));
    let many = scores(suite, &batch((1..=1_000).map(candidate).collect())).await;
    suite.note("1,000 candidates are scored in one call", many.and_then(|it| one_each(&it, 1_000)));
    let bare = json!({ "url": null, "thread": null, "requester": null, "labels": [], "priority": null });
    let odd = vec![
        ("no candidates", batch(vec![])),
        ("a task without anything", batch(vec![with(candidate(1), json!({ "task": with(task(1), bare) }))])),
        ("a purpose of later", batch(vec![with(candidate(1), json!({ "purpose": "a-later-purpose" }))])),
        (
            "foreign text",
            batch(vec![with(
                candidate(1),
                json!({ "task": with(task(1), json!({ "title": FOREIGN, "labels": [FOREIGN, ""] })) }),
            )]),
        ),
        (
            "large numbers",
            batch(vec![with(
                candidate(1),
                json!({ "waiting-since": 0, "failures": u32::MAX, "blocks": u32::MAX, "typical-microusd": 9_007_199_254_740_991_u64 }),
            )]),
        ),
    ];
    suite.no_traps("rank takes any batch without a trap", "rank", odd).await;
}

fn candidate(number: u64) -> Value {
    json!({ "task": task(number), "purpose": "execute", "waiting-since": NOW - number * 60_000, "failures": 0,
        "blocks": number % 3, "typical-microusd": null, "extra": [] })
}

fn batch(candidates: Vec<Value>) -> Value {
    json!([{ "now": NOW, "candidates": candidates, "extra": [] }])
}

/// The scores by task, if each task has one that is a number.
async fn scores(suite: &Suite<'_>, batch: &Value) -> Result<BTreeMap<String, f64>, String> {
    let answer = match said(&suite.call("rank", batch.clone()).await)? {
        Said::Answer(answer) => answer,
        Said::Refusal(why) => return Err(why),
    };
    let mut scores = BTreeMap::new();
    for score in answer.as_array().into_iter().flatten() {
        let id = score["task"].as_str().unwrap_or_default().to_owned();
        let value = score["value"].as_f64().ok_or_else(|| format!("the score of {id} is no number"))?;
        if scores.insert(id.clone(), value).is_some() {
            return Err(format!("{id} has two scores"));
        }
    }
    Ok(scores)
}

fn stands_alone(
    all: Result<&BTreeMap<String, f64>, &String>,
    alone: Result<&BTreeMap<String, f64>, &String>,
) -> Result<(), String> {
    let (all, alone) = (all.map_err(Clone::clone)?, alone.map_err(Clone::clone)?);
    let (one, other) = (all.get("t-2"), alone.get("t-2"));
    if one == other { Ok(()) } else { Err(format!("t-2 has {one:?} among three and {other:?} alone")) }
}
