//! The contract's records as JSON, in the contract's words.
//!
//! Fields are in kebab case (`end-line`); a variant is its case (`"newest"`) or an object of the case and what it holds
//! (`{"text": "hello"}`); a result is `{"ok": …}` or `{"err": …}`; nothing is `null`; a list of bytes is
//! `{"base64": "…"}`. Cases of authors, traces and commands are written and read by this.
//!
//! - Never fails on what a guest said, and never makes more of it than it is told to.
//! - Whoever reads may leave out what may be nothing and what may be an empty list; a name that does not exist is an
//!   error that says where it stands and what there is.

mod read;
mod say;
#[cfg(test)]
mod tests;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::io;

/// The record as JSON. (What JSON has no word for, a number that is none, is null.)
pub(crate) fn value<T: Serialize + ?Sized>(it: &T) -> Value {
    it.serialize(say::Words(serde_json::value::Serializer)).unwrap_or(Value::Null)
}

/// The record as JSON text; none: it would be longer than so many bytes.
pub(crate) fn text<T: Serialize + ?Sized>(it: &T, limit: usize) -> Option<String> {
    let mut room = Room { bytes: vec![], left: limit };
    it.serialize(say::Words(&mut serde_json::Serializer::new(&mut room))).ok()?;
    String::from_utf8(room.bytes).ok()
}

/// The record that stands there. The error says what is wrong and where, beginning with `name`.
pub(crate) fn read<T: DeserializeOwned>(value: &Value, name: &str) -> Result<T, String> {
    let path = read::Path::Root(name);
    T::deserialize(read::Reader::new(value, &path)).map_err(|error| error.to_string())
}

/// A buffer with an end.
struct Room {
    bytes: Vec<u8>,
    left: usize,
}

impl io::Write for Room {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.left = self.left.checked_sub(bytes.len()).ok_or(io::ErrorKind::StorageFull)?;
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
