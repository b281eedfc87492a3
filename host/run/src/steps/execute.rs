//! Execute: the agent in its sandbox, and its words as they come.
//!
//! The adapter folds lines into events. Events and the offset that they reach are stored in one transaction; after a
//! restart the spool is read again from its start, and what comes of it up to the stored offset is not stored twice.
//!
//! What the adapter has to say to its agent is one stream of bytes too, which depends on the lines alone: a second pass
//! says the same again, and what the agent's input holds already is not given twice.

use super::{
    Ended, Outline, Run, Stop,
    network::{self, Phase, RunNetwork},
    prepare::Prepared,
    sandbox::{self, HOME, WORKSPACE},
    spoken::{Lines, Told},
    verdict::{self, Cause, Seen},
};
use crate::{
    Agent, contract,
    disk::{self, Room},
    ranking, session, workspace,
};
use agentd_executor::{Command, File, Input, Sandbox, State, spool};
use agentd_plugin::{
    AgentRun, CallError,
    wit::{
        activity::{self, Conclusion},
        agent::{Exit, Plan},
        common,
    },
};
use agentd_store::{Session, SessionNote};
use agentd_task::Reason;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::{path::Path, time::Duration};
use tokio::time::Instant;

const AGENT: &str = "agent";
/// How often the disk is looked at, at most.
const WEIGH: Duration = Duration::from_secs(2);
/// How often the spool is looked at.
const LOOK: Duration = Duration::from_millis(20);
/// A sandbox has ended so long after its last frame, unless its engine is in trouble.
const LAST_MOMENT: Duration = Duration::from_secs(10);
/// An agent that has done its work, and whose input has ended, has so long to end.
const FAREWELL: Duration = Duration::from_secs(10);
/// So much of the spool goes to the adapter at once.
const BATCH_BYTES: u64 = 1 << 20;
const BATCH_LINES: usize = 1_000;
/// The end of standard error that a conclusion gets.
const STDERR_MAX: usize = 8 << 10;

/// How the agent ended, in its own words: evidence of nothing.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Executed {
    pub(crate) answer: String,
    pub(crate) session: Option<String>,
    pub(crate) exit_code: Option<i32>,
    /// Patterns of what the agent leaves and nobody wants in a commit.
    pub(crate) litter: Vec<String>,
}

impl Outline for Executed {
    fn outline(&self) -> (String, serde_json::Value) {
        let text = format!("The agent ended with {}", sandbox::ended_with(self.exit_code));
        (text, json!({ "exit_code": self.exit_code, "answer": contract::cut(&self.answer, 4 << 10) }))
    }
}

impl Executed {
    /// What is to be known of the conversation from now on.
    pub(super) fn note(&self, prepared: &Prepared) -> SessionNote {
        match &self.session {
            Some(id) => SessionNote::Kept(Session { agent: prepared.agent.clone(), id: id.clone() }),
            None => SessionNote::Lost,
        }
    }
}

/// What an agent's last lines begin with when it found nothing to do: the prompt asks for it.
const NOTHING_TO_DO: &str = "NOTHING TO DO";

/// A run without a change: an answer, or nothing to do, in the agent's own words.
pub(super) fn without_change(executed: Executed, session: SessionNote) -> Result<Ended, Stop> {
    if executed.answer.lines().any(|it| it.trim_start_matches(['*', '#', ' ']).starts_with(NOTHING_TO_DO)) {
        return Ok(Ended::NothingToDo { answer: executed.answer, session });
    }
    if executed.answer.trim().is_empty() {
        let text = "the agent ended well, said nothing and changed nothing; look at `agentd task logs`, and whether it \
                    was told what to do";
        return Err(Stop::failed(Reason::EmptyOutput, text));
    }
    Ok(Ended::Answered { answer: executed.answer, session })
}

