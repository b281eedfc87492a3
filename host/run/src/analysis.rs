//! Has analyzers look through repositories, and stores what they find as tasks.
//!
//! An analysis is made when the branch has moved since the last one, and once a day where it has not: issues grow old, and
//! advisories come, without a commit. An analyzer that is another one now, or has other settings, looks anew. Findings of
//! one repository are a source of their own, `NAME@REPOSITORY`, so that what is missing in a complete report is withdrawn
//! there and nowhere else.

use crate::{
    contract, intake,
    options::Analyzer,
    service::{Current, Runtime},
    steps::prepare,
};
use agentd_plugin::wit::analyzer as wit;
use agentd_store::Intake;
use sha2::{Digest, Sha256};
use std::{collections::HashSet, sync::Arc};
use tokio_util::sync::CancellationToken;

/// So long an analysis stands for a branch that does not move, in milliseconds.
const STANDS_MS: i64 = 24 * 60 * 60 * 1000;
/// How many findings one analysis may bring.
const FINDINGS_MAX: u32 = 100;
/// How many calls one analysis may take.
const CALLS_MAX: usize = 100;

/// Runs one analyzer on its repositories until `stop`.
pub(crate) async fn analyze(current: Current, analyzer: Arc<Analyzer>, stop: CancellationToken) {
    let mut told = HashSet::new();
    while !stop.is_cancelled() {
        for repository in &analyzer.repositories {
            // Whoever comes in its place need not wait for all of them.
            if stop.is_cancelled() {
                return;
            }
            let rt = current.get();
            if let Err(error) = analyze_one(&rt, &analyzer, repository, &mut told).await {
                intake::tell(&rt, &analyzer.name, &error, &mut told).await;
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(analyzer.interval) => {}
        }
    }
}

async fn analyze_one(rt: &Runtime, analyzer: &Analyzer, id: &str, told: &mut HashSet<String>) -> Result<(), String> {
    let repository = rt.repositories.get(id).ok_or_else(|| format!("the repository `{id}` is not configured"))?;
    let mirror = prepare::fetch(rt, repository).await.map_err(|e| e.to_string())?;
    let base = prepare::base_branch(repository, None).await.map_err(|e| e.to_string())?;
    let revision = mirror.branch(&base).await.map_err(|e| e.to_string())?;
    let source = format!("{}@{id}", analyzer.name);
    let last = rt.store.reader().cursor(source.clone()).await.map_err(|e| e.to_string())?.map(|it| Last::read(&it));
    let (now, by) = (rt.clock.now(), by(&analyzer.entry.digest(), &analyzer.entry.settings()));
    if last.as_ref().is_some_and(|it| it.stands(&revision, &by, now)) {
        return Ok(());
    }
    let mut request = wit::Request {
        repository: id.into(),
        revision: revision.clone(),
        // What is new since another one looked is not all that is new to this one.
        last_revision: last.filter(|it| it.by == by).map(|it| it.revision),
        now: contract::timestamp(now),
        cursor: None,
        limit: FINDINGS_MAX,
        extra: vec![],
    };
    let (mut drafts, mut kv) = (vec![], vec![]);
    for _ in 0..CALLS_MAX {
        let answer = analyzer.entry.analyze(request.clone()).await.map_err(|e| e.to_string())?;
        kv.extend(answer.kv);
        for finding in answer.value.findings {
            match contract::draft(finding, Some(id)).and_then(|it| intake::known(rt, it)) {
                Ok(draft) => drafts.push(draft),
                Err(why) => intake::tell(rt, &analyzer.name, &why, told).await,
            }
        }
        request.cursor = answer.value.cursor;
        if request.cursor.is_none() {
            tracing::info!(analyzer.name = analyzer.name, repository = id, answer.value.summary, "Analyzed");
            let complete = answer.value.complete.then(|| drafts.iter().map(|it| it.key.clone()).collect());
            let last = Last { revision, at: now, by };
            return store(rt, analyzer, Found { source, drafts, complete, last, kv }).await;
        }
    }
    Err(format!("{} asked {CALLS_MAX} times to be called again for `{id}`", analyzer.name))
}

/// Short for a plugin's file and its settings.
fn by(digest: &str, settings: &str) -> String {
    hex::encode(&Sha256::digest(format!("{digest}\0{settings}"))[..8])
}

/// Which commit was looked at, when, and by whom: `COMMIT MILLISECONDS BY`, as the source's cursor.
#[derive(Debug, PartialEq, Eq)]
struct Last {
    revision: String,
    at: i64,
    by: String,
}

impl Last {
    fn read(cursor: &str) -> Last {
        let mut words = cursor.splitn(3, ' ').map(str::to_owned);
        let (revision, at, by) = (words.next(), words.next(), words.next());
        let at = at.and_then(|it| it.parse().ok()).unwrap_or(0);
        Last { revision: revision.unwrap_or_default(), at, by: by.unwrap_or_default() }
    }

    /// A clock that was set back makes it look again.
    fn stands(&self, revision: &str, by: &str, now: i64) -> bool {
        let same = self.revision == revision && self.by == by;
        same && (self.at..self.at.saturating_add(STANDS_MS)).contains(&now)
    }
}

impl std::fmt::Display for Last {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} {}", self.revision, self.at, self.by)
    }
}

struct Found {
    source: String,
    drafts: Vec<agentd_task::Draft>,
    complete: Option<Vec<String>>,
    last: Last,
    kv: Vec<(String, Option<String>)>,
}

async fn store(rt: &Runtime, analyzer: &Analyzer, found: Found) -> Result<(), String> {
    let Found { source, drafts, complete, last, kv } = found;
    let intake = Intake {
        source,
        drafts,
        withdrawn: vec![],
        complete,
        cursor: Some(last.to_string()),
        entry: Some(analyzer.name.clone()),
        kv,
        mode: analyzer.mode,
        branch_prefix: rt.branch_prefix(),
        shared: rt.shared(),
    };
    let taken = rt.store.intake(intake, rt.clock.now()).await.map_err(|e| e.to_string())?;
    intake::cancel_runs(rt, &taken);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(cursor: &str, revision: &str, now: i64, stands: bool) {
        let last = Last::read(cursor);
        assert_eq!(last.stands(revision, &by("sha256:1", "{}"), now), stands, "{cursor} at {now}");
        assert_eq!(Last::read(&last.to_string()), last);
    }

    #[test]
    fn an_analysis_stands_for_a_day_or_until_branch_or_analyzer_change() {
        let same = format!("c0ffee 1000 {}", by("sha256:1", "{}"));
        check(&same, "c0ffee", 1_000, true);
        check(&same, "c0ffee", 1_000 + STANDS_MS - 1, true);
        check(&same, "c0ffee", 1_000 + STANDS_MS, false);
        check(&same, "beef", 1_001, false);
        check(&same, "c0ffee", 999, false);
        check(&format!("c0ffee 1000 {}", by("sha256:1", "{\"limit\":2}")), "c0ffee", 1_000, false);
        check(&format!("c0ffee 1000 {}", by("sha256:2", "{}")), "c0ffee", 1_000, false);
        check("c0ffee", "c0ffee", 1_000, false); // as an earlier agentd wrote it
    }
}
