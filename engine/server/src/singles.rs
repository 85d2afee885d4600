//! Headers that may be there only once.

use axum::http::HeaderMap;

use crate::problem::Problem;

/// Beside all of Larder's own. Two of them mean two things, and whoever looks at the first and
/// whoever looks at the last would each be right (RFC 9110, 5.3).
const SINGLE: [&str; 21] = [
    "access-control-request-method",
    "authorization",
    "content-length",
    "content-location",
    "content-range",
    "content-type",
    "date",
    "etag",
    "from",
    "host",
    "idempotency-key",
    "if-modified-since",
    "if-range",
    "if-unmodified-since",
    "last-modified",
    "max-forwards",
    "origin",
    "proxy-authorization",
    "range",
    "referer",
    "user-agent",
];

const OWN: &str = "larder-";

/// Refuses a request that has one of them twice.
pub(crate) fn check(headers: &HeaderMap) -> Result<(), Problem> {
    if headers.len() == headers.keys_len() {
        return Ok(());
    }
    let single = |name: &str| name.starts_with(OWN) || SINGLE.contains(&name);
    let twice = headers
        .keys()
        .filter(|name| single(name.as_str()))
        .find(|name| headers.get_all(*name).iter().nth(1).is_some());
    match twice {
        Some(name) => Err(Problem::bad(
            "invalid_header",
            format!("the header `{name}` is there more than once; send it once"),
        )),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    fn headers(names: &[&str]) -> HeaderMap {
        let name = |name: &&str| HeaderName::from_bytes(name.as_bytes()).unwrap();
        let all = names.iter().map(name);
        all.map(|name| (name, HeaderValue::from_static("x"))).fold(
            HeaderMap::new(),
            |mut map, (name, value)| {
                map.append(name, value);
                map
            },
        )
    }

    #[test]
    fn what_may_be_there_once_is_not_there_twice() {
        for names in [
            &["Larder-Tenant", "larder-tenant"][..],
            &["Larder-Context-Tier", "Accept", "LARDER-CONTEXT-TIER"],
            &["Larder-Timeout-Ms", "Larder-Timeout-Ms"],
            &["Larder-Of-Tomorrow", "Larder-Of-Tomorrow"],
            &["Idempotency-Key", "Idempotency-Key"],
            &["Authorization", "Authorization"],
            &["Content-Type", "Content-Type"],
            &["Content-Length", "Content-Length"],
            &["Host", "Host"],
            &["If-Unmodified-Since", "If-Unmodified-Since"],
        ] {
            let problem = check(&headers(names)).unwrap_err();
            assert_eq!(
                (problem.status.as_u16(), problem.code),
                (400, "invalid_header")
            );
            let name = format!("`{}`", names[0].to_ascii_lowercase());
            assert!(problem.detail.contains(&name), "{}", problem.detail);
        }
    }

    #[test]
    fn lists_may_come_in_lines() {
        for names in [
            &[][..],
            &[
                "Larder-Tenant",
                "Larder-Context-A",
                "Larder-Context-B",
                "Host",
            ],
            &["Accept", "Accept", "Host"],
            &["If-Match", "If-Match"],
            &["If-None-Match", "If-None-Match"],
            &["Cookie", "Cookie"],
            &[
                "Vary",
                "Vary",
                "Age",
                "Age",
                "Cache-Control",
                "Cache-Control",
            ],
            &["X-Forwarded-For", "X-Forwarded-For"],
        ] {
            assert!(check(&headers(names)).is_ok(), "{names:?}");
        }
    }
}
