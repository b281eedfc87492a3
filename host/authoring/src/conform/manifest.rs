//! What holds for every plugin: how it describes itself, and how it takes settings.

use super::{Said, Suite, said};
use crate::{case, schema};
use serde_json::{Value, json};

/// CPU time that is plenty for a description, in microseconds.
const CHEAP_US: u64 = 500_000;

pub(super) async fn tried(suite: &mut Suite<'_>) {
    let settings = suite.settings.clone();
    let bare = suite.call("describe", json!(["{}"])).await;
    let again = suite.call("describe", json!(["{}"])).await;
    suite.note("describe says the same again", super::equal(&bare, &again, "the second call"));
    let cheap = if bare.cpu_us.max(again.cpu_us) <= CHEAP_US {
        Ok(())
    } else {
        Err(format!("it took {} ms of CPU; it is called whenever settings change", bare.cpu_us / 1_000))
    };
    suite.note("describe is cheap", cheap);
    let filled = suite.call("describe", json!([settings.to_string()])).await;
    suite.note("only wants depend on the settings", only_wants_differ(&bare.outcome, &filled.outcome));
    let problems = schema::problems(&suite.plugin.info().settings_schema);
    suite.note(
        "its settings schema can be read by people",
        if problems.is_empty() { Ok(()) } else { Err(problems.join("; ")) },
    );
    let nonsense = [
        json!({}),
        settings.clone(),
        json!({ "no-such-setting": { "a": [1, null] } }),
        of_wrong_types(&suite.plugin.info().settings_schema),
    ];
    let all = nonsense.iter().map(|it| (it, json!([it.to_string()])));
    let calls: Vec<(String, Value)> =
        all.map(|(it, arguments)| (crate::words::short(&it.to_string(), 80), arguments)).collect();
    let calls: Vec<(&str, Value)> = calls.iter().map(|(what, arguments)| (what.as_str(), arguments.clone())).collect();
    suite.no_traps("check takes any settings without a trap", "check", calls.clone()).await;
    suite.no_traps("describe takes any settings without a trap", "describe", calls).await;
    problems_are_sentences(suite, &settings).await;
}

/// Settings in which everything is of another type than it should be.
fn of_wrong_types(schema: &str) -> Value {
    let schema: Value = serde_json::from_str(schema).unwrap_or_default();
    let properties = schema["properties"].as_object().into_iter().flatten();
    let wrong = |property: &Value| match property["type"].as_str() {
        Some("string") => json!(["a list", 1]),
        _ => json!("\u{0}a text\u{202e}".repeat(100)),
    };
    properties.map(|(name, property)| (name.clone(), wrong(property))).collect()
}

fn only_wants_differ(
    bare: &Result<Value, agentd_plugin::CallError>,
    filled: &Result<Value, agentd_plugin::CallError>,
) -> Result<(), String> {
    let without = |outcome| {
        let mut value: Value = case::outcome(outcome);
        if let Some(description) = value["ok"].as_object_mut() {
            description.remove("wants");
        }
        value
    };
    case::first_difference(&without(bare), &without(filled)).map_or(Ok(()), Err)
}

/// What `check` finds wrong is told to people, and points into the settings.
async fn problems_are_sentences(suite: &mut Suite<'_>, settings: &Value) {
    let name = "problems that check finds have a message and a JSON pointer";
    let played = suite.call("check", json!([settings.to_string()])).await;
    let problems = match said(&played) {
        Ok(Said::Answer(problems)) => problems,
        Ok(Said::Refusal(why)) => return suite.not_tried(name, &why),
        Err(trap) => return suite.not_tried(name, &trap),
    };
    let bad = |it: &&Value| {
        let (pointer, message) =
            (it["pointer"].as_str().unwrap_or_default(), it["message"].as_str().unwrap_or_default());
        message.is_empty() || !(pointer.is_empty() || pointer.starts_with('/'))
    };
    let bad = problems.as_array().into_iter().flatten().find(bad);
    suite.note(name, bad.map_or(Ok(()), |it| Err(format!("{it}"))));
}
