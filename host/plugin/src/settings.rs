//! An entry's settings against the plugin's schema: defaults are filled in, and plain mistakes found.
//!
//! Only the top level of the schema is looked at (`properties` with `type`, `enum` and `default`, `required`,
//! `additionalProperties`); what lies deeper is for the plugin's own `check`. Values never get into a text: a person
//! may have put a secret where none belongs.

use serde_json::{Map, Value};

/// The settings with defaults, or all problems, as `settings.KEY: what`.
pub(crate) fn complete(schema: &Value, settings: Value) -> Result<Value, Vec<String>> {
    let Value::Object(mut settings) = settings else {
        return Err(vec![format!("settings: must be a table, is {}", type_of(&settings))]);
    };
    let none = Map::new();
    let properties = schema["properties"].as_object().unwrap_or(&none);
    let mut problems = vec![];
    let open = schema.is_object() && schema["additionalProperties"] != Value::Bool(false);
    for (key, value) in &settings {
        match properties.get(key) {
            Some(property) => problems.extend(mismatch(property, value).map(|what| format!("settings.{key}: {what}"))),
            None if open => (),
            None => problems.push(unknown(key, properties)),
        }
    }
    for (key, property) in properties {
        if let Some(default) = property.get("default").filter(|_| !settings.contains_key(key)) {
            settings.insert(key.clone(), default.clone());
        }
    }
    for key in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if !settings.contains_key(key) {
            let what = properties.get(key).and_then(|it| it["description"].as_str()).unwrap_or_default();
            let what = if what.is_empty() { String::new() } else { format!(" ({what})") };
            problems.push(format!("settings.{key}: is missing{what}"));
        }
    }
    if problems.is_empty() { Ok(Value::Object(settings)) } else { Err(problems) }
}

fn mismatch(property: &Value, value: &Value) -> Option<String> {
    let types: Vec<&str> = match &property["type"] {
        Value::String(name) => vec![name],
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
        _ => vec![],
    };
    if !types.is_empty() && !types.iter().any(|it| is_of(value, it)) {
        return Some(format!("must be {}, is {}", types.join(" or "), type_of(value)));
    }
    let allowed = property["enum"].as_array()?;
    if allowed.contains(value) {
        return None;
    }
    let words: Vec<String> = allowed.iter().map(ToString::to_string).collect();
    Some(format!("must be one of {}", words.join(", ")))
}

fn unknown(key: &str, properties: &Map<String, Value>) -> String {
    let known: Vec<&str> = properties.keys().map(String::as_str).collect();
    match known.as_slice() {
        [] => format!("settings.{key}: the plugin has no settings"),
        known => format!("settings.{key}: there is no such setting; there are {}", known.join(", ")),
    }
}

fn is_of(value: &Value, name: &str) -> bool {
    match name {
        "integer" => value.as_f64().is_some_and(|it| it.fract() == 0.0),
        "number" => value.is_number(),
        name => type_of(value) == name,
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn check(settings: &Value, expected: Result<Value, &[&str]>) {
        let schema = json!({
            "type": "object",
            "properties": {
                "path": { "type": "string", "description": "where the files lie" },
                "depth": { "type": "integer", "default": 3 },
                "order": { "enum": ["up", "down"] },
                "labels": { "type": ["object", "array"] },
            },
            "required": ["path"],
            "additionalProperties": false,
        });
        let expected = expected.map_err(|it| it.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>());
        assert_eq!(complete(&schema, settings.clone()), expected, "{settings}");
    }

    #[test]
    fn defaults_are_filled_in_and_mistakes_named() {
        check(&json!({ "path": "a" }), Ok(json!({ "path": "a", "depth": 3 })));
        check(&json!({ "path": "a", "depth": 4.0 }), Ok(json!({ "path": "a", "depth": 4.0 })));
        check(&json!({}), Err(&["settings.path: is missing (where the files lie)"]));
        check(
            &json!({ "path": 5, "depth": 1.5, "order": "sideways", "labels": "x" }),
            Err(&[
                "settings.depth: must be integer, is number",
                "settings.labels: must be object or array, is string",
                "settings.order: must be one of \"up\", \"down\"",
                "settings.path: must be string, is number",
            ]),
        );
        check(
            &json!({ "path": "a", "pth": "b" }),
            Err(&["settings.pth: there is no such setting; there are depth, labels, order, path"]),
        );
        check(&json!([]), Err(&["settings: must be a table, is array"]));
    }

    #[test]
    fn without_a_schema_there_are_no_settings() {
        assert_eq!(complete(&Value::Null, json!({})), Ok(json!({})));
        let problems = vec!["settings.a: the plugin has no settings".to_owned()];
        assert_eq!(complete(&Value::Null, json!({ "a": 1 })), Err(problems));
    }
}
