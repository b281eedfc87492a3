//! What may be spent, and the check before each call.
//!
//! A call is let through as long as nothing is used up; what it will cost is known only at its end. So each limit can be
//! passed by what is under way when it is reached. What an answer has told of its usage counts while it is still coming.

use crate::{Call, FaultKind, Ledger, Refusal, Spent, scope::Scope};
use agentd_task::{RunNumber, TaskId};
use std::{collections::BTreeMap, sync::Mutex};

/// In millionths of a US dollar; `u64::MAX`: no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    pub run: u64,
    pub task: u64,
    /// From midnight to midnight, UTC.
    pub day: u64,
}

impl Default for Budget {
    fn default() -> Budget {
        Budget { run: 5_000_000, task: 10_000_000, day: 50_000_000 }
    }
}

const CENT: u64 = 10_000;

/// Why a call is not made.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Denied {
    /// Something is used up.
    Budget { kind: FaultKind, refusal: Refusal },
    /// The ledger does not work, and money must not run unseen.
    Ledger(String),
}

/// Calls of all doors that could not be booked yet. They outlive their doors.
#[derive(Default)]
pub(crate) struct Debts(tokio::sync::Mutex<Vec<Call>>);

/// What one door spends: its calls are checked and booked one after the other.
#[derive(Default)]
pub(crate) struct Spending {
    /// Whoever holds this is checking or booking.
    turn: tokio::sync::Mutex<()>,
    under_way: Mutex<UnderWay>,
}

/// What is known of the cost of calls that have not ended.
#[derive(Default)]
struct UnderWay {
    next: u64,
    costs: BTreeMap<u64, u64>,
}

/// A call that was let through. It has to be given back: by [`Spending::book`] or [`Spending::release`].
#[derive(Debug)]
pub(crate) struct Admission(u64);

impl Debts {
    /// Books what can be booked now. `Err`: there is still some of this run's, and it must not spend more.
    ///
    /// It must not be dropped before its end: what is being booked would be booked again, or never.
    pub(crate) async fn settle(&self, ledger: &dyn Ledger, task: TaskId, run: RunNumber) -> Result<(), String> {
        let mut all = self.0.lock().await;
        let mut result = Ok(());
        for call in std::mem::take(&mut *all) {
            if let Err(error) = ledger.book(call.clone()).await {
                if (call.task, call.run) == (task, run) {
                    result = Err(error);
                }
                all.push(call);
            }
        }
        result
    }

    async fn add(&self, call: Call) {
        self.0.lock().await.push(call);
    }
}

impl Spending {
    /// Lets a call through, or says why not.
    pub(crate) async fn check(&self, ledger: &dyn Ledger, scope: &Scope, budget: Budget) -> Result<Admission, Denied> {
        let _turn = self.turn.lock().await;
        let spent = ledger.spent(scope.task, scope.run).await.map_err(Denied::Ledger)?;
        let mut under_way = self.under_way();
        let coming = under_way.costs.values().fold(0, |sum: u64, cost| sum.saturating_add(*cost));
        if let Some((kind, refusal)) = used_up(spent, coming, budget) {
            return Err(Denied::Budget { kind, refusal });
        }
        let number = under_way.next;
        under_way.next += 1;
        under_way.costs.insert(number, 0);
        Ok(Admission(number))
    }

    /// What the call has cost as far as it is known.
    pub(crate) fn note(&self, admission: &Admission, cost_microusd: u64) {
        self.under_way().costs.insert(admission.0, cost_microusd);
    }

    /// The call cost nothing.
    pub(crate) fn release(&self, admission: Admission) {
        self.under_way().costs.remove(&admission.0);
    }

    /// The call has ended. If it cannot be booked now, nothing more of the run is let through before it is.
    pub(crate) async fn book(&self, ledger: &dyn Ledger, debts: &Debts, admission: Admission, call: Call) {
        let _turn = self.turn.lock().await;
        self.release(admission);
        if let Err(error) = ledger.book(call.clone()).await {
            let (task, run) = (call.task, call.run);
            tracing::error!(%task, run, error, "A call could not be booked; the run's next calls are refused until it is");
            debts.add(call).await;
        }
    }

    fn under_way(&self) -> std::sync::MutexGuard<'_, UnderWay> {
        self.under_way.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

fn used_up(spent: Spent, coming: u64, budget: Budget) -> Option<(FaultKind, Refusal)> {
    let caps = [
        (FaultKind::RunBudget, "run", spent.run, budget.run),
        (FaultKind::TaskBudget, "task", spent.task, budget.task),
        (FaultKind::DayBudget, "day", spent.day, budget.day),
    ];
    let (kind, name, spent, cap) = caps.into_iter().find(|(.., spent, cap)| spent.saturating_add(coming) >= *cap)?;
    let whose = if name == "day" { "today all tasks have" } else { &format!("this {name} has") };
    let spent = spent.saturating_add(coming);
    let why = format!("budget: {whose} spent {} of {} US dollars", dollars(spent), dollars(cap));
    let more = dollars(spent.max(cap).saturating_mul(2).max(1_000_000).div_ceil(CENT).saturating_mul(CENT));
    let allow = Some(format!("[budget] {name} = {more}"));
    Some((kind, Refusal { what: "model call".into(), why, allow }))
}

/// An amount of millionths as people write it: `5.00`, or with as many digits as it has.
#[must_use]
pub fn dollars(microusd: u64) -> String {
    let (whole, part) = (microusd / 1_000_000, format!("{:06}", microusd % 1_000_000));
    let digits = part.trim_end_matches('0').len().max(2);
    format!("{whole}.{}", &part[..digits])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(spent: [u64; 3], coming: u64, expected: Option<(FaultKind, &str, &str)>) {
        let [run, task, day] = spent;
        let found = used_up(Spent { run, task, day }, coming, Budget::default());
        let found = found.map(|(kind, refusal)| (kind, refusal.why, refusal.allow.unwrap()));
        assert_eq!(found, expected.map(|(kind, why, allow)| (kind, why.to_owned(), allow.to_owned())));
    }

    #[test]
    fn what_is_used_up_is_told_with_the_line_that_allows_more() {
        check([0, 0, 0], 0, None);
        check([4_999_999, 9_999_999, 49_999_999], 0, None);
        let run = (FaultKind::RunBudget, "budget: this run has spent 5.00 of 5.00 US dollars", "[budget] run = 10.00");
        check([5_000_000, 0, 0], 0, Some(run));
        check([4_000_000, 0, 0], 1_000_000, Some(run));
        check(
            [0, 10_020_000, 0],
            0,
            Some((
                FaultKind::TaskBudget,
                "budget: this task has spent 10.02 of 10.00 US dollars",
                "[budget] task = 20.04",
            )),
        );
        check(
            [0, 0, 50_000_001],
            0,
            Some((
                FaultKind::DayBudget,
                "budget: today all tasks have spent 50.000001 of 50.00 US dollars",
                "[budget] day = 100.01",
            )),
        );
    }

    #[test]
    fn dollars_are_shown_as_people_write_them() {
        let texts = [(5_000_000, "5.00"), (1_230_000, "1.23"), (13_742, "0.013742"), (1_000, "0.001"), (0, "0.00")];
        for (microusd, text) in texts {
            assert_eq!(dollars(microusd), text);
        }
    }

    #[test]
    fn no_limit_is_never_reached() {
        let budget = Budget { run: u64::MAX, task: u64::MAX, day: u64::MAX };
        let spent = Spent { run: u64::MAX - 1, task: 7, day: 7 };
        assert_eq!(used_up(spent, 0, budget), None);
    }
}
