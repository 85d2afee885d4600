//! Values with what HTTP says of them: from a request, and into an answer.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use larder::Value;
use larder::core::Head;

use crate::problem::Problem;
use crate::targeted;

/// What an application may say of a value that it loaded, beside `Content-*`.
pub(crate) const OF_LOADED: [&str; 3] = ["etag", "last-modified", "link"];

/// The value that a request brings: its bytes, their type, and the headers that describe them, which
/// are `Content-*` and those in `more`.
pub(crate) fn value(headers: &HeaderMap, bytes: Bytes, more: &[&str]) -> Result<Value, Problem> {
    if headers.contains_key(header::CONTENT_RANGE) {
        let detail = "`Content-Range` says that the body is a part of a value, and a part would \
                      be kept for the whole; send the whole value";
        return Err(Problem::bad("invalid_header", detail));
    }
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    if codings.any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"chunked")) {
        let detail = "`Transfer-Encoding` names more than `chunked`, which is all that is undone \
                      here, and the rest would be kept as the value; send it without";
        let status = StatusCode::NOT_IMPLEMENTED;
        return Err(Problem::new(status, "unsupported_transfer", detail));
    }
    let describes = |name: &str| name.starts_with("content-") || more.contains(&name);
    let lines = headers.iter();
    let lines = lines.filter(|(name, _)| describes(name.as_str()));
    let lines = lines.map(|(name, value)| (name, Bytes::copy_from_slice(value.as_bytes())));
    let head = Head::new(StatusCode::OK.as_u16(), lines);
    let kind = headers.get(header::CONTENT_TYPE);
    Ok(Value {
        bytes,
        content_type: kind.and_then(|kind| kind.to_str().ok()).map(Into::into),
        head: head.map_err(|error| Problem::bad("invalid_header", error.to_string()))?,
    })
}

/// The answer with a value, which comes out of the cache or, with this request, from its origin.
pub(crate) fn response(value: Value, cached: bool) -> Response {
    let coded = value.coding().is_some();
    let empty = value.bytes.is_empty();
    let mut response = Response::new(Body::from(value.bytes));
    // With what every answer carries, a map that grows by itself would be built twice.
    response.headers_mut().reserve(12);
    if let Some(head) = &value.head {
        let status = StatusCode::from_u16(head.status());
        *response.status_mut() = status.unwrap_or_default();
        add_lines(response.headers_mut(), head, |name, value| {
            is_told(name, value, cached)
        });
        note_origin(response.headers_mut(), head.status());
    }
    let headers = response.headers_mut();
    let kind = value.content_type.as_deref();
    if let Some(kind) = kind.and_then(|kind| HeaderValue::from_str(kind).ok()) {
        headers.insert(header::CONTENT_TYPE, kind);
    } else if value.head.is_none() || !empty {
        // What nobody named must not be guessed at.
        let unknown = HeaderValue::from_static("application/octet-stream");
        headers.entry(header::CONTENT_TYPE).or_insert(unknown);
    }
    if coded {
        headers.append(header::VARY, HeaderValue::from_static("accept-encoding"));
    }
    response
}

/// Adds the status and the header lines of a value whose body is not answered.
pub(crate) fn add_others(headers: &mut HeaderMap, value: &Value, cached: bool) {
    if let Some(head) = &value.head {
        // The origin's own word on when to come back is better than what was made of it.
        if head.all("retry-after").next().is_some() {
            headers.remove(header::RETRY_AFTER);
        }
        add_lines(headers, head, |name, value| {
            is_told(name, value, cached) && !name.starts_with("content-")
        });
        note_origin(headers, head.status());
    }
}

/// What an HTTP origin's status of a write means for the answer, which has a body of its own.
pub(crate) fn status_of_write(said: &Head) -> StatusCode {
    match said.status() {
        201 => StatusCode::CREATED,
        202 => StatusCode::ACCEPTED,
        _ => StatusCode::OK,
    }
}

/// Adds the header lines of an HTTP origin's answer to a write that are about what was written, such
/// as `ETag` and `Location`.
pub(crate) fn add_written(headers: &mut HeaderMap, said: &Head) {
    add_lines(headers, said, |name, value| {
        !name.starts_with("content-")
            && !OF_AN_ANSWER.contains(&name)
            && is_told(name, value, false)
    });
}

/// What is about the answer to a write itself, or says how it may be kept.
const OF_AN_ANSWER: [&str; 7] = [
    "accept-ranges",
    "age",
    "cache-control",
    "cache-status",
    "expires",
    "pragma",
    "vary",
];

/// Tells an answer of the origin that is no value from one of Larder's own.
fn note_origin(headers: &mut HeaderMap, status: u16) {
    if status >= 400 {
        headers.insert("larder-origin-status", HeaderValue::from(status));
    }
}

/// What caches further in did is told of the request that they did it for (RFC 9211, 2), and not of
/// those that are answered out of this one.
fn is_told(name: &str, value: &[u8], cached: bool) -> bool {
    match name {
        "cache-status" => !cached,
        _ => !targeted::lets(name, value),
    }
}

fn add_lines(headers: &mut HeaderMap, head: &Head, which: impl Fn(&str, &[u8]) -> bool) {
    for (name, value) in head
        .lines()
        .iter()
        .filter(|(name, value)| which(name, value))
    {
        let name = HeaderName::from_bytes(name.as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_maybe_shared(value.clone())) {
            headers.append(name, value);
        }
    }
}
