//! Prepare: mirror fetched, workspace from the fresh base, setup run, prompt rendered.

use super::{Outline, Run, Stop, sandbox};
use crate::{Repository, contract, git::Mirror, prompt, service::Runtime, workspace};
use agentd_task::{Failure, Purpose, Reason, RunNumber};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// What a run is asked to do.
#[derive(Debug, Serialize)]
pub(crate) struct Asked {
    run: RunNumber,
    repository: String,
    base: Option<String>,
    text: String,
}

impl Asked {
    pub(super) fn of(run: &Run) -> Asked {
        let row = &run.row;
        Asked {
            run: run.key.run,
            repository: row.repository.clone(),
            base: row.base.clone().or_else(|| run.repository.base.clone()),
            text: contract::short_hash(&format!("{}\n{}", row.title, row.body)),
        }
    }
}

/// A workspace that is ready, and what to tell the agent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Prepared {
    pub(crate) base: String,
    /// The base branch's commit as it was fetched.
    pub(crate) base_commit: String,
    /// The commit that the agent starts from: the base's, or the task's own branch in a feedback run.
    pub(crate) start: String,
    pub(crate) agent: String,
    /// The version of the adapter, for as long as the run lives.
    pub(crate) agent_digest: String,
    pub(crate) system: Option<String>,
    pub(crate) prompt: String,
    /// For agents that let their caller name a conversation.
    pub(crate) new_session: String,
}

impl Prepared {
    /// Names it in later steps' inputs.
    pub(super) fn hash(&self) -> String {
        contract::short_hash(&serde_json::to_string(self).expect("plain data becomes JSON"))
    }
}

impl Outline for Prepared {
    fn outline(&self) -> (String, serde_json::Value) {
        let short = self.start.get(..12).unwrap_or(&self.start);
        let text =
            format!("Workspace at {short} of {}, prompt of {} bytes for {}", self.base, self.prompt.len(), self.agent);
        let details = json!({ "base": self.base, "base_commit": self.base_commit, "start": self.start,
            "agent": self.agent, "agent_digest": self.agent_digest, "prompt": contract::cut(&self.prompt, 32 << 10) });
        (text, details)
    }
}

pub(super) async fn prepare(run: &Run, asked: &Asked) -> Result<Prepared, Stop> {
    let (agent, entry) = agent(run)?;
    let mirror = fetch(&run.rt, &run.repository).await?;
    let base = base_branch(&run.repository, asked.base.as_deref()).await?;
    let base_commit = mirror.branch(&base).await?;
    let start = start(run, &mirror, &base_commit).await?;
    mirror.refuse_unsupported(&start).await?;
    let rendered = prompt::render(run, &base, agent).await?;
    workspace::make(run, &mirror, &start).await?;
    sandbox::setup(run, &run.layout.workspace(), &run.layout.agent_home(), "setup").await?;
    Ok(Prepared {
        base,
        base_commit,
        start,
        agent: agent.into(),
        agent_digest: entry.digest().into(),
        system: rendered.system,
        prompt: rendered.prompt,
        new_session: uuid::Uuid::new_v4().to_string(),
    })
}

/// The task's agent: its own, or the default one.
fn agent(run: &Run) -> Result<(&str, &agentd_plugin::Entry), Stop> {
    let Some(name) = run.row.agent.as_ref().or(run.rt.default_agent.as_ref()) else {
        return Err(Stop::Stuck("no agent is configured: add [agents.NAME] with `default = true`".into()));
    };
    match run.rt.agents.get(name) {
        Some(agent) => Ok((name, &agent.entry)),
        None => Err(Stop::Stuck(format!("the agent `{name}` is not configured: add [agents.{name}]"))),
    }
}

/// The repository's mirror, up to date.
pub(crate) async fn fetch(rt: &Runtime, repository: &Repository) -> Result<Mirror, Failure> {
    let mirror = Mirror::new(rt.layout.mirror(&repository.id));
    let _one_at_a_time = match rt.fetching.get(&repository.id) {
        Some(lock) => Some(lock.lock().await),
        None => None,
    };
    mirror.fetch(&repository.forge.origin().await).await?;
    Ok(mirror)
}

/// The branch to start from: the task's, the repository's, or the forge's default one.
pub(crate) async fn base_branch(repository: &Repository, wanted: Option<&str>) -> Result<String, Failure> {
    match wanted.or(repository.base.as_deref()) {
        Some(base) => Ok(base.into()),
        None => repository.forge.default_branch().await.map_err(|e| Failure::new(Reason::Repository, e.to_string())),
    }
}

async fn start(run: &Run, mirror: &Mirror, base_commit: &str) -> Result<String, Stop> {
    if run.row.task.purpose == Purpose::Execute {
        return Ok(base_commit.into());
    }
    let Some(change) = run.rt.store.reader().change(run.key.task).await? else {
        return Ok(base_commit.into()); // nothing was pushed yet: the run begins anew
    };
    match mirror.branch(&change.branch).await {
        Ok(commit) => Ok(commit),
        Err(_) => Ok(base_commit.into()), // somebody deleted the branch
    }
}
