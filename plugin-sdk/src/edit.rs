//! What a plugin wants written on an issue or pull request, put together step by step.
//!
//! ```ignore
//! let edit = Edit::on(thread)
//!     .comment("Works on it.").slot("progress")
//!     .add_label("agentd:in-progress").remove_label("agentd:blocked")
//!     .assign("@me");
//! ```
//!
//! Each part needs the grant `forge` with its write (`comment`, `label`, `reaction`; assignees count as `label`). Say
//! what is to be so, by the state of the task alone: the host may ask again, and the same answer writes nothing twice.

use crate::work::{Edit, Thread};

/// The keys of [`Edit::extra`] that hold logins, as a JSON list.
const ADD_ASSIGNEES: &str = "add-assignees";
const REMOVE_ASSIGNEES: &str = "remove-assignees";

impl Thread {
    /// The issue or pull request with this number.
    pub fn new(repository: impl Into<String>, number: u32) -> Thread {
        Thread { repository: repository.into(), number, extra: vec![] }
    }
}

impl Edit {
    /// An edit that does nothing yet.
    #[must_use]
    pub fn on(thread: Thread) -> Edit {
        Edit { thread, ..Edit::default() }
    }

    /// Adds a comment: Markdown, at most 60,000 bytes.
    #[must_use]
    pub fn comment(self, text: impl Into<String>) -> Edit {
        Edit { comment: Some(text.into()), ..self }
    }

    /// The comment replaces the one that this entry wrote on the thread under the same name: 1 to 64 letters, digits,
    /// dots, dashes and underscores.
    #[must_use]
    pub fn slot(self, name: impl Into<String>) -> Edit {
        Edit { slot: Some(name.into()), ..self }
    }

    /// The comment that is answered, or that the reaction is for.
    #[must_use]
    pub fn reply_to(self, comment: impl Into<String>) -> Edit {
        Edit { reply_to: Some(comment.into()), ..self }
    }

    /// Adds a reaction: `eyes`, `+1`, `-1`, `rocket`, `confused`, `heart`, `hooray`, `laugh`.
    #[must_use]
    pub fn reaction(self, word: impl Into<String>) -> Edit {
        Edit { reaction: Some(word.into()), ..self }
    }

    /// Adds a label; one that the repository does not have is made.
    #[must_use]
    pub fn add_label(mut self, name: impl Into<String>) -> Edit {
        self.add_labels.push(name.into());
        self
    }

    /// Takes a label off, if it is there.
    #[must_use]
    pub fn remove_label(mut self, name: impl Into<String>) -> Edit {
        self.remove_labels.push(name.into());
        self
    }

    /// Assigns somebody by login; `@me` is the account that agentd works as.
    #[must_use]
    pub fn assign(self, login: impl Into<String>) -> Edit {
        self.with_login(ADD_ASSIGNEES, login.into())
    }

    /// Takes an assignee off, if there is one by that login.
    #[must_use]
    pub fn unassign(self, login: impl Into<String>) -> Edit {
        self.with_login(REMOVE_ASSIGNEES, login.into())
    }

    fn with_login(mut self, key: &str, login: String) -> Edit {
        let place = self.extra.iter().position(|it| it.0 == key).unwrap_or_else(|| {
            self.extra.push((key.into(), "[]".into()));
            self.extra.len() - 1
        });
        let value = &mut self.extra[place].1;
        let mut logins: Vec<String> = serde_json::from_str(value).unwrap_or_default();
        logins.push(login);
        *value = serde_json::Value::from(logins).to_string();
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edit_says_what_was_said() {
        let thread = Thread::new("acme/shop", 3);
        let edit = Edit::on(thread.clone())
            .comment("Works on it.")
            .slot("progress")
            .reply_to("7")
            .reaction("eyes")
            .add_label("a")
            .add_label("b")
            .remove_label("c")
            .assign("@me")
            .assign("an\"n")
            .unassign("bob");
        let expected = Edit {
            thread,
            comment: Some("Works on it.".into()),
            slot: Some("progress".into()),
            reply_to: Some("7".into()),
            reaction: Some("eyes".into()),
            add_labels: vec!["a".into(), "b".into()],
            remove_labels: vec!["c".into()],
            extra: vec![
                ("add-assignees".into(), r#"["@me","an\"n"]"#.into()),
                ("remove-assignees".into(), r#"["bob"]"#.into()),
            ],
        };
        assert_eq!(edit, expected);
        assert_eq!(Edit::on(Thread::default()), Edit::default());
    }
}
