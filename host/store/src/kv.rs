//! What plugins keep between calls: text by key, per entry of the configuration.
//!
//! An entry never sees another's keys, and has a limit of its own.

use crate::{Error, Reader, Store, error::store};
use rusqlite::{Connection, OptionalExtension};

const KEY_BYTES: usize = 256;
const VALUE_BYTES: usize = 64 << 10;
const ENTRY_BYTES: i64 = 16 << 20;
const KEYS_MAX: u32 = 1_000;

impl Store {
    /// Writes and deletes (`None`) keys of an entry, all or none.
    ///
    /// # Errors
    /// [`Error::KvFull`] if a key is not 1 to 256 bytes, a value more than 64 KiB, or the entry more than 16 MiB;
    /// [`Error::Store`], [`Error::Gone`].
    pub async fn kv_commit(&self, entry: String, writes: Vec<(String, Option<String>)>) -> Result<(), Error> {
        self.writer.call(move |conn| commit(conn, &entry, &writes)).await
    }
}

impl Reader {
    /// # Errors
    /// As [`Reader::task`].
    pub async fn kv_get(&self, entry: impl Into<String>, key: impl Into<String>) -> Result<Option<String>, Error> {
        let (entry, key) = (entry.into(), key.into());
        self.ask(move |conn| {
            conn.prepare_cached("SELECT value FROM kv WHERE entry = ?1 AND key = ?2")
                .and_then(|mut select| select.query_row((entry, key), |row| row.get(0)).optional())
                .map_err(store("reading a key"))
        })
        .await
    }

    /// Keys that begin with `prefix`, in byte order, those after `after` only; at most 1,000.
    ///
    /// # Errors
    /// As [`Reader::task`].
    pub async fn kv_keys(
        &self,
        entry: impl Into<String>,
        prefix: impl Into<String>,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<String>, Error> {
        let (entry, prefix, after) = (entry.into(), prefix.into(), after.unwrap_or_default().to_owned());
        self.ask(move |conn| {
            conn.prepare_cached(
                "SELECT key FROM kv WHERE entry = ?1 AND key > ?3 AND key >= ?2 AND key <= ?2 || char(1114111)
                 ORDER BY key LIMIT ?4",
            )
            .and_then(|mut select| {
                select.query_map((entry, prefix, after, limit.min(KEYS_MAX)), |row| row.get(0))?.collect()
            })
            .map_err(store("listing keys"))
        })
        .await
    }
}

pub(crate) fn commit(conn: &Connection, entry: &str, writes: &[(String, Option<String>)]) -> Result<(), Error> {
    let full = |what| Err(Error::KvFull { entry: entry.into(), what });
    let mut grown = 0;
    for (key, value) in writes {
        if key.is_empty() || key.len() > KEY_BYTES {
            return full("a key has to be 1 to 256 bytes");
        }
        if value.as_ref().is_some_and(|it| it.len() > VALUE_BYTES) {
            return full("a value may have 64 KiB");
        }
        grown += put(conn, entry, key, value.as_deref())?;
    }
    let bytes: i64 = conn
        .prepare_cached("SELECT coalesce(max(bytes), 0) + ?2 FROM kv_size WHERE entry = ?1")
        .and_then(|mut select| select.query_row((entry, grown), |row| row.get(0)))
        .map_err(store("measuring an entry"))?;
    if bytes > ENTRY_BYTES {
        return full("an entry may have 16 MiB: delete keys first");
    }
    conn.prepare_cached(
        "INSERT INTO kv_size (entry, bytes) VALUES (?1, ?2) ON CONFLICT (entry) DO UPDATE SET bytes = ?2",
    )
    .and_then(|mut insert| insert.execute((entry, bytes)))
    .map(drop)
    .map_err(store("measuring an entry"))
}

/// Writes one key; returns by how many bytes the entry grew.
fn put(conn: &Connection, entry: &str, key: &str, value: Option<&str>) -> Result<i64, Error> {
    let before = conn
        .prepare_cached("SELECT octet_length(key) + octet_length(value) FROM kv WHERE entry = ?1 AND key = ?2")
        .and_then(|mut select| select.query_row((entry, key), |row| row.get::<_, i64>(0)).optional())
        .map_err(store("reading a key"))?
        .unwrap_or(0);
    let after = match value {
        Some(value) => {
            conn.prepare_cached(
                "INSERT INTO kv (entry, key, value) VALUES (?1, ?2, ?3)
                 ON CONFLICT (entry, key) DO UPDATE SET value = ?3",
            )
            .and_then(|mut insert| insert.execute((entry, key, value)))
            .map_err(store("writing a key"))?;
            key.len() + value.len()
        }
        None => {
            conn.prepare_cached("DELETE FROM kv WHERE entry = ?1 AND key = ?2")
                .and_then(|mut delete| delete.execute((entry, key)))
                .map_err(store("deleting a key"))?;
            0
        }
    };
    Ok(after as i64 - before)
}

#[cfg(test)]
mod tests;
