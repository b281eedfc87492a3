//! Doors: how they are told apart, survive a restart, and close.

use super::bed::{BOTH, Bed, PATIENCE, gateway, scope, text, whole};
use crate::{Budget, Door, Error, Model, SOCKET};
use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use hyper_util::rt::TokioIo;
use std::os::unix::fs::PermissionsExt;
use tokio::net::{TcpStream, UnixStream};
use tokio_util::task::TaskTracker;

#[tokio::test]
async fn endpoints_tell_the_agent_where_to_go() {
    let bed = Bed::new(|_| whole(200, "", "{}")).await;
    let [main, gpt] = bed.door.endpoints().try_into().unwrap();
    assert_eq!((main.name.as_str(), main.api.as_str()), ("main", "anthropic-messages"));
    assert_eq!(main.url, "http://127.0.0.1:8417/model/main");
    assert_eq!((gpt.name.as_str(), gpt.api.as_str()), ("gpt", "openai-responses"));
    assert_ne!(main.token, gpt.token);
    assert!(!format!("{main:?} {:?} {:?}", bed.door, bed.gateway).contains(&main.token));
}

#[tokio::test]
async fn a_door_is_open_to_its_own_user_alone() {
    let bed = Bed::new(|_| whole(200, "", "{}")).await;
    let mode = |path: &str| std::fs::metadata(bed.folder.path().join(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("door"), mode(&format!("door/{SOCKET}"))), (0o700, 0o600));
    let names: Vec<_> =
        std::fs::read_dir(bed.folder.path().join("door")).unwrap().map(|it| it.unwrap().file_name()).collect();
    assert_eq!(names, [SOCKET]);
}

#[tokio::test]
async fn a_path_of_any_length_works() {
    let bed = Bed::new(|_| whole(200, "", "{}")).await;
    let long = bed.folder.path().join("x".repeat(100)).join("y".repeat(100));
    let _door = bed.gateway.open(scope(2, BOTH), &long).await.unwrap();
    assert!(long.join(SOCKET).exists());
}

#[tokio::test]
async fn after_a_restart_the_same_token_opens_the_same_door() {
    let bed = Bed::new(|_| whole(200, "content-type: application/json\r\n", "{}")).await;
    let before = bed.door.endpoints();
    let again = gateway(bed.port, &bed.books, PATIENCE, Budget::default(), bed.folder.path());
    let door = again.open(scope(1, BOTH), &bed.folder.path().join("door")).await.unwrap();
    assert_eq!(door.endpoints(), before);
    bed.gateway.drain().await;
    // The old gateway is gone, and its socket was replaced.
    assert_eq!(bed.called("main", "/v1/messages", "{}").await.0, 200);
}

#[tokio::test]
async fn a_door_that_is_dropped_is_closed() {
    let bed = Bed::new(|_| whole(200, "", "{}")).await;
    let folder = bed.folder.path().join("other");
    let door = bed.gateway.open(scope(2, BOTH), &folder).await.unwrap();
    let mut open = UnixStream::connect(folder.join(SOCKET)).await.unwrap();
    drop(door);
    let ended = tokio::io::AsyncReadExt::read(&mut open, &mut [0]).await;
    assert!(matches!(ended, Ok(0) | Err(_)), "{ended:?}");
    bed.gateway.drain().await;
    assert!(UnixStream::connect(folder.join(SOCKET)).await.is_err());
}

#[tokio::test]
async fn many_doors_do_not_know_each_others_tokens() {
    let bed = Bed::new(|_| whole(200, "content-type: application/json\r\n", "{}")).await;
    let mut doors = Vec::new();
    for run in 2..40 {
        let folder = bed.folder.path().join(run.to_string());
        doors.push((bed.gateway.open(scope(run, BOTH), &folder).await.unwrap(), folder));
    }
    let call = async |folder: &std::path::Path, token: &str| {
        let tasks = TaskTracker::new();
        let stream = UnixStream::connect(folder.join(SOCKET)).await.unwrap();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tasks.spawn(connection);
        let request = Request::post("/model/main/v1/messages").header("x-api-key", token).header("host", "x");
        let response = sender.send_request(request.body(Full::new(Bytes::from("{}"))).unwrap()).await.unwrap();
        response.status().as_u16()
    };
    let mut before = bed.endpoint("main").token;
    for (door, folder) in &doors {
        let token = door.endpoints()[0].token.clone();
        assert_eq!((call(folder, &token).await, call(folder, &before).await), (200, 401));
        before = token;
    }
    let calls = bed.booked(doors.len()).await;
    let mut runs: Vec<u32> = calls.iter().map(|it| it.run).collect();
    runs.sort_unstable();
    assert_eq!(runs, (2..40).collect::<Vec<u32>>());
}

#[tokio::test]
async fn at_loopback_only_the_token_tells_runs_apart() {
    let bed = Bed::new(|_| whole(200, "content-type: application/json\r\n", "{}")).await;
    let (one, two) =
        (bed.gateway.open_loopback(scope(7, BOTH)).unwrap(), bed.gateway.open_loopback(scope(8, BOTH)).unwrap());
    let ask = async |door: &Door, path: &str, token: &str| {
        let url = door.endpoints()[0].url.clone();
        let address = url.strip_prefix("http://").unwrap().split('/').next().unwrap().to_owned();
        let tasks = TaskTracker::new();
        let stream = TcpStream::connect(&address).await.unwrap();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tasks.spawn(connection);
        let request = Request::post(path).header("x-api-key", token).header("host", address);
        let response = sender.send_request(request.body(Full::new(Bytes::from("{}"))).unwrap()).await.unwrap();
        (response.status().as_u16(), text(response).await)
    };
    let (token, other) = (one.endpoints()[0].token.clone(), two.endpoints()[0].token.clone());
    assert_eq!(ask(&one, "/model/main/v1/messages", &token).await.0, 200);
    assert_eq!(ask(&one, "/model/main/v1/messages", &other).await.0, 200);
    let runs: Vec<u32> = bed.booked(2).await.iter().map(|it| it.run).collect();
    assert_eq!(runs, [7, 8]);
    assert_eq!(ask(&one, "/model/gpt/responses", &token).await.0, 401);
    assert_eq!(ask(&one, "/npm/left-pad", &token).await.0, 403);
    drop(two);
    assert_eq!(ask(&one, "/model/main/v1/messages", &other).await.0, 401);
    assert_eq!(ask(&one, "/model/main/v1/messages", &token).await.0, 200);
}

#[tokio::test]
async fn what_cannot_be_had_is_said_when_the_door_is_opened() {
    let bed = Bed::new(|_| whole(200, "", "{}")).await;
    let check = async |name: &str, account: &str, api: &str, part: &str| {
        let model = Model { name: name.into(), account: account.into(), apis: vec![api.into()] };
        let mut scope = scope(3, &[("main", "anthropic-messages")]);
        scope.models.push(model);
        let error = bed.gateway.open(scope, &bed.folder.path().join("new")).await.unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    };
    check("fast", "nobodys", "anthropic-messages", "there is no account `nobodys`").await;
    check("fast", "anthropic", "openai-chat", "speaks anthropic-messages, and the agent wants openai-chat").await;
    check("a/b", "anthropic", "anthropic-messages", "`a/b` cannot be an endpoint's name").await;
    check("main", "anthropic", "anthropic-messages", "`main` cannot be").await;
    std::fs::write(bed.folder.path().join("file"), "").unwrap();
    let error = bed.gateway.open(scope(3, &[]), &bed.folder.path().join("file")).await.unwrap_err();
    assert!(matches!(error, Error::Listen { .. }), "{error}");
}
