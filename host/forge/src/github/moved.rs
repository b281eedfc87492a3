//! Repositories that have another name by now: what GitHub's redirects taught, so that each is followed once.
//!
//! - Never invents a name: only what a redirect said is here, and only as long as the process lives.
//! - Never takes an issue that was moved to another repository for a repository that was renamed: of what is below a
//!   number nothing is learned.

use super::address::Address;
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};
use url::Url;

const KEPT: usize = 1024;

/// From `repos/acme/old` to `repositories/7` (or `repos/acme/new`).
#[derive(Default)]
pub(crate) struct Moved(Mutex<HashMap<String, String>>);

impl Moved {
    /// The address where the thing is now, as far as is known.
    pub(crate) fn now(&self, address: &Address, url: &Url) -> Url {
        let Some(path) = address.path_of(url) else { return url.clone() };
        let Some((repository, rest)) = split(path) else { return url.clone() };
        let moved = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(target) = moved.get(&repository.to_ascii_lowercase()) else { return url.clone() };
        let mut url = url.clone();
        url.set_path(&format!("{}{target}{rest}", address.api.path()));
        url
    }

    /// Keeps what a redirect from one address to another says about the repository.
    pub(crate) fn learn(&self, address: &Address, from: &Url, to: &Url) {
        let (Some(from), Some(to)) = (address.path_of(from), address.path_of(to)) else { return };
        let Some((repository, rest)) = split(from).filter(|(_, rest)| !is_of_thread(rest)) else { return };
        let Some(target) = to.strip_suffix(rest).filter(|it| split(it).is_some_and(|(_, rest)| rest.is_empty())) else {
            return;
        };
        let mut moved = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if moved.len() >= KEPT {
            moved.clear();
        }
        tracing::info!(target: "github", from = repository, to = target, "A repository has another name by now");
        moved.insert(repository.to_ascii_lowercase(), target.to_owned());
    }

    /// The address of the repository, if that of a thread is asked for: what sends on from there may be the repository's
    /// new name, or the thread's new repository.
    pub(crate) fn repository_of(&self, address: &Address, url: &Url) -> Option<Url> {
        let (repository, rest) = split(address.path_of(url)?)?;
        is_of_thread(rest).then(|| address.of(repository, &[]))
    }

    /// The number of a repository (`owner/name`), if a redirect told it.
    pub(crate) fn id_of(&self, repository: &str) -> Option<u64> {
        let moved = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let target = moved.get(&format!("repos/{}", repository.to_ascii_lowercase()))?;
        target.strip_prefix("repositories/")?.parse().ok()
    }
}

/// The part of a path that names the repository, and the rest.
fn split(path: &str) -> Option<(&str, &str)> {
    let segments = match path.split('/').next() {
        Some("repos") => 3,
        Some("repositories") => 2,
        _ => return None,
    };
    let end = path.match_indices('/').nth(segments - 1).map_or(path.len(), |(at, _)| at);
    let (repository, rest) = path.split_at(end);
    (repository.split('/').count() == segments && !repository.ends_with('/')).then_some((repository, rest))
}

/// `/issues/3`, and what is below it.
fn is_of_thread(rest: &str) -> bool {
    let mut parts = rest.trim_start_matches('/').split('/');
    let list = parts.next().is_some_and(|it| matches!(it, "issues" | "pulls"));
    list && parts.next().is_some_and(|it| !it.is_empty() && it.bytes().all(|it| it.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(path: &str) -> Url {
        Url::parse(&format!("https://api.github.com/{path}")).unwrap()
    }

    #[track_caller]
    fn check(from: &str, to: &str, asked: &str, expected: &str) {
        let (moved, address) = (Moved::default(), Address::parse(None).unwrap());
        moved.learn(&address, &url(from), &url(to));
        assert_eq!(moved.now(&address, &url(asked)), url(expected));
    }

    #[test]
    fn a_renamed_repository_is_found_by_its_number() {
        let (from, to) = ("repos/acme/old/labels/x", "repositories/7/labels/x");
        check(from, to, "repos/acme/old/pulls?state=all", "repositories/7/pulls?state=all");
        check(from, to, "repos/Acme/OLD", "repositories/7");
        check(from, to, "repos/acme/older/pulls", "repos/acme/older/pulls");
        check("repos/acme/old", "repos/acme/new", "repos/acme/old/pulls", "repos/acme/new/pulls");
        check("user", "users/x", "repos/acme/old", "repos/acme/old");
        check(from, "repositories/7/other", "repos/acme/old", "repos/acme/old");
        // The same number may be free in the repository that an issue is moved to.
        check("repos/acme/old/issues/3", "repositories/7/issues/3", "repos/acme/old", "repos/acme/old");
        check("repos/acme/old/issues/3/labels", "repositories/7/issues/3/labels", "repos/acme/old", "repos/acme/old");
    }

    #[test]
    fn the_number_is_known_then() {
        let (moved, address) = (Moved::default(), Address::parse(None).unwrap());
        assert_eq!(moved.id_of("acme/old"), None);
        moved.learn(&address, &url("repos/acme/old/installation"), &url("repositories/7/installation"));
        assert_eq!(moved.id_of("Acme/old"), Some(7));
    }
}
