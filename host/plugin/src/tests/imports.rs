//! What a guest gets when it asks: of WASI, of the log, of `kv`, of everything while it describes itself.

use super::*;

#[tokio::test]
async fn nothing_of_the_machine_can_be_seen() {
    let house = House::new().await;
    assert_eq!(
        rank(&house.does("outside").await).await.unwrap(),
        "files 0, passwd false, written false, variables 0, arguments 0, connected false, input 0"
    );
}

#[tokio::test]
async fn without_grants_every_import_answers_without_a_trap() {
    let house = House::new().await;
    let entry = house.plugins.entry("e", "hostile", json!({ "does": "imports" }), vec![]).await.unwrap();
    assert_eq!(
        rank(&entry).await.unwrap(),
        "name e, settings 3, now 1790000000000, kv fine, http invalid, forge denied, mail invalid, \
         repositories 0, files denied"
    );
}

#[tokio::test]
async fn a_plugin_that_checks_settings_has_the_log_and_nothing_else() {
    let house = House::new().await;
    let refused = house.plugins.entry("e", "hostile", json!({ "does": "check-imports" }), vec![]).await;
    assert_eq!(
        refused.err().unwrap().to_string(),
        "the settings of `e` (plugin `hostile`) are refused:\n  settings: name , settings 2, now 0, kv denied, http \
         denied, forge denied, mail denied, repositories 0, files denied"
    );
}

#[tokio::test]
async fn kv_reads_what_the_call_wrote_and_the_caller_gets_it() {
    let house = House::new().await;
    for key in ["a", "b", "stored"] {
        house.daemon.kv.lock().unwrap().insert(key.into(), "0".into());
    }
    let answer = house.does("kv").await.rank(batch(&["t-1"])).await.unwrap();
    assert_eq!(
        answer.value[0].reason, r#"Some("0") Some("1") None None ["a", "b"] []"#,
        "stored, b, c, stored again, keys, keys after b"
    );
    let some = |value: &str| Some(value.to_owned());
    assert_eq!(answer.kv, [("b".into(), some("1")), ("c".into(), None), ("stored".into(), None)]);
    assert!(rank(&house.does("kv-panic").await).await.is_err());
    assert_eq!(house.daemon.kv.lock().unwrap().len(), 3, "nobody but the caller writes");
    assert_eq!(rank(&house.does("kv-limits").await).await.unwrap(), "too-large too-large too-large fine");
}

/// Stored keys come in pages of 1,000: what was written beyond a page's end must wait for the next one.
#[tokio::test]
async fn keys_come_in_order_page_by_page() {
    let house = House::new().await;
    let stored: Vec<String> = (0..2_500).map(|it| format!("k{it:04}")).collect();
    house.daemon.kv.lock().unwrap().extend(stored.iter().map(|it| (it.clone(), "0".into())));
    // It writes `k0000x`, `k1234x` and `z`, removes `k0001` and the whole second page, and then reads all pages.
    let answer = house.does("kv-pages").await.rank(batch(&["t-1"])).await.unwrap();
    assert_eq!(answer.value[0].reason, "1502 keys in order, from k0000 to z, with k0000x and k1234x");
}

#[tokio::test]
async fn what_it_says_is_cut_and_counted() {
    let house = House::new().await;
    let entry = house.does("shout").await;
    house.daemon.logged();
    for _ in 0..2 {
        rank(&entry).await.unwrap();
        let log = house.daemon.logged();
        assert_eq!(log.len(), 201);
        assert!(log.iter().all(|it| it.len() < (8 << 10) + 32));
        assert_eq!(log[200], "hostile/e warn: 840 more lines of this call were dropped: at most 200 are kept");
    }
    rank(&house.does("log-fields").await).await.unwrap();
    assert_eq!(house.daemon.logged(), ["hostile/e info: with fields small=1 last=2"]);
}

#[tokio::test]
async fn a_hundred_counters_are_kept() {
    let house = House::new().await;
    rank(&house.does("metrics").await).await.unwrap();
    let dropped = house.daemon.logged().iter().filter(|it| it.contains("a counter was dropped")).count();
    assert_eq!(dropped, 50);
    let counters = house.plugins.counters();
    assert_eq!(counters.len(), 100);
    let first = &counters[0];
    assert_eq!((first.plugin.as_str(), first.entry.as_str(), first.name.as_str()), ("hostile", "e", "counter_0"));
    assert_eq!((first.value, counters[1].value), (151, 1));
}
