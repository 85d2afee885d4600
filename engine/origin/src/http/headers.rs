//! Which headers go out and what comes back of them.

use std::sync::Arc;

use bytes::Bytes;
use larder_core::request::clip;
use larder_core::{Head, Value};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, SET_COOKIE};
use reqwest::{Method, StatusCode};

use crate::{HeaderFate, OpenError, OriginError};

/// Request attributes of these names are not passed on: they belong to one connection, are set by
/// the client itself, or ask for something other than the whole value as it is.
const NOT_PASSED: [&str; 16] = [
    "accept-encoding",
    "connection",
    "content-length",
    "content-type",
    "expect",
    "host",
    "if-range",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "range",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// With a write they say when it may be done. A read wants the whole value in any case.
const PRECONDITIONS: [&str; 4] = [
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-unmodified-since",
];

/// Never sent, whatever the client asks for: the value that comes is for everybody.
const FOR_EVERYBODY: &str = "accept-encoding";

/// What becomes of a request header, in lower case.
pub(super) fn fate(name: &str, configured: &HeaderMap) -> HeaderFate {
    if configured.contains_key(name) || name == FOR_EVERYBODY {
        HeaderFate::Fixed
    } else if NOT_PASSED.contains(&name) || PRECONDITIONS.contains(&name) {
        HeaderFate::Dropped
    } else {
        HeaderFate::Passed
    }
}

/// The headers of the configuration. Their values are kept out of debug output.
pub(super) fn configured(headers: &[(String, String)]) -> Result<HeaderMap, OpenError> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let setting = |what: &str| OpenError::Setting {
            field: "headers",
            why: format!("has {what} `{}`", clip(name)),
        };
        let header: HeaderName = name.parse().map_err(|_| setting("the bad header name"))?;
        if ["connection", "content-length", "host", "transfer-encoding"].contains(&header.as_str())
        {
            return Err(setting("a header that the client sets itself:"));
        }
        let mut value: HeaderValue = value
            .parse()
            .map_err(|_| setting("a value that no header can carry, under"))?;
        value.set_sensitive(true);
        map.append(header, value);
    }
    Ok(map)
}

/// The headers of one request: `header.*` attributes, and the configured ones over them.
pub(super) fn outgoing(
    method: &Method,
    attributes: &[(String, String)],
    configured: &HeaderMap,
) -> Result<HeaderMap, OriginError> {
    let mut map = HeaderMap::new();
    for (name, value) in attributes {
        let Some(header) = name.strip_prefix("header.") else {
            continue;
        };
        let bad = || OriginError::Rejected(format!("`{}` is no header", clip(name)));
        let header: HeaderName = header.parse().map_err(|_| bad())?;
        let of_a_write = PRECONDITIONS.contains(&header.as_str()) && method != Method::GET;
        if !of_a_write && fate(header.as_str(), configured) != HeaderFate::Passed {
            continue;
        }
        map.append(header, value.parse().map_err(|_| bad())?);
    }
    map.extend(configured.clone());
    Ok(map)
}

/// Status and headers of an answer as attributes; a header that came twice is joined.
pub(super) fn incoming(status: StatusCode, headers: &HeaderMap) -> Vec<(String, String)> {
    let mut attributes = vec![("status".to_owned(), status.as_u16().to_string())];
    for name in headers.keys() {
        let values: Vec<_> = headers
            .get_all(name)
            .iter()
            .map(|value| String::from_utf8_lossy(value.as_bytes()))
            .collect();
        attributes.push((format!("header.{name}"), values.join(", ")));
    }
    attributes
}

/// What an answer gives to the one whose request it was.
pub(super) fn cookies(headers: &HeaderMap) -> Vec<Bytes> {
    let lines = headers.get_all(SET_COOKIE).iter();
    lines
        .map(|line| Bytes::copy_from_slice(line.as_bytes()))
        .collect()
}

/// What of an answer's status and headers is kept with its value.
pub(super) fn head(
    status: StatusCode,
    headers: &HeaderMap,
) -> Result<Option<Arc<Head>>, OriginError> {
    let lines = headers.iter();
    let lines = lines.map(|(name, value)| (name, Bytes::copy_from_slice(value.as_bytes())));
    Head::new(status.as_u16(), lines).map_err(|error| OriginError::Broken(error.to_string()))
}

