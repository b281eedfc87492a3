//! The policy of `label-priority` through extism: compiled once, and an instance for each call.
//!
//! For each line on its input it makes so many calls, and answers with their median in nanoseconds. The first argument
//! is the guest's module.

use extism::{CompiledPlugin, Manifest, Plugin, PluginBuilder, Wasm};
use std::{
    io::{BufRead, Write},
    time::Instant,
};

const INPUT: &str = r#"{"labels":{"bug":10},"candidates":[{"id":"t-1","labels":["bug"],"priority":2}]}"#;

fn main() {
    let module = std::env::args().nth(1).expect("the guest's module");
    let bytes = std::fs::read(module).expect("the module can be read");
    let builder = PluginBuilder::new(Manifest::new([Wasm::data(bytes)])).with_wasi(true);
    let compiled = CompiledPlugin::new(builder).expect("it compiles");
    for line in std::io::stdin().lock().lines() {
        let calls: usize = line.expect("a line").trim().parse().expect("a number of calls");
        let mut times: Vec<u128> = (0..calls).map(|_| call(&compiled)).collect();
        times.sort_unstable();
        println!("{}", times[calls / 2]);
        std::io::stdout().flush().expect("somebody reads");
    }
}

fn call(compiled: &CompiledPlugin) -> u128 {
    let began = Instant::now();
    let mut plugin = Plugin::new_from_compiled(compiled).expect("an instance");
    let answer: &str = plugin.call("rank", INPUT).expect("it ranks");
    assert!(answer.contains("t-1"), "{answer}");
    began.elapsed().as_nanos()
}
