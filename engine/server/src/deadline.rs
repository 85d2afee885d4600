//! How long a read may take: what the server allows, or less where its client says so.

use std::time::Duration;

use axum::http::HeaderMap;

use crate::problem::Problem;

/// How long the client waits, in whole milliseconds. RFC 7240's `Prefer: wait` counts in seconds,
/// which is too coarse for a cache.
const HEADER: &str = "larder-timeout-ms";

/// What is kept of the server's limit for writing the answer, at most; a tenth where that is less.
const RESERVE: Duration = Duration::from_millis(100);

/// The time for a read whose request may take `limit` and came with `headers`. A client cannot
/// ask for more than the server gives.
pub(crate) fn time_for(limit: Duration, headers: &HeaderMap) -> Result<Duration, Problem> {
    let given = limit.saturating_sub(RESERVE.min(limit / 10));
    let mut asked = headers.get_all(HEADER).iter();
    let Some(first) = asked.next() else {
        return Ok(given);
    };
    let text = first.to_str().ok().filter(|_| asked.next().is_none());
    let digits = text.filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    match digits.and_then(|text| text.parse::<u32>().ok()) {
        Some(ms @ 1..) => Ok(given.min(Duration::from_millis(ms.into()))),
        _ => {
            let detail = format!(
                "the header `{HEADER}` is not one whole number of milliseconds from 1 to {}; say \
                 how long you wait for the answer, or leave it out",
                u32::MAX
            );
            Err(Problem::bad("invalid_header", detail))
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn asked(values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(HEADER, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        headers
    }

    #[test]
    fn the_shorter_of_both_holds() {
        for (limit_ms, values, time_ms) in [
            (60_000, &[][..], 59_900),
            (400, &[], 360),
            (0, &[], 0),
            (60_000, &["1"], 1),
            (60_000, &["250"], 250),
            (60_000, &["60000"], 59_900),
            (60_000, &["4294967295"], 59_900),
        ] {
            let time = time_for(Duration::from_millis(limit_ms), &asked(values)).unwrap();
            assert_eq!(time.as_millis(), time_ms, "{limit_ms} {values:?}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for values in [
            &["0"][..],
            &[""],
            &["-1"],
            &["+1"],
            &["1.5"],
            &["1s"],
            &["ü"],
            &["4294967296"],
            &["100", "200"],
        ] {
            let problem = time_for(Duration::from_secs(60), &asked(values)).unwrap_err();
            assert_eq!(problem.code, "invalid_header", "{values:?}");
        }
    }
}
