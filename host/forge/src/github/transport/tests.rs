//! The way to GitHub over real sockets: what goes over it, through which proxy, and what is said when it breaks.

use crate::{
    Author, Error,
    git::{Git, GitDir},
    github::{Auth, GitHub, Options, Patience, Scope, Written},
};
use http::Method;
use serde_json::{Value, json};
use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_util::task::TaskTracker;

const TOKEN: &str = "ghp_hunter2hunter2hunter2hunter2hunter2";

/// A server on this machine that notes what it gets, and answers by method and path.
struct Server {
    port: u16,
    heard: Arc<Mutex<Vec<String>>>,
    _tasks: TaskTracker,
}

impl Server {
    /// `answer` gets the request line; none: the connection is cut.
    async fn start(answer: fn(&str) -> Option<&'static str>) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (heard, tasks) = (Arc::<Mutex<Vec<String>>>::default(), TaskTracker::new());
        let (all, tracker) = (Arc::clone(&heard), tasks.clone());
        tasks.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tracker.spawn(serve(stream, Arc::clone(&all), answer));
            }
        });
        Server { port, heard, _tasks: tasks }
    }

    fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }

    /// The first lines of what was heard.
    fn lines(&self) -> Vec<String> {
        self.heard().iter().map(|it| it.lines().next().unwrap_or_default().to_owned()).collect()
    }

    fn github(&self, scratch: &Path, change: impl FnOnce(&mut Options)) -> GitHub {
        let mut options = Options {
            url: Some(format!("http://127.0.0.1:{}", self.port)),
            auth: Auth::Token(TOKEN.into()),
            egress: agentd_egress::Options { allow_private: vec!["127.0.0.1".into()], ..Default::default() },
            instance: "mill".into(),
            key: [7; 32],
            branch_prefix: "agentd/".into(),
            author: Author { name: "agentd".into(), email: "agentd@localhost".into() },
            patience: Patience {
                answer: Duration::from_millis(500),
                retries: 0,
                write: Duration::ZERO,
                ..Patience::default()
            },
            clock: Arc::new(|| 0),
            scratch: scratch.to_owned(),
        };
        change(&mut options);
        GitHub::new(options).unwrap()
    }
}

async fn serve(mut stream: TcpStream, heard: Arc<Mutex<Vec<String>>>, answer: fn(&str) -> Option<&'static str>) {
    let mut bytes = Vec::new();
    loop {
        let head = loop {
            if let Some(at) = bytes.windows(4).position(|it| it == b"\r\n\r\n") {
                break at + 4;
            }
            if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
                return;
            }
        };
        let text = String::from_utf8_lossy(&bytes[..head]).to_lowercase();
        let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
        while bytes.len() < head + length {
            if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
                return;
            }
        }
        let request = String::from_utf8_lossy(&bytes[..head + length]).into_owned();
        bytes.drain(..head + length);
        heard.lock().unwrap().push(request.clone());
        match answer(request.lines().next().unwrap_or_default()) {
            None => return,
            Some("hang") => std::future::pending().await,
            Some(answer) => {
                let (head, body) = answer.split_once("\n\n").unwrap_or((answer, ""));
                let head = head.replace('\n', "\r\n");
                let text = format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
                if stream.write_all(text.as_bytes()).await.is_err() {
                    return;
                }
            }
        }
    }
}

fn acme() -> Scope {
    Scope::repository("acme/api")
}

async fn get(github: &GitHub) -> Result<Option<Value>, Error> {
    github.api.get(&acme(), "repos/acme/api", &[("q", "a b".to_owned())]).await
}

async fn post(github: &GitHub) -> Result<Written<Value>, Error> {
    github.api.write(&acme(), Method::POST, "repos/acme/api/issues", &json!({ "title": "ü" })).await
}

#[tokio::test]
async fn requests_say_who_asks_what_and_in_which_version() {
    let server = Server::start(|_| Some("200 OK\nX-RateLimit-Remaining: 7\nX-RateLimit-Reset: 9\n\n{\"a\":1}")).await;
    let folder = tempfile::tempdir().unwrap();
    let github = server.github(folder.path(), |_| {});
    assert_eq!(get(&github).await.unwrap(), Some(json!({ "a": 1 })));
    assert_eq!(post(&github).await.unwrap(), Written::Done(json!({ "a": 1 })));
    assert_eq!(
        server.lines(),
        ["GET /api/v3/repos/acme/api?q=a+b HTTP/1.1", "POST /api/v3/repos/acme/api/issues HTTP/1.1"]
    );
    for request in server.heard() {
        let request = request.to_lowercase();
        for header in [
            "authorization: bearer ghp_hunter2",
            "accept: application/vnd.github+json",
            "x-github-api-version: 20",
            "user-agent: agentd/",
        ] {
            assert!(request.contains(header), "{header}: {request}");
        }
    }
    assert!(server.heard()[1].ends_with("{\"title\":\"ü\"}"));
    assert_eq!(github.usage().left, Some(7));
}

#[tokio::test]
async fn what_breaks_after_it_was_sent_is_unknown_for_a_write() {
    let folder = tempfile::tempdir().unwrap();
    for answer in [|_: &str| None, |_: &str| Some("hang")] {
        let server = Server::start(answer).await;
        let github = server.github(folder.path(), |_| {});
        let error = post(&github).await.unwrap_err();
        assert!(matches!(error, Error::Unknown { .. }), "{error}");
        let error = get(&github).await.unwrap_err();
        assert!(matches!(error, Error::NotReachable { .. }), "{error}");
        assert_eq!(server.lines().len(), 2);
    }
}

