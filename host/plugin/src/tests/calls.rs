//! One call: what the host makes of an answer, an error, a trap, a limit, and nonsense.

use super::*;
use crate::wit::notifier::Message;
use crate::wit::task_source::{Item, PollRequest};
use crate::{Budget, Kind, PluginLimits, limits_of};
use std::time::Duration;

/// Ranks with a plugin that does this, and compares the failure's text piece by piece.
async fn check_failure(house: &House, does: &str, expected: &[&str]) {
    let entry = house.does(does).await;
    let failure = rank(&entry).await.unwrap_err();
    assert!(matches!(failure, CallError::Failed { .. }), "{does}: {failure:?}");
    let text = failure.to_string();
    let head = "plugin `hostile`, entry `e`: rank failed: ";
    assert!(text.starts_with(head) && text.contains("\nhint: "), "{does}: {text}");
    for piece in expected {
        assert!(text.contains(piece), "{does}: `{piece}` is missing in: {text}");
    }
    assert!(!text.contains('\u{1b}'), "{does}: a terminal would obey this: {text:?}");
}

#[tokio::test]
async fn a_trap_says_what_it_was_and_repeats_the_last_words() {
    let house = House::new().await;
    check_failure(&house, "panic", &["it panicked or aborted", "its last words:", "I give up\u{fffd}[2J"]).await;
    check_failure(&house, "stack", &["it reached beyond its memory, as it does when its stack overflows"]).await;
    check_failure(&house, "exit", &["it ended its program with code 1"]).await;
    assert_eq!(rank(&house.does("nothing").await).await, Ok("done".into()), "the others go on");
}

#[tokio::test]
async fn an_endless_loop_ends_with_its_cpu_time_and_lets_others_work() {
    let house = House::new().await;
    let (endless, good) = (house.does("loop").await, house.does("nothing").await);
    let (failure, answers) = tokio::join!(rank(&endless), async {
        let mut answers = 0;
        for _ in 0..20 {
            answers += usize::from(rank(&good).await.is_ok());
        }
        answers
    });
    assert_eq!(answers, 20);
    let text = failure.unwrap_err().to_string();
    assert!(text.contains("it used more than its 2 s of CPU time") && text.contains("endless loop"), "{text}");
}

