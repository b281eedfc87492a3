//! The routes: each reads its request, asks one thing and gives the answer.

use super::{
    BODY_BYTES_MAX, REQUEST_LIMIT, State,
    control::{EffectOrder, StopMode},
    error::Refused,
    query::{self, TaskQuery},
    stream::Events,
    view::Submission,
};
use agentd_task::TaskId;
use axum::{
    Json, Router,
    body::Bytes,
    extract::{
        DefaultBodyLimit, Path, Query, Request, State as Shared,
        rejection::{BytesRejection, QueryRejection},
    },
    http::{StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::time;

type App = Shared<Arc<State>>;
type Answer = Result<Json<Value>, Refused>;

pub(super) fn router(state: Arc<State>) -> Router {
    Router::new()
        .route("/v1/health", get(health))
        .route("/v1/status", get(status))
        .route("/v1/tasks", get(tasks).post(submit))
        .route("/v1/tasks/{id}", get(task))
        .route("/v1/tasks/{id}/diff", get(diff))
        .route("/v1/tasks/{id}/{order}", post(order))
        .route("/v1/queue", get(queue))
        .route("/v1/events", get(events))
        .route("/v1/pause", post(pause))
        .route("/v1/resume", post(resume))
        .route("/v1/outbox", get(outbox))
        .route("/v1/outbox/{id}/{order}", post(effect))
        .route("/v1/plugins", get(plugins))
        .route("/v1/plugins/{name}/rollback", post(rollback))
        .route("/v1/plugins/{name}/readmit", post(readmit))
        .route("/v1/plugin-log", get(plugin_log))
        .route("/v1/config", get(configuration))
        .route("/v1/reload", post(reload))
        .route("/v1/workspaces/check", post(workspaces))
        .route("/v1/stop", post(stop))
        .fallback(async |request: Request| {
            Refused::not_found(format!("there is no {}", request.uri().path()), "see agentd --help")
        })
        .method_not_allowed_fallback(async |request: Request| {
            Refused::method(format!("{} does not take {}", request.uri().path(), request.method()))
        })
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn_with_state(Arc::clone(&state), limits))
        .with_state(state)
}

/// No request without a place and an end. What an answer streams is not under this limit, but under the followers'.
async fn limits(Shared(state): App, request: Request, next: Next) -> Response {
    let Ok(_place) = state.requests.try_acquire() else { return Refused::busy().into_response() };
    match time::timeout(REQUEST_LIMIT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Refused::timeout().into_response(),
    }
}

async fn health(Shared(state): App) -> Json<Value> {
    Json(json!({ "pid": state.parts.identity.pid, "version": env!("CARGO_PKG_VERSION") }))
}

async fn status(Shared(state): App) -> Answer {
    let (parts, now) = (&state.parts, jiff::Timestamp::now().as_millisecond());
    answer(query::status(&parts.reader, &parts.home, Some(&parts.identity), now).await?)
}

async fn tasks(Shared(state): App, asked: Result<Query<TaskQuery>, QueryRejection>) -> Answer {
    answer(query::tasks(&state.parts.reader, asked_for(asked)?).await?)
}

async fn task(Shared(state): App, Path(id): Path<String>) -> Answer {
    let id = task_id(&id)?;
    let found = query::task(&state.parts.reader, id).await?;
    answer(found.ok_or_else(|| no_task(id))?)
}

async fn submit(Shared(state): App, body: Result<Bytes, BytesRejection>) -> Result<(StatusCode, Json<Value>), Refused> {
    let submission: Submission = read(body)?;
    let (draft, mode) = submission.into_draft().map_err(Refused::invalid)?;
    let id = state.parts.control.submit(draft, mode).await?;
    Ok((StatusCode::CREATED, Json(json!({ "task": id }))))
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Remark {
    comment: Option<String>,
}

async fn order(
    Shared(state): App,
    Path((id, order)): Path<(String, String)>,
    body: Result<Bytes, BytesRejection>,
) -> Answer {
    let id = task_id(&id)?;
    let Remark { comment } = read(body)?;
    let control = &state.parts.control;
    let said = match order.as_str() {
        "start" => control.start(id).await?,
        "cancel" => control.cancel(id).await?,
        "retry" => control.retry(id).await?,
        "approve" => control.approve(id).await?,
        "reject" => control.reject(id, comment.filter(|it| !it.trim().is_empty())).await?,
        "clean" => control.clean(id).await?,
        _ => return Err(no_order(&order, "start, cancel, retry, approve, reject and clean")),
    };
    Ok(Json(json!({ "task": id, "said": said })))
}

async fn diff(Shared(state): App, Path(id): Path<String>) -> Answer {
    let id = task_id(&id)?;
    let diff = state.parts.control.diff(id).await?;
    Ok(Json(json!({ "task": id, "diff": diff })))
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct QueueQuery {
    limit: Option<u32>,
}

async fn queue(Shared(state): App, asked: Result<Query<QueueQuery>, QueryRejection>) -> Answer {
    let QueueQuery { limit } = asked_for(asked)?;
    answer(query::queue(&state.parts.reader, limit.unwrap_or(100)).await?)
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct EventQuery {
    after: i64,
    task: Option<TaskId>,
    follow: bool,
}

async fn events(Shared(state): App, asked: Result<Query<EventQuery>, QueryRejection>) -> Result<Response, Refused> {
    let EventQuery { after, task, follow } = asked_for(asked)?;
    let place = Arc::clone(&state.followers).try_acquire_owned().map_err(|_| Refused::busy())?;
    let (reader, latest) = (state.parts.reader.clone(), state.parts.latest.clone());
    let events = Events { reader, latest, after, task, follow, stop: state.stop.clone(), _place: place };
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], events.into_body()).into_response())
}

async fn pause(Shared(state): App) -> Answer {
    state.parts.control.pause(true).await?;
    Ok(Json(json!({ "paused": true })))
}

async fn resume(Shared(state): App) -> Answer {
    state.parts.control.pause(false).await?;
    Ok(Json(json!({ "paused": false })))
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct OutboxQuery {
    task: Option<TaskId>,
    all: bool,
}

async fn outbox(Shared(state): App, asked: Result<Query<OutboxQuery>, QueryRejection>) -> Answer {
    let OutboxQuery { task, all } = asked_for(asked)?;
    answer(query::effects(&state.parts.reader, task, all).await?)
}

async fn effect(Shared(state): App, Path((id, order)): Path<(String, String)>) -> Answer {
    let id: i64 = id.parse().map_err(|_| Refused::invalid(format!("`{id}` is not the number of an effect")))?;
    let order = match order.as_str() {
        "hold" => EffectOrder::Hold,
        "release" => EffectOrder::Release,
        "drop" => EffectOrder::Drop,
        _ => return Err(no_order(&order, "hold, release and drop")),
    };
    let said = state.parts.control.effect(id, order).await?;
    Ok(Json(json!({ "effect": id, "said": said })))
}

async fn plugins(Shared(state): App) -> Json<Value> {
    Json(state.parts.control.plugins().await.into())
}

async fn rollback(Shared(state): App, Path(name): Path<String>) -> Answer {
    let said = state.parts.control.rollback(&name).await?;
    Ok(Json(json!({ "plugin": name, "said": said })))
}

async fn readmit(Shared(state): App, Path(name): Path<String>) -> Answer {
    let said = state.parts.control.readmit(&name).await?;
    Ok(Json(json!({ "plugin": name, "said": said })))
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct LogQuery {
    after: u64,
    plugin: Option<String>,
    wait: bool,
}

async fn plugin_log(
    Shared(state): App,
    asked: Result<Query<LogQuery>, QueryRejection>,
) -> Result<Json<Value>, Refused> {
    let LogQuery { after, plugin, wait } = asked_for(asked)?;
    Ok(Json(state.parts.control.plugin_log(after, plugin.as_deref(), wait).await.into()))
}

async fn configuration(Shared(state): App) -> Json<Value> {
    Json(state.parts.control.configuration().await)
}

async fn reload(Shared(state): App) -> Answer {
    Ok(Json(state.parts.control.reload().await?))
}

async fn workspaces(Shared(state): App) -> Answer {
    let problems = state.parts.control.check_workspaces().await?;
    Ok(Json(json!({ "problems": problems })))
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Stop {
    mode: StopMode,
}

async fn stop(Shared(state): App, body: Result<Bytes, BytesRejection>) -> Answer {
    let Stop { mode } = read(body)?;
    state.parts.control.stop(mode).await?;
    Ok(Json(json!({ "stopping": mode, "pid": state.parts.identity.pid })))
}

fn answer(value: impl serde::Serialize) -> Answer {
    let failed = |error: serde_json::Error| super::Refusal::Failed(format!("the answer cannot be written: {error}"));
    Ok(Json(serde_json::to_value(value).map_err(failed)?))
}

/// The body as JSON; an empty one is `{}`.
fn read<T: DeserializeOwned>(body: Result<Bytes, BytesRejection>) -> Result<T, Refused> {
    let body = body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Refused::too_large("the request is larger than 1 MiB"),
        _ => Refused::invalid(rejection.body_text()),
    })?;
    let text: &[u8] = if body.is_empty() { b"{}" } else { &body };
    serde_json::from_slice(text)
        .map_err(|error| Refused::invalid(format!("the request is not what is expected: {error}")))
}

fn asked_for<T>(asked: Result<Query<T>, QueryRejection>) -> Result<T, Refused> {
    asked.map(|Query(asked)| asked).map_err(|rejection| Refused::invalid(rejection.body_text()))
}

fn task_id(text: &str) -> Result<TaskId, Refused> {
    text.parse().map_err(|error: agentd_task::BadTaskId| Refused::invalid(error.to_string()))
}

fn no_task(id: TaskId) -> Refused {
    Refused::not_found(format!("there is no task {id}"), "agentd task list shows those that are there")
}

fn no_order(order: &str, known: &'static str) -> Refused {
    Refused::invalid(format!("`{order}` is no order; known are {known}"))
}
