//! What people can do to tasks: each verb once, for the command line, the API and later the page.

use crate::{
    Arrangement, Fed, feeding,
    git::{Mirror, Quarantine},
    intake, maintenance, notices, review,
    service::{Current, Runtime},
    steps::{self, Publication},
};
use agentd_store::{Change, Error, Intake, Remark, RunKey, TaskRow, With};
use agentd_task::{Draft, Event, Failure, Mode, On, Reason, Status, TaskId};
use std::sync::Arc;

/// Why a verb was not carried out. The text says what, on what, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error("{0}")]
    NotFound(String),
    /// The task is not where it would have to be.
    #[error("{0}")]
    NotNow(String),
    #[error("{0}")]
    Invalid(String),
    #[error("{0}")]
    Failed(String),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Refusal {
        match error {
            Error::Refused(refused) => Refusal::NotNow(refused.to_string()),
            Error::NoTask(_) | Error::NoEffect(_) => Refusal::NotFound(error.to_string()),
            Error::Effect { .. } => Refusal::NotNow(error.to_string()),
            other => Refusal::Failed(other.to_string()),
        }
    }
}

/// The door for people. Cheap to clone.
#[derive(Clone)]
pub struct Handle {
    current: Current,
}

impl Handle {
    pub(crate) fn new(current: Current) -> Handle {
        Handle { current }
    }

    /// Puts a task in, as the source `cli`.
    ///
    /// # Errors
    /// If its repository or agent is not configured, or its subject is another open task's.
    pub async fn submit(&self, draft: Draft, mode: Mode) -> Result<TaskId, Refusal> {
        let draft = intake::known(&self.rt(), draft).map_err(Refusal::Invalid)?;
        let key = draft.key.clone();
        let intake = Intake {
            source: "cli".into(),
            drafts: vec![draft],
            withdrawn: vec![],
            complete: None,
            cursor: None,
            entry: None,
            kv: vec![],
            mode,
            branch_prefix: self.rt().branch_prefix(),
            shared: self.rt().shared(),
        };
        let taken = self.rt().store.intake(intake, self.rt().clock.now()).await?;
        match taken.new.first().or(taken.reopened.first()).or(taken.joined.first()) {
            Some(id) => Ok(*id),
            None => match self.rt().store.reader().task_by_key("cli", key).await? {
                Some(row) => Ok(row.task.id),
                None => Err(Refusal::Failed("the task was not stored".into())),
            },
        }
    }

    /// Starts a task that waits for it.
    ///
    /// # Errors
    /// If it does not.
    pub async fn start(&self, id: TaskId) -> Result<String, Refusal> {
        self.apply(id, Event::Started { now: self.now() }, by_person("A person started it")).await?;
        Ok(format!("{id} is queued"))
    }

    /// Cancels a task; a running one is told to end, and ends by itself.
    ///
    /// # Errors
    /// If it is over, or being published.
    pub async fn cancel(&self, id: TaskId) -> Result<String, Refusal> {
        let row = self.row(id).await?;
        let change =
            self.rt().store.reader().change(id).await?.filter(|it| it.state != "merged" && it.state != "closed");
        // Closed first: a task that is over is watched no more, and one whose change is closed ends by that.
        if let Some(change) = &change
            && !row.task.status.is_over()
            && row.task.status != Status::Publishing
        {
            self.close_change(&row, change).await?;
        }
        let closed = change.clone().map(|it| Change { state: "closed".into(), ..it });
        let with = With { change: closed, ..by_person("A person cancelled it") };
        let row = match self.apply(id, Event::Cancelled, with).await {
            Err(Refusal::NotNow(_)) if change.is_some() && self.row(id).await?.task.status == Status::Cancelled => {
                return Ok(format!("{id} is cancelled"));
            }
            applied => applied?,
        };
        self.rt().runs.cancel(id);
        Ok(match row.task.status {
            Status::Running { .. } => format!("{id} was told to end"),
            _ => format!("{id} is cancelled"),
        })
    }

    /// Gives a task that is over or stuck another try.
    ///
    /// # Errors
    /// If it is neither.
    pub async fn retry(&self, id: TaskId) -> Result<String, Refusal> {
        self.apply(id, Event::Retried { now: self.now() }, by_person("A person wants another try")).await?;
        Ok(format!("{id} is queued again"))
    }

