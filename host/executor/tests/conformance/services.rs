//! Services beside sandboxes: when they are ready, what they are told to have failed of, and their walls.

use crate::{
    rig::{Rig, docker, docker_executor, local, peer},
    way_out::{PORT, beside, holder},
};
use agentd_executor::{Error, Executor as _, Limits, Sandbox, Service, State, image};
use agentd_task::Reason;
use bollard::{Docker, query_parameters as query};
use futures_util::TryStreamExt as _;
use sha2::{Digest as _, Sha256};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(30);
/// For what is not to become ready.
const SHORT: Duration = Duration::from_secs(5);

/// An image of this machine's programs and the peer, which exposes ports and has a volume.
async fn image(ports: &str) -> String {
    let mut changes = vec!["VOLUME /data".into(), "ENV PATH=/usr/bin:/bin".into()];
    changes.extend((!ports.is_empty()).then(|| format!("EXPOSE {ports}")));
    let mut tar = image::from_machine(image::PROGRAMS).unwrap();
    // By what it is made of, so that the next run finds it.
    let parts = [image::tag(&tar), include_str!("peer.rs").into(), changes.concat()];
    let version = hex::encode(Sha256::digest(parts.concat()));
    // Without the two empty blocks at its end it goes on.
    tar.truncate(tar.len() - 1024);
    let mut tar = tar::Builder::new(tar);
    tar.append_path_with_name(peer(), "usr/bin/peer").unwrap();
    let tar = tar.into_inner().unwrap();
    let (repo, version) = ("agentd-service-test", &version[..12]);
    let tag = format!("{repo}:{version}");
    let engine = Docker::connect_with_local_defaults().unwrap();
    if engine.inspect_image(&tag).await.is_err() {
        let options = query::CreateImageOptionsBuilder::default().from_src("-").repo(repo).tag(version);
        let said =
            engine.create_image(Some(options.changes(changes).build()), Some(bollard::body_full(tar.into())), None);
        said.try_collect::<Vec<_>>().await.unwrap();
    }
    tag
}

fn service(rig: &Rig, holder: &Sandbox, image: &str, script: &str) -> Service {
    Service {
        name: format!("agentd-{}-t-1-1-db", rig.instance),
        labels: vec![("agentd.task".into(), "t-1".into())],
        image: image.into(),
        env: vec![("WORDS".into(), "from the service".into())],
        command: ["sh", "-c", script].map(str::to_owned).to_vec(),
        network_of: holder.name.clone(),
        ready: None,
        limits: Limits { memory: 128 << 20, cpus: 1.0, pids: 32, spool: 0, tmp: 0 },
    }
}

async fn state(rig: &Rig, service: &Service) -> State {
    rig.executor.state(&service.name, &rig.control(&service.name)).await.unwrap()
}

/// What it failed of. Nothing may be left of it.
async fn failure(rig: &Rig, service: &Service, patience: Duration) -> String {
    let error = rig.executor.serve(service, patience).await.unwrap_err();
    let Error::ServiceFailed { name, image, why } = &error else { panic!("{error}") };
    assert_eq!((name, image), (&service.name, &service.image));
    assert_eq!(error.failure().reason, Reason::Service);
    assert_eq!(state(rig, service).await, State::Missing);
    why.clone()
}

#[tokio::test]
async fn it_is_reached_where_its_port_is() {
    docker(async |rig: &Rig| {
        let (holder, image) = (holder(rig).await, image("5432").await);
        let served = service(rig, &holder, &image, "sleep 0.5; exec peer serve 5432 \"$WORDS\"");
        rig.executor.serve(&served, PATIENCE).await.unwrap();
        for purpose in ["agent", "gate"] {
            let sandbox = beside(&holder, rig.with_peer(purpose, "peer hear 5432; id -u"));
            assert_eq!(rig.finish(&sandbox).await.1.stdout, "from the service10001\n");
        }
        // From elsewhere it is not there.
        let sandbox = rig.with_peer("elsewhere", "peer tcp 127.0.0.1:5432");
        assert_eq!(rig.finish(&sandbox).await.1.stdout, "away\n");
    })
    .await;
}

#[tokio::test]
async fn its_own_command_says_when_it_is_ready() {
    docker(async |rig: &Rig| {
        let (holder, image) = (holder(rig).await, image("5432").await);
        let mut served = service(rig, &holder, &image, "sleep 0.6; echo up > /data/state; exec sleep 1000");
        served.ready = Some("test \"$WORDS\" = 'from the service' && grep -q up /data/state".into());
        rig.executor.serve(&served, PATIENCE).await.unwrap();
        served.ready = Some("grep -q more /data/state".into());
        assert!(failure(rig, &served, SHORT).await.starts_with("was not ready within 5 s: its `ready` command"));
    })
    .await;
}

