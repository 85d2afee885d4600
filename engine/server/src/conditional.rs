//! Reads of what the client may have already (RFC 9110, 13).

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::Response;

/// What a 304 says of the value; the rest the client has (RFC 9110, 15.4.5).
const LEFT_OUT: [HeaderName; 5] = [
    header::CONTENT_TYPE,
    header::CONTENT_ENCODING,
    header::CONTENT_LANGUAGE,
    header::CONTENT_DISPOSITION,
    header::LAST_MODIFIED,
];

/// The answer, or 304 where the value is what the request says its client has.
pub(crate) fn answer(asked: &HeaderMap, mut response: Response) -> Response {
    if response.status() != StatusCode::OK || !is_known(asked, response.headers()) {
        return response;
    }
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    *response.body_mut() = Body::empty();
    for name in LEFT_OUT {
        response.headers_mut().remove(name);
    }
    response
}

/// `If-Modified-Since` is looked at only without `If-None-Match`, and a client gives it back as it
/// got it: other texts are answered with the value, which is never wrong.
fn is_known(asked: &HeaderMap, value: &HeaderMap) -> bool {
    let mut tags = asked.get_all(header::IF_NONE_MATCH).iter().peekable();
    if tags.peek().is_some() {
        let text = |value: &axum::http::HeaderValue| value.to_str().ok().map(str::to_owned);
        let Some(own) = value.get(header::ETAG).and_then(text) else {
            return tags.filter_map(text).any(|line| line.trim() == "*");
        };
        return tags.filter_map(text).any(|line| names(&line, &own));
    }
    let since = asked.get(header::IF_MODIFIED_SINCE);
    since.is_some() && since == value.get(header::LAST_MODIFIED)
}

/// Whether a list of entity tags has `own`, by the weak comparison (RFC 9110, 8.8.3.2).
fn names(list: &str, own: &str) -> bool {
    if list.trim() == "*" {
        return true;
    }
    let own = own.trim();
    let own = own.strip_prefix("W/").unwrap_or(own);
    let mut rest = list;
    while let Some(start) = rest.find('"') {
        let Some(length) = rest[start + 1..].find('"') else {
            return false;
        };
        let end = start + 1 + length + 1;
        if &rest[start..end] == own {
            return true;
        }
        rest = &rest[end..];
    }
    false
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn headers(pairs: &[(HeaderName, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(name, HeaderValue::from_static(value));
        }
        map
    }

    #[test]
    fn a_value_that_the_client_has_is_known() {
        use header::{ETAG, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED};
        const DATE: &str = "Thu, 01 Jan 2026 00:00:00 GMT";
        const LATER: &str = "Fri, 02 Jan 2026 00:00:00 GMT";
        for (asked, value, known) in [
            (&[][..], &[(ETAG, "\"a\"")][..], false),
            (&[(IF_NONE_MATCH, "\"a\"")], &[(ETAG, "\"a\"")], true),
            (&[(IF_NONE_MATCH, "W/\"a\"")], &[(ETAG, "\"a\"")], true),
            (&[(IF_NONE_MATCH, "\"a\"")], &[(ETAG, "W/\"a\"")], true),
            (&[(IF_NONE_MATCH, "\"b\", \"a\"")], &[(ETAG, "\"a\"")], true),
            (
                &[(IF_NONE_MATCH, "\"b\""), (IF_NONE_MATCH, "\"a\"")],
                &[(ETAG, "\"a\"")],
                true,
            ),
            (&[(IF_NONE_MATCH, "\"x,\"a\"")], &[(ETAG, "\"x,\"")], true),
            (&[(IF_NONE_MATCH, "\"b\"")], &[(ETAG, "\"a\"")], false),
            (&[(IF_NONE_MATCH, "a")], &[(ETAG, "\"a\"")], false),
            (&[(IF_NONE_MATCH, "\"A\"")], &[(ETAG, "\"a\"")], false),
            (&[(IF_NONE_MATCH, "*")], &[], true),
            (&[(IF_NONE_MATCH, "\"a\"")], &[], false),
            (&[(IF_MODIFIED_SINCE, DATE)], &[(LAST_MODIFIED, DATE)], true),
            (
                &[(IF_MODIFIED_SINCE, DATE)],
                &[(LAST_MODIFIED, LATER)],
                false,
            ),
            (&[(IF_MODIFIED_SINCE, DATE)], &[], false),
            (
                &[(IF_NONE_MATCH, "\"b\""), (IF_MODIFIED_SINCE, DATE)],
                &[(ETAG, "\"a\""), (LAST_MODIFIED, DATE)],
                false,
            ),
        ] {
            assert_eq!(
                is_known(&headers(asked), &headers(value)),
                known,
                "{asked:?} {value:?}"
            );
        }
    }

    #[test]
    fn only_a_plain_success_can_be_known() {
        let asked = headers(&[(header::IF_NONE_MATCH, "*")]);
        for (status, answered) in [(200, 304), (203, 203), (404, 404)] {
            let response = Response::builder().status(status);
            let response = response.body(Body::empty()).unwrap();
            assert_eq!(answer(&asked, response).status(), answered);
        }
    }
}
