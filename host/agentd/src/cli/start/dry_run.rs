//! `agentd start --dry-run`: what would be found, in which order, and what would become of it.

use super::enter_folder;
use crate::{
    cli::{
        check::{self, Check},
        context::Context,
        exit::Error,
        print::{Out, one_line},
    },
    config::{Config, Push, Repository},
    daemon::{self, Seen},
    hint,
    server::view::TaskView,
};
use agentd_gateway::dollars;
use agentd_task::Mode;
use serde::Serialize;
use serde_json::json;

/// A task that was found, with what the configuration says of it.
#[derive(Debug, Serialize)]
struct Found {
    score: f64,
    why: String,
    source: String,
    key: String,
    title: String,
    repository: String,
    mode: Mode,
    agent: Option<String>,
    budget_microusd: u64,
    /// `ask`, `branch`, `fork`; `workflows`: as the repository's workflows say.
    push: &'static str,
}

pub(super) async fn act(context: &mut Context, config: Config) -> Result<(), Error> {
    enter_folder(&config)?;
    let seen = context.progress.during("asking the sources", daemon::dry_run(config.clone())).await?;
    let found: Vec<_> = seen.tasks.iter().map(|it| found(&config, it)).collect();
    let checks = sources(&config, &seen);
    let answer = json!({ "sources": checks, "refused": seen.refused, "tasks": found });
    context.out.either(&answer, |out| text(out, &config, &checks, &seen.refused, &found))?;
    match seen.failed.len() {
        0 => Ok(()),
        1 => Err(Error::work("one source could not be asked")),
        many => Err(Error::work(format!("{many} sources could not be asked"))),
    }
}

fn found(config: &Config, task: &TaskView) -> Found {
    let repository = config.repositories.get(&task.repository).unwrap_or(&config.repository_defaults);
    Found {
        score: task.score,
        why: task.score_reason.clone(),
        source: task.source.clone(),
        key: task.key.clone(),
        title: task.title.clone(),
        repository: task.repository.clone(),
        mode: config.sources.get(&task.source).map_or(config.mode, |it| it.mode),
        agent: task.agent.clone().or_else(|| config.default_agent().map(|(name, _)| name.to_owned())),
        budget_microusd: config.budget.task,
        push: push(repository),
    }
}

fn push(repository: &Repository) -> &'static str {
    match repository.push {
        Some(Push::Ask) => "ask",
        Some(Push::Branch) => "branch",
        Some(Push::Fork) => "fork",
        None if repository.on_github() => "workflows",
        None => "ask",
    }
}

/// Each source, and what it found.
fn sources(config: &Config, seen: &Seen) -> Vec<Check> {
    let one = |(name, it): (&String, &crate::config::Source)| {
        let title = format!("source {name}");
        if let Some((_, why)) = seen.failed.iter().find(|(source, _)| source == name) {
            let (why, hint) = hint::apart(why);
            return Check::fail(title, why, hint.unwrap_or_else(|| "agentd doctor looks at what it needs".into()));
        }
        let tasks = seen.tasks.iter().filter(|it| it.source == *name).count();
        Check::ok(title, format!("{} found {tasks} ({})", it.plugin, it.mode))
    };
    let mut checks: Vec<_> = config.sources.iter().map(one).collect();
    if config.sources.is_empty() {
        let hint = "add [sources.NAME], or hand tasks in with agentd task submit";
        checks.push(Check::warn("sources", "none is configured", hint));
    }
    let analyzers = config.analyzers.keys().map(|it| Check::ok(format!("analyzer {it}"), "not asked in a dry run"));
    checks.extend(analyzers);
    checks
}

fn text(out: &Out, config: &Config, checks: &[Check], refused: &[String], found: &[Found]) -> String {
    let mut text = check::text(out, checks);
    if !refused.is_empty() {
        text.push_str("\n\nNot taken:");
        for it in refused {
            text.push_str(&format!("\n  {}", one_line(it, 400)));
        }
    }
    let heads = ["", "score", "mode", "repository", "task", "title", "agent", "budget", "push", "why"];
    let row = |(index, it): (usize, &Found)| {
        vec![
            (index + 1).to_string(),
            format!("{:.2}", it.score),
            it.mode.to_string(),
            one_line(&it.repository, 40),
            one_line(&it.key, 40),
            one_line(&it.title, 50),
            it.agent.clone().unwrap_or_else(|| "none".into()),
            dollars(it.budget_microusd),
            it.push.to_owned(),
            one_line(&it.why, 60),
        ]
    };
    let rows: Vec<_> = found.iter().enumerate().map(row).collect();
    text.push_str("\n\n");
    text.push_str(&out.table(&heads, &rows, "no tasks were found"));
    if !rows.is_empty() {
        text.push_str("\n\n");
        text.push_str(&outlook(config, found));
    }
    text
}

