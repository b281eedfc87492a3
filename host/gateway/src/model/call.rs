//! One call: from the request that goes out to the row in the ledger.
//!
//! A call runs in a task of its own, which nobody drops: the client may go away, the door may close, and what the call
//! has cost is booked all the same. It ends in one place, [`Call::settle`].

use super::{Held, body::RequestFacts, response};
use crate::{
    Fault, FaultKind, Refusal, Usage,
    account::{Route, Shape},
    answer::{Answered, Body},
    budget::Admission,
    door::{DoorState, EndpointState, When},
    fault, ledger,
    meter::{Meter, Reading},
};
use agentd_egress::{Error as EgressError, Request as Outgoing, Rule, Streamed};
use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::{StatusCode, body::Frame};
use std::{io, sync::Arc, time::Duration};
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

/// Pieces of an answer between the provider and the client.
const PIECES: usize = 16;
/// Of an error's body, what is looked at for its words, in bytes.
const ERROR_MAX: usize = 64 << 10;

/// Who waits for a model in vain gives up after some part of the time that the gateway would have waited.
const GIVES_UP: u32 = 4;
/// What a model writes at most, tokens in a second.
const SPEED: u64 = 100;

/// A call that may be made.
pub(super) struct Call {
    door: Arc<DoorState>,
    /// Of the endpoint, in the door's.
    index: usize,
    route: Route,
    facts: RequestFacts,
    /// None: it is free.
    admission: Option<Admission>,
    _held: Held,
    /// In the door's moments.
    began: u64,
    /// The same, when the answer's head came.
    head: u64,
    /// When it was sent; when the newest piece of the answer came.
    sent: Instant,
    heard: Instant,
}

/// How a call ended.
enum End {
    /// There was no connection, or nothing was sent.
    NotSent(EgressError),
    /// It was sent, and nothing came back.
    Unanswered(EgressError),
    /// The client went away before anything came back.
    LeftEarly,
    /// The door was closed before anything came back.
    ClosedEarly,
    /// The provider answered with an error.
    Error { status: u16, body: Vec<u8>, until: Option<i64> },
    /// An answer came.
    Answer { status: u16, reading: Reading, rest: Rest },
}

/// What became of an answer that had begun.
enum Rest {
    Came,
    /// The client went away.
    Left,
    /// The door was closed.
    Closed,
    Failed(EgressError),
}

type Pieces = mpsc::Sender<Result<Bytes, io::Error>>;

impl Call {
    pub(super) fn new(
        door: &Arc<DoorState>,
        index: usize,
        route: Route,
        facts: RequestFacts,
        admission: Option<Admission>,
        held: Held,
    ) -> Call {
        let (began, now) = (door.moment(), Instant::now());
        let door = Arc::clone(door);
        Call { door, index, route, facts, admission, _held: held, began, head: began, sent: now, heard: now }
    }

    /// Sends the request and gives the answer as soon as its head is there.
    pub(super) async fn start(self, outgoing: Outgoing) -> Answered {
        let (head, answered) = oneshot::channel();
        let provider = self.endpoint().account.provider;
        let tasks = self.door.shared.tasks.clone();
        tasks.spawn(self.run(outgoing, head));
        let closing = |_| provider.error(StatusCode::BAD_GATEWAY, "the gateway is closing", false).into();
        answered.await.unwrap_or_else(closing)
    }

    fn endpoint(&self) -> &EndpointState {
        &self.door.endpoints[self.index]
    }

