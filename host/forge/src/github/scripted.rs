//! A GitHub that answers as a test says, without a socket, so that time can be virtual.

use super::{
    Api, Auth, GitHub, Options, Patience,
    address::Address,
    exchange::{Exchange, octocrab},
    transport::Failure,
};
use crate::Author;
use aws_lc_rs::{encoding::AsDer, rsa::KeyPair, rsa::KeySize, signature::KeyPair as _};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use secrecy::SecretString;
use serde_json::Value;
use std::{
    sync::{Arc, LazyLock, Mutex},
    time::Duration,
};
use tokio::time::Instant;
use tower::{BoxError, service_fn};

pub(super) const TOKEN: &str = "ghp_hunter2hunter2hunter2hunter2hunter2";
/// When every script begins, in milliseconds since 1970.
pub(super) const START: i64 = 1_700_000_000_000;

/// What GitHub got.
#[derive(Clone, Debug)]
pub(super) struct Heard {
    pub(super) method: String,
    /// Below the API's base, with the query.
    pub(super) path: String,
    /// Without the word before it.
    pub(super) token: String,
    pub(super) etag: Option<String>,
    pub(super) body: Value,
    /// Since the script's start.
    pub(super) at: Duration,
}

impl Heard {
    pub(super) fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

/// What it answers, and how long it takes.
pub(super) struct Reply {
    after: Duration,
    result: Result<Answered, bool>,
}

/// Status, headers, body.
type Answered = (u16, Vec<(String, String)>, String);

pub(super) fn reply(status: u16, body: &str) -> Reply {
    Reply { after: Duration::ZERO, result: Ok((status, Vec::new(), body.to_owned())) }
}

/// No answer. `sent`: it is not known whether it was done.
pub(super) fn cut(sent: bool) -> Reply {
    Reply { after: Duration::ZERO, result: Err(sent) }
}

impl Reply {
    pub(super) fn with(mut self, name: &str, value: impl ToString) -> Reply {
        if let Ok((_, headers, _)) = &mut self.result {
            headers.push((name.to_owned(), value.to_string()));
        }
        self
    }

    pub(super) fn after(self, ms: u64) -> Reply {
        Reply { after: Duration::from_millis(ms), ..self }
    }
}

/// GitHub, and what it heard.
pub(super) struct Script {
    pub(super) api: Api,
    heard: Arc<Mutex<Vec<Heard>>>,
    /// The most that were on their way at once.
    crowd: Arc<Mutex<(usize, usize)>>,
}

/// Without pauses between writes.
pub(super) fn patience() -> Patience {
    Patience { write: Duration::ZERO, ..Patience::default() }
}

impl Script {
    /// With a token. `answer` gets the request, and how many came before it.
    pub(super) fn new(answer: impl Fn(&Heard, usize) -> Reply + Send + Sync + 'static) -> Script {
        Script::with(&Auth::Token(TOKEN.into()), patience(), answer)
    }

    pub(super) fn with(
        auth: &Auth,
        patience: Patience,
        answer: impl Fn(&Heard, usize) -> Reply + Send + Sync + 'static,
    ) -> Script {
        let (heard, crowd, start) =
            (Arc::<Mutex<Vec<Heard>>>::default(), Arc::<Mutex<(usize, usize)>>::default(), Instant::now());
        let (all, many, answer) = (Arc::clone(&heard), Arc::clone(&crowd), Arc::new(answer));
        let making = move || {
            let (all, many, answer) = (Arc::clone(&all), Arc::clone(&many), Arc::clone(&answer));
            octocrab(service_fn(move |request: http::Request<octocrab::OctoBody>| {
                let (all, many, answer) = (Arc::clone(&all), Arc::clone(&many), Arc::clone(&answer));
                async move {
                    let heard = hear(request, start).await;
                    let before = {
                        let mut all = all.lock().unwrap();
                        all.push(heard.clone());
                        all.len() - 1
                    };
                    {
                        let mut many = many.lock().unwrap();
                        many.0 += 1;
                        many.1 = many.1.max(many.0);
                    }
                    let reply = answer(&heard, before);
                    tokio::time::sleep(reply.after).await;
                    many.lock().unwrap().0 -= 1;
                    respond(reply)
                }
            }))
        };
        let clock = Arc::new(move || START + i64::try_from(start.elapsed().as_millis()).unwrap());
        let address = Address::parse(None).unwrap();
        let exchange = Exchange::new(address, auth, patience, clock, Box::new(making)).unwrap();
        Script { api: Api { exchange: Arc::new(exchange) }, heard, crowd }
    }

