//! An answer that is handed on as it comes, of any length and not decompressed.
//!
//! Two clocks watch it, and no other: one until its head is there, one between two pieces of its body. Where a
//! credential was attached, the pieces are looked through for secrets, also for one that lies across their borders; what
//! came before it was found has gone out by then, but not all of the secret.

use super::{
    Inner,
    audit::{Audit, Outcome},
};
use crate::Error;
use bytes::Bytes;
use std::{fmt, sync::Arc, time::Duration};

/// How long an answer may be waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Until its head is there, from the name's resolution on.
    pub head: Duration,
    /// Between two pieces of its body.
    pub idle: Duration,
}

/// The head of an answer, and its body as it comes. Dropping it closes the connection.
pub struct Streamed {
    pub status: u16,
    /// Names in lower case, repeated ones repeated; without `set-cookie`.
    pub headers: Vec<(String, String)>,
    pub(super) response: reqwest::Response,
    pub(super) idle: Duration,
    pub(super) caller: String,
    pub(super) audit: Audit,
    pub(super) inner: Arc<Inner>,
    /// The end of what came, for secrets across borders; none: nothing is looked for.
    pub(super) tail: Option<Vec<u8>>,
    pub(super) bytes: usize,
    pub(super) ended: bool,
}

impl Streamed {
    /// The next piece of the body, as soon as it is there; `None`: that was all of it. May be dropped and called again.
    ///
    /// # Errors
    /// [`Error::Stalled`], [`Error::Cut`], [`Error::SecretInAnswer`]. There is nothing more after one.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        if self.ended {
            return Ok(None);
        }
        let next = tokio::time::timeout(self.idle, self.response.chunk()).await;
        let (caller, host) = (self.caller.clone(), self.audit.host.clone());
        let result = match next {
            Err(_) => Err(Error::Stalled { caller, host, after: self.idle }),
            Ok(Err(error)) => Err(Error::Cut { caller, host, why: super::client::chain(&error.without_url()) }),
            Ok(Ok(Some(piece))) if self.repeats_secret(&piece) => Err(Error::SecretInAnswer { caller, host }),
            Ok(Ok(piece)) => Ok(piece),
        };
        let status = self.status;
        match &result {
            Ok(Some(piece)) => {
                self.bytes += piece.len();
                self.audit.outcome = Some(Outcome::LeftOff { status, bytes: self.bytes });
            }
            Ok(None) => {
                self.ended = true;
                self.audit.outcome = Some(Outcome::Answered { status, bytes: self.bytes });
            }
            Err(error) => {
                self.ended = true;
                self.audit.outcome = Some(Outcome::Failed(error.word()));
            }
        }
        result
    }

    fn repeats_secret(&mut self, piece: &[u8]) -> bool {
        let Some(tail) = &mut self.tail else { return false };
        tail.extend_from_slice(piece);
        let found = self.inner.finds(tail);
        let keep = self.inner.scan.longest().max(self.inner.tokens.longest()).saturating_sub(1);
        tail.drain(..tail.len().saturating_sub(keep));
        found
    }
}

impl fmt::Debug for Streamed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Streamed").field("status", &self.status).field("bytes", &self.bytes).finish_non_exhaustive()
    }
}
