//! Asks a registry: GET, without a query, a body or a header of the sandbox's, through the egress' checks.
//!
//! Each URL gets a rule for itself alone. Redirects are the registry's word and are followed, each as a request of its
//! own with all checks, but never from https to http.

use super::Error;
use agentd_egress::{Egress, Patience, Request, Rule, Streamed};
use url::Url;

/// Who asks, in the audit line.
const CALLER: &str = "registry mirror";
/// How often an answer may name another place.
const REDIRECTS_MAX: usize = 5;

#[derive(Clone)]
pub(super) struct Upstream {
    egress: Egress,
    patience: Patience,
}

/// An answer whose body is still to be read.
pub(super) struct Opened {
    /// Where it came from in the end.
    pub(super) url: Url,
    pub(super) status: u16,
    pub(super) stream: Streamed,
}

impl Opened {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let found = self.stream.headers.iter().find(|(it, _)| it.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    pub(super) fn length(&self) -> Option<u64> {
        self.header("content-length").and_then(|it| it.parse().ok())
    }

    /// The next piece of the body; `None`: it is complete.
    pub(super) async fn chunk(&mut self) -> Result<Option<bytes::Bytes>, Error> {
        self.stream.chunk().await.map_err(failed)
    }

    /// The whole body.
    pub(super) async fn read(mut self, max: usize) -> Result<Vec<u8>, Error> {
        let mut body = Vec::new();
        while let Some(piece) = self.chunk().await? {
            if body.len() + piece.len() > max {
                return Err(Error::Upstream(format!("{} answers with more than {max} bytes", shown(&self.url))));
            }
            body.extend_from_slice(&piece);
        }
        Ok(body)
    }
}

impl Upstream {
    pub(super) fn new(egress: Egress, patience: Patience) -> Upstream {
        Upstream { egress, patience }
    }

    /// Gets `url`. 200 and 304 are answers; "not there" is [`Error::Absent`], and all others are the registry's fault.
    pub(super) async fn get(&self, url: &str, headers: &[(&str, &str)]) -> Result<Opened, Error> {
        let mut url = parse(url)?;
        for _ in 0..=REDIRECTS_MAX {
            let opened = self.open(url, headers).await?;
            match opened.status {
                200 | 304 => {
                    return match opened.header("content-encoding") {
                        None | Some("identity") => Ok(opened),
                        Some(_) => Err(Error::Upstream(format!("{} answers packed, unasked", shown(&opened.url)))),
                    };
                }
                301 | 302 | 303 | 307 | 308 => url = redirected(&opened)?,
                // Where files are in a bucket, one that is not there is often "forbidden".
                401 | 403 | 404 | 410 | 451 => return Err(Error::Absent("such package, version or file".into())),
                status => return Err(Error::Upstream(format!("{} answers with status {status}", shown(&opened.url)))),
            }
        }
        Err(Error::Upstream(format!("{} redirects more than {REDIRECTS_MAX} times", shown(&url))))
    }

    async fn open(&self, url: Url, headers: &[(&str, &str)]) -> Result<Opened, Error> {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let request = Request { method: "GET".into(), url: url.as_str().into(), headers, ..Request::default() };
        let mut here = url.clone();
        here.set_query(None);
        let rule = Rule { methods: vec!["GET".into()], url_prefix: here.into(), credential: None };
        let stream = self.egress.open(CALLER, &[rule], request, self.patience).await.map_err(failed)?;
        Ok(Opened { url, status: stream.status, stream })
    }
}

fn redirected(from: &Opened) -> Result<Url, Error> {
    let bad = |why: &str| Error::Upstream(format!("{} redirects {why}", shown(&from.url)));
    let to = from.url.join(from.header("location").unwrap_or_default()).map_err(|_| bad("to what is no URL"))?;
    match (from.url.scheme(), to.scheme()) {
        (_, "https") | ("http", "http") => parse(to.as_str()),
        ("https", "http") => Err(bad("from https to http")),
        _ => Err(bad("to something that is neither http nor https")),
    }
}

/// A URL that an index or the configuration names.
fn parse(text: &str) -> Result<Url, Error> {
    let mut url = Url::parse(text).map_err(|_| Error::Upstream("its index names a file at what is no URL".into()))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(Error::Upstream(format!("its index names a file at {}:, which is not fetched", url.scheme())));
    }
    url.set_fragment(None);
    Ok(url)
}

fn failed(error: agentd_egress::Error) -> Error {
    Error::Upstream(error.to_string())
}

/// Without its query, which may hold a signature.
pub(super) fn shown(url: &Url) -> String {
    format!("{}{}", url.origin().ascii_serialization(), url.path())
}
