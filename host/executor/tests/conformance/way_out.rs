//! The only way out of a container, and networks that containers share; this side plays the daemon with its gateway.

use crate::rig::{Rig, UID, docker, local};
use agentd_executor::{Error, Gateway, Mount, Network, Sandbox, State, holder_argv};
use agentd_task::Reason;
use std::{
    io::{self, Read as _, Write as _},
    os::unix::{
        fs::{DirBuilderExt as _, chown},
        net::{UnixListener, UnixStream},
    },
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

pub(crate) const PORT: u16 = 4000;
const PAGE: &str = "HTTP/1.1 200 OK\r\ncontent-length: 8\r\nconnection: close\r\n\r\noutside\n";

/// A daemon's gateway: a folder with a socket in it, and somebody who answers. Gone when dropped, but for the folder.
struct Outside {
    socket: PathBuf,
    over: Arc<AtomicBool>,
    answers: Option<JoinHandle<()>>,
}

/// The folder of a rig's gateway, closed to all but root.
pub(crate) fn gateway(rig: &Rig) -> Gateway {
    let folder = rig.dir.path().join("gateway");
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder).unwrap();
    Gateway { folder, socket: "s".into(), port: PORT }
}

impl Outside {
    fn listen(gateway: &Gateway) -> Outside {
        let socket = gateway.folder.join(&gateway.socket);
        let listener = UnixListener::bind(&socket).unwrap();
        let over = Arc::new(AtomicBool::new(false));
        let is_over = Arc::clone(&over);
        let answers = std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                if is_over.load(Ordering::SeqCst) {
                    return;
                }
                std::thread::spawn(|| answer(stream));
            }
        });
        Outside { socket, over, answers: Some(answers) }
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        // Wakes it. Whoever takes its place removes the socket, as it would after a kill.
        drop(UnixStream::connect(&self.socket));
        self.answers.take().unwrap().join().unwrap();
        std::fs::remove_file(&self.socket).unwrap();
    }
}

/// As the first four bytes ask. What the other end does not take is not this one's concern.
fn answer(mut stream: UnixStream) {
    let mut asked = [0; 4];
    let done = stream.read_exact(&mut asked).and_then(|()| match &asked {
        b"WORD" => stream.write_all(b"WORD"),
        b"ECHO" => io::copy(&mut stream.try_clone()?, &mut stream).map(drop),
        _ => stream.write_all(PAGE.as_bytes()),
    });
    done.unwrap_or_default();
}

/// A sandbox with a way out.
fn with_gateway(rig: &Rig, purpose: &str, script: &str) -> Sandbox {
    Sandbox { gateway: Some(gateway(rig)), ..rig.with_peer(purpose, script) }
}

/// A running sandbox that holds a network with a way out.
pub(crate) async fn holder(rig: &Rig) -> Sandbox {
    let mut sandbox = Sandbox { gateway: Some(gateway(rig)), ..rig.run("net", &[]) };
    (sandbox.command.argv, sandbox.command.cwd, sandbox.command.home) = (holder_argv(), "/".into(), "/".into());
    sandbox.mounts.clear();
    rig.start(&sandbox).await;
    sandbox
}

/// A sandbox in the network of another.
pub(crate) fn beside(holder: &Sandbox, sandbox: Sandbox) -> Sandbox {
    Sandbox { network: Network::Of(holder.name.clone()), ..sandbox }
}

#[tokio::test]
async fn the_gateway_is_the_only_way_out() {
    docker(async |rig: &Rig| {
        let _outside = Outside::listen(&gateway(rig));
        let script = format!(
            "peer get {PORT} | tail -n 1; peer tcp 127.0.0.1:4001; peer tcp 1.1.1.1:443; peer tcp 172.17.0.1:22; \
             peer tcp '[2606:4700:4700::1111]:443'; peer tcp 169.254.169.254:80; peer udp 8.8.8.8:53; \
             for it in $(sed -n 's/^nameserver //p' /etc/resolv.conf | grep -v :); do peer udp $it:53; done | sort -u; \
             awk 'NR > 2 {{ print $1 }}' /proc/net/dev"
        );
        let (_, said) = rig.finish(&with_gateway(rig, "out", &script)).await;
        // One line more where this machine has nameservers, of which the sandbox knows.
        let expected = |lines| format!("outside\n{}lo:\n", "away\n".repeat(lines));
        assert!(said.stdout == expected(6) || said.stdout == expected(7), "{said:?}");
    })
    .await;
}

