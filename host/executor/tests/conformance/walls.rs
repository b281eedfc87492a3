//! What a command cannot do in a container, asked from the inside; and what becomes of it when it tries too much.

use crate::rig::{Rig, UID, docker, docker_executor};
use agentd_executor::{DockerExecutor, DockerOptions, Error, Executor as _, Mount, State, image};
use agentd_task::Reason;

/// Runs a script in a container and compares all it said.
async fn check(script: &str, expected: &str) {
    docker(async |rig: &Rig| {
        let (_, said) = rig.finish(&rig.shell("walls", script)).await;
        assert_eq!(said.stdout, expected, "{script}: {said:?}");
    })
    .await;
}

#[tokio::test]
async fn it_is_nobody_and_can_become_nobody_else() {
    check("id -u; id -g; id -G", &format!("{UID}\n{UID}\n{UID}\n")).await;
    let caps = "CapInh:0000000000000000\nCapPrm:0000000000000000\nCapEff:0000000000000000\n\
                CapBnd:0000000000000000\nCapAmb:0000000000000000\nNoNewPrivs:1\nSeccomp:2\n";
    check("grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status | tr -d '\\t '", caps).await;
}

#[tokio::test]
async fn it_cannot_touch_init() {
    check("kill -9 1 2>/dev/null || echo refused; kill -0 1 2>/dev/null || echo refused", "refused\nrefused\n").await;
    check("cat /proc/1/environ /proc/1/maps 2>/dev/null || echo refused", "refused\n").await;
    check("ls /proc/1/fd /proc/1/root 2>/dev/null || echo refused", "refused\n").await;
}

#[tokio::test]
async fn it_cannot_reach_the_spool_or_the_launch() {
    let tries = "for it in 'cat /agentd/spool/frames' 'ls /agentd/spool' 'touch /agentd/spool/x' \
                 'cat /agentd/launch.json' 'rm -f /agentd/launch.json' 'cp /bin/sh /agentd/init'; do \
                 sh -c \"$it\" >/dev/null 2>&1 && echo \"could $it\"; done; echo tried";
    check(tries, "tried\n").await;
}

#[tokio::test]
async fn it_sees_no_network() {
    check("awk 'NR > 2 { print $1 }' /proc/net/dev", "lo:\n").await;
    check("tail -n +2 /proc/net/route | wc -l", "0\n").await;
}

#[tokio::test]
async fn it_cannot_write_outside_its_folders() {
    let tries = "for it in / /etc /usr/bin /run /agentd /var /dev /proc/sys/kernel /sys; do \
                 touch $it/x 2>/dev/null && echo \"could write $it\"; done; \
                 touch /tmp/x /workspace/x $HOME/x && echo tried; ls /var/run/docker.sock /run/docker.sock 2>/dev/null";
    check(tries, "tried\n").await;
}

#[tokio::test]
async fn a_mount_that_is_not_writable_is_not() {
    docker(async |rig: &Rig| {
        let mut sandbox = rig.shell("ro", "touch /data/x 2>/dev/null || echo refused");
        sandbox.mounts.push(Mount { host: rig.dir.path().into(), inside: "/data".into(), writable: false });
        assert_eq!(rig.finish(&sandbox).await.1.stdout, "refused\n");
    })
    .await;
}

#[tokio::test]
async fn tmp_is_small_and_takes_programs() {
    let script = "cp /bin/true /tmp/t && /tmp/t && echo runs; \
                  dd if=/dev/zero of=/tmp/big bs=1M count=17 2>/dev/null || echo full";
    check(script, "runs\nfull\n").await;
}

#[tokio::test]
async fn git_works_in_the_base_image() {
    let script = "git init -q -b main . && git -c user.name=a -c user.email=a@b commit -q --allow-empty -m one && \
                  git clone -q . /tmp/clone && git -C /tmp/clone log --format=%s";
    docker(async |rig: &Rig| {
        let (ended, said) = rig.finish(&rig.shell("git", script)).await;
        assert_eq!((ended.code, said.stdout.as_str(), said.stderr.as_str()), (Some(0), "one\n", ""));
    })
    .await;
}

#[tokio::test]
async fn too_much_memory_ends_it_and_is_told() {
    docker(async |rig: &Rig| {
        let mut sandbox = rig.shell("oom", "exec awk 'BEGIN { s = \"x\"; while (1) s = s s }'");
        sandbox.limits.memory = 64 << 20;
        let (ended, said) = rig.finish(&sandbox).await;
        assert!(ended.oom, "{ended:?}");
        assert_eq!(ended.code, Some(137));
        assert_eq!(said.ending.unwrap().signal, Some(9), "init lives on to tell");
    })
    .await;
}

#[tokio::test]
async fn a_fork_bomb_stays_inside() {
    docker(async |rig: &Rig| {
        let bomb = "i=0; while [ $i -lt 500 ]; do sleep 1000 & i=$((i + 1)); done; echo not reached";
        let mut sandbox = rig.shell("bomb", bomb);
        sandbox.limits.pids = 32;
        let (ended, said) = rig.finish(&sandbox).await;
        assert_ne!(ended.code, Some(0));
        assert!(said.stderr.contains("fork"), "{said:?}");
        assert!(said.ending.is_some());
    })
    .await;
}

