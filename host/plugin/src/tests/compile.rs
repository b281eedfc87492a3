//! The compiler's child: it works, and whatever becomes of it is an error and nothing else.

use super::folder::Home;
use super::reload::{info, other};
use super::*;
use crate::compile::child;
use crate::{Compiler, What};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;
use tokio::time::timeout;

/// A script in the place of agentd, and a cache that knows the shipped plugin.
fn home(script: &str) -> (Home, Options) {
    let home = Home::new();
    let (cache, program) = (home.path("cache"), home.path("program"));
    std::fs::create_dir(&cache).unwrap();
    let known = sha256(&guest("label_priority"));
    for file in std::fs::read_dir(warm_cache()).unwrap().map(|it| it.unwrap().path()) {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        if name.starts_with(&known) {
            std::fs::copy(&file, cache.join(name)).unwrap();
        }
    }
    std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let options = Options::new(cache, Shipped::Folder(home.path("shipped")));
    let (plugins, compiler) = (Some(home.path("plugins")), Compiler::Child { program });
    (home, Options { plugins, compiler, ..options })
}

/// Lets this test be the child: the file to write is its second argument.
fn this(megabytes: u32) -> String {
    let program = std::env::current_exe().unwrap();
    format!(
        "export CHILD=\"$2\" MEGABYTES={megabytes}; exec {} --exact tests::compile::the_child --nocapture",
        program.display()
    )
}

/// Does nothing unless another test started it.
#[test]
#[expect(clippy::exit, reason = "it stands for a program")]
fn the_child() {
    let (Some(file), Ok(megabytes)) = (std::env::var_os("CHILD"), std::env::var("MEGABYTES")) else { return };
    if let Err(why) = child(Path::new(&file), megabytes.parse::<u64>().unwrap() << 20) {
        eprint!("{why}");
        std::process::exit(1);
    }
}

#[tokio::test]
async fn a_component_is_compiled_once_and_by_the_child() {
    let (home, options) = home(&this(2_048));
    let plugins = Plugins::load(options.clone(), home.daemon.clone()).await.unwrap();
    reload::put(&home, &plugins, "a.wasm", &other(7)).await;
    assert_eq!(home.daemon.news.lock().unwrap()[0].what, What::Compiled);
    assert_eq!(home.daemon.heard(), ["other-priority loaded"]);
    let entry = reload::entry(&plugins, "other-priority").await;
    assert_eq!(rank(&entry).await.unwrap(), "lab07 bug +30");
    let left: Vec<_> = std::fs::read_dir(home.path("cache")).unwrap().map(|it| it.unwrap().path()).collect();
    assert!(left.iter().all(|it| it.extension().is_some_and(|it| it == "cwasm")), "{left:?}");
    let nobody = Options { compiler: Compiler::Child { program: "/nowhere".into() }, ..options };
    let plugins = Plugins::load(nobody, home.daemon.clone()).await.unwrap();
    assert!(info(&plugins, "other-priority").serving, "nothing is compiled that is in the cache");
}

#[tokio::test]
async fn without_a_cache_the_child_works_too() {
    let (home, options) = home(&this(2_048));
    let open = home.mode("cache", 0o777);
    let plugins = Plugins::load(options, open.daemon.clone()).await.unwrap();
    let entry = reload::entry(&plugins, "label-priority").await;
    assert_eq!(rank(&entry).await.unwrap(), "label bug +30");
}

async fn check_compile(script: &str, expected: &str) {
    let (home, options) = home(script);
    let plugins = Plugins::load(options, home.daemon.clone()).await.unwrap();
    let entry = reload::entry(&plugins, "label-priority").await;
    reload::put(&home, &plugins, "a.wasm", &other(8)).await;
    assert_eq!(home.daemon.heard(), ["a refused"]);
    let problem = info(&plugins, "a").problem.unwrap();
    assert!(problem.starts_with("cannot be compiled: ") && problem.contains(expected), "{script}: {problem}");
    assert_eq!(rank(&entry).await.unwrap(), "label bug +30", "{script}: the others serve");
    let left = std::fs::read_dir(home.path("cache")).unwrap().count();
    assert_eq!(left, 1, "{script}: nothing is left in the cache");
}

#[tokio::test]
async fn whatever_becomes_of_the_child_is_a_problem_of_the_file() {
    check_compile("kill -9 $$", "its compilation was ended by signal 9 (it may use 2048 MiB of memory and 120 s").await;
    check_compile("cat >/dev/null; echo out of cheese >&2; exit 3", "code 3: out of cheese").await;
    check_compile("echo it has no code >&2; exit 1", "cannot be compiled: it has no code").await;
    check_compile("exit 0", "what its compilation left cannot be used: ").await;
    check_compile("cat >/dev/null; echo garbage >\"$2\"", "what its compilation left cannot be used: ").await;
    check_compile("cat >\"$2\"", "what its compilation left cannot be used: ").await;
    check_compile("head -c 100000 /dev/zero | tr '\\0' n >&2; exit 1", "nnnnnnnn").await;
    check_compile(&this(48), "its compilation ").await;
}

#[tokio::test(start_paused = true)]
async fn a_child_that_hangs_is_given_up_and_killed() {
    let (home, options) = home("exec sleep 1000");
    let plugins = Plugins::load(options, home.daemon.clone()).await.unwrap();
    std::fs::write(home.path("a.wasm"), other(9)).unwrap();
    let refused = plugins.inspect(&home.path("a.wasm")).await.unwrap_err().to_string();
    assert!(refused.contains("takes more than 120 s to compile"), "{refused}");
}

#[tokio::test]
async fn calls_go_on_while_the_child_works_and_it_ends_when_nobody_waits() {
    let (home, options) = home("echo $$ >\"$0.draft\"; mv \"$0.draft\" \"$0.pid\"; exec sleep 1000");
    let plugins = Plugins::load(options, home.daemon.clone()).await.unwrap();
    let entry = reload::entry(&plugins, "label-priority").await;
    std::fs::write(home.path("a.wasm"), other(9)).unwrap();
    let (path, pid) = (home.path("a.wasm"), home.path("program.pid"));
    let served = async {
        let mut answers = 0;
        while !pid.exists() || answers < 20 {
            assert_eq!(rank(&entry).await.unwrap(), "label bug +30");
            answers += 1;
        }
    };
    tokio::select! {
        _ = plugins.inspect(&path) => panic!("it hangs"),
        () = served => (),
    }
    let status = format!("/proc/{}/status", std::fs::read_to_string(pid).unwrap().trim());
    let gone = async {
        while std::fs::read_to_string(&status).is_ok_and(|it| !it.contains("State:\tZ")) {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(30), gone).await.expect("it is killed when nobody waits for it");
}
