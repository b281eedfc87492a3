//! Files that are no plugins: each is refused with what is wrong, and none makes the host panic.

use super::*;
use crate::component::read;

#[track_caller]
fn check(bytes: &[u8], expected: &str) {
    let problem = read(bytes).unwrap_err().to_string();
    assert!(problem.starts_with(expected), "`{problem}` should begin with `{expected}`");
}

/// Replaces each occurrence by something equally long, so that the component stays whole.
pub(super) fn patched(mut wasm: Vec<u8>, from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let places: Vec<usize> =
        wasm.windows(from.len()).enumerate().filter(|(_, it)| *it == from.as_bytes()).map(|(at, _)| at).collect();
    assert!(!places.is_empty(), "`{from}` does not occur");
    for at in places {
        wasm[at..at + to.len()].copy_from_slice(to.as_bytes());
    }
    wasm
}

#[test]
fn what_is_no_component_is_named() {
    check(b"", "is empty");
    check(b"(component)", "is not WebAssembly: it begins with `(component)`");
    check(b"\x7fELF\x02\x01\x01\0", "is not WebAssembly: it begins with `\\u{7f}ELF\\u{2}");
    check(b"\0as", "is truncated at byte 3");
    check(b"\0asm\x01\0\0\0", "is not a WebAssembly component (a core module)\nhint: build it with `--target wasm32-w");
    check(b"\0asm\x0d\0\x01\0", "exports none of the kinds that agentd knows (task-source, analyzer, prioritizer,");
    check(b"\0asm\x0d\0\x01\0\xff\xff", "is ");
}

#[test]
fn a_file_that_ends_early_is_refused_wherever_it_ends() {
    let wasm = guest("label_priority");
    let mut truncated = 0;
    for piece in 0..50 {
        let problem = read(&wasm[..wasm.len() * piece / 50]).unwrap_err().to_string();
        truncated += usize::from(problem.starts_with(&format!("is truncated at byte {}", wasm.len() * piece / 50)));
    }
    assert!(truncated >= 48, "only {truncated} of 50 were called truncated");
    assert!(read(&wasm).is_ok());
}

/// A changed file may be a component that is as good as before; the host has to come through either way.
#[tokio::test]
async fn ten_thousand_changed_files_are_refused_or_harmless() {
    let (wasm, house, folder) = (guest("label_priority"), House::new().await, TempDir::new().unwrap());
    let (mut chance, mut loaded, mut refused) = (Chance(1), 0, 0);
    for round in 0..10_000 {
        let changed = chance.change(&wasm);
        if read(&changed).is_err() {
            refused += 1;
        } else if round % 250 == 0 {
            let path = folder.path().join(format!("{round}.wasm"));
            std::fs::write(&path, &changed).unwrap();
            loaded += usize::from(house.plugins.inspect(&path).await.is_ok());
        }
    }
    assert!(loaded > 0, "most flips in code are still components");
    assert!(refused > 1_000, "only {refused} were refused");
}

/// Compiled code is mapped as it was written, or not at all.
#[tokio::test]
async fn ten_thousand_changed_files_of_the_cache_are_never_mapped() {
    let (wasm, folder, engine) = (guest("label_priority"), TempDir::new().unwrap(), Engine::new().unwrap());
    let cache = Cache::open(&folder.path().join("cache"));
    let code = engine.wasmtime().precompile_component(&wasm).unwrap();
    let digest = sha256(&wasm);
    cache.keep_code(engine.wasmtime(), &digest, &code);
    assert!(cache.find(engine.wasmtime(), &digest).is_some());
    let path = std::fs::read_dir(folder.path().join("cache")).unwrap().next().unwrap().unwrap().path();
    let mut chance = Chance(2);
    for round in 0..10_000 {
        std::fs::write(&path, chance.change(&code)).unwrap();
        assert!(cache.find(engine.wasmtime(), &digest).is_none(), "round {round}");
        assert!(!path.exists(), "what is not as it was written is taken away");
    }
    std::fs::write(&path, &code).unwrap();
    assert!(cache.find(engine.wasmtime(), &digest).is_some());
}

/// A small generator of numbers: the same each time.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % end
    }

    /// The bytes with something wrong: bits, a hole, something twice, the end gone, or noise.
    fn change(&mut self, bytes: &[u8]) -> Vec<u8> {
        let (at, length) = (self.below(bytes.len()), 1 + self.below(64));
        let until = (at + length).min(bytes.len());
        let mut changed = bytes.to_vec();
        match self.below(8) {
            0 => changed.truncate(at),
            1 => drop(changed.drain(at..until)),
            2 => drop(changed.splice(at..at, bytes[at..until].iter().copied())),
            3 => changed[at..until].iter_mut().for_each(|it| *it = it.wrapping_mul(31).wrapping_add(7)),
            _ => changed[at] ^= 1 << self.below(8),
        }
        if changed == bytes { vec![] } else { changed }
    }
}

async fn check_inspect(house: &House, wasm: &[u8], expected: &str) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("it.wasm");
    std::fs::write(&path, wasm).unwrap();
    let refused = house.plugins.inspect(&path).await.unwrap_err().to_string();
    let expected = format!("{}: {expected}", path.display());
    assert!(refused.starts_with(&expected), "`{refused}` should begin with `{expected}`");
}

#[tokio::test]
async fn a_component_of_another_contract_says_what_it_needs() {
    let (house, wasm) = (House::new().await, guest("hostile_plugin"));
    let of_a_later_host = patched(wasm.clone(), "agentd:host/kv@1.0.0", "agentd:host/kx@1.3.0");
    let newer = "is built for a newer contract: needs agentd:host/kx@1.3.0\nhint: this agentd has 1.0.0";
    check_inspect(&house, &of_a_later_host, newer).await;
    let foreign = patched(wasm.clone(), "agentd:host/kv@1.0.0", "agentx:host/kv@1.0.0");
    check_inspect(&house, &foreign, "imports what this agentd does not have: agentx:host/kv@1.0.0").await;
    let unknown = patched(wasm.clone(), "get-issue", "get-issux");
    check_inspect(&house, &unknown, "does not fit the contract: ").await;
    let nobody = patched(wasm.clone(), "agentd:plugin/manifest@1.0.0", "agentx:plugin/manifest@1.0.0");
    check_inspect(&house, &nobody, "does not export agentd:plugin/manifest@1.0.0").await;
    let later_kind = "agentd:prioritizer/prioritizer@2.0.0";
    let later_kind = patched(guest("label_priority"), "agentd:prioritizer/prioritizer@1.0.0", later_kind);
    let newer = "is built for a newer contract: needs agentd:prioritizer/prioritizer@2.0.0";
    check_inspect(&house, &later_kind, newer).await;
    let other_name = patched(wasm, "Does what a plugin must not do", "Does what a plugin must not d\x1b");
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("a.wasm"), other_name).unwrap();
    let info = house.plugins.inspect(&folder.path().join("a.wasm")).await.unwrap();
    assert_eq!(info.summary, "Does what a plugin must not d\u{fffd} (as-built)");
}

#[tokio::test]
async fn a_minor_version_that_uses_nothing_new_is_welcome() {
    let (house, folder) = (House::new().await, TempDir::new().unwrap());
    let path = folder.path().join("label-priority.wasm");
    let wasm = patched(guest("label_priority"), "agentd:host/entry@1.0.0", "agentd:host/entry@1.7.0");
    std::fs::write(&path, wasm).unwrap();
    assert_eq!(house.plugins.inspect(&path).await.unwrap().name, "label-priority");
}
