//! The fake GitHub as tests hold it: started, looked into, broken, and its people and accounts.

use crate::auth::{Grant, Token};
use crate::clock::Clock;
use crate::fault::{Fault, Faults, Held, Match, When};
use crate::handle::Repository;
use crate::journal::{Journal, Usage, Write};
use crate::limit::{Limits, Resource};
use crate::server::{self, Shared};
use crate::spec::Spec;
use crate::state::State;
use crate::state::person::{App, Installation, Kind};
use crate::state::right::Right;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tempfile::TempDir;
use tokio::runtime::Builder;
use tokio_util::sync::CancellationToken;

/// A GitHub on a port of 127.0.0.1, with a thread of its own. It ends when this is dropped, which panics if something
/// was not as GitHub has it and no test has looked at [`Fake::violations`].
pub struct Fake {
    shared: Arc<Shared>,
    url: String,
    stop: CancellationToken,
    server: Option<JoinHandle<()>>,
    _folder: TempDir,
}

impl Fake {
    /// Starts one without people and repositories. Panics if it cannot: there is no test without it.
    #[must_use]
    pub fn start() -> Fake {
        Fake::start_at(0)
    }

    /// As `start`, on that port; 0: one that is free.
    #[must_use]
    pub fn start_at(port: u16) -> Fake {
        let spec = Spec::get();
        let folder = tempfile::Builder::new().prefix("fake-github-").tempdir().expect("a temporary folder can be made");
        let runtime =
            Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime can be made");
        // The standard library's, for whoever starts a fake may be in a runtime of its own.
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port));
        let listener = listener.unwrap_or_else(|error| panic!("listening on port {port}: {error}"));
        listener.set_nonblocking(true).expect("a socket can be made so");
        let address = listener.local_addr().expect("it listens");
        let url = format!("http://{address}");
        let clock = Arc::new(Clock::default());
        let mut state = State::new(folder.path().to_owned(), url.clone(), clock.clone());
        state.add_person("github", Kind::Organization);
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            clock,
            faults: Faults::default(),
            journal: Journal::default(),
            limits: Mutex::new(Limits::default()),
            spec,
        });
        let stop = CancellationToken::new();
        let (serving, stopped) = (shared.clone(), stop.clone());
        let server = thread::Builder::new().name("fake-github".to_owned()).spawn(move || {
            runtime.block_on(async move {
                let listener = listener.try_into().expect("it is within a runtime, and does not block");
                server::run(listener, serving, stopped).await;
            });
            // Handlers that still work are not waited for for long: nobody reads their answers.
            runtime.shutdown_timeout(Duration::from_secs(5));
        });
        let server = Some(server.expect("a thread can be started"));
        Fake { shared, url, stop, server, _folder: folder }
    }

    /// What a program is given as the address of GitHub's pages, without a slash at its end.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Everything so far that was not as GitHub's description has it, by a program or by the fake itself.
    #[must_use]
    pub fn violations(&self) -> Vec<String> {
        self.shared.journal.violations()
    }

    #[must_use]
    pub fn usage(&self) -> Usage {
        self.shared.journal.usage()
    }

    /// Every request that may have changed something, in the order in which GitHub was through with them.
    #[must_use]
    pub fn writes(&self) -> Vec<Write> {
        self.shared.journal.writes()
    }

    /// Plans a failure.
    pub fn fail(&self, fault: Fault) {
        self.shared.faults.fail(fault);
    }

    /// How many of the planned failures and stops have not happened yet, or not as often as they shall.
    #[must_use]
    pub fn still_planned(&self) -> usize {
        self.shared.faults.left()
    }

    /// Stops the `nth` request that matches (from 1, counted from now on), before or after its effect.
    #[must_use]
    pub fn hold(&self, of: Match, nth: usize, when: When) -> Held {
        self.shared.faults.hold(of, nth, when)
    }

    /// Forgets all planned failures and lets every held request go on.
    pub fn heal(&self) {
        self.shared.faults.clear();
    }

    /// Moves GitHub's clock forward.
    pub fn advance(&self, time: Duration) {
        self.shared.clock.advance(i64::try_from(time.as_millis()).expect("tests do not wait for ages"));
    }

    /// GitHub's time, in milliseconds since 1970.
    #[must_use]
    pub fn now(&self) -> i64 {
        self.shared.clock.now()
    }

    /// A person, made if there is none of that login; the login is given back.
    pub fn user(&self, login: &str) -> String {
        self.shared.state().add_person(login, Kind::User);
        login.to_owned()
    }

    pub fn organization(&self, login: &str) -> String {
        self.shared.state().add_person(login, Kind::Organization);
        login.to_owned()
    }

    /// A private repository `OWNER/NAME` with one commit on `main`, made if there is none; an owner whom nobody knows
    /// becomes an organization.
    #[must_use]
    pub fn repository(&self, full_name: &str) -> Repository {
        let mut state = self.shared.state();
        let known = state.named(full_name).map(|it| it.id);
        let id = known.unwrap_or_else(|| state.add_repository(full_name));
        drop(state);
        let repository = Repository::new(self.shared.clone(), id);
        if known.is_none() {
            repository.push_files(&[("README.md", "A repository of the fake GitHub.\n")]);
        }
        repository
    }

    /// A classic token of the person, who is made if need be, with the scope `repo`: all that agentd asks for.
    #[must_use]
    pub fn token_of(&self, login: &str) -> String {
        self.token_with_scopes(login, &["repo"])
    }

    #[must_use]
    pub fn token_with_scopes(&self, login: &str, scopes: &[&str]) -> String {
        let scopes = scopes.iter().map(|&it| it.to_owned()).collect();
        self.token("ghp", login, Grant::Classic(scopes))
    }

    /// A fine-grained token for these repositories (none: all that the person sees) and permissions, such as
    /// `("contents", "write")`.
    #[must_use]
    pub fn fine_token(
        &self,
        login: &str,
        repositories: Option<&[&Repository]>,
        permissions: &[(&str, &str)],
    ) -> String {
        let repositories = repositories.map(|all| all.iter().map(|it| it.id()).collect::<BTreeSet<u64>>());
        let permissions = owned(permissions);
        self.token("github_pat", login, Grant::Fine { installation: None, repositories, permissions })
    }

    fn token(&self, prefix: &str, login: &str, grant: Grant) -> String {
        let mut state = self.shared.state();
        state.add_person(login, Kind::User);
        let text = format!("{prefix}_{:036}", state.id());
        state.tokens.push(Token { text: text.clone(), login: login.to_owned(), grant, ends_at: None });
        text
    }

    /// The token is worth nothing from now on.
    pub fn revoke(&self, token: &str) {
        self.shared.state().tokens.retain(|it| it.text != token);
    }

    /// Every installation token is worth nothing from now on, before its time.
    pub fn revoke_installation_tokens(&self) {
        let by_app = |it: &Token| matches!(it.grant, Grant::Fine { installation: Some(_), .. });
        self.shared.state().tokens.retain(|it| !by_app(it));
    }

    /// An App with that slug and key, with these permissions; its id. It is installed nowhere yet.
    pub fn app(&self, slug: &str, public_key: &str, permissions: &[(&str, &str)]) -> u64 {
        let mut state = self.shared.state();
        let (id, created_at) = (state.id(), state.now());
        let app = App {
            id,
            slug: slug.to_owned(),
            public_key: public_key.to_owned(),
            permissions: owned(permissions),
            installations: Vec::new(),
            created_at,
        };
        state.add_person(&app.login(), Kind::Bot);
        state.apps.push(app);
        id
    }

    /// Installs the App for an owner, for some repositories or (none) for all; the installation's id.
    pub fn install(&self, app: u64, owner: &str, repositories: Option<&[&Repository]>) -> u64 {
        let mut state = self.shared.state();
        state.add_owner(owner);
        let id = state.id();
        let repositories = repositories.map(|all| all.iter().map(|it| it.id()).collect());
        let installation = Installation { id, account: owner.to_owned(), repositories, suspended: false };
        let app = state.apps.iter_mut().find(|it| it.id == app).expect("the App was made here");
        app.installations.push(installation);
        id
    }

    /// Changes what the App may do, as its owner does; tokens that it has already keep what they have.
    pub fn permit(&self, app: u64, permissions: &[(&str, &str)]) {
        let mut state = self.shared.state();
        let app = state.apps.iter_mut().find(|it| it.id == app).expect("the App was made here");
        app.permissions = owned(permissions);
    }

    /// Leaves that many points to the account (a login in lower case, or `installation ID`) of `core`, `search` or
    /// `graphql`, until the limit's window starts anew.
    pub fn leave_points(&self, account: &str, resource: &str, points: u64) {
        let resource = Resource::parse(resource).expect("resources are core, search and graphql");
        let now = self.now();
        let mut limits = self.shared.limits();
        let window = limits.window(account, resource, now);
        window.used = window.limit.saturating_sub(points);
    }

    /// What the person may do in the repository, as GitHub would say it.
    #[must_use]
    pub fn right_of(&self, login: &str, repository: &Repository) -> Right {
        self.shared.state().repo(repository.id()).right(login)
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.shared.faults.clear();
        self.stop.cancel();
        if let Some(server) = self.server.take() {
            // What the thread panicked with is in its own message; another panic would only hide it.
            drop(server.join());
        }
        let unseen = self.shared.journal.unseen();
        if !unseen.is_empty() && !thread::panicking() {
            panic!("not as GitHub has it:\n  {}", unseen.join("\n  "));
        }
    }
}

fn owned(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|&(name, level)| (name.to_owned(), level.to_owned())).collect()
}
