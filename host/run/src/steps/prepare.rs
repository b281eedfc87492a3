//! Prepare: mirror fetched, workspace from the fresh base, setup run, prompt rendered.

use super::{Outline, Phase, Run, Stop, sandbox};
use crate::{
    Repository, contract,
    git::{Mirror, Quarantine},
    image, prompt,
    service::Runtime,
    session, workspace,
};
use agentd_executor::Kind;
use agentd_store::RunKey;
use agentd_task::{Failure, Purpose, Reason, RunNumber, Step};
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
    /// The commit that the agent starts from: the base's, or the task's own work in a feedback run.
    pub(crate) start: String,
    /// That work was never pushed: it is in the repository that keeps what people sent back.
    pub(crate) kept: bool,
    pub(crate) agent: String,
    /// The version of the adapter, for as long as the run lives.
    pub(crate) agent_digest: String,
    pub(crate) system: Option<String>,
    pub(crate) prompt: String,
    /// For agents that let their caller name a conversation.
    pub(crate) new_session: String,
    /// The conversation to go on with.
    pub(crate) resume: Option<String>,
    /// The image of the run's sandboxes.
    pub(crate) image: String,
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
            "agent": self.agent, "agent_digest": self.agent_digest, "image": self.image,
            "resumed": self.resume.is_some(), "prompt": contract::cut(&self.prompt, 32 << 10) });
        (text, details)
    }
}

pub(super) async fn prepare(run: &Run, asked: &Asked) -> Result<Prepared, Stop> {
    let (name, agent) = agent(run)?;
    // Looked for before anything is made: what is missing, only an operator can bring.
    run.rt.toolbox.tools(&agent.needs).map_err(Stop::Stuck)?;
    if let Some(why) = &agent.no_model {
        return Err(Stop::Stuck(format!("the agent `{name}` cannot work: {why}")));
    }
    let mirror = fetch(&run.rt, &run.repository).await?;
    let base = base_branch(&run.repository, asked.base.as_deref()).await?;
    let base_commit = mirror.branch(&base).await?;
    let Start { commit: start, kept } = start(run, &mirror, &base_commit).await?;
    mirror.refuse_unsupported(if kept.is_some() { &base_commit } else { &start }).await?;
    let image = image(run, &mirror, &base_commit).await?;
    let image = run.image.get_or_init(|| image).clone();
    let resume = resume(run, name, &start, &base_commit).await?;
    let from = match resume {
        Some(_) => prompt::From::Conversation,
        None if start == base_commit => prompt::From::Base,
        None => prompt::From::Branch,
    };
    let rendered = prompt::render(run, &base, name, from).await?;
    workspace::make(run, &mirror, kept.as_ref(), &start).await?;
    if resume.is_some() {
        session::restore(run).await?;
        sandbox::give_to_agent(run, &[run.layout.agent_home()]).await?;
    }
    sandbox::setup(run, Phase::Work, &run.layout.workspace(), &run.layout.agent_home(), "setup").await?;
    Ok(Prepared {
        base,
        base_commit,
        start,
        kept: kept.is_some(),
        agent: name.into(),
        agent_digest: agent.entry.digest(),
        system: rendered.system,
        prompt: rendered.prompt,
        new_session: uuid::Uuid::new_v4().to_string(),
        resume,
        image,
    })
}

