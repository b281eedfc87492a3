//! What a daemon asks of GitHub, counted there: little for a task, and nothing that costs while nothing happens.
//!
//! A whole hour with many tasks is counted where the client is tested; this shows that the daemon asks no more than that.

use super::{polls, wait_for_polls, way};
use crate::support::{Daemon, Home, Hub};
use std::collections::BTreeMap;

const SETTINGS: &str = "labels = [\"by-agentd\"]";
const TASKS: u32 = 5;
/// In a row, with nothing to see.
const QUIET_POLLS: u64 = 45;
/// A task needs some 40 requests that cost a point; the rest is the look at the repositories and for the account.
const POINTS_MAX: u64 = 50 * TASKS as u64;

#[test]
fn five_tasks_cost_little_and_what_nobody_changed_costs_nothing() {
    let hub = Hub::start();
    let web = hub.another("acme/web");
    let section = format!("[repositories.\"acme/web\"]\npush = \"branch\"\n{SETTINGS}\n");
    let home = Home::on(&hub).repository(SETTINGS).concurrent(2).more(&section);
    let asked: Vec<_> =
        (0..TASKS).map(|it| if it % 2 == 0 { &hub.api } else { &web }).map(|it| (it, way::ask_in(it))).collect();
    let daemon = Daemon::start(&home);
    for task in 1..=TASKS {
        daemon.wait_for_state(&format!("t-{task}"), &["in-review"]);
    }
    way::is_quiet(&home);
    let points: u64 = hub.usage().points.values().sum();
    assert!(points <= POINTS_MAX + polls(&hub), "{points} points for {TASKS} tasks: {:#?}", hub.usage());

    // What changed in the last seconds is asked about once more, for GitHub's times have no parts of seconds.
    wait_for_polls(&hub, 8);
    let (before, polled) = (hub.usage(), polls(&hub));
    wait_for_polls(&hub, QUIET_POLLS);
    let (after, polled) = (hub.usage(), polls(&hub) - polled);
    let mut more: BTreeMap<String, u64> = after.requests.clone();
    more.retain(|name, times| {
        *times -= before.requests.get(name).copied().unwrap_or_default();
        *times > 0
    });
    let lists = more.remove("GET /repos/{owner}/{repo}/pulls").unwrap_or_default();
    assert!(lists <= 2 * (QUIET_POLLS / 30 + 2), "one for each repository and half a minute: {lists}");
    let searches = more.remove("GET /search/issues").unwrap_or_default();
    assert!(searches.abs_diff(polled) <= 1, "one for each poll: {searches} in {polled}");
    assert_eq!(more, BTreeMap::new(), "and nothing else");
    let cost = |resource: &str| after.points.get(resource).unwrap_or(&0) - before.points.get(resource).unwrap_or(&0);
    assert_eq!((cost("search"), cost("graphql")), (0, 0), "all of it was answered by \"nothing new\"");
    assert!(cost("core") <= 2, "but for the first look at each repository's changes: {}", cost("core"));
    assert_eq!((after.refused, hub.violations()), (0, vec![]));
    assert_eq!(asked.len(), hub.api.pulls().len() + web.pulls().len());
}
