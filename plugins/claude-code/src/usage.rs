//! What the agent says it has used, added up over the results of a run.
//!
//! The numbers at its messages are those of the messages' beginnings and are repeated for each block, so they are never
//! added. A result has `modelUsage`, which newer versions count from the beginning of the *conversation*; those also
//! have `model_usage_since_last_result`, which is added here. Without that one (older versions), `modelUsage` counts
//! from the beginning of the program, and the last result has it all.

use crate::field::{self, Object};
use agentd_sdk::agent::{Usage, UsageScope};
use std::collections::BTreeMap;

/// What was used up to now, by model.
#[derive(Default)]
pub(crate) struct Meter(BTreeMap<String, Usage>);

impl Meter {
    /// Takes a result's numbers; gives the totals that they changed.
    pub(crate) fn result(&mut self, result: &Object) -> Vec<Usage> {
        let since_last = field::object(result, "model_usage_since_last_result");
        let models = since_last.or_else(|| field::object(result, "modelUsage")).into_iter().flatten();
        let mut changed = vec![];
        for (model, used) in models {
            let Some(used) = used.as_object() else { continue };
            let news = usage(model, used);
            let total = match self.0.get(model) {
                Some(before) if since_last.is_some() => sum(before, &news),
                _ => news,
            };
            if self.0.get(model) != Some(&total) {
                self.0.insert(model.clone(), total.clone());
                changed.push(total);
            }
        }
        changed
    }
}

fn usage(model: &str, used: &Object) -> Usage {
    let count = |name| field::number(used, name).unwrap_or_default();
    Usage {
        model: model.into(),
        scope: UsageScope::Run,
        input_tokens: count("inputTokens"),
        output_tokens: count("outputTokens"),
        cache_read_tokens: count("cacheReadInputTokens"),
        cache_write_tokens: count("cacheCreationInputTokens"),
        cost_microusd: field::microusd(used, "costUSD"),
        extra: vec![],
    }
}

fn sum(before: &Usage, news: &Usage) -> Usage {
    let costs = [before.cost_microusd, news.cost_microusd];
    Usage {
        model: news.model.clone(),
        scope: UsageScope::Run,
        input_tokens: before.input_tokens.saturating_add(news.input_tokens),
        output_tokens: before.output_tokens.saturating_add(news.output_tokens),
        cache_read_tokens: before.cache_read_tokens.saturating_add(news.cache_read_tokens),
        cache_write_tokens: before.cache_write_tokens.saturating_add(news.cache_write_tokens),
        cost_microusd: costs.into_iter().flatten().reduce(u64::saturating_add),
        extra: vec![],
    }
}
