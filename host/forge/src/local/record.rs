//! Changes as git objects: the reference `refs/agentd/changes/NUMBER` names a blob, which is the change as JSON.
//!
//! Numbers begin at 1 and leave no gap, so that two who look for a change, find none and make one, want the same
//! number: only one of them gets it, and the other looks again. A record is written by compare-and-swap of its
//! reference, and never deleted.

use super::{LocalForge, branch::TRIES};
use crate::{Change, Comment, Error, NewChange, forge::State};
use serde::{Deserialize, Serialize};

const FOLDER: &str = "refs/agentd/changes/";
/// The largest record, in bytes.
const RECORD_MAX: usize = 4 << 20;

/// A change as it was written down.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) change: Change,
    key: String,
    /// The blob, for compare-and-swap.
    object: String,
}

/// What stands in the blob.
#[derive(Serialize, Deserialize)]
struct Written {
    key: String,
    #[serde(flatten)]
    change: Change,
}

impl LocalForge {
    pub(super) async fn record(&self, number: u32) -> Result<Option<Record>, Error> {
        let Some(object) = self.reference(&reference(number)).await? else { return Ok(None) };
        let text = self.git.ok(&["cat-file", "blob", &object]).await?;
        read(number, object, text.as_bytes()).map(Some)
    }

    /// All records in the order of their numbers, with two processes however many they are.
    pub(super) async fn records(&self) -> Result<Vec<Record>, Error> {
        let format = "--format=%(refname:lstrip=3) %(objectname)";
        let list = self.git.ok(&["for-each-ref", format, FOLDER]).await?;
        let mut named: Vec<(u32, &str)> = list
            .lines()
            .filter_map(|line| line.split_once(' '))
            .filter_map(|(number, object)| Some((number.parse().ok()?, object)))
            .collect();
        named.sort_unstable();
        let wanted: String = named.iter().map(|(_, object)| format!("{object}\n")).collect();
        let answer = self.git.output(&["cat-file", "--batch"], wanted.as_bytes()).await?;
        let mut rest = answer.stdout.as_slice();
        named.into_iter().map(|(number, object)| read(number, object.to_owned(), entry(number, &mut rest)?)).collect()
    }

    /// Finds the change by its key, then an open one for the same branch and base, or makes it. What is found open gets
    /// the new texts, and is the change of the new key from then on.
    pub(super) async fn open_record(&self, new: NewChange) -> Result<Record, Error> {
        for _ in 0..TRIES {
            let mut records = self.records().await?;
            if let Some(at) = records.iter().position(|it| it.key == new.key) {
                return self.renew(records.swap_remove(at), &new).await;
            }
            let number = records.last().map_or(1, |it| it.change.number + 1);
            for record in records.into_iter().filter(|it| it.is_for(&new)) {
                // It may have been merged by hand.
                if self.as_of_now(record.clone()).await?.state == State::Open {
                    return self.renew(record, &new).await;
                }
            }
            let change = self.new_change(number, &new).await?;
            if let Some(record) = self.write(change, new.key.clone(), None).await? {
                return Ok(record);
            }
        }
        Err(Error::Contended { what: "the list of changes".into(), tries: TRIES })
    }

    /// Brings an open change up to date. What has ended stays as it was.
    async fn renew(&self, record: Record, new: &NewChange) -> Result<Record, Error> {
        if self.as_of_now(record.clone()).await?.state != State::Open {
            return Ok(record);
        }
        self.edit_record(record.change.number, |key, change| {
            if change.state == State::Open {
                new.key.clone_into(key);
                new.title.clone_into(&mut change.title);
                new.body.clone_into(&mut change.body);
            }
        })
        .await
    }

    async fn new_change(&self, number: u32, new: &NewChange) -> Result<Change, Error> {
        let commit = self.tip(&new.branch).await?.ok_or_else(|| self.no_branch(&new.branch))?;
        let base = self.tip(&new.base).await?.ok_or_else(|| self.no_branch(&new.base))?;
        if self.is_ancestor(&commit, &base).await? {
            return Err(Error::NothingNew { branch: new.branch.clone(), base: new.base.clone() });
        }
        let NewChange { branch, base, title, body, key: _, draft } = new.clone();
        let (state, url, merged_as, comments) = (State::Open, None, None, Vec::new());
        let review_requested = false;
        Ok(Change {
            number,
            title,
            body,
            branch,
            base,
            commit,
            state,
            url,
            merged_as,
            comments,
            draft,
            review_requested,
        })
    }

    pub(super) async fn comment_record(&self, number: u32, body: &str, key: &str) -> Result<(), Error> {
        self.edit(number, |change| {
            if !change.comments.iter().any(|it| it.key == key) {
                change.comments.push(Comment { key: key.into(), body: body.into() });
            }
        })
        .await?;
        Ok(())
    }

    /// Notes where an open change's branch is now, for the time when the branch is gone.
    pub(super) async fn branch_moved(&self, branch: &str, commit: &str) -> Result<(), Error> {
        for record in self.records().await? {
            if record.change.branch == branch && record.change.state == State::Open {
                self.edit(record.change.number, |change| {
                    if change.state == State::Open {
                        commit.clone_into(&mut change.commit);
                    }
                })
                .await?;
            }
        }
        Ok(())
    }