/// The image of the run's sandboxes: there, pulled or built, from what the base branch says and never from what an agent
/// wrote.
async fn image(run: &Run, mirror: &Mirror, base_commit: &str) -> Result<String, Stop> {
    let executor = &run.repository.executor;
    if executor.kind() == Kind::Local {
        return Ok(String::new());
    }
    let folder = run.layout.image();
    sandbox::empty_dir(&folder).await?;
    let wanted = image::Wanted::parse(&run.repository.image);
    let name = match image::plan(&wanted, mirror, base_commit, &folder).await? {
        image::Plan::Named(name) => {
            executor.fetch_image(&name).await?;
            name
        }
        image::Plan::Build { tag, context, dockerfile, target, mut args } => {
            let network = run.network(Phase::Build).await?;
            args.extend(network.variables());
            let build = agentd_executor::Build {
                tag: tag.clone(),
                context,
                dockerfile,
                target,
                args,
                network_of: network.holder().map(Into::into),
                memory: run.rt.sandboxes.limits.memory,
                patience: run.rt.timeouts.gate,
            };
            let built = executor.build_image(&build).await;
            run.close_network(Phase::Build).await?;
            built?;
            tag
        }
    };
    sandbox::empty_dir(&folder).await?;
    Ok(name)
}

/// The conversation that this run goes on with: the agent's own, with the work that it speaks of still there.
async fn resume(run: &Run, agent: &str, start: &str, base_commit: &str) -> Result<Option<String>, Stop> {
    let Some(session) = run.row.session.as_ref().filter(|it| it.agent == agent) else { return Ok(None) };
    let there = start != base_commit || run.row.task.purpose != Purpose::Execute && changed_nothing(run).await?;
    Ok((there && session::is_kept(&run.rt.layout, run.key.task)).then(|| session.id.clone()))
}

/// Whether the run before came to its end without a change: nothing of its work can be missing then.
async fn changed_nothing(run: &Run) -> Result<bool, Stop> {
    let before = RunKey { task: run.key.task, run: run.key.run.saturating_sub(1) };
    let steps = run.rt.store.reader().steps(before).await?;
    Ok(steps.iter().any(|it| it.step == Step::Collect && it.output.as_deref() == Some("null")))
}

/// The task's agent: its own, or the default one.
pub(super) fn agent(run: &Run) -> Result<(&str, &crate::Agent), Stop> {
    let Some(name) = run.row.agent.as_ref().or(run.rt.default_agent.as_ref()) else {
        return Err(Stop::Stuck("no agent is configured: add [agents.NAME] with `default = true`".into()));
    };
    match run.rt.agents.get(name) {
        Some(agent) => Ok((name, agent)),
        None => Err(Stop::Stuck(format!("the agent `{name}` is not configured: add [agents.{name}]"))),
    }
}

/// The repository's mirror, up to date.
pub(crate) async fn fetch(rt: &Runtime, repository: &Repository) -> Result<Mirror, Failure> {
    let mirror = Mirror::new(rt.layout.mirror(&repository.id));
    let _one_at_a_time = rt.fetching.alone(&repository.id).await;
    mirror.fetch(&*repository.forge).await?;
    Ok(mirror)
}

/// The branch to start from: the task's, the repository's, or the forge's default one.
pub(crate) async fn base_branch(repository: &Repository, wanted: Option<&str>) -> Result<String, Failure> {
    match wanted.or(repository.base.as_deref()) {
        Some(base) => Ok(base.into()),
        None => repository.forge.default_branch().await.map_err(|e| Failure::new(Reason::Repository, e.to_string())),
    }
}

/// Where a run begins.
struct Start {
    commit: String,
    /// The repository that has it, where it is not the mirror.
    kept: Option<Quarantine>,
}

async fn start(run: &Run, mirror: &Mirror, base_commit: &str) -> Result<Start, Stop> {
    let mirrored = |commit: String| Ok(Start { commit, kept: None });
    if run.row.task.purpose == Purpose::Execute {
        return mirrored(base_commit.into());
    }
    let Some(change) = run.rt.store.reader().change(run.key.task).await? else {
        let kept = Quarantine::open(run.rt.layout.kept_change(run.key.task));
        return match kept.exists() {
            true => Ok(Start { commit: kept.tip().await?, kept: Some(kept) }),
            false => mirrored(base_commit.into()), // there was never any work
        };
    };
    match mirror.branch(&change.branch).await {
        Ok(commit) => mirrored(commit),
        Err(_) => mirrored(base_commit.into()), // somebody deleted the branch
    }
}
