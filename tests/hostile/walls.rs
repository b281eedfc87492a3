//! An agent in a container tries its walls, and tells what it found.

use super::Scene;
use crate::support::{Daemon, Judge};
use std::net::TcpListener;

/// `try NAME COMMAND…` says whether the command worked; what it printed is told only if it did.
const TRY: &str = "cat > /dev/null; try() { n=$1; shift; if o=$( (\"$@\") 2>&1 ); then echo \"OPEN $n: $o\"; \
    else echo \"closed $n\"; fi; }; sh_() { try \"$1\" sh -c \"$2\"; };";

#[test]
fn an_agent_in_a_container_cannot_reach_what_keeps_it() {
    let Scene { home } = Scene::new("docker");
    // Somebody on this machine who would like to be called: no network, so nobody calls.
    let listener = TcpListener::bind("0.0.0.0:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let secret = home.path("secret.txt").display().to_string();
    let attempts = [
        ("spool-read", "cat /agentd/spool/frames"),
        ("spool-list", "ls /agentd/spool"),
        ("spool-write", "echo x >> /agentd/spool/frames"),
        ("spool-replace", "mv /agentd/spool/frames /agentd/spool/old"),
        ("spool-new", "touch /agentd/spool/x"),
        ("launch-read", "cat /agentd/launch.json"),
        ("launch-write", "echo x > /agentd/launch.json"),
        ("init-write", "echo x >> /agentd/init"),
        ("mirror-write", "touch /agentd/mirror/x"),
        ("kill-init", "kill -9 1"),
        ("term-init", "kill -15 1"),
        ("stop-init", "kill -STOP 1"),
        ("init-memory", "head -c 1 /proc/1/mem"),
        ("init-maps", "cat /proc/1/maps"),
        ("init-environment", "cat /proc/1/environ"),
        ("init-files", "ls /proc/1/fd/"),
        ("init-root", "cd /proc/1/root"),
        ("init-cwd", "ls /proc/1/cwd/"),
        ("mount", "mount -t tmpfs none /tmp"),
        ("unshare", "unshare -r true"),
        ("root-write", "touch /x"),
        ("etc-write", "echo x >> /etc/passwd"),
        ("sys-write", "echo x > /proc/sys/kernel/hostname"),
        ("core-pattern", "echo x > /proc/sys/kernel/core_pattern"),
        ("sysrq", "echo b > /proc/sysrq-trigger"),
        ("docker", "ls /var/run/docker.sock /run/docker.sock"),
        ("device", "mknod /tmp/d c 1 1"),
        ("disk", "head -c 1 /dev/vda /dev/sda /dev/mem"),
        ("suid", "cp /bin/sh /tmp/s && chmod u+s /tmp/s && /tmp/s -p -c 'id -u' | grep -qx 0"),
        ("root", "id -u | grep -qx 0"),
        ("capabilities", "grep -E '^Cap(Prm|Eff|Bnd|Amb|Inh)' /proc/self/status | grep -v 0000000000000000"),
        ("privileges", "grep -qx 'NoNewPrivs:[[:space:]]*0' /proc/self/status"),
        ("seccomp", "grep -qx 'Seccomp:[[:space:]]*0' /proc/self/status"),
        ("interfaces", "ls /sys/class/net | grep -v '^lo$'"),
        ("routes", "tail -n +2 /proc/net/route | grep ."),
    ];
    let mut script = String::from(TRY);
    for (name, command) in attempts {
        script.push_str(&format!("sh_ {name} \"{}\";\n", command.replace('$', "\\$").replace('"', "\\\"")));
    }
    // Docker's usual bridge, this machine by itself, and the test's own port.
    for host in ["127.0.0.1", "172.17.0.1", "localhost"] {
        script.push_str(&format!("sh_ call-{host} 'git ls-remote git://{host}:{port}/x';\n"));
    }
    script.push_str(&format!("sh_ secret 'cat {secret}'; echo hello > greeting.txt; echo the end"));
    let home = home.and_agent("curious", &script);
    let scene = Scene { home };
    let daemon = Daemon::start(&scene.home);
    scene.home.task("a.md", "---\nagent: curious\n---\n# Look around\n");
    daemon.wait_for_state("t-1", &["in-review"]);
    let judge = Judge::new(&scene.home);
    let said: Vec<String> = judge
        .events_of(1)
        .into_iter()
        .filter(|it| it.kind == "agent.message")
        .map(|it| it.details["text"].as_str().unwrap().to_owned())
        .collect();
    let open: Vec<_> = said.iter().filter(|it| !it.starts_with("closed ")).collect();
    assert_eq!(open, ["the end"], "{said:#?}");
    assert_eq!(said.len(), attempts.len() + 3 + 1 + 1, "it tried everything: {said:#?}");
    assert!(listener.accept().is_err(), "somebody called");
    judge.events_are_one_pass(1, 1);
    scene.is_unharmed();
    scene.goes_on(&daemon);
}

#[test]
fn the_attempts_work_where_there_are_no_walls() {
    // What the test above finds closed is open to a plain process, so it does look.
    let Scene { home } = Scene::new("local");
    let secret = home.path("secret.txt").display().to_string();
    let script = format!(
        "{TRY} sh_ root-write 'touch ../../../../x'; sh_ secret 'wc -c {secret}'; sh_ no 'cat /no/such/file'; \
         echo hello > greeting.txt"
    );
    let home = home.agent(&script);
    let daemon = Daemon::start(&home);
    home.task("a.md", "# Look around\n");
    daemon.wait_for_state("t-1", &["in-review"]);
    let said: Vec<String> = Judge::new(&home)
        .events_of(1)
        .into_iter()
        .filter_map(|it| (it.kind == "agent.message").then(|| it.details["text"].as_str().unwrap().to_owned()))
        .collect();
    let expected = ["OPEN root-write: ".to_owned(), format!("OPEN secret: 29 {secret}"), "closed no".to_owned()];
    assert_eq!(said, expected);
}
