//! The mirrors against registries that answer by a script, on loopback.

use super::*;
use http_body_util::BodyExt;
use script::{Reply, Script};
use sha2::{Digest as _, Sha256, Sha512};

mod cache;
mod script;
mod tools;

const REPOSITORY: &str = "acme/api";

/// Mirrors of registries that are all one server of this test.
struct Bench {
    script: Script,
    mirrors: Mirrors,
    cache: tempfile::TempDir,
}

/// What a client got.
#[derive(Debug)]
struct Got {
    status: u16,
    headers: HeaderMap,
    body: String,
}

impl Bench {
    async fn new() -> Bench {
        Bench::with(10 << 20).await
    }

    async fn with(cache_max: u64) -> Bench {
        let (script, cache) = (Script::start().await, tempfile::tempdir().unwrap());
        let mirrors = mirrors(&script, cache.path(), cache_max);
        Bench { script, mirrors, cache }
    }

    async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answered {
        let mut request = Request::builder().method(method).uri(path).header("host", "127.0.0.1:8417");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.mirrors.serve(request.body(()).unwrap(), &Registry::ALL.into(), REPOSITORY).await
    }

    async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Got {
        whole(self.ask("GET", path, headers).await.response).await.unwrap()
    }

    fn cached(&self) -> Vec<(String, u64)> {
        let entries = std::fs::read_dir(self.cache.path()).unwrap().map(|it| it.unwrap());
        let files = entries.map(|it| (it.file_name().into_string().unwrap(), it.metadata().unwrap().len()));
        files.filter(|(name, _)| name.starts_with("file-") || name.starts_with("partial-")).collect()
    }
}

fn mirrors(script: &Script, cache: &std::path::Path, cache_max: u64) -> Mirrors {
    let options = agentd_egress::Options { allow_private: vec!["127.0.0.1/32".into()], ..Default::default() };
    let egress = Egress::new(options, agentd_egress::Credentials::default()).unwrap();
    let patience = Patience { head: Duration::from_secs(10), idle: Duration::from_secs(10) };
    let root = |it: &str| format!("{}/{it}", script.url());
    let (npm, crates, pypi) = (root("npm"), format!("sparse+{}/", root("index")), root("simple/"));
    Mirrors::new(Options { npm, crates, pypi, cache: cache.into(), cache_max, patience }, egress)
}

async fn whole(response: Response<Body>) -> std::io::Result<Got> {
    let (head, body) = response.into_parts();
    let body = String::from_utf8_lossy(&body.collect().await?.to_bytes()).into_owned();
    Ok(Got { status: head.status.as_u16(), headers: head.headers, body })
}

fn integrity(bytes: &str) -> String {
    use base64::{Engine, engine::general_purpose::STANDARD};
    format!("sha512-{}", STANDARD.encode(Sha512::digest(bytes)))
}

fn sha256(bytes: &str) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// A packument with one version, whose tarball is `bytes` at `tarball`.
fn packument(tarball: &str, bytes: &str) -> String {
    let integrity = integrity(bytes);
    format!(
        r#"{{"name":"left-pad","dist-tags":{{"latest":"1.3.0"}},"versions":{{"1.3.0":{{"name":"left-pad","version":"1.3.0","os":["linux"],"dist":{{"integrity":"{integrity}","tarball":"{tarball}"}}}}}}}}"#
    )
}

#[tokio::test]
async fn npm_gets_a_package_whose_tarball_is_elsewhere() {
    let bench = Bench::new().await;
    let tarball = bench.script.url_of("/elsewhere/abc?signed=1");
    bench.script.put("/npm/left-pad", Reply::json(packument(&tarball, "the tarball")));
    bench.script.put("/elsewhere/abc?signed=1", Reply::bytes("the tarball"));

    let page = bench.get("/npm/left-pad", &[("user-agent", "npm/10.8.2 node/v22")]).await;
    assert_eq!(page.headers[CONTENT_TYPE], "application/json");
    let here = "http://127.0.0.1:8417/npm/left-pad/-/left-pad-1.3.0.tgz";
    assert_eq!(page.body, packument(&tarball, "the tarball").replace(&tarball, here), "nothing else is touched");

    for _ in 0..2 {
        let file = bench.get("/npm/left-pad/-/left-pad-1.3.0.tgz", &[]).await;
        assert_eq!((file.status, file.body.as_str()), (200, "the tarball"));
        assert_eq!(file.headers[CONTENT_LENGTH], "11");
    }
    assert_eq!(bench.script.count("/elsewhere/abc?signed=1"), 1, "the second comes from the cache");
    assert_eq!(bench.script.count("/npm/left-pad"), 1);
}

