//! The command's only way out: connections to 127.0.0.1 are handed to a socket of the host's, byte by byte.
//!
//! One thread carries them all, so that it costs the sandbox one process of its limit. While nobody listens on the
//! socket, because the daemon is being replaced, new connections are held and tried again; those that were open end,
//! and whoever made them tries again.
//!
//! - The port is taken before the command starts, so that the command cannot take it.
//! - What passes is not looked at, not changed and not kept.
//! - It opens one path, again and again by name, in a folder of the host's that the command cannot write to.

mod connection;

use crate::{Error, launch};
use connection::Connection;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    net::SocketAddrUnix,
};
use std::{
    io,
    net::{Ipv4Addr, TcpListener},
    thread,
    time::{Duration, Instant},
};

/// At once; more wait until one of these ends.
const CONNECTIONS_MAX: usize = 64;
/// How many may wait to be taken.
const BACKLOG: i32 = 1024;
/// Between two tries to reach the socket.
const TICK: Duration = Duration::from_millis(100);
/// How often a connection is tried before it is given up: 120 seconds. Tries are counted and not time, because time goes
/// on while the sandbox is paused.
const TRIES: u32 = 1200;
/// The thread's own memory; what it carries is elsewhere.
const STACK: usize = 128 * 1024;

pub(crate) struct Bridge {
    listener: TcpListener,
    socket: SocketAddrUnix,
    /// For each new connection.
    tries: u32,
    connections: Vec<Connection>,
    /// None was accepted the last time for want of something: not again before then.
    accept_from: Option<Instant>,
}

impl Bridge {
    /// Takes the port.
    pub(crate) fn bind(asked: &launch::Bridge) -> Result<Bridge, Error> {
        let failed = |error: io::Error| format!("cannot listen on 127.0.0.1:{}: {error}", asked.port);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, asked.port)).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        rustix::net::listen(&listener, BACKLOG).map_err(|error| failed(error.into()))?;
        let socket = SocketAddrUnix::new(&asked.socket)
            .map_err(|error| format!("cannot use the socket {}: {error}", asked.socket.display()))?;
        Ok(Bridge { listener, socket, tries: TRIES, connections: Vec::new(), accept_from: None })
    }

    /// Carries until the process ends.
    pub(crate) fn start(self) -> Result<(), Error> {
        let thread = thread::Builder::new().name("bridge".into()).stack_size(STACK);
        thread.spawn(|| self.carry()).map(drop).map_err(|error| format!("cannot start a thread: {error}"))
    }

    fn carry(mut self) {
        loop {
            let now = Instant::now();
            self.connections.retain_mut(|it| it.reach(&self.socket, now));
            let Ok((knocked, ready)) = self.wait(now) else {
                // The kernel is short of memory. Nothing is lost by asking again.
                thread::sleep(TICK);
                continue;
            };
            let mut ready = ready.into_iter();
            self.connections.retain_mut(|it| match ready.next() {
                Some((near, far)) if !(near | far).is_empty() => it.carry(near, far),
                Some(_) | None => true,
            });
            if knocked {
                self.accept(now);
            }
        }
    }

    /// Waits until something can be done: whether somebody knocked, and what each connection's two ends are ready for.
    fn wait(&self, now: Instant) -> Result<(bool, Vec<(PollFlags, PollFlags)>), Errno> {
        let mut polled = Vec::with_capacity(1 + 2 * self.connections.len());
        let listens = self.has_room() && self.accept_from.is_none_or(|from| from <= now);
        if listens {
            polled.push(PollFd::new(&self.listener, PollFlags::IN));
        }
        let ends: Vec<_> = self.connections.iter().map(Connection::ends).collect();
        for end in ends.iter().flatten() {
            polled.extend(end.as_ref().map(|(socket, events)| PollFd::from_borrowed_fd(*socket, *events)));
        }
        let due =
            self.connections.iter().filter_map(Connection::due).chain(self.accept_from.filter(|_| !listens)).min();
        let timeout = due.map(|due| due.saturating_duration_since(now).max(Duration::from_millis(1)));
        let timeout = timeout.and_then(|it| Timespec::try_from(it).ok());
        match poll(&mut polled, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => (),
            Err(error) => return Err(error),
        }
        let mut seen = polled.iter().map(PollFd::revents);
        let knocked = listens && seen.next().is_some_and(|it| !it.is_empty());
        let mut of = |end: &Option<_>| end.as_ref().and_then(|_| seen.next()).unwrap_or(PollFlags::empty());
        Ok((knocked, ends.iter().map(|[near, far]| (of(near), of(far))).collect()))
    }

    fn has_room(&self) -> bool {
        self.connections.len() < CONNECTIONS_MAX || self.connections.iter().any(Connection::is_left)
    }

    /// Takes all that knock and for whom there is room.
    fn accept(&mut self, now: Instant) {
        self.accept_from = None;
        while self.has_room() {
            match self.listener.accept().map_err(|error| error.kind()) {
                Ok((near, _)) => {
                    if self.connections.len() >= CONNECTIONS_MAX
                        && let Some(left) = self.connections.iter().position(Connection::is_left)
                    {
                        self.connections.remove(left);
                    }
                    self.connections.extend(Connection::new(near, self.tries, now));
                }
                Err(io::ErrorKind::WouldBlock) => return,
                // They are gone already.
                Err(io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted) => (),
                Err(_) => {
                    self.accept_from = Some(now + TICK);
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