    async fn run(mut self, outgoing: Outgoing, mut head: oneshot::Sender<Answered>) {
        let door = Arc::clone(&self.door);
        let rule = Rule {
            methods: vec![outgoing.method.clone()],
            url_prefix: self.endpoint().account.url.clone(),
            credential: outgoing.credential.clone(),
        };
        let (egress, patience) = (&door.shared.egress, door.shared.patience);
        let opened = tokio::select! {
            biased;
            () = door.stop.cancelled() => Err(End::ClosedEarly),
            () = head.closed() => Err(End::LeftEarly),
            opened = egress.open(&door.caller, std::slice::from_ref(&rule), outgoing, patience) => Ok(opened),
        };
        (self.head, self.heard) = (door.moment(), Instant::now());
        match opened {
            Err(end) => self.settle(end).await,
            Ok(Err(error)) => {
                let answer = self.unanswered(&error);
                let sent = matches!(error, EgressError::Silent { .. } | EgressError::Cut { .. });
                self.settle(if sent { End::Unanswered(error) } else { End::NotSent(error) }).await;
                // If the client went away meanwhile, nobody wants to know.
                drop(head.send(answer));
            }
            Ok(Ok(mut streamed)) => {
                let (pieces, receiver) = mpsc::channel(PIECES);
                let headers = std::mem::take(&mut streamed.headers);
                let until = (streamed.status == 429).then(|| limit_until(&headers, door.now())).flatten();
                let is_stream = is_stream(&headers);
                let answer = response(streamed.status, headers, piped(receiver));
                // If the client went away meanwhile, the receiver of the pieces has gone with its answer.
                drop(head.send(answer.into()));
                let (end, fault) = self.pass_on(streamed, &pieces, is_stream, until).await;
                self.settle(end).await;
                if let Some(fault) = fault {
                    // The client's connection ends in the middle too. If it is gone already, all the better.
                    drop(pieces.send(Err(fault)).await);
                }
            }
        }
    }

    /// Hands the answer on, piece by piece, and reads along. `Some`: the client has to see that it broke off.
    async fn pass_on(
        &mut self,
        mut streamed: Streamed,
        pieces: &Pieces,
        is_stream: bool,
        until: Option<i64>,
    ) -> (End, Option<io::Error>) {
        let (status, shape) = (streamed.status, self.shape());
        let failed = FaultKind::of_status(status).is_some();
        let mut meter = Meter::new(shape, is_stream);
        let mut error_body = Vec::new();
        let rest = loop {
            let next = tokio::select! {
                biased;
                () = self.door.stop.cancelled() => break Rest::Closed,
                () = pieces.closed() => break Rest::Left,
                next = streamed.chunk() => next,
            };
            match next {
                Ok(Some(piece)) => {
                    self.heard = Instant::now();
                    if failed {
                        let room = ERROR_MAX.saturating_sub(error_body.len()).min(piece.len());
                        error_body.extend_from_slice(&piece[..room]);
                    } else {
                        let before = meter.reading().usage;
                        meter.take(&piece);
                        if meter.reading().usage != before {
                            self.note(meter.reading());
                        }
                    }
                    let sent = tokio::select! {
                        () = self.door.stop.cancelled() => break Rest::Closed,
                        sent = pieces.send(Ok(piece)) => sent,
                    };
                    if sent.is_err() {
                        break Rest::Left;
                    }
                }
                Ok(None) => break Rest::Came,
                Err(error) => break Rest::Failed(error),
            }
        };
        let fault = match &rest {
            Rest::Failed(error) => Some(io::Error::other(error.to_string())),
            Rest::Came | Rest::Left | Rest::Closed => None,
        };
        if failed {
            return (End::Error { status, body: error_body, until }, fault);
        }
        let reading = meter.finish(matches!(rest, Rest::Came));
        (End::Answer { status, reading, rest }, fault)
    }

    fn shape(&self) -> Shape {
        match self.route {
            Route::Call(shape) => shape,
            Route::Free => Shape::Messages,
        }
    }

    fn note(&self, reading: &Reading) {
        if let Some(admission) = &self.admission {
            self.door.spending.note(admission, self.cost(reading));
        }
    }

    fn model<'a>(&'a self, reading: &'a Reading) -> &'a str {
        self.facts.model.as_deref().or(reading.model.as_deref()).unwrap_or_default()
    }

    fn cost(&self, reading: &Reading) -> u64 {
        let Reading { usage, long_cache_write, .. } = reading;
        let (prices, model) = (&self.door.shared.prices, self.model(reading));
        let cost = |model: &str| prices.cost_with(model, usage, *long_cache_write);
        // What was asked for may be another name for something dearer.
        let served = reading.model.as_deref().filter(|it| prices.knows(it) && !prices.is_own(model));
        cost(model).max(served.map_or(0, cost))
    }

