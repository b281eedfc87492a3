//! Money: what models cost is counted to the millionth of a dollar, and what is used up is spent by nobody.

use super::{end_of, id_of, mending, refusals, task};
use crate::support::{
    Daemon, Home, Judge, Model, Provider, Turn, Usage,
    bill::{Ledger, cost, the_ledger_is_the_bill},
    wait_for,
};
use serde_json::Value;
use std::{fs, time::UNIX_EPOCH};

const DAY_MS: i64 = 24 * 3_600_000;

/// What a call of the scripts here costs: 3 US dollars, for 1200 tokens.
fn dear(provider: Provider) -> String {
    format!("[prices.\"{}\"]\ninput = 2500\noutput = 0\n", provider.model())
}

/// A home whose agent `mender` works with this model, at that price, within this budget.
fn home_with(model: &Model, provider: Provider, budget: &str) -> Home {
    let agent = model.sections_of(provider, "fake", "mender", "{}");
    Home::for_agents().more(&format!("{agent}{}[budget]\n{budget}\n", dear(provider)))
}

/// The run ended for want of money, without a call upstream, and was told what would give it more.
#[track_caller]
fn is_out_of_money(home: &Home, task: &str, whose: &str, line: &str) {
    let refused = refusals(home, task);
    assert_eq!(refused.len(), 1, "{refused:?}");
    let (what, why, allow) = &refused[0];
    assert_eq!((what.as_str(), allow.as_str()), ("model call", line), "{why}");
    assert!(why.contains(whose), "{why}");
}

#[track_caller]
fn a_run_ends_at_its_cap(provider: Provider) {
    let turns = [Turn::bash("echo one"), Turn::bash("echo two"), Turn::bash("echo three"), Turn::text("Done.")];
    let model = Model::start(turns);
    let home = home_with(&model, provider, "run = 5.00");
    task(&home, "mender");
    let daemon = Daemon::start(&home);
    daemon.wait_for_state("t-1", &["waiting"]);
    let end = end_of(&daemon, &home, "t-1", 1);
    assert_eq!(end.details["reason"], "budget", "{end:?}");
    assert!(end.text.contains("[budget] run = 12.00"), "{}", end.text);
    is_out_of_money(&home, "t-1", "this run has spent 6.00 of 5.00 US dollars", "[budget] run = 12.00");
    assert_eq!(model.answered().len(), 2, "{:#?}", model.calls());
    let shown = home.shown("t-1");
    assert_eq!((&shown["waits_for"], &shown["failures"]), (&"operator".into(), &0.into()), "{shown:#}");
    assert_eq!(shown["runs"][0]["spent_microusd"], 6_000_000, "{shown:#}");
    assert_eq!(daemon.stop(&[]), Some(0));
}

#[test]
fn claude_code_ends_at_the_cap_of_its_run() {
    a_run_ends_at_its_cap(Provider::Anthropic);
}

#[test]
fn codex_ends_at_the_cap_of_its_run() {
    a_run_ends_at_its_cap(Provider::OpenAi);
}

#[test]
fn the_cap_of_a_task_is_over_all_its_runs() {
    let model = Model::start(mending());
    let home = home_with(&model, Provider::Anthropic, "task = 5.00");
    task(&home, "mender");
    let daemon = Daemon::start(&home);
    daemon.wait_for_state("t-1", &["in-review"]);
    home.ok(&["task", "reject", "t-1", "--comment", "Say it twice."]);
    daemon.wait_for_state("t-1", &["waiting"]);
    let end = end_of(&daemon, &home, "t-1", 2);
    assert_eq!(end.details["reason"], "budget", "{end:?}");
    is_out_of_money(&home, "t-1", "this task has spent 6.00 of 5.00 US dollars", "[budget] task = 12.00");
    assert_eq!(model.answered().len(), 2, "{:#?}", model.calls());
    let shown = home.shown("t-1");
    let spent = [0, 1].map(|run| shown["runs"][run]["spent_microusd"].as_u64().unwrap());
    assert_eq!(spent, [6_000_000, 0], "{shown:#}");
    assert_eq!(daemon.stop(&[]), Some(0));
}

/// Nobody can test a day's budget in a day's last minute.
fn wait_for_a_day_that_lasts(home: &Home) {
    let file = home.path("now");
    wait_for("midnight", || {
        fs::write(&file, "").unwrap();
        let now = fs::metadata(&file).unwrap().modified().unwrap().duration_since(UNIX_EPOCH).unwrap();
        (now.as_secs() % 86_400 < 86_400 - 60).then_some(())
    });
}

