//! Each way in which a model fails ends a run for its own reason, soon, and at the price that this reason has.

use super::{end_of, id_of, mending, number, task};
use crate::support::{Daemon, Home, Judge, Model, Provider, Turn};

/// So long the model is waited for: far less than by default, and enough for a busy machine.
const PATIENCE: &str = "model = \"3s\"\nmodel_idle = \"3s\"";
/// A run with a fault in its first call takes no longer, the start of its sandbox included.
const RUN_MS: i64 = 60_000;

/// What a run with this model comes to.
struct Case {
    name: &'static str,
    turn: Turn,
    state: &'static str,
    reason: &'static str,
    /// Tries that were charged.
    charged: u64,
    /// What stands in the text for people.
    says: &'static str,
}

fn case(name: &'static str, turn: Turn, ends: (&'static str, &'static str, u64), says: &'static str) -> Case {
    let (state, reason, charged) = ends;
    Case { name, turn, state, reason, charged, says }
}

/// A person mends it, and nothing is charged.
const fn operator(reason: &'static str) -> (&'static str, &'static str, u64) {
    ("waiting", reason, 0)
}

/// It is tried again.
const fn transient(reason: &'static str) -> (&'static str, &'static str, u64) {
    ("queued", reason, 1)
}

const fn permanent(reason: &'static str) -> (&'static str, &'static str, u64) {
    ("failed", reason, 1)
}

/// Time mends it, and nothing is charged.
const LIMITED: (&str, &str, u64) = ("queued", "rate-limited", 0);

/// What is the same with every agent, for the gateway saw it.
fn seen_by_the_gateway() -> Vec<Case> {
    vec![
        case("refused", Turn::status(401, &[]), operator("unauthorized"), "agentd task retry"),
        case("limited", Turn::status(429, &[]), LIMITED, "limit is reached"),
        case("overloaded", Turn::status(529, &[]), transient("model-overloaded"), "The script says 529."),
        case("broken", Turn::status(500, &[]), transient("model-error"), "The script says 500."),
        case("silent", Turn::hang(), transient("model-silent"), "timeouts.model"),
        case("stalled", Turn::stall_after(3), transient("model-stalled"), "timeouts.model_idle"),
        case("cut", Turn::cut_after(3), transient("model-cut"), ""),
        case("overloaded-late", Turn::sse_error("overloaded_error"), transient("model-overloaded"), "overloaded"),
        case("declined", Turn::refusal(), permanent("model-declined"), "declined"),
        case("too-long", Turn::max_tokens(), permanent("token-limit"), "longer than it may write"),
    ]
}

/// All cases side by side, each with a model, an account and an agent of its own.
#[track_caller]
fn each_ends_in_its_own_way(provider: Provider, cases: &[Case]) {
    let models: Vec<Model> = cases.iter().map(|it| Model::start([it.turn.clone()])).collect();
    let mut home = Home::for_agents().concurrent(4).timeouts(PATIENCE);
    for (case, model) in cases.iter().zip(&models) {
        home = home.more(&model.sections_of(provider, case.name, case.name, "{ retries = 0 }"));
    }
    let daemon = Daemon::start(&home);
    for case in cases {
        task(&home, case.name);
    }
    let wrong: Vec<String> =
        cases.iter().zip(&models).filter_map(|(case, model)| check(&daemon, &home, case, model).err()).collect();
    assert!(wrong.is_empty(), "{}\n{}", wrong.join("\n"), home.log());
    assert_eq!(daemon.stop(&["--now"]), Some(0));
}

/// Looks at the end of one run; what is wrong with it.
fn check(daemon: &Daemon<'_>, home: &Home, case: &Case, model: &Model) -> Result<(), String> {
    let task = id_of(home, case.name);
    let end = end_of(daemon, home, &task, 1);
    let shown = home.shown(&task);
    let is = |what: &str, right: bool| match right {
        true => Ok(()),
        false => Err(format!("{}: {what}: {end:?}\n{shown:#}", case.name)),
    };
    is("state", end.details["state"] == case.state)?;
    is("reason", end.details["reason"] == case.reason)?;
    is("text", end.text.contains(case.says) && !end.text.contains(Model::KEY))?;
    is("key", model.calls().iter().all(|it| it.key() == Model::KEY))?;
    // A second try may have been charged meanwhile.
    let charged = shown["failures"].as_u64().unwrap();
    is("charged", charged == case.charged || (charged > 1 && case.state == "queued" && case.charged == 1))?;
    let run = &shown["runs"][0];
    let ended = run["ended_at"].as_i64().unwrap();
    is("in time", ended - run["started_at"].as_i64().unwrap() < RUN_MS)?;
    is("operator", (case.state == "waiting") == (shown["waits_for"] == "operator"))?;
    // Nobody said for how long.
    let pause = || Judge::new(home).due(number(&task)).unwrap() - ended;
    is("pause", case.reason != "rate-limited" || (pause() - 5 * 60_000).abs() < 2_000)
}

