//! Lanes, repetition, and what a person may do to a row.

use crate::{
    EffectFilter, Error, Follow, NewEffect, RunKey, With,
    tests::{Home, effect},
};
use agentd_task::Event;

impl Home {
    /// Stores effects, each written `lane:key`.
    async fn decided(&self, effects: &[&str]) {
        let effects = effects.iter().map(|it| it.split_once(':').unwrap()).map(|(lane, key)| effect(lane, key));
        self.store.enqueue("test".into(), 0, effects.collect(), 10).await.unwrap();
    }

    /// The keys of what is to be sent now.
    async fn next(&self, now: i64) -> String {
        let effects = self.store.next_effects(now, 100).await.unwrap();
        assert!(effects.iter().all(|it| it.state == "sending" && it.attempts > 0));
        effects.into_iter().map(|it| it.key).collect::<Vec<_>>().join(" ")
    }

    async fn id(&self, key: &str) -> i64 {
        self.effect(key).await.unwrap().id
    }

    async fn done(&self, key: &str) {
        self.store.effect_done(self.id(key).await, "ok".into(), Follow::default(), 20).await.unwrap();
    }
}

#[tokio::test]
async fn a_lane_is_done_in_order_and_does_not_wait_for_others() {
    let home = Home::new();
    home.decided(&["a:a1", "a:a2", "b:b1", "c:c1"]).await;
    assert_eq!(home.next(10).await, "a1 b1 c1");
    assert_eq!(home.next(10).await, "", "each lane is busy");
    home.done("a1").await;
    assert_eq!(home.next(10).await, "a2");
    home.done("b1").await;
    assert_eq!(home.next(10).await, "");
}

#[tokio::test]
async fn no_more_are_taken_than_asked_for() {
    let home = Home::new();
    home.decided(&["a:a1", "b:b1", "c:c1"]).await;
    assert_eq!(home.store.next_effects(10, 2).await.unwrap().len(), 2);
    assert_eq!(home.next(10).await, "c1");
}

#[tokio::test]
async fn what_could_not_be_done_is_due_again_later_and_holds_its_lane() {
    let home = Home::new();
    home.decided(&["a:a1", "a:a2"]).await;
    home.next(10).await;
    home.store.effect_again(home.id("a1").await, 500, "no network".into()).await.unwrap();
    assert_eq!(home.next(499).await, "");
    assert_eq!(home.next(500).await, "a1");
    let effect = home.effect("a1").await.unwrap();
    assert_eq!((effect.attempts, effect.error.as_deref()), (2, Some("no network")));
}

#[tokio::test]
async fn what_cannot_be_done_lets_its_lane_go_on() {
    let home = Home::new();
    home.decided(&["a:a1", "a:a2"]).await;
    home.next(10).await;
    home.store.effect_failed(home.id("a1").await, "refused".into(), Follow::default(), 20).await.unwrap();
    assert_eq!(home.next(20).await, "a2");
}

#[tokio::test]
async fn what_failed_is_not_open_but_is_listed_with_what_is() {
    let home = Home::new();
    home.decided(&["a:a1", "b:b1", "c:c1", "c:c2"]).await;
    home.next(10).await;
    home.store.effect_failed(home.id("a1").await, "404".into(), Follow::default(), 20).await.unwrap();
    home.done("b1").await;
    let reader = home.store.reader();
    let keys = |effects: Vec<crate::Effect>| effects.into_iter().map(|it| it.key).collect::<Vec<_>>();
    let open = EffectFilter { open_only: true, ..EffectFilter::default() };
    assert_eq!(keys(reader.effects(open.clone()).await.unwrap()), ["c1", "c2"]);
    let listed = reader.effects_and_failed(open).await.unwrap();
    assert_eq!(listed[0].error.as_deref(), Some("404"));
    assert_eq!(keys(listed), ["a1", "c1", "c2"]);
    let all = reader.effects_and_failed(EffectFilter::default()).await.unwrap();
    assert_eq!(keys(all), ["a1", "b1", "c1", "c2"]);
}

#[tokio::test]
async fn what_failed_gets_another_try_but_for_what_publishes() {
    let home = Home::new();
    home.decided(&["a:a1"]).await;
    let edit = NewEffect { kind: "edit".into(), ..effect("b", "b1") };
    home.store.enqueue("claims".into(), 0, vec![edit], 10).await.unwrap();
    for expected in ["a1", "b1"] {
        let row = home.store.next_effects(10, 1).await.unwrap().remove(0);
        assert_eq!(row.key, expected);
        home.store.effect_failed(row.id, "401".into(), Follow::default(), 20).await.unwrap();
    }
    let error = home.store.release_effect(home.id("a1").await).await.unwrap_err().to_string();
    assert!(error.contains("`agentd task retry`"), "{error}");
    home.store.release_effect(home.id("b1").await).await.unwrap();
    let again = home.store.next_effects(30, 1).await.unwrap().remove(0);
    assert_eq!((again.key.as_str(), again.attempts), ("b1", 1));
}

