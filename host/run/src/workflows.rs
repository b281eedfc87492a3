//! What a repository's workflows would give to code that agentd pushes.
//!
//! A branch that is pushed to GitHub runs in Actions, with what the workflows of the repository hold: secrets, a token
//! that writes, an identity, a machine of the operator's. [`risks`] reads the workflow files and says which of that a
//! push of agentd's, or its pull request, would reach.
//!
//! - Judges the files alone, and in doubt for the risk: what cannot be read or known is one.
//! - Never runs anything, and follows no workflow of another repository.
//! - Looks at no composite action: it has no secrets but those that its caller names, and the caller is looked at.

mod job;
mod trigger;
mod yaml;

#[cfg(test)]
mod tests;

use agentd_forge::git::{Error, Git};
use job::{Found, Given};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use yaml::{At, Document, Mistake};

/// More files are not read; that there are more is a risk.
const FILES_MAX: usize = 200;
/// The same for a file's bytes.
const FILE_MAX: usize = 1 << 20;
const FOLDER: &str = ".github/workflows/";

/// Something that a push of agentd's would reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Risk {
    pub path: String,
    /// The first line that gives it, from 1 on.
    pub line: u32,
    /// The events that lead there: `push`, `push and pull_request`. Empty where it is not known.
    pub trigger: String,
    pub what: What,
    /// What it is, as the end of a sentence: `uses secrets.NPM_TOKEN`.
    pub text: String,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum What {
    /// A secret by its name.
    Secret(String),
    /// Secrets by names that are only known when it runs.
    AllSecrets,
    /// All secrets, handed to a workflow of another repository.
    InheritedSecrets(String),
    /// What the job's token may write: scopes, or words.
    TokenWrites(String),
    /// Nothing is said about the token, and what the repository's settings say is not known.
    UnknownDefault,
    /// The job can prove to others that it is this repository.
    IdToken,
    /// A machine that is not, or may not be, GitHub's, by its label.
    SelfHosted(String),
    /// An environment, which may have secrets of its own.
    Environment(String),
    /// What cannot be read, and why.
    Unreadable(String),
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            What::Secret(name) => write!(f, "uses secrets.{}", shown(name)),
            What::AllSecrets => write!(f, "uses secrets whose names are computed"),
            What::InheritedSecrets(callee) => write!(f, "hands all secrets to {}", shown(callee)),
            What::TokenWrites(scopes) => write!(f, "has a token that may write {}", shown(scopes)),
            What::UnknownDefault => {
                write!(f, "has no `permissions`, and whether its token may write without them is not known")
            }
            What::IdToken => write!(f, "may prove to be this repository (id-token: write)"),
            What::SelfHosted(label) => write!(f, "uses a runner that may not be GitHub's: {}", shown(label)),
            What::Environment(name) => write!(f, "uses the environment {}, which may have secrets", shown(name)),
            What::Unreadable(why) => write!(f, "cannot be read: {why}"),
        }
    }
}

/// Words of a file's, for people.
fn shown(text: &str) -> String {
    crate::contract::cut(text.trim(), 200).replace(char::is_control, "?")
}

impl fmt::Display for Risk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Risk { path, line, trigger, text, .. } = self;
        write!(f, "{}:{line}: ", path.escape_debug())?;
        if !trigger.is_empty() {
            write!(f, "runs on {trigger}, ")?;
        }
        f.write_str(text)
    }
}

/// What a push of agentd's would reach, by path and line.
///
/// `files` are paths and texts; those outside `.github/workflows` are not looked at. `default_token_writes` is what the
/// repository's settings give to a token for which the workflow names no permissions; none: that is not known.
#[must_use]
pub fn risks(files: &[(String, String)], default_token_writes: Option<bool>) -> Vec<Risk> {
    let mut risks = Risks::default();
    let mut workflows = vec![];
    for (path, text) in files.iter().filter(|(path, _)| is_workflow(path)) {
        if workflows.len() >= FILES_MAX {
            let why = format!("there are more than {FILES_MAX} workflows");
            risks.note(path, 1, &[], What::Unreadable(why));
            break;
        }
        match parse(text) {
            Ok(document) => workflows.push(Workflow { path, text, document }),
            Err(mistake) => risks.note(path, mistake.line, &[], What::Unreadable(mistake.text)),
        }
    }
    for (index, triggers) in triggered(&workflows) {
        look(&workflows, index, &triggers, default_token_writes, &mut risks);
    }
    risks.into_list()
}