    /// The end of every call: what it cost is booked, and what went wrong is remembered.
    async fn settle(&mut self, end: End) {
        match end {
            End::NotSent(error) => {
                let kind = if is_refused(&error) { FaultKind::Refused } else { FaultKind::Unreachable };
                self.failed(kind, None, text_of(&error), None);
                self.release();
            }
            End::Unanswered(error) => {
                self.failed(kind_of(&error), None, text_of(&error), None);
                self.book(Reading::default(), Duration::ZERO).await;
            }
            End::LeftEarly => {
                let (waited, patience) = (self.heard - self.sent, self.door.shared.patience.head);
                if waited >= patience / GIVES_UP {
                    let (seconds, account) = (waited.as_secs(), &self.endpoint().account_name);
                    let text = format!(
                        "the provider of the account `{account}` did not begin to answer within {seconds} s, and the \
                         agent waited no longer"
                    );
                    self.failed(FaultKind::Silent, None, text, None);
                }
                // A stream that has not begun was not written at either.
                let wrote = if self.facts.streams { Duration::ZERO } else { waited };
                self.book(Reading::default(), wrote).await;
            }
            End::ClosedEarly => self.book(Reading::default(), Duration::ZERO).await,
            End::Error { status, body, until } => {
                let kind = FaultKind::of_answer(status, &body).unwrap_or(FaultKind::Error);
                // What is free is asked for by the way: not every provider has it.
                if self.admission.is_some() || kind != FaultKind::Refused {
                    let text = self.endpoint().error_text(status, &body);
                    self.failed(kind, Some(status), text, until);
                }
                self.release();
            }
            End::Answer { status, reading, rest } => {
                let left = matches!(rest, Rest::Left);
                self.judge(status, &reading, rest);
                let wrote = if left { self.sent.elapsed() } else { Duration::ZERO };
                self.book(reading, wrote).await;
            }
        }
    }

    fn failed(&self, kind: FaultKind, status: Option<u16>, text: String, until: Option<i64>) {
        let when = When::Head { at: self.head, free: self.admission.is_none() };
        self.door.set_fault(self.index, when, Fault { kind, status, text, until });
    }

    /// Whether an answer that began well was a good one.
    fn judge(&self, status: u16, reading: &Reading, rest: Rest) {
        let (door, free, account) = (&self.door, self.admission.is_none(), &self.endpoint().account_name);
        let failed = |kind, text| {
            let fault = Fault { kind, status: Some(status), text, until: None };
            door.set_fault(self.index, When::Later { head: self.head }, fault);
        };
        match (&reading.problem, rest) {
            // What is free is not read.
            (_, Rest::Came) if free => door.answered_well(self.index, self.began, free),
            _ if free => {}
            (Some((kind, text)), _) => {
                failed(
                    *kind,
                    format!("the provider of the account `{account}` ended its answer with an error: {text}"),
                );
            }
            (None, Rest::Failed(error)) => failed(kind_of(&error), error.to_string()),
            (None, Rest::Came) if !reading.ended => {
                let text = format!("the answer of the provider of the account `{account}` ended in the middle");
                failed(FaultKind::Cut, text);
            }
            // All was there, even if the client did not wait for the connection's end.
            (None, _) if reading.ended => door.answered_well(self.index, self.began, free),
            (None, Rest::Left) if self.heard.elapsed() >= door.shared.patience.idle / GIVES_UP => {
                let seconds = self.heard.elapsed().as_secs();
                let text = format!(
                    "the answer of the provider of the account `{account}` stalled: nothing more of it came within \
                     {seconds} s, and the agent waited no longer"
                );
                failed(FaultKind::Stalled, text);
            }
            (None, _) => {}
        }
    }

    fn release(&mut self) {
        if let Some(admission) = self.admission.take() {
            self.door.spending.release(admission);
        }
    }

    /// `wrote`: so long the model wrote, as far as can be known, at an answer that nobody waited for.
    async fn book(&mut self, mut reading: Reading, wrote: Duration) {
        let Some(admission) = self.admission.take() else { return };
        if !reading.complete {
            estimate(&mut reading, &self.facts, wrote);
        }
        let (shared, scope) = (&self.door.shared, &self.door.scope);
        let model = self.model(&reading).to_owned();
        if !shared.prices.knows(&model) {
            self.door.warn_unpriced(&model);
        }
        let call = ledger::Call {
            task: scope.task,
            run: scope.run,
            account: self.endpoint().account_name.clone(),
            cost_microusd: self.cost(&reading),
            model,
            usage: reading.usage,
            complete: reading.complete,
        };
        self.door.spending.book(&*shared.ledger, &shared.debts, admission, call).await;
    }

