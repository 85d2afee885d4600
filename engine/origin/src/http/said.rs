//! Answers that bring no value, kept whole for whoever asked.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use larder_core::Value;
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use reqwest::{Method, Response, Url};
use tokio::time::Instant;

use super::{answer, headers};
use crate::OriginError;
use crate::answered::{Answered, RETRY_AFTER_MAX_S};

/// The longest body that is passed on, in bytes.
const BODY_MAX: u64 = 64 << 10;

/// The answer with its body, as far as both may be kept; and whether the body is all there. Reading
/// it may take half of the time that is left: what the status says must not be lost to a timeout.
pub(super) async fn value(
    response: Response,
    deadline: Instant,
) -> Result<(Value, bool), OriginError> {
    let head = headers::head(response.status(), response.headers())?;
    let content_type = headers::content_type(response.headers()).map(Into::into);
    let left = deadline.saturating_duration_since(Instant::now());
    let body = tokio::time::timeout(left / 2, answer::body(response, BODY_MAX)).await;
    let body = body.ok().and_then(Result::ok);
    let whole = body.is_some();
    let value = Value {
        bytes: body.unwrap_or_else(Bytes::new),
        content_type,
        head,
    };
    Ok((value, whole))
}

/// The error that an answer of 400 or above is.
pub(super) async fn error(
    (method, url): (&Method, &Url),
    response: Response,
    deadline: Instant,
) -> OriginError {
    let what = answer::describe(method.as_str(), url, &response);
    let status = response.status().as_u16();
    let retry_after_ms = match status {
        429 | 503 => retry_after_ms(response.headers(), now()),
        _ => None,
    };
    match value(response, deadline).await {
        Ok((value, whole)) => OriginError::Answered {
            status,
            answer: Arc::new(Answered {
                what,
                value,
                whole,
                retry_after_ms,
            }),
        },
        Err(error) => error,
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the rule takes it as an argument; only here it is read"
)]
fn now() -> SystemTime {
    SystemTime::now()
}

/// What `Retry-After` says, in seconds or as a date by the service's own clock, if it tells that
/// (RFC 9110, 10.2.3). What is neither says nothing.
fn retry_after_ms(headers: &HeaderMap, now: SystemTime) -> Option<u64> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let most = RETRY_AFTER_MAX_S * 1000;
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than a number has are a long time as well.
        let seconds = text.parse().unwrap_or(u64::MAX);
        return Some(seconds.saturating_mul(1000).min(most));
    }
    let until = httpdate::parse_http_date(text).ok()?;
    let date = headers.get(DATE).and_then(|date| date.to_str().ok());
    let from = date.and_then(|date| httpdate::parse_http_date(date).ok());
    let wait = until.duration_since(from.unwrap_or(now));
    let wait = wait.unwrap_or(Duration::ZERO).as_millis();
    Some(u64::try_from(wait).unwrap_or(most).min(most))
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    #[test]
    fn retry_after_is_read_in_each_form() {
        const DATE_1: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
        let now = httpdate::parse_http_date(DATE_1).unwrap();
        for (text, date, expected) in [
            ("7", "", Some(7_000)),
            (" 7 ", "", Some(7_000)),
            ("0", "", Some(0)),
            ("86400", "", Some(300_000)),
            ("99999999999999999999999", "", Some(300_000)),
            ("Sun, 06 Nov 1994 08:49:47 GMT", "", Some(10_000)),
            // The two obsolete forms, which a recipient has to take.
            ("Sunday, 06-Nov-94 08:49:47 GMT", "", Some(10_000)),
            ("Sun Nov  6 08:49:47 1994", "", Some(10_000)),
            ("Sun, 06 Nov 1994 08:49:27 GMT", "", Some(0)),
            // A clock that is ahead says so itself.
            (
                "Sun, 06 Nov 1994 09:49:47 GMT",
                "Sun, 06 Nov 1994 09:49:37 GMT",
                Some(10_000),
            ),
            ("-1", "", None),
            ("1.5", "", None),
            ("soon", "", None),
            ("", "", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, HeaderValue::from_str(text).unwrap());
            if !date.is_empty() {
                headers.insert(DATE, HeaderValue::from_str(date).unwrap());
            }
            assert_eq!(retry_after_ms(&headers, now), expected, "{text} {date}");
        }
        assert_eq!(retry_after_ms(&HeaderMap::new(), now), None);
    }
}