    /// Has a change pushed that waits for it, merges one in review, or agrees that there is nothing to do.
    ///
    /// # Errors
    /// If there is nothing to approve, or the merge fails.
    pub async fn approve(&self, id: TaskId) -> Result<String, Refusal> {
        let row = self.row(id).await?;
        if row.task.status == (Status::Waiting { on: On::Approval }) {
            let publication = self.publication(&row).await?;
            let with = With { effects: steps::effects(&publication), ..by_person("A person approved it") };
            self.rt().store.apply(id, Event::Approved, with, self.now()).await?;
            return Ok(format!("{id} is being pushed"));
        }
        if row.task.status == (Status::Waiting { on: On::Confirmation }) {
            self.apply(id, Event::Approved, by_person("A person agreed that there is nothing to do")).await?;
            return Ok(format!("{id} is done: there was nothing to do"));
        }
        let (change, repository) = self.change_in_review(&row).await?;
        let Some(number) = change.number else { return Err(Refusal::NotNow(format!("{id} has no change yet"))) };
        let merged = repository.forge.merge(number, &change.commit, &self.rt().author).await;
        let merged = merged.map_err(|e| Refusal::Failed(e.to_string()))?;
        review::follow(&self.rt(), id, &change, merged.state, &merged.commit).await?;
        Ok(format!("change {number} of {id} is merged into {}", change.base))
    }

    /// With a comment: has another run take it up. Without: closes the change, and the task with it.
    ///
    /// # Errors
    /// If there is nothing to reject.
    pub async fn reject(&self, id: TaskId, comment: Option<String>) -> Result<String, Refusal> {
        let row = self.row(id).await?;
        if let Some(body) = comment {
            if row.task.status == (Status::Waiting { on: On::Approval }) {
                self.keep_change(&row).await?;
            }
            let remark = Remark { author: "operator".into(), body, at: self.now() };
            let with = With { remark: Some(remark), ..by_person("A person wants it otherwise") };
            self.rt().store.apply(id, Event::Remarked { now: self.now() }, with, self.now()).await?;
            let before = RunKey { task: id, run: row.task.run };
            match maintenance::tidy(&self.rt(), before).await {
                Ok(None) => {}
                Ok(Some(problem)) => tracing::warn!(task.id = %id, problem, "A run left something behind"),
                Err(error) => tracing::warn!(task.id = %id, %error, "A run's folder is left for the next start"),
            }
            return Ok(format!("{id} is queued again, with your comment"));
        }
        if row.task.status == Status::InReview {
            let (change, _) = self.change_in_review(&row).await?;
            self.close_change(&row, &change).await?;
            review::follow(&self.rt(), id, &change, agentd_forge::State::Closed, &change.commit).await?;
        } else {
            self.apply(id, Event::Closed, by_person("A person rejected it")).await?;
        }
        Ok(match row.task.status {
            Status::Waiting { on: On::Confirmation } => format!("{id} is cancelled"),
            _ => format!("{id} is cancelled, its change is closed"),
        })
    }