    /// The answer where the provider gave none.
    fn unanswered(&self, error: &EgressError) -> Answered {
        let status = match error {
            EgressError::Silent { .. } => StatusCode::GATEWAY_TIMEOUT,
            EgressError::SecretInRequest { .. } | EgressError::Invalid { .. } => StatusCode::BAD_REQUEST,
            EgressError::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            _ => StatusCode::BAD_GATEWAY,
        };
        let text = text_of(error);
        let response = self.endpoint().account.provider.error(status, &text, status.is_client_error());
        let is_secret = matches!(error, EgressError::SecretInRequest { .. });
        let refusal = is_secret.then(|| Refusal { what: "model call".into(), why: text, allow: None });
        Answered { response, refusal }
    }
}

/// For the agent and for people. Whose call it was they know.
fn text_of(error: &EgressError) -> String {
    match error {
        // An answer that is handed on while it comes is this only without a connection.
        EgressError::Unavailable { host, why, .. } => format!("{host} could not be reached: {why}"),
        error => error.to_string(),
    }
}

/// What was not told is taken from the bytes: four make a token. What was told is the least. Of an answer that nobody
/// waited for, most was perhaps not seen yet.
fn estimate(reading: &mut Reading, facts: &RequestFacts, wrote: Duration) {
    let unseen = wrote.as_secs().saturating_mul(SPEED).min(facts.output_max.unwrap_or(u64::MAX));
    let usage: &mut Usage = &mut reading.usage;
    if *usage == (Usage { output: usage.output, ..Usage::default() }) {
        usage.input = facts.bytes.div_ceil(4);
    }
    usage.output = usage.output.max(reading.bytes.div_ceil(4)).max(unseen);
}

/// Nothing would make it better but another request.
fn is_refused(error: &EgressError) -> bool {
    matches!(error, EgressError::SecretInRequest { .. } | EgressError::TooLarge { .. } | EgressError::Invalid { .. })
}

fn kind_of(error: &EgressError) -> FaultKind {
    match error {
        EgressError::Silent { .. } => FaultKind::Silent,
        EgressError::Stalled { .. } => FaultKind::Stalled,
        EgressError::SecretInAnswer { .. } => FaultKind::Refused,
        _ => FaultKind::Cut,
    }
}

fn is_stream(headers: &[(String, String)]) -> bool {
    let of_type = |(name, value): &(String, String)| {
        name == "content-type" && value.to_ascii_lowercase().starts_with("text/event-stream")
    };
    headers.iter().any(of_type)
}

fn limit_until(headers: &[(String, String)], now: i64) -> Option<i64> {
    fault::until(now, |name| headers.iter().find(|(it, _)| it == name).map(|(_, value)| value.as_str()))
}

fn piped(mut receiver: mpsc::Receiver<Result<Bytes, io::Error>>) -> Body {
    let pieces = stream::poll_fn(move |context| receiver.poll_recv(context).map(|it| it.map(|it| it.map(Frame::data))));
    StreamBody::new(pieces).boxed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(facts: RequestFacts, wrote: u64, seen: [u64; 2], expected: [u64; 2]) {
        let [output, bytes] = seen;
        let usage = Usage { output, ..Usage::default() };
        let mut reading = Reading { usage, bytes, ..Reading::default() };
        estimate(&mut reading, &facts, Duration::from_secs(wrote));
        assert_eq!([reading.usage.input, reading.usage.output], expected);
    }

    #[test]
    fn what_nobody_waited_for_is_estimated_by_time_and_by_what_was_allowed() {
        let facts = |output_max| RequestFacts { bytes: 400, output_max, ..RequestFacts::default() };
        check(facts(None), 0, [0, 0], [100, 0]);
        check(facts(None), 0, [1, 80], [100, 20]);
        check(facts(None), 60, [1, 80], [100, 6_000]);
        check(facts(Some(1_000)), 60, [1, 80], [100, 1_000]);
        check(facts(Some(1_000)), 60, [2_000, 80], [100, 2_000]);
    }
}
