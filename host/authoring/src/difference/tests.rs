//! Components of a slightly different contract, and what is said of the difference.

use super::*;
use crate::contract::project_wit;
use agentd_plugin::Kind;
use wit_component::{ComponentEncoder, StringEncoding, dummy_module, embed_component_metadata};
use wit_parser::{ManglingAndAbi, UnresolvedPackageGroup};

/// A component of the kind that does nothing, built against a contract in which `from` is `to`.
pub(crate) fn component(kind: Kind, from: &str, to: &str) -> Vec<u8> {
    let mut changed = from.is_empty();
    let mut files = vec![];
    for (path, text) in project_wit("", kind) {
        let text = String::from_utf8(text).unwrap();
        changed |= text.contains(from);
        files.push((path, if from.is_empty() { text } else { text.replace(from, to) }));
    }
    assert!(changed, "{from} should be in the contract");
    let mut groups = files.iter().map(|(path, text)| UnresolvedPackageGroup::parse(path, text).unwrap());
    let main = groups.next().unwrap();
    let mut resolve = Resolve::default();
    let main = resolve.push_groups(main, groups.collect()).unwrap();
    let world = resolve.select_world(&[main], Some("plugin")).unwrap();
    let mut module = dummy_module(&resolve, world, ManglingAndAbi::Standard32);
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    ComponentEncoder::default().module(&module).unwrap().encode().unwrap()
}

#[track_caller]
fn check(kind: Kind, from: &str, to: &str, lines: &[&str]) {
    let found = find(&component(kind, from, to)).unwrap();
    assert_eq!(found.lines, lines, "{from} -> {to}");
    assert_eq!(found.missing, [""; 0]);
}

#[test]
fn what_is_built_against_the_contract_does_not_differ() {
    for kind in Kind::ALL {
        check(kind, "", "", &[]);
    }
}

#[test]
fn a_difference_names_its_place_and_both_types() {
    let source = Kind::TaskSource;
    check(
        source,
        "        labels: list<string>,\n        /// 1 urgent",
        "        labels: string,\n        /// 1 urgent",
        &["agentd:types/work draft.labels: list<string> expected, found string"],
    );
    check(
        source,
        "priority: option<u32>,\n        /// Work that",
        "priority: option<u64>,\n        /// Work that",
        &["agentd:types/work draft.priority: option<u32> expected, found option<u64>"],
    );
    check(
        Kind::Prioritizer,
        "value: f64,",
        "value: f64,\n        weight: f64,",
        &["agentd:prioritizer/prioritizer score.weight: the contract has no such field"],
    );
    check(
        Kind::Prioritizer,
        "        value: f64,\n",
        "",
        &["agentd:prioritizer/prioritizer score.value: this field is expected, and not there"],
    );
    check(
        Kind::Notifier,
        "/// Somebody should look when there is time.\n        warning,",
        "",
        &["agentd:notifier/notifier severity.warning: this word is expected, and not there"],
    );
}

#[test]
fn functions_are_compared_too() {
    check(
        Kind::Prioritizer,
        "rank: func(batch: batch)",
        "rank: func(batch: batch, hint: string)",
        &["agentd:prioritizer/prioritizer rank: 1 parameters expected, found 2"],
    );
    check(
        Kind::Prioritizer,
        "rank: func(batch: batch)",
        "order: func(batch: batch)",
        &["agentd:prioritizer/prioritizer rank: expected, not found"],
    );
}

#[test]
fn what_is_not_there_is_named() {
    let kv = "    get: func(key: string) -> result<option<string>, error>;";
    let found = find(&component(
        Kind::TaskSource,
        kv,
        &format!("{kv}\n    cas: func(key: string, old: string, new: string) -> result<bool, error>;"),
    ));
    assert_eq!(found.unwrap().missing, ["agentd:host/kv#cas"]);
    let newer = component(Kind::Prioritizer, "@1.0.0", "@1.3.0");
    let found = find(&newer).unwrap();
    assert!(found.missing.contains(&"agentd:host/log@1.3.0".to_owned()), "{:?}", found.missing);
}

#[test]
fn what_is_no_component_has_no_types() {
    for bytes in [&b""[..], b"\0asm\x01\0\0\0", b"\0asm\x0d\0\x01\0\x07", b"#!/bin/sh"] {
        assert!(find(bytes).is_none(), "{bytes:?}");
    }
}
