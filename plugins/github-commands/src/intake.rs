//! Finds commands by asking the forge: for work ([`poll`]), and for orders about tasks ([`feedback`]).
//!
//! Each begins at the moment when it is first asked: what people wrote before is no business of agentd's. Both read a
//! little of what they have read before, since lists of a forge may lag; the same comment gives the same answer. What
//! was asked on an issue is remembered (`asked/KEY`), so that only newer commands make a difference.
//!
//! - Never looks at a comment twice to another end: work and orders are kept apart here, and told apart in [`order`].

use crate::Settings;
use crate::command::Command;
use crate::order::{self, Asked};
use crate::world::World;
use agentd_sdk::host::forge::{CommentQuery, Issue, IssueOrder, IssueQuery};
use agentd_sdk::task_source::{Comment, FeedbackPage, Intake, Item, Withdrawal};
use agentd_sdk::{Error, Timestamp, log};
use std::collections::BTreeMap;

/// How much is read again each time.
const OVERLAP_MS: u64 = 60_000;
/// Orders are not carried out when they are older than this: nobody expects it any more.
const OLD_MS: u64 = 86_400_000;
/// How many pages of 100 one call reads.
const PAGES: usize = 9;

/// Finds work; `cursor`: up to which moment it has looked.
pub(crate) fn poll(world: &impl World, settings: &Settings, cursor: Option<&str>) -> Result<Intake, Error> {
    let Some(place) = Place::parse(cursor) else {
        return Ok(Intake { cursor: Some(world.now().to_string()), ..Intake::default() });
    };
    let read = comments(world, &place)?;
    // By issue, the newest of what was asked there.
    let mut asked: BTreeMap<(String, u32), Asked> = BTreeMap::new();
    for comment in &read.comments {
        let Some(Command::Work(instruction)) = order::command(settings, comment) else { continue };
        let Some(thread) = comment.thread.as_ref().filter(|_| is_on_pull_request(comment) != Some(true)) else {
            continue;
        };
        let new = Asked {
            by: comment.author.clone(),
            at: comment.created_at,
            comment: Some(comment.id.clone()),
            instruction,
        };
        asked.insert((thread.repository.clone(), thread.number), new);
    }
    let mut items = vec![];
    for ((repository, number), asked) in asked {
        match world.issue(&repository, number) {
            Ok(issue) => items.extend(work(world, &issue, &asked)?),
            // A pull request after all, or gone by now.
            Err(Error::NotFound(_)) => (),
            Err(error) => return Err(error),
        }
    }
    if !read.more {
        items.extend(opened_and_closed(world, settings, place.since)?);
    }
    Ok(Intake { items, cursor: Some(read.next), more: read.more, ..Intake::default() })
}

/// Finds orders about tasks; `cursor` as in [`poll`].
pub(crate) fn feedback(world: &impl World, settings: &Settings, cursor: Option<&str>) -> Result<FeedbackPage, Error> {
    let now = world.now();
    let Some(mut place) = Place::parse(cursor) else {
        return Ok(FeedbackPage { cursor: Some(now.to_string()), ..FeedbackPage::default() });
    };
    place.since = place.since.max(now.saturating_sub(OLD_MS));
    let read = comments(world, &place)?;
    let mut remarks = vec![];
    for comment in &read.comments {
        let Some(command) = order::command(settings, comment) else { continue };
        let on_pull_request = match (&command, is_on_pull_request(comment)) {
            (_, Some(known)) => known,
            (Command::Order { .. }, None) => false, // it makes no difference
            (Command::Work(_), None) => is_no_issue(world, comment)?,
        };
        remarks.extend(order::remark(comment, &command, on_pull_request));
    }
    Ok(FeedbackPage { remarks, cursor: Some(read.next), more: read.more, extra: vec![] })
}

/// Where a call goes on: `SINCE`, or `SINCE UNTIL PAGE` in the middle of a reading that began at UNTIL.
#[derive(Debug, PartialEq)]
struct Place {
    since: Timestamp,
    page: Option<(Timestamp, String)>,
}

impl Place {
    fn parse(cursor: Option<&str>) -> Option<Place> {
        let mut words = cursor?.splitn(3, ' ');
        let since = words.next()?.parse().ok()?;
        let page = words.next().and_then(|it| it.parse().ok()).zip(words.next().map(str::to_owned));
        Some(Place { since, page })
    }
}

/// Comments, the longest unchanged first.
struct Read {
    comments: Vec<Comment>,
    /// Where the next call goes on.
    next: String,
    more: bool,
}