#[tokio::test]
async fn much_and_many_pass() {
    docker(async |rig: &Rig| {
        let _outside = Outside::listen(&gateway(rig));
        let script = format!("peer many {PORT} 200; peer bulk {PORT} 100000000");
        let mut sandbox = with_gateway(rig, "much", &script);
        sandbox.limits.memory = 512 << 20;
        assert_eq!(rig.finish(&sandbox).await.1.stdout, "200\n100000000\n");
    })
    .await;
}

#[tokio::test]
async fn a_daemon_that_is_replaced_is_waited_for() {
    docker(async |rig: &Rig| {
        let script = format!(
            "echo ready; peer get {PORT} | tail -n 1; while [ ! -e go ]; do sleep 0.01; done; \
             echo calls; peer get {PORT} | tail -n 1"
        );
        let sandbox = with_gateway(rig, "away", &script);
        rig.start(&sandbox).await;
        rig.until(&sandbox, "ready").await;
        // The first call was made before anybody was there.
        let first = Outside::listen(&gateway(rig));
        rig.until(&sandbox, "outside").await;
        drop(first);
        std::fs::write(rig.dir.path().join("away-work/go"), "").unwrap();
        rig.until(&sandbox, "calls").await;
        let _second = Outside::listen(&gateway(rig));
        assert_eq!(rig.wait(&sandbox).await.code, Some(0));
        assert_eq!(rig.said(&sandbox).stdout, "ready\noutside\ncalls\noutside\n");
    })
    .await;
}

#[tokio::test]
async fn the_command_cannot_open_the_socket_itself() {
    docker(async |rig: &Rig| {
        let _outside = Outside::listen(&gateway(rig));
        let script = "peer unix /agentd/gateway/s; ls /agentd/gateway 2>/dev/null || echo refused; \
                      mv /agentd/gateway/s /tmp 2>/dev/null || echo refused; id -u";
        let (_, said) = rig.finish(&with_gateway(rig, "direct", script)).await;
        assert_eq!(said.stdout, format!("away\nrefused\nrefused\n{UID}\n"));
        // In a folder that is open to the command, and even its own, it may call, and not put another in its place.
        let open = Gateway { folder: rig.dir.path().join("open"), ..gateway(rig) };
        std::fs::create_dir(&open.folder).unwrap();
        chown(&open.folder, Some(UID), Some(UID)).unwrap();
        let _outside = Outside::listen(&open);
        let script = "touch /agentd/gateway/x 2>/dev/null || echo refused; \
                      rm -f /agentd/gateway/s 2>/dev/null || echo refused";
        let sandbox = Sandbox { gateway: Some(open), ..rig.with_peer("open", script) };
        assert_eq!(rig.finish(&sandbox).await.1.stdout, "refused\nrefused\n");
    })
    .await;
}

#[tokio::test]
async fn the_port_belongs_to_init() {
    docker(async |rig: &Rig| {
        let _outside = Outside::listen(&gateway(rig));
        let script = format!("peer serve {PORT} mine 2>&1 >/dev/null | grep -c AddrInUse; peer get {PORT} | tail -n 1");
        assert_eq!(rig.finish(&with_gateway(rig, "port", &script)).await.1.stdout, "1\noutside\n");
    })
    .await;
}

#[tokio::test]
async fn init_costs_the_command_no_process() {
    docker(async |rig: &Rig| {
        // The shell and four more are five.
        let mut sandbox = with_gateway(rig, "pids", "for it in 1 2 3 4; do sleep 1000 & done; echo four");
        sandbox.command.stdin = Some(String::new());
        sandbox.limits.pids = 5;
        assert_eq!(rig.finish(&sandbox).await.1.stdout, "four\n");
    })
    .await;
}

