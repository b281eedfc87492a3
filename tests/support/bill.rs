//! What models cost: as agentd's ledger has it, and as the provider would put it on the bill.

use super::{Home, Model, Usage};

/// What `task show` says of a task that worked with one model.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ledger {
    pub(crate) tokens: Usage,
    pub(crate) cost_microusd: u64,
    pub(crate) calls: u64,
    /// Of them, those whose usage did not arrive.
    pub(crate) estimated: u64,
}

impl Ledger {
    #[track_caller]
    pub(crate) fn of(home: &Home, task: &str) -> Ledger {
        let shown = home.shown(task);
        let usage = &shown["usage"];
        assert_eq!(usage.as_array().unwrap().len(), 1, "{shown:#}");
        let count = |name: &str| usage[0][name].as_u64().unwrap();
        let tokens = Usage {
            input: count("input_tokens"),
            output: count("output_tokens"),
            cache_read: count("cache_read_tokens"),
            cache_write: count("cache_write_tokens"),
        };
        Ledger { tokens, cost_microusd: count("cost_microusd"), calls: count("calls"), estimated: count("estimated") }
    }
}

/// What tokens cost, in millionths of a dollar and rounded up. `price`: of a thousand of each kind, in the same.
pub(crate) fn cost(tokens: Usage, price: Usage) -> u64 {
    let thousands = tokens.input * price.input
        + tokens.output * price.output
        + tokens.cache_read * price.cache_read
        + tokens.cache_write * price.cache_write;
    thousands.div_ceil(1_000)
}

/// The first task, in one run, cost what is on the bill, to the millionth of a dollar; no token is estimated.
#[track_caller]
pub(crate) fn the_ledger_is_the_bill(home: &Home, model: &Model, price: Usage) {
    let ledger = Ledger::of(home, "t-1");
    let billed: Vec<Usage> = model.answered().iter().map(|it| it.billed).filter(|it| *it != Usage::default()).collect();
    let bill: u64 = billed.iter().map(|it| cost(*it, price)).sum();
    assert_eq!((ledger.tokens, ledger.cost_microusd), (model.billed(), bill));
    assert_eq!((ledger.calls, ledger.estimated), (billed.len() as u64, 0));
    let shown = home.shown("t-1");
    let spent: u64 = shown["runs"].as_array().unwrap().iter().map(|it| it["spent_microusd"].as_u64().unwrap()).sum();
    assert_eq!(spent, bill, "{shown:#}");
}
