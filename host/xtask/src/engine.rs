//! Whether a Docker engine answers, and how one is started where none does.
//!
//! Asks over the socket itself, as agentd does: the `docker` command is not needed for anything here.

use crate::process;
use crate::say::Say;
use anyhow::{Context, Result, bail};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const DEFAULT: &str = "unix:///var/run/docker.sock";
const PATIENCE: Duration = Duration::from_secs(3);
const START_LIMIT: Duration = Duration::from_secs(60);

/// Where the engine answers, or why it does not, in words.
pub(crate) fn ping() -> Result<String, String> {
    let host = std::env::var("DOCKER_HOST").ok().filter(|it| !it.is_empty()).unwrap_or_else(|| DEFAULT.to_owned());
    ask(&host).map(|()| host)
}

fn ask(host: &str) -> Result<(), String> {
    let answer = if let Some(path) = host.strip_prefix("unix://") {
        UnixStream::connect(path).and_then(|stream| {
            stream.set_read_timeout(Some(PATIENCE))?;
            exchange(stream)
        })
    } else if let Some(address) = host.strip_prefix("tcp://") {
        address.to_socket_addrs().and_then(|mut all| all.next().ok_or_else(|| io::ErrorKind::NotFound.into())).and_then(
            |address| {
                let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
                stream.set_read_timeout(Some(PATIENCE))?;
                exchange(stream)
            },
        )
    } else {
        return Err(format!("DOCKER_HOST={host}: only unix:// and tcp:// are understood here"));
    };
    match answer {
        Ok(text) if text.split("\r\n").next().is_some_and(|it| it.contains(" 200 ")) => Ok(()),
        Ok(_) => Err(format!("what answers at {host} is not a Docker engine")),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            Err(format!("no permission for {host}: be root or a member of the group docker"))
        }
        Err(error) => Err(format!("no answer at {host}: {error}")),
    }
}

fn exchange(mut stream: impl Read + Write) -> io::Result<String> {
    stream.write_all(b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n")?;
    let mut head = [0; 256];
    let read = stream.read(&mut head)?;
    Ok(String::from_utf8_lossy(&head[..read]).into_owned())
}

/// Starts the engine and waits until it answers. It goes on running when xtask ends.
pub(crate) fn start(root: &Path, say: Say) -> Result<()> {
    if Path::new("/run/systemd/system").is_dir() {
        process::run(Command::new("systemctl").args(["start", "docker"]), "starting the Docker engine")?;
        return wait(None).map(|()| say.line("  the Docker engine runs now (systemctl stop docker ends it)"));
    }
    // A container or a small machine may allow neither bridges nor overlays. Sandboxes have no network anyway.
    let plain: &[&str] = &[];
    let modest: &[&str] = &["--iptables=false", "--bridge=none", "--storage-driver=vfs"];
    let log = root.join("target/dockerd.log");
    fs::create_dir_all(root.join("target")).context("making the folder target")?;
    let mut last = String::new();
    for arguments in [plain, modest] {
        let child = detached(arguments, &log)?;
        let id = child.id();
        match wait(Some(child)) {
            Ok(()) => {
                say.line(format_args!("  the Docker engine runs now as process {id}, its log is {}", log.display()));
                return Ok(());
            }
            Err(error) => last = format!("{error:#}"),
        }
    }
    let text = fs::read_to_string(&log).unwrap_or_default();
    let tail: Vec<&str> = text.lines().rev().take(10).collect();
    let tail = tail.into_iter().rev().collect::<Vec<_>>().join("\n");
    bail!("the Docker engine does not start: {last}\n{tail}\nthe whole log is {}", log.display());
}

fn detached(arguments: &[&str], log: &Path) -> Result<Child> {
    let out = File::create(log).with_context(|| format!("writing {}", log.display()))?;
    let err = out.try_clone().with_context(|| format!("writing {}", log.display()))?;
    let mut command = Command::new("setsid");
    command.arg("dockerd").args(arguments).stdin(Stdio::null()).stdout(out).stderr(err);
    command.spawn().context("starting dockerd through setsid")
}

/// Waits for an answer; a child that ends before is the end of waiting, too.
fn wait(mut child: Option<Child>) -> Result<()> {
    let since = Instant::now();
    loop {
        let why = match ping() {
            Ok(_) => return Ok(()),
            Err(why) => why,
        };
        if let Some(child) = &mut child {
            if let Some(status) = child.try_wait().context("watching dockerd")? {
                bail!("dockerd ended with {status}");
            }
            if since.elapsed() > START_LIMIT {
                child.kill().and_then(|()| child.wait()).context("ending dockerd")?;
            }
        }
        if since.elapsed() > START_LIMIT {
            bail!("{why} after {} s", START_LIMIT.as_secs());
        }
        thread::sleep(Duration::from_millis(200));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[track_caller]
    fn check(answer: &'static [u8], trouble: Option<&str>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = format!("tcp://{}", listener.local_addr().unwrap());
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 256];
            let read = stream.read(&mut request).unwrap();
            stream.write_all(answer).unwrap();
            assert!(request[..read].starts_with(b"GET /_ping "));
        });
        let said = ask(&host).err().map(|it| it.replace(&host, "HOST"));
        server.join().unwrap();
        assert_eq!(said.as_deref(), trouble);
    }

    #[test]
    fn only_an_engine_is_an_engine() {
        check(b"HTTP/1.0 200 OK\r\n\r\nOK", None);
        check(b"HTTP/1.1 404 Not Found\r\n\r\n", Some("what answers at HOST is not a Docker engine"));
        check(b"SSH-2.0-OpenSSH\r\n", Some("what answers at HOST is not a Docker engine"));
    }

    #[test]
    fn a_silent_address_is_named() {
        let said = ask("unix:///nowhere/docker.sock").unwrap_err();
        assert!(said.starts_with("no answer at unix:///nowhere/docker.sock: "), "{said}");
        let said = ask("ssh://somewhere").unwrap_err();
        assert_eq!(said, "DOCKER_HOST=ssh://somewhere: only unix:// and tcp:// are understood here");
    }
}
