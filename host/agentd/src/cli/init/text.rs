//! The text of the configuration: what was answered, with what it means, and what might be wanted next.

use super::answers::{Answers, Place};
use crate::{
    cli::config_file::{Access, quoted},
    config::ExecutorKind,
};
use std::{fmt::Write as _, path::Path};

const HEAD: &str = "\
# The configuration of agentd, made by `agentd init`.
#
# `agentd config check` names every mistake in it with its line, `agentd config show` says what is in force. Lines that
# begin with \"#key\" are keys that might be wanted. A running agentd takes a change once it is saved. A secret never
# stands here: \"${NAME}\" is a variable, \"file:PATH\" a file that only you can read.

";
const MODE: &str = "\
# What becomes of work that is found. ask: a person starts each task (`agentd task start`); auto: tasks start by
# themselves; propose: work is found and ranked, and nobody is called.
";
const GITHUB: &str = "
# Whom agentd works as on GitHub. Nothing outside `repositories` is read or written. `agentd doctor` says what it lacks.
[github]
";
const NETWORK: &str = "
# What agentd may call although its address is not public: the server of [github], as its name was resolved.
[network]
";
const ISSUES: &str = "
# Open issues with all of these labels are work, if somebody who may write to the repository set the last of them.
[sources.issues]
plugin = \"github-issues\"
";
const AGENT: &str = "
# Who does the work: in a container without a network, whose only way out is agentd.
";
const BUDGET: &str = "
# US dollars for models: no call is made any more once one run, all runs of one task, or one day has spent that.
[budget]
";
const DEFAULTS: &str = "
# What holds for all repositories; one of them says otherwise in a section of its own.
[repositories.default]
# Shell commands that must pass in a fresh container, from the commit, before anything is pushed.
";
const MORE: &str = "\
# A change that touches one of these waits for a person.
protected = [\".github/**\"]
# The sandbox's image needs a shell, git and what agent and gates call. Default: one made of this machine's own shell, git
# and small programs. \"dockerfile\" builds it from the Dockerfile of the base commit.
#image = \"acme/dev:3\"
# Package registries that can be read from the sandbox: npm, crates, pypi.
#egress = [\"npm\"]
";
const PUSH_GITHUB: &str = "\
# ask: a person sees the diff before it is pushed; branch: what passed is pushed at once; fork: to a fork of agentd's.
# Without this line it is ask where a workflow gives a pushed branch secrets or rights, and else branch.
#push = \"ask\"
";
const PUSH_HERE: &str = "\
# ask: a person sees the diff before it is pushed; branch: what passed is pushed at once.
#push = \"ask\"
";
const LOCAL: &str = "
# local: a plain process without walls, to try things out; never for other people's text. docker: a locked container,
# which needs agentd to run as root.
[sandbox]
executor = \"local\"
";

/// `file`: where it will stand.
pub(super) fn text(answers: &Answers, file: &Path) -> String {
    let mut text = format!("{HEAD}{MODE}mode = {}\n", quoted(&answers.mode.to_string()));
    let on_github: Vec<_> = answers
        .places
        .iter()
        .filter_map(|it| match it {
            Place::GitHub(name) => Some(quoted(name)),
            Place::Folder(..) => None,
        })
        .collect();
    if let Some(access) = &answers.access {
        text.push_str(GITHUB);
        match access {
            Access::Token(reference) => line(&mut text, "token", &quoted(reference)),
            Access::App { id, key } => line(&mut text, "app", &format!("{{ id = {id}, key = {} }}", quoted(key))),
        }
        if let Some(url) = &answers.url {
            line(&mut text, "url", &quoted(url));
        }
        line(&mut text, "repositories", &format!("[{}]", on_github.join(", ")));
        if !answers.private.is_empty() {
            text.push_str(NETWORK);
            let networks: Vec<_> = answers.private.iter().map(|it| quoted(it)).collect();
            line(&mut text, "private", &format!("[{}]", networks.join(", ")));
        }
        text.push_str(ISSUES);
        line(&mut text, "settings", &format!("{{ labels = [{}] }}", quoted(&answers.label)));
        text.push_str(
            "# Who may start work: a right in the repository (triage, write, maintain, admin), or a list of logins.\n",
        );
        text.push_str("#allow = \"write\"\n");
    }
    agent(&mut text, answers);
    text.push_str(BUDGET);
    let (task, day) = (answers.budget_task, answers.budget_task.max(50.0));
    for (key, amount) in [("run", task.min(5.0)), ("task", task), ("day", day)] {
        line(&mut text, key, &format!("{amount:.2}"));
    }
    text.push_str(DEFAULTS);
    let gates: Vec<_> = answers.gates.iter().map(|it| quoted(it)).collect();
    match gates.is_empty() {
        true => text.push_str("#gates = [\"make test\"]\n"),
        false => line(&mut text, "gates", &format!("[{}]", gates.join(", "))),
    }
    text.push_str(MORE);
    text.push_str(if on_github.is_empty() { PUSH_HERE } else { PUSH_GITHUB });
    for place in &answers.places {
        if let Place::Folder(folder, id) = place {
            let folder = beside(folder, file);
            writeln!(text, "\n[repositories.{}]\npath = {}", quoted(id), quoted(&folder)).ok();
        }
    }
    if answers.executor == ExecutorKind::Local {
        text.push_str(LOCAL);
    }
    text
}

fn agent(text: &mut String, answers: &Answers) {
    let name = &answers.agent;
    writeln!(text, "{AGENT}[agents.{name}]").ok();
    if let Some(command) = &answers.command {
        let argv = format!("{{ argv = [\"sh\", \"-c\", {}] }}", quoted(command));
        line(text, "settings", &argv);
    }
    if let Some((variable, provider)) = answers.key {
        text.push_str("# The model that it is told to use; default: its own choice.\n#model = \"…\"\n");
        writeln!(text, "\n# Whose key it works with. ${variable} makes this account by itself; a file does it, too:")
            .ok();
        writeln!(text, "#[accounts.{provider}]\n#provider = {}", quoted(provider)).ok();
        writeln!(text, "#key = {}", quoted(&format!("file:secrets/{provider}"))).ok();
    }
}

fn line(text: &mut String, key: &str, value: &str) {
    // Writing to a String does not fail.
    writeln!(text, "{key} = {value}").ok();
}

/// Relative where the repository holds the configuration, so that both can be moved together.
fn beside(folder: &Path, file: &Path) -> String {
    match file.parent() {
        Some(of) if of.canonicalize().is_ok_and(|it| it == folder) => ".".into(),
        _ => folder.display().to_string(),
    }
}
