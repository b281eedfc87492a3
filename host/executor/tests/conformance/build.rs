//! Images built from a Dockerfile, whose steps have no network but a sandbox's.

use crate::{
    pull::forget,
    registry::{Door, Registry},
    rig::{Rig, docker, local},
};
use agentd_executor::{Build, Error, Sandbox, State};
use agentd_task::Reason;
use bollard::{Docker, query_parameters::ListContainersOptionsBuilder};
use serde_json::json;
use std::{path::PathBuf, time::Duration};

/// Of a step, in bytes.
const MEMORY: u64 = 3 << 30;

/// A sandbox whose network is there for others.
async fn holder(rig: &Rig) -> Sandbox {
    let sandbox = rig.shell("holder", "readlink /proc/self/ns/net; exec sleep 1000");
    rig.start(&sandbox).await;
    rig.until(&sandbox, "net:").await;
    sandbox
}

fn context(rig: &Rig, files: &[(&str, &str)]) -> PathBuf {
    let path = rig.dir.path().join("context.tar");
    let mut tar = tar::Builder::new(std::fs::File::create(&path).unwrap());
    for (name, text) in files {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        header.set_mtime(0);
        header.set_size(text.len() as u64);
        tar.append_data(&mut header, name, text.as_bytes()).unwrap();
    }
    tar.finish().unwrap();
    path
}

/// A build of a Dockerfile, in which `BASE` is the base image, and what it may copy.
fn build(rig: &Rig, holder: &Sandbox, dockerfile: &str, files: &[(&str, &str)]) -> Build {
    let text = dockerfile.replace("BASE", &holder.image);
    let mut all = vec![("Dockerfile", text.as_str())];
    all.extend(files);
    Build {
        tag: format!("agentd-image:{}", rig.instance),
        context: context(rig, &all),
        dockerfile: "Dockerfile".into(),
        target: None,
        args: Vec::new(),
        network_of: Some(holder.name.clone()),
        memory: MEMORY,
        patience: Duration::from_secs(50),
    }
}

/// What a script sees in the image.
async fn in_it(rig: &Rig, build: &Build, script: &str) -> String {
    let mut sandbox = rig.shell("built", script);
    sandbox.image = build.tag.clone();
    rig.finish(&sandbox).await.1.stdout
}

#[tokio::test]
async fn steps_have_the_sandboxs_network_and_the_arguments() {
    docker(async |rig: &Rig| {
        let holder = holder(rig).await;
        let text = "FROM BASE AS first\nRUN readlink /proc/self/ns/net > /net\n\
                    RUN echo $npm_config_registry $HTTP_PROXY > /first\n\
                    RUN cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null > /memory; true\n\
                    FROM first\nARG TARGETARCH\nARG OWN=1\nRUN echo $npm_config_registry $TARGETARCH $OWN > /second";
        let mut build = build(rig, &holder, text, &[]);
        let args = [("npm_config_registry", "http://127.0.0.1:1/npm"), ("HTTP_PROXY", "http://127.0.0.1:1"), ("OWN", "2")];
        build.args = args.map(|(name, value)| (name.into(), value.into())).into();
        rig.executor.build_image(&build).await.unwrap();
        let said = in_it(rig, &build, "cat /net /first /second /memory; env | grep -ci -e npm -e proxy").await;
        let (net, arch) = (rig.said(&holder).stdout, if cfg!(target_arch = "x86_64") { "amd64" } else { "arm64" });
        let expected =
            format!("{net}http://127.0.0.1:1/npm http://127.0.0.1:1\nhttp://127.0.0.1:1/npm {arch} 2\n{MEMORY}\n0\n");
        assert_eq!(said, expected);
        std::fs::remove_file(&build.context).unwrap();
        rig.executor.build_image(&build).await.expect("it is there, so nothing is read");
        forget(&build.tag).await;
    })
    .await;
}