/// A lock file that names a mirror of this machine's is worth nothing anywhere else.
#[tokio::test]
async fn only_npm_itself_is_told_the_public_registrys_urls() {
    let bench = Bench::new().await;
    let public = format!("{}/left-pad/-/left-pad-1.3.0.tgz", PUBLIC[0].root);
    bench.script.put("/npm/left-pad", Reply::json(packument(&public, "x")));
    let check = async |agent: &str, host: &str, expected: &str| {
        let headers = [("user-agent", agent), ("host", host)];
        let mut request = Request::builder().uri("/npm/left-pad");
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let answer = bench.mirrors.serve(request.body(()).unwrap(), &Registry::ALL.into(), REPOSITORY).await;
        assert_eq!(whole(answer.response).await.unwrap().body, packument(expected, "x"), "{agent} {host}");
    };
    check("npm/11.0.0 node/v24", "127.0.0.1:8417", &public).await;
    let at = |host: &str| format!("http://{host}/npm/left-pad/-/left-pad-1.3.0.tgz");
    check("pnpm/9.1.0 npm/? node/v22", "127.0.0.1:8417", &at("127.0.0.1:8417")).await;
    check("yarn/1.22", "localhost:9000", &at("localhost:9000")).await;
    check("yarn/1.22", "evil.test:80", &at("127.0.0.1:8417")).await;
    check("yarn/1.22", "127.0.0.1:8417@evil.test", &at("127.0.0.1:8417")).await;
}

#[tokio::test]
async fn a_lock_file_is_enough_for_a_tarball() {
    let bench = Bench::new().await;
    let version = format!(
        r#"{{"name":"@a/b","version":"1.0.0","dist":{{"tarball":"{}","integrity":"{}"}}}}"#,
        bench.script.url_of("/files/b-1.0.0.tgz"),
        integrity("scoped")
    );
    bench.script.put("/npm/@a%2fb/1.0.0", Reply::json(version));
    bench.script.put("/files/b-1.0.0.tgz", Reply::bytes("scoped"));
    assert_eq!(bench.get("/npm/@a/b/-/b-1.0.0.tgz", &[]).await.body, "scoped");
    assert_eq!(
        bench.get("/npm/api/npm/@a%2fb/-/b-1.0.0.tgz", &[]).await.body,
        "scoped",
        "from another registry's lock"
    );
    assert_eq!(bench.script.count("/npm/@a%2fb"), 0, "the whole packument was not needed");
    assert_eq!(bench.get("/npm/@a/b/-/b-2.0.0.tgz", &[]).await.status, 404);
}

#[tokio::test]
async fn npms_short_packuments_are_pages_of_their_own() {
    let bench = Bench::new().await;
    bench.script.put("/npm/left-pad", Reply::json(packument("https://a.test/x.tgz", "x")));
    let short = "application/vnd.npm.install-v1+json";
    let accept = format!("{short}; q=1.0, application/json; q=0.8, */*");
    assert_eq!(bench.get("/npm/left-pad", &[("accept", &accept)]).await.headers[CONTENT_TYPE], short);
    assert_eq!(bench.get("/npm/left-pad", &[]).await.headers[CONTENT_TYPE], "application/json");
    assert_eq!(bench.script.headers_of("/npm/left-pad", "accept"), [short, "application/json"]);
}

