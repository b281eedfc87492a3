//! Keeps one command: its input, its output, its signals, its orphans, its end.
//!
//! One thread waits for children and buries them; one reads each output; one writes the input; one hands on signals; one
//! is the [`Bridge`], if there is to be one.
//! When the command ends, everything else in the sandbox is killed, so that the outputs end too.

use crate::{
    Error,
    bridge::Bridge,
    input::Input,
    launch::Launch,
    spool::{PAYLOAD_MAX, Spool, Stream},
};
use rustix::{
    io::Errno,
    process::{self, DumpableBehavior, Pid, Signal, WaitOptions, WaitStatus},
    thread::set_no_new_privs,
};
use signal_hook::{
    consts::{SIGINT, SIGTERM},
    iterator::Signals,
};
use std::{
    io::{self, Read, Write as _},
    path::Path,
    process::{ChildStdin, Command, Stdio},
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
    time::Duration,
};

/// How long the outputs may take to end once nobody is left to write to them.
const DRAIN: Duration = Duration::from_secs(5);

/// Of each thread; the buffers are elsewhere.
const STACK: usize = 128 * 1024;

/// Runs the command to its end; the exit code to pass on.
pub(crate) fn run(me: &Path, path: &Path, launch: Launch) -> Result<u8, Error> {
    set_no_new_privs(true).map_err(|error| format!("cannot forbid new privileges: {error}"))?;
    process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(|error| format!("cannot hide its memory: {error}"))?;
    let signals = Signals::new([SIGTERM, SIGINT]).map_err(|error| format!("cannot take signals: {error}"))?;
    let mut spool = Spool::open(&launch.spool, launch.spool_max)?;
    // The host waits for this: from here on, what goes wrong is in the spool.
    close_output().map_err(|error| format!("cannot close its output: {error}"))?;
    if let Some(why) = missing_program(&launch) {
        spool.note(&serde_json::json!({ "cannot_start": why }));
        return finish(&Mutex::new(spool), Some(127), None);
    }
    let spool = Arc::new(Mutex::new(spool));
    match keep(me, path, launch, signals, &spool) {
        Ok((code, signal)) => finish(&spool, code, signal),
        Err(error) => {
            lock(&spool).note(&serde_json::json!({ "cannot_start": error }));
            finish(&spool, Some(126), None)
        }
    }
}

fn keep(
    me: &Path,
    path: &Path,
    launch: Launch,
    signals: Signals,
    spool: &Arc<Mutex<Spool>>,
) -> Result<(Option<i32>, Option<i32>), Error> {
    if let Some(bridge) = &launch.bridge {
        Bridge::bind(bridge)?.start()?;
    }
    let input = launch.input.as_deref().map(Input::open).transpose()?;
    let stdin = if launch.stdin.is_some() || input.is_some() { Stdio::piped() } else { Stdio::null() };
    let mut command = Command::new(me);
    command.arg("exec").arg(path).env_clear().current_dir("/");
    command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| format!("cannot start a process: {error}"))?;
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).ok_or("a process without an id")?;

    let (ended, ends) = mpsc::channel();
    let mut outputs = 0;
    if let Some(stdout) = child.stdout.take() {
        outputs += 1;
        pump(stdout, Stream::Stdout, spool, &ended)?;
    }
    if let Some(stderr) = child.stderr.take() {
        outputs += 1;
        pump(stderr, Stream::Stderr, spool, &ended)?;
    }
    if let Some(stdin) = child.stdin.take() {
        feed(stdin, launch, input)?;
    }
    hand_on(signals, pid)?;

    let status = bury_until(pid).map_err(|error| format!("cannot wait for the command: {error}"))?;
    kill_the_rest();
    for _ in 0..outputs {
        if ends.recv_timeout(DRAIN).is_err() {
            lock(spool).note(&serde_json::json!({ "lost": "an output did not end with the command" }));
            break;
        }
    }
    Ok((status.exit_status(), status.terminating_signal()))
}

