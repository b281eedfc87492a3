//! What is kept, for how long, and what never is.

use super::*;

/// A tarball at `/t/x.tgz` behind a packument that promises `promised`.
fn file_of(bench: &Bench, promised: &str, reply: Reply) {
    let page = packument(&bench.script.url_of("/t/x.tgz"), promised);
    bench.script.put("/npm/left-pad", Reply::json(page));
    bench.script.put("/npm/left-pad/1.3.0", Reply::status(405));
    bench.script.put("/t/x.tgz", reply);
}

const FILE: &str = "/npm/left-pad/-/left-pad-1.3.0.tgz";

#[tokio::test]
async fn a_wrong_file_never_ends_and_is_never_kept() {
    let bench = Bench::new().await;
    // In one piece nothing of it was given away yet; in two, the first was.
    file_of(&bench, "what was promised", Reply::bytes("something else"));
    let answer = bench.ask("GET", FILE, &[]).await.response;
    assert!(whole(answer).await.is_err());
    assert_eq!(bench.cached(), []);

    bench.script.put("/t/x.tgz", Reply::pieces(&["what was", " promised"]));
    assert_eq!(bench.get(FILE, &[]).await.body, "what was promised", "it is asked for again");
    assert_eq!(bench.cached().len(), 1);

    let bench = Bench::new().await;
    let (reply, gate) = Reply::pieces(&["what was ", "premised"]).gated();
    file_of(&bench, "what was promised", reply);
    let mut body = bench.ask("GET", FILE, &[]).await.response.into_body();
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "what was ");
    // All its bytes are here, and what is missing is the word that they were all.
    let a_while = async {
        for _ in 0..10_000 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        biased;
        frame = body.frame() => panic!("nobody knows yet whether it is right: {frame:?}"),
        () = a_while => (),
    }
    gate.notify_one();
    assert!(body.collect().await.is_err(), "its end never comes");
    assert_eq!(bench.cached(), []);
}

#[tokio::test]
async fn a_file_without_a_digest_is_passed_on_and_not_kept() {
    let bench = Bench::new().await;
    let page = r#"{"versions":{"1.0.0":{"version":"1.0.0","dist":{"shasum":"abc","tarball":"URL"}}}}"#;
    bench.script.put("/npm/old", Reply::json(page.replace("URL", &bench.script.url_of("/t/old.tgz"))));
    bench.script.put("/t/old.tgz", Reply::bytes("old"));
    for count in 1..=2 {
        assert_eq!(bench.get("/npm/old/-/old-1.0.0.tgz", &[]).await.body, "old");
        assert_eq!(bench.script.count("/t/old.tgz"), count);
    }
    assert_eq!(bench.cached(), []);
}

#[tokio::test]
async fn a_file_is_fetched_once_and_handed_on_while_it_arrives() {
    let bench = Bench::new().await;
    let (reply, gate) = Reply::pieces(&["first ", "second ", "third"]).gated();
    file_of(&bench, "first second third", reply);
    let mut bodies = Vec::new();
    for _ in 0..10 {
        let mut body = bench.ask("GET", FILE, &[]).await.response.into_body();
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "first ");
        bodies.push(body);
    }
    // One that goes away is no loss to the others.
    bodies.pop();
    gate.notify_one();
    for body in bodies {
        assert_eq!(body.collect().await.unwrap().to_bytes(), "second third");
    }
    assert_eq!(bench.script.count("/t/x.tgz"), 1);
}

#[tokio::test]
async fn a_connection_that_breaks_off_breaks_off_here_too() {
    let bench = Bench::new().await;
    file_of(&bench, "all of it", Reply::pieces(&["all ", "of "]).cut());
    let answer = bench.ask("GET", FILE, &[]).await.response;
    assert!(whole(answer).await.is_err());
    assert_eq!(bench.cached(), []);
    let down = bench.get("/npm/other", &[]).await;
    assert_eq!(down.status, 404);
    bench.script.put("/npm/other", Reply::status(503));
    let down = bench.get("/npm/other", &[]).await;
    assert_eq!(down.status, 502);
    assert!(down.body.contains("answers with status 503"), "{}", down.body);
}

#[tokio::test]
async fn a_page_is_fresh_for_two_minutes_and_asked_about_afterwards() {
    let bench = Bench::new().await;
    let reply = Reply::json(packument("https://a.test/x.tgz", "x")).header("etag", "\"one\"");
    bench.script.put("/npm/left-pad", reply.clone());
    let first = bench.get("/npm/left-pad", &[]).await;
    after(Duration::from_secs(119)).await;
    bench.get("/npm/left-pad", &[]).await;
    assert_eq!(bench.script.count("/npm/left-pad"), 1);

    bench.script.put("/npm/left-pad", Reply::status(304));
    after(Duration::from_secs(2)).await;
    assert_eq!(bench.get("/npm/left-pad", &[]).await.body, first.body);
    assert_eq!(bench.script.headers_of("/npm/left-pad", "if-none-match"), ["", "\"one\""]);

    bench.script.put("/npm/left-pad", Reply::status(500));
    after(Duration::from_secs(121)).await;
    assert_eq!(bench.get("/npm/left-pad", &[]).await.body, first.body, "an old page is better than none");

    bench.script.put("/npm/left-pad", Reply::json(packument("https://a.test/y.tgz", "y")));
    assert_ne!(bench.get("/npm/left-pad", &[]).await.body, first.body, "and is asked about at once");
    bench.script.put("/npm/left-pad", Reply::status(404));
    after(Duration::from_secs(121)).await;
    assert_eq!(bench.get("/npm/left-pad", &[]).await.status, 404, "what was taken back is gone");
}