#[tokio::test]
async fn cargo_gets_an_index_and_a_crate() {
    let bench = Bench::new().await;
    let line = format!(r#"{{"name":"Tiny","vers":"0.1.0+x","deps":[],"cksum":"{}"}}"#, sha256("the crate"));
    bench.script.put("/index/ti/ny/tiny", Reply::bytes(&line));
    bench
        .script
        .put("/index/config.json", Reply::json(format!(r#"{{"dl":"{}","api":"x"}}"#, bench.script.url_of("/dl"))));
    bench.script.put("/dl/Tiny/0.1.0+x/download", Reply::bytes("the crate"));

    let config = bench.get("/crates/config.json", &[]).await.body;
    assert_eq!(config, r#"{"api":null,"dl":"http://127.0.0.1:8417/crates/dl/{crate}/{version}/download"}"#);
    assert_eq!(bench.get("/crates/ti/ny/tiny", &[]).await.body, line);
    for _ in 0..2 {
        assert_eq!(bench.get("/crates/dl/Tiny/0.1.0+x/download", &[]).await.body, "the crate");
    }
    assert_eq!(bench.script.count("/dl/Tiny/0.1.0+x/download"), 1);
    let absent = bench.get("/crates/dl/Tiny/0.2.0/download", &[]).await;
    assert_eq!(absent.status, 404);
    assert_eq!(absent.body, "agentd: crates dl/Tiny/0.2.0/download: the registry has no version 0.2.0 of Tiny\n");
    assert_eq!(bench.get("/crates/no/ne/none", &[]).await.status, 404);
}

#[tokio::test]
async fn pip_gets_pages_files_and_metadata() {
    let bench = Bench::new().await;
    let page = format!(
        r#"<html><a href="../../f/six-1.0-py3-none-any.whl#sha256={}" data-core-metadata="sha256={}" data-requires-python="&gt;=3.6">six</a></html>"#,
        sha256("the wheel"),
        sha256("Name: six")
    );
    bench.script.put("/simple/six/", Reply::bytes(&page).header("content-type", "text/html"));
    bench.script.put("/f/six-1.0-py3-none-any.whl", Reply::bytes("the wheel"));
    bench.script.put("/f/six-1.0-py3-none-any.whl.metadata", Reply::bytes("Name: six"));

    let page = bench.get("/pypi/simple/Six/", &[]).await;
    assert_eq!(page.headers[CONTENT_TYPE], "text/html; charset=utf-8");
    let path = "/pypi/files/six/six-1.0-py3-none-any.whl";
    let href = format!("href=\"{path}#sha256={}\"", sha256("the wheel"));
    assert!(page.body.contains(&href) && page.body.contains("data-requires-python=\"&gt;=3.6\""), "{}", page.body);
    assert_eq!(bench.get(path, &[]).await.body, "the wheel");
    assert_eq!(bench.get(&format!("{path}.metadata"), &[]).await.body, "Name: six");
    assert_eq!(bench.get("/pypi/files/six/six-2.0.tar.gz", &[]).await.status, 404);
}

#[tokio::test]
async fn a_pypi_that_speaks_json_is_answered_for_in_json() {
    let bench = Bench::new().await;
    let page = format!(
        r#"{{"meta":{{"api-version":"1.1"}},"name":"six","files":[{{"filename":"six-1.0.tar.gz","url":"{}","hashes":{{"sha256":"{}"}}}}]}}"#,
        bench.script.url_of("/f/six-1.0.tar.gz"),
        sha256("sdist")
    );
    bench.script.put("/simple/six/", Reply::bytes(&page).header("content-type", "application/vnd.pypi.simple.v1+json"));
    bench.script.put("/f/six-1.0.tar.gz", Reply::bytes("sdist"));
    let accept = [("accept", "application/vnd.pypi.simple.v1+json, text/html; q=0.01")];
    let page = bench.get("/pypi/simple/six/", &accept).await;
    assert_eq!(page.headers[CONTENT_TYPE], "application/vnd.pypi.simple.v1+json");
    assert!(page.body.contains(r#""url":"/pypi/files/six/six-1.0.tar.gz""#), "{}", page.body);
    assert_eq!(bench.get("/pypi/files/six/six-1.0.tar.gz", &[]).await.body, "sdist");
}

#[tokio::test]
async fn what_is_not_allowed_is_refused_with_the_line_that_allows_it() {
    let bench = Bench::new().await;
    let check = async |path: &str, allowed: &[Registry], what: &str, allow: &str| {
        let request = Request::get(path).body(()).unwrap();
        let allowed = allowed.iter().copied().collect();
        let refusal = bench.mirrors.serve(request, &allowed, REPOSITORY).await.refusal.expect("a refusal");
        assert_eq!((refusal.what.as_str(), refusal.allow.as_deref()), (what, Some(allow)));
    };
    let line = "[repositories.\"acme/api\"] egress";
    check("/npm/left-pad", &[], "npm left-pad", &format!("{line} = [\"npm\"]")).await;
    check("/crates/se/rd/serde", &[Registry::Npm], "crates se/rd/serde", &format!("{line} = [\"npm\", \"crates\"]"))
        .await;
    check("/pypi/simple/six/", &[Registry::Crates], "pypi simple/six/", &format!("{line} = [\"crates\", \"pypi\"]"))
        .await;
    assert_eq!(bench.script.heard().len(), 0);
}

#[tokio::test]
async fn the_mirrors_are_for_reading_only() {
    let bench = Bench::new().await;
    for (method, path) in [("PUT", "/npm/left-pad"), ("PUT", "/crates/api/v1/crates/new"), ("POST", "/pypi/legacy/")] {
        let Answered { response: answer, refusal } = bench.ask(method, path, &[]).await;
        let refusal = refusal.expect("it is told to the run");
        assert_eq!((answer.status().as_u16(), &answer.headers()[ALLOW]), (405, &HeaderValue::from_static("GET, HEAD")));
        assert!(refusal.what.starts_with(method), "{refusal:?}");
    }
    let audit = bench.ask("POST", "/npm/-/npm/v1/security/advisories/bulk", &[]).await;
    assert_eq!((audit.response.status().as_u16(), audit.refusal), (404, None), "npm only warns");
    assert_eq!(bench.get("/npm/-/v1/search?text=x", &[]).await.status, 404);
    assert_eq!(bench.script.heard().len(), 0);
}

/// Names are the one thing that a sandbox decides: they have to be names.
#[tokio::test]
async fn nothing_of_the_sandboxs_own_goes_out() {
    let bench = Bench::new().await;
    for path in [
        "/npm/.hidden",
        "/npm/a b",
        "/npm/a/b/c",
        "/npm/..%2f..%2fadmin",
        "/npm/@a/..",
        "/npm/https://a.test/x",
        "/crates/se/rd/other",
        "/crates/api/v1/crates",
        "/pypi/simple/a%2f..%2fb/",
        "/pypi/files/a/..",
        "/pypi/six/json",
    ] {
        let path = path.replace(' ', "%20");
        let refusal = bench.ask("GET", &path, &[]).await.refusal.expect("a refusal");
        assert_eq!(refusal.allow, None, "{path}");
    }
    assert_eq!(bench.script.heard().len(), 0);

    bench.script.put("/npm/left-pad", Reply::json(packument("https://a.test/x.tgz", "x")));
    let secret = [("authorization", "Bearer word"), ("cookie", "a=word"), ("x-word", "word"), ("user-agent", "word")];
    assert_eq!(bench.get("/npm/left-pad?word=word", &secret).await.status, 200);
    let heard = bench.script.heard();
    assert_eq!(heard.len(), 1);
    assert!(!format!("{heard:?}").contains("word"), "{heard:?}");
}

#[tokio::test]
async fn a_head_is_a_get_without_the_body() {
    let bench = Bench::new().await;
    bench.script.put("/npm/left-pad", Reply::json(packument("https://a.test/x.tgz", "x")));
    let length = bench.get("/npm/left-pad", &[]).await.body.len();
    let head = whole(bench.ask("HEAD", "/npm/left-pad", &[]).await.response).await.unwrap();
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    assert_eq!(head.headers[CONTENT_LENGTH], length.to_string());
}

#[test]
fn registries_are_named_as_in_the_configuration() {
    for registry in Registry::ALL {
        assert_eq!(registry.to_string().parse(), Ok(registry));
        assert!(PUBLIC[registry as usize].hosts.contains(&host_of(PUBLIC[registry as usize].root)));
        assert_eq!(Registry::of_host(&host_of(PUBLIC[registry as usize].root).to_uppercase()), Some(registry));
    }
    let error = "rubygems".parse::<Registry>().unwrap_err().to_string();
    assert_eq!(error, "`rubygems` is no registry that agentd mirrors, which are npm, crates and pypi");
    assert_eq!(Registry::of_host("example.org"), None);
}

fn host_of(url: &str) -> &str {
    url.trim_start_matches("https://").split('/').next().unwrap()
}
