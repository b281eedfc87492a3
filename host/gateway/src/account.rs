//! The providers: what they speak, which of their paths are open, and how their errors look.
//!
//! The lists of paths are fixed. What an agent's CLI does not need to work is not on them: files, batches, fine-tuning
//! and whatever is added one day would let data out of the sandbox, or spend money that no meter reads.

use crate::answer::{self, Body};
use hyper::{Method, Response, StatusCode, header::HeaderName};
use serde_json::json;

/// An account with a model provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub provider: Provider,
    /// Its base URL, without a slash at the end: of Anthropic what stands before `/v1`, of Gemini what stands before
    /// `/v1beta`, of the others what stands before `/responses`.
    pub url: String,
    /// The credential's name in the egress. Empty: it needs none.
    pub credential: String,
}

/// Whose language is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Provider {
    Anthropic,
    OpenAi,
    OpenAiCompatible,
    Gemini,
}

/// What a path means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// Costs money, and tells its usage in this shape.
    Call(Shape),
    /// Costs nothing: counting tokens, listing models.
    Free,
}

/// How an answer tells its usage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Messages,
    Responses,
    Chat,
    Generate,
}

impl Provider {
    /// The languages spoken there, in the words of an agent plugin's wants.
    #[must_use]
    pub fn apis(self) -> &'static [&'static str] {
        match self {
            Provider::Anthropic => &["anthropic-messages"],
            Provider::OpenAi => &["openai-responses", "openai-chat"],
            Provider::OpenAiCompatible => &["openai-chat", "openai-responses"],
            Provider::Gemini => &["gemini"],
        }
    }

    /// What `path`, below an endpoint's URL, means; `None`: it is not open.
    pub(crate) fn route(self, method: &Method, path: &str) -> Option<Route> {
        let models = match self {
            Provider::Anthropic => match (method, path) {
                (&Method::POST, "/v1/messages") => return Some(Route::Call(Shape::Messages)),
                (&Method::POST, "/v1/messages/count_tokens") => return Some(Route::Free),
                _ => "/v1/models",
            },
            Provider::OpenAi | Provider::OpenAiCompatible => match (method, path) {
                (&Method::POST, "/responses") => return Some(Route::Call(Shape::Responses)),
                (&Method::POST, "/chat/completions") => return Some(Route::Call(Shape::Chat)),
                _ => "/models",
            },
            Provider::Gemini => match (method, generated(path)) {
                (&Method::POST, Some((_, "generateContent" | "streamGenerateContent"))) => {
                    return Some(Route::Call(Shape::Generate));
                }
                (&Method::POST, Some((_, "countTokens"))) => return Some(Route::Free),
                _ => GEMINI_MODELS,
            },
        };
        let id = path.strip_prefix(models)?;
        let readable = id.is_empty() || id.strip_prefix('/').is_some_and(is_model_id);
        (readable && method == Method::GET).then_some(Route::Free)
    }

    /// The model that a path names, and whether the answer comes as a stream; `None`: the request's body says both.
    pub(crate) fn named_in(self, path: &str) -> Option<(&str, bool)> {
        let (model, verb) = generated(path).filter(|_| self == Provider::Gemini)?;
        Some((model, verb == "streamGenerateContent"))
    }

    /// What of a request's query is sent on. Google's interfaces take a key there, and the choice of fields, by which the
    /// usage would be missing from the answer.
    pub(crate) fn query(self, query: Option<&str>) -> Option<String> {
        match self {
            Provider::Gemini => {
                let kept = query?.split('&').filter(|it| *it == "alt=sse" || is_page(it)).collect::<Vec<_>>().join("&");
                (!kept.is_empty()).then_some(kept)
            }
            Provider::Anthropic | Provider::OpenAi | Provider::OpenAiCompatible => query.map(str::to_owned),
        }
    }

    /// What is open, for people.
    pub(crate) fn routes(self) -> &'static str {
        match self {
            Provider::Anthropic => "POST /v1/messages, POST /v1/messages/count_tokens and GET /v1/models",
            Provider::OpenAi | Provider::OpenAiCompatible => "POST /responses, POST /chat/completions and GET /models",
            Provider::Gemini => {
                "POST /v1beta/models/MODEL:generateContent, :streamGenerateContent and :countTokens, and GET \
                 /v1beta/models"
            }
        }
    }

    /// An error of the gateway's own, as this provider's clients read theirs. `final_word`: they should not try again.
    pub(crate) fn error(self, status: StatusCode, message: &str, final_word: bool) -> Response<Body> {
        let message = format!("agentd: {message}");
        let body = match self {
            Provider::Anthropic => {
                json!({"type": "error", "error": {"type": anthropic_type(status), "message": message}})
            }
            Provider::OpenAi | Provider::OpenAiCompatible => {
                json!({"error": {"message": message, "type": openai_type(status), "param": null, "code": null}})
            }
            Provider::Gemini => {
                json!({"error": {"code": status.as_u16(), "message": message, "status": google_status(status)}})
            }
        };
        let mut response = answer::typed(status, "application/json", body.to_string());
        if final_word {
            let no = hyper::header::HeaderValue::from_static("false");
            response.headers_mut().insert(HeaderName::from_static("x-should-retry"), no);
        }
        response
    }
}

/// Where Gemini's models are.
const GEMINI_MODELS: &str = "/v1beta/models";

/// Model and verb of `/v1beta/models/MODEL:VERB`.
fn generated(path: &str) -> Option<(&str, &str)> {
    let (model, verb) = path.strip_prefix(GEMINI_MODELS)?.strip_prefix('/')?.rsplit_once(':')?;
    is_model_id(model).then_some((model, verb))
}