/// What a push would reach by the workflows of these commits, each risk once.
pub(crate) async fn risks_at(
    mirror: &Git,
    commits: &[&String],
    default_token_writes: Option<bool>,
) -> Result<Vec<Risk>, Error> {
    let (mut seen, mut found) = (HashSet::new(), vec![]);
    for commit in commits.iter().filter(|it| seen.insert(**it)) {
        for risk in risks(&of_commit(mirror, commit).await?, default_token_writes) {
            if !found.contains(&risk) {
                found.push(risk);
            }
        }
    }
    Ok(found)
}

/// The workflow files of a commit: paths and texts. A link's text is where it leads to, which is no workflow.
///
/// # Errors
/// If git cannot read the commit.
pub async fn of_commit(mirror: &Git, commit: &str) -> Result<Vec<(String, String)>, Error> {
    let list = mirror.ok(&["ls-tree", "-z", "--full-tree", commit, "--", FOLDER]).await?;
    let mut files = vec![];
    let git = mirror.with(|options| options.stdout_max = FILE_MAX + 1);
    for entry in list.split('\0') {
        let Some((about, path)) = entry.split_once('\t') else { continue };
        let mut about = about.split(' ').skip(1);
        let (Some("blob"), Some(id)) = (about.next(), about.next()) else { continue };
        if !is_workflow(path) {
            continue;
        }
        let read = git.run(&["cat-file", "blob", id]).await?;
        if !read.cut && !read.success() {
            return Err(git.failed("cat-file", read));
        }
        files.push((path.to_owned(), String::from_utf8_lossy(&read.stdout).into_owned()));
        if files.len() > FILES_MAX {
            break;
        }
    }
    Ok(files)
}

fn is_workflow(path: &str) -> bool {
    path.strip_prefix(FOLDER)
        .is_some_and(|name| !name.contains('/') && (name.ends_with(".yml") || name.ends_with(".yaml")))
}

struct Workflow<'a> {
    path: &'a str,
    text: &'a str,
    document: Document,
}

/// A file that has the form of a workflow.
fn parse(text: &str) -> Result<Document, Mistake> {
    if text.len() > FILE_MAX {
        return Err(Mistake { line: 1, text: format!("it is larger than {} MiB", FILE_MAX >> 20) });
    }
    let document = Document::parse(text)?;
    let root = document.root();
    let lacks = |what: &str| Mistake { line: root.line(), text: format!("it has no `{what}`") };
    if trigger::events(root).is_none() {
        return Err(lacks("on"));
    }
    if root.get("jobs").and_then(At::entries).is_none() {
        return Err(lacks("jobs"));
    }
    Ok(document)
}