fn comments(world: &impl World, place: &Place) -> Result<Read, Error> {
    let since = place.since;
    let (until, page) = match &place.page {
        Some((until, page)) => (*until, Some(page.clone())),
        None => (world.now().max(since), None),
    };
    let mut comments = vec![];
    let mut query = CommentQuery {
        changed_since: Some(since.saturating_sub(OVERLAP_MS)),
        cursor: page,
        limit: 100,
        ..CommentQuery::default()
    };
    for _ in 0..PAGES {
        let page = match world.comments(&query) {
            // The other side forgot where it was: begin anew.
            Err(Error::Invalid(_) | Error::NotFound(_)) if place.page.is_some() && comments.is_empty() => {
                return self::comments(world, &Place { since, page: None });
            }
            other => other?,
        };
        comments.extend(page.comments);
        query.cursor = page.next;
        if query.cursor.is_none() {
            return Ok(Read { comments, next: until.to_string(), more: false });
        }
    }
    let page = query.cursor.unwrap_or_default();
    Ok(Read { comments, next: format!("{since} {until} {page}"), more: true })
}

/// By its address; none: that does not say.
fn is_on_pull_request(comment: &Comment) -> Option<bool> {
    let url = comment.url.as_deref()?;
    match (url.contains("/pull/"), url.contains("/issues/")) {
        (true, false) => Some(true),
        (false, true) => Some(false),
        _ => None,
    }
}

fn is_no_issue(world: &impl World, comment: &Comment) -> Result<bool, Error> {
    let Some(thread) = &comment.thread else { return Ok(false) };
    match world.issue(&thread.repository, thread.number) {
        Ok(_) => Ok(false),
        Err(Error::NotFound(_)) => Ok(true),
        Err(error) => Err(error),
    }
}

/// The work, if this is the newest that was asked on an open issue.
pub(crate) fn work(world: &impl World, issue: &Issue, asked: &Asked) -> Result<Option<Item>, Error> {
    let key = order::key(&issue.repository, issue.number);
    if issue.state != "open" {
        let fields = [("repository", issue.repository.as_str()), ("issue", &issue.number.to_string())];
        log::info(format!("{key} is closed: what {} asked for there is no work", asked.by.login), &fields);
        return Ok(None);
    }
    let place = self::place(&key);
    let mark = Mark { at: asked.at, comment: asked.comment.clone() };
    if Mark::read(world, &place)?.is_some_and(|before| before.at > mark.at || before == mark) {
        return Ok(None);
    }
    let text = serde_json::to_string(&mark).map_err(|error| Error::Other(format!("noting {key}: {error}")))?;
    world.set(&place, &text)?;
    Ok(Some(Item::Work(order::draft(issue, asked))))
}

/// Issues that ask for work by themselves, and those that are closed since.
fn opened_and_closed(world: &impl World, settings: &Settings, since: Timestamp) -> Result<Vec<Item>, Error> {
    let since = since.saturating_sub(OVERLAP_MS);
    let mut items = vec![];
    let mut query = IssueQuery {
        state: "all".into(),
        changed_since: Some(since),
        order: IssueOrder::Freshest,
        limit: 100,
        ..IssueQuery::default()
    };
    for _ in 0..PAGES {
        let page = world.issues(&query)?;
        for issue in &page.issues {
            if issue.state == "open" && issue.created_at >= since {
                if let Some(asked) = order::asked_by_opening(settings, issue) {
                    items.extend(work(world, issue, &asked)?);
                }
            } else if issue.state != "open" {
                items.extend(closed(world, issue)?);
            }
        }
        query.cursor = page.next;
        if query.cursor.is_none() {
            break;
        }
    }
    Ok(items)
}

fn closed(world: &impl World, issue: &Issue) -> Result<Option<Item>, Error> {
    let key = order::key(&issue.repository, issue.number);
    if world.get(&place(&key))?.is_none() {
        return Ok(None);
    }
    world.remove(&place(&key))?;
    let why = if issue.state_reason.is_empty() {
        String::new()
    } else {
        format!(" as {}", issue.state_reason.replace('-', " "))
    };
    Ok(Some(Item::Withdrawn(Withdrawal { key, reason: format!("closed{why}"), extra: vec![] })))
}

/// What was asked last on an issue.
#[derive(serde::Serialize, serde::Deserialize, Clone, Debug, PartialEq)]
pub(crate) struct Mark {
    pub(crate) at: Timestamp,
    /// The comment that asked; none: the issue itself did.
    pub(crate) comment: Option<String>,
}

impl Mark {
    pub(crate) fn read(world: &impl World, place: &str) -> Result<Option<Mark>, Error> {
        Ok(world.get(place)?.and_then(|it| serde_json::from_str(&it).ok()))
    }
}

pub(crate) fn place(key: &str) -> String {
    format!("asked/{key}")
}

#[cfg(test)]
mod tests;
