//! The real cargo, npm and pip fetch tiny packages of the public registries through the mirrors.

use super::*;
use crate::Scope;
use agentd_task::TaskId;
use hyper::body::Incoming;
use std::{collections::BTreeMap, net::IpAddr, path::Path, process::Stdio, sync::Mutex, time::Duration};
use tokio::{net::TcpListener, process::Command};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// A gateway on loopback that has the public registries' mirrors, and refuses the rest.
struct Gateway {
    port: u16,
    refused: Arc<Mutex<Vec<Refusal>>>,
    /// Of the one who uses it.
    home: tempfile::TempDir,
    _cache: tempfile::TempDir,
    _tasks: TaskTracker,
}

impl Gateway {
    async fn start() -> Gateway {
        let (cache, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let options = agentd_egress::Options { allow_private: registries_here().await, ..Default::default() };
        let egress = Egress::new(options, agentd_egress::Credentials::default()).unwrap();
        let mirrors = Mirrors::new(Options::public(cache.path().join("packages")), egress.clone());
        let refused: Arc<Mutex<Vec<Refusal>>> = Arc::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard = Arc::clone(&refused);
        let tasks = script::listen(listener, move |request| {
            let (mirrors, egress, refused) = (mirrors.clone(), egress.clone(), Arc::clone(&heard));
            async move { serve(request, &mirrors, &egress, &refused).await }
        });
        Gateway { port, refused, home, _cache: cache, _tasks: tasks }
    }

    /// Runs a program as it would be run in a sandbox, in `project`.
    async fn run(&self, project: &Path, program: &str, arguments: &[&str], env: &[(&str, &str)]) {
        let settings = settings(&Registry::ALL.into(), self.home.path().to_str().unwrap(), self.port);
        for (path, text) in &settings.files {
            let path = self.home.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let mut command = Command::new(program);
        command.args(arguments).current_dir(project).env_clear().kill_on_drop(true).stdin(Stdio::null());
        command.env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", self.home.path());
        command.envs(settings.env).envs(env.iter().copied());
        let output = tokio::time::timeout(Duration::from_secs(120), command.output());
        let output = output.await.expect("two minutes are enough").expect("the program is on this machine");
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{program}: {text}\nrefused: {:?}", self.refused.lock().unwrap());
        assert_eq!(*self.refused.lock().unwrap(), [], "{program} asked for nothing else\n{text}");
    }
}

async fn serve(
    request: Request<Incoming>,
    mirrors: &Mirrors,
    egress: &Egress,
    refused: &Mutex<Vec<Refusal>>,
) -> Response<Body> {
    let scope = Scope {
        task: TaskId(1),
        run: 1,
        models: vec![],
        registries: Registry::ALL.into(),
        tunnels: vec![],
        repository: REPOSITORY.into(),
    };
    let answer = if request.uri().authority().is_some() {
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        crate::tunnel::serve(request, &scope, "test", egress, &tasks, &stop).await
    } else {
        mirrors.serve(request, &scope.registries, &scope.repository).await
    };
    refused.lock().unwrap().extend(answer.refusal);
    answer.response
}

/// Where a machine has the registries behind an address of its own, that has to be allowed by name, as it would be in
/// the configuration.
async fn registries_here() -> Vec<String> {
    let mut allowed = Vec::new();
    for host in PUBLIC.iter().flat_map(|it| it.hosts) {
        let Ok(found) = tokio::net::lookup_host((*host, 443)).await else { continue };
        allowed.extend(found.map(|it| match it.ip() {
            IpAddr::V4(ip) => format!("{ip}/32"),
            IpAddr::V6(ip) => format!("{ip}/128"),
        }));
    }
    allowed
}

#[tokio::test]
async fn cargo_fetches_through_the_mirror() {
    let (gateway, project) = (Gateway::start().await, tempfile::tempdir().unwrap());
    let manifest =
        "[package]\nname = \"a\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[dependencies]\nitoa = \"=1.0.9\"\n";
    std::fs::write(project.path().join("Cargo.toml"), manifest).unwrap();
    std::fs::create_dir(project.path().join("src")).unwrap();
    std::fs::write(project.path().join("src/lib.rs"), "").unwrap();
    let cargo = std::env::var("CARGO").expect("cargo runs this test");
    let toolchain = Path::new(&cargo).parent().unwrap().to_str().unwrap();
    let path = format!("{toolchain}:{}", std::env::var("PATH").unwrap());
    gateway.run(project.path(), &cargo, &["fetch"], &[("PATH", &path)]).await;
    let lock = std::fs::read_to_string(project.path().join("Cargo.lock")).unwrap();
    assert!(lock.contains("itoa") && !lock.contains("127.0.0.1"), "{lock}");
}

#[tokio::test]
async fn npm_installs_through_the_mirror() {
    let (gateway, project) = (Gateway::start().await, tempfile::tempdir().unwrap());
    let path = |name: &str| project.path().join(name);
    std::fs::write(path("package.json"), r#"{"name":"a","version":"1.0.0"}"#).unwrap();
    let packages = ["install", "left-pad@1.3.0", "@types/ms@0.7.34"];
    gateway.run(project.path(), "npm", &packages, &[("npm_config_cache", "cache-1")]).await;
    assert!(path("node_modules/left-pad/index.js").exists() && path("node_modules/@types/ms").exists());

    let lock: serde_json::Value = serde_json::from_slice(&std::fs::read(path("package-lock.json")).unwrap()).unwrap();
    let packages: BTreeMap<String, serde_json::Value> = serde_json::from_value(lock["packages"].clone()).unwrap();
    let resolved: Vec<&str> = packages.values().filter_map(|it| it["resolved"].as_str()).collect();
    assert_eq!(resolved.len(), 2);
    assert!(resolved.iter().all(|it| it.starts_with(PUBLIC[0].root)), "the lock file is good anywhere: {resolved:?}");

    std::fs::remove_dir_all(path("node_modules")).unwrap();
    gateway.run(project.path(), "npm", &["ci"], &[("npm_config_cache", "cache-2")]).await;
    assert!(path("node_modules/left-pad/index.js").exists() && path("node_modules/@types/ms").exists());
}

#[tokio::test]
async fn pip_downloads_through_the_mirror() {
    let (gateway, project) = (Gateway::start().await, tempfile::tempdir().unwrap());
    let arguments = ["-m", "pip", "download", "--no-deps", "--no-cache-dir", "six==1.16.0"];
    gateway.run(project.path(), "python3", &arguments, &[]).await;
    assert!(project.path().join("six-1.16.0-py2.py3-none-any.whl").exists());
}
