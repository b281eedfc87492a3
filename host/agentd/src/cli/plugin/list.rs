//! `agentd plugin list` and `inspect`: which plugins there are, how they fare, and what they want.

use super::{plugin, plugins, words};
use crate::cli::{
    context::Context,
    exit::Error,
    print::{Out, one_line},
};
use serde_json::{Value, json};

/// List the plugins, how they fare, and what is wrong with those that do not serve
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  agentd plugin list")]
pub(crate) struct List {}

/// Show one plugin: its kinds, digest, settings, limits, health, and what it wants to be allowed
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  agentd plugin inspect folder")]
pub(crate) struct Inspect {
    /// The plugin's name, as the list shows it
    name: String,
}

impl List {
    pub(crate) async fn act(self, context: &mut Context) -> Result<(), Error> {
        let plugins = plugins(context).await?;
        context.out.either(&json!({ "plugins": plugins }), |out| table(out, &plugins))
    }
}

impl Inspect {
    pub(crate) async fn act(self, context: &mut Context) -> Result<(), Error> {
        let plugin = plugin(context, &self.name).await?;
        context.out.either(&plugin, |out| record(out, &plugin))
    }
}

fn table(out: &Out, plugins: &[Value]) -> String {
    let rows: Vec<_> = plugins
        .iter()
        .map(|plugin| {
            let cells = [&plugin["name"], &plugin["version"], &plugin["kinds"], &plugin["origin"]];
            let generation =
                plugin["generation"].as_u64().filter(|it| *it > 0).map_or(String::new(), |it| it.to_string());
            let mut row: Vec<_> = cells.into_iter().map(|it| one_line(&words(it), 40)).collect();
            row.extend([generation, standing(plugin), one_line(&remark(plugin), 100)]);
            row
        })
        .collect();
    let heads = ["plugin", "version", "kinds", "from", "gen", "state", ""];
    out.table(&heads, &rows, "no plugins: agentd doctor says why")
}

/// How it fares, in one word.
fn standing(plugin: &Value) -> String {
    let resting = plugin["health"].as_array().into_iter().flatten().any(|it| it["breaker"] == "open");
    let word = match (plugin["serving"].as_bool(), plugin["held"].is_null()) {
        (Some(true), _) if resting => "resting",
        (Some(true), true) => "serving",
        (Some(true), false) => "serving, newer held",
        (_, false) => "held",
        (_, true) if !plugin["problem"].is_null() => "refused",
        _ => "gone",
    };
    word.into()
}

/// What there is to know first: why something is held or refused, else what it is for.
fn remark(plugin: &Value) -> String {
    for reason in [&plugin["held"]["why"], &plugin["problem"]] {
        if !reason.is_null() {
            return words(reason);
        }
    }
    words(&plugin["summary"])
}

fn record(out: &Out, plugin: &Value) -> String {
    let value = |key: &str| Some(one_line(&words(&plugin[key]), 2000)).filter(|it| !it.is_empty());
    let names = [
        ("plugin", "name"),
        ("version", "version"),
        ("summary", "summary"),
        ("kinds", "kinds"),
        ("from", "origin"),
        ("digest", "digest"),
        ("generation", "generation"),
        ("problem", "problem"),
    ];
    let mut pairs: Vec<_> = names.iter().map(|(shown, key)| (*shown, value(key))).collect();
    pairs.push(("state", Some(standing(plugin))));
    pairs.push(("rolls back to", value("previous")));
    for (shown, list) in
        [("wants", &plugin["wants"]), ("limits", &plugin["limits"]), ("wider", &plugin["held"]["wider"])]
    {
        for line in list.as_array().into_iter().flatten() {
            pairs.push((shown, Some(one_line(&words(line), 400))));
        }
    }
    for line in plugin["health"].as_array().into_iter().flatten() {
        pairs.push(("health", Some(health(line))));
    }
    for line in plugin["counters"].as_array().into_iter().flatten() {
        let labels = line["labels"].as_array().filter(|it| !it.is_empty()).map_or(String::new(), |it| {
            format!(
                " ({})",
                it.iter().map(|pair| format!("{}={}", words(&pair[0]), words(&pair[1]))).collect::<Vec<_>>().join(", ")
            )
        });
        let text = format!("{} {}{labels}: {}", words(&line["entry"]), words(&line["name"]), words(&line["value"]));
        pairs.push(("counter", Some(one_line(&text, 400))));
    }
    pairs.push(("held", Some(one_line(&words(&plugin["held"]["why"]), 2000)).filter(|it| !it.is_empty())));
    pairs.push(("settings", value("settings_schema")));
    out.record(&pairs)
}

/// One function of one entry: `backlog poll: 120 calls, 3 failed, 1.2 ms each, closed`.
fn health(line: &Value) -> String {
    let number = |key: &str| line[key].as_u64().unwrap_or(0);
    let each = number("wall_us").checked_div(number("calls")).unwrap_or(0);
    let mut text = format!(
        "{} {}: {} calls, {} failed, {}.{} ms each, breaker {}",
        words(&line["entry"]),
        words(&line["function"]),
        number("calls"),
        number("failures"),
        each / 1000,
        each % 1000 / 100,
        words(&line["breaker"]),
    );
    let last = words(&line["last_error"]);
    if !last.is_empty() {
        text.push_str(&format!("; last failure: {last}"));
    }
    one_line(&text, 600)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the daemon gives it.
    fn tally(breaker: &'static str) -> Value {
        let health = agentd_plugin::Health {
            plugin: "linear".into(),
            entry: "backlog".into(),
            function: "poll",
            calls: 4,
            failures: 3,
            breaker,
            open_until: None,
            cpu_us: 900,
            wall_us: 5_000,
            last_error: Some("trap".into()),
        };
        serde_json::to_value(health).unwrap()
    }

    #[test]
    fn an_entry_that_rests_is_seen_in_the_list() {
        for (breaker, word) in [("closed", "serving"), ("open", "resting"), ("half-open", "serving")] {
            assert_eq!(standing(&json!({ "serving": true, "health": [tally(breaker)] })), word);
        }
        assert_eq!(standing(&json!({ "serving": true, "held": {} })), "serving, newer held");
        assert_eq!(standing(&json!({ "serving": false, "held": {} })), "held");
        assert_eq!(standing(&json!({ "serving": false, "problem": "broken" })), "refused");
        let text = "backlog poll: 4 calls, 3 failed, 1.2 ms each, breaker open; last failure: trap";
        assert_eq!(health(&tally("open")), text);
    }
}
