//! Images pulled from a registry, with the login that docker's configuration has for it.

use crate::{
    registry::{Door, Registry},
    rig::{Rig, docker, docker_executor},
};
use agentd_executor::{DockerExecutor, Error, Executor as _};
use agentd_task::{Failure, Reason};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bollard::Docker;
use serde_json::{Value, json};
use std::time::Duration;

/// Letters that differ between the two alphabets of base64, at all places.
const LOGIN: &str = "me:pass?>~??>>~~???";
const PASSWORD: &str = "pass?>~??>>~~???";

/// An executor whose docker configuration is this.
fn with_config(rig: &Rig, config: &Value) -> DockerExecutor {
    std::fs::write(rig.dir.path().join("config.json"), config.to_string()).unwrap();
    docker_executor(&rig.instance).with_logins(rig.dir.path().into())
}

/// Removes an image that a test brought in.
pub(crate) async fn forget(image: &str) {
    let engine = Docker::connect_with_local_defaults().unwrap();
    let options = bollard::query_parameters::RemoveImageOptionsBuilder::default().force(true).build();
    engine.remove_image(image, Some(options), None).await.unwrap();
}

/// Fetches an image from a registry with a door, and gives what came of it.
async fn fetch(door: Door, config: impl FnOnce(&str) -> Value) -> Result<(), Failure> {
    let (sender, receiver) = std::sync::mpsc::channel();
    docker(async move |rig: &Rig| {
        let registry = Registry::serve(door, &rig.instance, json!({ "Env": ["A=1"] }));
        let executor = with_config(rig, &config(&registry.host));
        let image = format!("{}/acme/tool:1", registry.host);
        let fetched = executor.fetch_image(&image).await;
        if fetched.is_ok() {
            assert!(executor.has(&image).await.unwrap());
            let asked = registry.asked.lock().unwrap().len();
            executor.fetch_image(&image).await.unwrap();
            assert_eq!(registry.asked.lock().unwrap().len(), asked, "one that is there is not asked for");
            forget(&image).await;
        }
        sender.send(fetched.map_err(|error| error.failure())).unwrap();
    })
    .await;
    receiver.recv().unwrap()
}

fn auths(host: &str, login: &str) -> Value {
    json!({ "auths": { host: { "auth": STANDARD.encode(login) } } })
}

#[tokio::test]
async fn the_right_login_gets_it() {
    fetch(Door::Password(LOGIN), |host| auths(host, LOGIN)).await.unwrap();
    fetch(Door::Open, |_| json!({})).await.unwrap();
    let token = |host: &str| json!({ "auths": { host: { "identitytoken": "long-lived" } } });
    fetch(Door::Token("long-lived"), token).await.unwrap();
}

#[track_caller]
fn refused(fetched: Result<(), Failure>, words: &str) {
    let failure = fetched.unwrap_err();
    assert_eq!(failure.reason, Reason::Image);
    assert!(failure.text.contains(words) && failure.text.contains("docker login 127.0.0.1:"), "{failure}");
    assert!(!failure.text.contains(PASSWORD), "{failure}");
}

#[tokio::test]
async fn without_it_the_way_to_log_in_is_told() {
    refused(fetch(Door::Password(LOGIN), |_| json!({})).await, "wants a login, or there is no such image");
    refused(fetch(Door::Password(LOGIN), |host| auths(host, "me:other")).await, "refuses the login");
    let broken = fetch(Door::Password(LOGIN), |_| json!({ "credsStore": "agentd-none" })).await.unwrap_err();
    assert!(broken.text.contains("it could not be had: docker's configuration names"), "{broken}");
}

#[track_caller]
fn check(result: Result<(), Error>, words: &str, reason: Reason) {
    let failure = result.unwrap_err().failure();
    assert!(failure.text.contains(words), "{failure}");
    assert_eq!(failure.reason, reason, "{failure}");
}

#[tokio::test]
async fn what_cannot_be_had_is_told_apart() {
    docker(async |rig: &Rig| {
        let registry = Registry::serve(Door::Open, &rig.instance, json!({}));
        let executor = with_config(rig, &json!({}));
        let fetch = async |image: String| executor.fetch_image(&image).await;
        check(fetch(format!("{}/tool:2", registry.host)).await, "has no such image: check name and tag", Reason::Image);
        // A port that was free a moment ago.
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        check(fetch(format!("{free}/tool:1")).await, "does not answer as it should", Reason::StartFailed);
        check(fetch("not a name".into()).await, "is no image's name", Reason::Image);
        check(fetch("agentd-image:0123456789ab".into()).await, "agentd makes it itself", Reason::StartFailed);
    })
    .await;
}

#[tokio::test]
async fn one_that_was_dropped_can_be_made_again() {
    docker(async |rig: &Rig| {
        let registry = Registry::stalled(&rig.instance);
        let executor = with_config(rig, &json!({}));
        let image = format!("{}/tool:1", registry.host);
        let begun = async {
            let mut look = tokio::time::interval(Duration::from_millis(5));
            // The configuration and the layer.
            while registry.asked.lock().unwrap().iter().filter(|it| it.contains("/blobs/")).count() < 2 {
                look.tick().await;
            }
        };
        tokio::select! {
            fetched = executor.fetch_image(&image) => panic!("{fetched:?}"),
            () = begun => (),
        }
        executor.fetch_image(&image).await.expect("the engine did not go on waiting for the first");
        forget(&image).await;
    })
    .await;
}
