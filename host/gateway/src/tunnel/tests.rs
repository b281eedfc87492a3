//! Tunnels through a server on loopback.

use super::*;
use agentd_egress::{Credentials, Options};
use agentd_task::TaskId;
use hyper::{server::conn::http1, service::service_fn};
use std::{convert::Infallible, sync::Arc};
use tokio::net::TcpListener;

fn scope(tunnels: &[String], registries: &[Registry]) -> Scope {
    Scope {
        task: TaskId(1),
        run: 1,
        models: vec![],
        registries: registries.iter().copied().collect(),
        tunnels: tunnels.to_vec(),
        repository: "acme/api".into(),
    }
}

fn egress() -> Egress {
    let options = Options { allow_private: vec!["127.0.0.1/32".into()], ..Options::default() };
    Egress::new(options, Credentials::default()).unwrap()
}

async fn refusal(method: &str, uri: &str, scope: &Scope) -> Refusal {
    let request = Request::builder().method(method).uri(uri).body(()).unwrap();
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    serve(request, scope, "t-1.1", &egress(), &tasks, &stop).await.refusal.expect("a refusal")
}

#[tokio::test]
async fn without_a_tunnel_there_is_a_refusal_that_says_how_to_get_one() {
    let check = async |method: &str, uri: &str, scope: &Scope, what: &str, allow: &str| {
        let refusal = refusal(method, uri, scope).await;
        let allow = format!("[repositories.\"acme/api\"] {allow}");
        assert_eq!((refusal.what.as_str(), refusal.allow), (what, Some(allow)));
    };
    let none = scope(&[], &[]);
    let what = "CONNECT example.org:443";
    check("CONNECT", "example.org:443", &none, what, "tunnel = [\"example.org:443\"]").await;
    check("CONNECT", "EXAMPLE.org:443", &none, what, "tunnel = [\"example.org:443\"]").await;
    let some = scope(&["a.test:443".into()], &[Registry::Pypi]);
    check("CONNECT", "example.org:443", &some, what, "tunnel = [\"a.test:443\", \"example.org:443\"]").await;
    check("CONNECT", "a.test:80", &some, "CONNECT a.test:80", "tunnel = [\"a.test:443\", \"a.test:80\"]").await;
    // Who wants to reach a registry needs its mirror.
    let root = crate::registry::Options::public("cache".into()).npm;
    let npm = root.trim_start_matches("https://");
    check("CONNECT", &format!("{npm}:443"), &some, &format!("CONNECT {npm}:443"), "egress = [\"npm\", \"pypi\"]").await;
    check("GET", "http://a.test/x?y=z", &none, "GET http://a.test:80/", "tunnel = [\"a.test:443\"]").await;
}

#[tokio::test]
async fn who_has_the_way_already_is_told_where_it_is() {
    let some = scope(&["a.test:443".into()], &[Registry::Npm]);
    let root = crate::registry::Options::public("cache".into()).npm;
    let refusal = refusal("CONNECT", &format!("{}:443", root.trim_start_matches("https://")), &some).await;
    assert_eq!(
        (refusal.why.as_str(), refusal.allow),
        ("npm is read through its mirror, http://127.0.0.1:8417/npm/", None)
    );
    let refusal = self::refusal("GET", "http://a.test/", &some).await;
    assert_eq!((refusal.why.as_str(), refusal.allow), ("plain http goes nowhere from a sandbox", None));
}

/// A gateway that has nothing but tunnels, and its port.
async fn gateway(scope: Scope, tasks: &TaskTracker, stop: &CancellationToken) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (scope, tracker, stop) = (Arc::new(scope), tasks.clone(), stop.clone());
    tasks.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (scope, tasks, stop) = (Arc::clone(&scope), tracker.clone(), stop.clone());
            let service = service_fn(move |request| {
                let (scope, tasks, stop) = (Arc::clone(&scope), tasks.clone(), stop.clone());
                async move {
                    let answer = serve(request, &scope, "t-1.1", &egress(), &tasks, &stop).await;
                    Ok::<_, Infallible>(answer.response)
                }
            });
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service).with_upgrades();
            tracker.spawn(async move { drop(connection.await) });
        }
    });
    port
}

/// A server that says again what it hears, until the other side is done, and then goodbye.
async fn echo(tasks: &TaskTracker) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tasks.spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let (mut from, mut to) = stream.split();
        tokio::io::copy(&mut from, &mut to).await.unwrap();
        to.write_all(b"goodbye").await.unwrap();
    });
    port
}

/// Asks for a tunnel; the connection, and the answer's head.
async fn connect(gateway: u16, place: &str) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(("127.0.0.1", gateway)).await.unwrap();
    stream.write_all(format!("CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n\r\n").as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    (stream, String::from_utf8(head).unwrap())
}

#[tokio::test]
async fn a_tunnel_carries_bytes_both_ways_until_both_are_done() {
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let place = format!("127.0.0.1:{}", echo(&tasks).await);
    let gateway = gateway(scope(std::slice::from_ref(&place), &[]), &tasks, &stop).await;
    let (mut stream, head) = connect(gateway, &place).await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    stream.write_all(b"hello ").await.unwrap();
    stream.shutdown().await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "hello goodbye", "the other side may speak on");
}

#[tokio::test]
async fn a_tunnel_ends_with_its_run() {
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let place = format!("127.0.0.1:{}", echo(&tasks).await);
    let gateway = gateway(scope(std::slice::from_ref(&place), &[]), &tasks, &stop).await;
    let (mut stream, _) = connect(gateway, &place).await;
    stop.cancel();
    assert_eq!(stream.read(&mut [0; 8]).await.unwrap_or(0), 0);
}

#[tokio::test]
async fn a_tunnel_leads_to_no_address_that_the_operator_did_not_name() {
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let place = "169.254.169.254:80".to_owned();
    let gateway = gateway(scope(std::slice::from_ref(&place), &[]), &tasks, &stop).await;
    let (_, head) = connect(gateway, &place).await;
    assert!(head.starts_with("HTTP/1.1 502"), "{head}");
}

#[tokio::test(start_paused = true)]
async fn a_silent_tunnel_is_closed_and_one_that_speaks_is_not() {
    let ((inside, mut client), (outside, mut server)) = (tokio::io::duplex(64), tokio::io::duplex(64));
    let start = tokio::time::Instant::now();
    let speaking = async {
        for _ in 0..5 {
            tokio::time::sleep(Duration::from_secs(500)).await;
            // One direction is enough.
            server.write_all(b"x").await.unwrap();
            client.read_u8().await.unwrap();
        }
        std::future::pending::<()>().await;
    };
    let end = tokio::select! {
        end = copy(inside, outside, IDLE) => end,
        () = speaking => Ok(()),
    };
    assert_eq!(end.unwrap_err().kind(), io::ErrorKind::TimedOut);
    assert_eq!(start.elapsed(), Duration::from_secs(5 * 500 + 600));
}
