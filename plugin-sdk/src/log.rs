//! The plugin's own log, in short: `log::warn(format!("{path}: has no title"), &[("file", path)])`.
//!
//! The lines appear in agentd's log, under the names of plugin and entry. Fields are for searching. Outside of
//! WebAssembly there is no host and so no log: the lines go nowhere, and code that logs can be tested like any other.

#[cfg(target_family = "wasm")]
use crate::host::log::{Level, write};

/// What helps to follow the plugin's steps; usually hidden.
pub fn debug(message: impl AsRef<str>, fields: &[(&str, &str)]) {
    line(Level::Debug, message.as_ref(), fields);
}

/// What happened, for who wants to know.
pub fn info(message: impl AsRef<str>, fields: &[(&str, &str)]) {
    line(Level::Info, message.as_ref(), fields);
}

/// Something that the operator should look at when there is time.
pub fn warn(message: impl AsRef<str>, fields: &[(&str, &str)]) {
    line(Level::Warn, message.as_ref(), fields);
}

/// Something that needs the operator. Say what failed, on what, and what would help.
pub fn error(message: impl AsRef<str>, fields: &[(&str, &str)]) {
    line(Level::Error, message.as_ref(), fields);
}

#[cfg(target_family = "wasm")]
fn line(level: Level, message: &str, fields: &[(&str, &str)]) {
    let fields: Vec<(String, String)> =
        fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    write(level, message, &fields);
}

#[cfg(not(target_family = "wasm"))]
enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

#[cfg(not(target_family = "wasm"))]
fn line(_level: Level, _message: &str, _fields: &[(&str, &str)]) {}
