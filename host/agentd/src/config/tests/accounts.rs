//! Accounts, agents that use them, and what may be spent.

use super::*;
use agentd_gateway::Provider;
use secrecy::ExposeSecret;

fn origin(config: &Config, key: &str) -> String {
    config.shown.iter().find(|it| it.key == key).map(|it| format!("{} ({})", it.value, it.origin)).unwrap()
}

#[test]
fn an_account_has_a_provider_a_key_and_an_address() {
    let main = r#"
[accounts]
claude = { provider = "anthropic", key = "${KEY}" }
own = { provider = "openai-compatible", key = "${KEY}", url = "http://10.1.2.3:8000/v1/" }
proxied = { provider = "openai", key = "${KEY}", url = "https://models.acme.com/openai" }
"#;
    let config = Folder::with(main).variable("KEY", "hidden-key").config();
    let of = |name: &str| {
        let account = &config.accounts[name];
        (account.provider, account.url.as_str())
    };
    assert_eq!(of("claude"), (Provider::Anthropic, "https://api.anthropic.com"));
    assert_eq!(of("own"), (Provider::OpenAiCompatible, "http://10.1.2.3:8000/v1"));
    assert_eq!(of("proxied"), (Provider::OpenAi, "https://models.acme.com/openai"));
    assert_eq!(config.accounts["own"].key.value.expose_secret(), "hidden-key");
    let shown = format!("{config:?} {}", serde_json::to_string(&config.shown).unwrap());
    assert!(!shown.contains("hidden-key"), "{shown}");
    assert_eq!(origin(&config, "accounts.own.key"), format!("\"${{KEY}}\" ({}:4)", config.file.unwrap().display()));
}

