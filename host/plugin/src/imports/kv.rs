//! `agentd:host/kv`: the entry's own small store.
//!
//! Writes stay in the call and go to the caller with its answer; reads see them. What is stored already comes from
//! the daemon, which also keeps the limit of an entry as a whole.

use crate::bindings::agentd::host::kv::Host;
use crate::limits::HANDOVER_BYTES;
use crate::state::State;
use crate::wit::common::Error;
use std::collections::BTreeSet;

const KEY_BYTES: usize = 256;
const VALUE_BYTES: usize = 64 << 10;
const PAGE: usize = 1_000;
/// What a key takes up beside its bytes: millions of short ones must not fill the memory.
const KEY_COST: usize = 64;

impl Host for State {
    async fn get(&mut self, key: String) -> wasmtime::Result<Result<Option<String>, Error>> {
        Ok(self.kv_get(&key).await)
    }

    async fn set(&mut self, key: String, value: String) -> wasmtime::Result<Result<(), Error>> {
        Ok(self.kv_put(key, Some(value)))
    }

    async fn remove(&mut self, key: String) -> wasmtime::Result<Result<(), Error>> {
        Ok(self.kv_put(key, None))
    }

    async fn keys(&mut self, prefix: String, after: Option<String>) -> wasmtime::Result<Result<Vec<String>, Error>> {
        Ok(self.kv_keys(&prefix, after).await)
    }
}

impl State {
    async fn kv_get(&mut self, key: &str) -> Result<Option<String>, Error> {
        self.open("kv")?;
        check_key(key)?;
        match self.kv.get(key) {
            Some(written) => Ok(written.clone()),
            None => self.host.kv_get(&self.entry, key).await,
        }
    }

    fn kv_put(&mut self, key: String, value: Option<String>) -> Result<(), Error> {
        self.open("kv")?;
        check_key(&key)?;
        let size = value.as_ref().map_or(0, String::len);
        if size > VALUE_BYTES {
            return Err(Error::TooLarge(format!(
                "the value of `{key}` is {size} bytes long; {VALUE_BYTES} are allowed"
            )));
        }
        let cost = |size: usize| KEY_COST + key.len() + size;
        let before = self.kv.get(&key).map_or(0, |it| cost(it.as_ref().map_or(0, String::len)));
        let written = self.kv_bytes - before + cost(size);
        if written > HANDOVER_BYTES {
            return Err(Error::TooLarge(format!("one call may write {HANDOVER_BYTES} bytes")));
        }
        self.kv_bytes = written;
        self.kv.insert(key, value);
        Ok(())
    }

    /// Stored keys with this call's writes over them. Where the stored ones come in a full page, what was written
    /// beyond its end waits for the next.
    async fn kv_keys(&mut self, prefix: &str, mut after: Option<String>) -> Result<Vec<String>, Error> {
        self.open("kv")?;
        loop {
            let stored = self.host.kv_keys(&self.entry, prefix, after.as_deref()).await?;
            let end = if stored.len() < PAGE { None } else { stored.last().cloned() };
            let mut keys: BTreeSet<String> = stored.into_iter().collect();
            for (key, value) in &self.kv {
                let here = key.starts_with(prefix)
                    && after.as_ref().is_none_or(|after| key > after)
                    && end.as_ref().is_none_or(|end| key <= end);
                match value {
                    Some(_) if here => drop(keys.insert(key.clone())),
                    Some(_) => (),
                    None => drop(keys.remove(key)),
                }
            }
            if !keys.is_empty() || end.is_none() {
                return Ok(keys.into_iter().take(PAGE).collect());
            }
            after = end;
        }
    }
}

fn check_key(key: &str) -> Result<(), Error> {
    if (1..=KEY_BYTES).contains(&key.len()) {
        return Ok(());
    }
    Err(Error::TooLarge(format!("a key is {} bytes long; 1 to {KEY_BYTES} are allowed", key.len())))
}