    /// Gives up what was decided and not yet sent. A task whose push or change is dropped fails with it.
    ///
    /// # Errors
    /// If it is being sent, or done.
    pub async fn drop_effect(&self, id: i64) -> Result<String, Refusal> {
        let effect = self.rt().store.reader().effect(id).await?.ok_or(Error::NoEffect(id))?;
        self.rt().store.drop_effect(id, self.now()).await?;
        if let Some(task) = effect.task.filter(|_| matches!(effect.kind.as_str(), "push" | "change")) {
            let text = format!("a person dropped effect {id}, which was to publish its change");
            let failure = Failure::new(Reason::Publish, text.clone());
            let with = With { text, ..With::default() };
            match self.rt().store.apply(task, Event::PublishFailed { failure }, with, self.now()).await {
                Ok(_) | Err(Error::Refused(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(format!("effect {id} is dropped"))
    }

    /// What a task's change changes: a unified diff.
    ///
    /// # Errors
    /// If there is no change.
    pub async fn diff(&self, id: TaskId) -> Result<String, Refusal> {
        let row = self.row(id).await?;
        if let Some(change) = self.rt().store.reader().change(id).await? {
            let repository = self.repository(&change.repository)?;
            let diff = repository.forge.diff(&change.base, &change.commit).await;
            return diff.map_err(|e| Refusal::Failed(e.to_string()));
        }
        let publication = self.publication(&row).await?;
        let quarantine = Quarantine::open(self.rt().layout.run(publication.key()).quarantine());
        if !quarantine.exists() {
            return Err(Refusal::NotNow(format!("{id} has no change to show")));
        }
        let range = format!("{}...{}", publication.base_commit, publication.commit);
        let diff = ["diff", "--no-color", "--no-ext-diff", "--no-textconv", &range];
        let output = quarantine.git().run(&diff).await.map_err(|e| Refusal::Failed(e.to_string()))?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Removes folders and transcripts of a task that is over. Its history stays.
    ///
    /// # Errors
    /// If it is not over.
    pub async fn clean(&self, id: TaskId) -> Result<String, Refusal> {
        let row = self.row(id).await?;
        if !row.task.status.is_over() || self.rt().runs.holds(id) {
            return Err(Refusal::NotNow(format!(
                "{id} is {}: only a task that is over can be cleaned",
                row.task.status.as_str()
            )));
        }
        let rt = self.rt();
        let cleaned = tokio::task::spawn_blocking(move || maintenance::clean_task(&rt, id)).await;
        match cleaned.map_err(|e| Refusal::Failed(e.to_string()))? {
            Ok(removed) => Ok(format!("removed {removed} folders and transcripts of {id}")),
            Err(error) => Err(Refusal::Failed(format!("{id} could not be cleaned: {error}"))),
        }
    }

    /// Stops or resumes the start of new runs. Survives a restart.
    ///
    /// # Errors
    /// If it cannot be stored.
    pub async fn pause(&self, paused: bool) -> Result<(), Refusal> {
        Ok(self.rt().store.pause(paused, self.now()).await?)
    }

    /// Has another arrangement hold from now on. Runs that have begun keep theirs; all else goes by the new one with
    /// its next step. Says who finds work now, and who does not any more.
    ///
    /// # Errors
    /// If the store failed; then nothing is changed.
    pub async fn rearrange(&self, arrangement: Arrangement) -> Result<Fed, Refusal> {
        let before = self.rt();
        let after = before.with(arrangement);
        notices::begin(&after).await?;
        let fed = feeding::difference(&before, &after);
        self.current.replace(after);
        Ok(fed)
    }

    /// Looks for what belongs to nobody, and for damage; empty: all is well.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn check_workspaces(&self) -> Result<Vec<String>, Refusal> {
        Ok(maintenance::check(&self.rt()).await?)
    }

    fn now(&self) -> i64 {
        self.rt().clock.now()
    }

    async fn row(&self, id: TaskId) -> Result<TaskRow, Refusal> {
        Ok(self.rt().store.reader().task(id).await?.ok_or(Error::NoTask(id))?)
    }

    async fn apply(&self, id: TaskId, event: Event, with: With) -> Result<TaskRow, Refusal> {
        Ok(self.rt().store.apply(id, event, with, self.now()).await?)
    }

    /// The present arrangement.
    fn rt(&self) -> Arc<Runtime> {
        self.current.get()
    }

    fn repository(&self, id: &str) -> Result<crate::Repository, Refusal> {
        let missing = || Refusal::Invalid(format!("the repository `{id}` is not configured (any more)"));
        self.rt().repositories.get(id).cloned().ok_or_else(missing)
    }

    async fn change_in_review(&self, row: &TaskRow) -> Result<(Change, crate::Repository), Refusal> {
        let id = row.task.id;
        let state = row.task.status.as_str();
        match self.rt().store.reader().change(id).await? {
            Some(change) if row.task.status == Status::InReview => {
                let repository = self.repository(&change.repository)?;
                Ok((change, repository))
            }
            _ => Err(Refusal::NotNow(format!("{id} is {state}: there is nothing to approve or reject"))),
        }
    }

    /// Closes the change and deletes its branch; one that is merged stays merged.
    async fn close_change(&self, row: &TaskRow, change: &Change) -> Result<(), Refusal> {
        let Some(number) = change.number else { return Ok(()) };
        let closed = self.repository(&row.repository)?.forge.close(number, true).await;
        closed.map(drop).map_err(|e| Refusal::Failed(e.to_string()))
    }

    /// Keeps what was made and not pushed, for the run that takes the comment up. What a run leaves goes with it.
    async fn keep_change(&self, row: &TaskRow) -> Result<(), Refusal> {
        let publication = self.publication(row).await?;
        let made = Quarantine::open(self.rt().layout.run(publication.key()).quarantine());
        let mirror = Mirror::new(self.rt().layout.mirror(&row.repository));
        let kept = self.rt().layout.kept_change(row.task.id);
        let keep = async { Quarantine::create(kept, &mirror).await?.take_over(&made).await };
        keep.await.map(drop).map_err(|e| Refusal::Failed(format!("its change cannot be kept: {e}")))
    }

    /// What the newest run would push, as its steps' rows say.
    async fn publication(&self, row: &TaskRow) -> Result<Publication, Refusal> {
        let key = RunKey { task: row.task.id, run: row.task.run };
        let none = || Refusal::NotNow(format!("{} has no change yet: it is {}", key.task, row.task.status.as_str()));
        steps::publication(&self.rt(), row, key).await?.ok_or_else(none)
    }
}

/// What goes with an event that a person caused: the sentence that says so.
fn by_person(text: &str) -> With {
    With { text: text.into(), ..With::default() }
}
