//! Sends by `wasi:http`, as the libraries of most languages do.

use crate::Settings;
use wasip2::http::outgoing_handler::handle;
use wasip2::http::types::{ErrorCode, Fields, IncomingResponse, Method, OutgoingBody, OutgoingRequest, Scheme};

/// The status and the body, or why there is none.
pub(crate) fn send(settings: &Settings) -> String {
    match exchange(settings) {
        Ok(response) => format!("{} {}", response.status(), read(&response)),
        Err(why) => why,
    }
}

fn exchange(settings: &Settings) -> Result<IncomingResponse, String> {
    let headers = Fields::new();
    let set = |name: &str, value: &str| headers.append(name, value.as_bytes()).map_err(|error| format!("{error:?}"));
    match settings.does.as_str() {
        "wasi-http-host" => set("Host", "example.org")?,
        "wasi-http-chunked" => set("Transfer-Encoding", "chunked")?,
        "wasi-http-split" => set("x", "a\r\nhost: b")?,
        _ => (),
    }
    if let Some(credential) = &settings.credential {
        set("agentd-credential", credential)?;
    }
    let (scheme, rest) = settings.url.split_once("://").unwrap_or(("https", settings.url.as_str()));
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let request = OutgoingRequest::new(headers);
    let scheme = if scheme == "http" { Scheme::Http } else { Scheme::Https };
    let bad = |()| "invalid".to_owned();
    request.set_method(&Method::Post).map_err(bad)?;
    request.set_scheme(Some(&scheme)).map_err(bad)?;
    request.set_authority(Some(authority)).map_err(bad)?;
    request.set_path_with_query(Some(&format!("/{path}"))).map_err(bad)?;
    let body = request.body().map_err(bad)?;
    let answer = handle(request, None).map_err(|error| word(&error))?;
    let stream = body.write().map_err(bad)?;
    stream.blocking_write_and_flush(b"hello").map_err(|error| format!("{error:?}"))?;
    drop(stream);
    OutgoingBody::finish(body, None).map_err(|error| word(&error))?;
    answer.subscribe().block();
    let answer = answer.get().ok_or("nothing yet")?.map_err(bad)?;
    answer.map_err(|error| word(&error))
}

fn read(response: &IncomingResponse) -> String {
    let Ok(body) = response.consume() else { return "no body".into() };
    let Ok(stream) = body.stream() else { return "no stream".into() };
    let mut bytes = vec![];
    while let Ok(piece) = stream.blocking_read(64 << 10) {
        bytes.extend(piece);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn word(error: &ErrorCode) -> String {
    format!("{error:?}")
}