#[test]
fn with_claude_code() {
    each_ends_in_its_own_way(Provider::Anthropic, &seen_by_the_gateway());
}

#[test]
fn with_codex() {
    each_ends_in_its_own_way(Provider::OpenAi, &seen_by_the_gateway());
}

/// The provider says when its limit is over: then it goes on by itself.
#[track_caller]
fn goes_on_after_the_limit(provider: Provider) {
    let [mend, done] = mending();
    let model = Model::start([Turn::status(429, &[("retry-after", "2")]).times(1), mend, done]);
    let home = Home::for_agents().more(&model.sections_of(provider, "fake", "limited", "{ retries = 0 }"));
    task(&home, "limited");
    let daemon = Daemon::start(&home);
    let end = end_of(&daemon, &home, "t-1", 1);
    assert_eq!((&end.details["state"], &end.details["reason"]), (&"queued".into(), &"rate-limited".into()), "{end:?}");
    daemon.wait_for_state("t-1", &["in-review"]);
    let shown = home.shown("t-1");
    assert_eq!((&shown["run"], &shown["failures"]), (&2.into(), &0.into()), "{shown:#}");
    let time = |run: usize, name: &str| shown["runs"][run][name].as_i64().unwrap();
    assert!(time(1, "started_at") - time(0, "ended_at") >= 1_000, "not before the limit is over: {shown:#}");
    Judge::new(&home).all_is_well(&[1]);
    assert_eq!(daemon.stop(&[]), Some(0));
}

#[test]
fn claude_code_goes_on_after_the_limit() {
    goes_on_after_the_limit(Provider::Anthropic);
}

#[test]
fn codex_goes_on_after_the_limit() {
    goes_on_after_the_limit(Provider::OpenAi);
}

#[test]
fn a_key_that_was_refused_is_mended_by_a_person() {
    let [mend, done] = mending();
    let model = Model::start([Turn::status(401, &[]).times(1), mend, done]);
    let home = Home::for_agents().more(&model.sections_of(Provider::Anthropic, "fake", "refused", "{ retries = 0 }"));
    task(&home, "refused");
    let daemon = Daemon::start(&home);
    daemon.wait_for_state("t-1", &["waiting"]);
    home.ok(&["task", "retry", "t-1"]);
    daemon.wait_for_state("t-1", &["in-review"]);
    Judge::new(&home).all_is_well(&[1]);
    assert_eq!(daemon.stop(&[]), Some(0));
}

#[test]
fn an_agent_without_an_account_waits_for_one() {
    let agent = "[agents.keyless]\nplugin = \"claude-code\"\n";
    let home = Home::for_agents().env("ANTHROPIC_API_KEY", "").more(agent);
    task(&home, "keyless");
    let daemon = Daemon::start(&home);
    daemon.wait_for_state("t-1", &["waiting"]);
    let end = end_of(&daemon, &home, "t-1", 1);
    let said = "there is no account that speaks anthropic-messages: export ANTHROPIC_API_KEY=…, or add [accounts.NAME]";
    assert!(end.text.contains(said) && end.text.contains("[agents.keyless] account"), "{}", end.text);
    assert!(home.log().contains("An agent has no model to work with"), "{}", home.log());
    assert_eq!(daemon.stop(&[]), Some(0));
}

#[test]
fn a_fault_that_passes_costs_one_try_and_nothing_else() {
    let [mend, done] = mending();
    let model = Model::start([mend, Turn::cut_after(3).times(1), done]);
    let home = Home::for_agents().more(&model.sections_of(Provider::Anthropic, "fake", "cut", "{ retries = 0 }"));
    task(&home, "cut");
    let daemon = Daemon::start(&home);
    daemon.wait_for_state("t-1", &["in-review"]);
    let shown = home.shown("t-1");
    assert_eq!((&shown["run"], &shown["failures"]), (&2.into(), &1.into()), "{shown:#}");
    assert_eq!(home.git(&["show", "agentd/t-1:greeting.txt"]), "hello");
    Judge::new(&home).all_is_well(&[1]);
    assert_eq!(daemon.stop(&[]), Some(0));
}

#[test]
fn a_model_that_never_works_fails_the_task_in_the_end() {
    let model = Model::start([Turn::status(500, &[])]);
    let home = Home::for_agents().more(&model.sections_of(Provider::OpenAi, "fake", "broken", "{ retries = 0 }"));
    task(&home, "broken");
    let daemon = Daemon::start(&home);
    let (reason, text) = daemon.wait_for_failure("t-1");
    assert_eq!(reason, "model-error", "{text}");
    let shown = home.shown("t-1");
    assert_eq!((&shown["run"], &shown["failures"]), (&4.into(), &4.into()), "{shown:#}");
    assert_eq!(model.answered().len(), 4, "one call of each run");
    assert_eq!(daemon.stop(&[]), Some(0));
}
