//! The bridge with a command on one side and a daemon on the other, both played here.

use super::*;
use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, TcpStream},
    os::unix::net::{UnixListener, UnixStream},
    path::PathBuf,
    sync::mpsc::{self, Receiver},
};
use tempfile::TempDir;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

struct Rig {
    dir: TempDir,
    port: u16,
}

impl Rig {
    /// A bridge to a socket on which nobody listens yet.
    fn new(tries: u32) -> Rig {
        let dir = tempfile::tempdir().unwrap();
        let asked = launch::Bridge { port: 0, socket: dir.path().join("s") };
        let mut bridge = Bridge::bind(&asked).unwrap();
        bridge.tries = tries;
        let port = bridge.listener.local_addr().unwrap().port();
        thread::Builder::new().name(format!("bridge {port}")).spawn(|| bridge.carry()).unwrap();
        Rig { dir, port }
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("s")
    }

    fn listen(&self) -> UnixListener {
        UnixListener::bind(self.socket()).unwrap()
    }

    fn call(&self) -> TcpStream {
        let near = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).unwrap();
        near.set_read_timeout(Some(PATIENCE)).unwrap();
        near
    }
}

/// A daemon that does the same with each connection, in a thread for each; it tells when one is over.
fn daemon(listener: UnixListener, serve: fn(UnixStream)) -> Receiver<()> {
    let (over, ends) = mpsc::channel();
    thread::spawn(move || {
        for far in listener.incoming() {
            let (far, over) = (far.unwrap(), over.clone());
            thread::spawn(move || {
                serve(far);
                over.send(()).unwrap_or_default();
            });
        }
    });
    ends
}

/// Says how much came, once all has.
fn count(mut far: UnixStream) {
    let mut all = Vec::new();
    far.read_to_end(&mut all).unwrap();
    far.write_all(format!("{} bytes", all.len()).as_bytes()).unwrap();
}

/// Says one word back, without waiting for the end; who says none has gone.
fn answer(mut far: UnixStream) {
    let mut word = [0; 4];
    if far.read_exact(&mut word).is_ok() {
        far.write_all(&word).unwrap_or_default();
    }
}

fn echo(mut far: UnixStream) {
    io::copy(&mut far.try_clone().unwrap(), &mut far).unwrap();
}

fn say(mut near: &TcpStream, words: &[u8]) {
    near.write_all(words).unwrap();
    near.shutdown(Shutdown::Write).unwrap();
}

fn hear(mut near: &TcpStream) -> String {
    let mut heard = String::new();
    near.read_to_string(&mut heard).unwrap();
    heard
}

#[test]
fn the_end_of_one_direction_leaves_the_other_open() {
    let rig = Rig::new(TRIES);
    let listener = rig.listen();
    // The command has said all, and the answer comes after it.
    let near = rig.call();
    say(&near, b"question");
    let (far, _) = listener.accept().unwrap();
    count(far);
    assert_eq!(hear(&near), "8 bytes");
    // The daemon has said all, and the command goes on.
    let near = rig.call();
    let (mut far, _) = listener.accept().unwrap();
    far.write_all(b"hello").unwrap();
    far.shutdown(Shutdown::Write).unwrap();
    assert_eq!(hear(&near), "hello");
    say(&near, b"late");
    let mut heard = String::new();
    far.read_to_string(&mut heard).unwrap();
    assert_eq!(heard, "late");
}

#[test]
fn a_hundred_megabytes_pass_both_ways_unchanged() {
    let rig = Rig::new(TRIES);
    let ends = daemon(rig.listen(), echo);
    let near = rig.call();
    let piece: Vec<u8> = (0..1_000_003_u32).map(|it| (it % 251) as u8).collect();
    let writer = {
        let (mut near, piece) = (near.try_clone().unwrap(), piece.clone());
        thread::spawn(move || {
            (0..100).for_each(|_| near.write_all(&piece).unwrap());
            near.shutdown(Shutdown::Write).unwrap();
        })
    };
    let mut heard = vec![0; piece.len()];
    for _ in 0..100 {
        (&near).read_exact(&mut heard).unwrap();
        assert!(heard == piece);
    }
    assert_eq!(hear(&near), "");
    writer.join().unwrap();
    ends.recv_timeout(PATIENCE).unwrap();
}

#[test]
fn two_hundred_at_once_all_get_through() {
    let rig = Rig::new(TRIES);
    let calls: Vec<_> = (0..200).map(|_| rig.call()).collect();
    calls.iter().for_each(|mut near| near.write_all(b"word").unwrap());
    let ends = daemon(rig.listen(), answer);
    for near in &calls {
        assert_eq!(hear(near), "word");
    }
    (0..200).for_each(|_| ends.recv_timeout(PATIENCE).unwrap());
}

#[test]
fn a_slow_one_holds_up_nobody() {
    let rig = Rig::new(TRIES);
    let _ends = daemon(rig.listen(), echo);
    // Says more than fits on its way, and reads nothing of what comes back.
    let slow = rig.call();
    slow.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
    while (&slow).write(&[0; 65536]).is_ok() {}
    let quick = rig.call();
    say(&quick, b"hello");
    assert_eq!(hear(&quick), "hello");
}

