//! Bounded request bodies.

use axum::body::{Body, HttpBody as _};
use axum::http::StatusCode;
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;

use crate::problem::Problem;

/// The whole body, if it is no longer than `max` bytes. One that says to be longer is refused before
/// any of it is read: who waits to be told to go on (`Expect`) never sends it.
pub(crate) async fn read(body: Body, max: usize) -> Result<Bytes, Problem> {
    if body.size_hint().lower() > max as u64 {
        return Err(too_large(max));
    }
    let collected = Limited::new(body, max).collect().await;
    match collected {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large(max)),
        Err(error) => Err(Problem::bad(
            "body_incomplete",
            format!("the body did not arrive whole: {error}"),
        )),
    }
}

fn too_large(max: usize) -> Problem {
    Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "body_too_large",
        format!("the body has more than {max} bytes; `body_max` in [server] is the limit"),
    )
}

/// The body as JSON of one type. The content type is not looked at: `curl -d` sends the wrong one.
pub(crate) async fn json<T: DeserializeOwned>(
    body: Body,
    max: usize,
    what: &str,
) -> Result<T, Problem> {
    let bytes = read(body, max).await?;
    // A mark of the byte order, as some tools write it before UTF-8, says nothing (RFC 8259, 8.1).
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    serde_json::from_slice(bytes).map_err(|error| {
        let detail = match std::str::from_utf8(bytes) {
            Err(at) => format!(
                "the body is not UTF-8: byte {} begins no character; send JSON in UTF-8",
                at.valid_up_to()
            ),
            Ok(_) if bytes.is_empty() => format!("the body is empty; send {what} as JSON"),
            Ok(_) => format!("the body is not {what}: {error}"),
        };
        Problem::bad("invalid_body", detail)
    })
}