#[tokio::test]
async fn a_missing_image_is_named() {
    docker(async |rig: &Rig| {
        let mut sandbox = rig.shell("image", "true");
        sandbox.image = "agentd-no-such-image:1".into();
        let error = rig.executor.start(&sandbox).await.unwrap_err();
        assert_eq!(error.failure().reason, Reason::Misconfigured);
        assert_eq!(
            error.to_string(),
            format!(
                "the sandbox {} cannot start: the engine has no image `agentd-no-such-image:1`: build it, or \
                 `docker pull agentd-no-such-image:1`",
                sandbox.name
            )
        );
    })
    .await;
}

#[tokio::test]
async fn mounts_that_would_open_the_walls_are_refused() {
    docker(async |rig: &Rig| {
        for (host, inside) in
            [("/var/run/docker.sock", "/x"), ("/var/run", "/x"), ("/tmp", "/agentd/spool"), ("/tmp", "/")]
        {
            let mut sandbox = rig.shell("door", "true");
            sandbox.mounts.push(Mount { host: host.into(), inside: inside.into(), writable: true });
            let error = rig.executor.start(&sandbox).await.unwrap_err();
            assert!(matches!(error, Error::StartFailed { .. }), "{host} at {inside}: {error}");
        }
    })
    .await;
}

#[tokio::test]
async fn one_that_was_made_and_not_started_is_started() {
    docker(async |rig: &Rig| {
        let sandbox = rig.shell("created", "echo ran");
        let mut broken = sandbox.clone();
        broken.mounts.push(Mount { host: "/tmp".into(), inside: "/etc/passwd/x".into(), writable: false });
        // The engine makes this one and cannot start it: nothing may be left of it.
        let error = rig.executor.start(&broken).await.unwrap_err();
        assert!(matches!(error, Error::StartFailed { .. }), "{error}");
        assert_eq!(rig.executor.state(&sandbox.name, &sandbox.control).await.unwrap(), State::Missing);
        rig.start(&sandbox).await;
        rig.wait(&sandbox).await;
        assert_eq!(rig.said(&sandbox).stdout, "ran\n");
    })
    .await;
}

#[tokio::test]
async fn a_strangers_container_is_left_alone() {
    docker(async |rig: &Rig| {
        let sandbox = rig.shell("stranger", "echo ready; sleep 1000");
        rig.start(&sandbox).await;
        rig.until(&sandbox, "ready").await;
        let other = docker_executor("somebody-else");
        for result in [
            other.start(&sandbox).await,
            other.kill(&sandbox.name, &sandbox.control).await,
            other.remove(&sandbox.name, &sandbox.control).await,
        ] {
            assert!(result.unwrap_err().to_string().contains("belongs to somebody else"));
        }
        assert_eq!(rig.executor.state(&sandbox.name, &sandbox.control).await.unwrap(), State::Running);
    })
    .await;
}

#[tokio::test]
async fn an_engine_that_is_away_is_said_to_be() {
    let options = DockerOptions { instance: "x".into(), socket: Some("/no/docker.sock".into()), uid: UID, gid: UID };
    let error = DockerExecutor::connect(options.clone()).unwrap().probe().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the container engine failed answering: there is no socket at /no/docker.sock; is it running? \
         (`docker info` should answer)"
    );
    assert_eq!(error.failure().reason, Reason::Engine);
    let remote = DockerOptions { socket: Some("tcp://elsewhere:2375".into()), ..options.clone() };
    assert!(matches!(DockerExecutor::connect(remote), Err(Error::Unfit { .. })));
    let root = DockerOptions { uid: 0, ..options };
    assert!(matches!(DockerExecutor::connect(root), Err(Error::Unfit { .. })));
}

#[tokio::test]
async fn the_engine_of_this_machine_has_no_problems() {
    docker(async |rig: &Rig| {
        let probe = rig.executor.probe().await.unwrap();
        assert!(probe.engine.starts_with("Docker Engine "), "{probe:?}");
        assert_eq!(probe.problems, Vec::<String>::new());
    })
    .await;
}

#[tokio::test]
async fn init_needs_nothing_of_the_image() {
    docker(async |rig: &Rig| {
        let tar = image::from_machine(&[]).unwrap();
        // Init itself is the only program in it, so it is the command too, and says how it wants to be called.
        let mut sandbox = rig.run("empty", &["/agentd/init"]);
        sandbox.image = image::tag(&tar);
        docker_executor(&rig.instance).import(&sandbox.image, tar).await.unwrap();
        let (ended, said) = rig.finish(&sandbox).await;
        assert_eq!((ended.code, said.stdout.as_str()), (Some(125), "agentd-init: usage: agentd-init LAUNCH.json\n"));
    })
    .await;
}
