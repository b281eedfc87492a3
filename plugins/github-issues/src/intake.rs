//! One poll: goes through the issues, and looks for those that have gone.
//!
//! What was given once is remembered (`seen/KEY`, with the assignees that people chose), and when the list does not
//! have it any more it is looked up by itself: lists of a forge may lag, and an issue may have been moved. More issues
//! than one answer holds come in parts; what the earlier parts listed stands in `page/N` until the last one is through.
//!
//! - Never withdraws what it could not look at: a repository that does not answer keeps its tasks.
//! - Never lets one repository's trouble hide the others.

use crate::issue::{self, Verdict};
use crate::mark::Mark;
use crate::settings::{Settings, has, same};
use crate::world::World;
use agentd_sdk::host::forge::{Issue, IssueOrder, IssuePage, IssueQuery};
use agentd_sdk::task_source::{Intake, Item, Withdrawal};
use agentd_sdk::{Error, log};
use std::collections::BTreeSet;

/// How many pages one call reads, and after how much text it stops: the host takes 1,000 items and 16 MiB.
const PAGES: usize = 9;
const PAGE: u32 = 100;
const BYTES: usize = 6 << 20;
/// How many issues one poll looks up by themselves.
const LOOKUPS: usize = 50;

const SEEN: &str = "seen/";
const PARTS: &str = "page/";
/// The last issue that was looked up: the next poll goes on behind it.
const LOOKED: &str = "looked";

/// Polls; `cursor`: what the call before left to do.
pub(crate) fn poll(world: &impl World, settings: &Settings, cursor: Option<&str>) -> Result<Intake, Error> {
    let (part, start) = cursor
        .and_then(|it| it.split_once(' '))
        .map_or((0, None), |(part, next)| (part.parse().unwrap_or_default(), Some(next.to_owned())));
    let mut poll = Poll { world, settings, items: vec![], listed: BTreeSet::new(), unread: BTreeSet::new(), bytes: 0 };
    if let Some(next) = poll.list_all(part, start)? {
        return Ok(Intake { items: poll.items, cursor: Some(next), more: true, ..Intake::default() });
    }
    poll.look_for_the_others()?;
    Ok(Intake { items: poll.items, cursor: Some(String::new()), ..Intake::default() })
}

struct Poll<'a, W> {
    world: &'a W,
    settings: &'a Settings,
    items: Vec<Item>,
    /// Keys of the issues that were looked at.
    listed: BTreeSet<String>,
    /// Repositories of which that is not known.
    unread: BTreeSet<String>,
    bytes: usize,
}