#[test]
fn while_nobody_listens_they_are_held() {
    let rig = Rig::new(TRIES);
    let early = rig.call();
    say(&early, b"early");
    // A daemon that was killed leaves its socket behind.
    drop(rig.listen());
    let later = rig.call();
    say(&later, b"a little later");
    assert!(rig.socket().exists());
    std::fs::remove_file(rig.socket()).unwrap();
    let _ends = daemon(rig.listen(), count);
    assert_eq!((hear(&early).as_str(), hear(&later).as_str()), ("5 bytes", "14 bytes"));
}

#[test]
fn they_are_not_held_for_ever() {
    let rig = Rig::new(2);
    let near = rig.call();
    assert_eq!(hear(&near), "");
    let _ends = daemon(rig.listen(), echo);
    let near = rig.call();
    say(&near, b"again");
    assert_eq!(hear(&near), "again");
}

#[test]
fn those_who_gave_up_make_room() {
    let rig = Rig::new(TRIES);
    let mut held: Vec<_> = (0..CONNECTIONS_MAX).map(|_| rig.call()).collect();
    let next = rig.call();
    // More than a connection holds on its way, so that its end is still behind that.
    let left = held.remove(3);
    say(&left, &[0; 50_000]);
    let ended = (&left).read(&mut [0]).map_err(|error| error.kind());
    assert!(matches!(ended, Ok(0) | Err(io::ErrorKind::ConnectionReset)), "{ended:?}");
    held.push(next);
    held.iter().for_each(|mut near| near.write_all(b"here").unwrap());
    let _ends = daemon(rig.listen(), answer);
    for near in &held {
        assert_eq!(hear(near), "here");
    }
}

#[test]
fn a_daemon_that_dies_ends_what_was_open() {
    let rig = Rig::new(TRIES);
    let listener = rig.listen();
    let near = rig.call();
    (&near).write_all(b"question").unwrap();
    let (mut far, _) = listener.accept().unwrap();
    far.write_all(b"half an ans").unwrap();
    drop((far, listener));
    assert_eq!(hear(&near), "half an ans");
    // Whoever goes on talking is told too, and is not held up until then.
    let talk = |mut near: &TcpStream| near.write_all(&[0; 1 << 20]);
    while talk(&near).is_ok() {}
    // A new one is for the next daemon.
    let near = rig.call();
    std::fs::remove_file(rig.socket()).unwrap();
    let _ends = daemon(rig.listen(), echo);
    say(&near, b"again");
    assert_eq!(hear(&near), "again");
}

#[test]
fn an_answer_before_the_end_of_the_question_arrives() {
    let rig = Rig::new(TRIES);
    let _ends = daemon(rig.listen(), |mut far| far.write_all(b"too large").unwrap());
    let near = rig.call();
    let writer = {
        let mut near = near.try_clone().unwrap();
        thread::spawn(move || while near.write_all(&[0; 1 << 16]).is_ok() {})
    };
    let mut heard = [0; 9];
    (&near).read_exact(&mut heard).unwrap();
    assert_eq!(&heard, b"too large");
    writer.join().unwrap();
}

#[test]
fn an_idle_bridge_sleeps() {
    let rig = Rig::new(TRIES);
    let listener = rig.listen();
    // The kernel tells again and again that an end is gone: while what it said last is not read, and when all was.
    let (unread, over, half) = (rig.call(), rig.call(), rig.call());
    let (mut far, _) = listener.accept().unwrap();
    far.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
    while far.write(&[0; 65536]).is_ok() {}
    drop((far, listener.accept().unwrap()));
    assert_eq!(hear(&over), "");
    let (far, _) = listener.accept().unwrap();
    half.shutdown(Shutdown::Write).unwrap();
    let used = || {
        let of = |thread: std::fs::DirEntry| {
            let stat = std::fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
            let (name, fields) = stat.rsplit_once(") ").unwrap_or_default();
            let ticks = fields.split(' ').skip(11).take(2).filter_map(|it| it.parse::<u64>().ok()).sum();
            if name.ends_with(&format!("(bridge {}", rig.port)) { ticks } else { 0 }
        };
        std::fs::read_dir("/proc/self/task").unwrap().flatten().map(of).sum::<u64>()
    };
    let before = used();
    // Time in which nothing is to happen.
    thread::sleep(Duration::from_millis(500));
    let ticks = used() - before;
    assert!(ticks < 10, "{ticks} hundredths of a second");
    drop((unread, far));
}

#[test]
fn a_port_that_is_taken_is_named() {
    let rig = Rig::new(TRIES);
    let asked = launch::Bridge { port: rig.port, socket: rig.socket() };
    let Err(error) = Bridge::bind(&asked) else { panic!("it was free") };
    assert!(error.starts_with(&format!("cannot listen on 127.0.0.1:{}: ", rig.port)), "{error}");
}
