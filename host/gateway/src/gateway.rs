//! The gateway itself: what all doors share, and how they are opened.

use crate::{
    Account, Budget, Door, Error, Ledger, PORT, Prices,
    budget::Debts,
    door::DoorState,
    listen,
    registry::{self, Mirrors},
    scope::Scope,
};
use agentd_egress::{Egress, Patience};
use agentd_task::{Millis, TaskId};
use std::{
    collections::BTreeMap,
    fmt,
    net::TcpListener,
    path::Path,
    sync::{Arc, Mutex, PoisonError, Weak},
};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

/// What the gateway is made of.
pub struct Options {
    pub egress: Egress,
    /// By name.
    pub accounts: BTreeMap<String, Account>,
    pub budget: Budget,
    pub prices: Prices,
    /// With the models: until an answer begins, and between two pieces of it.
    pub patience: Patience,
    pub registries: registry::Options,
    pub ledger: Arc<dyn Ledger>,
    /// Run tokens are made from it: the same key after a restart means that they stay good.
    pub key: [u8; 32],
    /// Where agents that are plain processes of this machine reach their models.
    pub loopback: Option<TcpListener>,
    /// The present time.
    pub clock: Arc<dyn Fn() -> Millis + Send + Sync>,
}

/// What may change while the gateway stands: doors that are opened afterwards have it, those that are open keep theirs.
pub struct Arrangement {
    pub egress: Egress,
    /// By name.
    pub accounts: BTreeMap<String, Account>,
    pub budget: Budget,
    pub prices: Prices,
    /// With the models: until an answer begins, and between two pieces of it.
    pub patience: Patience,
    /// Taken where there is none yet.
    pub loopback: Option<TcpListener>,
}

/// The exit of all sandboxes. Cheap to clone. Doors stay open when the last clone is gone.
#[derive(Clone)]
pub struct Gateway {
    shared: Arc<Shared>,
}

/// What all doors share.
pub(crate) struct Shared {
    pub(crate) egress: Egress,
    pub(crate) accounts: BTreeMap<String, Account>,
    pub(crate) budget: Budget,
    pub(crate) prices: Prices,
    pub(crate) patience: Patience,
    pub(crate) mirrors: Mirrors,
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) debts: Arc<Debts>,
    pub(crate) key: [u8; 32],
    pub(crate) clock: Arc<dyn Fn() -> Millis + Send + Sync>,
    /// Everything that runs: connections, calls, tunnels.
    pub(crate) tasks: TaskTracker,
    pub(crate) stop: CancellationToken,
    loopback: Option<Loopback>,
    /// Ends the loopback listener when the gateway, whatever was made of it, and all doors are gone.
    closes: Arc<DropGuard>,
}

/// The loopback listener, and the doors behind it.
#[derive(Clone)]
struct Loopback {
    port: u16,
    doors: Doors,
}

/// The doors that are open behind one listener.
pub(crate) type Doors = Arc<Mutex<Vec<Weak<DoorState>>>>;

impl Gateway {
    /// With a loopback listener it has to be called inside a tokio runtime.
    ///
    /// # Errors
    /// [`Error::Loopback`] if the loopback listener cannot be used.
    pub fn new(options: Options) -> Result<Gateway, Error> {
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let loopback = match options.loopback {
            Some(listener) => Some(serve_loopback(listener, &tasks, &stop)?),
            None => None,
        };
        let shared = Shared {
            mirrors: Mirrors::new(options.registries, options.egress.clone()),
            egress: options.egress,
            accounts: options.accounts,
            budget: options.budget,
            prices: options.prices,
            patience: options.patience,
            ledger: options.ledger,
            debts: Arc::default(),
            key: options.key,
            clock: options.clock,
            tasks,
            stop: stop.clone(),
            loopback,
            closes: Arc::new(stop.drop_guard()),
        };
        Ok(Gateway { shared: Arc::new(shared) })
    }

