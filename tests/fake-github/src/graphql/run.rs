//! Takes from objects what a query selects.
//!
//! Objects are JSON with `__typename`. Two things stand for more than they are: `{"@id": …}` for the object with that
//! node id, and `{"@list": […], "@type": …}` for a connection, of which arguments choose a part.

use super::{mutation, object, root, schema};
use crate::auth::Actor;
use crate::server::Shared;
use crate::state::State;
use graphql_tools::static_graphql::query::{
    Definition, Directive, Document, Field, OperationDefinition, Selection, SelectionSet, Type, TypeCondition,
    Value as Written,
};
use serde_json::{Map, Value, json};

pub(super) struct Run<'a> {
    pub(super) state: &'a mut State,
    pub(super) actor: &'a Actor,
    pub(super) shared: &'a Shared,
    document: &'a Document,
    variables: Map<String, Value>,
    errors: Vec<Value>,
    gaps: Vec<String>,
    path: Vec<Value>,
}

/// The variables with their defaults; the text says which one is missing, unknown, or of another type.
pub(super) fn variables(
    operation: &OperationDefinition,
    given: &Map<String, Value>,
) -> Result<Map<String, Value>, String> {
    let declared = match operation {
        OperationDefinition::Query(it) => it.variable_definitions.as_slice(),
        OperationDefinition::Mutation(it) => &it.variable_definitions,
        OperationDefinition::Subscription(_) | OperationDefinition::SelectionSet(_) => &[],
    };
    if let Some(unknown) = given.keys().find(|name| !declared.iter().any(|it| it.name == **name)) {
        return Err(format!("the query declares no variable ${unknown}"));
    }
    let mut all = Map::new();
    for variable in declared {
        let default = variable.default_value.as_ref().map(|it| literal(it, &all));
        let value = given.get(&variable.name).cloned().or(default).unwrap_or_default();
        if !accepts(&variable.var_type, &value) {
            return Err(format!("${} is {value}, and must be {}", variable.name, variable.var_type));
        }
        all.insert(variable.name.clone(), value);
    }
    Ok(all)
}

fn accepts(kind: &Type, value: &Value) -> bool {
    match kind {
        Type::NonNullType(inner) => !value.is_null() && accepts(inner, value),
        _ if value.is_null() => true,
        Type::ListType(inner) => value.as_array().is_some_and(|all| all.iter().all(|it| accepts(inner, it))),
        Type::NamedType(name) => match name.as_str() {
            "Int" => value.is_i64(),
            "Boolean" => value.is_boolean(),
            "String" | "ID" | "DateTime" | "URI" => value.is_string(),
            _ => true,
        },
    }
}

fn literal(written: &Written, variables: &Map<String, Value>) -> Value {
    match written {
        Written::Variable(name) => variables.get(name).cloned().unwrap_or_default(),
        Written::Int(number) => json!(number.as_i64()),
        Written::Float(number) => json!(number),
        Written::String(text) | Written::Enum(text) => json!(text),
        Written::Boolean(yes) => json!(yes),
        Written::Null => Value::Null,
        Written::List(all) => all.iter().map(|it| literal(it, variables)).collect(),
        Written::Object(all) => {
            let all: Map<String, Value> = all.iter().map(|(key, it)| (key.clone(), literal(it, variables))).collect();
            Value::Object(all)
        }
    }
}