#[tokio::test]
async fn one_without_ports_is_ready_once_it_lives() {
    docker(async |rig: &Rig| {
        let (holder, image) = (holder(rig).await, image("").await);
        rig.executor.serve(&service(rig, &holder, &image, "exec sleep 1000"), PATIENCE).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn ports_that_an_image_does_not_use_are_not_waited_for() {
    docker(async |rig: &Rig| {
        let (holder, image) = (holder(rig).await, image("5432 9999").await);
        let served = service(rig, &holder, &image, "exec peer serve 5432 hello");
        rig.executor.serve(&served, PATIENCE).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn one_that_dies_is_told_with_its_last_words() {
    docker(async |rig: &Rig| {
        let (holder, image) = (holder(rig).await, image("").await);
        let script = "echo starting; printf 'no \\033[1mdisk\\n' >&2; exit 3";
        let why = failure(rig, &service(rig, &holder, &image, script), PATIENCE).await;
        assert!(why.starts_with("ended with exit code 3 before it was ready; it said last:\n"), "{why}");
        // The engine keeps the order within each output only.
        assert!(why.contains("starting") && why.contains("no disk"), "{why}");
        let why = failure(rig, &service(rig, &holder, &image, "sleep 0.4; exit 1"), PATIENCE).await;
        assert_eq!(why, "ended with exit code 1 before it was ready; it said nothing");
        let hungry = "exec awk 'BEGIN { s = \"x\"; while (1) s = s s }'";
        let mut hungry = service(rig, &holder, &image, hungry);
        hungry.ready = Some("false".into());
        hungry.limits.memory = 16 << 20;
        let why = failure(rig, &hungry, PATIENCE).await;
        assert!(why.contains("because it needs more memory than it may have"), "{why}");
    })
    .await;
}

#[tokio::test]
async fn one_that_is_never_ready_is_told_with_what_is_missing() {
    docker(async |rig: &Rig| {
        let (holder, image) = (holder(rig).await, image("5432").await);
        let served = service(rig, &holder, &image, "echo reading; exec sleep 1000");
        let check = async |ready: Option<&str>, words: &str| {
            let name = format!("{}-{}", served.name, words.len());
            let why = failure(rig, &Service { name, ready: ready.map(str::to_owned), ..served.clone() }, SHORT).await;
            assert!(why.starts_with(&format!("was not ready within 5 s: {words}")), "{why}");
            assert!(why.ends_with("; it said last:\nreading"), "{why}");
        };
        tokio::join!(
            check(None, "nothing listens on port 5432; it said last"),
            check(Some("echo later >&2; exit 2"), "its `ready` command ended with exit code 2; it said last:\nlater; "),
            check(Some("no-such-program"), "its `ready` command ended with exit code 127; it said last:\nsh: "),
            check(Some("sleep 1000"), "its `ready` command does not end"),
        );
    })
    .await;
}

#[tokio::test]
async fn two_on_one_port_are_told_apart() {
    docker(async |rig: &Rig| {
        let (holder, image) = (holder(rig).await, image("5432").await);
        let first = service(rig, &holder, &image, "exec peer serve 5432 first");
        rig.executor.serve(&first, PATIENCE).await.unwrap();
        let mut second = service(rig, &holder, &image, "exec peer serve 5433 second");
        second.name += "-second";
        let why = failure(rig, &second, PATIENCE).await;
        assert!(why.contains("somebody listens on its port 5432 in that network already"), "{why}");
        second.ready = Some("peer tcp 127.0.0.1:5433 | grep reached".into());
        rig.executor.serve(&second, PATIENCE).await.unwrap();
        let sandbox = beside(&holder, rig.with_peer("both", "peer hear 5432; peer hear 5433"));
        assert_eq!(rig.finish(&sandbox).await.1.stdout, "firstsecond");
    })
    .await;
}

#[tokio::test]
async fn it_is_treated_like_any_sandbox() {
    docker(async |rig: &Rig| {
        let (holder, image) = (holder(rig).await, image("5432").await);
        let served =
            service(rig, &holder, &image, "echo x >> /data/starts; exec peer serve 5432 \"$(wc -l < /data/starts)\"");
        let (name, control) = (&served.name, rig.control(&served.name));
        let hears =
            async |purpose: &str| rig.finish(&beside(&holder, rig.with_peer(purpose, "peer hear 5432"))).await.1;
        rig.executor.serve(&served, PATIENCE).await.unwrap();
        rig.executor.serve(&served, PATIENCE).await.unwrap();
        assert_eq!(hears("once").await.stdout, "1", "the same one");
        let listed = rig.executor.list().await.unwrap();
        let found = listed.iter().find(|it| it.name == *name).unwrap();
        assert!(found.running && found.labels.contains(&("agentd.task".into(), "t-1".into())), "{found:?}");
        let other = docker_executor("somebody-else");
        assert!(other.serve(&served, PATIENCE).await.unwrap_err().to_string().contains("belongs to somebody else"));
        rig.executor.pause(name, &control).await.unwrap();
        assert_eq!(state(rig, &served).await, State::Paused);
        rig.executor.unpause(name, &control).await.unwrap();
        assert_eq!(state(rig, &served).await, State::Running);
        rig.executor.pause(name, &control).await.unwrap();
        rig.executor.serve(&served, PATIENCE).await.unwrap();
        assert_eq!(state(rig, &served).await, State::Running, "ready is not frozen");
        // What has ended is made anew, with nothing of what it had.
        rig.executor.kill(name, &control).await.unwrap();
        assert!(matches!(state(rig, &served).await, State::Exited(_)));
        let volumes = volumes(name).await;
        assert_eq!(volumes.len(), 1);
        rig.executor.serve(&served, PATIENCE).await.unwrap();
        assert_eq!(hears("anew").await.stdout, "1");
        rig.executor.remove(name, &control).await.unwrap();
        assert_eq!(state(rig, &served).await, State::Missing);
        let engine = Docker::connect_with_local_defaults().unwrap();
        assert!(engine.inspect_volume(&volumes[0]).await.is_err(), "its volume is still there");
    })
    .await;
}

async fn volumes(container: &str) -> Vec<String> {
    let engine = Docker::connect_with_local_defaults().unwrap();
    let found = engine.inspect_container(container, None).await.unwrap();
    found.mounts.unwrap_or_default().into_iter().filter_map(|it| it.name).collect()
}

#[tokio::test]
async fn it_has_walls_too() {
    docker(async |rig: &Rig| {
        let (holder, image) = (holder(rig).await, image("").await);
        let script = format!(
            "grep -E '^(CapBnd|NoNewPrivs|Seccomp:)' /proc/self/status | tr -d '\\t'; \
             awk 'NR > 2 {{ print $1 }}' /proc/net/dev; peer tcp 1.1.1.1:443; peer tcp 127.0.0.1:{PORT}; \
             ls /agentd 2>&1; mount -t tmpfs x /mnt 2>/dev/null || echo refused; exit 1"
        );
        let why = failure(rig, &service(rig, &holder, &image, &script), PATIENCE).await;
        let lines: Vec<_> = why.lines().skip(1).collect();
        // CHOWN, DAC_OVERRIDE, FOWNER, KILL, SETGID, SETUID and NET_BIND_SERVICE. The gateway it may use.
        let expected = ["CapBnd:00000000000004eb", "NoNewPrivs:1", "Seccomp:2", "lo:", "away", "reached"];
        assert_eq!(lines[..6], expected, "{why}");
        assert!(lines[6].contains("No such file") && lines[7] == "refused", "{why}");
    })
    .await;
}

#[tokio::test]
async fn what_it_needs_and_is_not_there_is_named() {
    docker(async |rig: &Rig| {
        let (holder, image) = (holder(rig).await, image("").await);
        let mut served = service(rig, &holder, "agentd-no-such-image:1", "true");
        let error = rig.executor.serve(&served, PATIENCE).await.unwrap_err();
        assert!(error.to_string().contains("the engine has no image `agentd-no-such-image:1`"), "{error}");
        assert_eq!(error.failure().reason, Reason::Misconfigured);
        (served.image, served.network_of) = (image.clone(), "agentd-nobody".into());
        let error = rig.executor.serve(&served, PATIENCE).await.unwrap_err();
        assert!(matches!(&error, Error::NotFound { name } if name == "agentd-nobody"), "{error}");
        let mut served = service(rig, &holder, &image, "true");
        served.command = vec!["no-such-server".into()];
        let error = rig.executor.serve(&served, PATIENCE).await.unwrap_err();
        assert!(error.to_string().contains("no-such-server"), "{error}");
        assert_eq!(error.failure().reason, Reason::Misconfigured);
        assert_eq!(state(rig, &served).await, State::Missing);
    })
    .await;
}

#[tokio::test]
async fn a_plain_machine_has_no_services() {
    local(async |rig: &Rig| {
        let sandbox = rig.shell("x", "true");
        let error = rig.executor.serve(&service(rig, &sandbox, "postgres:17", "true"), PATIENCE).await.unwrap_err();
        assert!(error.to_string().contains("services need containers"), "{error}");
        assert_eq!(error.failure().reason, Reason::Service);
    })
    .await;
}