/// The workflows that agentd's changes set off, directly or through others, with the events that do.
fn triggered(workflows: &[Workflow<'_>]) -> BTreeMap<usize, Vec<String>> {
    let events: Vec<_> = workflows.iter().map(|it| trigger::events(it.document.root()).unwrap_or_default()).collect();
    let mut triggered: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    for (index, events) in events.iter().enumerate() {
        let direct = trigger::direct(events);
        if !direct.is_empty() {
            triggered.insert(index, direct);
        }
    }
    // One that runs after another may itself be what a third runs after.
    loop {
        let before = triggered.len();
        for (index, events) in events.iter().enumerate().filter(|(_, events)| !events.is_empty()) {
            let Some(names) = trigger::after(events) else { continue };
            let runs = names.is_empty() || names.iter().any(|name| may_run(workflows, name, &triggered));
            let known = triggered.get(&index).is_some_and(|it| it.iter().any(|it| it == "workflow_run"));
            if runs && !known {
                triggered.entry(index).or_default().push("workflow_run".into());
            }
        }
        if triggered.len() == before {
            return triggered;
        }
    }
}

/// Whether one of the workflows of a name runs. Of a name that nobody has, nothing is known.
fn may_run(workflows: &[Workflow<'_>], name: &str, triggered: &BTreeMap<usize, Vec<String>>) -> bool {
    let mut of_name = workflows.iter().enumerate().filter(|(_, it)| is_called(it, name)).peekable();
    of_name.peek().is_none() || of_name.any(|(index, _)| triggered.contains_key(&index))
}

fn is_called(workflow: &Workflow<'_>, name: &str) -> bool {
    match workflow.document.root().get("name").and_then(At::text) {
        Some(own) => own == name,
        None => workflow.path == name,
    }
}

/// Looks at a workflow, and at those that it calls.
fn look(
    workflows: &[Workflow<'_>],
    start: usize,
    triggers: &[String],
    default_token_writes: Option<bool>,
    risks: &mut Risks,
) {
    let by_path: HashMap<&str, usize> = workflows.iter().enumerate().map(|(index, it)| (it.path, index)).collect();
    let mut seen = HashSet::new();
    let mut waiting = vec![(start, Given::Own)];
    while let Some((index, given)) = waiting.pop() {
        if !seen.insert((index, given)) {
            continue;
        }
        let Workflow { path, text, document } = &workflows[index];
        if given != Given::Named {
            for (line, what) in job::secrets(document.scalars()) {
                let line = line_of(text, line, &what);
                risks.note(path, line, triggers, what);
            }
        }
        let Some((found, calls)) = job::jobs(document.root(), given, default_token_writes) else { continue };
        risks.note_all(path, triggers, found);
        for call in calls {
            match by_path.get(call.path.as_str()) {
                Some(callee) => waiting.push((*callee, call.given)),
                None => {
                    let why = format!("it calls {}, which is not there or cannot be read", shown(&call.path));
                    risks.note(path, call.line, triggers, What::Unreadable(why));
                }
            }
        }
    }
}

/// The line of a secret in a text that goes over several and begins in this one.
fn line_of(text: &str, begin: u32, what: &What) -> u32 {
    let word = match what {
        What::Secret(name) => name.as_str(),
        _ => "secrets",
    };
    let skipped = usize::try_from(begin.saturating_sub(1)).unwrap_or(usize::MAX);
    let further = text.lines().skip(skipped).position(|line| line.contains("secrets") && line.contains(word));
    begin.saturating_add(further.and_then(|it| u32::try_from(it).ok()).unwrap_or(0))
}

/// What was found: each thing once in a file, with its first line and all events that lead to it.
#[derive(Default)]
struct Risks {
    found: BTreeMap<(String, What), (u32, Vec<String>)>,
}

impl Risks {
    fn note_all(&mut self, path: &str, triggers: &[String], found: Found) {
        for (line, what) in found {
            self.note(path, line, triggers, what);
        }
    }

    fn note(&mut self, path: &str, line: u32, triggers: &[String], what: What) {
        let (first, by) = self.found.entry((path.to_owned(), what)).or_insert((line, vec![]));
        *first = line.min(*first);
        let new: Vec<String> = triggers.iter().filter(|it| !by.contains(it)).cloned().collect();
        by.extend(new);
    }

    fn into_list(self) -> Vec<Risk> {
        let risk = |((path, what), (line, by)): ((String, What), (u32, Vec<String>))| {
            let text = what.to_string();
            Risk { path, line, trigger: by.join(" and "), what, text }
        };
        let mut list: Vec<Risk> = self.found.into_iter().map(risk).collect();
        list.sort_by(|a, b| (&a.path, a.line, &a.what).cmp(&(&b.path, b.line, &b.what)));
        list
    }
}
