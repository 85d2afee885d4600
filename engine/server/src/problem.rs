//! Errors as problem documents (RFC 9457) with a stable code.

use std::sync::Arc;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use larder::Error;
use larder::origin::{Answered, OriginError};
use larder::store::queue::QueueError;

use crate::{complaints, front, stored, wire};

/// An error on its way to a client.
#[derive(Debug)]
pub struct Problem {
    /// The HTTP status.
    pub status: StatusCode,
    /// The stable name.
    pub code: &'static str,
    /// What happened, to what, and what to do.
    pub detail: String,
    /// When to ask again, in milliseconds, where waiting is all that it takes.
    pub retry_after_ms: Option<u64>,
    /// What the origin answered, which is handed on in the place of the document.
    pub said: Option<Arc<Answered>>,
    /// Why it was asked, in the words of RFC 9211.
    pub forward: &'static str,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            code,
            detail: detail.into(),
            retry_after_ms: None,
            said: None,
            forward: "miss",
        }
    }

    /// The error of a write or a delete.
    pub(crate) fn of_write(error: Error) -> Self {
        Self {
            forward: "method",
            ..error.into()
        }
    }

    pub(crate) fn bad(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    pub(crate) fn wire(&self) -> wire::Problem {
        wire::Problem {
            kind: format!("urn:larder:problem:{}", self.code),
            title: self.code.replace('_', " "),
            status: self.status.as_u16(),
            code: self.code.to_owned(),
            detail: self.detail.clone(),
        }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let said = match &error {
            Error::Origin(OriginError::Answered { answer, .. }) => Some(Arc::clone(answer)),
            _ => None,
        };
        Self {
            retry_after_ms: error.retry_after_ms(),
            said,
            ..Self::new(status_of(&error), error.code(), error.to_string())
        }
    }
}

fn status_of(error: &Error) -> StatusCode {
    match error {
        Error::Request(_) | Error::Pattern(_) => StatusCode::BAD_REQUEST,
        Error::NoRoute(_) | Error::NoPolicy(_) => StatusCode::NOT_FOUND,
        Error::NoOrigin { .. } | Error::Unseen(_) | Error::NotInvalidated(_) => {
            StatusCode::INTERNAL_SERVER_ERROR
        }
        Error::Unsupported(_) | Error::UnjudgedPrecondition { .. } => StatusCode::NOT_IMPLEMENTED,
        Error::Encoded { .. } => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Error::RowParked { .. } => StatusCode::CONFLICT,
        Error::Queue(QueueError::Reused) => StatusCode::UNPROCESSABLE_ENTITY,
        Error::Denied { .. }
        | Error::WriteUndecided { .. }
        | Error::RowUndecided { .. }
        | Error::Store(_)
        | Error::Queue(_)
        | Error::BehindQueue { .. }
        | Error::PartlyQueued { .. }
        | Error::RowChanging
        | Error::Unflushable { .. }
        | Error::NoKeyRing
        | Error::OriginOpen { .. }
        | Error::OriginResting { .. }
        | Error::Overloaded { .. } => StatusCode::SERVICE_UNAVAILABLE,
        Error::Origin(OriginError::Answered { status, .. }) => {
            StatusCode::from_u16(*status).unwrap_or(StatusCode::BAD_GATEWAY)
        }
        Error::Origin(OriginError::Rejected(_)) => StatusCode::UNPROCESSABLE_ENTITY,
        Error::Origin(OriginError::WriteTooLarge { .. }) => StatusCode::PAYLOAD_TOO_LARGE,
        Error::Origin(OriginError::Timeout { .. })
        | Error::LoadTimeout { .. }
        | Error::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
        Error::Origin(_) | Error::Loader(_) | Error::Codec(_) => StatusCode::BAD_GATEWAY,
    }
}

/// The codes of answers with a status of 500 and above.
const OF_THE_SERVER: [&str; 35] = [
    "precondition_unsupported",
    "unsupported_transfer",
    "unsupported",
    "no_origin",
    "origin_unseen",
    "not_invalidated",
    "internal",
    "origin_failed",
    "origin_schema",
    "origin_broken",
    "origin_too_large",
    "origin_unreachable",
    "loader_failed",
    "codec_failed",
    "policy_denied",
    "write_undecided",
    "row_undecided",
    "origin_unavailable",
    "origin_resting",
    "overloaded",
    "behind_queue",
    "partly_queued",
    "row_changing",
    "queue_full",
    "queue_failed",
    "queue_corrupt",
    "no_key_ring",
    "unflushable",
    "store_failed",
    "not_ready",
    "shutting_down",
    "deadline_exceeded",
    "load_timeout",
    "origin_timeout",
    "request_timeout",
];

/// Errors of the server's at zero before the first, which an alert on the rate would miss.
pub(crate) fn register() {
    for code in OF_THE_SERVER {
        let _ = metrics::counter!("larder_http_errors_total", "code" => code);
    }
}

impl Problem {
    /// Counts an error of the server's.
    pub(crate) fn count(&self) {
        metrics::counter!("larder_http_errors_total", "code" => self.code).increment(1);
    }

    /// The answer, neither counted nor logged.
    pub(crate) fn document(&self) -> Response {
        let mut response = match &self.said {
            Some(said) => self.handed_on(said),
            None => self.own_document(),
        };
        front::forbid(response.headers_mut());
        response
    }

    /// The origin's answer; where it has no body, or none that could be had whole, the document with
    /// its headers.
    fn handed_on(&self, said: &Answered) -> Response {
        let speaks = said.whole && !said.value.bytes.is_empty();
        let mut response = match speaks {
            true => stored::response(said.value.clone(), false),
            false => self.own_document(),
        };
        let headers = response.headers_mut();
        if !speaks {
            stored::add_others(headers, &said.value, false);
        }
        let (why, status, code) = (self.forward, self.status.as_u16(), self.code);
        let text = format!("Larder; fwd={why}; fwd-status={status}; detail={code}");
        if let Ok(text) = HeaderValue::from_str(&text) {
            headers.append("cache-status", text);
        }
        response
    }

    fn own_document(&self) -> Response {
        let mut response = (self.status, axum::Json(self.wire())).into_response();
        let headers = response.headers_mut();
        let kind = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, kind);
        if let Some(ms) = self.retry_after_ms {
            // Whole seconds, and never "at once".
            let seconds = HeaderValue::from(ms.div_ceil(1000).max(1));
            headers.insert(header::RETRY_AFTER, seconds);
        }
        if self.code == "unsupported_encoding" {
            // What would be taken (RFC 9110, 12.5.3).
            let plain = HeaderValue::from_static("identity");
            headers.insert(header::ACCEPT_ENCODING, plain);
        }
        if self.status == StatusCode::UNAUTHORIZED && self.said.is_none() {
            let how = HeaderValue::from_static("Bearer");
            headers.insert(header::WWW_AUTHENTICATE, how);
        }
        response
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        if self.status.is_server_error() {
            self.count();
            complaints::note(&self, "");
        }
        self.document()
    }
}
