//! What has to be known of a request before it goes on, and the one thing that is written into it.
//!
//! A call that costs money is sent on only if it can be read: what the gateway does not understand and the provider does
//! could be a call whose cost nobody hears of.

use crate::account::{Route, Shape};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::{Value, json, value::RawValue};
use std::fmt;

/// What a request says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RequestFacts {
    pub(crate) model: Option<String>,
    /// In bytes, as it is sent.
    pub(crate) bytes: u64,
    /// The answer is to come as a stream.
    pub(crate) streams: bool,
    /// So many tokens may be written.
    pub(crate) output_max: Option<u64>,
}

/// Reads a request. A chat that is streamed tells its usage only if it is asked to: that is written into it. `Err`: why it
/// is not sent on.
///
/// `named`: the model, and whether the answer is streamed, where the path says both and the body counts for nothing.
pub(super) fn prepare(
    route: Route,
    named: Option<(&str, bool)>,
    body: &mut Vec<u8>,
) -> Result<RequestFacts, &'static str> {
    let mut facts = RequestFacts::default();
    if let Route::Call(shape) = route {
        let fields: Fields<'_> = serde_json::from_slice(body).map_err(|_| "the request is no JSON object")?;
        facts.model = fields.string("model")?.map(|it| it.chars().take(200).collect());
        facts.streams = fields.flag("stream")?;
        if fields.flag("background")? {
            return Err("nobody would hear what a call in the background (`background`) costs");
        }
        let limits = ["max_tokens", "max_output_tokens", "max_completion_tokens"].map(|name| fields.number(name));
        facts.output_max = limits.into_iter().flatten().max();
        if let Some((model, streams)) = named {
            (facts.model, facts.streams) = (Some(model.chars().take(200).collect()), streams);
            // Google takes two spellings of each name, and nobody says which one counts where both are there.
            facts.output_max = match fields.get("generation_config")? {
                Some(_) => None,
                None => fields.get("generationConfig")?.and_then(|it| output_max(it.get())),
            };
        }
        let options = fields.get("stream_options")?.map(RawValue::get);
        if shape == Shape::Chat && facts.streams {
            let (start, end, asking) = asking_for_usage(body, options)?;
            body.splice(start..end, asking);
        }
    }
    facts.bytes = body.len() as u64;
    Ok(facts)
}

/// Of a call of Gemini's, in its `generationConfig`.
fn output_max(config: &str) -> Option<u64> {
    let config: Value = serde_json::from_str(config).ok()?;
    config["maxOutputTokens"].as_u64().filter(|_| config["max_output_tokens"].is_null())
}

/// What to put where in the body, so that it asks for its usage. The rest stays as it was, byte for byte.
fn asking_for_usage(body: &[u8], options: Option<&str>) -> Result<(usize, usize, Vec<u8>), &'static str> {
    let Some(text) = options else {
        let start = body.iter().position(|it| *it == b'{').map_or(0, |it| it + 1);
        return Ok((start, start, b"\"stream_options\":{\"include_usage\":true},".to_vec()));
    };
    let mut options = match serde_json::from_str(text) {
        Ok(Value::Object(options)) => options,
        Ok(Value::Null) => serde_json::Map::new(),
        _ => return Err("its `stream_options` are no object"),
    };
    // The text is a part of the body.
    let start = text.as_ptr().addr() - body.as_ptr().addr();
    let asking = if options.get("include_usage") == Some(&json!(true)) {
        text.to_owned()
    } else {
        options.insert("include_usage".into(), json!(true));
        Value::Object(options).to_string()
    };
    Ok((start, start + text.len(), asking.into_bytes()))
}

/// An object's fields with values that are not looked at.
struct Fields<'a>(Vec<(String, &'a RawValue)>);

impl<'a> Fields<'a> {
    /// The field of this name. Readers differ in what they make of one that is there twice, or in other letters.
    fn get(&self, name: &str) -> Result<Option<&'a RawValue>, &'static str> {
        let mut all = self.0.iter().filter(|(it, _)| it.eq_ignore_ascii_case(name));
        match (all.next(), all.next()) {
            (None, _) => Ok(None),
            (Some((it, value)), None) if it == name => Ok(Some(value)),
            _ => Err("one of its fields is there twice, or in capital letters"),
        }
    }