#[tokio::test]
async fn copies_see_what_is_not_ignored_and_nothing_of_ours() {
    docker(async |rig: &Rig| {
        let holder = holder(rig).await;
        let files = [(".dockerignore", "*.log\n.dockerignore\n"), ("a.log", "x"), ("src/a.log", "x"), ("b", "y")];
        let mut build = build(rig, &holder, "FROM BASE\nCOPY . /all/\n", &files);
        build.network_of = None;
        rig.executor.build_image(&build).await.unwrap();
        let said = in_it(rig, &build, "cd /all && find . -type f | sort").await;
        assert_eq!(said, "./Dockerfile\n./b\n./src/a.log\n");
        forget(&build.tag).await;
    })
    .await;
}

#[tokio::test]
async fn a_stage_ends_it() {
    docker(async |rig: &Rig| {
        let holder = holder(rig).await;
        let text = "FROM BASE AS dev\nRUN echo dev > /stage\nFROM BASE\nRUN --mount=type=cache,target=/x false\n";
        let mut build = build(rig, &holder, text, &[]);
        build.target = Some("dev".into());
        rig.executor.build_image(&build).await.unwrap();
        assert_eq!(in_it(rig, &build, "cat /stage").await, "dev\n");
        forget(&build.tag).await;
    })
    .await;
}

/// Builds what cannot be built.
async fn check(dockerfile: &str, words: &[&str]) {
    docker(async |rig: &Rig| {
        let holder = holder(rig).await;
        let build = build(rig, &holder, dockerfile, &[]);
        let failure = rig.executor.build_image(&build).await.unwrap_err().failure();
        assert_eq!(failure.reason, Reason::Image, "{failure}");
        for words in words {
            assert!(failure.text.contains(words), "{words} in: {failure}");
        }
        assert_eq!(left(rig, &holder).await, 0, "nothing of it is left");
    })
    .await;
}

/// Containers in the network of a sandbox: the steps of its build.
async fn left(rig: &Rig, holder: &Sandbox) -> usize {
    let engine = Docker::connect_with_local_defaults().unwrap();
    let found = engine.inspect_container(&holder.name, None).await.unwrap().id.unwrap();
    let modes = [format!("container:{found}"), format!("container:{}", holder.name)];
    assert_eq!(rig.executor.state(&holder.name, &holder.control).await.unwrap(), State::Running);
    let all = engine.list_containers(Some(ListContainersOptionsBuilder::default().all(true).build())).await.unwrap();
    let mode = |it: &bollard::models::ContainerSummary| it.host_config.as_ref()?.network_mode.clone();
    all.iter().filter_map(mode).filter(|it| modes.contains(it)).count()
}

#[tokio::test]
async fn a_step_that_fails_is_told_with_its_last_words() {
    let words = ["returned a non-zero code: 3", "its last words:\n", "\nmaking\n", "\ncannot make\n"];
    check("FROM BASE\nRUN echo making; echo cannot make >&2; exit 3", &words).await;
}

#[tokio::test]
async fn nothing_but_the_gateway_is_reached() {
    let script = "FROM BASE\nRUN awk 'NR > 2 { print $1 }' /proc/net/dev; tail -n +2 /proc/net/route | wc -l; exit 1";
    check(script, &["\nlo:\n0"]).await;
    check("FROM BASE\nADD http://127.0.0.1:1/x /x", &["line 2 of its Dockerfile: `ADD` of an address"]).await;
}

/// The engine itself would fetch these: it looks for a list's end where this machine does not, and takes each name of an
/// argument as it stands.
#[tokio::test]
async fn nothing_is_smuggled_past_what_was_checked() {
    let address = "line 2 of its Dockerfile: `ADD` of an address";
    check("FROM BASE\nADD [\"http://127.0.0.1:1/x\", \"/x\"] and more", &[address]).await;
    check("# a=b\n# escape=`\nFROM BASE\nRUN false `\nADD http://127.0.0.1:1/x /x", &["false ADD http"]).await;
    docker(async |rig: &Rig| {
        let holder = holder(rig).await;
        let mut build = build(rig, &holder, "FROM BASE", &[]);
        build.args = vec![("A\nADD http://127.0.0.1:1/x /x\nARG B".into(), "1".into())];
        let failure = rig.executor.build_image(&build).await.unwrap_err().failure();
        assert_eq!(failure.reason, Reason::Image, "{failure}");
        assert!(failure.text.contains("is not the name of an argument"), "{failure}");
    })
    .await;
}

