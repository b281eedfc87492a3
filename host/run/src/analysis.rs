//! Has analyzers look through repositories, and stores what they find as tasks.
//!
//! An analysis is made when the branch has moved since the last one. Findings of one repository are a source of their
//! own, `NAME@REPOSITORY`, so that what is missing in a complete report is withdrawn there and nowhere else.

use crate::{contract, intake, options::Analyzer, service::Runtime, steps::prepare};
use agentd_plugin::wit::analyzer as wit;
use agentd_store::Intake;
use std::{collections::HashSet, sync::Arc};
use tokio_util::sync::CancellationToken;

/// How many findings one analysis may bring.
const FINDINGS_MAX: u32 = 100;
/// How many calls one analysis may take.
const CALLS_MAX: usize = 100;

/// Runs one analyzer on its repositories until `stop`.
pub(crate) async fn analyze(rt: Arc<Runtime>, analyzer: Arc<Analyzer>, stop: CancellationToken) {
    let mut told = HashSet::new();
    loop {
        for repository in &analyzer.repositories {
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
    let last_revision = rt.store.reader().cursor(source.clone()).await.map_err(|e| e.to_string())?;
    if last_revision.as_ref() == Some(&revision) {
        return Ok(());
    }
    let mut request = wit::Request {
        repository: id.into(),
        revision: revision.clone(),
        last_revision,
        now: contract::timestamp(rt.clock.now()),
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
            return store(rt, analyzer, Found { source, drafts, complete, revision, kv }).await;
        }
    }
    Err(format!("{} asked {CALLS_MAX} times to be called again for `{id}`", analyzer.name))
}

struct Found {
    source: String,
    drafts: Vec<agentd_task::Draft>,
    complete: Option<Vec<String>>,
    revision: String,
    kv: Vec<(String, Option<String>)>,
}

async fn store(rt: &Runtime, analyzer: &Analyzer, found: Found) -> Result<(), String> {
    let Found { source, drafts, complete, revision, kv } = found;
    let intake = Intake {
        source,
        drafts,
        withdrawn: vec![],
        complete,
        cursor: Some(revision),
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
