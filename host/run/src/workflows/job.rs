//! What the jobs of one workflow give to the code they run.

use super::{What, yaml::At};
use regex::Regex;
use std::sync::LazyLock;

/// Runners of GitHub's own, by their labels. A label that an organisation thought of may be any machine.
static HOSTED: LazyLock<Regex> = LazyLock::new(|| {
    let ubuntu = r"ubuntu-(?:latest|slim|\d\d\.\d\d)(?:-arm)?";
    let windows = r"windows-(?:latest|20\d\d|11)(?:-[a-z0-9]+)*";
    let macos = r"macos-(?:latest|\d\d)(?:-(?:intel|large|xlarge))?";
    pattern_of(&format!("^(?:{ubuntu}|{windows}|{macos})$"))
});
static EXPRESSION: LazyLock<Regex> = LazyLock::new(|| pattern_of(r"(?s)\$\{\{(.*?)(?:\}\}|\z)"));
static SECRET: LazyLock<Regex> = LazyLock::new(|| {
    let name = r"\s*\.\s*(?P<name>[A-Za-z_][A-Za-z0-9_-]*)|\s*\[\s*'(?P<quoted>[^']*)'\s*\]";
    pattern_of(&format!(r"(?i)(?:^|[^\w.'-])secrets\b(?:{name})?"))
});
static MATRIX: LazyLock<Regex> =
    LazyLock::new(|| pattern_of(r"^\s*\$\{\{\s*matrix\.([A-Za-z_][A-Za-z0-9_-]*)\s*\}\}\s*$"));

fn pattern_of(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a fixed pattern")
}

/// What one workflow is entitled to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Given {
    /// It runs by itself: with the repository's secrets, and a token whose rights it may name.
    Own,
    /// It is called with all secrets. Its token can do no more than its caller's, which was looked at there.
    Inherited,
    /// It is called with what its caller names, which was looked at there.
    Named,
}

/// A workflow of this repository that a job calls.
pub(super) struct Call {
    pub(super) path: String,
    pub(super) given: Given,
    pub(super) line: u32,
}

pub(super) type Found = Vec<(u32, What)>;

/// The names of secrets in expressions, each with the line that its text begins in.
pub(super) fn secrets<'a>(scalars: impl Iterator<Item = (&'a str, u32)>) -> Found {
    let mut found = vec![];
    for (text, line) in scalars.filter(|(text, _)| text.contains("${{")) {
        for expression in EXPRESSION.captures_iter(text) {
            for secret in SECRET.captures_iter(&expression[1]) {
                match secret.name("name").or(secret.name("quoted")).map(|it| it.as_str()) {
                    // What it can do is written elsewhere: `permissions`.
                    Some(name) if name.eq_ignore_ascii_case("GITHUB_TOKEN") => {}
                    Some(name) => found.push((line, What::Secret(name.to_owned()))),
                    None => found.push((line, What::AllSecrets)),
                }
            }
        }
    }
    found
}

/// What the jobs of a workflow may do, and which workflows they call.
pub(super) fn jobs(root: At<'_>, given: Given, default_token_writes: Option<bool>) -> Option<(Found, Vec<Call>)> {
    let (mut found, mut calls) = (vec![], vec![]);
    for (name, job) in root.get("jobs")?.entries()? {
        if given == Given::Own {
            let written = job.get("permissions").or_else(|| root.get("permissions"));
            match written {
                Some(written) => token(written, &mut found),
                None => found.extend(default(default_token_writes).map(|what| (name.line(), what))),
            }
        }
        if let Some(runner) = job.get("runs-on") {
            runners(runner, job, &mut found);
        }
        if let Some(environment) = job.get("environment") {
            let name = environment.get("name").unwrap_or(environment).text().unwrap_or_default();
            if !name.is_empty() {
                found.push((environment.line(), What::Environment(name.to_owned())));
            }
        }
        if let Some(callee) = job.get("uses") {
            called(callee, job, given, &mut found, &mut calls);
        }
    }
    Some((found, calls))
}

