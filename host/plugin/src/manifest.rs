//! `agentd:plugin/manifest`: who a plugin is, what it wants, and what it thinks of settings.
//!
//! Asked without an entry and without any right but the log.

use crate::call::Caller;
use crate::error::{CallError, Problem, readable};
use crate::exports::Exports;
use crate::limits::Function;
use crate::state::{State, Surface};
use crate::wit::manifest::{Description, Problem as Mistake};
use semver::Version;
use serde_json::{Value, json};
use wasmtime::component::InstancePre;

const NAME_BYTES: usize = 64;
const VERSION_BYTES: usize = 128;
/// As JSON.
const WANTS_BYTES: usize = 64 << 10;
const SCHEMA_BYTES: usize = 256 << 10;

/// Asks the plugin who it is, with these settings; also notices exports that do not have the contract's types.
pub(crate) async fn describe(
    caller: &Caller,
    pre: &InstancePre<State>,
    exports: &Exports,
    settings: &str,
) -> Result<Description, CallError> {
    let mut call = caller.begin(pre, Function::Describe, Surface::Manifest).await?;
    let outcome = call
        .watch()
        .run(async {
            let instance = call.instantiate().await?;
            exports.check(&mut call.store, &instance)?;
            let manifest = exports.manifest.load(&mut call.store, &instance)?;
            manifest.call_describe(&mut call.store, settings).await.map(Ok)
        })
        .await;
    Ok(call.end(outcome, || json!([settings]), |about| check_extent(about))?.value)
}

/// A description is kept, listed, and compared with others while changes of all plugins wait.
fn check_extent(about: &Description) -> Result<(), String> {
    if crate::json::text(&about.wants, WANTS_BYTES).is_none() {
        return Err(format!("its wants take more than {WANTS_BYTES} bytes"));
    }
    let schema = about.settings_schema.len();
    if schema > SCHEMA_BYTES {
        return Err(format!("its settings schema is {schema} bytes long; {SCHEMA_BYTES} are allowed"));
    }
    Ok(())
}

/// What the plugin has against these settings, as `settings.KEY: what`.
pub(crate) async fn check(
    caller: &Caller,
    pre: &InstancePre<State>,
    exports: &Exports,
    settings: &str,
) -> Result<Vec<String>, CallError> {
    let problems = problems(caller, pre, exports, settings).await?;
    Ok(problems
        .iter()
        .take(50)
        .map(|it| {
            let pointer = readable(&it.pointer.replace('/', "."), 128);
            format!("settings{pointer}: {}", readable(&it.message, 1_024))
        })
        .collect())
}

/// The same in the plugin's own words.
pub(crate) async fn problems(
    caller: &Caller,
    pre: &InstancePre<State>,
    exports: &Exports,
    settings: &str,
) -> Result<Vec<Mistake>, CallError> {
    let mut call = caller.begin(pre, Function::Check, Surface::Manifest).await?;
    let outcome = call
        .watch()
        .run(async {
            let instance = call.instantiate().await?;
            let manifest = exports.manifest.load(&mut call.store, &instance)?;
            manifest.call_check(&mut call.store, settings).await.map(Ok)
        })
        .await;
    Ok(call.end(outcome, || json!([settings]), |_| Ok(()))?.value)
}

/// Whether a description can be listed, and its schema read. Null: there are no settings.
pub(crate) fn read(about: &Description) -> Result<Value, Problem> {
    let word = |it: &str| !it.is_empty() && it.bytes().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit());
    let bad = |what: String| Err(Problem::Description(what));
    if about.name.len() > NAME_BYTES || !about.name.split('-').all(word) {
        let name = readable(&about.name, NAME_BYTES);
        return bad(format!("its name must be lower-case words with dashes, at most {NAME_BYTES} bytes, is `{name}`"));
    }
    if about.version.len() > VERSION_BYTES {
        return bad(format!("its version is longer than {VERSION_BYTES} bytes"));
    }
    if let Err(error) = Version::parse(&about.version) {
        return bad(format!("its version `{}` is no semantic version: {error}", readable(&about.version, 64)));
    }
    if about.settings_schema.is_empty() {
        return Ok(Value::Null);
    }
    match serde_json::from_str::<Value>(&about.settings_schema) {
        Ok(schema) if schema.is_object() => Ok(schema),
        Ok(_) => bad("its settings schema is JSON, and no object".into()),
        Err(error) => bad(format!("its settings schema is no JSON: {error}")),
    }
}
