//! GitHub's OpenAPI description, and whether a request or an answer is as it says.
//!
//! The file is read once per process. Schemas are compiled when they are first needed, each with only the parts of the
//! description that it refers to. Stricter than GitHub in one thing: what a program sends and GitHub would silently
//! ignore (an unknown parameter or property) is a violation here.

mod schema;
mod template;

use serde_json::{Map, Value};
use std::sync::{Arc, OnceLock};
use std::{env, fs};
pub(crate) use template::Found;

/// Names the file `api.github.com.json` of the npm package `@octokit/openapi`.
const VARIABLE: &str = "AGENTD_TEST_GITHUB_OPENAPI";
/// GitHub answers these anywhere, whether the description lists them or not.
const ANYWHERE: [u16; 16] = [301, 302, 307, 400, 401, 403, 404, 405, 409, 410, 415, 422, 429, 500, 502, 503];

pub(crate) struct Spec {
    document: Value,
    templates: template::Templates,
    schemas: schema::Schemas,
}

impl Spec {
    /// The description, read when it is first asked for. Panics where the file is not there: no test may pass without.
    pub(crate) fn get() -> Arc<Spec> {
        static SPEC: OnceLock<Arc<Spec>> = OnceLock::new();
        SPEC.get_or_init(|| Arc::new(Spec::read())).clone()
    }

    fn read() -> Spec {
        let path = env::var_os(VARIABLE).unwrap_or_else(|| {
            panic!("{VARIABLE} is not set: `cargo xtask github` brings GitHub's descriptions and prints the variables")
        });
        let shown = path.to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{VARIABLE}: reading {shown}: {error}"));
        // `parse` is compiled with serde_json and so is fast in a development build, too.
        let document: Value = text.parse().unwrap_or_else(|error| panic!("{VARIABLE}: {shown} is not JSON: {error}"));
        let paths = document["paths"].as_object().unwrap_or_else(|| panic!("{VARIABLE}: {shown} describes no paths"));
        let templates = template::Templates::new(paths.keys().map(String::as_str));
        Spec { document, templates, schemas: schema::Schemas::default() }
    }

    /// The route that the path is of, and the values in it; the longest literal match wins.
    pub(crate) fn find(&self, path: &str) -> Option<Found> {
        self.templates.find(path)
    }

    /// Whether a program may send this; the text says what it may not.
    pub(crate) fn check_request(
        &self,
        method: &str,
        found: &Found,
        query: &[(String, String)],
        body: &[u8],
    ) -> Result<(), String> {
        let operation = self.operation(method, &found.template)?;
        let name = format!("{method} {}", found.template);
        for (key, value) in &found.values {
            if let Some(parameter) = self.parameter(&found.template, operation, "path", key) {
                self.parameter_value(&name, parameter, key, value)?;
            }
        }
        for (key, value) in query {
            let known = self.parameter(&found.template, operation, "query", key);
            let parameter = known.ok_or_else(|| format!("it has no query parameter `{key}`"))?;
            self.parameter_value(&name, parameter, key, value)?;
        }
        for parameter in self.parameters(&found.template, operation) {
            let key = parameter["name"].as_str().unwrap_or_default();
            let needed = parameter["in"] == "query" && parameter["required"] == true;
            if needed && !query.iter().any(|(it, _)| it == key) {
                return Err(format!("the query parameter `{key}` is missing"));
            }
        }
        self.check_body(&name, operation, body)
    }

    fn check_body(&self, name: &str, operation: &Map<String, Value>, body: &[u8]) -> Result<(), String> {
        let Some(described) = operation.get("requestBody").map(|it| self.resolved(it)) else {
            return if body.is_empty() { Ok(()) } else { Err("it takes no body".to_owned()) };
        };
        let described_schema = &described["content"]["application/json"]["schema"];
        if body.is_empty() {
            let needed = described["required"] == true;
            return if needed { Err("it needs a body".to_owned()) } else { Ok(()) };
        }
        let value: Value = serde_json::from_slice(body).map_err(|error| format!("its body is not JSON: {error}"))?;
        if described_schema.is_null() {
            return Ok(());
        }
        let whole = self.resolved(described_schema);
        let known = whole["properties"].as_object();
        if let (Some(known), Some(sent)) = (known, value.as_object())
            && let Some(unknown) = sent.keys().find(|key| !known.contains_key(*key))
        {
            return Err(format!("its body has no property `{unknown}`"));
        }
        self.schemas.check(&format!("{name} body"), described_schema, &self.document, &value)
    }

    /// Whether GitHub could answer that; the text says why not.
    pub(crate) fn check_answer(&self, method: &str, template: &str, status: u16, body: &Value) -> Result<(), String> {
        let operation = self.operation(method, template)?;
        let Some(described) = operation["responses"].get(status.to_string()).map(|it| self.resolved(it)) else {
            return match (ANYWHERE.contains(&status), body["message"].is_string()) {
                (true, true) => Ok(()),
                (true, false) => Err(format!("an answer {status} needs a message")),
                (false, _) => Err(format!("it never answers {status}")),
            };
        };
        let content = &described["content"];
        if content.is_null() {
            return if body.is_null() || status >= 400 {
                Ok(())
            } else {
                Err(format!("an answer {status} has no body"))
            };
        }
        let schema = &content["application/json"]["schema"];
        if schema.is_null() {
            return Ok(());
        }
        let name = format!("{method} {template} {status}");
        self.schemas.check(&name, schema, &self.document, body)
    }

    fn operation(&self, method: &str, template: &str) -> Result<&Map<String, Value>, String> {
        let operation = &self.document["paths"][template][method.to_lowercase()];
        operation.as_object().ok_or_else(|| format!("there is no {method} for this path"))
    }

    fn parameters<'a>(&'a self, template: &str, operation: &'a Map<String, Value>) -> impl Iterator<Item = &'a Value> {
        let of_path = self.document["paths"][template]["parameters"].as_array().into_iter().flatten();
        let own = operation.get("parameters").and_then(Value::as_array).into_iter().flatten();
        of_path.chain(own).map(|it| self.resolved(it))
    }

    fn parameter<'a>(
        &'a self,
        template: &str,
        operation: &'a Map<String, Value>,
        place: &str,
        name: &str,
    ) -> Option<&'a Value> {
        self.parameters(template, operation).find(|it| it["in"] == place && it["name"] == name)
    }

    fn parameter_value(&self, name: &str, parameter: &Value, key: &str, text: &str) -> Result<(), String> {
        let schema = &parameter["schema"];
        let value = match self.resolved(schema)["type"].as_str() {
            Some("integer" | "number") => text.parse::<i64>().map(Value::from).ok(),
            Some("boolean") => text.parse::<bool>().map(Value::from).ok(),
            Some("array") => Some(text.split(',').collect()),
            _ => Some(Value::from(text)),
        };
        let value = value.ok_or_else(|| format!("`{key}` is no number or no boolean: {text:?}"))?;
        let checked = self.schemas.check(&format!("{name} {key}"), schema, &self.document, &value);
        checked.map_err(|error| format!("`{key}`: {error}"))
    }

    /// The value itself, or what it refers to.
    fn resolved<'a>(&'a self, value: &'a Value) -> &'a Value {
        let Some(target) = value["$ref"].as_str().and_then(|it| it.strip_prefix('#')) else { return value };
        self.document.pointer(target).unwrap_or(&Value::Null)
    }
}

#[cfg(test)]
mod tests;