#[tokio::test]
async fn memory_and_answers_have_limits() {
    let house = House::new().await;
    check_failure(&house, "memory", &["MiB of memory, and 256 MiB are allowed"]).await;
    check_failure(&house, "much", &["too much data is being copied"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_call_that_waits_ends_with_its_time() {
    let house = House::new().await;
    check_failure(&house, "sleep", &["it gave no answer within 10 s"]).await;
    house.daemon.deaf.store(true, Ordering::SeqCst);
    let entry = house.hostile(json!({ "does": "http", "url": "https://example.org/hook" })).await;
    let message = Message { id: "m-1".into(), events: vec![], digest: false, extra: vec![] };
    let began = tokio::time::Instant::now();
    let failure = entry.notify(message).await.unwrap_err().to_string();
    assert!(failure.contains("notify failed: it gave no answer within 30 s"), "{failure}");
    assert_eq!(began.elapsed().as_secs(), Duration::from_secs(30).as_secs());
}

#[tokio::test]
async fn an_answer_that_makes_no_sense_is_a_failure() {
    let house = House::new().await;
    check_failure(&house, "not-a-number", &["its answer makes no sense: the score of task t-1 is NaN"]).await;
    check_failure(&house, "stranger", &["a score for task `t-\u{fffd}99`, which is not in the batch"]).await;
    check_failure(&house, "twice", &["a score for task `t-1`, which is not in the batch or has one already"]).await;
}

#[tokio::test]
async fn a_poll_stays_within_the_contract() {
    let house = House::new().await;
    let request = || PollRequest { cursor: None, extra: vec![] };
    for (does, expected) in [
        ("many", "1001 items at once, and 1000 are allowed"),
        ("complete-and-more", "both that this is all"),
        ("cursor", "the cursor is 66560 bytes long"),
    ] {
        let failure = house.does(does).await.poll(request()).await.unwrap_err().to_string();
        assert!(failure.contains("poll failed: its answer makes no sense") && failure.contains(expected), "{failure}");
    }

    house.daemon.logged();
    let intake = house.does("bad-keys").await.poll(request()).await.unwrap().value;
    let keys: Vec<_> = intake.items.iter().map(|it| matches!(it, Item::Work(it) if it.key == "good")).collect();
    assert_eq!(keys, [true], "items that no task can be named by are left out");
    assert_eq!(house.daemon.logged().iter().filter(|it| it.contains("an item was left out")).count(), 3);

    let intake = house.does("hollow").await.poll(request()).await.unwrap().value;
    let [Item::Work(draft)] = &intake.items[..] else { panic!("{intake:?}") };
    assert_eq!((draft.key.as_str(), &draft.repository), ("good", &None));
    let logged = house.daemon.logged();
    for line in ["\"untitled\" was left out: it has no title", "\"entangled\" was left out: it depends on 257 others"] {
        assert!(logged.iter().any(|it| it.contains(line)), "{logged:?}");
    }

    let intake = house.does("long").await.poll(request()).await.unwrap().value;
    let Item::Work(draft) = &intake.items[0] else { panic!("{intake:?}") };
    assert_eq!(draft.title.chars().count(), 256);
    assert!(((255 << 10)..=(256 << 10)).contains(&draft.body.len()));
    assert!(draft.body.contains("agentd cut this text: it is 614400 bytes long"));
}

#[tokio::test]
async fn a_plugins_own_error_is_handed_on_and_readable() {
    let house = House::new().await;
    let failure = rank(&house.does("denied").await).await.unwrap_err();
    assert_eq!(failure.to_string(), "denied: \u{fffd}[31mred");
    assert!(!failure.worth_repeating());
    let failure = rank(&house.does("other").await).await.unwrap_err();
    assert_eq!(failure.to_string(), "failed: nothing works");
    assert!(failure.worth_repeating());
}

#[tokio::test]
async fn a_plugin_of_another_kind_says_what_it_is() {
    let house = House::new().await;
    let entry = house.plugins.entry("e", "label-priority", json!({}), vec![]).await.unwrap();
    let failure = entry.poll(PollRequest { cursor: None, extra: vec![] }).await.unwrap_err();
    assert_eq!(
        failure.to_string(),
        "plugin `label-priority` is not a task-source but a prioritizer\nhint: name another plugin for entry `e`"
    );
    let score = entry.rank(batch(&["t-1"])).await.unwrap().value.remove(0);
    assert_eq!((score.value, score.reason.as_str()), (30.0, "label bug +30"));
}

#[tokio::test]
async fn after_three_failures_in_a_row_it_rests_and_is_tried_again() {
    let house = House::new().await;
    let entry = house.does("panic").await;
    for _ in 0..3 {
        assert!(matches!(rank(&entry).await, Err(CallError::Failed { .. })));
    }
    let failure = rank(&entry.clone()).await.unwrap_err();
    assert_eq!(
        failure.to_string(),
        "plugin `hostile`, entry `e` is switched off for 30 s more, after 3 failures in a row; the last: it trapped: \
         it panicked or aborted"
    );
    assert!(rank(&house.does("nothing").await).await.is_ok(), "another entry is not concerned");
    house.daemon.pass(30_000);
    assert!(matches!(rank(&entry).await, Err(CallError::Failed { .. })));
    assert!(matches!(rank(&entry).await, Err(CallError::Open { wait_ms: 60_000, .. })));
}

#[tokio::test]
async fn calls_of_one_function_come_one_at_a_time() {
    let house = House::new().await;
    house.daemon.deaf.store(true, Ordering::SeqCst);
    let entry = house.hostile(json!({ "does": "http", "url": "https://example.org/hook" })).await;
    let in_turn = async { tokio::join!(rank(&entry), rank(&entry)) };
    let message = || Message { id: "m-1".into(), events: vec![], digest: false, extra: vec![] };
    let beside = async { tokio::join!(entry.notify(message()), entry.notify(message())) };
    let asked = async {
        while house.daemon.requests.lock().unwrap().len() < 3 {
            tokio::task::yield_now().await;
        }
        for _ in 0..1_000 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        _ = in_turn => panic!("nobody answers"),
        _ = beside => panic!("nobody answers"),
        () = asked => (),
    }
    assert_eq!(house.daemon.requests.lock().unwrap().len(), 3, "one rank and two notifications");
}

#[tokio::test]
async fn a_slow_plugin_keeps_neither_others_nor_changes_waiting() {
    let house = House::new().await;
    house.daemon.deaf.store(true, Ordering::SeqCst);
    let entry = house.hostile(json!({ "does": "http", "url": "https://example.org/hook" })).await;
    let message = || Message { id: "m-1".into(), events: vec![], digest: false, extra: vec![] };
    let three = async || tokio::join!(entry.notify(message()), entry.notify(message()), entry.notify(message()));
    let slow = async { tokio::join!(three(), three()) };
    let others = async {
        while house.daemon.requests.lock().unwrap().len() < 4 {
            tokio::task::yield_now().await;
        }
        let other = house.plugins.entry("other", "label-priority", json!({}), vec![]).await.unwrap();
        assert_eq!(rank(&other).await.unwrap(), "label bug +30");
        house.does("nothing").await;
    };
    tokio::select! {
        _ = slow => panic!("nobody answers"),
        () = others => (),
    }
    assert_eq!(house.daemon.requests.lock().unwrap().len(), 4, "of six calls; two wait for their plugin's share");
}

#[tokio::test]
async fn limits_of_a_plugin_are_the_operators_and_named_where_they_are_met() {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("hostile_plugin.wasm"), guest("hostile_plugin")).unwrap();
    let tight = PluginLimits { wall: None, cpu: Some(Duration::from_millis(200)), memory: Some(32 << 20) };
    let mut options = Options::new(warm_cache(), Shipped::Folder(folder.path().into()));
    options.limits.insert("hostile".into(), tight);
    let daemon = Daemon::new();
    let plugins = Plugins::load(options, daemon.clone()).await.unwrap();
    let house = House { daemon, plugins, folder };
    let memory = "MiB of memory, and 32 MiB are allowed";
    check_failure(&house, "memory", &[memory, "`memory` in [plugins.limits.hostile] raises the limit"]).await;
    let began = std::time::Instant::now();
    check_failure(&house, "loop", &["its 0 s of CPU time", "`cpu` in [plugins.limits.hostile] raises"]).await;
    assert!(began.elapsed() < Duration::from_secs(2));
}

#[test]
fn limits_are_told_by_kind() {
    let analyze = limits_of(Kind::Analyzer, Options::MAX_MEMORY);
    let budget = Budget { wall: Duration::from_secs(600), cpu: Duration::from_secs(60), memory: 512 << 20 };
    assert_eq!(analyze, [("analyze", budget)]);
    let functions: Vec<_> = limits_of(Kind::TaskSource, 1).into_iter().map(|it| it.0).collect();
    assert_eq!(functions, ["poll", "feedback", "receive", "report"]);
}

#[tokio::test]
async fn health_is_counted_by_function() {
    let house = House::new().await;
    let entry = house.does("nothing").await;
    for _ in 0..3 {
        rank(&entry).await.unwrap();
    }
    let bad = house.plugins.entry("bad", "hostile", json!({ "does": "panic" }), vec![]).await.unwrap();
    for _ in 0..4 {
        rank(&bad).await.unwrap_err();
    }
    let health = house.plugins.health();
    let of = |entry: &str, function: &str| {
        health.iter().find(|it| it.entry == entry && it.function == function).cloned().unwrap()
    };
    let good = of("e", "rank");
    assert_eq!((good.calls, good.failures, good.breaker, good.last_error), (3, 0, "closed", None));
    assert!(good.cpu_us > 0 && good.wall_us >= good.cpu_us, "{} {}", good.cpu_us, good.wall_us);
    let bad = of("bad", "rank");
    assert_eq!((bad.calls, bad.failures, bad.breaker, bad.open_until), (3, 3, "open", Some(NOW + 30_000)));
    assert_eq!(bad.last_error.as_deref(), Some("it trapped: it panicked or aborted"));
    assert!(of("", "describe").calls > 0, "the plugin about itself");
}

#[tokio::test]
async fn a_trap_says_where_it_was() {
    let house = House::new().await;
    let failure = rank(&house.does("panic").await).await.unwrap_err();
    let CallError::Failed { details, .. } = &failure else { panic!("{failure:?}") };
    let first = details.stack.lines().next().unwrap();
    assert!(first.starts_with("0: ") && first.contains(" at 0x"), "without names, places: {}", details.stack);
    assert!(failure.to_string().contains("\nit was in:\n  0: "), "{failure}");
}
