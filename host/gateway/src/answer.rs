//! What the gateway answers: the type of all answers and bodies, and the small texts that it writes by itself.

use crate::Refusal;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::{Response, StatusCode, header::CONTENT_TYPE};
use std::{convert::Infallible, io};

/// The body of every answer, made here or passed on.
pub(crate) type Body = BoxBody<Bytes, io::Error>;

/// What a request gets, and what its run has to be told of it.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) response: Response<Body>,
    /// What was not done.
    pub(crate) refusal: Option<Refusal>,
}

impl From<Response<Body>> for Answered {
    fn from(response: Response<Body>) -> Answered {
        Answered { response, refusal: None }
    }
}

/// As a text for whoever reads the output of a tool. Who speaks another language makes its own answer.
impl From<Refusal> for Answered {
    fn from(refusal: Refusal) -> Answered {
        let Refusal { what, why, allow } = &refusal;
        let shown = match allow {
            Some(line) => {
                format!("agentd refused {what}: {why}\nThis line in agentd's configuration allows it: {line}")
            }
            None => format!("agentd refused {what}: {why}"),
        };
        Answered { response: text(StatusCode::FORBIDDEN, shown), refusal: Some(refusal) }
    }
}

/// A body that is there as a whole.
pub(crate) fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never: Infallible| match never {}).boxed()
}

/// A short text for whoever reads the output of a tool.
pub(crate) fn text(status: StatusCode, text: impl Into<String>) -> Response<Body> {
    let mut text: String = text.into();
    text.push('\n');
    typed(status, "text/plain; charset=utf-8", text)
}

pub(crate) fn typed(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(full(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(content_type));
    response
}