/// Which page of a list is asked for.
fn is_page(parameter: &str) -> bool {
    parameter.starts_with("pageSize=") || parameter.starts_with("pageToken=")
}

/// Names of models have colons, dots and, behind some gateways, slashes.
fn is_model_id(id: &str) -> bool {
    let segment = |it: &str| {
        !matches!(it, "" | "." | "..")
            && it.bytes().all(|it| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'_' | b'.' | b':' | b'@' | b'+'))
    };
    id.len() <= 200 && id.split('/').all(segment)
}

fn anthropic_type(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        400..=499 => "invalid_request_error",
        504 => "timeout_error",
        503 | 529 => "overloaded_error",
        _ => "api_error",
    }
}

fn openai_type(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 => "authentication_error",
        429 => "rate_limit_error",
        400..=499 => "invalid_request_error",
        _ => "server_error",
    }
}

fn google_status(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        429 => "RESOURCE_EXHAUSTED",
        400..=499 => "INVALID_ARGUMENT",
        502..=503 => "UNAVAILABLE",
        504 => "DEADLINE_EXCEEDED",
        _ => "INTERNAL",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(provider: Provider, method: &Method, path: &str, expected: Option<Route>) {
        assert_eq!(provider.route(method, path), expected, "{provider:?} {method} {path}");
    }

    #[test]
    fn only_what_an_agent_needs_is_open() {
        use Provider::{Anthropic, OpenAi, OpenAiCompatible};
        check(Anthropic, &Method::POST, "/v1/messages", Some(Route::Call(Shape::Messages)));
        check(Anthropic, &Method::POST, "/v1/messages/count_tokens", Some(Route::Free));
        check(Anthropic, &Method::GET, "/v1/models", Some(Route::Free));
        check(Anthropic, &Method::GET, "/v1/models/claude-opus-4-5", Some(Route::Free));
        for provider in [OpenAi, OpenAiCompatible] {
            check(provider, &Method::POST, "/responses", Some(Route::Call(Shape::Responses)));
            check(provider, &Method::POST, "/chat/completions", Some(Route::Call(Shape::Chat)));
            check(provider, &Method::GET, "/models/org/name:free", Some(Route::Free));
            check(provider, &Method::POST, "/v1/messages", None);
        }
        for path in
            ["", "/", "/v1", "/v1/messages/", "/v1/messages/batches", "/v1/files", "/v1/modelsx", "//v1/messages"]
        {
            check(Anthropic, &Method::POST, path, None);
        }
        for path in
            ["/v1/models/..", "/v1/models/a/../b", "/v1/models/a%2fb", "/v1/models/", "/v1/models/a?b", "/models"]
        {
            check(Anthropic, &Method::GET, path, None);
        }
        check(Anthropic, &Method::GET, "/v1/messages", None);
        check(Anthropic, &Method::DELETE, "/v1/models/x", None);
        check(OpenAi, &Method::POST, "/responses/compact", None);
        check(OpenAi, &Method::GET, "/responses/resp_1", None);
    }

    #[test]
    fn gemini_names_model_and_verb_in_the_path() {
        use Provider::Gemini;
        let call = Some(Route::Call(Shape::Generate));
        check(Gemini, &Method::POST, "/v1beta/models/gemini-3.8-flash:generateContent", call);
        check(Gemini, &Method::POST, "/v1beta/models/gemini-3.8-flash:streamGenerateContent", call);
        check(Gemini, &Method::POST, "/v1beta/models/gemini-3.8-flash:countTokens", Some(Route::Free));
        check(Gemini, &Method::GET, "/v1beta/models", Some(Route::Free));
        check(Gemini, &Method::GET, "/v1beta/models/gemini-3.8-flash", Some(Route::Free));
        for path in [
            "/v1beta/models/gemini-3.8-flash",
            "/v1beta/models/gemini-3.8-flash:batchGenerateContent",
            "/v1beta/models/gemini-3.8-flash:generateContentx",
            "/v1beta/models/..:generateContent",
            "/v1beta/models/:generateContent",
            "/v1beta/models/a%3ab:generateContent",
            "/v1beta/tunedModels/a:generateContent",
            "/v1beta/files",
            "/v1beta/cachedContents",
            "/upload/v1beta/files",
            "/v1/messages",
        ] {
            check(Gemini, &Method::POST, path, None);
        }
        assert_eq!(Gemini.named_in("/v1beta/models/a/b:generateContent"), Some(("a/b", false)));
        assert_eq!(Gemini.named_in("/v1beta/models/m:streamGenerateContent"), Some(("m", true)));
        assert_eq!(Provider::OpenAi.named_in("/v1beta/models/m:streamGenerateContent"), None);
    }

    #[test]
    fn of_geminis_query_nothing_goes_on_that_could_be_a_key_or_hide_the_usage() {
        #[track_caller]
        fn check(provider: Provider, query: Option<&str>, expected: Option<&str>) {
            assert_eq!(provider.query(query).as_deref(), expected);
        }
        check(Provider::Gemini, Some("alt=sse"), Some("alt=sse"));
        check(Provider::Gemini, Some("key=own&alt=sse&fields=candidates&$alt=json&access_token=x"), Some("alt=sse"));
        check(Provider::Gemini, Some("pageSize=5&pageToken=a"), Some("pageSize=5&pageToken=a"));
        check(Provider::Gemini, Some("alt=json"), None);
        check(Provider::Gemini, None, None);
        check(Provider::Anthropic, Some("beta=true"), Some("beta=true"));
    }
}
