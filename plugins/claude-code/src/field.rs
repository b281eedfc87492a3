//! Fields of JSON objects that may lack them, or have something else in their place.

use serde_json::{Map, Value};

pub(crate) type Object = Map<String, Value>;

/// The longest text of an event, in bytes: the host cuts there too, and this saves copying.
const TEXT_BYTES: usize = 256 << 10;

/// The text of that name; empty if there is none.
pub(crate) fn text<'a>(object: &'a Object, name: &str) -> &'a str {
    object.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// The text of that name, unless it is missing or empty.
pub(crate) fn some_text(object: &Object, name: &str) -> Option<String> {
    Some(text(object, name)).filter(|it| !it.is_empty()).map(ToOwned::to_owned)
}

pub(crate) fn flag(object: &Object, name: &str) -> bool {
    object.get(name).and_then(Value::as_bool).unwrap_or_default()
}

/// A count; numbers with a fraction are rounded, negative ones are none.
pub(crate) fn number(object: &Object, name: &str) -> Option<u64> {
    let value = object.get(name)?;
    value.as_u64().or_else(|| value.as_f64().and_then(rounded))
}

/// Dollars as millionths of a dollar.
pub(crate) fn microusd(object: &Object, name: &str) -> Option<u64> {
    rounded(object.get(name)?.as_f64()? * 1e6)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is checked to fit")]
fn rounded(number: f64) -> Option<u64> {
    // Counts stay below 2^53 in the contract.
    (0.0..9e15).contains(&number).then(|| number.round() as u64)
}

pub(crate) fn object<'a>(object: &'a Object, name: &str) -> Option<&'a Object> {
    object.get(name).and_then(Value::as_object)
}

/// The objects of a list.
pub(crate) fn objects<'a>(object: &'a Object, name: &str) -> impl Iterator<Item = &'a Object> {
    object.get(name).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object)
}

/// The text, or as much of it as an event may have.
pub(crate) fn cut(text: &str) -> String {
    cut_to(text, TEXT_BYTES)
}

pub(crate) fn cut_to(text: &str, bytes: usize) -> String {
    match text.floor_char_boundary(bytes) {
        at if at < text.len() => format!("{}… (cut)", &text[..at]),
        _ => text.to_owned(),
    }
}
