//! Settings: JSON text that the host checked against the plugin's schema, read into a struct of the plugin's.
//!
//! The host fills in the schema's defaults before a plugin sees the settings of an entry. What `describe` gets may be
//! incomplete, `{}` at worst: read it with [`parse`] into a struct with `#[serde(default)]`, or fall back.

use crate::Error;
use serde::de::DeserializeOwned;
use std::fmt;

/// Settings do not fit the plugin's struct. The text says where and what is expected, and never shows a text that
/// stands there: somebody may have put a secret where none belongs.
#[derive(Debug)]
pub struct SettingsError(String);

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the settings do not fit: {}", self.0)
    }
}

impl std::error::Error for SettingsError {}

impl From<SettingsError> for Error {
    fn from(error: SettingsError) -> Error {
        Error::Invalid(error.to_string())
    }
}

/// The settings of the entry that the running call is made for.
///
/// # Errors
/// [`Error::Invalid`] if they do not fit the struct, with the key in its text.
pub fn settings<T: DeserializeOwned>() -> Result<T, Error> {
    Ok(parse(&crate::host::entry::settings())?)
}

/// Settings from JSON text, as `describe` and `check` get them.
///
/// # Errors
/// If the text is no JSON, or does not fit the struct.
pub fn parse<T: DeserializeOwned>(text: &str) -> Result<T, SettingsError> {
    serde_json::from_str(text).map_err(|error| SettingsError(without_values(&error.to_string())))
}

/// The text of an error without the string that it complains of.
fn without_values(text: &str) -> String {
    match (text.find("string \""), text.rfind('"')) {
        (Some(start), Some(end)) => format!("{}a string{}", &text[..start], &text[end + 1..]),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize, Debug, PartialEq)]
    #[serde(rename_all = "kebab-case", deny_unknown_fields)]
    struct Settings {
        url: String,
        #[serde(default)]
        retry_count: u32,
    }

    #[track_caller]
    fn check(text: &str, expected: Result<Settings, &str>) {
        assert_eq!(parse::<Settings>(text).map_err(|error| error.to_string()), expected.map_err(ToOwned::to_owned));
    }

    #[test]
    fn settings_are_read_or_name_what_is_wrong() {
        check(r#"{"url": "u", "retry-count": 2}"#, Ok(Settings { url: "u".into(), retry_count: 2 }));
        check("{}", Err("the settings do not fit: missing field `url` at line 1 column 2"));
        check(
            r#"{"url": "u", "retry-count": "s3\"cret"}"#,
            Err("the settings do not fit: invalid type: a string, expected u32 at line 1 column 38"),
        );
        check(
            r#"{"url": 1}"#,
            Err("the settings do not fit: invalid type: integer `1`, expected a string at line 1 column 9"),
        );
    }

    #[test]
    fn a_misfit_is_an_invalid_for_the_host() {
        let error = Error::from(parse::<Settings>("[").expect_err("no JSON"));
        assert!(matches!(error, Error::Invalid(text) if text.starts_with("the settings do not fit: EOF")));
    }
}
