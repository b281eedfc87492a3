//! From a function's name and JSON to the call, and from its answer to JSON.

use super::Rehearsal;
use crate::call::Answer;
use crate::entry::{Entry, Face};
use crate::error::CallError;
use crate::kind::Kind;
use crate::wit::activity::Run;
use crate::wit::agent::{Exit, Line, Order, Progress};
use crate::{json, manifest};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// Lines of one `read`, as the contract has it.
const LINES: usize = 1_000;

type Kv = Vec<(String, Option<String>)>;

/// Calls what the rehearsal names.
pub(super) async fn play(face: &Face, entry: &Entry, rehearsal: &Rehearsal) -> Result<(Value, Kv), CallError> {
    let arguments = Arguments::of(rehearsal)?;
    match rehearsal.function.as_str() {
        "describe" => {
            let settings = arguments.settings(rehearsal)?;
            let about = manifest::describe(&face.caller, &face.loaded.pre, &face.loaded.exports, &settings).await?;
            Ok((json::value(&about), vec![]))
        }
        "check" => {
            let settings = arguments.settings(rehearsal)?;
            let problems = manifest::problems(&face.caller, &face.loaded.pre, &face.loaded.exports, &settings).await?;
            Ok((json::value(&problems), vec![]))
        }
        "poll" => told(entry.poll(arguments.one()?).await),
        "feedback" => told(entry.feedback(arguments.one()?).await),
        "receive" => told(entry.receive(arguments.one()?).await),
        "report" => told(entry.report(arguments.one()?).await),
        "analyze" => told(entry.analyze(arguments.one()?).await),
        "rank" => told(entry.rank(arguments.one()?).await),
        "render" => told(entry.render(arguments.one()?).await),
        "notify" => told(entry.notify(arguments.one()?).await),
        "needs" => Ok((json::value(&entry.needs().await?), vec![])),
        "run" => Ok((run(entry, arguments.life()?).await?, vec![])),
        other => Err(unknown(face, other)),
    }
}

fn told<T: Serialize>(answer: Result<Answer<T>, CallError>) -> Result<(Value, Kv), CallError> {
    answer.map(|it| (json::value(&it.value), it.kv))
}

fn unknown(face: &Face, name: &str) -> CallError {
    let of_kind = |kind: &Kind| match kind {
        Kind::TaskSource => ", poll, feedback, receive, report",
        Kind::Analyzer => ", analyze",
        Kind::Prioritizer => ", rank",
        Kind::PromptTemplate => ", render",
        Kind::Notifier => ", notify",
        Kind::Agent => ", needs, run",
        Kind::Remote => "",
    };
    let known: String = face.loaded.info.kinds.iter().map(of_kind).collect();
    let name = name.escape_debug();
    CallError::Input(format!("there is no function `{name}` to call; this plugin has describe, check{known}"))
}

/// What a function is called with.
struct Arguments<'a> {
    function: &'a str,
    values: &'a [Value],
}

impl<'a> Arguments<'a> {
    fn of(rehearsal: &'a Rehearsal) -> Result<Arguments<'a>, CallError> {
        let function = rehearsal.function.as_str();
        match &rehearsal.arguments {
            Value::Array(values) => Ok(Arguments { function, values }),
            Value::Null => Ok(Arguments { function, values: &[] }),
            _ => Err(CallError::Input(format!("the arguments of {function} must be a list"))),
        }
    }

    fn one<T: DeserializeOwned>(&self) -> Result<T, CallError> {
        json::read(self.only()?, "arguments[0]").map_err(CallError::Input)
    }

    fn only(&self) -> Result<&'a Value, CallError> {
        match self.values {
            [value] => Ok(value),
            values => {
                let what = format!("{} takes one argument, and {} are given", self.function, values.len());
                Err(CallError::Input(what))
            }
        }
    }

    /// JSON text: what is given, or else the rehearsal's.
    fn settings(&self, rehearsal: &Rehearsal) -> Result<String, CallError> {
        match self.values {
            [] => Ok(rehearsal.settings.to_string()),
            [Value::String(text)] => Ok(text.clone()),
            _ => Ok(self.only()?.to_string()),
        }
    }

    fn life(&self) -> Result<Life, CallError> {
        let mut value = self.only()?.clone();
        for line in value["lines"].as_array_mut().into_iter().flatten() {
            if let Value::String(text) = line {
                *line = json!({ "text": text, "stderr": false, "cut": false });
            }
        }
        json::read(&value, "arguments[0]").map_err(CallError::Input)
    }
}

/// An agent's life.
#[derive(Deserialize)]
struct Life {
    run: Run,
    lines: Vec<Line>,
    orders: Vec<Given>,
    exit: Option<Exit>,
    cut: Option<u32>,
}

/// An order, and after how many lines it is given.
#[derive(Deserialize)]
struct Given {
    after: u32,
    order: Order,
}

/// What came of it, up to now.
#[derive(Default)]
struct Told {
    events: Vec<Value>,
    send: String,
    finished: bool,
}

impl Told {
    fn add(&mut self, progress: &Progress) {
        self.events.extend(progress.events.iter().map(json::value));
        self.send.push_str(&progress.send);
        self.finished |= progress.finished;
    }
}

async fn run(entry: &Entry, life: Life) -> Result<Value, CallError> {
    let Life { run, lines, mut orders, exit, cut } = life;
    let mut agent = entry.agent_run().await?;
    let mut answer = Map::new();
    answer.insert("plan".into(), json::value(&agent.launch(run).await?));
    let (mut told, mut answers, mut read) = (Told::default(), vec![], 0);
    let cut = cut.map_or(LINES, |it| (it as usize).clamp(1, LINES));
    orders.sort_by_key(|it| it.after);
    let mut orders = orders.into_iter().peekable();
    loop {
        while let Some(given) = orders.next_if(|it| it.after as usize <= read || read == lines.len()) {
            let answer = match agent.control(given.order).await {
                Ok(progress) => {
                    told.add(&progress);
                    json!({ "ok": json::value(&progress) })
                }
                Err(CallError::Plugin(error)) => json!({ "err": json::value(&error) }),
                Err(error) => return Err(error),
            };
            answers.push(answer);
        }
        if read == lines.len() {
            break;
        }
        let next = orders.peek().map_or(usize::MAX, |it| it.after as usize);
        let end = (read + cut).min(lines.len()).min(next.max(read + 1));
        told.add(&agent.read(lines[read..end].to_vec()).await?);
        read = end;
    }
    if let Some(exit) = exit {
        answer.insert("conclusion".into(), json::value(&agent.conclude(exit).await?));
    }
    answer.insert("events".into(), told.events.into());
    answer.insert("send".into(), told.send.into());
    answer.insert("finished".into(), told.finished.into());
    answer.insert("answers".into(), answers.into());
    Ok(Value::Object(answer))
}