fn default(token_writes: Option<bool>) -> Option<What> {
    match token_writes {
        Some(true) => Some(What::TokenWrites("whatever the repository's settings allow".into())),
        Some(false) => None,
        None => Some(What::UnknownDefault),
    }
}

/// What `permissions` give to the token.
fn token(written: At<'_>, found: &mut Found) {
    let line = written.line();
    let Some(scopes) = written.entries() else {
        match written.text() {
            Some("read-all") => {}
            Some("write-all") => {
                found.push((line, What::TokenWrites("everything".into())));
                found.push((line, What::IdToken));
            }
            _ => found.push((line, What::Unreadable("its `permissions` are none that GitHub has".into()))),
        }
        return;
    };
    let mut writes = vec![];
    for (scope, right) in scopes {
        match (scope.text(), right.text()) {
            (_, Some("read" | "none")) => {}
            (Some("id-token"), Some("write")) => found.push((scope.line(), What::IdToken)),
            (Some(name), _) => writes.push((scope.line(), name)),
            (None, _) => writes.push((scope.line(), "something unreadable")),
        }
    }
    if let Some((line, _)) = writes.first() {
        let names: Vec<&str> = writes.iter().map(|(_, name)| *name).collect();
        found.push((*line, What::TokenWrites(names.join(", "))));
    }
}

/// Runners that are not, or may not be, GitHub's.
fn runners(runner: At<'_>, job: At<'_>, found: &mut Found) {
    let (group, labels) = match runner.entries() {
        None => (None, Some(runner)),
        Some(_) => (runner.get("group"), runner.get("labels")),
    };
    if let Some(group) = group {
        found.push((group.line(), What::SelfHosted(format!("group {}", group.text().unwrap_or_default()))));
    }
    if group.is_none() && labels.is_none() {
        found.push((runner.line(), What::SelfHosted("no label or group that can be read".into())));
    }
    for label in labels.map(At::items).unwrap_or_default() {
        let text = label.text().unwrap_or_default();
        if !HOSTED.is_match(text) && !is_hosted_matrix(text, job) {
            found.push((label.line(), What::SelfHosted(text.to_owned())));
        }
    }
}

/// Whether a label is `${{ matrix.NAME }}`, and all that the matrix has for it are GitHub's.
fn is_hosted_matrix(label: &str, job: At<'_>) -> bool {
    let Some(name) = MATRIX.captures(label) else { return false };
    let Some(matrix) = job.get("strategy").and_then(|it| it.get("matrix")) else { return false };
    let include = matrix.get("include");
    if include.is_some_and(|it| it.text().is_some()) {
        return false; // an expression
    }
    let included = include.map(At::items).unwrap_or_default();
    let of_included = included.into_iter().filter_map(|it| it.get(&name[1]));
    let labels: Vec<At<'_>> =
        matrix.get(&name[1]).map(At::items).unwrap_or_default().into_iter().chain(of_included).collect();
    !labels.is_empty() && labels.iter().all(|it| it.text().is_some_and(|it| HOSTED.is_match(it)))
}

/// A job that is another workflow.
fn called(callee: At<'_>, job: At<'_>, given: Given, found: &mut Found, calls: &mut Vec<Call>) {
    let Some(name) = callee.text() else { return };
    let all = job.get("secrets").filter(|it| it.text() == Some("inherit"));
    let given = match (given, all) {
        (Given::Own | Given::Inherited, Some(_)) => Given::Inherited,
        _ => Given::Named,
    };
    match name.strip_prefix("./") {
        Some(path) => calls.push(Call { path: path.to_owned(), given, line: callee.line() }),
        None => {
            let handed = all.filter(|_| given == Given::Inherited);
            found.extend(handed.map(|it| (it.line(), What::InheritedSecrets(name.to_owned()))));
        }
    }
}
