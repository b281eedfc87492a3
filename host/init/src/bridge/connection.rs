//! One connection through the bridge: two ends, and what is on its way in either direction.
//!
//! The end of one direction is passed on when all before it has been, and the other direction goes on. The near end
//! is the command's, the far end the host's.

use super::TICK;
use rustix::{
    event::PollFlags,
    fd::{AsFd as _, BorrowedFd},
    io::Errno,
    net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType},
};
use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpStream},
    ops::Range,
    os::unix::net::UnixStream,
    time::Instant,
};

/// What each direction holds at most.
const PIECE: usize = 32 * 1024;

pub(super) struct Connection {
    near: TcpStream,
    far: Far,
    /// From near to far.
    up: Flow,
    down: Flow,
}

enum Far {
    /// Nobody listened yet. `left`: the command will say no more, and may have given up.
    Awaited { tries: u32, next: Instant, left: bool },
    /// `gone`: it neither reads any more nor writes; what it wrote before may still be there.
    Open { socket: UnixStream, gone: bool },
}

impl Connection {
    pub(super) fn new(near: TcpStream, tries: u32, now: Instant) -> io::Result<Connection> {
        near.set_nonblocking(true)?;
        near.set_nodelay(true)?;
        Ok(Connection { near, far: Far::Awaited { tries, next: now, left: false }, up: Flow::new(), down: Flow::new() })
    }

    /// Tries to reach the far end, if it is time to. `false`: this connection is over.
    pub(super) fn reach(&mut self, socket: &SocketAddrUnix, now: Instant) -> bool {
        let Far::Awaited { tries, next, .. } = &mut self.far else { return true };
        if now < *next {
            return true;
        }
        *tries = tries.saturating_sub(1);
        match connect(socket) {
            Ok(socket) => {
                self.far = Far::Open { socket, gone: false };
                self.carry(PollFlags::empty(), PollFlags::empty())
            }
            // Not there, nobody behind it, or too many before us.
            Err(Errno::NOENT | Errno::CONNREFUSED | Errno::AGAIN) if *tries > 0 => {
                *next = now + TICK;
                true
            }
            Err(_) => false,
        }
    }

    /// When the far end is to be tried again.
    pub(super) fn due(&self) -> Option<Instant> {
        match self.far {
            Far::Awaited { next, .. } => Some(next),
            Far::Open { .. } => None,
        }
    }

    /// The far end was never reached, and the command seems to wait no longer: the first to go if room is needed.
    pub(super) fn is_left(&self) -> bool {
        matches!(self.far, Far::Awaited { left: true, .. })
    }

    /// What to wait for at each end. An end is left out when what the kernel always tells, that both directions are
    /// over, would wake the thread again and again without anything to be done about it.
    pub(super) fn ends(&self) -> [Option<(BorrowedFd<'_>, PollFlags)>; 2] {
        let events = |from: &Flow, to: &Flow| {
            let mut events = PollFlags::empty();
            events.set(PollFlags::IN, from.has_room());
            events.set(PollFlags::OUT, !to.is_empty());
            events
        };
        let (mut near, far) = (events(&self.up, &self.down), events(&self.down, &self.up));
        let far = match &self.far {
            Far::Awaited { left, .. } => {
                near.set(PollFlags::RDHUP, !left);
                None
            }
            Far::Open { socket, gone: false } => Some((socket.as_fd(), far)),
            Far::Open { socket, gone: true } => self.down.has_room().then(|| (socket.as_fd(), PollFlags::IN)),
        };
        let near = (!near.is_empty()).then(|| (self.near.as_fd(), near));
        [near, far]
    }

    /// Carries on what is there, given what each end is ready for. `false`: this connection is over.
    pub(super) fn carry(&mut self, near_is: PollFlags, far_is: PollFlags) -> bool {
        let Connection { near, far, up, down } = self;
        let (socket, gone) = match far {
            Far::Open { socket, gone } => (socket, gone),
            Far::Awaited { left, .. } => {
                *left |= near_is.intersects(PollFlags::RDHUP | PollFlags::HUP);
                return !near_is.contains(PollFlags::ERR) && up.take(&*near).is_ok();
            }
        };
        if far_is.intersects(PollFlags::HUP | PollFlags::ERR) {
            *gone = true;
            up.deafen();
        }
        if up.take(&*near).is_err() {
            return false;
        }
        if up.give(&*socket, |it| it.shutdown(Shutdown::Write)).is_err() {
            // Whoever reads no more may still have answered.
            up.deafen();
        }
        // What the far end leaves in the middle has ended all the same.
        down.eof |= down.take(&*socket).is_err();
        if down.give(&*near, |it| it.shutdown(Shutdown::Write)).is_err() {
            return false;
        }
        !(down.ended && (up.ended || up.deaf))
    }
}

/// Without waiting: a daemon that takes nobody must not hold up the others.
fn connect(address: &SocketAddrUnix) -> Result<UnixStream, Errno> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    rustix::net::connect(&socket, address)?;
    Ok(socket.into())
}

/// One direction.
struct Flow {
    buffer: Box<[u8]>,
    /// What of the buffer is still to be written.
    held: Range<usize>,
    /// Nothing more comes.
    eof: bool,
    /// That was passed on.
    ended: bool,
    /// Nobody is there to take it: what comes is thrown away, so that whoever sends is not held up.
    deaf: bool,
}

impl Flow {
    fn new() -> Flow {
        Flow { buffer: vec![0; PIECE].into(), held: 0..0, eof: false, ended: false, deaf: false }
    }

    fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    fn has_room(&self) -> bool {
        self.held.is_empty() && !self.eof
    }

    fn deafen(&mut self) {
        self.deaf = true;
        self.held = 0..0;
    }

    /// Reads a piece, if there is one and room for it.
    fn take(&mut self, mut from: impl Read) -> io::Result<()> {
        if !self.has_room() {
            return Ok(());
        }
        match from.read(&mut self.buffer) {
            Ok(0) => self.eof = true,
            Ok(_) if self.deaf => (),
            Ok(count) => self.held = 0..count,
            Err(error) if passes(&error) => (),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Writes what the other end takes; `end` tells it that there is no more.
    fn give<T: Write + Copy>(&mut self, mut to: T, end: impl FnOnce(T) -> io::Result<()>) -> io::Result<()> {
        if !self.held.is_empty() {
            match to.write(&self.buffer[self.held.clone()]) {
                Ok(count) => self.held.start += count,
                Err(error) if passes(&error) => (),
                Err(error) => return Err(error),
            }
        }
        if self.held.is_empty() && self.eof && !self.ended && !self.deaf {
            self.ended = true;
            return end(to);
        }
        Ok(())
    }
}

fn passes(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}
