//! Edits: what of them an entry may have written, before anybody carries them out.
//!
//! What is not granted, not of the entry's repositories, or beyond the contract's limits is dropped, part by part, and
//! each part with a sentence that says what would allow it. What is left can be stored and done as it stands.
//!
//! - Never looks at the meaning of a text: whoever sends it makes it harmless for the forge in question.

use crate::entry::Entry;
use crate::error::readable;
use crate::grants::Rights;
use crate::wit::work::Edit;
use std::collections::BTreeSet;

/// Edits of one answer.
const EDITS: usize = 50;
const COMMENT_BYTES: usize = 60_000;
const SLOT_BYTES: usize = 64;
const ID_BYTES: usize = 256;
/// Labels of one edit, to add or to take off; and how long the forges let one be.
const LABELS: usize = 20;
const LABEL_CHARS: usize = 50;
const ASSIGNEES: usize = 10;
const LOGIN_BYTES: usize = 100;
const REACTIONS: [&str; 8] = ["eyes", "+1", "-1", "rocket", "confused", "heart", "hooray", "laugh"];

/// The keys of an edit's `extra` that hold logins.
const ADD_ASSIGNEES: &str = "add-assignees";
const REMOVE_ASSIGNEES: &str = "remove-assignees";

impl Entry {
    /// What of these edits the entry may have written, and a sentence for each thing that was dropped or cut: which,
    /// why, and what would allow it. The sentences are for the plugin's log.
    #[must_use]
    pub fn screen_edits(&self, edits: Vec<Edit>) -> (Vec<Edit>, Vec<String>) {
        match self.face() {
            Ok(face) => screen(&face.caller.rights, edits),
            Err(gone) => (vec![], vec![format!("{} edits were dropped: {gone}", edits.len())]),
        }
    }
}

/// The logins that a screened edit assigns, and those that it takes off; `@me` is the account agentd works as.
#[must_use]
pub fn assignees(edit: &Edit) -> (Vec<String>, Vec<String>) {
    let value = |key| edit.extra.iter().find(|it| it.0 == key).map_or("[]", |it| it.1.as_str());
    let logins = |key| serde_json::from_str(value(key)).unwrap_or_default();
    (logins(ADD_ASSIGNEES), logins(REMOVE_ASSIGNEES))
}

pub(crate) fn screen(rights: &Rights, mut edits: Vec<Edit>) -> (Vec<Edit>, Vec<String>) {
    let mut dropped = vec![];
    let over = edits.len().saturating_sub(EDITS);
    if over > 0 {
        edits.truncate(EDITS);
        dropped.push(format!("{over} edits were dropped: one answer may hold {EDITS}"));
    }
    edits.retain_mut(|edit| {
        let place = format!("{}#{}", readable(&edit.thread.repository.replace('\n', " "), 128), edit.thread.number);
        let mut screen = Screen { rights, place, dropped: &mut dropped };
        screen.keep_allowed(edit);
        !is_empty(edit)
    });
    (edits, dropped)
}

fn is_empty(edit: &Edit) -> bool {
    let extra = edit.extra.iter().any(|(key, _)| key == ADD_ASSIGNEES || key == REMOVE_ASSIGNEES);
    let labels = !edit.add_labels.is_empty() || !edit.remove_labels.is_empty();
    edit.comment.is_none() && edit.reaction.is_none() && !labels && !extra
}

/// One edit's judgement.
struct Screen<'a> {
    rights: &'a Rights,
    /// `acme/shop#3`.
    place: String,
    dropped: &'a mut Vec<String>,
}

