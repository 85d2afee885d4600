//! What the answers of a service mean.

use std::error::Error as _;

use bytes::{Bytes, BytesMut};
use reqwest::header::{CONTENT_LENGTH, LOCATION, TRANSFER_ENCODING};
use reqwest::{Response, StatusCode, Url};

use super::address::shown;
use crate::OriginError;

/// Bodies that nobody wants are read up to this size, which keeps the connection usable.
const DRAINED: usize = 64 << 10;

/// What a status means for a call.
#[derive(Clone, Copy, Debug)]
pub(super) enum Meaning {
    Done,
    Absent,
    Error(fn(String) -> OriginError),
}

/// Reads a status. Only answers that repeating cannot change are refusals.
pub(super) fn meaning(status: StatusCode) -> Meaning {
    match status.as_u16() {
        206 => Meaning::Error(OriginError::Broken),
        200..=299 => Meaning::Done,
        404 | 410 => Meaning::Absent,
        408 | 425 | 429 => Meaning::Error(OriginError::Failed),
        400..=499 => Meaning::Error(OriginError::Rejected),
        _ => Meaning::Error(OriginError::Failed),
    }
}

/// Says what was answered.
pub(super) fn describe(method: &str, url: &Url, response: &Response) -> String {
    let status = response.status();
    let address = shown(url);
    if !status.is_redirection() {
        return format!("{method} {address} answered {status}");
    }
    let target = response
        .headers()
        .get(LOCATION)
        .and_then(|location| location.to_str().ok())
        .and_then(|location| url.join(location).ok())
        .map_or_else(|| "nowhere".into(), |target| shown(&target));
    format!(
        "{method} {address} answered {status} to {target}: redirects are not followed, \
         so configure the address that answers"
    )
}

/// The whole body, of at most `max` bytes.
pub(super) async fn body(mut response: Response, max: u64) -> Result<Bytes, OriginError> {
    let too_large = || OriginError::TooLarge { limit_bytes: max };
    check_framing(&response)?;
    let announced = response.content_length().unwrap_or(0);
    if announced > max {
        return Err(too_large());
    }
    let mut whole = BytesMut::with_capacity(usize::try_from(announced).unwrap_or(0));
    while let Some(chunk) = response
        .chunk()
        .await
        .map_err(|error| OriginError::Broken(cause(&error)))?
    {
        if (whole.len() + chunk.len()) as u64 > max {
            return Err(too_large());
        }
        whole.extend_from_slice(&chunk);
    }
    Ok(whole.freeze())
}

/// Reads what is left, if it is little.
pub(super) async fn drain(mut response: Response) {
    let mut read = 0;
    while let Ok(Some(chunk)) = response.chunk().await {
        read += chunk.len();
        if read > DRAINED {
            return;
        }
    }
}

/// Refuses bodies whose end cannot be told from a cut.
fn check_framing(response: &Response) -> Result<(), OriginError> {
    let headers = response.headers();
    let framed = headers.contains_key(CONTENT_LENGTH) || headers.contains_key(TRANSFER_ENCODING);
    if framed || matches!(response.status().as_u16(), 204 | 205) {
        return Ok(());
    }
    Err(OriginError::Broken(
        "the answer has neither Content-Length nor chunks, so half a body would look whole; \
         have the service send one of them"
            .into(),
    ))
}

/// How a request failed before its status came.
pub(super) fn failure(method: &str, url: &Url, error: &reqwest::Error) -> OriginError {
    let text = format!("{method} {}: {}", shown(url), cause(error));
    if error.is_connect() {
        OriginError::Unreachable(text)
    } else {
        OriginError::Broken(text)
    }
}

/// The innermost reason: the outer ones only say that sending failed, or repeat the address.
pub(super) fn cause(error: &reqwest::Error) -> String {
    let Some(mut innermost) = error.source() else {
        return "the request failed".into();
    };
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
