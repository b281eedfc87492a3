//! How a request is refused: `{"error": {"code", "message", "hint"}}` with a fitting status.

use super::control::Refusal;
use crate::hint;
use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};

/// What went wrong, on the wire.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ErrorBody {
    pub(crate) error: ErrorView,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ErrorView {
    /// A word to branch on: `not-found`, `not-now`, `invalid`, `failed`, `busy`, `too-large`, `timeout`.
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

/// A refused request.
#[derive(Debug)]
pub(crate) struct Refused {
    status: StatusCode,
    code: &'static str,
    message: String,
    hint: Option<String>,
}

impl Refused {
    pub(crate) fn invalid(message: impl Into<String>) -> Refused {
        Refused { status: StatusCode::BAD_REQUEST, code: "invalid", message: message.into(), hint: None }
    }

    pub(crate) fn not_found(message: impl Into<String>, hint: &'static str) -> Refused {
        Refused {
            status: StatusCode::NOT_FOUND,
            code: "not-found",
            message: message.into(),
            hint: Some(hint.to_owned()),
        }
    }

    pub(crate) fn method(message: impl Into<String>) -> Refused {
        Refused { status: StatusCode::METHOD_NOT_ALLOWED, code: "invalid", message: message.into(), hint: None }
    }

    pub(crate) fn too_large(message: impl Into<String>) -> Refused {
        Refused { status: StatusCode::PAYLOAD_TOO_LARGE, code: "too-large", message: message.into(), hint: None }
    }

    pub(crate) fn busy() -> Refused {
        let message = "too many requests are under way".to_owned();
        let hint = Some("try again; end clients that follow events".to_owned());
        Refused { status: StatusCode::SERVICE_UNAVAILABLE, code: "busy", message, hint }
    }

    pub(crate) fn timeout() -> Refused {
        let message = "the answer took too long; what was asked may still happen".to_owned();
        let hint = Some("agentd events shows what happened".to_owned());
        Refused { status: StatusCode::GATEWAY_TIMEOUT, code: "timeout", message, hint }
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Refused {
        let (status, code, hint) = match &refusal {
            Refusal::NotFound(_) => (StatusCode::NOT_FOUND, "not-found", None),
            Refusal::NotNow(_) => (StatusCode::CONFLICT, "not-now", None),
            Refusal::Invalid(_) => (StatusCode::BAD_REQUEST, "invalid", None),
            Refusal::Failed(_) => (StatusCode::INTERNAL_SERVER_ERROR, "failed", Some("agentd logs says more")),
        };
        // Whoever knew better what to do has said it below what happened.
        let (message, own) = hint::apart(&refusal.to_string());
        Refused { status, code, message, hint: own.or(hint.map(str::to_owned)) }
    }
}

impl From<agentd_store::Error> for Refused {
    fn from(error: agentd_store::Error) -> Refused {
        tracing::warn!(error = %error, "The store could not answer a request");
        Refusal::Failed(error.to_string()).into()
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let Refused { status, code, message, hint } = self;
        let error = ErrorView { code: code.to_owned(), message, hint };
        (status, Json(ErrorBody { error })).into_response()
    }
}
