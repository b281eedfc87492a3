//! GraphQL: a query is checked against GitHub's schema and answered from the same state as the REST API.
//!
//! What the schema has and the fake does not is a violation when it is asked for, so that no test takes an empty answer
//! for the truth.

mod mutation;
mod object;
mod root;
mod run;
mod schema;

use crate::auth;
use crate::limit::Resource;
use crate::message::{Answer, Body, Outcome, Request};
use crate::server::Shared;
use graphql_tools::static_graphql::query::{Definition, Document, OperationDefinition};
use run::Run;
use serde_json::{Map, Value, json};

/// Whether the query may change something; what cannot be read is no mutation.
pub(crate) fn is_mutation(body: &[u8]) -> bool {
    let sent: Value = serde_json::from_slice(body).unwrap_or_default();
    let document = parse(sent["query"].as_str().unwrap_or_default());
    let mutates = |it: &Definition| matches!(it, Definition::Operation(OperationDefinition::Mutation(_)));
    document.is_ok_and(|it| it.definitions.iter().any(mutates))
}

pub(crate) fn answer(shared: &Shared, request: &Request) -> Answer {
    let now = shared.clock.now();
    let who = auth::who(&shared.state(), request.header("authorization"));
    let outcome = who.and_then(|actor| {
        let account = actor.account();
        shared.limits().take(&account, Resource::Graphql, now).inspect_err(|_| shared.journal.refused())?;
        shared.journal.counted(Resource::Graphql);
        let answer = run(shared, request, &actor).unwrap_or_else(|answer| answer);
        Ok(shared.limits().window(&account, Resource::Graphql, now).told(Resource::Graphql, answer))
    });
    let answer = outcome.unwrap_or_else(|answer| answer);
    if answer.status == 400
        && let Body::Json(value) = &answer.body
    {
        shared.journal.violation(format!("POST /api/graphql: {}", value["message"].as_str().unwrap_or_default()));
    }
    answer
}

fn run(shared: &Shared, request: &Request, actor: &auth::Actor) -> Outcome {
    let wrong = |text: String| Answer::error(400, &text);
    if request.method != "POST" {
        return Err(wrong(format!("{} where GitHub takes POST alone", request.method)));
    }
    let sent: Value = serde_json::from_slice(&request.body).map_err(|_| wrong("its body is not JSON".to_owned()))?;
    if let Some(unknown) = sent.as_object().and_then(|all| all.keys().find(|it| !KEYS.contains(&it.as_str()))) {
        return Err(wrong(format!("its body has no property `{unknown}`")));
    }
    let text = sent["query"].as_str().ok_or_else(|| wrong("it has no query".to_owned()))?;
    let document = parse(text).map_err(wrong)?;
    schema::check(&document).map_err(wrong)?;
    let operation = document.definitions.iter().find_map(|it| match it {
        Definition::Operation(operation) => Some(operation),
        Definition::Fragment(_) => None,
    });
    let operation = operation.ok_or_else(|| wrong("it has no operation".to_owned()))?;
    let empty = Map::new();
    let given = sent["variables"].as_object().unwrap_or(&empty);
    let variables = run::variables(operation, given).map_err(wrong)?;
    let mut state = shared.state();
    let mut run = Run::new(&mut state, actor, shared, &document, variables);
    let data = run.operation(operation);
    let (errors, gaps) = run.ended();
    if let Some(gap) = gaps.first() {
        return Err(wrong(format!("the fake does not play {gap}")));
    }
    let mut value = json!({ "data": data });
    if !errors.is_empty() {
        value["errors"] = Value::Array(errors);
    }
    Ok(Answer::ok(value))
}

const KEYS: [&str; 4] = ["query", "variables", "operationName", "extensions"];

fn parse(text: &str) -> Result<Document, String> {
    let parsed = graphql_tools::parser::parse_query::<String>(text);
    parsed.map(graphql_tools::parser::query::Document::into_static).map_err(|error| format!("it is no query: {error}"))
}