/// Time goes on. The sockets of these tests need the real one otherwise.
async fn after(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

#[tokio::test]
async fn a_reader_that_has_the_page_is_told_so() {
    let bench = Bench::new().await;
    bench.script.put("/index/ti/ny/tiny", Reply::bytes("{}"));
    let first = bench.get("/crates/ti/ny/tiny", &[]).await;
    let etag = first.headers[ETAG].to_str().unwrap();
    let again = bench.get("/crates/ti/ny/tiny", &[("if-none-match", etag)]).await;
    assert_eq!((again.status, again.body.as_str()), (304, ""));
    let other = bench.get("/crates/ti/ny/tiny", &[("if-none-match", "\"other\"")]).await;
    assert_eq!((other.status, other.body.as_str()), (200, "{}"));
}

#[tokio::test]
async fn a_redirect_is_followed_but_not_to_this_machine() {
    let bench = Bench::new().await;
    file_of(&bench, "moved", Reply::status(302).header("location", "/t/y.tgz?signed"));
    bench.script.put("/t/y.tgz?signed", Reply::bytes("moved"));
    assert_eq!(bench.get(FILE, &[]).await.body, "moved");

    // The address filter is the egress' and holds for what an index names, too.
    for (to, why) in [
        ("http://169.254.169.254/x.tgz", "a cloud's metadata service"),
        ("http://10.0.0.1/x.tgz", "its address 10.0.0.1 is private"),
        ("file:///etc/passwd", "redirects to something that is neither http nor https"),
    ] {
        let bench = Bench::new().await;
        file_of(&bench, "moved", Reply::status(302).header("location", to));
        let got = bench.get(FILE, &[]).await;
        assert_eq!(got.status, 502);
        assert!(got.body.contains(why), "{to}: {}", got.body);
    }
    let bench = Bench::new().await;
    file_of(&bench, "round", Reply::status(302).header("location", "/t/x.tgz"));
    assert!(bench.get(FILE, &[]).await.body.contains("redirects more than 5 times"));
}

#[tokio::test]
async fn the_cache_survives_a_restart() {
    let bench = Bench::new().await;
    file_of(&bench, "kept", Reply::bytes("kept"));
    bench.get(FILE, &[]).await;
    std::fs::write(bench.cache.path().join("partial-0-1"), "half").unwrap();
    let restarted = Bench { mirrors: mirrors(&bench.script, bench.cache.path(), 1 << 20), ..bench };
    assert_eq!(restarted.get(FILE, &[]).await.body, "kept");
    assert_eq!(restarted.script.count("/t/x.tgz"), 1);
    assert_eq!(restarted.cached().len(), 1, "what was half done is gone");
}

#[tokio::test]
async fn a_file_that_does_not_fit_into_the_cache_is_not_handed_out() {
    let bench = Bench::with(2000).await;
    let large = "x".repeat(4000);
    file_of(&bench, &large, Reply::bytes(&large));
    let answer = bench.ask("GET", FILE, &[]).await;
    assert!(whole(answer.response).await.map_or(true, |it| it.status == 500));
    assert_eq!(bench.cached(), []);
}

#[tokio::test]
async fn a_page_is_fetched_once_however_many_ask() {
    let bench = Bench::new().await;
    let (reply, gate) = Reply::pieces(&["{\"name\":", "\"left-pad\"", "}"]).gated();
    bench.script.put("/npm/left-pad", reply);
    let all = futures_util::future::join_all((0..10).map(|_| bench.get("/npm/left-pad", &[])));
    let opened = async {
        while bench.script.count("/npm/left-pad") == 0 {
            tokio::task::yield_now().await;
        }
        gate.notify_one();
    };
    let (all, ()) = tokio::join!(all, opened);
    assert!(all.iter().all(|it| it.body == "{\"name\":\"left-pad\"}"), "{all:?}");
    assert_eq!(bench.script.count("/npm/left-pad"), 1);
}

#[tokio::test]
async fn who_waits_for_a_file_in_vain_keeps_none_open() {
    let bench = Bench::new().await;
    let link = |number: usize| format!("<a href=\"{}\">x</a>", bench.script.url_of(&format!("/f/x-{number}.tar.gz")));
    let links: String = (0..100).map(link).collect();
    bench.script.put("/simple/x/", Reply::bytes(&links).header("content-type", "text/html"));
    let (slow, _gate) = Reply::pieces(&["a", "b", "c"]).gated();
    for number in 0..100 {
        bench.script.put(&format!("/f/x-{number}.tar.gz"), slow.clone());
    }
    bench.get("/pypi/simple/x/", &[]).await;
    let paths: Vec<String> = (0..100).map(|number| format!("/pypi/files/x/x-{number}.tar.gz")).collect();
    let all = futures_util::future::join_all(paths.iter().map(|path| bench.ask("GET", path, &[])));
    let watched = async {
        while bench.cached().len() < 64 {
            tokio::task::yield_now().await;
        }
        for _ in 0..1_000 {
            tokio::task::yield_now().await;
        }
        bench.cached().len()
    };
    tokio::select! {
        biased;
        _ = all => panic!("not all can be served at once"),
        open = watched => assert_eq!(open, 64),
    }
}
