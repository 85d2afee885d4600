//! What the answers of a service mean.

use std::error::Error as _;

use bytes::{Bytes, BytesMut};
use larder_core::request::clip;
use reqwest::header::{LOCATION, TRANSFER_ENCODING};
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
    /// It is an answer for whoever asked.
    Said,
    Error(fn(String) -> OriginError),
}

/// Reads a status. A part of a value (206) or what changed of it (226) was not asked for, and an
/// address elsewhere, which may be told within the service's own, is of no use to clients.
pub(super) fn meaning(status: StatusCode) -> Meaning {
    match status.as_u16() {
        206 | 226 => Meaning::Error(OriginError::Broken),
        200..=299 => Meaning::Done,
        404 | 410 => Meaning::Absent,
        400..=599 => Meaning::Said,
        _ => Meaning::Error(OriginError::Failed),
    }
}

/// Says what was answered.
pub(super) fn describe(method: &str, url: &Url, response: &Response) -> String {
    let status = response.status();
    let address = shown(url);
    if status == StatusCode::NOT_MODIFIED {
        return format!("{method} {address} answered {status}, and nothing conditional was asked");
    }
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

/// Whether the body is as it was made. One in another transfer coding than chunks is sent only to
/// who asks for it (RFC 9112, 7.4), and taken as it comes it would be another value.
fn check_transfer(response: &Response) -> Result<(), OriginError> {
    let lines = response.headers().get_all(TRANSFER_ENCODING).iter();
    let lines: Vec<_> = lines
        .map(|line| String::from_utf8_lossy(line.as_bytes()))
        .collect();
    let codings = lines.iter().flat_map(|line| line.split(',')).map(str::trim);
    let mut others = codings.filter(|coding| !coding.eq_ignore_ascii_case("chunked"));
    match others.next() {
        Some(coding) => Err(OriginError::Broken(format!(
            "its body is in the transfer coding `{}`, which nobody asked for",
            clip(coding)
        ))),
        None => Ok(()),
    }
}

/// The whole body, of at most `max` bytes. One without a length ends with its connection (RFC 9112,
/// 6.3), and is whole if that was closed in order.
pub(super) async fn body(mut response: Response, max: u64) -> Result<Bytes, OriginError> {
    let too_large = || OriginError::TooLarge { limit_bytes: max };
    check_transfer(&response)?;
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

/// How a request failed before its status came.
pub(super) fn failure(method: &str, url: &Url, error: &reqwest::Error) -> OriginError {
    let text = format!("{method} {}: {}", shown(url), cause(error));
    if error.is_connect() {
        OriginError::Unreachable(text)
    } else {
        OriginError::Broken(text)
    }
}

/// Whether the connection ended before there was an answer, as one may that was idle for long.
pub(super) fn is_cut_off(error: &reqwest::Error) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    if error.is_connect() || error.is_timeout() {
        return false;
    }
    let mut sources = std::iter::successors(error.source(), |inner| (*inner).source());
    sources.any(|source| {
        let http = source.downcast_ref::<hyper::Error>();
        let http = http.is_some_and(|error| {
            error.is_incomplete_message() || error.is_closed() || error.is_canceled()
        });
        let ends = [
            BrokenPipe,
            ConnectionAborted,
            ConnectionReset,
            UnexpectedEof,
        ];
        let io = source.downcast_ref::<std::io::Error>();
        http || io.is_some_and(|error| ends.contains(&error.kind()))
    })
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