#[test]
fn mistakes_in_accounts_are_named() {
    let main = r#"
[accounts.a]
provider = "antropic"
key = "sk-in-the-clear"
[accounts.b]
url = "https://me:hunter2@models.acme.com/"
[accounts.c]
provider = "openai-compatible"
key = "${KEY}"
[agents.claude-code]
account = "clade"
[agents.second]
account = "c"
default = true
[agents.third]
account = "cc"
model = ""
"#;
    let folder = Folder::with(main).variable("KEY", "k");
    insta::assert_snapshot!(folder.problems(), @r#"
    agentd.toml:3: accounts.a.provider: must be anthropic, openai, openai-compatible or gemini, is "antropic"
    agentd.toml:4: accounts.a.key: is a secret written in the clear: say "${NAME}", "file:PATH" or "cmd:PROGRAM", and change the secret if this file was ever shared
    agentd.toml:5: accounts.b.provider: is missing: say anthropic, openai, openai-compatible or gemini
    agentd.toml:5: accounts.b.key: is missing: say key = "${NAME}" or "file:PATH"
    agentd.toml:6: accounts.b.url: there is a user or password in the address; it belongs into a secret
    agentd.toml:7: accounts.c.url: is missing: say url = "https://HOST/v1", what the paths of the interface begin with
    agentd.toml:11: agents.claude-code.account: there is no [accounts.clade]; known are c
    agentd.toml:16: agents.third.account: there is no [accounts.cc]; did you mean "c"?
    agentd.toml:17: agents.third.model: must not be empty
    "#);
}

#[test]
fn a_key_in_the_environment_is_an_account() {
    let folder = Folder::with("").file(".env", "OPENAI_API_KEY=from-dotenv\n", 0o600);
    let config = folder.variable("ANTHROPIC_API_KEY", "from-variable").config();
    let key = |name: &str| config.accounts[name].key.value.expose_secret().to_owned();
    assert_eq!((key("anthropic"), key("openai")), ("from-variable".into(), "from-dotenv".into()));
    assert_eq!(origin(&config, "accounts.anthropic.key"), "\"${ANTHROPIC_API_KEY}\" (environment ANTHROPIC_API_KEY)");
    let own = "[accounts.claude]\nprovider = \"anthropic\"\nkey = \"${KEY}\"";
    let config = Folder::with(own).variable("KEY", "k").variable("ANTHROPIC_API_KEY", "from-variable").config();
    assert_eq!(config.accounts.keys().collect::<Vec<_>>(), ["claude"]);
    assert!(Folder::with("").variable("ANTHROPIC_API_KEY", "").config().accounts.is_empty());
}

#[test]
fn an_agent_works_with_the_account_that_it_names_or_the_only_one_that_fits() {
    #[track_caller]
    fn check(agent: &str, apis: &[&str], found: Result<&str, &str>) {
        let main = format!(
            "[accounts]\na = {{ provider = \"anthropic\", key = \"${{KEY}}\" }}\n\
             b = {{ provider = \"openai\", key = \"${{KEY}}\" }}\n\
             c = {{ provider = \"openai-compatible\", key = \"${{KEY}}\", url = \"http://c/v1\" }}\n\
             [agents.x]\n{agent}"
        );
        let config = Folder::with(&main).variable("KEY", "k").config();
        let apis: Vec<_> = apis.iter().map(|it| (*it).to_owned()).collect();
        let account = config.account_of(&config.agents["x"], &apis);
        match account {
            Ok((name, _)) => assert_eq!(Ok(name), found),
            Err(error) => assert_eq!(Err(format!("{error}; {}", error.hint("x")).as_str()), found),
        }
    }
    check("", &["anthropic-messages"], Ok("a"));
    check("account = \"c\"", &["openai-responses"], Ok("c"));
    check(
        "",
        &["openai-responses"],
        Err("several accounts speak openai-responses: b, c; say which: [agents.x] account = \"NAME\""),
    );
    check(
        "account = \"b\"",
        &["anthropic-messages"],
        Err("the account b (openai) does not speak anthropic-messages; export ANTHROPIC_API_KEY=…, or add \
             [accounts.NAME] with provider = \"anthropic\" and key, and say [agents.x] account = \"NAME\""),
    );
    check(
        "",
        &["gemini"],
        Err("there is no account that speaks gemini; export GEMINI_API_KEY=…, or add [accounts.NAME] with provider = \
             \"gemini\" and key, and say [agents.x] account = \"NAME\""),
    );
    check(
        "",
        &["another"],
        Err("there is no account that speaks another; add [accounts.NAME] with provider, url and key"),
    );
}

#[test]
fn an_agent_is_the_plugin_of_its_name_unless_it_says_otherwise() {
    let main = "[agents.claude-code]\nmodel = \"opus\"\n[agents.second]\nplugin = \"command\"\ndefault = true";
    let config = Folder::with(main).config();
    let of = |name: &str| (config.agents[name].plugin.as_str(), config.agents[name].model.as_deref());
    assert_eq!((of("claude-code"), of("second")), (("claude-code", Some("opus")), ("command", None)));
}

#[test]
fn amounts_are_dollars_and_kept_in_millionths() {
    let config = Folder::with("[budget]\nrun = 0.5\ntask = 2\n[prices.\"m-*\"]\ninput = 1.5\noutput = 3").config();
    assert_eq!(config.budget, Budget { run: 500_000, task: 2_000_000, day: 50_000_000 });
    assert_eq!(config.prices["m-*"], Price { input: 1.5, output: 3.0, cache_read: 1.5, cache_write: 1.5 });
    assert_eq!(Folder::with("").config().budget, Budget::default());
    let main = r#"
[budget]
run = 0
task = "ten"
day = -1.0
[prices."{a"]
input = -1
[prices."m-*"]
input = 1
output = 2
cached = 3
"#;
    insta::assert_snapshot!(Folder::with(main).problems(), @r#"
    agentd.toml:3: budget.run: must be 0.000001 to 1000000, is 0
    agentd.toml:4: budget.task: must be a number, is a text
    agentd.toml:5: budget.day: must be 0.000001 to 1000000, is -1
    agentd.toml:6: prices."{a": is not a glob: unclosed alternate group; missing '}' (maybe escape '{' with '[{]'?)
    agentd.toml:6: prices."{a".output: is missing: say output = 5.00, in US dollars for a million tokens
    agentd.toml:7: prices."{a".input: must be 0 to 1000000, is -1
    agentd.toml:11: prices."m-*".cached: is not a key; known are cache_read, cache_write, input, output
    "#);
    check("[budget]\nrun = 20", "agentd.toml:2: budget.run: is more than a task may spend (10.00)");
    check("[budget]\nday = 8", "agentd.toml:2: budget.day: is less than one task may spend (10.00)");
}