pub(super) async fn execute(run: &Run, prepared: &Prepared) -> Result<Executed, Stop> {
    let agent = run.rt.agents.get(&prepared.agent);
    let agent =
        agent.ok_or_else(|| Stop::Stuck(format!("the agent `{}` is not configured (any more)", prepared.agent)))?;
    let entry = &agent.entry;
    if entry.digest() != prepared.agent_digest {
        let text = format!("the agent plugin {} was replaced while the run was away; it begins anew", entry.plugin());
        return Err(Stop::failed(Reason::Lost, text));
    }
    let mut adapter = entry.agent_run().await.map_err(plugin)?;
    let opened;
    let network = if is_over(run).await? {
        // It ended while the daemon was away: nobody needs its services any more, and they cannot fail what is done.
        opened = network::open(run, Phase::Work).await?;
        &opened
    } else {
        run.network(Phase::Work).await?
    };
    let plan = adapter.launch(self::run(run, prepared, agent, network)).await.map_err(refused)?;
    let (litter, session_files) = (plan.litter.clone(), plan.session_files.clone());
    let mut sandbox = describe(run, plan, agent)?;
    network.attach_to(&mut sandbox);
    workspace::remount(run)?;
    let stored = run.rt.store.reader().run(run.key).await?.map_or(0, |it| it.spool_offset);
    if stored > 0 {
        // Before it goes on: it may not have become shorter than what was read of it. The end has an offset of its own.
        spool::Reader::open(&sandbox.control, stored - 1)?;
    }
    start(run, &sandbox).await?;
    let mut watch = Watch::new(run, adapter, &sandbox, stored)?;
    let cause = watch.follow().await?;
    if let Some(why) = watch.no_start.take() {
        let place = sandbox::place(run);
        let text = format!("the agent's program could not be started {place}: {why}; see the agent's settings");
        return Err(Stop::failed(Reason::Misconfigured, text));
    }
    if let Some(why) = watch.no_disk.take() {
        return Err(Stop::failed(Reason::DiskFull, format!("the agent's output could not be kept: {why}; make room")));
    }
    let conclusion = watch.conclude(cause).await?;
    let fault = network.door().and_then(agentd_gateway::Door::fault);
    let code = watch.exit_code;
    let mut executed =
        verdict::judge(run, &Seen { cause, code, fault }, conclusion, litter, prepared.resume.is_some())?;
    if executed.session.is_some() && !session::keep(run, &session_files).await? {
        executed.session = None; // there is nothing to go on with
    }
    Ok(executed)
}

/// The run as its adapter is told of it.
fn run(run: &Run, prepared: &Prepared, agent: &Agent, network: &RunNetwork) -> activity::Run {
    let executor = &run.repository.executor;
    let [workspace, home] = mounts(run).map(|it| executor.place(&it));
    let wall = u64::try_from(run.rt.timeouts.wall.as_millis()).unwrap_or(u64::MAX >> 11);
    activity::Run {
        id: format!("{}-{}-{}", run.rt.store.instance(), run.key.task, run.key.run),
        task: contract::task(&run.row, None),
        purpose: ranking::purpose(run.row.task.purpose).into(),
        prompt: prepared.prompt.clone(),
        system: prepared.system.clone(),
        resume: prepared.resume.clone(),
        new_session: prepared.new_session.clone(),
        model: agent.model.clone(),
        workspace,
        branch: run.row.branch.clone(),
        base: prepared.base.clone(),
        base_commit: prepared.base_commit.clone(),
        home,
        endpoints: network
            .door()
            .map(agentd_gateway::Door::endpoints)
            .unwrap_or_default()
            .into_iter()
            .map(endpoint)
            .collect(),
        mcp_servers: vec![],
        max_turns: None,
        // The gateway holds the budget: an agent reckons with prices of its own, which may be wrong.
        max_microusd: None,
        max_duration_ms: Some(wall),
        sandboxed: executor.kind() == agentd_executor::Kind::Docker,
        extra: vec![],
    }
}

fn endpoint(it: agentd_gateway::Endpoint) -> activity::Endpoint {
    activity::Endpoint { name: it.name, api: it.api, url: it.url, token: it.token, extra: vec![] }
}

fn mounts(run: &Run) -> [agentd_executor::Mount; 2] {
    let (workspace, home) = (run.layout.workspace(), run.layout.agent_home());
    [sandbox::mount(workspace, WORKSPACE, true), sandbox::mount(home, HOME, true)]
}

