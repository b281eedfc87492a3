//! Keeps a loop going for each source and each analyzer of the present arrangement.
//!
//! When the arrangement changes, loops are begun and ended by difference: what is the very same as before goes on
//! undisturbed. A loop that is told to end finishes the look that it is at, for what it found is stored in one
//! transaction; a loop that takes its place waits for that, so that no source is ever asked twice at once.

use crate::{
    Analyzer, Source, analysis, intake,
    service::{Current, Runtime},
};
use std::{collections::BTreeMap, sync::Arc};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// What became different for those who find work, by `sources.NAME` and `analyzers.NAME`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fed {
    pub begun: Vec<String>,
    /// Ended and begun again, as they are configured now.
    pub changed: Vec<String>,
    pub ended: Vec<String>,
}

/// Who finds work. Equal are those that are the very same.
#[derive(Clone)]
enum Feeder {
    Source(Arc<Source>),
    Analyzer(Arc<Analyzer>),
}

impl PartialEq for Feeder {
    fn eq(&self, other: &Feeder) -> bool {
        match (self, other) {
            (Feeder::Source(one), Feeder::Source(other)) => Arc::ptr_eq(one, other),
            (Feeder::Analyzer(one), Feeder::Analyzer(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }
}

impl Feeder {
    async fn run(self, current: Current, stop: CancellationToken) {
        match self {
            Feeder::Source(it) => intake::poll_source(current, it, stop).await,
            Feeder::Analyzer(it) => analysis::analyze(current, it, stop).await,
        }
    }
}

/// Feeds until `stop`; returns when all loops have ended.
pub(crate) async fn feed(current: Current, stop: CancellationToken) {
    let mut rearranged = current.changes();
    let mut loops = Loops::new(stop.clone());
    while !stop.is_cancelled() {
        let wanted = feeders(&rearranged.borrow_and_update());
        loops.arrange(wanted, |feeder: Feeder, stop| feeder.run(current.clone(), stop));
        tokio::select! {
            () = stop.cancelled() => {}
            changed = rearranged.changed() => if changed.is_err() { break },
        }
    }
    loops.ended().await;
}

/// What goes from one arrangement to the next.
pub(crate) fn difference(before: &Runtime, after: &Runtime) -> Fed {
    differ(&feeders(before), &feeders(after))
}

fn differ<T: PartialEq>(before: &BTreeMap<String, T>, after: &BTreeMap<String, T>) -> Fed {
    let mut fed = Fed::default();
    for (name, it) in after {
        match before.get(name) {
            None => fed.begun.push(name.clone()),
            Some(before) if before != it => fed.changed.push(name.clone()),
            Some(_) => {}
        }
    }
    fed.ended = before.keys().filter(|name| !after.contains_key(*name)).cloned().collect();
    fed
}

fn feeders(rt: &Runtime) -> BTreeMap<String, Feeder> {
    let sources = rt.sources.iter().map(|it| (format!("sources.{}", it.name), Feeder::Source(it.clone())));
    let analyzers = rt.analyzers.iter().map(|it| (format!("analyzers.{}", it.name), Feeder::Analyzer(it.clone())));
    sources.chain(analyzers).collect()
}

/// Loops by name, each for a thing of its own.
struct Loops<T> {
    stop: CancellationToken,
    tracker: TaskTracker,
    going: BTreeMap<String, Loop<T>>,
}

struct Loop<T> {
    of: T,
    stop: CancellationToken,
    /// Cancelled when it has ended.
    ended: CancellationToken,
}

impl<T: Clone + PartialEq> Loops<T> {
    fn new(stop: CancellationToken) -> Loops<T> {
        Loops { stop, tracker: TaskTracker::new(), going: BTreeMap::new() }
    }

    /// Has one loop go on for each that is wanted, and no other. `begin` makes one, which ends at its token.
    fn arrange<F>(&mut self, wanted: BTreeMap<String, T>, begin: impl Fn(T, CancellationToken) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.going.retain(|_, it| !it.ended.is_cancelled());
        for (name, it) in &self.going {
            if wanted.get(name) != Some(&it.of) {
                it.stop.cancel();
            }
        }
        for (name, of) in wanted {
            let before = self.going.get(&name);
            if before.is_some_and(|it| !it.stop.is_cancelled()) {
                continue;
            }
            let before = before.map(|it| it.ended.clone());
            let (stop, ended) = (self.stop.child_token(), CancellationToken::new());
            let (work, done) = (begin(of.clone(), stop.clone()), ended.clone().drop_guard());
            self.tracker.spawn(async move {
                let _done = done;
                if let Some(before) = before {
                    before.cancelled().await;
                }
                work.await;
            });
            self.going.insert(name, Loop { of, stop, ended });
        }
    }

    async fn ended(self) {
        self.tracker.close();
        self.tracker.wait().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        sync::{Mutex, PoisonError},
        time::Duration,
    };

    /// What loops did, in the order in which it happened.
    #[derive(Clone, Default)]
    struct Diary(Arc<Mutex<Vec<String>>>);

    impl Diary {
        fn note(&self, what: String) {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(what);
        }

        /// What was noted since the last time.
        fn read(&self) -> String {
            std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner)).join(", ")
        }
    }

    fn wanted(all: &[(&str, u32)]) -> BTreeMap<String, u32> {
        all.iter().map(|(name, version)| ((*name).to_owned(), *version)).collect()
    }

    /// Each loop takes a second to end.
    fn arrange(loops: &mut Loops<u32>, diary: &Diary, all: &[(&str, u32)]) {
        loops.arrange(wanted(all), |version, stop| {
            let diary = diary.clone();
            async move {
                if stop.is_cancelled() {
                    return;
                }
                diary.note(format!("begin {version}"));
                stop.cancelled().await;
                tokio::time::sleep(Duration::from_secs(1)).await;
                diary.note(format!("end {version}"));
            }
        });
    }

    async fn pass(seconds: u64) {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn what_did_not_change_goes_on_and_nothing_is_asked_twice_at_once() {
        let (stop, diary) = (CancellationToken::new(), Diary::default());
        let mut loops = Loops::new(stop.clone());
        arrange(&mut loops, &diary, &[("a", 1), ("b", 2)]);
        pass(5).await;
        assert_eq!(diary.read(), "begin 1, begin 2");
        arrange(&mut loops, &diary, &[("a", 1), ("b", 3), ("c", 4)]);
        pass(5).await;
        assert_eq!(diary.read(), "begin 4, end 2, begin 3");
        arrange(&mut loops, &diary, &[("c", 4)]);
        pass(5).await;
        assert_eq!(diary.read(), "end 1, end 3");
        stop.cancel();
        loops.ended().await;
        assert_eq!(diary.read(), "end 4");
    }

    #[tokio::test(start_paused = true)]
    async fn many_changes_in_a_moment_come_to_the_last_one() {
        let (stop, diary) = (CancellationToken::new(), Diary::default());
        let mut loops = Loops::new(stop.clone());
        arrange(&mut loops, &diary, &[("a", 1)]);
        pass(5).await;
        for version in 2..=5 {
            arrange(&mut loops, &diary, &[("a", version)]);
        }
        arrange(&mut loops, &diary, &[]);
        arrange(&mut loops, &diary, &[("a", 6)]);
        pass(5).await;
        assert_eq!(diary.read(), "begin 1, end 1, begin 6");
        stop.cancel();
        loops.ended().await;
    }

    #[test]
    fn what_became_of_whom_is_told() {
        let (before, after) = (wanted(&[("a", 1), ("b", 2), ("c", 3)]), wanted(&[("b", 2), ("c", 4), ("d", 5)]));
        let fed = Fed { begun: vec!["d".into()], changed: vec!["c".into()], ended: vec!["a".into()] };
        assert_eq!(differ(&before, &after), fed);
        assert_eq!(differ(&after, &after), Fed::default());
    }
}
