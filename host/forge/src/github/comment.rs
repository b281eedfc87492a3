//! Living comments: one for each slot of a thread, found again by its marker, written anew when its text changes.
//!
//! GitHub has no way to say "create this once". So the thread is looked at, the comment is written, and the thread is
//! looked at again: of twins, which another process or a lost answer may have left, the younger ones go.
//!
//! - A comment is agentd's own if its marker is valid on this thread *and* the account wrote it. Whoever copies a marker
//!   changes nothing.

use super::{
    GitHubForge, Written,
    issue::Account,
    marker::{self, Place},
    repository::locked,
};
use crate::{Comment, Error, markdown};
use http::Method;
use serde::{Deserialize, de::IgnoredAny};
use serde_json::json;

/// Comments of a thread that are looked through. What is beyond is not found again after a restart.
const COMMENTS_MAX: usize = 3000;
/// Ids that are remembered.
const KEPT: usize = 10_000;
/// GitHub takes 65,536 characters; this is in bytes, and leaves room for the marker.
pub(super) const BODY_MAX: usize = 65_000;

/// A comment of REST's.
#[derive(Debug, Deserialize)]
pub(super) struct RestComment {
    id: u64,
    #[serde(default)]
    body: Option<String>,
    user: Option<Account>,
}

/// One of agentd's own.
struct Own {
    id: u64,
    slot: String,
    /// With its marker.
    whole: String,
}

impl GitHubForge {
    /// Says something under a slot. `anew`: a comment that is there gets the text.
    pub(super) async fn say(&self, number: u32, slot: &str, body: &str, anew: bool) -> Result<(), Error> {
        let whole = self.signer().mark(Place::Thread(number), slot, &cut(&markdown::tame(body)));
        let _turn = self.memory().comment_turn.lock().await;
        let found = match self.remembered(number, slot).await? {
            Some(own) => Some(own),
            None => self.only_one(number, slot).await?,
        };
        match found {
            Some(own) if anew && !marker::same_text(&own.whole, &whole) => self.rewrite(&own, &whole).await,
            Some(_) => Ok(()),
            None => {
                let id = self.post(number, &whole).await?;
                self.remember(number, slot, id);
                // Another process may have done the same meanwhile.
                self.only_one(number, slot).await.map(drop)
            }
        }
    }

    /// What agentd said on a thread, oldest first.
    pub(super) async fn own_words(&self, number: u32) -> Result<Vec<Comment>, Error> {
        let own = self.own_comments(number).await?.into_iter();
        let said = own.map(|it| Comment { key: it.slot, body: marker::without(&it.whole).to_owned() });
        Ok(said.collect())
    }

    /// The comment of the slot, if its id is known and it is still what it was.
    async fn remembered(&self, number: u32, slot: &str) -> Result<Option<Own>, Error> {
        let key = (number, slot.to_owned());
        let Some(id) = locked(&self.memory().comments).get(&key).copied() else { return Ok(None) };
        let path = self.path(&format!("issues/comments/{id}"));
        let found: Option<RestComment> = self.api().get(&self.scope(), &path, &[]).await?;
        let login = self.own_login().await?;
        let own = found.and_then(|it| self.own(number, &login, it)).filter(|it| it.slot == slot);
        if own.is_none() {
            locked(&self.memory().comments).remove(&key);
        }
        Ok(own)
    }

    /// The oldest comment of the slot. Younger ones are removed.
    async fn only_one(&self, number: u32, slot: &str) -> Result<Option<Own>, Error> {
        let mut own = self.own_comments(number).await?;
        own.retain(|it| it.slot == slot);
        let mut own = own.into_iter();
        let Some(first) = own.next() else { return Ok(None) };
        for twin in own {
            tracing::info!(repository = self.name(), number, id = twin.id, "A comment that was made twice is removed");
            let path = self.path(&format!("issues/comments/{}", twin.id));
            match self.api().write::<IgnoredAny>(&self.scope(), Method::DELETE, &path, &()).await? {
                Written::Refused { status: 404 | 410, .. } => {}
                other => other.done().map(drop)?,
            }
        }
        self.remember(number, slot, first.id);
        Ok(Some(first))
    }

    fn remember(&self, number: u32, slot: &str, id: u64) {
        let mut known = locked(&self.memory().comments);
        if known.len() >= KEPT {
            known.clear();
        }
        known.insert((number, slot.to_owned()), id);
    }

    /// agentd's own comments of a thread, oldest first.
    async fn own_comments(&self, number: u32) -> Result<Vec<Own>, Error> {
        let path = self.path(&format!("issues/{number}/comments"));
        let found = self.api().all::<RestComment>(&self.scope(), &path, &[], COMMENTS_MAX).await;
        let found = found.map_err(|error| match error {
            Error::Refused { status: 404 | 410, .. } => self.no_thread(number),
            error => error,
        })?;
        let login = self.own_login().await?;
        let mut own: Vec<Own> = found.into_iter().filter_map(|it| self.own(number, &login, it)).collect();
        own.sort_by_key(|it| it.id);
        Ok(own)
    }

    fn own(&self, number: u32, login: &str, comment: RestComment) -> Option<Own> {
        let whole = comment.body?;
        let (slot, _) = self.signer().read(Place::Thread(number), &whole)?;
        let by = comment.user?.login;
        by.eq_ignore_ascii_case(login).then_some(Own { id: comment.id, slot, whole })
    }

    async fn post(&self, number: u32, whole: &str) -> Result<u64, Error> {
        let path = self.path(&format!("issues/{number}/comments"));
        match self.api().write::<RestComment>(&self.scope(), Method::POST, &path, &json!({ "body": whole })).await? {
            Written::Refused { status: 404 | 410, .. } => Err(self.no_thread(number)),
            other => other.done().map(|it| it.id),
        }
    }

    async fn rewrite(&self, own: &Own, whole: &str) -> Result<(), Error> {
        let path = self.path(&format!("issues/comments/{}", own.id));
        let body = json!({ "body": whole });
        self.api().write::<IgnoredAny>(&self.scope(), Method::PATCH, &path, &body).await?.done()?;
        Ok(())
    }
}

/// As much of a text as GitHub takes.
fn cut(text: &str) -> String {
    if text.len() <= BODY_MAX {
        return text.to_owned();
    }
    // What is cut may leave a fence or a tag open.
    let head = markdown::tame(&text[..text.floor_char_boundary(BODY_MAX - 1000)]);
    format!("{head}\n\n_The rest is left out: it is longer than GitHub takes._")
}