    /// The same gateway as another arrangement has it: with its listener, its books and its key. Mirrors of registries
    /// stay as they are. One [`drain`](Gateway::drain) is for all that were made of one.
    ///
    /// # Errors
    /// [`Error::Loopback`] if the loopback listener cannot be used.
    pub fn rearranged(&self, arrangement: Arrangement) -> Result<Gateway, Error> {
        let shared = &self.shared;
        let Arrangement { egress, accounts, budget, prices, patience, loopback } = arrangement;
        let loopback = match (&shared.loopback, loopback) {
            (None, Some(listener)) => Some(serve_loopback(listener, &shared.tasks, &shared.stop)?),
            (there, _) => there.clone(),
        };
        let shared = Shared {
            egress,
            accounts,
            budget,
            prices,
            patience,
            mirrors: shared.mirrors.clone(),
            ledger: shared.ledger.clone(),
            debts: shared.debts.clone(),
            key: shared.key,
            clock: shared.clock.clone(),
            tasks: shared.tasks.clone(),
            stop: shared.stop.clone(),
            loopback,
            closes: shared.closes.clone(),
        };
        Ok(Gateway { shared: Arc::new(shared) })
    }

    /// Whether plain processes of this machine can reach it.
    #[must_use]
    pub fn has_loopback(&self) -> bool {
        self.shared.loopback.is_some()
    }

    /// Opens the way out of one run: listens at `folder`/[`SOCKET`](crate::SOCKET). The folder is made if it is not there;
    /// a socket of an earlier door is replaced. Dropping the [`Door`] closes it.
    ///
    /// # Errors
    /// [`Error::Listen`] if the socket cannot be made; [`Error::Account`], [`Error::Api`], [`Error::Name`] if the scope's
    /// models cannot be had.
    pub async fn open(&self, scope: Scope, folder: &Path) -> Result<Door, Error> {
        let state = Arc::new(DoorState::new(Arc::clone(&self.shared), scope, PORT)?);
        let failed = |source| Error::Listen { folder: folder.into(), source };
        let place = folder.to_owned();
        let bound = tokio::task::spawn_blocking(move || listen::bind(&place)).await.map_err(std::io::Error::other);
        let listener = bound.and_then(|it| it).and_then(tokio::net::UnixListener::from_std).map_err(failed)?;
        self.shared.tasks.spawn(listen::serve_door(listener, Arc::clone(&state)));
        Ok(Door { _closes: state.stop.clone().drop_guard(), state })
    }

    /// The same for a plain process, at the one loopback listener: runs are told apart by their tokens alone, and there
    /// are model routes only.
    ///
    /// # Errors
    /// [`Error::Loopback`] if there is no such listener; else as [`open`](Gateway::open).
    pub fn open_loopback(&self, scope: Scope) -> Result<Door, Error> {
        let Some(Loopback { port, doors }) = &self.shared.loopback else {
            return Err(Error::Loopback("the gateway was made without one".into()));
        };
        let state = Arc::new(DoorState::new(Arc::clone(&self.shared), scope, *port)?);
        let mut doors = doors.lock().unwrap_or_else(PoisonError::into_inner);
        doors.retain(|it| it.upgrade().is_some_and(|door| !door.stop.is_cancelled()));
        doors.push(Arc::downgrade(&state));
        Ok(Door { _closes: state.stop.clone().drop_guard(), state })
    }

    /// Closes all doors and waits until all that ran is over and booked.
    pub async fn drain(&self) {
        self.shared.stop.cancel();
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
        // What is left now was an error in the log when it came; this is the last try.
        drop(self.shared.debts.settle(&*self.shared.ledger, TaskId(0), 0).await);
    }
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway").field("accounts", &self.shared.accounts.keys()).finish_non_exhaustive()
    }
}

fn serve_loopback(listener: TcpListener, tasks: &TaskTracker, stop: &CancellationToken) -> Result<Loopback, Error> {
    let failed = |error: std::io::Error| Error::Loopback(error.to_string());
    let address = listener.local_addr().map_err(failed)?;
    if !address.ip().is_loopback() {
        return Err(Error::Loopback(format!("{address} is no loopback address")));
    }
    listener.set_nonblocking(true).map_err(failed)?;
    let listener = tokio::net::TcpListener::from_std(listener).map_err(failed)?;
    let doors = Doors::default();
    tasks.spawn(listen::serve_loopback(listener, Arc::clone(&doors), tasks.clone(), stop.clone()));
    Ok(Loopback { port: address.port(), doors })
}