/// Reads one output to its end and spools it, piece by piece as it comes.
fn pump(
    mut output: impl Read + Send + 'static,
    stream: Stream,
    spool: &Arc<Mutex<Spool>>,
    ended: &mpsc::Sender<()>,
) -> Result<(), Error> {
    let (spool, ended) = (Arc::clone(spool), ended.clone());
    let work = move || {
        let mut buffer = vec![0; PAYLOAD_MAX];
        loop {
            match output.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => lock(&spool).keep(stream, &buffer[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
                Err(_) => break,
            }
        }
        // Whoever waited for it may have given up.
        ended.send(()).unwrap_or_default();
    };
    small_thread().spawn(work).map(drop).map_err(|error| format!("cannot start a thread: {error}"))
}

/// Writes the command's input and closes it, after all that the host gives if it gives more.
fn feed(mut stdin: ChildStdin, launch: Launch, input: Option<Input>) -> Result<(), Error> {
    let work = move || {
        let text = launch.stdin.unwrap_or_default();
        // A command need not read its input.
        if stdin.write_all(text.as_bytes()).is_ok()
            && let Some(input) = input
        {
            input.hand_on(&mut stdin);
        }
    };
    small_thread().spawn(work).map(drop).map_err(|error| format!("cannot start a thread: {error}"))
}

/// Hands signals on to the command and all in its process group.
fn hand_on(mut signals: Signals, pid: Pid) -> Result<(), Error> {
    let work = move || {
        for number in signals.forever() {
            let signal = if number == SIGINT { Signal::INT } else { Signal::TERM };
            // Until it leads a group of its own, there is only the process itself.
            if process::kill_process_group(pid, signal).is_err() && process::kill_process(pid, signal).is_err() {
                return;
            }
        }
    };
    small_thread().spawn(work).map(drop).map_err(|error| format!("cannot start a thread: {error}"))
}

/// Buries every child that ends, until it is the command.
fn bury_until(pid: Pid) -> io::Result<WaitStatus> {
    loop {
        match process::wait(WaitOptions::empty()) {
            Ok(Some((ended, status))) if ended == pid => return Ok(status),
            Ok(_) | Err(Errno::INTR) => (),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Kills whatever is left and buries it, until nothing is.
fn kill_the_rest() {
    loop {
        if process::getpid() == Pid::INIT {
            // In a container: all but this process. Elsewhere the same call would hit the whole machine.
            if process::kill_process_group(Pid::INIT, Signal::KILL).is_err() {
                return;
            }
        } else {
            children().into_iter().for_each(|child| {
                // It may have ended by itself meanwhile.
                let _killed = process::kill_process(child, Signal::KILL).is_ok();
            });
        }
        match process::wait(WaitOptions::empty()) {
            Ok(_) | Err(Errno::INTR) => (),
            Err(_) => return,
        }
    }
}

/// The children of this process; orphans below them follow when their parents are dead.
fn children() -> Vec<Pid> {
    let me = process::getpid().as_raw_nonzero().to_string();
    let is_mine = |pid: &str| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit_once(") ").and_then(|(_, fields)| fields.split(' ').nth(1)) == Some(&me)
    };
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|it| it.file_name().into_string().ok());
    pids.filter(|it| it.starts_with(|c: char| c.is_ascii_digit()) && is_mine(it))
        .filter_map(|it| it.parse().ok().and_then(Pid::from_raw))
        .collect()
}

/// Why the program cannot be there; none: it is, or only the command's user could tell.
fn missing_program(launch: &Launch) -> Option<String> {
    let program = &launch.argv[0];
    let is_missing = |path: &Path| matches!(path.metadata(), Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory));
    if program.contains('/') {
        let path = launch.cwd.join(program);
        return is_missing(&path).then(|| format!("there is no program {}", path.display()));
    }
    let path = launch.variable("PATH").unwrap_or_default();
    let nowhere = path.split(':').all(|folder| is_missing(&launch.cwd.join(folder).join(program)));
    nowhere.then(|| format!("there is no program `{program}` in any folder of PATH ({path})"))
}

/// They do little, and count as memory of the sandbox's.
fn small_thread() -> thread::Builder {
    thread::Builder::new().stack_size(STACK)
}

fn close_output() -> io::Result<()> {
    let null = std::fs::OpenOptions::new().write(true).open("/dev/null")?;
    Ok(rustix::stdio::dup2_stdout(null)?)
}

fn finish(spool: &Mutex<Spool>, code: Option<i32>, signal: Option<i32>) -> Result<u8, Error> {
    lock(spool).end(code, signal).map_err(|error| format!("cannot write the end: {error}"))?;
    let code = code.or(signal.map(|signal| 128 + signal)).unwrap_or(i32::from(crate::BROKEN));
    Ok(u8::try_from(code).unwrap_or(crate::BROKEN))
}

/// A thread that panicked while it spooled left whole frames behind.
fn lock(spool: &Mutex<Spool>) -> std::sync::MutexGuard<'_, Spool> {
    spool.lock().unwrap_or_else(PoisonError::into_inner)
}
