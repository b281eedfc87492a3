//! The repository's `devcontainer.json`, as far as it says which image to work in.
//!
//! What would change what is in the image and cannot be done here is refused with the reason. What only concerns an
//! editor, or is agentd's own to decide (commands after creation, mounts, ports, users, capabilities), is left alone.
//!
//! - Never puts a variable of this machine in: `${localEnv:NAME:default}` is its default.

use super::{
    Recipe,
    source::{Source, inside, refuse},
};
use agentd_task::Failure;
use serde_json::Value;

mod jsonc;

const PLACES: [&str; 2] = [".devcontainer/devcontainer.json", ".devcontainer.json"];
/// What this cannot do, and what to do instead.
const REFUSED: [(&str, &str); 2] = [
    (
        "dockerComposeFile",
        "compose files are not read: name the image in `image`, and databases and the like in `services`",
    ),
    ("features", "features are not installed: put what they bring into a Dockerfile, or name an image that has it"),
];

/// What it says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Says {
    Image(String),
    Build(Recipe),
}

pub(super) async fn read(source: &Source<'_>) -> Result<Says, Failure> {
    for place in PLACES {
        if let Some(text) = source.text(place).await? {
            let folder = place.rsplit_once('/').map_or("", |(folder, _)| folder);
            let says = says(&text, folder);
            return says.map_err(|why| refuse(format!("`{place}` at {}: {why}", source.short())));
        }
    }
    let [one, other] = PLACES;
    Err(refuse(format!("there is neither `{one}` nor `{other}` at {}", source.short())))
}

/// Reads the text of a file in `folder`.
pub(super) fn says(text: &str, folder: &str) -> Result<Says, String> {
    let json: Value = serde_json::from_str(&jsonc::plain(text)).map_err(|error| format!("it is no JSON: {error}"))?;
    for (key, why) in REFUSED {
        if !is_empty(&json[key]) {
            return Err(format!("it has `{key}`, and {why}"));
        }
    }
    let build = &json["build"];
    if !is_empty(&build["options"]) {
        return Err("it has `build.options`, which are for a command line that is not used: put them elsewhere".into());
    }
    let string = |key: &str, value: &Value| match value {
        Value::Null => Ok(None),
        Value::String(text) => without_variables(text).map(Some).map_err(|why| format!("`{key}`: {why}")),
        _ => Err(format!("`{key}` has to be a string")),
    };
    // `dockerFile` and `context` stood beside each other once, and are still read.
    let first = |new: Option<String>, old: Option<String>| new.or(old);
    let dockerfile =
        first(string("build.dockerfile", &build["dockerfile"])?, string("dockerFile", &json["dockerFile"])?);
    let Some(dockerfile) = dockerfile else {
        return match string("image", &json["image"])? {
            Some(image) if !image.is_empty() => Ok(Says::Image(image)),
            _ => Err("it names neither `image` nor `build.dockerfile`".into()),
        };
    };
    let context = first(string("build.context", &build["context"])?, string("context", &json["context"])?);
    let mut args = Vec::new();
    for (name, value) in build["args"].as_object().into_iter().flatten() {
        let key = format!("build.args.{name}");
        args.push((name.clone(), string(&key, value)?.unwrap_or_default()));
    }
    Ok(Says::Build(Recipe {
        folder: inside(folder, context.as_deref().unwrap_or("."))?,
        dockerfile: inside(folder, &dockerfile)?,
        target: string("build.target", &build["target"])?,
        args,
    }))
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::String(text) => text.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Puts defaults for `${localEnv:NAME:default}`. Other variables are known to an editor only.
fn without_variables(text: &str) -> Result<String, String> {
    let mut made = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let (variable, after) = after.split_once('}').ok_or("a `${` without its `}`")?;
        let of_machine = variable.strip_prefix("localEnv:").or(variable.strip_prefix("env:"));
        let Some(of_machine) = of_machine else {
            return Err(format!("`${{{variable}}}` is not known here: write the value itself"));
        };
        made.push_str(before);
        made.push_str(of_machine.split_once(':').map_or("", |(_, default)| default));
        rest = after;
    }
    Ok(made + rest)
}

#[cfg(test)]
mod tests;