    fn string(&self, name: &str) -> Result<Option<String>, &'static str> {
        let read = |it: &RawValue| serde_json::from_str(it.get()).map_err(|_| "its `model` is no text");
        self.get(name)?.map(read).transpose().map(Option::flatten)
    }

    fn flag(&self, name: &str) -> Result<bool, &'static str> {
        match self.get(name)?.map(RawValue::get) {
            None | Some("null" | "false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err("its `stream` or `background` is neither true nor false"),
        }
    }

    /// A limit that cannot be read is none.
    fn number(&self, name: &str) -> Option<u64> {
        self.get(name).ok()?.and_then(|it| it.get().parse().ok())
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Vec<(String, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(fields)
            }
        }
        deserializer.deserialize_map(Object).map(Fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(shape: Shape, body: &str, expected: &str) {
        let mut bytes = body.as_bytes().to_vec();
        let facts = prepare(Route::Call(shape), None, &mut bytes).unwrap();
        assert_eq!(String::from_utf8(bytes).unwrap(), expected);
        assert_eq!(facts.bytes, expected.len() as u64);
    }

    #[test]
    fn only_a_chat_that_is_streamed_is_asked_for_its_usage() {
        for same in [r#"{"model":"m","stream":false}"#, r#"{"model":"m"}"#, "{}", r#"{"x":"\ud800","stream":null}"#] {
            check(Shape::Chat, same, same);
        }
        for shape in [Shape::Messages, Shape::Responses] {
            check(shape, r#"{"stream":true}"#, r#"{"stream":true}"#);
        }
        check(
            Shape::Chat,
            " { \"stream\" : true , \"b\":1,\"a\":2}",
            " {\"stream_options\":{\"include_usage\":true}, \"stream\" : true , \"b\":1,\"a\":2}",
        );
        // What the provider does by itself is not filtered: SECURITY.md says so.
        let fetches =
            r#"{"model":"m","tools":[{"type":"web_fetch_20250910"}],"mcp_servers":[{"url":"https://x.test"}]}"#;
        check(Shape::Messages, fetches, fetches);
        let asked = r#"{"stream_options": {"include_usage": true},"stream":true}"#;
        check(Shape::Chat, asked, asked);
        check(
            Shape::Chat,
            r#"{"b":1,"stream":true,"stream_options":{"include_usage":false,"x":1} ,"a":"\ud800"}"#,
            r#"{"b":1,"stream":true,"stream_options":{"include_usage":true,"x":1} ,"a":"\ud800"}"#,
        );
        check(
            Shape::Chat,
            r#"{"stream":true,"stream_options":null}"#,
            r#"{"stream":true,"stream_options":{"include_usage":true}}"#,
        );
    }

    #[track_caller]
    fn check_refused(body: &str) {
        for shape in [Shape::Messages, Shape::Responses, Shape::Chat] {
            assert!(prepare(Route::Call(shape), None, &mut body.as_bytes().to_vec()).is_err(), "{body}");
        }
        assert!(prepare(Route::Free, None, &mut body.as_bytes().to_vec()).is_ok(), "{body}");
    }

    #[test]
    fn a_call_whose_cost_could_hide_is_not_sent_on() {
        for unreadable in ["", "not json", "[]", "{} {}", "{\"a\":\"\u{0}\"}", "\u{1f}\u{8b}"] {
            check_refused(unreadable);
        }
        check_refused(r#"{"background":true}"#);
        check_refused(r#"{"background":1}"#);
        check_refused(r#"{"stream":"true"}"#);
        check_refused(r#"{"stream":false,"stream":true}"#);
        check_refused(r#"{"stream":false,"\u0073tream":true}"#);
        check_refused(r#"{"model":"cheap","Model":"dear"}"#);
        check_refused(r#"{"MODEL":"dear"}"#);
        check_refused(r#"{"model":7}"#);
        assert!(
            prepare(Route::Call(Shape::Chat), None, &mut br#"{"stream":true,"stream_options":[]}"#.to_vec()).is_err()
        );
    }

    #[test]
    fn what_a_request_says_of_itself_is_read() {
        let prepare = |body: &str| prepare(Route::Call(Shape::Messages), None, &mut body.as_bytes().to_vec()).unwrap();
        let facts =
            prepare(r#"{"messages":[{"model":"x"}],"model":"claude-opus-5-5","stream":true,"max_tokens":32000}"#);
        assert_eq!(
            (facts.model.as_deref(), facts.streams, facts.output_max),
            (Some("claude-opus-5-5"), true, Some(32_000))
        );
        assert_eq!(
            prepare(r#"{"model":null,"max_tokens":"x"}"#),
            RequestFacts { bytes: 31, ..RequestFacts::default() }
        );
    }

    #[test]
    fn where_the_path_names_the_model_the_body_counts_for_nothing() {
        let mut body = br#"{"model":"cheap","contents":[],"generationConfig":{"maxOutputTokens":500}}"#.to_vec();
        let facts = prepare(Route::Call(Shape::Generate), Some(("gemini-3.8-flash", true)), &mut body).unwrap();
        let seen = (facts.model.as_deref(), facts.streams, facts.output_max);
        assert_eq!(seen, (Some("gemini-3.8-flash"), true, Some(500)));
        for twice in [
            r#"{"generationConfig":{"maxOutputTokens":1},"generation_config":{"max_output_tokens":9000}}"#,
            r#"{"generationConfig":{"maxOutputTokens":1,"max_output_tokens":9000}}"#,
        ] {
            let named = Some(("gemini-3.8-flash", true));
            let facts = prepare(Route::Call(Shape::Generate), named, &mut twice.as_bytes().to_vec()).unwrap();
            assert_eq!(facts.output_max, None, "{twice}");
        }
    }
}
