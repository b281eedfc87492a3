//! Drafts, brought within the limits of all work ([`agentd_task::Draft::check`]) before anybody stores them.
//!
//! What is too long is cut, and a body says so. A draft whose key cannot name a task, that says in no word what it is,
//! or that depends on more than can be waited for, is left out, and the plugin's log says which: with some of its
//! dependencies lost it would start too early.

use crate::state::State;
use crate::wit::log::Level;
use crate::wit::work::{Comment, Draft};

const KEY_BYTES: usize = agentd_task::Draft::KEY_BYTES_MAX;
const TITLE_CHARS: usize = agentd_task::Draft::TITLE_CHARS_MAX;
const BODY_BYTES: usize = agentd_task::Draft::BODY_BYTES_MAX;
const DEPENDS_ON: usize = agentd_task::Draft::DEPENDS_ON_MAX;
const COMMENTS: usize = 100;

/// How many things one answer may hold, and how long a cursor may be.
pub(crate) const ITEMS: usize = 1_000;
pub(crate) const CURSOR_BYTES: usize = 64 << 10;

/// Whether a key can name work for ever.
pub(crate) fn has_key(state: &State, key: &str) -> bool {
    let fits = (1..=KEY_BYTES).contains(&key.len()) && !key.contains(char::is_control);
    if !fits {
        let message = format!(
            "an item was left out: its key must have 1 to {KEY_BYTES} bytes and no control characters, it has {} bytes",
            key.len()
        );
        state.output.log(Level::Warn, &message, vec![]);
    }
    fits
}

/// Cuts what is too long, and says whether the rest is work.
pub(crate) fn fit(state: &State, draft: &mut Draft) -> bool {
    draft.title = draft.title.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((end, _)) = draft.title.char_indices().nth(TITLE_CHARS) {
        draft.title.truncate(end);
    }
    cut(&mut draft.body);
    draft.repository.take_if(|it| it.is_empty());
    let over = draft.comments.len().saturating_sub(COMMENTS);
    draft.comments.drain(..over);
    draft.comments.iter_mut().for_each(fit_comment);
    has_key(state, &draft.key) && is_whole(state, draft)
}

fn is_whole(state: &State, draft: &Draft) -> bool {
    let what = match draft.depends_on.len() {
        _ if draft.title.is_empty() => "it has no title".to_owned(),
        others if others > DEPENDS_ON => format!("it depends on {others} others, and {DEPENDS_ON} are allowed"),
        _ => return true,
    };
    state.output.log(Level::Warn, &format!("the item {:?} was left out: {what}", draft.key), vec![]);
    false
}

pub(crate) fn check_cursor(cursor: Option<&String>) -> Result<(), String> {
    match cursor.map(String::len) {
        Some(size) if size > CURSOR_BYTES => {
            Err(format!("the cursor is {size} bytes long, and {CURSOR_BYTES} are allowed"))
        }
        _ => Ok(()),
    }
}

pub(crate) fn fit_comment(comment: &mut Comment) {
    cut(&mut comment.body);
}

/// With what it says about the cut, the text is as long as is allowed.
fn cut(body: &mut String) {
    if body.len() > BODY_BYTES {
        let note = format!("\n\n(agentd cut this text: it is {} bytes long, and {BODY_BYTES} are kept.)", body.len());
        body.truncate(body.floor_char_boundary(BODY_BYTES - note.len()));
        body.push_str(&note);
    }
}
