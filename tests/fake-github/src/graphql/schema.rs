//! GitHub's schema, and whether a query is one of it.

use graphql_tools::static_graphql::query::Document as Query;
use graphql_tools::static_graphql::schema::{Definition, Document, TypeDefinition};
use graphql_tools::validation::rules::default_rules_validation_plan;
use graphql_tools::validation::validate::validate;
use std::collections::HashMap;
use std::sync::OnceLock;
use std::{env, fs};

/// Names the file `schema.graphql` of the npm package `@octokit/graphql-schema`.
const VARIABLE: &str = "AGENTD_TEST_GITHUB_GRAPHQL";

struct Schema {
    document: Document,
    /// The interfaces and unions that a type is of.
    of: HashMap<String, Vec<String>>,
}

fn get() -> &'static Schema {
    static SCHEMA: OnceLock<Schema> = OnceLock::new();
    SCHEMA.get_or_init(read)
}

fn read() -> Schema {
    let path = env::var_os(VARIABLE).unwrap_or_else(|| {
        panic!("{VARIABLE} is not set: `cargo xtask github` brings GitHub's descriptions and prints the variables")
    });
    let shown = path.to_string_lossy().into_owned();
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{VARIABLE}: reading {shown}: {error}"));
    // Every schema has these without saying so; the rules of the checker want them said.
    let text = format!("scalar ID scalar String scalar Int scalar Float scalar Boolean\n{text}");
    let parsed = graphql_tools::parser::parse_schema::<String>(&text);
    let document = parsed.unwrap_or_else(|error| panic!("{VARIABLE}: {shown} is no schema: {error}")).into_static();
    let mut of: HashMap<String, Vec<String>> = HashMap::new();
    for definition in &document.definitions {
        match definition {
            Definition::TypeDefinition(TypeDefinition::Object(object)) => {
                of.entry(object.name.clone()).or_default().extend(object.implements_interfaces.iter().cloned());
            }
            Definition::TypeDefinition(TypeDefinition::Union(union)) => {
                for member in &union.types {
                    of.entry(member.clone()).or_default().push(union.name.clone());
                }
            }
            _ => (),
        }
    }
    Schema { document, of }
}

/// Whether the schema has all that the query asks for.
pub(super) fn check(query: &Query) -> Result<(), String> {
    let problems = validate(&get().document, query, &default_rules_validation_plan());
    let texts: Vec<String> = problems.into_iter().map(|it| it.message).collect();
    if texts.is_empty() { Ok(()) } else { Err(texts.join("; ")) }
}

/// Whether an object of this type is meant by `... on CONDITION`.
pub(super) fn is_of(name: &str, condition: &str) -> bool {
    name == condition || get().of.get(name).is_some_and(|all| all.iter().any(|it| it == condition))
}
