//! What is to be so on a thread: comment, labels, assignees, reaction, each by itself.
//!
//! - A part that GitHub refuses does not keep the others from being done.

use super::{GitHubForge, issue::same_label};
use crate::{Edit, Error};
use http::Method;

/// The account that agentd works as, where logins stand.
const ME: &str = "@me";

impl GitHubForge {
    pub(super) async fn make_so(&self, edit: &Edit) -> Result<(), Error> {
        let Some(thread) = self.thread(edit.number).await? else { return Err(self.no_thread(edit.number)) };
        let number = edit.number;
        // The first reason is told, but before it one that may be gone later, since then the whole is repeated.
        let mut told = Ok(());
        let mut note = |result: Result<(), Error>| match (&told, result) {
            (Ok(()), result) => told = result,
            (Err(known), Err(error)) if error.is_transient() && !known.is_transient() => told = Err(error),
            (Err(_), _) => {}
        };
        let present = thread.label_names();
        note(self.add_labels(number, &present, &edit.add_labels).await);
        for name in &edit.remove_labels {
            if present.iter().any(|it| same_label(it, name)) {
                note(self.remove_label(number, name).await);
            }
        }
        let assigned = thread.logins();
        let has = |login: &String| assigned.iter().any(|it| it.eq_ignore_ascii_case(login));
        let adding = self.logins(&edit.add_assignees).await?.into_iter().filter(|it| !has(it)).collect::<Vec<_>>();
        note(self.assign(number, Method::POST, &adding).await);
        let removing = self.logins(&edit.remove_assignees).await?.into_iter().filter(has).collect::<Vec<_>>();
        note(self.assign(number, Method::DELETE, &removing).await);
        if let Some(said) = &edit.comment {
            note(self.say(number, &said.slot, &said.body, true).await);
        }
        if let Some(reaction) = &edit.reaction {
            note(self.react(number, reaction).await);
        }
        told
    }

    /// Logins, with the account's own for `@me`. An App cannot be assigned.
    async fn logins(&self, wanted: &[String]) -> Result<Vec<String>, Error> {
        let mut logins = Vec::new();
        for login in wanted {
            match login.as_str() {
                ME if self.api().is_app() => {}
                ME => logins.push(self.own_login().await?),
                login => logins.push(login.to_owned()),
            }
        }
        Ok(logins)
    }
}
