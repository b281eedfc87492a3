//! What `label-priority` does, for extism: a score from a task's own priority and its labels.

use extism_pdk::{FnResult, Json, plugin_fn};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

#[derive(Deserialize)]
struct Batch {
    labels: HashMap<String, f64>,
    candidates: Vec<Candidate>,
}

#[derive(Deserialize)]
struct Candidate {
    id: String,
    labels: Vec<String>,
    priority: Option<u8>,
}

#[derive(Serialize)]
struct Score {
    task: String,
    value: f64,
    reason: String,
}

#[plugin_fn]
pub fn rank(Json(batch): Json<Batch>) -> FnResult<Json<Vec<Score>>> {
    let score = |it: Candidate| {
        let weight: f64 = it.labels.iter().filter_map(|it| batch.labels.get(it)).sum();
        let value = weight + it.priority.map_or(0.0, |it| f64::from(10 - it.min(10)));
        Score { reason: format!("priority {:?}, labels {:?}", it.priority, it.labels), task: it.id, value }
    };
    Ok(Json(batch.candidates.into_iter().map(score).collect()))
}