    /// Writes down how a change ended. What has ended already stays as it ended.
    pub(super) async fn settle(&self, ended: &Change) -> Result<Change, Error> {
        self.edit(ended.number, |change| {
            if change.state == State::Open {
                change.state = ended.state;
                change.commit.clone_from(&ended.commit);
                change.merged_as.clone_from(&ended.merged_as);
            }
        })
        .await
    }

    /// The change as it is now: an open one's branch may have moved, or people may have merged it by themselves.
    pub(super) async fn as_of_now(&self, record: Record) -> Result<Change, Error> {
        let mut change = record.change;
        if change.state != State::Open {
            return Ok(change);
        }
        if let Some(tip) = self.tip(&change.branch).await? {
            change.commit = tip;
        }
        let Some(base) = self.tip(&change.base).await? else { return Ok(change) };
        if self.exists(&change.commit).await? && self.is_ancestor(&change.commit, &base).await? {
            change.merged_as = Some(self.brought_in_by(&change.commit, &base).await?);
            change.state = State::Merged;
        }
        Ok(change)
    }

    /// The branch may be gone, and its commit with it.
    async fn exists(&self, commit: &str) -> Result<bool, Error> {
        Ok(self.git.run(&["cat-file", "-e", commit]).await?.success())
    }

    /// The first commit of the base's own line that has `commit` in it.
    async fn brought_in_by(&self, commit: &str, base: &str) -> Result<String, Error> {
        let range = format!("{commit}..{base}");
        let args = ["rev-list", "--first-parent", "--ancestry-path", "--reverse", &range];
        let list = self.git.ok(&args).await?;
        Ok(list.lines().next().unwrap_or(commit).to_owned())
    }

    /// Changes what is recorded of a change.
    async fn edit(&self, number: u32, edit: impl Fn(&mut Change)) -> Result<Change, Error> {
        Ok(self.edit_record(number, |_, change| edit(change)).await?.change)
    }

    /// Changes a record, again from what is there now if somebody else was quicker.
    async fn edit_record(&self, number: u32, edit: impl Fn(&mut String, &mut Change)) -> Result<Record, Error> {
        for _ in 0..TRIES {
            let record = self.record(number).await?.ok_or(Error::NoChange(number))?;
            let (mut key, mut change) = (record.key.clone(), record.change.clone());
            edit(&mut key, &mut change);
            if key == record.key && change == record.change {
                return Ok(record);
            }
            if let Some(written) = self.write(change, key, Some(&record.object)).await? {
                return Ok(written);
            }
        }
        Err(Error::Contended { what: format!("the record of change {number}"), tries: TRIES })
    }

    /// `None`: the record is not, or no longer, `old`.
    async fn write(&self, change: Change, key: String, old: Option<&str>) -> Result<Option<Record>, Error> {
        let number = change.number;
        let written = Written { key, change };
        let text = serde_json::to_vec_pretty(&written).map_err(|error| bad(number, error.to_string()))?;
        if text.len() > RECORD_MAX {
            let why = format!("change {number} and all that was said about it would be {} bytes", text.len());
            return Err(Error::Invalid { what: "the text", why: format!("{why}, and {RECORD_MAX} are kept") });
        }
        let object = self.git.ok_with(&["hash-object", "-w", "--stdin"], &text).await?;
        let Written { key, change } = written;
        let swapped = self.swap(&reference(number), &object, old).await?;
        Ok(swapped.then_some(Record { change, key, object }))
    }
}

impl Record {
    fn is_for(&self, new: &NewChange) -> bool {
        let Change { branch, base, state, .. } = &self.change;
        *state == State::Open && *branch == new.branch && *base == new.base
    }
}

fn read(number: u32, object: String, text: &[u8]) -> Result<Record, Error> {
    let Written { key, change } = serde_json::from_slice(text).map_err(|error| bad(number, error.to_string()))?;
    if change.number != number {
        return Err(bad(number, format!("it says that it is change {}", change.number)));
    }
    Ok(Record { change, key, object })
}

/// Takes one answer of `git cat-file --batch`: a line `OBJECT blob SIZE`, and as many bytes and a line break.
fn entry<'a>(number: u32, rest: &mut &'a [u8]) -> Result<&'a [u8], Error> {
    let broken = || bad(number, "git gave no blob for it".into());
    let end = rest.iter().position(|byte| *byte == b'\n').ok_or_else(broken)?;
    let line = String::from_utf8_lossy(&rest[..end]);
    let size = line.split_once(" blob ").and_then(|(_, size)| size.parse::<usize>().ok()).ok_or_else(broken)?;
    let (from, to) = (end + 1, end + 1 + size);
    let text = rest.get(from..to).ok_or_else(broken)?;
    *rest = rest.get(to + 1..).unwrap_or_default();
    Ok(text)
}

fn reference(number: u32) -> String {
    format!("{FOLDER}{number}")
}

fn bad(number: u32, why: String) -> Error {
    Error::Record { number, reference: reference(number), why }
}
