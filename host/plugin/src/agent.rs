//! `agentd:agent`: how a coding agent is launched, and how its output reads.
//!
//! One instance lives as long as a run: a task of its own holds it and takes one order after the other, so that a
//! caller who goes away in the middle leaves nothing half done. The first trap or limit ends it. There is no clock and
//! no chance in it, so a new instance that is given the same run, lines and orders says the same again.

mod life;

use crate::bindings::exports::agentd::agent::agent::Guest;
use crate::call::{Attempt, Slot};
use crate::entry::{Entry, Face};
use crate::error::{CallError, readable};
use crate::kind::Kind;
use crate::limits::Function;
use crate::state::{State, Surface};
use crate::wit::activity::{Conclusion, Event, Happening, Run};
use crate::wit::agent::{Exit, Line, Order, Plan, Progress, Requirements};
use life::Life;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};
use wasmtime::Store;
use wasmtime::error::format_err;

/// How long a text in an event may be.
const TEXT_BYTES: usize = 256 << 10;

/// A run's instance. Dropping it ends the instance after the call that it is in.
pub struct AgentRun {
    orders: mpsc::Sender<Task>,
    plugin: String,
    entry: String,
}

type Reply<T> = oneshot::Sender<Result<T, CallError>>;

enum Task {
    Launch(Box<Run>, Reply<Plan>),
    Read(Vec<Line>, Reply<Progress>),
    Control(Order, Reply<Progress>),
    Conclude(Exit, Reply<Conclusion>),
}

impl Entry {
    /// What has to be in the sandbox.
    pub async fn needs(&self) -> Result<Requirements, CallError> {
        let face = self.face_as(Kind::Agent)?;
        let exports = face.loaded.exports.agent.as_ref().ok_or_else(|| face.wrong_kind(Kind::Agent))?;
        let mut call = face.caller.begin(&face.loaded.pre, Function::Needs, Surface::Agent).await?;
        let outcome = call
            .watch()
            .run(async {
                let instance = call.instantiate().await?;
                let agent = exports.load(&mut call.store, &instance)?;
                agent.call_needs(&mut call.store).await
            })
            .await;
        Ok(call.end(outcome, || json!([]), |_| Ok(()))?.value)
    }

    /// An instance for one run: first `launch`, then `read` and `control`, then `conclude`. It is made with the first
    /// call, and of the generation that serves now; it stays with that.
    pub async fn agent_run(&self) -> Result<AgentRun, CallError> {
        let face = self.face_as(Kind::Agent)?;
        if face.loaded.exports.agent.is_none() {
            return Err(face.wrong_kind(Kind::Agent));
        }
        let caller = &face.caller;
        let store = caller.store(Surface::Agent, caller.budget(Function::Launch));
        let (orders, tasks) = mpsc::channel(1);
        let instance = Instance { face: face.clone(), store, guest: None, life: Life::default() };
        caller.shared.runs.spawn(instance.serve(tasks));
        Ok(AgentRun { orders, plugin: self.plugin().into(), entry: self.name().into() })
    }
}

impl AgentRun {
    /// How to start the agent.
    pub async fn launch(&mut self, run: Run) -> Result<Plan, CallError> {
        self.order(|reply| Task::Launch(Box::new(run), reply)).await
    }

    /// Makes events of output: up to 1,000 lines or 1 MiB at a time.
    pub async fn read(&mut self, lines: Vec<Line>) -> Result<Progress, CallError> {
        self.order(|reply| Task::Read(lines, reply)).await
    }

    /// Passes a person's order on.
    pub async fn control(&mut self, order: Order) -> Result<Progress, CallError> {
        self.order(|reply| Task::Control(order, reply)).await
    }

    /// Judges how the run ended.
    pub async fn conclude(&mut self, exit: Exit) -> Result<Conclusion, CallError> {
        self.order(|reply| Task::Conclude(exit, reply)).await
    }

    async fn order<T>(&mut self, task: impl FnOnce(Reply<T>) -> Task) -> Result<T, CallError> {
        let ended = || CallError::Ended { plugin: self.plugin.clone(), entry: self.entry.clone() };
        let (reply, answer) = oneshot::channel();
        self.orders.send(task(reply)).await.map_err(|_| ended())?;
        answer.await.map_err(|_| ended())?
    }
}

/// The instance, in the task that holds it.
struct Instance {
    face: Arc<Face>,
    store: Store<State>,
    guest: Option<Guest>,
    life: Life,
}

impl Instance {
    async fn serve(mut self, mut tasks: mpsc::Receiver<Task>) {
        while let Some(task) = tasks.recv().await {
            let alive = match task {
                Task::Launch(run, reply) => tell(reply, self.launch(&run).await),
                Task::Read(lines, reply) => tell(reply, self.read(&lines).await),
                Task::Control(order, reply) => tell(reply, self.control(&order).await),
                Task::Conclude(exit, reply) => tell(reply, self.conclude(&exit).await),
            };
            if !alive {
                return;
            }
        }
    }

    async fn launch(&mut self, run: &Run) -> Result<Plan, CallError> {
        self.life.begin(run);
        let (attempt, _slot) = self.begin(Function::Launch).await?;
        let watch = attempt.watch(self.store.data());
        let outcome = watch
            .run(async {
                let guest = guest(&self.face, &mut self.guest, &mut self.store).await?;
                guest.call_launch(&mut self.store, run).await
            })
            .await;
        attempt.end(self.store.data(), outcome, || self.arguments(), |plan| check_plan(run, plan))
    }