fn describe(run: &Run, plan: Plan, agent: &Agent) -> Result<Sandbox, Stop> {
    if plan.argv.is_empty() {
        return Err(Stop::Stuck("the adapter named no program to start: see its settings".into()));
    }
    let mounts = mounts(run);
    let [cwd, home] = [&mounts[0], &mounts[1]].map(|it| run.repository.executor.place(it));
    let mut files = vec![];
    for file in plan.files {
        let path = Path::new(&file.path).strip_prefix(&home).ok().and_then(Path::to_str);
        let path =
            path.ok_or_else(|| Stop::Stuck(format!("the adapter wants to write {}, outside of its home", file.path)))?;
        files.push(File { path: path.into(), content: file.content, executable: file.executable });
    }
    let (stdin, keep_stdin) = (Some(plan.stdin).filter(|it| !it.is_empty()), plan.keep_stdin);
    let installed = run.rt.toolbox.tools(&agent.needs).map_err(Stop::Stuck)?;
    let (tools, path) = network::tools(run, &installed);
    let command = Command { argv: plan.argv, env: plan.env, path, cwd, stdin, keep_stdin, files, home };
    Ok(sandbox::sandbox(run, AGENT, mounts.into_iter().chain(tools).collect(), command))
}

/// Starts the sandbox, or finds the one of the daemon before.
async fn start(run: &Run, sandbox: &Sandbox) -> Result<(), Stop> {
    let executor = &run.repository.executor;
    match executor.state(&sandbox.name, &sandbox.control).await? {
        State::Missing if is_begun(&sandbox.control) => {
            // The agent did begin and its sandbox is gone. If it left its outcome, that is read; if not, it is lost.
            return Ok(());
        }
        State::Missing => sandbox::empty_dir(&sandbox.control).await?,
        State::Paused => executor.unpause(&sandbox.name, &sandbox.control).await?,
        State::Created | State::Running | State::Exited(_) => {}
    }
    executor.start(sandbox).await?;
    Ok(())
}

/// Whether the agent has come to its end, and has only to be read.
async fn is_over(run: &Run) -> Result<bool, Stop> {
    let control = run.layout.control(AGENT);
    Ok(match run.repository.executor.state(&run.rt.sandbox_name(run.key, AGENT), &control).await? {
        State::Exited(_) => true,
        State::Missing => is_begun(&control),
        State::Created | State::Running | State::Paused => false,
    })
}

fn is_begun(control: &Path) -> bool {
    spool::Reader::open(control, 0).is_ok_and(|mut it| matches!(it.next(), Ok(Some(_))))
}

/// Follows one spool.
struct Watch<'a> {
    run: &'a Run,
    adapter: AgentRun,
    sandbox: &'a Sandbox,
    reader: spool::Reader,
    lines: Lines,
    told: Told,
    /// Up to here events are stored.
    stored: u64,
    /// Up to here the spool was read.
    at: u64,
    began: Instant,
    /// When it last said something, as far as somebody watched.
    heard: Instant,
    /// When the disk is to be looked at again.
    weigh_at: Instant,
    /// What the agent is told while it runs; none: its input ended with the plan's.
    input: Option<Input>,
    /// So many bytes the adapter has had for it, with those of the plan.
    said_to: u64,
    /// Since when the agent has done its work, in its adapter's word.
    finished: Option<Instant>,
    stderr: String,
    exit_code: Option<i32>,
    exited: bool,
    truncated: bool,
    /// Why the program could not be started.
    no_start: Option<String>,
    /// Why output could not be kept.
    no_disk: Option<String>,
}