#[tokio::test]
async fn a_person_holds_releases_and_drops() {
    let home = Home::new();
    home.decided(&["a:a1", "a:a2"]).await;
    let id = home.id("a1").await;
    home.store.hold_effect(id).await.unwrap();
    assert_eq!(home.next(10).await, "", "a held effect blocks its lane");
    home.store.release_effect(id).await.unwrap();
    assert_eq!(home.next(10).await, "a1");
    let error = home.store.drop_effect(id, 20).await.unwrap_err();
    assert_eq!(error.to_string(), "effect 1 is sending: only what is pending, held or failed can be dropped");
    assert!(matches!(home.store.hold_effect(id).await, Err(Error::Effect { .. })));
    assert!(matches!(home.store.release_effect(id).await, Err(Error::Effect { .. })));
    assert!(matches!(home.store.hold_effect(99).await, Err(Error::NoEffect(99))));
    home.store.drop_effect(home.id("a2").await, 20).await.unwrap();
    let open = EffectFilter { open_only: true, ..EffectFilter::default() };
    assert_eq!(home.store.reader().effects(open).await.unwrap().len(), 1);
    let event = home.store.reader().events(0, 10, None).await.unwrap().remove(0);
    assert_eq!(
        (&*event.kind, &*event.text),
        ("effect.dropped", "Effect 2 (push) was dropped: it is not done any more")
    );
}

#[tokio::test]
async fn what_was_being_sent_when_the_daemon_died_is_pending_again() {
    let home = Home::new();
    home.decided(&["a:a1", "b:b1"]).await;
    home.next(10).await;
    home.done("b1").await;
    let home = home.killed();
    assert_eq!(home.next(10).await, "");
    assert_eq!(home.store.recover_effects().await.unwrap(), 1);
    assert_eq!(home.next(10).await, "a1");
}

#[tokio::test]
async fn an_effect_and_what_it_means_for_its_task_are_one() {
    let home = Home::new();
    let RunKey { task, run } = home.running("a").await;
    let with = With { effects: vec![effect("a", "push")], ..With::default() };
    home.store.apply(task, Event::Verified { run, ask: false }, with, 20).await.unwrap();
    home.next(20).await;
    let id = home.id("push").await;
    let follow = |event| Follow { event: Some((task, event, With::default())), effects: vec![] };
    let wrong = follow(Event::Merged);
    let error = home.store.effect_done(id, "ok".into(), wrong, 20).await.unwrap_err();
    assert!(matches!(error, Error::Refused(_)), "{error}");
    assert_eq!(home.store.reader().effect(id).await.unwrap().unwrap().state, "sending");
    let right = follow(Event::Published);
    home.store.effect_done(id, "ok".into(), right, 20).await.unwrap();
    assert_eq!(home.state(task).await, "in-review");
    let effect = home.store.reader().effect(id).await.unwrap().unwrap();
    assert_eq!((&*effect.state, effect.result.as_deref()), ("done", Some("ok")));
    let error = home.store.effect_done(id, "ok".into(), Follow::default(), 20).await.unwrap_err();
    assert!(matches!(error, Error::Effect { .. }), "{error}");
}

#[tokio::test]
async fn a_reader_of_the_log_goes_on_where_it_was_and_never_back() {
    let home = Home::new();
    assert_eq!(home.store.reader().consumer("webhook").await.unwrap(), None);
    let enqueue = async |upto, keys: &[&str]| {
        let effects = keys.iter().map(|key| effect("webhook", key)).collect();
        home.store.enqueue("webhook".into(), upto, effects, 10).await.unwrap();
    };
    enqueue(5, &["n5"]).await;
    enqueue(3, &["n5", "n3"]).await;
    assert_eq!(home.store.reader().consumer("webhook").await.unwrap(), Some(5));
    let effects = home.store.reader().effects(EffectFilter::default()).await.unwrap();
    assert_eq!(effects.iter().map(|it| &*it.key).collect::<Vec<_>>(), ["n5", "n3"]);
    let limited = EffectFilter { limit: 1, ..EffectFilter::default() };
    assert_eq!(home.store.reader().effects(limited).await.unwrap()[0].key, "n3", "the newest");
}

#[tokio::test]
async fn looking_for_effects_seeks_from_lane_to_lane() {
    let home = Home::new();
    let conn = home.raw();
    let mut explain = conn.prepare(&format!("EXPLAIN QUERY PLAN {}", super::NEXT)).unwrap();
    let plan: Vec<String> = explain.query_map((1, 1), |row| row.get(3)).unwrap().map(Result::unwrap).collect();
    assert!(plan.iter().any(|it| it.contains("SEARCH effect USING INDEX effect_open (lane>?)")), "{plan:#?}");
    let over_all = |it: &String| it == "SCAN effect" || it.contains("AUTOMATIC");
    assert!(!plan.iter().any(over_all), "{plan:#?}");
}