#[tokio::test]
async fn what_only_buildkit_understands_is_said_to_be_so() {
    check(
        "FROM BASE\nRUN --mount=type=cache,target=/x true",
        &["`RUN --mount` is something only BuildKit understands"],
    )
    .await;
    check("FROM BASE\nRUN <<EOF\ntrue\nEOF", &["a heredoc"]).await;
    check("FROM BASE\nCOPY --new-thing . .", &["only BuildKit understands"]).await;
    check("FROM BASE\nFETCH it", &["unknown instruction"]).await;
}

#[tokio::test]
async fn what_it_starts_from_has_to_be_there() {
    docker(async |rig: &Rig| {
        let holder = holder(rig).await;
        let registry = Registry::serve(Door::Open, &rig.instance, json!({ "OnBuild": ["ADD http://127.0.0.1:1/x /"] }));
        let fail = async |text: String| {
            let build = build(rig, &holder, &text, &[]);
            rig.executor.build_image(&build).await.unwrap_err()
        };
        let error = fail(format!("ARG V=2\nFROM {}/tool:$V", registry.host)).await;
        assert!(matches!(error, Error::Pull { passing: false, .. }), "{error}");
        let error = fail(format!("FROM {}/tool:1", registry.host)).await;
        assert!(error.to_string().contains("brings an `ONBUILD`: `ADD` of an address"), "{error}");
        forget(&format!("{}/tool:1", registry.host)).await;
        let error = fail("FROM BASE AS x\nFROM ${NONE}".into()).await;
        assert!(error.to_string().contains("line 2 of its Dockerfile: `${NONE}` names no image"), "{error}");
        let mut alone = build(rig, &holder, "FROM BASE", &[]);
        alone.network_of = Some(format!("{}x", holder.name));
        assert!(matches!(rig.executor.build_image(&alone).await, Err(Error::NotFound { .. })));
    })
    .await;
}

#[tokio::test]
async fn one_that_takes_too_long_or_is_dropped_is_ended() {
    docker(async |rig: &Rig| {
        let holder = holder(rig).await;
        let mut slow = build(rig, &holder, "FROM BASE\nRUN echo begun; exec sleep 1000", &[]);
        let mut look = tokio::time::interval(Duration::from_millis(20));
        let running = async {
            while left(rig, &holder).await == 0 {
                look.tick().await;
            }
        };
        tokio::select! {
            built = rig.executor.build_image(&slow) => panic!("{built:?}"),
            () = running => (),
        }
        let mut look = tokio::time::interval(Duration::from_millis(20));
        while left(rig, &holder).await > 0 {
            look.tick().await;
        }
        slow.patience = Duration::from_secs(8);
        let failure = rig.executor.build_image(&slow).await.unwrap_err().failure();
        assert_eq!(failure.reason, Reason::Image);
        let text = failure.text;
        assert!(text.contains("it took longer than 8 seconds; its last words:") && text.ends_with("\nbegun"), "{text}");
        while left(rig, &holder).await > 0 {
            look.tick().await;
        }
    })
    .await;
}

#[tokio::test]
async fn plain_processes_have_no_images() {
    local(async |rig: &Rig| {
        let holder = rig.shell("holder", "true");
        let build = build(rig, &holder, "FROM x", &[]);
        let failure = rig.executor.build_image(&build).await.unwrap_err().failure();
        assert_eq!(failure.reason, Reason::Misconfigured);
        assert!(failure.text.contains("use the executor `docker`"), "{failure}");
        rig.executor.fetch_image("no-such-image").await.expect("there is nothing to fetch");
    })
    .await;
}
