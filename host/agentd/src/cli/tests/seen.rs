//! What a person sees: commands against a daemon that only writes down what it is told, and against none.

use super::{
    super::{Cli, Context, dispatch},
    screen::Screen,
};
use crate::server::tests::Daemon;
use agentd_store::{Follow, NewEffect};
use clap::Parser;
use serde_json::json;

/// The output of a command and, after it, its error. Ages and the home's path are left out.
async fn seen(daemon: &Daemon, line: &str) -> String {
    let home = daemon.home.path().display().to_string();
    let cli = Cli::try_parse_from(["agentd", "--home", &home].into_iter().chain(line.split('|'))).unwrap();
    let screen = Screen::default();
    let out = screen.out(cli.global.json);
    let mut context = Context::for_test(cli.global, out);
    let result = dispatch(cli.command, &mut context).await;
    let mut text = screen.text();
    if let Err(error) = result {
        text.push_str(&error.to_string());
    }
    text.replace(&home, "HOME")
}

/// A daemon with three tasks.
async fn daemon() -> Daemon {
    let daemon = Daemon::start();
    for (key, title, mode) in
        [("a", "Fix the \u{1b}[31mparser", "auto"), ("b", "Write docs", "ask"), ("c", "Later", "auto")]
    {
        let labels = json!(["bug"]);
        daemon
            .post(
                "/v1/tasks",
                json!({ "key": key, "title": title, "repository": "web", "mode": mode, "labels": labels }),
            )
            .await;
    }
    daemon
}

