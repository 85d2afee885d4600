//! What may be answered from the cache, and what may be put into it.

use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, header, response};

/// Why a GET has to go past the cache, if it does.
pub(crate) fn passes(parts: &Parts, declared: &[HeaderName]) -> Option<&'static str> {
    let headers = &parts.headers;
    if headers.contains_key(header::AUTHORIZATION) {
        return Some("authorization");
    }
    if headers.contains_key(header::COOKIE) && !declared.contains(&header::COOKIE) {
        return Some("cookie");
    }
    if headers.contains_key(header::RANGE) {
        return Some("range");
    }
    says(headers, &["no-store"]).then_some("no-store")
}

/// Why an answer may not be stored, if it may not. Its length is none where it is not known.
pub(crate) fn refused(
    parts: &response::Parts,
    length: Option<u64>,
    limit: u64,
    declared: &[HeaderName],
) -> Option<&'static str> {
    let headers = &parts.headers;
    if parts.status != StatusCode::OK {
        return Some("status");
    }
    if headers.contains_key(header::SET_COOKIE) {
        return Some("set-cookie");
    }
    if says(headers, &["private", "no-store", "no-cache"]) {
        return Some("cache-control");
    }
    if headers.contains_key(header::CONTENT_ENCODING) {
        return Some("content-encoding");
    }
    let known = |name: &str| {
        declared
            .iter()
            .any(|one| one.as_str().eq_ignore_ascii_case(name))
    };
    if !listed(headers, &header::VARY).all(|name| name.is_some_and(known)) {
        return Some("vary");
    }
    if length.is_none_or(|length| length > limit) {
        return Some("length");
    }
    None
}

/// Whether a request of this method may change anything.
pub(crate) fn changes(method: &Method) -> bool {
    !method.is_safe()
}

/// Whether `Cache-Control` has one of these directives; what cannot be read may say anything.
fn says(headers: &HeaderMap, directives: &[&str]) -> bool {
    listed(headers, &header::CACHE_CONTROL).any(|part| {
        // `private="x-name"` is about one header only; refusing it whole is never wrong.
        part.is_none_or(|part| {
            let name = part.split('=').next().unwrap_or_default().trim();
            directives.iter().any(|one| one.eq_ignore_ascii_case(name))
        })
    })
}

/// The parts of a header that is a list, over all of its lines; none for what is no text.
fn listed<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> impl Iterator<Item = Option<&'a str>> + use<'a> {
    headers.get_all(name).iter().flat_map(|line| {
        let text = line.to_str().ok();
        let parts = text.map(|text| text.split(',').map(str::trim).map(Some));
        let unreadable = text.is_none().then_some(None);
        parts.into_iter().flatten().chain(unreadable)
    })
}