impl<'a> Watch<'a> {
    fn new(run: &'a Run, adapter: AgentRun, sandbox: &'a Sandbox, stored: u64) -> Result<Watch<'a>, Stop> {
        let reader = spool::Reader::open(&sandbox.control, 0)?;
        let now = Instant::now();
        let command = &sandbox.command;
        let input = command.keep_stdin.then(|| Input::open(&sandbox.control)).transpose()?;
        Ok(Watch {
            run,
            adapter,
            sandbox,
            reader,
            lines: Lines::default(),
            told: Told::default(),
            stored,
            at: 0,
            began: now,
            heard: now,
            weigh_at: now + WEIGH,
            input,
            said_to: command.stdin.as_ref().map_or(0, String::len) as u64,
            finished: None,
            stderr: String::new(),
            exit_code: None,
            exited: false,
            truncated: false,
            no_start: None,
            no_disk: None,
        })
    }

    /// Reads until the agent has ended, or has to.
    async fn follow(&mut self) -> Result<Cause, Stop> {
        let executor = &self.run.repository.executor;
        let (name, control) = (&self.sandbox.name, &self.sandbox.control);
        loop {
            // Looked at first, so that an agent that talks faster than it is read has an end too.
            let overdue = self.overdue()?.or(self.weigh().await?);
            if overdue.is_none() && self.read_batch().await? {
                continue;
            }
            if self.exited {
                return self.ended().await;
            }
            let state = sandbox::patiently(|| executor.state(name, control)).await?;
            let cause = match (overdue, state) {
                (None, State::Running | State::Created) => {
                    tokio::time::sleep(LOOK).await;
                    continue;
                }
                (None, State::Paused) => {
                    executor.unpause(name, control).await?;
                    continue;
                }
                // However it ends: it said too much, and reading all of that would only take time.
                (Some(Cause::Output), _) => Cause::Output,
                // It ended in time, and there is more to read.
                (_, State::Exited(_) | State::Missing) if self.read_batch().await? => continue,
                (_, State::Exited(_) | State::Missing) if self.finished.is_some() => Cause::Finished,
                (_, State::Exited(exit)) if exit.oom => Cause::Memory,
                (_, State::Exited(_) | State::Missing) => Cause::Lost,
                (Some(cause), _) => cause,
            };
            executor.kill(name, control).await?;
            // Once the log is full, reading on would change nothing that anybody sees.
            while !self.told.is_full() && self.read_batch().await? {}
            return Ok(cause);
        }
    }

    /// How it ended by itself.
    async fn ended(&self) -> Result<Cause, Stop> {
        // Its last frame is there a moment before the sandbox has ended, and only then it is known what the kernel did.
        let end = self.run.repository.executor.wait(&self.sandbox.name, &self.sandbox.control);
        let oom = match tokio::time::timeout(LAST_MOMENT, end).await {
            Ok(Ok(exit)) => exit.oom,
            Ok(Err(agentd_executor::Error::NotFound { .. })) | Err(_) => false,
            Ok(Err(error)) => return Err(error.into()),
        };
        Ok(if self.finished.is_some() {
            Cause::Finished
        } else if oom {
            Cause::Memory
        } else if self.truncated {
            Cause::Output
        } else {
            Cause::Exited
        })
    }

    /// Looks at the disk from time to time, the seldomer the longer it takes.
    async fn weigh(&mut self) -> Result<Option<Cause>, Stop> {
        if Instant::now() < self.weigh_at {
            return Ok(None);
        }
        let began = Instant::now();
        let layout = &self.run.layout;
        // A disk that cannot be asked will say so to whoever writes next.
        let low = Room::at(layout.dir()).is_ok_and(Room::is_low);
        let folders = workspace::written(layout);
        let used = sandbox::blocking(move || disk::used(&folders)).await?;
        self.weigh_at = Instant::now() + WEIGH.max(began.elapsed() * 10);
        Ok(if used > self.run.rt.sandboxes.disk {
            Some(Cause::Written)
        } else if low {
            Some(Cause::Disk)
        } else {
            None
        })
    }

    fn overdue(&self) -> Result<Option<Cause>, Stop> {
        let timeouts = &self.run.rt.timeouts;
        Ok(if self.truncated || self.reader.is_cut()? {
            Some(Cause::Output)
        } else if self.finished.is_some_and(|since| since.elapsed() >= FAREWELL) {
            Some(Cause::Finished)
        } else if self.began.elapsed() >= timeouts.wall {
            Some(Cause::Timeout)
        } else if self.heard.elapsed() >= timeouts.idle {
            Some(Cause::Idle)
        } else {
            None
        })
    }

    /// Hands on what there is, up to a batch; false if there was nothing.
    ///
    /// Batches end where events were stored before, so that a replay cuts there as well.
    async fn read_batch(&mut self) -> Result<bool, Stop> {
        let (from, mut lines) = (self.at, vec![]);
        while self.at - from < BATCH_BYTES && lines.len() < BATCH_LINES {
            let Some(frame) = self.reader.next()? else { break };
            self.at = frame.end;
            self.lines.take(&frame, &mut lines);
            match frame.stream {
                spool::Stream::Stderr => self.keep_stderr(&frame.payload),
                spool::Stream::Note => self.heed(frame.note().unwrap_or_default()),
                spool::Stream::Exit => {
                    self.exited = true;
                    self.exit_code = frame.ending().and_then(spool::Ending::exit_code);
                }
                spool::Stream::Stdout => {}
            }
            if self.at == self.stored {
                break;
            }
        }
        if self.at == from {
            return Ok(false);
        }
        self.heard = Instant::now();
        let (mut happened, mut lines) = (vec![], lines.into_iter().peekable());
        let (mut send, mut finished) = (String::new(), false);
        while lines.peek().is_some() {
            let batch = lines.by_ref().take(BATCH_LINES).collect();
            let progress = self.adapter.read(batch).await.map_err(plugin)?;
            happened.extend(progress.events);
            send.push_str(&progress.send);
            finished |= progress.finished;
        }
        self.store(happened).await?;
        self.answer(&send, finished)?;
        Ok(true)
    }

    /// Tells the agent what its adapter wants it told; `finished`: it is to hear nothing more.
    fn answer(&mut self, send: &str, finished: bool) -> Result<(), Stop> {
        let Some(input) = &mut self.input else {
            return match send.is_empty() && !finished {
                true => Ok(()),
                false => {
                    Err(Stop::failed(Reason::Plugin, "the adapter wants to talk to its agent, whose input is closed"))
                }
            };
        };
        if self.finished.is_none() {
            input.give(self.said_to, send.as_bytes())?;
            self.said_to += send.len() as u64;
        }
        if finished && self.finished.is_none() {
            input.end()?;
            self.finished = Some(Instant::now());
        }
        Ok(())
    }

    async fn store(&mut self, happened: Vec<activity::Event>) -> Result<(), Stop> {
        let events = self.told.events(self.run, happened);
        // An offset without events need not be stored: reading that part again gives none either.
        if self.at > self.stored && !events.is_empty() {
            let (from, to) = (self.stored, self.at);
            let events = events.into_iter().map(|it| (to, it)).collect();
            self.run.rt.store.take_output(self.run.key, from, to, events, self.run.rt.clock.now()).await?;
            self.stored = to;
        }
        Ok(())
    }

    fn heed(&mut self, note: spool::Note) {
        self.truncated |= note.truncated;
        self.no_start = note.cannot_start.or(self.no_start.take());
        self.no_disk = note.lost.or(self.no_disk.take());
    }

    fn keep_stderr(&mut self, bytes: &[u8]) {
        self.stderr.push_str(&String::from_utf8_lossy(bytes));
        if self.stderr.len() > 4 * STDERR_MAX {
            self.stderr = contract::tail(&self.stderr, STDERR_MAX).into();
        }
    }

    /// Has the adapter judge the end. What it held back is stored unless it was before.
    async fn conclude(&mut self, cause: Cause) -> Result<Conclusion, Stop> {
        let mut last = vec![];
        self.lines.finish(&mut last);
        let mut happened = if last.is_empty() { vec![] } else { self.adapter.read(last).await.map_err(plugin)?.events };
        let exit = Exit {
            code: self.exit_code,
            cause: cause.word().into(),
            stderr: contract::tail(&self.stderr, STDERR_MAX).into(),
            extra: vec![],
        };
        let mut conclusion = self.adapter.conclude(exit).await.map_err(plugin)?;
        happened.append(&mut conclusion.events);
        let events = self.told.events(self.run, happened);
        let key = self.run.key;
        // The end has an offset of its own, one past the spool, so that it too is stored once.
        let end = self.at + 1;
        if self.stored < end {
            let events = events.into_iter().map(|it| (end, it)).collect();
            self.run.rt.store.take_output(key, self.stored, end, events, self.run.rt.clock.now()).await?;
        }
        Ok(conclusion)
    }
}

fn plugin(error: CallError) -> Stop {
    Stop::failed(Reason::Plugin, error.to_string())
}

/// What `launch` refuses waits for an operator; it is no attempt.
fn refused(error: CallError) -> Stop {
    match error {
        CallError::Plugin(common::Error::Invalid(why) | common::Error::Denied(why)) => Stop::Stuck(why),
        other => plugin(other),
    }
}
