//! A plugin's settings schema: what is wrong with it, in one line for people, and settings that fit it.
//!
//! Looks at the top level, as the host does when it checks settings.

use serde_json::{Map, Value, json};

const TYPES: [&str; 7] = ["string", "integer", "number", "boolean", "array", "object", "null"];

/// What people would stumble over. Empty text is no schema, and fine.
pub(crate) fn problems(schema: &str) -> Vec<String> {
    if schema.is_empty() {
        return vec![];
    }
    let Ok(Value::Object(schema)) = serde_json::from_str(schema) else {
        return vec!["the schema is no JSON object".into()];
    };
    let mut problems = vec![];
    if schema.get("type").is_some_and(|it| it != "object") {
        problems.push("the schema's type is not object: settings are a table".into());
    }
    let none = Map::new();
    let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(&none);
    for (name, property) in properties {
        if let Some(unknown) = names(&property["type"]).into_iter().find(|it| !TYPES.contains(it)) {
            problems.push(format!("{name}: there is no type {unknown:?}"));
        }
        if property["description"].as_str().unwrap_or_default().is_empty() {
            problems.push(format!("{name}: it has no description"));
        }
        if let Some(default) = property.get("default").filter(|it| !fits(property, it)) {
            problems.push(format!("{name}: its default {default} does not fit"));
        }
    }
    for name in required(&schema).filter(|it| !properties.contains_key(*it)) {
        problems.push(format!("{name}: it is required, and not among the properties"));
    }
    problems
}

/// `path (required), depth = 3`.
pub(crate) fn summary(schema: &str) -> String {
    let Ok(Value::Object(schema)) = serde_json::from_str(schema) else { return "none".into() };
    let required: Vec<&str> = required(&schema).collect();
    let property = |(name, property): (&String, &Value)| match property.get("default") {
        Some(default) => format!("{name} = {}", crate::words::short(&default.to_string(), 40)),
        None if required.contains(&name.as_str()) => format!("{name} (required)"),
        None => name.clone(),
    };
    let all: Vec<String> =
        schema.get("properties").and_then(Value::as_object).into_iter().flatten().map(property).collect();
    if all.is_empty() { "none".into() } else { all.join(", ") }
}

/// Settings with something in each place that has to be filled.
pub(crate) fn sample(schema: &str) -> Value {
    let mut settings = Map::new();
    if let Ok(Value::Object(schema)) = serde_json::from_str(schema) {
        for name in required(&schema) {
            settings.insert(name.to_owned(), value(name, &schema["properties"][name]));
        }
    }
    Value::Object(settings)
}

fn value(name: &str, property: &Value) -> Value {
    if let Some(first) = property["enum"].as_array().and_then(|it| it.first()).or(property.get("default")) {
        return first.clone();
    }
    match names(&property["type"]).first() {
        Some(&"integer" | &"number") => property.get("minimum").cloned().unwrap_or(json!(1)),
        Some(&"boolean") => json!(false),
        Some(&"array") if property["items"]["type"] == "string" => json!([value(name, &property["items"])]),
        Some(&"array") => json!([]),
        Some(&"object") => json!({}),
        _ if name.contains("url") || property["format"] == "uri" => json!("https://example.com/"),
        _ if name.contains("mail") || name == "to" => json!("ann@example.com"),
        _ => json!("sample"),
    }
}

fn required(schema: &Map<String, Value>) -> impl Iterator<Item = &str> {
    schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

fn names(given: &Value) -> Vec<&str> {
    match given {
        Value::String(name) => vec![name],
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
        _ => vec![],
    }
}

fn fits(property: &Value, value: &Value) -> bool {
    let names = names(&property["type"]);
    let is = |name: &&str| match *name {
        "string" => value.is_string(),
        "integer" => value.as_f64().is_some_and(|it| it.fract() == 0.0),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => value.is_null(),
    };
    let of_type = names.is_empty() || names.iter().any(is);
    of_type && property["enum"].as_array().is_none_or(|it| it.contains(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_hear_what_they_would_stumble_over() {
        #[track_caller]
        fn check(schema: &Value, expected: &[&str]) {
            assert_eq!(problems(&schema.to_string()), expected);
        }
        let path = json!({ "type": "string", "description": "where" });
        check(&json!({ "type": "object", "properties": { "path": path }, "required": ["path"] }), &[]);
        check(
            &json!({ "type": "array", "properties": { "a": { "type": "text", "default": 1 } }, "required": ["b"] }),
            &[
                "the schema's type is not object: settings are a table",
                "a: there is no type \"text\"",
                "a: it has no description",
                "a: its default 1 does not fit",
                "b: it is required, and not among the properties",
            ],
        );
        assert_eq!(problems(""), [""; 0]);
        assert_eq!(problems("[]"), ["the schema is no JSON object"]);
    }

    #[test]
    fn a_sample_fills_what_has_to_be_filled() {
        let schema = json!({ "properties": {
            "path": { "type": "string" }, "depth": { "type": "integer", "default": 3 }, "url": { "type": "string" },
            "order": { "enum": ["up", "down"] }, "labels": { "type": ["array", "null"] },
            "argv": { "type": "array", "items": { "type": "string" } },
        }, "required": ["path", "url", "order", "labels", "argv"] })
        .to_string();
        let filled =
            json!({ "path": "sample", "url": "https://example.com/", "order": "up", "labels": [], "argv": ["sample"] });
        assert_eq!(sample(&schema), filled);
        assert_eq!(
            summary(&schema),
            "argv (required), depth = 3, labels (required), order (required), path (required), url (required)"
        );
        assert_eq!((sample(""), summary("")), (json!({}), "none".to_owned()));
    }
}
