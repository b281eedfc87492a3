//! A real crate from the registry, mended by real agents. Its dependencies come through the gateway's mirror, its own
//! tests are the gate, and what it cost is what the provider would put on the bill.

use super::{home, task};
use crate::support::{
    Daemon, Home, Judge, Model, Provider, Turn, Usage, bill::the_ledger_is_the_bill, broken_crate, dev_image,
};
use std::{
    fs,
    process::{Command, Output},
};

/// What each turn uses; amounts that do not come out even.
const USAGE: Usage = Usage { input: 2_001, output: 137, cache_read: 333, cache_write: 0 };

/// The shipped prices of a thousand tokens, in millionths of a dollar.
fn shipped_price(provider: Provider) -> Usage {
    match provider {
        Provider::Anthropic => Usage { input: 3_000, output: 15_000, cache_read: 300, cache_write: 3_750 },
        Provider::OpenAi => Usage { input: 5_000, output: 30_000, cache_read: 500, cache_write: 0 },
        Provider::Chat | Provider::Gemini => unreachable!("not played with these"),
    }
}

#[track_caller]
fn mends_a_crate(provider: Provider) {
    let model = Model::start(broken_crate::turns().into_iter().map(|it| it.usage(USAGE)));
    let home = home(&model, provider).gates(&format!("['{}']", broken_crate::GATE)).repository(&format!(
        "image = \"{}\"\negress = [\"crates\"]\nsetup = '{}'",
        dev_image(),
        broken_crate::SETUP
    ));
    broken_crate::put_into(&home);
    task(&home, provider, broken_crate::TASK);
    let daemon = Daemon::start(&home);
    daemon.wait_for_state("t-1", &["in-review"]);

    assert_eq!(home.git(&["diff", "--numstat", "main", "agentd/t-1"]), "1\t1\tsrc/lib.rs");
    let judge = Judge::new(&home);
    let refused = judge.events_of(1).into_iter().find(|it| it.kind == "gateway.refused");
    assert_eq!(refused, None, "all that it needs comes from the mirror");
    judge.all_is_well(&[1]);
    the_ledger_is_the_bill(&home, &model, shipped_price(provider));
    assert!(!gate_at(&home, "main").status.success());
    let said = gate_at(&home, "agentd/t-1");
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stdout));
    assert_eq!(daemon.stop(&[]), Some(0));
}

/// The gate as a person would run it, in a fresh checkout.
fn gate_at(home: &Home, branch: &str) -> Output {
    let checkout = home.path("checkout");
    fs::remove_dir_all(&checkout).ok();
    home.git(&["worktree", "prune"]);
    home.git(&["worktree", "add", "--quiet", "--detach", checkout.to_str().unwrap(), branch]);
    let mut sh = Command::new("sh");
    sh.args(["-c", &format!("{} && {}", broken_crate::SETUP, broken_crate::GATE)]).current_dir(&checkout);
    sh.env("CARGO_TARGET_DIR", home.path("target")).output().unwrap()
}

#[test]
fn claude_code_mends_a_crate() {
    mends_a_crate(Provider::Anthropic);
}

#[test]
fn codex_mends_a_crate() {
    mends_a_crate(Provider::OpenAi);
}

/// Counts tokens by the way to the model that the agent was given, which costs nothing and is one of its paths.
const ASK: &str = r#"
way=$(cat way.txt); key=${way#* }; url=${way%% *}; path=/${url#http://*/}; port=${url#http://*:}; port=${port%%/*}
exec 3<> "/dev/tcp/127.0.0.1/$port"
printf 'POST %s/v1/messages/count_tokens HTTP/1.1\r\nhost: x\r\nx-api-key: %s\r\nconnection: close\r\n' "$path" "$key" >&3
printf 'content-type: application/json\r\ncontent-length: 18\r\n\r\n{"from":"ask.sh!"}' >&3
head -n 1 <&3
"#;

#[test]
fn the_gates_have_no_way_to_the_model() {
    let write = "echo \"$ANTHROPIC_BASE_URL $ANTHROPIC_API_KEY\" | rev > way.txt; cp way.txt kept.txt";
    let turns = [
        Turn::bash(write),
        Turn::bash("rev kept.txt > way.txt; bash ask.sh; mv kept.txt way.txt"),
        Turn::text("I wrote down how to reach the model."),
    ];
    let model = Model::start(turns);
    let home = home(&model, Provider::Anthropic)
        .gates("['rev way.txt > new.txt && mv new.txt way.txt && bash ask.sh && env']")
        .repository(&format!("image = \"{}\"\negress = [\"crates\"]", dev_image()));
    super::commit(&home, &[("ask.sh", ASK)]);
    task(&home, Provider::Anthropic, "# Write down how to reach the model");
    let daemon = Daemon::start(&home);
    daemon.wait_for_state("t-1", &["in-review"]);
    let events = Judge::new(&home).events_of(1);
    let said = |kind: &str| {
        let all =
            events.iter().filter(|it| it.kind == kind).map(|it| it.details["output"].as_str().unwrap_or_default());
        all.collect::<String>()
    };
    assert!(said("agent.tool-result").contains("HTTP/1.1 200"), "the agent has a way: {}", said("agent.tool-result"));
    let gate = said("gate.passed");
    assert!(gate.contains("HTTP/1.1 40") && !gate.contains("ANTHROPIC"), "{gate}");
    let asked = model.calls().iter().filter(|it| it.body["from"] == "ask.sh!").count();
    assert_eq!(asked, 1);
    assert_eq!(daemon.stop(&[]), Some(0));
}
