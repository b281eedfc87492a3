//! A hostile spool: while the daemon is away, the file of what the agent said is replaced. On its start the daemon
//! believes nothing of it, opens nothing in its place, and says so.

use super::Scene;
use crate::support::{Daemon, Judge, wait_for};
use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

type Tamper = fn(&Path, &Path);

/// What happens to the spool file; the second path is the secret's.
const TAMPERINGS: [(&str, Tamper); 8] = [
    ("a link", |spool, secret| {
        fs::remove_file(spool).unwrap();
        symlink(secret, spool).unwrap();
    }),
    ("a hard link", |spool, secret| {
        fs::remove_file(spool).unwrap();
        fs::hard_link(secret, spool).unwrap();
    }),
    ("a linked folder", |spool, secret| {
        let folder = spool.parent().unwrap();
        fs::rename(folder, folder.with_extension("away")).unwrap();
        let other = secret.with_extension("folder");
        fs::create_dir_all(&other).unwrap();
        fs::copy(secret, other.join("frames")).unwrap();
        symlink(other, folder).unwrap();
    }),
    ("nothing", |spool, _| fs::remove_file(spool).unwrap()),
    ("half of it", |spool, _| {
        let length = fs::metadata(spool).unwrap().len();
        fs::File::options().write(true).open(spool).unwrap().set_len(length / 2).unwrap();
    }),
    ("an emptied file", |spool, _| fs::File::options().write(true).open(spool).unwrap().set_len(0).unwrap()),
    ("a pipe", |spool, _| {
        fs::remove_file(spool).unwrap();
        assert!(Command::new("mkfifo").arg(spool).status().unwrap().success());
    }),
    ("a device", |spool, _| {
        fs::remove_file(spool).unwrap();
        assert!(Command::new("mknod").arg(spool).args(["c", "1", "5"]).status().unwrap().success());
    }),
];

fn tamper_with_all(executor: &'static str) {
    let Scene { home } = Scene::new(executor);
    let agent = "cat > /dev/null; echo I begin; i=0; while [ $i -lt 600 ]; do i=$((i+1)); sleep 0.1; done; echo I end";
    let home = home.agent("cat > /dev/null; echo hello > greeting.txt; echo I mended it").and_agent("slow", agent);
    let scene = Scene { home };
    let home = &scene.home;
    let mut daemon = Daemon::start(home);
    for (number, (name, tamper)) in TAMPERINGS.into_iter().enumerate() {
        let id = i64::try_from(number).unwrap() + 1;
        home.task(&format!("{id}.md"), "---\nagent: slow\n---\n# Mend the greeting\n");
        let judge = Judge::new(home);
        wait_for("the agent speaks", || judge.events_of(id).iter().any(|it| it.kind == "agent.message").then_some(()));
        assert_eq!(daemon.stop(&[]), Some(0));
        let spool: PathBuf = home.home().join(format!("runs/t-{id}.1/control/agent/spool/frames"));
        assert!(spool.is_file(), "{}", spool.display());
        tamper(&spool, &scene.secret());

        daemon = Daemon::start(home);
        let (reason, text) = daemon.wait_for_failure(&format!("t-{id}"));
        assert_eq!((name, reason.as_str()), (name, "spool-tampered"), "{text}");
        assert!(text.contains("is not what agentd's init wrote") && text.contains("spool/frames"), "{name}: {text}");
        wait_for("its sandbox is gone", || judge.containers().is_empty().then_some(()));
        scene.is_unharmed();
    }
    scene.goes_on(&daemon);
    assert_eq!(daemon.stop(&[]), Some(0));
}

#[test]
fn a_spool_that_was_tampered_with_is_not_believed_with_containers() {
    tamper_with_all("docker");
}

#[test]
fn a_spool_that_was_tampered_with_is_not_believed_with_plain_processes() {
    tamper_with_all("local");
}
