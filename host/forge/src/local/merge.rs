//! Merging a change into its base without a work tree.

use super::{
    LocalForge,
    branch::{TRIES, last_line},
};
use crate::{Author, Change, Error, forge::State, name::check_commit};

impl LocalForge {
    pub(super) async fn merge_change(&self, number: u32, commit: &str, author: &Author) -> Result<Change, Error> {
        check_commit(commit)?;
        check_author(author)?;
        for _ in 0..TRIES {
            let record = self.record(number).await?.ok_or(Error::NoChange(number))?;
            let change = self.as_of_now(record).await?;
            match change.state {
                State::Closed => return Err(Error::NotOpen { number, state: State::Closed }),
                State::Merged if change.commit == commit => return self.settle(&change).await,
                State::Merged => return Err(moved(&change, commit, Some(change.commit.clone()))),
                State::Open => {}
            }
            let tip = self.tip(&change.branch).await?;
            if tip.as_deref() != Some(commit) {
                return Err(moved(&change, commit, tip));
            }
            if let Some(merged) = self.try_merge(&change, author).await? {
                return self.settle(&merged).await;
            }
        }
        Err(Error::Contended { what: format!("the base of change {number}"), tries: TRIES })
    }

    /// `None`: the base moved meanwhile, or has the change by now: look again.
    async fn try_merge(&self, change: &Change, author: &Author) -> Result<Option<Change>, Error> {
        let Change { number, branch, base, commit, .. } = change;
        let hint = format!("git merge {branch}");
        self.refuse_checked_out(base, &format!("run `{hint}` there; agentd sees it")).await?;
        let before = self.tip(base).await?.ok_or_else(|| self.no_branch(base))?;
        // This very value is what the merge is made on: what was seen earlier may be older.
        if self.is_ancestor(commit, &before).await? {
            return Ok(None);
        }
        let tree = self.merged_tree(*number, base, &before, commit).await?;
        let message = format!("Merge change {number}: {}\n\nBranch: {branch}\n", first_line(&change.title));
        let git = self.git.with(|options| {
            options.env.push(("GIT_AUTHOR_NAME".into(), author.name.clone()));
            options.env.push(("GIT_AUTHOR_EMAIL".into(), author.email.clone()));
        });
        let args = ["commit-tree", tree.as_str(), "-p", before.as_str(), "-p", commit.as_str()];
        let merged_as = git.ok_with(&args, message.as_bytes()).await?;
        let swapped = self.swap(&format!("refs/heads/{base}"), &merged_as, Some(&before)).await?;
        Ok(swapped.then(|| Change { state: State::Merged, merged_as: Some(merged_as), ..change.clone() }))
    }

    async fn merged_tree(&self, number: u32, base: &str, before: &str, commit: &str) -> Result<String, Error> {
        let args = ["merge-tree", "--write-tree", "--no-messages", "--name-only", "-z", before, commit];
        let output = self.git.run(&args).await?;
        let mut parts = output.stdout.split(|byte| *byte == 0).map(last_line).filter(|it| !it.is_empty());
        match (output.code, parts.next()) {
            (Some(0), Some(tree)) => Ok(tree),
            (Some(1), Some(_)) => Err(Error::Conflict { number, base: base.into(), files: parts.collect() }),
            _ => Err(self.git.failed("merge-tree", output).into()),
        }
    }
}

fn moved(change: &Change, expected: &str, found: Option<String>) -> Error {
    let Change { number, branch, .. } = change;
    Error::Moved { number: *number, branch: branch.clone(), expected: expected.into(), found }
}

/// git takes neither of these in a name, and would say so about a file that nobody knows.
fn check_author(author: &Author) -> Result<(), Error> {
    let bad = |text: &str| text.trim().is_empty() || text.contains(['<', '>', '\n', '\0']);
    if bad(&author.name) || bad(&author.email) {
        return Err(Error::Invalid {
            what: "the author",
            why: "name or e-mail is empty, or contains `<` or `>`".into(),
        });
    }
    Ok(())
}

fn first_line(title: &str) -> &str {
    title.lines().next().unwrap_or_default()
}
