//! Schemas of the description, as JSON Schema has them, each with what it refers to.
//!
//! The description is OpenAPI 3.0: `nullable` is made an alternative here, and `oneOf` an `anyOf`, for the description
//! has alternatives that overlap. Where GitHub itself is known to differ, [`differs`] says so.

use jsonschema::{Draft, Validator};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

#[derive(Default)]
pub(super) struct Schemas {
    compiled: Mutex<HashMap<String, Arc<Validator>>>,
}

impl Schemas {
    /// `name` is the schema's own in the whole document, and its key here.
    pub(super) fn check(&self, name: &str, schema: &Value, document: &Value, value: &Value) -> Result<(), String> {
        let known = self.compiled.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
        let validator = match known {
            Some(validator) => validator,
            None => {
                let validator = Arc::new(compile(schema, document).map_err(|error| format!("{name}: {error}"))?);
                let mut compiled = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
                compiled.entry(name.to_owned()).or_insert(validator).clone()
            }
        };
        let problems: Vec<String> = validator
            .iter_errors(value)
            .take(3)
            .map(|error| {
                let text: String = error.to_string().chars().take(300).collect();
                format!("at {:?}: {text}", error.instance_path().to_string())
            })
            .collect();
        if problems.is_empty() { Ok(()) } else { Err(problems.join("; ")) }
    }
}

fn compile(schema: &Value, document: &Value) -> Result<Validator, String> {
    let mut bundle = Bundle { document, parts: BTreeMap::new() };
    let mut whole = Map::new();
    whole.insert("allOf".to_owned(), json!([bundle.convert(schema)]));
    let parts: Map<String, Value> = bundle.parts.into_iter().collect();
    whole.insert("$defs".to_owned(), Value::Object(parts));
    jsonschema::options()
        .with_draft(Draft::Draft202012)
        .should_validate_formats(true)
        .should_ignore_unknown_formats(true)
        .build(&Value::Object(whole))
        .map_err(|error| format!("the description cannot be used: {error}"))
}

struct Bundle<'a> {
    document: &'a Value,
    parts: BTreeMap<String, Value>,
}

impl Bundle<'_> {
    fn convert(&mut self, schema: &Value) -> Value {
        let Some(schema) = schema.as_object() else { return schema.clone() };
        let mut converted = Map::new();
        for (key, value) in schema {
            match key.as_str() {
                "$ref" => {
                    converted.insert(key.clone(), json!(self.reference(value.as_str().unwrap_or_default())));
                }
                "properties" | "patternProperties" => {
                    let all = value.as_object().into_iter().flatten();
                    let all: Map<String, Value> = all.map(|(key, value)| (key.clone(), self.convert(value))).collect();
                    converted.insert(key.clone(), Value::Object(all));
                }
                "items" | "additionalProperties" | "not" => {
                    converted.insert(key.clone(), self.convert(value));
                }
                "allOf" | "anyOf" | "oneOf" => {
                    let all = value.as_array().into_iter().flatten().map(|it| self.convert(it)).collect();
                    let key = if key == "oneOf" { "anyOf" } else { key };
                    converted.insert(key.to_owned(), Value::Array(all));
                }
                "type" | "enum" | "required" | "format" | "pattern" | "minimum" | "maximum" | "minLength"
                | "maxLength" | "minItems" | "maxItems" | "uniqueItems" | "minProperties" | "maxProperties" => {
                    converted.insert(key.clone(), value.clone());
                }
                _ => (),
            }
        }
        if schema.get("nullable") == Some(&Value::Bool(true)) {
            return json!({ "anyOf": [converted, { "type": "null" }] });
        }
        Value::Object(converted)
    }

    fn reference(&mut self, target: &str) -> String {
        let name = target.strip_prefix("#/components/").unwrap_or(target).replace('/', "-");
        if !self.parts.contains_key(&name) {
            // Something must stand there before it is converted: parts refer to themselves.
            self.parts.insert(name.clone(), Value::Bool(true));
            let part = self.document.pointer(target.trim_start_matches('#')).cloned().unwrap_or_default();
            let mut part = self.convert(&part);
            differs(&name, &mut part);
            self.parts.insert(name.clone(), part);
        }
        format!("#/$defs/{name}")
    }
}

/// What GitHub really answers although its description says otherwise.
fn differs(name: &str, part: &mut Value) {
    if name.starts_with("schemas-pull-request") || name == "schemas-label" {
        let may_be_null = json!({ "type": ["string", "null"] });
        for pointer in ["/properties/description", "/properties/labels/items/properties/description"] {
            if let Some(description) = part.pointer_mut(pointer) {
                *description = may_be_null.clone();
            }
        }
    }
}
