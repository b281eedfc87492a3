//! What an author reads about files: good ones, ones of another contract, and damaged ones.

use super::*;
use crate::difference::tests::component;
use crate::tests::{shipped, workbench};
use agentd_plugin::Kind;

/// What a person reads of a file with these bytes.
async fn seen(bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("it.wasm");
    fs::write(&file, bytes).unwrap();
    let checked = check(&workbench().await, &file).await.unwrap();
    let mut text = String::new();
    for Finding { level, name, text: found, hint } in &checked.findings {
        text.push_str(&format!("{level:?} {name}: {found}\n"));
        text.extend(hint.iter().map(|it| format!("  {it}\n")));
    }
    text.push_str(if checked.could_serve() { "could serve" } else { "could not serve" });
    text
}

#[tokio::test]
async fn a_good_plugin_shows_what_it_is_and_wants() {
    let text = seen(&shipped("todo")).await;
    let size = text.lines().find(|it| it.starts_with("Ok size")).unwrap().to_owned();
    insta::assert_snapshot!(text.replace(&size, "Ok size: SIZE"), @r#"
    Ok imports: log, entry, repository; WASI cli, io
    Ok kinds: analyzer
    Ok wants: repository: read files and history (to search it for comments that ask for work)
    Ok settings: context = 4, globs = ["!vendor/**","!node_modules/**","!third…, limit = 50, words = ["FIXME","HACK","TODO"]
    Ok size: SIZE
    could serve
    "#);
}

#[tokio::test]
async fn a_difference_is_told_field_by_field() {
    insta::assert_snapshot!(seen(&component(Kind::Prioritizer, "value: f64,", "value: u64,")).await, @"
    Fail contract: agentd:prioritizer/prioritizer score.value: f64 expected, found u64
      build it against wit/ of this agentd: agentd plugin new carries it
    Ok imports: log, entry
    Ok size: 10 KiB
    could not serve
    ");
}

#[tokio::test]
async fn a_missing_import_says_what_has_it() {
    let kv = "write: func(level: level, message: string";
    let text = seen(&component(Kind::Prioritizer, kv, &format!("flush: func();\n    {kv}"))).await;
    insta::assert_snapshot!(text, @"
    Fail imports: agentd:host/log#flush is not there
      no agentd up to this one has it: this one has 1.0.0 of the contract
    Ok size: 10 KiB
    could not serve
    ");
}

#[tokio::test]
async fn foreign_and_damaged_files_are_said_to_be_so() {
    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert!(text.contains(expected) && text.ends_with("could not serve"), "{text}");
    }
    let good = shipped("label-priority");
    check(&seen(b"").await, "is empty");
    check(&seen(b"#!/bin/sh\n").await, "is not WebAssembly");
    check(&seen(b"\0asm\x01\0\0\0").await, "core module");
    check(&seen(&good[..good.len() / 2]).await, "is truncated");
    let mut damaged = good.clone();
    let middle = damaged.len() / 2;
    damaged[middle..middle + 64].fill(0xff);
    check(&seen(&damaged).await, "Fail file");
}