#[tokio::test]
async fn sandboxes_share_the_way_out_of_a_network() {
    docker(async |rig: &Rig| {
        let _outside = Outside::listen(&gateway(rig));
        let holder = holder(rig).await;
        let outside = format!("peer get {PORT} | tail -n 1");
        let hears = format!("{outside}; while ! peer hear 7000 2>/dev/null; do sleep 0.01; done; touch heard");
        let serves =
            format!("{outside}; peer serve 7000 beside >/dev/null & while [ ! -e /data/heard ]; do sleep 0.01; done");
        let a = beside(&holder, rig.with_peer("a", &hears));
        let mut b = beside(&holder, rig.with_peer("b", &serves));
        let heard = Mount { host: rig.dir.path().join("a-work"), inside: "/data".into(), writable: false };
        b.mounts.push(heard);
        rig.start(&a).await;
        rig.start(&b).await;
        assert_eq!((rig.wait(&a).await.code, rig.wait(&b).await.code), (Some(0), Some(0)));
        assert_eq!(rig.said(&a).stdout, "outside\nbeside");
        assert_eq!(rig.said(&b).stdout, "outside\n");
        // It does nothing by itself, and ends when it is asked to.
        let (name, control) = (&holder.name, &holder.control);
        assert_eq!(rig.executor.state(name, control).await.unwrap(), State::Running);
        rig.executor.stop(name, control, Duration::from_secs(30)).await.unwrap();
        assert_eq!(rig.wait(&holder).await.code, Some(0));
    })
    .await;
}

#[tokio::test]
async fn a_network_that_is_not_there_is_named() {
    docker(async |rig: &Rig| {
        let over = rig.run("over", &["true"]);
        rig.finish(&over).await;
        for holder in ["agentd-nobody", &over.name] {
            let sandbox = Sandbox { network: Network::Of(holder.into()), ..rig.shell("lonely", "true") };
            let error = rig.executor.start(&sandbox).await.unwrap_err();
            assert!(matches!(&error, Error::NotFound { name } if name == holder), "{error}");
            assert_eq!(error.failure().reason, Reason::Lost);
            assert_eq!(rig.executor.state(&sandbox.name, &sandbox.control).await.unwrap(), State::Missing);
        }
    })
    .await;
}

#[tokio::test]
async fn a_gateway_that_makes_no_sense_is_refused() {
    docker(async |rig: &Rig| {
        let refused = async |change: &dyn Fn(&mut Sandbox), words: &str| {
            let mut sandbox = with_gateway(rig, "nonsense", "true");
            change(&mut sandbox);
            let error = rig.executor.start(&sandbox).await.unwrap_err();
            assert!(matches!(error, Error::StartFailed { .. }), "{error}");
            assert!(error.to_string().contains(words), "{error}");
        };
        let folder = |folder: &str| Some(Gateway { folder: folder.into(), ..gateway(rig) });
        let over = rig.run("held", &["sleep", "1000"]);
        rig.start(&over).await;
        refused(&|it| it.network = Network::Of(over.name.clone()), "has none").await;
        refused(&|it| it.gateway = Some(Gateway { port: 0, ..gateway(rig) }), "a port above 0").await;
        refused(&|it| it.gateway = folder("."), "the absolute path").await;
        refused(&|it| it.gateway = folder("/no/gateway"), "/no/gateway does not exist").await;
        refused(&|it| it.gateway = folder("/var/run"), "leads to the engine's socket").await;
    })
    .await;
}

#[tokio::test]
async fn a_plain_process_has_a_way_out_of_its_own() {
    local(async |rig: &Rig| {
        let sandbox = Sandbox { gateway: Some(gateway(rig)), ..rig.shell("local", "echo ran") };
        assert_eq!(rig.finish(&sandbox).await.1.stdout, "ran\n");
        let sandbox = Sandbox { network: Network::Of("nobody".into()), ..rig.shell("of", "echo ran") };
        assert_eq!(rig.finish(&sandbox).await.1.stdout, "ran\n");
    })
    .await;
}
