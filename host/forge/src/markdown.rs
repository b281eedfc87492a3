//! Tames text of agents and of other people before it is posted under agentd's name.
//!
//! What GitHub would act upon is taken out: images (an address that is loaded carries secrets away), tags that load,
//! hide or ask, comments (nobody may forge agentd's markers), `@mentions`, words that close issues, commands to agentd,
//! and characters that make text look different from what it is. Mentions and closing words in code stay: GitHub acts
//! upon none of them there.
//!
//! - Taming is repeated until nothing changes, so that what one removal puts together is found by the next, and taming
//!   twice is taming once. A text that does not come to rest is shown as code, whole.
//! - What is code is for the parser of Markdown to say; everything else is looked at as it is written, wherever it
//!   stands, so that a disagreement about Markdown between the parser and GitHub hides nothing but code.
//! - Never judges what a text says, and never looks for secrets: that is the verify step's.

mod code;
mod plain;
mod tags;

#[cfg(test)]
mod tests;

/// More rounds than any honest text needs.
const ROUNDS_MAX: usize = 12;
/// The length of a title, in characters.
const LINE_MAX: usize = 256;

/// Markdown that may be posted: a comment, or the body of a pull request.
///
/// Fences and tags that the text leaves open are closed, so that what is put below it is not swallowed.
#[must_use]
pub fn tame(text: &str) -> String {
    let round = |text: &str| tags::balanced(&code::closed(&once(&code::without_images(text))));
    settled(plain::visible(text), round).unwrap_or_else(|text| code::fenced(&plain::without_markers(&text)))
}

/// What people see of a text: without comments, and without characters that nobody sees. For what somebody has looked at
/// before it is acted upon; it may not be posted.
#[must_use]
pub fn seen(text: &str) -> String {
    let text = plain::visible(text);
    let code = code::places(&text);
    let (mut kept, mut from, mut at) = (String::with_capacity(text.len()), 0, 0);
    while let Some(start) = text[at..].find("<!--").map(|it| at + it) {
        if let Some(place) = code.iter().find(|it| it.contains(&start)) {
            at = place.end;
            continue;
        }
        kept.push_str(&text[from..start]);
        // `<!-->` is whole. Without an end it goes on to that of the text.
        from = text[start + 2..].find("-->").map_or(text.len(), |it| start + 2 + it + 3);
        at = from;
    }
    kept.push_str(&text[from..]);
    kept
}

/// One line that may be a title: at most 256 characters, without a line break.
///
/// A title becomes a commit message where changes are squashed, and code protects nothing there.
#[must_use]
pub fn tame_line(text: &str) -> String {
    let line = plain::visible(text).split_whitespace().collect::<Vec<_>>().join(" ");
    // What it takes more rounds for than there are is nothing that anybody says.
    let line = settled(line, |line| plain::tamed(&plain::without_comments(line))).unwrap_or_default();
    let cut = line.char_indices().nth(LINE_MAX).map_or(line.len(), |(at, _)| at);
    line[..cut].trim().to_owned()
}

/// A commit's message that may be pushed: no mentions, no closing words (code protects neither), no word that keeps CI
/// from running, and no trailer that names somebody as an author.
#[must_use]
pub fn tame_commit(message: &str) -> String {
    let round = |message: &str| {
        let message = plain::without_trailers(&plain::without_skips(&plain::without_comments(message)));
        plain::tamed(&message).trim().to_owned()
    };
    settled(plain::visible(message), round).unwrap_or_default()
}

/// The text after as many rounds as change it; the other way, if it does not come to rest.
fn settled(mut text: String, round: impl Fn(&str) -> String) -> Result<String, String> {
    for _ in 0..ROUNDS_MAX {
        let next = round(&text);
        if next == text {
            return Ok(text);
        }
        text = next;
    }
    Err(text)
}

/// One round over everything that is not code.
fn once(text: &str) -> String {
    let mut tamed = String::with_capacity(text.len());
    let mut from = 0;
    for code in code::places(text) {
        tamed.push_str(&prose(&text[from..code.start]));
        tamed.push_str(&plain::without_markers(&text[code.clone()]));
        from = code.end;
    }
    tamed.push_str(&prose(&text[from..]));
    tamed
}

/// What stands between code.
fn prose(text: &str) -> String {
    plain::tamed(&plain::without_commands(&tags::without(&plain::without_references(text))))
}