fn without_ages(text: &str) -> String {
    let age = |word: &str| word.ends_with(['s', 'm', 'h', 'd']) && word[..word.len() - 1].parse::<u64>().is_ok();
    let line = |line: &str| line.split_whitespace().filter(|it| !age(it)).collect::<Vec<_>>().join(" ");
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn lists_and_single_tasks() {
    let daemon = daemon().await;
    insta::assert_snapshot!(without_ages(&seen(&daemon, "task|list").await), @r"
    task state since repository title why
    t-1 queued web Fix the [31mparser starts when the limits allow it
    t-2 waiting (start) web Write docs waits for a person to start it: agentd task start t-2
    t-3 queued web Later starts when the limits allow it
    ");
    insta::assert_snapshot!(without_ages(&seen(&daemon, "task|list|--state|waiting").await), @r"
    task state since repository title why
    t-2 waiting (start) web Write docs waits for a person to start it: agentd task start t-2
    ");
    insta::assert_snapshot!(without_ages(&seen(&daemon, "task|show|t-1").await), @r"
    task t-1 Fix the [31mparser
    state queued, for
    why starts when the limits allow it
    source cli a
    repository web
    branch agentd/t-1
    labels bug
    score 0.00
    came 2023-11-14T22:13:20Z
    ");
    insta::assert_snapshot!(without_ages(&seen(&daemon, "queue").await), @r"
    task score waits repository title why
    t-1 0.00 web Fix the [31mparser starts when the limits allow it
    t-3 0.00 web Later starts when the limits allow it
    ");
    assert_eq!(seen(&daemon, "outbox|list").await, "nothing waits to be sent\n");
    let error = "error: there is no task t-9\nhint: agentd task list shows those that are there";
    assert_eq!(seen(&daemon, "task|show|t-9").await, error);
}

#[tokio::test]
async fn what_could_not_be_sent_is_listed_until_somebody_decides() {
    let daemon = daemon().await;
    let (lane, key, kind) = ("notify:team".into(), "n1".into(), "notify".into());
    let effect = NewEffect { task: None, lane, key, kind, payload: "{}".into() };
    daemon.store.enqueue("notices".into(), 0, vec![effect], 10).await.unwrap();
    let id = daemon.store.next_effects(20, 1).await.unwrap()[0].id;
    daemon.store.effect_failed(id, "answered 404".into(), Follow::default(), 30).await.unwrap();
    let row = "effect state kind task tries age lane error\n1 failed notify 1 notify:team answered 404";
    assert_eq!(without_ages(&seen(&daemon, "outbox|list").await), row);
    daemon.store.drop_effect(id, 40).await.unwrap();
    assert_eq!(seen(&daemon, "outbox|list").await, "nothing waits to be sent\n");
    assert!(seen(&daemon, "outbox|list|--all").await.contains("dropped"));
}

#[tokio::test]
async fn the_toolbox_is_seen_without_a_daemon_and_cleared_without_one() {
    let daemon = daemon().await;
    let empty = "nothing is installed: agentd toolbox install claude-code\n";
    assert_eq!(seen(&daemon, "toolbox|list").await, empty);
    let digest = "0123456789abcdef".repeat(4);
    let (folder, now) = (daemon.home.path().join("toolbox"), crate::cli::print::now());
    std::fs::create_dir_all(folder.join("store").join(&digest)).unwrap();
    let record = json!({ "cli": {
        "release": "npm:@acme/cli@1.2.3", "version": "1.2.3", "arch": "x86_64", "digest": format!("sha256:{digest}"),
        "path": format!("store/{digest}"), "installed_at": now,
    }});
    std::fs::write(folder.join("tools.json"), record.to_string()).unwrap();
    insta::assert_snapshot!(without_ages(&seen(&daemon, "toolbox|list").await), @r"
    program version machine digest from since
    cli 1.2.3 x86_64 sha256:0123456789ab npm:@acme/cli@1.2.3
    ");
    let lock = daemon.home.lock().unwrap();
    let refused = seen(&daemon, "toolbox|remove|cli").await;
    assert_eq!(
        refused,
        "error: agentd is running on HOME, and its runs may need what is removed\n\
         hint: agentd stop --drain waits for them"
    );
    drop(lock);
    assert_eq!(seen(&daemon, "toolbox|remove|--unused").await, "nothing to remove\n");
    assert_eq!(seen(&daemon, "toolbox|remove|cli").await, "removed cli\n");
    assert_eq!(seen(&daemon, "toolbox|list").await, empty);
    assert!(!folder.join("store").join(&digest).exists());
}

#[tokio::test]
async fn orders_say_what_happened() {
    let daemon = daemon().await;
    assert_eq!(seen(&daemon, "task|start|t-2").await, "did start t-2\n");
    assert_eq!(seen(&daemon, "task|approve|2|--json").await, "{\"said\":\"did approve t-2\",\"task\":\"t-2\"}\n");
    assert_eq!(seen(&daemon, "task|cancel|t-1").await, "error: t-1 is over");
    assert_eq!(seen(&daemon, "task|clean|t-1").await, "error: t-1 cannot be cleaned\nhint: agentd logs says more");
    assert_eq!(seen(&daemon, "task|reject|t-1|--comment|keep it").await, "did reject t-1 Some(\"keep it\")\n");
    assert_eq!(seen(&daemon, "task|diff|t-1").await, "--- a\n+++ t-1\n");
    assert_eq!(seen(&daemon, "pause").await, "paused: nothing new starts until agentd resume\n");
    assert_eq!(seen(&daemon, "outbox|hold|7").await, "did Hold 7\n");
    assert_eq!(
        seen(&daemon, "workspace|check").await,
        "t-9 has no checkout\nerror: a workspace is not as it should be"
    );
    assert_eq!(seen(&daemon, "task|submit|--repo|web|New|work|--json").await, "{\"task\":\"t-4\"}\n");
    assert_eq!(seen(&daemon, "task|submit|--repo|unknown|x").await, "error: there is no repository unknown");
}

#[tokio::test]
async fn events_are_the_last_ones_unless_more_are_asked_for() {
    let daemon = daemon().await;
    for number in 0..60 {
        daemon.log(&format!("number {number}"), None).await;
    }
    let last = seen(&daemon, "events").await;
    assert_eq!((last.lines().count(), last.lines().last().unwrap().ends_with("test.said: number 59")), (50, true));
    assert!(last.lines().next().unwrap().ends_with("test.said: number 10"), "{last}");
    assert!(seen(&daemon, "events|--after|0").await.lines().count() > 60);
    let one: serde_json::Value =
        serde_json::from_str(seen(&daemon, "events|--task|t-2|--json").await.lines().next().unwrap()).unwrap();
    assert_eq!(one["task"], "t-2");
    assert_eq!(seen(&daemon, "task|logs|t-2").await, "");
}

#[tokio::test]
async fn with_the_daemon_down_reads_go_on_and_writes_say_so() {
    let daemon = daemon().await;
    let list = seen(&daemon, "task|list|--json").await;
    let events = seen(&daemon, "events|--after|0").await;
    daemon.end().await;
    assert_eq!(seen(&daemon, "task|list|--json").await, list);
    assert_eq!(seen(&daemon, "events|--after|0").await, events);
    let status = seen(&daemon, "status").await;
    assert_eq!(status, "agentd  not running\nhome    HOME\ntasks   2 queued, 1 waiting\n");
    let down = "error: agentd is not running on HOME\nhint: agentd start";
    for line in
        ["pause", "resume", "stop", "task|start|t-2", "task|submit|--repo|web|x", "outbox|drop|1", "workspace|check"]
    {
        assert_eq!(seen(&daemon, line).await, down, "{line}");
    }
    assert!(seen(&daemon, "events|-f|--after|0").await.ends_with(down));
    let _lock = daemon.home.lock().unwrap();
    let silent = format!(
        "error: agentd (pid {0}) owns HOME and does not answer on its socket\n\
         hint: try again in a moment; kill -TERM {0} stops it too",
        std::process::id()
    );
    assert_eq!(seen(&daemon, "stop").await, silent);
}