    /// All of GitHub over a script.
    pub(super) fn github(
        auth: &Auth,
        answer: impl Fn(&Heard, usize) -> Reply + Send + Sync + 'static,
    ) -> (GitHub, Script) {
        let script = Script::with(auth, patience(), answer);
        let options = Options {
            url: None,
            auth: auth.clone(),
            egress: agentd_egress::Options::default(),
            instance: "mill".into(),
            key: [7; 32],
            branch_prefix: "agentd/".into(),
            author: Author { name: "agentd".into(), email: "agentd@localhost".into() },
            patience: patience(),
            clock: Arc::clone(&script.api.exchange.clock),
            scratch: "/nowhere".into(),
        };
        (GitHub::with(Arc::clone(&script.api.exchange), options), script)
    }

    pub(super) fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap().clone()
    }

    /// Methods and paths, in their order.
    pub(super) fn lines(&self) -> Vec<String> {
        self.heard().iter().map(Heard::line).collect()
    }

    pub(super) fn most_at_once(&self) -> usize {
        self.crowd.lock().unwrap().1
    }
}

/// A key as GitHub gives Apps one, made for this run.
pub(super) fn app() -> Auth {
    app_of(7)
}

/// The same with another number.
pub(super) fn app_of(id: u64) -> Auth {
    Auth::App { id, key: SecretString::from(KEY.0.clone()) }
}

/// The other half of the App's key, in PEM form.
pub(super) fn app_public() -> &'static str {
    &KEY.1
}

static KEY: LazyLock<(String, String)> = LazyLock::new(|| {
    let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let pem =
        |kind: &str, der: &[u8]| format!("-----BEGIN {kind}-----\n{}\n-----END {kind}-----\n", STANDARD.encode(der));
    let private = AsDer::<aws_lc_rs::encoding::Pkcs8V1Der<'_>>::as_der(&pair).unwrap();
    let public = AsDer::<aws_lc_rs::encoding::PublicKeyX509Der<'_>>::as_der(pair.public_key()).unwrap();
    (pem("PRIVATE KEY", private.as_ref()), pem("PUBLIC KEY", public.as_ref()))
});

async fn hear(request: http::Request<octocrab::OctoBody>, start: Instant) -> Heard {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let text = |name: &str| parts.headers.get(name).map(|it| it.to_str().unwrap().to_owned());
    let path = parts.uri.path_and_query().unwrap().as_str().trim_start_matches('/').to_owned();
    assert_eq!(parts.uri.host(), Some("api.github.com"), "{path}");
    Heard {
        method: parts.method.to_string(),
        path,
        token: text("authorization").unwrap_or_default().trim_start_matches("Bearer ").to_owned(),
        etag: text("if-none-match"),
        body: serde_json::from_slice(&body).unwrap_or_default(),
        at: start.elapsed(),
    }
}

fn respond(reply: Reply) -> Result<http::Response<Full<Bytes>>, BoxError> {
    let (status, headers, body) = match reply.result {
        Ok(answer) => answer,
        Err(unknown) => return Err(Failure { why: "cut by the script".into(), unknown, transient: true }.into()),
    };
    let mut response = http::Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(name, value);
    }
    Ok(response.body(Full::from(body))?)
}
