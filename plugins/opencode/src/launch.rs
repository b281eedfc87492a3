//! How opencode is started: programs, arguments, environment, prompt, and which of its files are kept.
//!
//! - The prompt comes on standard input: an argument may have 128 KiB only.
//! - A title is given, for it would ask a model for one.
//! - Conversations are in one database below its data folder. Of that everything is kept, since it is in use to the end:
//!   the newest of it stands in the file beside it that ends with `-wal`.

use crate::{APIS, ENDPOINT, Settings, config};
use agentd_sdk::Error;
use agentd_sdk::agent::{Endpoint, File, Plan, Requirements, Run, Tool};

/// The version that this adapter was written for and tried with.
const VERSION: &str = "1.18.33";

/// Machines, their packages, and the digests of the packages' archives of [`VERSION`]; without one, what comes first is
/// pinned.
const MACHINES: [(&str, &str, Option<&str>); 2] = [
    ("x86_64", "opencode-linux-x64", Some("149a676b59224b196626abda2fdbd34c8329ac326b57c4891ba3de446f3ca3c1")),
    ("aarch64", "opencode-linux-arm64", None),
];

/// The variable that its configuration takes the key from.
pub(crate) const TOKEN: &str = "AGENTD_MODEL_TOKEN";

/// The programs, how to see that they are there, and what opencode can do.
pub(crate) fn requirements(settings: &Settings) -> Result<Requirements, Error> {
    let version = settings.version.as_deref().unwrap_or(VERSION);
    if !is_version(version) {
        return Err(Error::Invalid("the setting `version` is no version: write it as in \"1.18.33\"".into()));
    }
    let tool = |(arch, package, digest): (&str, &str, Option<&str>)| Tool {
        name: "opencode".into(),
        release: format!("npm:{package}@{version}"),
        arch: Some(arch.into()),
        file: Some("package/bin/opencode".into()),
        runtime: None,
        digest: digest.filter(|_| version == VERSION).map(Into::into),
        extra: vec![],
    };
    Ok(Requirements {
        tools: MACHINES.map(tool).into(),
        check: vec!["opencode".into(), "--version".into()],
        abilities: vec!["resume".into(), "mcp".into()],
        extra: vec![],
    })
}

/// How to start it.
pub(crate) fn plan(settings: &Settings, run: &Run) -> Result<Plan, Error> {
    let endpoint = endpoint(run)?;
    let home = run.home.trim_end_matches('/');
    let system = run.system.as_deref().map(str::trim).filter(|it| !it.is_empty());
    let system = system.map(|text| (format!("{home}/.config/opencode/agentd.md"), text));
    let model = model(settings, run).ok_or_else(|| {
        Error::Invalid(
            "opencode has to be told its model: name one in `model` of its section `[agents.…]`, as its provider \
             calls it"
                .into(),
        )
    })?;
    let configuration = config::text(settings, run, endpoint, &model, system.as_ref().map(|(path, _)| path.as_str()));
    let (data, cache) = (format!("{home}/.local/share"), format!("{home}/.cache"));
    let (state, own) = (format!("{home}/.local/state"), format!("{home}/.config"));
    let env = [
        (TOKEN, endpoint.token.as_str()),
        // What comes like this wins over the configuration that a checkout brings, which could lead elsewhere.
        ("OPENCODE_CONFIG_CONTENT", &configuration),
        ("OPENCODE_DISABLE_AUTOUPDATE", "1"),
        ("OPENCODE_DISABLE_MODELS_FETCH", "1"),
        ("OPENCODE_DISABLE_LSP_DOWNLOAD", "1"),
        ("OPENCODE_DISABLE_SHARE", "1"),
        ("XDG_DATA_HOME", &data),
        ("XDG_CONFIG_HOME", &own),
        ("XDG_STATE_HOME", &state),
        ("XDG_CACHE_HOME", &cache),
        ("NO_COLOR", "1"),
    ];
    let file = |(path, text): (String, &str)| File { path, content: text.to_owned(), executable: false, extra: vec![] };
    Ok(Plan {
        argv: argv(settings, run, &model)?,
        env: env.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        files: system.map(file).into_iter().collect(),
        stdin: run.prompt.clone(),
        keep_stdin: false,
        session_files: vec![
            ".local/share/opencode/opencode*.db".into(),
            ".local/share/opencode/opencode*.db-wal".into(),
        ],
        litter: vec![],
        extra: vec![],
    })
}

/// The model that is asked for, if any is.
pub(crate) fn model(settings: &Settings, run: &Run) -> Option<String> {
    run.model.clone().or_else(|| settings.model.clone())
}

/// Whether it can be an argument.
pub(crate) fn is_name(text: &str) -> bool {
    !text.is_empty() && !text.starts_with('-') && !text.contains(|it: char| it.is_whitespace() || it.is_control())
}

/// `1.2.3`, `1.2.3-alpha.4`: nothing that means something else in a package's address.
pub(crate) fn is_version(text: &str) -> bool {
    let is_part = |it: char| it.is_ascii_alphanumeric() || ".-".contains(it);
    text.starts_with(|it: char| it.is_ascii_digit()) && text.contains('.') && text.chars().all(is_part)
}

fn endpoint(run: &Run) -> Result<&Endpoint, Error> {
    let found = run.endpoints.iter().find(|endpoint| endpoint.name == ENDPOINT);
    let endpoint = found.ok_or_else(|| {
        Error::Invalid("no model provider is configured for this agent: name one of [accounts] in its `account`".into())
    })?;
    match APIS.iter().any(|(api, ..)| *api == endpoint.api) {
        true => Ok(endpoint),
        false => Err(Error::Invalid(format!("opencode does not speak {}, which its `account` speaks", endpoint.api))),
    }
}

fn argv(settings: &Settings, run: &Run, model: &str) -> Result<Vec<String>, Error> {
    if !is_name(model) {
        return Err(Error::Invalid("the model's name may not begin with a dash, or hold blanks".into()));
    }
    let mut argv: Vec<String> = ["opencode", "run", "--format", "json", "--title", "agentd"].map(Into::into).into();
    argv.extend(["--model".into(), format!("{}/{model}", config::PROVIDER)]);
    if let Some(variant) = &settings.variant {
        argv.extend(["--variant".into(), variant.clone()]);
    }
    if let Some(session) = &run.resume {
        if !is_session(session) {
            let text = format!("the conversation's id {session:?} is none of opencode's");
            return Err(Error::Invalid(text));
        }
        argv.extend(["--session".into(), session.clone()]);
    }
    Ok(argv)
}

fn is_session(id: &str) -> bool {
    id.len() <= 100
        && id.strip_prefix("ses_").is_some_and(|it| !it.is_empty() && it.chars().all(|it| it.is_ascii_alphanumeric()))
}

#[cfg(test)]
pub(crate) mod tests;