    async fn read(&mut self, lines: &[Line]) -> Result<Progress, CallError> {
        self.life.read(lines);
        let (attempt, _slot) = self.begin(Function::Read).await?;
        let watch = attempt.watch(self.store.data());
        let outcome = watch
            .run(async {
                let guest = guest(&self.face, &mut self.guest, &mut self.store).await?;
                guest.call_read(&mut self.store, lines).await.map(Ok)
            })
            .await;
        attempt.end(self.store.data(), outcome, || self.arguments(), fit_progress)
    }

    async fn control(&mut self, order: &Order) -> Result<Progress, CallError> {
        self.life.order(order);
        let (attempt, _slot) = self.begin(Function::Control).await?;
        let watch = attempt.watch(self.store.data());
        let outcome = watch
            .run(async {
                let guest = guest(&self.face, &mut self.guest, &mut self.store).await?;
                guest.call_control(&mut self.store, order).await
            })
            .await;
        attempt.end(self.store.data(), outcome, || self.arguments(), fit_progress)
    }

    async fn conclude(&mut self, exit: &Exit) -> Result<Conclusion, CallError> {
        self.life.end(exit);
        let (attempt, _slot) = self.begin(Function::Conclude).await?;
        let watch = attempt.watch(self.store.data());
        let outcome = watch
            .run(async {
                let guest = guest(&self.face, &mut self.guest, &mut self.store).await?;
                guest.call_conclude(&mut self.store, exit).await.map(Ok)
            })
            .await;
        let fit = |conclusion: &mut Conclusion| {
            cut(&mut conclusion.answer);
            conclusion.events.iter_mut().for_each(fit_event);
            Ok(())
        };
        attempt.end(self.store.data(), outcome, || self.arguments(), fit)
    }

    /// What a trace says of its life up to now.
    fn arguments(&self) -> Value {
        self.life.arguments().unwrap_or_else(|| {
            self.store.data().recorder.give_up();
            Value::Null
        })
    }

    /// A slot is held only while it works: runs wait for their agents most of the time.
    async fn begin(&mut self, function: Function) -> Result<(Attempt, Slot), CallError> {
        let slot = self.face.caller.slot().await;
        let attempt = self.face.caller.attempt(function)?;
        self.store.data_mut().arm(attempt.budget);
        self.store.set_epoch_deadline(1);
        Ok((attempt, slot))
    }
}

async fn guest<'a>(face: &Face, guest: &'a mut Option<Guest>, store: &mut Store<State>) -> wasmtime::Result<&'a Guest> {
    let made = match (guest.take(), &face.loaded.exports.agent) {
        (Some(made), _) => made,
        (None, Some(exports)) => {
            let instance = face.loaded.pre.instantiate_async(&mut *store).await?;
            exports.load(store, &instance)?
        }
        (None, None) => return Err(format_err!("the component is no agent")),
    };
    Ok(guest.insert(made))
}

/// False: the instance cannot go on.
fn tell<T>(reply: Reply<T>, answer: Result<T, CallError>) -> bool {
    let alive = !matches!(answer, Err(CallError::Failed { .. }));
    drop(reply.send(answer)); // a caller who went away wants no answer
    alive
}

fn check_plan(run: &Run, plan: &Plan) -> Result<(), String> {
    if plan.argv.first().is_none_or(String::is_empty) {
        return Err("the plan names no program (`argv` is empty)".into());
    }
    let nul = |it: &String| it.contains('\0');
    if plan.argv.iter().any(nul) || plan.env.iter().any(|(name, value)| nul(name) || nul(value)) {
        return Err("an argument or a variable holds a NUL byte".into());
    }
    if let Some((name, _)) = plan.env.iter().find(|(name, _)| name.is_empty() || name.contains('=')) {
        return Err(format!("`{}` is no name of a variable", readable(name, 64)));
    }
    let home = run.home.trim_end_matches('/');
    for file in &plan.files {
        let below = file.path.strip_prefix(home).and_then(|it| it.strip_prefix('/'));
        let plain = |path: &str| !path.is_empty() && path.split('/').all(|it| !matches!(it, "" | "." | ".."));
        if !below.is_some_and(plain) || nul(&file.path) {
            return Err(format!("the file `{}` does not lie below the run's home {home}", readable(&file.path, 256)));
        }
    }
    Ok(())
}

#[expect(clippy::unnecessary_wraps, reason = "it is a check of an answer, and those may fail")]
fn fit_progress(progress: &mut Progress) -> Result<(), String> {
    progress.events.iter_mut().for_each(fit_event);
    Ok(())
}

fn fit_event(event: &mut Event) {
    match &mut event.happening {
        Happening::Message(message) => cut(&mut message.text),
        Happening::ToolCall(call) => cut(&mut call.input),
        Happening::ToolResult(result) => cut(&mut result.output),
        Happening::Notice(notice) => cut(&mut notice.text),
        Happening::Other(note) => cut(&mut note.content),
        Happening::Started(_) | Happening::Usage(_) | Happening::Window(_) => (),
    }
}

fn cut(text: &mut String) {
    text.truncate(text.floor_char_boundary(TEXT_BYTES));
}