#[tokio::test]
async fn what_could_not_be_sent_is_not_unknown() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(|_| None).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = listener.local_addr().unwrap();
    drop(listener);
    let github = server.github(folder.path(), |options| options.url = Some(format!("http://{closed}")));
    let error = post(&github).await.unwrap_err();
    assert!(matches!(error, Error::NotReachable { .. }) && error.is_transient(), "{error}");
    let github = server.github(folder.path(), |options| options.egress.allow_private.clear());
    let error = post(&github).await.unwrap_err();
    assert!(matches!(error, Error::NotAsked { .. }) && !error.is_transient(), "{error}");
    assert!(error.to_string().contains("[network] private"), "{error}");
    assert_eq!(server.lines().len(), 0);
}

#[tokio::test]
async fn everything_goes_through_the_proxy() {
    let proxy = Server::start(|_| Some("200 OK\n\n[]")).await;
    let folder = tempfile::tempdir().unwrap();
    let github = proxy.github(folder.path(), |options| {
        options.url = Some("http://127.0.0.1:9".into());
        options.egress.proxy = Some(format!("http://me:pass-of-the-proxy@127.0.0.1:{}", proxy.port));
    });
    get(&github).await.unwrap();
    assert_eq!(proxy.lines(), ["GET http://127.0.0.1:9/api/v3/repos/acme/api?q=a+b HTTP/1.1"]);
    let shown = format!("{:?} {:?}", github, github.options);
    assert!(!shown.contains("hunter2") && !shown.contains("pass-of-the-proxy"), "{shown}");
}

/// What git hears of `acme/api`, and what it says.
async fn ls_remote(github: &GitHub, folder: &Path) -> Result<String, crate::git::Error> {
    let remote = github.remote("acme/api").await.unwrap();
    assert!(!remote.url.contains("hunter2"), "{}", remote.url);
    let git = Git::new(
        GitDir::In(folder.to_owned()),
        crate::git::Options { settings: remote.settings, ..Default::default() },
    );
    git.ok(&["ls-remote", &remote.url]).await
}

const RENAMED: &str = "200 OK\n\n{\"full_name\":\"acme/api-2\"}";

#[tokio::test]
async fn git_goes_to_the_present_name_with_the_token_in_a_header() {
    let server = Server::start(|line| match line.contains("/api/v3/") {
        true => Some(RENAMED),
        false => Some("200 OK\nContent-Type: application/x-git-upload-pack-advertisement\n\n001e# service=git-upload-pack\n00000000"),
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let github = server.github(folder.path(), |_| {});
    assert_eq!(ls_remote(&github, folder.path()).await.unwrap(), "");
    let heard = server.heard();
    assert!(heard[1].starts_with("GET /acme/api-2.git/info/refs?service=git-upload-pack"), "{}", heard[1]);
    assert!(heard[1].contains("Authorization: Basic eC1hY2Nlc3MtdG9rZW46Z2hwX2h1bnRlcjJ"), "{}", heard[1]);
}

#[tokio::test]
async fn git_follows_no_redirect_and_uses_the_proxy() {
    let server = Server::start(|line| match line.contains("/api/v3/") {
        true => Some(RENAMED),
        false => Some("301 Moved Permanently\nLocation: http://127.0.0.1:9/elsewhere.git/info/refs"),
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let github = server.github(folder.path(), |_| {});
    let error = ls_remote(&github, folder.path()).await.unwrap_err().to_string();
    assert!(error.contains("git ls-remote") && !error.contains("hunter2") && !error.contains("eC1hY2"), "{error}");
    assert_eq!(server.lines().len(), 2, "{:?}", server.lines());

    let github = server.github(folder.path(), |options| {
        options.url = Some("http://127.0.0.1:9".into());
        options.egress.proxy = Some(format!("http://me:pass-of-the-proxy@127.0.0.1:{}", server.port));
    });
    let error = ls_remote(&github, folder.path()).await.unwrap_err().to_string();
    assert!(!error.contains("pass-of-the-proxy"), "{error}");
    let last = server.lines().pop().unwrap();
    assert!(last.starts_with("GET http://127.0.0.1:9/acme/api-2.git/info/refs"), "{last}");
}

#[tokio::test]
async fn what_cannot_work_is_refused_before_anything_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(|_| None).await;
    let make = |change: fn(&mut Options)| {
        let mut options = (*server.github(folder.path(), |_| {}).options).clone();
        change(&mut options);
        GitHub::new(options).unwrap_err().to_string()
    };
    assert!(
        make(|it| it.url = Some("http://git.acme.com".into()))
            .starts_with("the address of GitHub: it has to be https:")
    );
    assert!(make(|it| it.auth = Auth::Token("a\n".into())).contains("line break"));
    assert!(make(|it| it.auth = Auth::App { id: 1, key: "hunter2".into() }).contains("no RSA key in PEM form"));
    assert!(make(|it| it.branch_prefix = "agentd".into()).contains("has to end with `/`"));
    assert!(make(|it| it.egress.proxy = Some("proxy".into())).starts_with("the way to GitHub: [network] proxy"));
}