/// What a start would do with them.
fn outlook(config: &Config, found: &[Found]) -> String {
    let limits = &config.limits;
    let count = |mode: Mode| found.iter().filter(|it| it.mode == mode).count();
    let mut parts = Vec::new();
    match count(Mode::Auto) {
        0 => parts.push("Nothing would start by itself.".to_owned()),
        auto => parts.push(format!(
            "{auto} would start by themselves, best first: at most {} at once and {} in one repository.",
            limits.concurrent, limits.per_repository
        )),
    }
    if count(Mode::Ask) > 0 {
        parts.push(format!("{} would wait for a person: agentd task start.", count(Mode::Ask)));
    }
    if count(Mode::Propose) > 0 {
        parts.push(format!("{} would only be proposed.", count(Mode::Propose)));
    }
    if found.iter().any(|it| it.push == "workflows") {
        parts.push(
            "push workflows: asks where CI would give a pushed branch anything; agentd doctor says where.".into(),
        );
    }
    parts.push("Nothing was started or changed.".into());
    parts.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Environment;

    fn config() -> Config {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("agentd.toml");
        let text = "mode = \"auto\"\n[github]\ntoken = \"${TOKEN}\"\nrepositories = [\"acme/api\"]\n\
             [agents.fixer]\nplugin = \"command\"\nsettings = { argv = [\"fixer\"] }\n\
             [sources.issues]\nplugin = \"github-issues\"\n[sources.notes]\nplugin = \"folder\"\nmode = \"ask\"\n\
             [analyzers.todo]\nplugin = \"todo\"\n[repositories.site]\npath = \"/srv/site\"\n";
        std::fs::write(&file, text).unwrap();
        let environment = Environment::from_iter([("TOKEN".to_owned(), "t".to_owned())]);
        Config::load_in(Some(&file), Some(dir.path()), environment).unwrap()
    }

    fn seen(source: &str, key: &str, repository: &str, score: f64) -> Found {
        let config = config();
        let mut task: TaskView = serde_json::from_value(serde_json::json!({
            "id": "t-1", "state": "queued", "reason": "", "step": null, "waits_for": null, "run": 0, "failures": 0,
            "purpose": "execute", "source": source, "key": key, "title": "Fix \u{1b}it", "url": null, "subject": null,
            "repository": repository, "base": null, "branch": "agentd/t-1", "labels": [], "priority": null,
            "depends_on": [], "requested_by": null, "agent": null, "score": 0.0, "score_reason": "label +30",
            "created_at": 0, "changed_at": 0, "waiting_since": 0,
        }))
        .unwrap();
        task.score = score;
        found(&config, &task)
    }

    #[test]
    fn what_would_happen_is_told_in_its_order() {
        let config = config();
        let seen_by = Seen { tasks: vec![], failed: vec![("notes".into(), "no folder".into())], refused: vec![] };
        let checks = sources(&config, &seen_by);
        let found = [seen("issues", "acme/api#42", "acme/api", 30.0), seen("notes", "a.md", "site", 0.0)];
        let refused = ["issues: acme/api#7: eve may not start work in acme/api (read)".to_owned()];
        let out = Out::to(Box::new(std::io::sink()), false);
        insta::assert_snapshot!(text(&out, &config, &checks, &refused, &found));
    }

    #[test]
    fn without_tasks_it_says_so() {
        let config = config();
        let checks = sources(&config, &Seen { tasks: vec![], failed: vec![], refused: vec![] });
        let out = Out::to(Box::new(std::io::sink()), false);
        assert!(text(&out, &config, &checks, &[], &[]).ends_with("\n\nno tasks were found"));
    }
}