impl<W: World> Poll<'_, W> {
    /// Lists issues of all repositories together; gives the cursor if there are more than one answer holds.
    fn list_all(&mut self, part: usize, start: Option<String>) -> Result<Option<String>, Error> {
        let first = match self.list(None, start.clone()) {
            // The other side forgot where it was: begin anew.
            Err(Error::Invalid(_) | Error::NotFound(_) | Error::Conflict(_)) if start.is_some() => {
                return self.list_all(0, None);
            }
            Err(error) if concerns_one(&error) => return self.list_each(error).map(|()| None),
            other => other?,
        };
        if start.is_none() {
            self.forget_parts()?;
        }
        let (mut page, mut read) = (first, 1);
        let next = loop {
            self.take_page(page.issues)?;
            match page.next {
                Some(next) if read == PAGES || self.bytes > BYTES => break Some(next),
                Some(next) => match self.list(None, Some(next)) {
                    Ok(further) => page = further,
                    // The next owner's, of whom one repository fails.
                    Err(error) if concerns_one(&error) => return self.list_each(error).map(|()| None),
                    Err(error) => return Err(error),
                },
                None => break None,
            }
            read += 1;
        };
        match next {
            Some(next) => {
                // As many chunks as fit into one value each, whatever the names are.
                let keys: Vec<&str> = self.listed.iter().map(String::as_str).collect();
                for (index, chunk) in keys.chunks(200).enumerate() {
                    self.world.set(&format!("{PARTS}{part:04}.{index}"), &chunk.join("\n"))?;
                }
                Ok(Some(format!("{} {next}", part + 1)))
            }
            None => {
                self.join_parts()?;
                Ok(None)
            }
        }
    }

    /// Lists issues of each repository by itself, since the list of all fails because of one.
    fn list_each(&mut self, error: Error) -> Result<(), Error> {
        let repositories = self.world.repositories();
        let mut failed = 0;
        for repository in &repositories {
            match self.list_one(repository) {
                Ok(()) => self.tell(repository, None)?,
                Err(error) if concerns_one(&error) => {
                    failed += 1;
                    self.unread.insert(repository.clone());
                    self.tell(repository, Some(&error))?;
                }
                Err(error) => return Err(error),
            }
        }
        if failed == repositories.len() { Err(error) } else { Ok(()) }
    }

    fn list_one(&mut self, repository: &str) -> Result<(), Error> {
        let mut next = None;
        loop {
            let page = self.list(Some(repository), next)?;
            if self.items.len() + page.issues.len() > PAGES * PAGE as usize || self.bytes > BYTES {
                return Err(Error::TooLarge("more open issues than one answer holds".into()));
            }
            self.take_page(page.issues)?;
            next = page.next;
            if next.is_none() {
                return Ok(());
            }
        }
    }

    fn list(&self, repository: Option<&str>, cursor: Option<String>) -> Result<IssuePage, Error> {
        let Settings { assignee, milestone, .. } = self.settings;
        let mut extra = vec![];
        extra.extend(assignee.clone().map(|login| ("assignee".to_owned(), login)));
        extra.extend(milestone.clone().map(|title| ("milestone".to_owned(), title)));
        self.world.list(&IssueQuery {
            repository: repository.map(str::to_owned),
            state: "open".into(),
            labels: self.settings.labels.clone(),
            order: IssueOrder::Oldest, // what comes in while pages are read comes at the end
            cursor,
            limit: PAGE,
            extra,
            ..IssueQuery::default()
        })
    }

    fn take_page(&mut self, issues: Vec<Issue>) -> Result<(), Error> {
        issues.iter().try_for_each(|issue| self.take(issue))
    }

    /// Makes of an issue what it is: work, work no longer, or nothing.
    fn take(&mut self, issue: &Issue) -> Result<(), Error> {
        let key = issue::key(&issue.repository, issue.number);
        if !self.listed.insert(key.clone()) {
            return Ok(());
        }
        let place = format!("{SEEN}{key}");
        let before = self.world.get(&place)?;
        let mark = match issue::bears_own_label(self.settings, issue) {
            true => Mark::read(self.world, &key)?,
            false => Mark::default(),
        };
        match issue::judge(self.settings, issue, before.is_some(), &mark) {
            Verdict::Work => {
                let assignees = issue::assignees(self.settings, issue, before.as_deref());
                let value = assignees.join(",");
                if before.as_ref() != Some(&value) {
                    self.world.set(&place, &value)?;
                }
                self.bytes += issue.body.len();
                self.items.push(Item::Work(issue::draft(self.settings, issue, &assignees)));
            }
            Verdict::Held => (),
            Verdict::Taken => {
                let fields = [("repository", issue.repository.as_str()), ("issue", &issue.number.to_string())];
                log::debug(format!("{key} is left alone: somebody else works on it"), &fields);
            }
            Verdict::Not(reason) if before.is_some() => self.withdraw(key, reason)?,
            Verdict::Not(_) => (),
        }
        Ok(())
    }

    fn withdraw(&mut self, key: String, reason: String) -> Result<(), Error> {
        self.world.remove(&format!("{SEEN}{key}"))?;
        self.items.push(Item::Withdrawn(Withdrawal { key, reason, extra: vec![] }));
        Ok(())
    }

    /// Looks up what was given once and is not in the list: a few at a time, in turn.
    fn look_for_the_others(&mut self) -> Result<(), Error> {
        let mut gone: Vec<String> = self.keys(SEEN)?.into_iter().map(|it| it[SEEN.len()..].to_owned()).collect();
        gone.retain(|key| !self.listed.contains(key));
        if gone.len() > LOOKUPS {
            let last = self.world.get(LOOKED)?.unwrap_or_default();
            let turn = gone.partition_point(|key| *key <= last) % gone.len();
            gone.rotate_left(turn);
            gone.truncate(LOOKUPS);
            self.world.set(LOOKED, &gone[LOOKUPS - 1])?;
        }
        let mine = self.world.repositories();
        for key in gone {
            let Some((repository, number)) = key.rsplit_once('#') else { continue };
            let Ok(number) = number.parse() else { continue };
            let repository = repository.to_owned();
            if self.unread.contains(&repository) {
                continue;
            }
            if !has(&mine, &repository) {
                self.withdraw(key, format!("{repository} is no longer among the repositories of this source"))?;
                continue;
            }
            match self.world.issue(&repository, number) {
                Ok(issue) if same(&issue.repository, &repository) && issue.number == number => self.take(&issue)?,
                Ok(issue) => {
                    self.withdraw(key, format!("moved to {}", issue::key(&issue.repository, issue.number)))?;
                }
                Err(Error::NotFound(_)) => self.withdraw(key, "deleted, moved, or not to be seen any more".into())?,
                Err(Error::RateLimited(limit)) => {
                    log::info(format!("Issues that are not listed are looked up later: {}", limit.message), &[]);
                    return Ok(());
                }
                Err(error) => {
                    log::warn(format!("{key} cannot be looked up: {}", shown(&error)), &[("repository", &repository)]);
                    self.unread.insert(repository);
                }
            }
        }
        Ok(())
    }

    /// Says a repository's trouble once, and once more when it has changed.
    fn tell(&self, repository: &str, error: Option<&Error>) -> Result<(), Error> {
        let place = format!("trouble/{repository}");
        let before = self.world.get(&place)?;
        match (error.map(shown), before) {
            (Some(now), before) if before.as_ref() != Some(&now) => {
                let fields = [("repository", repository)];
                log::error(format!("The issues of {repository} cannot be listed, the others go on: {now}"), &fields);
                self.world.set(&place, &now)
            }
            (None, Some(_)) => self.world.remove(&place),
            _ => Ok(()),
        }
    }

    /// Takes what the earlier parts of this poll listed.
    fn join_parts(&mut self) -> Result<(), Error> {
        for place in self.keys(PARTS)? {
            let keys = self.world.get(&place)?.unwrap_or_default();
            self.listed.extend(keys.lines().map(str::to_owned));
        }
        self.forget_parts()
    }

    fn forget_parts(&self) -> Result<(), Error> {
        self.keys(PARTS)?.iter().try_for_each(|place| self.world.remove(place))
    }

    fn keys(&self, prefix: &str) -> Result<Vec<String>, Error> {
        let mut all: Vec<String> = vec![];
        loop {
            let keys = self.world.keys(prefix, all.last().map(String::as_str))?;
            if keys.is_empty() {
                return Ok(all);
            }
            all.extend(keys);
        }
    }
}

/// Whether an error may be that of one repository only. A limit, or a forge that does not answer, is everybody's.
fn concerns_one(error: &Error) -> bool {
    match error {
        Error::RateLimited(_) | Error::Unavailable(_) | Error::Unsupported(_) => false,
        Error::Invalid(_) | Error::Denied(_) | Error::NotFound(_) | Error::Conflict(_) => true,
        Error::TooLarge(_) | Error::Other(_) => true,
    }
}

fn shown(error: &Error) -> String {
    match error {
        Error::Invalid(text) | Error::Denied(text) | Error::NotFound(text) | Error::Conflict(text) => text.clone(),
        Error::Unsupported(text) | Error::TooLarge(text) | Error::Unavailable(text) | Error::Other(text) => {
            text.clone()
        }
        Error::RateLimited(limit) => limit.message.clone(),
    }
}

#[cfg(test)]
mod tests;