impl Screen<'_> {
    fn keep_allowed(&mut self, edit: &mut Edit) {
        let elsewhere = !self.rights.has(&edit.thread.repository);
        if elsewhere || edit.thread.number == 0 {
            let why = match elsewhere {
                true => "the repository is none of the entry's: its section in the configuration has to give it",
                false => "no issue or pull request has the number 0",
            };
            self.drop("what it wants written", why);
            (edit.comment, edit.reaction, edit.add_labels, edit.remove_labels) = (None, None, vec![], vec![]);
            return edit.extra.clear();
        }
        self.comment(edit);
        self.reaction(edit);
        self.labels(edit);
        self.assignees(edit);
    }

    fn comment(&mut self, edit: &mut Edit) {
        let Some(comment) = &mut edit.comment else {
            edit.slot = None;
            return;
        };
        let why = match (self.rights.writes("comment"), &edit.slot) {
            (Err(why), _) => Some(why),
            _ if comment.trim().is_empty() => Some("it is empty".into()),
            (_, Some(slot)) if !is_slot(slot) => {
                Some("its slot is not a name of 1 to 64 letters, digits, dots, dashes and underscores".into())
            }
            _ => None,
        };
        if let Some(why) = why {
            (edit.comment, edit.slot) = (None, None);
            return self.drop("a comment", &why);
        }
        if comment.len() > COMMENT_BYTES {
            let told = format!("\n\n(agentd cut this text: it was {} bytes long.)", comment.len());
            comment.truncate(comment.floor_char_boundary(COMMENT_BYTES - told.len()));
            comment.push_str(&told);
            self.dropped.push(format!("{}: a comment was cut: {COMMENT_BYTES} bytes are allowed", self.place));
        }
    }

    fn reaction(&mut self, edit: &mut Edit) {
        if edit.reply_to.as_ref().is_some_and(|id| !is_id(id)) {
            // Where it belongs to is not known, and on the thread itself it would mean something else.
            edit.reply_to = None;
            if edit.reaction.take().is_some() {
                self.drop("a reaction", "the comment that it is for is named by no id that a comment can have");
            }
        }
        let Some(reaction) = &edit.reaction else { return };
        let why = match self.rights.writes("reaction") {
            Err(why) => why,
            Ok(()) if !REACTIONS.contains(&reaction.as_str()) => {
                "there is no such reaction; the contract lists them".into()
            }
            Ok(()) => return,
        };
        edit.reaction = None;
        self.drop("a reaction", &why);
    }

    fn labels(&mut self, edit: &mut Edit) {
        if edit.add_labels.is_empty() && edit.remove_labels.is_empty() {
            return;
        }
        if let Err(why) = self.rights.writes("label") {
            (edit.add_labels, edit.remove_labels) = (vec![], vec![]);
            return self.drop("a change of labels", &why);
        }
        self.names("a label to add", &mut edit.add_labels, LABELS, is_label);
        // In the order of the contract: what is to be there stays, however often the edit is done.
        // Forges take labels in any case.
        let added: BTreeSet<String> = edit.add_labels.iter().map(|it| it.to_lowercase()).collect();
        edit.remove_labels.retain(|it| !added.contains(&it.to_lowercase()));
        self.names("a label to take off", &mut edit.remove_labels, LABELS, is_label);
    }

    fn assignees(&mut self, edit: &mut Edit) {
        for (key, what) in [(ADD_ASSIGNEES, "an assignee to add"), (REMOVE_ASSIGNEES, "an assignee to take off")] {
            let Some(place) = edit.extra.iter().position(|it| it.0 == key) else { continue };
            let mut left = vec![];
            match (self.rights.writes("label"), serde_json::from_str(&edit.extra[place].1)) {
                (Err(why), _) => self.drop(what, &format!("it counts as the write `label`: {why}")),
                (_, Err(_)) => self.drop(what, "it is no JSON list of logins"),
                (Ok(()), Ok(logins)) => left = logins,
            }
            self.names(what, &mut left, ASSIGNEES, is_login);
            match left.is_empty() {
                true => drop(edit.extra.remove(place)),
                false => edit.extra[place].1 = serde_json::Value::from(left).to_string(),
            }
        }
    }

    /// Keeps what can be a name, each once, and as many as are allowed.
    fn names(&mut self, what: &str, names: &mut Vec<String>, most: usize, fits: fn(&str) -> bool) {
        let mut seen = BTreeSet::new();
        names.retain(|it| seen.insert(it.clone()));
        names.retain(|it| {
            let keep = fits(it);
            if !keep {
                self.drop(what, &format!("`{}` cannot be one", readable(&it.replace('\n', " "), 64)));
            }
            keep
        });
        if names.len() > most {
            self.drop(what, &format!("there are {}, and {most} are allowed in one edit; the first stay", names.len()));
            names.truncate(most);
        }
    }

    fn drop(&mut self, what: &str, why: &str) {
        self.dropped.push(format!("{}: {what} was dropped: {why}", self.place));
    }
}

fn is_slot(slot: &str) -> bool {
    (1..=SLOT_BYTES).contains(&slot.len()) && slot.bytes().all(|it| it.is_ascii_alphanumeric() || b".-_".contains(&it))
}

fn is_id(id: &str) -> bool {
    (1..=ID_BYTES).contains(&id.len()) && !id.contains(char::is_control)
}

fn is_label(label: &str) -> bool {
    let chars = label.chars().count();
    (1..=LABEL_CHARS).contains(&chars) && !label.trim().is_empty() && !label.contains(char::is_control)
}

/// A login as forges have it, `dependabot[bot]` included, or `@me`.
fn is_login(login: &str) -> bool {
    let plain = |it: u8| it.is_ascii_alphanumeric() || b"-_.[]".contains(&it);
    login == "@me" || ((1..=LOGIN_BYTES).contains(&login.len()) && login.bytes().all(plain))
}