impl<'a> Run<'a> {
    pub(super) fn new(
        state: &'a mut State,
        actor: &'a Actor,
        shared: &'a Shared,
        document: &'a Document,
        variables: Map<String, Value>,
    ) -> Run<'a> {
        Run { state, actor, shared, document, variables, errors: Vec::new(), gaps: Vec::new(), path: Vec::new() }
    }

    /// GitHub's errors, and what the fake does not have.
    pub(super) fn ended(self) -> (Vec<Value>, Vec<String>) {
        (self.errors, self.gaps)
    }

    pub(super) fn operation(&mut self, operation: &OperationDefinition) -> Value {
        match operation {
            OperationDefinition::SelectionSet(set) => self.select(&json!({ "__typename": "Query" }), set),
            OperationDefinition::Query(it) => self.select(&json!({ "__typename": "Query" }), &it.selection_set),
            OperationDefinition::Mutation(it) => self.select(&json!({ "__typename": "Mutation" }), &it.selection_set),
            OperationDefinition::Subscription(_) => {
                self.gaps.push("subscriptions".to_owned());
                Value::Null
            }
        }
    }

    /// An error of GitHub at the place that is being looked at.
    pub(super) fn error(&mut self, kind: &str, message: &str) -> Value {
        self.errors.push(json!({ "type": kind, "path": self.path, "message": message }));
        Value::Null
    }

    fn select(&mut self, object: &Value, set: &SelectionSet) -> Value {
        let mut selected = Map::new();
        self.select_into(object, set, &mut selected);
        Value::Object(selected)
    }

    fn select_into(&mut self, object: &Value, set: &SelectionSet, selected: &mut Map<String, Value>) {
        let name = object["__typename"].as_str().unwrap_or_default();
        for item in &set.items {
            match item {
                Selection::Field(field) if self.included(&field.directives) => {
                    let shown = field.alias.clone().unwrap_or_else(|| field.name.clone());
                    self.path.push(json!(shown));
                    let value = self.field(object, name, field);
                    self.path.pop();
                    match (selected.get_mut(&shown), value) {
                        (Some(Value::Object(before)), Value::Object(more)) => before.extend(more),
                        (_, value) => {
                            selected.insert(shown, value);
                        }
                    }
                }
                Selection::InlineFragment(fragment) if self.included(&fragment.directives) => {
                    let condition = fragment.type_condition.as_ref().map(|TypeCondition::On(it)| it.as_str());
                    if condition.is_none_or(|it| schema::is_of(name, it)) {
                        self.select_into(object, &fragment.selection_set, selected);
                    }
                }
                Selection::FragmentSpread(spread) if self.included(&spread.directives) => {
                    let fragment = self.document.definitions.iter().find_map(|it| match it {
                        Definition::Fragment(it) if it.name == spread.fragment_name => Some(it),
                        Definition::Fragment(_) | Definition::Operation(_) => None,
                    });
                    let Some(fragment) = fragment else { continue };
                    let TypeCondition::On(condition) = &fragment.type_condition;
                    if schema::is_of(name, condition) {
                        self.select_into(object, &fragment.selection_set, selected);
                    }
                }
                Selection::Field(_) | Selection::InlineFragment(_) | Selection::FragmentSpread(_) => (),
            }
        }
    }

    fn included(&self, directives: &[Directive]) -> bool {
        directives.iter().all(|directive| {
            let condition = directive.arguments.iter().find(|(name, _)| name == "if");
            let yes = condition.is_some_and(|(_, it)| literal(it, &self.variables) == json!(true));
            match directive.name.as_str() {
                "include" => yes,
                "skip" => !yes,
                _ => true,
            }
        })
    }

    fn field(&mut self, object: &Value, of: &str, field: &Field) -> Value {
        let arguments: Map<String, Value> =
            field.arguments.iter().map(|(name, it)| (name.clone(), literal(it, &self.variables))).collect();
        let found = match of {
            "Query" => root::query(self, &field.name, &arguments),
            "Mutation" => mutation::run(self, &field.name, &arguments["input"]),
            _ => {
                object.get(&field.name).cloned().or_else(|| root::of_repository(self, object, &field.name, &arguments))
            }
        };
        match found {
            Some(value) => self.shown(value, &arguments, &field.selection_set),
            None => {
                self.gaps.push(format!("{of}.{}", field.name));
                Value::Null
            }
        }
    }

    fn shown(&mut self, value: Value, arguments: &Map<String, Value>, set: &SelectionSet) -> Value {
        match value {
            Value::Array(all) => {
                let mut shown = Vec::new();
                for (index, value) in all.into_iter().enumerate() {
                    self.path.push(json!(index));
                    shown.push(self.shown(value, arguments, set));
                    self.path.pop();
                }
                Value::Array(shown)
            }
            Value::Object(_) if value.get("@id").is_some() => {
                let id = value["@id"].as_str().unwrap_or_default();
                match object::node(self.state, self.actor, id) {
                    Some(object) => self.select(&object, set),
                    None => {
                        self.error("NOT_FOUND", &format!("Could not resolve to a node with the global id of '{id}'"))
                    }
                }
            }
            Value::Object(_) if value.get("@list").is_some() => {
                let connection = connection(&value, arguments);
                self.select(&connection, set)
            }
            Value::Object(_) => self.select(&value, set),
            plain => plain,
        }
    }
}

/// The part of the list that the arguments choose, as a connection.
fn connection(value: &Value, arguments: &Map<String, Value>) -> Value {
    let all: Vec<Value> = value["@list"].as_array().cloned().unwrap_or_default();
    let wanted = arguments.get("itemTypes").and_then(Value::as_array);
    let of_kind = |it: &Value| wanted.is_none_or(|wanted| wanted.iter().any(|name| Some(name) == it.get("@item")));
    let all: Vec<Value> = all.into_iter().filter(of_kind).collect();
    let place = |name: &str| arguments.get(name).and_then(Value::as_str).and_then(|it| it.parse::<usize>().ok());
    let size = |name: &str| {
        arguments.get(name).and_then(Value::as_u64).and_then(|it| usize::try_from(it).ok()).map(|it| it.min(100))
    };
    let mut from = place("after").unwrap_or(0).min(all.len());
    let mut to = place("before").map_or(all.len(), |it| it.saturating_sub(1)).clamp(from, all.len());
    if let Some(first) = size("first") {
        to = to.min(from + first);
    }
    if let Some(last) = size("last") {
        from = from.max(to.saturating_sub(last));
    }
    let kind = value["@type"].as_str().unwrap_or_default();
    let edge = |(index, node): (usize, &Value)| json!({ "__typename": format!("{kind}Edge"), "node": node, "cursor": (from + index + 1).to_string() });
    let edges: Vec<Value> = all[from..to].iter().enumerate().map(edge).collect();
    let cursor = |at: usize| (to > from).then(|| at.to_string());
    json!({
        "__typename": format!("{kind}Connection"), "totalCount": all.len(), "nodes": &all[from..to], "edges": edges,
        "filteredCount": all.len(), "issueCount": all.len(), "pageCount": to - from,
        "pageInfo": {
            "__typename": "PageInfo", "hasNextPage": to < all.len(), "hasPreviousPage": from > 0,
            "startCursor": cursor(from + 1), "endCursor": cursor(to),
        },
    })
}