#[test]
fn the_cap_of_a_day_is_over_all_tasks_and_ends_at_midnight() {
    let model = Model::start(mending());
    let home = home_with(&model, Provider::OpenAi, "run = 5.00\ntask = 5.00\nday = 5.00");
    wait_for_a_day_that_lasts(&home);
    task(&home, "mender");
    let daemon = Daemon::start(&home);
    daemon.wait_for_state("t-1", &["in-review"]);
    home.task("another.md", "---\nagent: mender\n---\n# Mend it once more\n");
    let another = id_of(&home, "another");
    let end = end_of(&daemon, &home, &another, 1);
    assert_eq!((&end.details["state"], &end.details["reason"]), (&"queued".into(), &"day-budget".into()), "{end:?}");
    is_out_of_money(&home, &another, "today all tasks have spent 6.00 of 5.00 US dollars", "[budget] day = 12.00");
    assert_eq!(model.answered().len(), 2, "{:#?}", model.calls());
    let shown = home.shown(&another);
    assert_eq!((&shown["state"], &shown["failures"]), (&"queued".into(), &0.into()), "{shown:#}");
    let (ended, due) = (shown["runs"][0]["ended_at"].as_i64().unwrap(), Judge::new(&home).due(2).unwrap());
    // A second later, for whose clock is a little late.
    assert_eq!(due, ended - ended.rem_euclid(DAY_MS) + DAY_MS + 1_000);
    let status: Value = serde_json::from_str(&home.ok(&["--json", "status"])).unwrap();
    assert_eq!(status["spent_today_microusd"], 6_000_000, "{status:#}");
    assert_eq!(daemon.stop(&[]), Some(0));
}

/// A price for each kind of token that shows it in the sum: of a thousand, in millionths of a dollar.
const PRICE: Usage = Usage { input: 3_000, output: 15_000, cache_read: 1_000, cache_write: 4_000 };

/// A home whose agent `mender` works with this model at the prices of [`PRICE`], within the usual budget.
fn home_priced(model: &Model, provider: Provider) -> Home {
    Home::for_agents().more(&(model.sections_of(provider, "fake", "mender", "{}") + &priced(provider)))
}

fn priced(provider: Provider) -> String {
    let [input, output, cache_read, cache_write] =
        [PRICE.input, PRICE.output, PRICE.cache_read, PRICE.cache_write].map(|it| it / 1_000);
    format!(
        "[prices.\"{}\"]\ninput = {input}\noutput = {output}\ncache_read = {cache_read}\ncache_write = {cache_write}\n",
        provider.model()
    )
}

#[track_caller]
fn is_on_the_bill(provider: Provider) {
    let usage = |input, output, cache_read, cache_write| Usage { input, output, cache_read, cache_write };
    let [mend, done] = mending();
    let model = Model::start([
        Turn::status(529, &[]).times(1), // costs nothing
        mend.usage(usage(1_234, 56, 0, 7_000)),
        done.usage(usage(11, 78, 7_000, 1_001)),
    ]);
    let home = home_priced(&model, provider);
    task(&home, "mender");
    let daemon = Daemon::start(&home);
    daemon.wait_for_state("t-1", &["in-review"]);
    the_ledger_is_the_bill(&home, &model, PRICE);
    Judge::new(&home).all_is_well(&[1]);
    assert_eq!(daemon.stop(&[]), Some(0));
}

#[test]
fn the_ledger_of_claude_code_is_the_bill() {
    is_on_the_bill(Provider::Anthropic);
}

#[test]
fn the_ledger_of_codex_is_the_bill() {
    is_on_the_bill(Provider::OpenAi);
}

/// An answer breaks off before it has told what it cost: no less is booked than it is on the bill.
#[track_caller]
fn what_broke_off_is_estimated(provider: Provider) {
    let [mend, done] = mending();
    let model = Model::start([Turn::cut_after(3).times(1), mend, done]);
    let home = home_priced(&model, provider);
    task(&home, "mender");
    let daemon = Daemon::start(&home);
    daemon.wait_for_state("t-1", &["in-review"]);
    assert_eq!(model.answered().len(), 3, "{:#?}", model.calls());
    // The last word about a call that broke off may come a moment later.
    let Ledger { tokens, cost_microusd, .. } = wait_for("all calls are booked", || {
        Some(Ledger::of(&home, "t-1")).filter(|it| (it.estimated, it.calls) == (1, 3))
    });
    let billed = model.billed();
    assert!(tokens.input >= billed.input && tokens.output >= billed.output, "{tokens:?} for {billed:?}");
    assert_eq!(cost_microusd, cost(tokens, PRICE));
    assert_eq!(home.shown("t-1")["run"], 1);
    assert_eq!(daemon.stop(&[]), Some(0));
}

#[test]
fn what_broke_off_of_claude_code_is_estimated() {
    what_broke_off_is_estimated(Provider::Anthropic);
}

#[test]
fn what_broke_off_of_codex_is_estimated() {
    what_broke_off_is_estimated(Provider::OpenAi);
}
