//! Who works on a thread: the reference `refs/agentd/claims/NUMBER`, which GitHub creates once and for one.
//!
//! It names a commit that changes nothing, on top of the default branch, whose message says which instance has it and
//! for which task. (One without parents would bring every workflow anew, for which GitHub asks the right to change
//! workflows.) All instances that work on a repository see it, whoever's account they use, and a person removes it where
//! an instance is gone for good.
//! (GitHub's documentation asks of a reference that it begins with `refs/` and has two slashes, and this is all that is
//! assumed: a claim is no branch, so nothing runs for it and nobody is shown it.)
//!
//! - Never removes or overwrites another's claim, however old it is.

use super::{GitHubForge, Written};
use crate::Error;
use http::Method;
use serde::{Deserialize, de::IgnoredAny};
use serde_json::json;

const TITLE: &str = "agentd claim";
/// Between a look and the creation others may come and go.
const TRIES: u32 = 5;

#[derive(Deserialize)]
struct Commit {
    #[serde(default)]
    message: String,
    tree: Tree,
}

#[derive(Deserialize)]
struct Tree {
    sha: String,
}

#[derive(Deserialize)]
struct Made {
    sha: String,
}

/// What a claim's commit says.
#[derive(Debug, Default, PartialEq, Eq)]
struct Claim {
    instance: String,
    task: String,
    /// In milliseconds since 1970.
    at: Option<i64>,
}

impl GitHubForge {
    pub(super) async fn claim_thread(&self, number: u32, task: &str) -> Result<(), Error> {
        let mine = Claim { instance: word(self.instance()), task: word(task), at: Some(self.api().now()) };
        let mut made = None;
        for _ in 0..TRIES {
            if let Some(claim) = self.claimed(number).await? {
                if claim.instance == mine.instance && claim.task == mine.task {
                    return Ok(());
                }
                return Err(self.taken(number, &claim));
            }
            let commit = match &made {
                Some(commit) => commit,
                None => made.insert(self.claim_commit(number, &mine).await?),
            };
            let path = self.path("git/refs");
            let body = json!({ "ref": format!("refs/{}", reference(number)), "sha": commit });
            match self.api().write::<IgnoredAny>(&self.scope(), Method::POST, &path, &body).await? {
                Written::Done(_) => return Ok(()),
                // It exists by now: whose it is, is looked at.
                Written::Refused { status: 409 | 422, ref message, .. } if exists(message) => {}
                other => return other.done().map(drop),
            }
        }
        Err(Error::Contended { what: format!("the claim of {}#{number}", self.name()), tries: TRIES })
    }

    pub(super) async fn release_thread(&self, number: u32, task: &str) -> Result<(), Error> {
        match self.claimed(number).await? {
            Some(claim) if claim.instance == word(self.instance()) && claim.task == word(task) => {
                self.delete_reference(self.name(), &reference(number)).await.map(drop)
            }
            Some(_) | None => Ok(()),
        }
    }

    async fn claimed(&self, number: u32) -> Result<Option<Claim>, Error> {
        let Some(commit) = self.reference(self.name(), &reference(number)).await? else { return Ok(None) };
        let path = self.path(&format!("git/commits/{commit}"));
        let commit: Option<Commit> = self.api().get(&self.scope(), &path, &[]).await?;
        // The reference is there, so somebody has it, whatever it names.
        Ok(Some(commit.map(|it| Claim::read(&it.message)).unwrap_or_default()))
    }

    /// A commit that says who has the thread. Made again after a crash it is another one, which is no harm.
    async fn claim_commit(&self, number: u32, claim: &Claim) -> Result<String, Error> {
        let base = self.about_itself().await?.default_branch;
        let tip = self.tip(self.name(), &base).await?.ok_or_else(|| self.no_branch(&base))?;
        let path = self.path(&format!("git/commits/{tip}"));
        let found: Option<Commit> = self.api().get(&self.scope(), &path, &[]).await?;
        let tree = found.ok_or_else(|| self.no_branch(&base))?.tree.sha;
        let author = &self.github().options.author;
        let body = json!({
            "message": claim.text(number),
            "tree": tree,
            "parents": [tip],
            "author": { "name": author.name, "email": author.email },
        });
        let path = self.path("git/commits");
        let made = self.api().write::<Made>(&self.scope(), Method::POST, &path, &body).await?;
        Ok(made.done()?.sha)
    }

    fn instance(&self) -> &str {
        &self.github().options.instance
    }

    fn taken(&self, number: u32, claim: &Claim) -> Error {
        let by = match claim {
            Claim { instance, task, .. } if *instance == word(self.instance()) => {
                format!("the task {task} of this agentd")
            }
            Claim { instance, .. } if instance.is_empty() => "somebody who does not say who they are".to_owned(),
            Claim { instance, task, .. } => format!("the agentd instance {instance} (task {task})"),
        };
        let repository = self.name().to_owned();
        let hint = format!(
            "if it will never end there, remove the claim: `gh api -X DELETE repos/{repository}/git/refs/{}`",
            reference(number)
        );
        Error::Claimed { repository, number, by, since: claim.at, hint }
    }
}

impl Claim {
    fn text(&self, number: u32) -> String {
        let at = self.at.and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
        let at = at.map_or_else(String::new, |at| format!("at: {at}\n"));
        let (instance, task) = (word(&self.instance), word(&self.task));
        format!("{TITLE}\n\nthread: {number}\ninstance: {instance}\ntask: {task}\n{at}")
    }

    fn read(text: &str) -> Claim {
        let mut lines = text.lines();
        if lines.next().map(str::trim) != Some(TITLE) {
            return Claim::default();
        }
        let mut claim = Claim::default();
        for (name, value) in lines.filter_map(|it| it.split_once(": ")) {
            match name {
                "instance" => claim.instance = word(value),
                "task" => claim.task = word(value),
                "at" => claim.at = super::issue::time(value.trim()),
                _ => {}
            }
        }
        claim
    }
}

/// Without `refs/`.
fn reference(number: u32) -> String {
    format!("agentd/claims/{number}")
}

fn exists(message: &str) -> bool {
    message.to_lowercase().contains("already exists")
}

/// A value is one line, and not a long one: it is shown.
fn word(text: &str) -> String {
    text.chars().filter(|it| !it.is_control()).take(100).collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_says_who_and_since_when() {
        let claim = Claim { instance: "mill-3".into(), task: "t-7".into(), at: Some(1_704_164_645_000) };
        let text = claim.text(12);
        assert_eq!(text, "agentd claim\n\nthread: 12\ninstance: mill-3\ntask: t-7\nat: 2024-01-02T03:04:05Z\n");
        assert_eq!(Claim::read(&text), claim);
        assert_eq!(Claim::read(text.trim_end()), claim);
    }

    #[test]
    fn what_somebody_else_wrote_is_nobodys_claim() {
        assert_eq!(Claim::read("Fix the sum\n\ninstance: mill-3\ntask: t-7"), Claim::default());
        assert_eq!(Claim::read(""), Claim::default());
        let odd = Claim::read("agentd claim\ninstance: \u{1b}[31mx\nat: yesterday\ntask: ");
        assert_eq!(odd, Claim { instance: "[31mx".into(), ..Claim::default() });
    }
}
