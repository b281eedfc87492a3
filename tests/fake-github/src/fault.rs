//! What goes wrong, by a test's wish: answers that fail, connections that break, requests that are held.
//!
//! A fault is before or after the effect: what was asked has then not been done, or it has, and the program does not
//! learn of it.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// Which requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Match {
    /// Method and route of the API: `Match::api("POST", "/repos/{owner}/{repo}/pulls")`.
    Api(String, String),
    /// Every request to the API that may change something, mutations of GraphQL included.
    AnyWrite,
    /// Every request to the API that changes nothing, GraphQL's queries included.
    AnyRead,
    Graphql,
    GitPush,
    GitFetch,
    /// Those of them that are about this repository, as its address says; GraphQL's have none.
    In(Box<Match>, String),
}

/// A request, as faults and the journal name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    Api { method: String, route: String },
    Graphql { mutation: bool },
    GitPush,
    GitFetch,
    GitOther,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    Before,
    After,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum How {
    /// A status and the message with it.
    Status(u16, String),
    /// 403 with the words of the secondary limit, and `retry-after` in seconds.
    SecondaryLimit { retry_after: Option<u64> },
    /// The connection ends without an answer.
    Cut,
    /// No answer ever comes.
    Hang,
}

/// Of the requests that match, the `nth` (from 1, counted from now on) and those after it, `times` in all.
#[derive(Clone, Debug)]
pub struct Fault {
    pub of: Match,
    pub nth: usize,
    pub times: usize,
    pub when: When,
    pub how: How,
}

/// A request that waits at its place until it is released, or this is dropped.
pub struct Held {
    gate: Arc<Gate>,
}

#[derive(Default)]
pub(crate) struct Gate {
    /// Whether the request is there, and whether it may go on.
    at: Mutex<(bool, bool)>,
    changed: Condvar,
    arrived: Notify,
    open: Notify,
}

#[derive(Default)]
pub(crate) struct Faults {
    all: Mutex<Vec<Planned>>,
}

struct Planned {
    of: Match,
    when: When,
    nth: usize,
    times: usize,
    seen: usize,
    what: What,
}

#[derive(Clone)]
pub(crate) enum What {
    Fail(How),
    Hold(Arc<Gate>),
}

impl Match {
    #[must_use]
    pub fn api(method: &str, route: &str) -> Match {
        Match::Api(method.to_owned(), route.to_owned())
    }

    /// Of these, the requests that are about the repository `OWNER/NAME`.
    #[must_use]
    pub fn of(self, repository: &str) -> Match {
        Match::In(Box::new(self), repository.to_owned())
    }

    /// `path` is the request's, with the name of a repository where its id was.
    fn fits(&self, name: &Name, path: &str) -> bool {
        match (self, name) {
            (Match::In(of, repository), _) => {
                let (below, git) = (format!("/{repository}/"), format!("/{repository}.git/"));
                let path = format!("{path}/").to_lowercase();
                let about = [below, git].iter().any(|it| path.contains(&it.to_lowercase()));
                about && of.fits(name, &path)
            }
            (Match::Api(method, route), Name::Api { method: asked, route: of }) => method == asked && route == of,
            (Match::AnyWrite, Name::Api { method, .. }) => method != "GET",
            (Match::AnyRead, Name::Api { method, .. }) => method == "GET",
            (Match::AnyWrite, Name::Graphql { mutation }) => *mutation,
            (Match::AnyRead, Name::Graphql { mutation }) => !mutation,
            (Match::Graphql, Name::Graphql { .. })
            | (Match::GitPush, Name::GitPush)
            | (Match::GitFetch, Name::GitFetch) => true,
            _ => false,
        }
    }
}

impl Faults {
    pub(crate) fn fail(&self, fault: Fault) {
        let Fault { of, nth, times, when, how } = fault;
        self.plan(Planned { of, when, nth, times, seen: 0, what: What::Fail(how) });
    }

    pub(crate) fn hold(&self, of: Match, nth: usize, when: When) -> Held {
        let gate = Arc::new(Gate::default());
        self.plan(Planned { of, when, nth, times: 1, seen: 0, what: What::Hold(gate.clone()) });
        Held { gate }
    }