/// Adds what a value says of its bytes. What the operator configured stays as it is.
pub(super) fn describe(
    map: &mut HeaderMap,
    value: &Value,
    configured: &HeaderMap,
) -> Result<(), OriginError> {
    let bad = |name: &str| OriginError::Rejected(format!("`{}` is no header", clip(name)));
    if let Some(kind) = &value.content_type {
        let kind = HeaderValue::from_str(kind);
        let kind =
            kind.map_err(|_| OriginError::Rejected("the content type is no header".into()))?;
        map.insert(CONTENT_TYPE, kind);
    }
    let lines = value.head.iter().flat_map(|head| head.lines());
    for (name, text) in lines.filter(|(name, _)| name.starts_with("content-")) {
        let header: HeaderName = name.parse().map_err(|_| bad(name))?;
        if !configured.contains_key(&header) {
            let text = HeaderValue::from_maybe_shared(text.clone()).map_err(|_| bad(name))?;
            map.append(header, text);
        }
    }
    Ok(())
}

/// The media type of an answer, where it is text.
pub(super) fn content_type(headers: &HeaderMap) -> Option<&str> {
    headers.get(CONTENT_TYPE)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.into(), value.into())
    }

    #[test]
    fn only_harmless_attributes_become_headers() {
        let configured = configured(&[pair("Authorization", "Bearer operator")]).unwrap();
        let sent = outgoing(
            &Method::GET,
            &[
                pair("header.accept-language", "de"),
                pair("header.Host", "evil"),
                pair("header.content-length", "0"),
                pair("header.range", "bytes=0-1"),
                pair("header.authorization", "Bearer user"),
                pair("query.page", "2"),
            ],
            &configured,
        )
        .unwrap();
        assert_eq!(sent.len(), 2, "{sent:?}");
        assert_eq!(sent.get("accept-language").unwrap(), "de");
        assert_eq!(sent.get("authorization").unwrap(), "Bearer operator");
        assert!(!format!("{sent:?}").contains("operator"));
    }

    #[test]
    fn preconditions_go_with_writes_alone() {
        let names = [
            "if-match",
            "if-none-match",
            "if-unmodified-since",
            "if-modified-since",
        ];
        for name in names {
            let given = [pair(&format!("header.{name}"), "\"v1\"")];
            for (method, count) in [(Method::GET, 0), (Method::PUT, 1), (Method::DELETE, 1)] {
                let sent = outgoing(&method, &given, &HeaderMap::new()).unwrap();
                assert_eq!(sent.len(), count, "{method} {name}");
            }
        }
        let range = [
            pair("header.range", "bytes=0-1"),
            pair("header.if-range", "x"),
        ];
        assert_eq!(
            outgoing(&Method::PUT, &range, &HeaderMap::new())
                .unwrap()
                .len(),
            0
        );
    }

    #[test]
    fn what_the_origin_is_told_of_each_header() {
        let configured = configured(&[pair("Authorization", "Bearer operator")]).unwrap();
        for (name, expected) in [
            ("accept", HeaderFate::Passed),
            ("user-agent", HeaderFate::Passed),
            ("cookie", HeaderFate::Passed),
            ("authorization", HeaderFate::Fixed),
            ("accept-encoding", HeaderFate::Fixed),
            ("range", HeaderFate::Dropped),
            ("host", HeaderFate::Dropped),
            ("if-none-match", HeaderFate::Dropped),
        ] {
            assert_eq!(fate(name, &configured), expected, "{name}");
        }
    }

    #[test]
    fn headers_that_break_out_are_refused() {
        for (name, value) in [("header.x", "a\r\nhost: evil"), ("header.a b", "c")] {
            let error =
                outgoing(&Method::GET, &[pair(name, value)], &HeaderMap::new()).unwrap_err();
            assert_eq!(error.as_str(), "rejected");
        }
        for (name, value) in [("a b", "c"), ("x", "se\ncret"), ("Host", "h")] {
            let error = configured(&[pair(name, value)]).unwrap_err().to_string();
            assert!(error.contains(name) && !error.contains("cret"), "{error}");
        }
    }
}
