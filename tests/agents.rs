//! The agents that people use, as they come from the registry, against a scripted model.

mod feedback;
mod image;
mod outcome;
mod real_crate;
mod service;

use crate::support::{Daemon, Home, Judge, Model, Provider, Turn, git};
use std::fs;

/// A home where a real agent works with what the model says.
fn home(model: &Model, provider: Provider) -> Home {
    Home::for_agents().more(&model.config_sections(provider))
}

/// Hands in a task for the provider's agent.
fn task(home: &Home, provider: Provider, text: &str) {
    home.task_for(provider.plugin(), text);
}

/// One more commit on the repository's `main`, with these files.
fn commit(home: &Home, files: &[(&str, &str)]) {
    let work = home.path("seed");
    for (name, content) in files {
        fs::create_dir_all(work.join(name).parent().unwrap()).unwrap();
        fs::write(work.join(name), content).unwrap();
    }
    git(&work, &["add", "."]);
    git(&work, &["commit", "-qm", "Add files"]);
    git(&work, &["push", "-q", "../forge.git", "main"]);
}

#[track_caller]
fn mends_the_greeting(provider: Provider) {
    let model = Model::start([Turn::bash("echo hello > greeting.txt"), Turn::text("I mended the greeting.")]);
    let home = home(&model, provider);
    task(&home, provider, "# Mend the greeting");
    let daemon = Daemon::start(&home);
    daemon.wait_for_state("t-1", &["in-review"]);
    assert_eq!(home.git(&["show", "agentd/t-1:greeting.txt"]), "hello");
    assert!(model.calls().iter().all(|it| it.key() == Model::KEY), "{:#?}", model.calls());
    Judge::new(&home).all_is_well(&[1]);
    assert_eq!(daemon.stop(&[]), Some(0));
}

#[test]
fn claude_code_mends_the_greeting() {
    mends_the_greeting(Provider::Anthropic);
}

#[test]
fn codex_mends_the_greeting() {
    mends_the_greeting(Provider::OpenAi);
}

#[test]
fn gemini_mends_the_greeting() {
    mends_the_greeting(Provider::Gemini);
}

#[test]
fn opencode_mends_the_greeting() {
    mends_the_greeting(Provider::Chat);
}

/// The same program as above in another protocol: its input stays open, and what it asks for is answered.
#[test]
fn an_agent_of_the_client_protocol_mends_the_greeting() {
    let model = Model::start([Turn::bash("echo hello > greeting.txt"), Turn::text("I mended the greeting.")]);
    let config = r#"{"autoupdate": false, "share": "disabled", "snapshot": false, "model": "agentd/{model}",
        "small_model": "agentd/{model}", "enabled_providers": ["agentd"], "permission": {"*": "ask"},
        "provider": {"agentd": {"npm": "@ai-sdk/openai-compatible", "options": {"baseURL": "{url}", "apiKey": "{token}"},
            "models": {"{model}": {"tool_call": true, "limit": {"context": 200000, "output": 32000}}}}}}"#;
    let settings = format!(
        "{{ command = [\"opencode\", \"acp\"], apis = [\"openai-chat\"], env = {{ OPENCODE_DISABLE_MODELS_FETCH = \"1\", \
         OPENCODE_DISABLE_LSP_DOWNLOAD = \"1\", OPENCODE_CONFIG_CONTENT = '''{config}''' }}, tools = [{{ name = \"opencode\", \
         release = \"npm:opencode-linux-x64@1.18.33\", file = \"package/bin/opencode\", \
         digest = \"149a676b59224b196626abda2fdbd34c8329ac326b57c4891ba3de446f3ca3c1\" }}] }}"
    );
    let sections = model.sections_of(Provider::Chat, "fake", "client", &settings);
    let home = Home::for_agents().more(&sections.replace("plugin = \"opencode\"", "plugin = \"acp\""));
    home.task_for("client", "# Mend the greeting");
    let daemon = Daemon::start(&home);
    daemon.wait_for_state("t-1", &["in-review"]);
    assert_eq!(home.git(&["show", "agentd/t-1:greeting.txt"]), "hello");
    Judge::new(&home).all_is_well(&[1]);
    assert_eq!(daemon.stop(&[]), Some(0));
}