    /// How many have not happened yet, or not as often as they shall.
    pub(crate) fn left(&self) -> usize {
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().filter(|it| it.seen < it.nth + it.times - 1).count()
    }

    pub(crate) fn clear(&self) {
        for planned in self.all.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            if let What::Hold(gate) = planned.what {
                gate.release();
            }
        }
    }

    fn plan(&self, planned: Planned) {
        assert!(planned.nth > 0, "requests are counted from 1");
        self.all.lock().unwrap_or_else(PoisonError::into_inner).push(planned);
    }

    /// Counts the request, and says what happens to it before and after its effect.
    pub(crate) fn of(&self, name: &Name, path: &str) -> Vec<(When, What)> {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found = Vec::new();
        for planned in all.iter_mut().filter(|it| it.of.fits(name, path)) {
            planned.seen += 1;
            if planned.seen >= planned.nth && planned.seen - planned.nth < planned.times {
                found.push((planned.when, planned.what.clone()));
            }
        }
        found
    }
}

impl Gate {
    /// Says that the request is here, and waits.
    pub(crate) async fn wait(&self) {
        let opened = self.open.notified();
        let free = {
            let mut at = self.at.lock().unwrap_or_else(PoisonError::into_inner);
            at.0 = true;
            at.1
        };
        self.changed.notify_all();
        self.arrived.notify_one();
        if !free {
            opened.await;
        }
    }

    fn release(&self) {
        self.at.lock().unwrap_or_else(PoisonError::into_inner).1 = true;
        self.open.notify_one();
    }
}

impl Held {
    /// Blocks until the request is there; false if it did not come in that time.
    #[must_use]
    pub fn wait(&self, most: Duration) -> bool {
        let at = self.gate.at.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.gate.changed.wait_timeout_while(at, most, |at| !at.0);
        waited.unwrap_or_else(PoisonError::into_inner).0.0
    }

    /// Waits until the request is there.
    pub async fn arrived(&self) {
        self.gate.arrived.notified().await;
    }

    /// Lets it go on.
    pub fn release(&self) {
        self.gate.release();
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.gate.release();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_count_the_requests_that_match() {
        let faults = Faults::default();
        let of = Match::api("POST", "/repos/{owner}/{repo}/pulls");
        faults.fail(Fault { of, nth: 2, times: 2, when: When::Before, how: How::Cut });
        let name =
            |method: &str| Name::Api { method: method.to_owned(), route: "/repos/{owner}/{repo}/pulls".to_owned() };
        let fails = |method: &str| !faults.of(&name(method), "/repos/acme/api/pulls").is_empty();
        assert!(!fails("POST"));
        assert!(!fails("GET"));
        assert!(fails("POST"));
        assert_eq!(faults.left(), 1);
        assert!(fails("POST"));
        assert_eq!(faults.left(), 0);
        assert!(!fails("POST"));
        faults.fail(Fault { of: Match::AnyWrite, nth: 1, times: 1, when: When::After, how: How::Hang });
        assert!(faults.of(&Name::Graphql { mutation: false }, "/api/graphql").is_empty());
        assert_eq!(faults.of(&Name::Graphql { mutation: true }, "/api/graphql").len(), 1);
    }

    #[test]
    fn faults_may_be_those_of_one_repository() {
        let faults = Faults::default();
        let planned = |of: Match| Fault { of: of.of("acme/api"), nth: 1, times: 9, when: When::Before, how: How::Cut };
        faults.fail(planned(Match::AnyWrite));
        faults.fail(planned(Match::GitPush));
        let write = Name::Api { method: "PUT".to_owned(), route: "/repos/{owner}/{repo}".to_owned() };
        let hit = |name: &Name, path: &str| faults.of(name, path).len() == 1;
        assert!(hit(&write, "/repos/acme/api") && hit(&write, "/repos/Acme/API/pulls/1/merge"));
        assert!(!hit(&write, "/repos/acme/api2/pulls") && !hit(&write, "/repos/acme-api/x"));
        assert!(hit(&Name::GitPush, "/acme/api.git/git-receive-pack"));
        assert!(!hit(&Name::GitPush, "/acme/web.git/git-receive-pack"));
    }
}
