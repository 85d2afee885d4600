//! From outcomes to headers: `Cache-Status` (RFC 9211), `Age` and Larder's own.

use std::fmt::Write as _;

use axum::http::{HeaderMap, HeaderValue, header};
use larder::core::{Outcome, Strategy};
use larder::{Decided, Reading};

/// Adds the headers that every answer of the entries routes carries.
pub(crate) fn add_decided(headers: &mut HeaderMap, decided: &Decided) {
    let policy = &decided.policy;
    let mut text = format!(
        "{}; version={}; revision={}",
        quoted(&policy.name),
        quoted(&policy.version),
        quoted(&policy.revision)
    );
    if let Some(fallback) = &decided.fallback {
        // Writing to a String does not fail.
        let _ = write!(text, "; fallback={}", fallback.rule);
    }
    insert(headers, "larder-policy", &text);
    // Elsewhere the reason is for whoever asks for the decision; here it says what to change.
    if decided.decision.strategy == Strategy::Bypass && decided.fallback.is_none() {
        insert(headers, "larder-reason", &quoted(&decided.decision.reason));
    }
    insert(
        headers,
        "larder-decision-id",
        &decided.decision_id.to_string(),
    );
}

/// Adds the headers of a read.
pub(crate) fn add_read(headers: &mut HeaderMap, reading: &Reading) {
    // After what caches further in said: the last member is nearest to the client.
    if let Ok(status) = HeaderValue::from_str(&cache_status(reading)) {
        headers.append("cache-status", status);
    }
    if let Some(age_ms) = reading.age_ms {
        // What it was old when it came counts as well (RFC 9111, 4.2.3).
        let came = headers.get(header::AGE).and_then(|age| age.to_str().ok());
        let came: u64 = came.and_then(|age| age.parse().ok()).unwrap_or(0);
        let age = came.saturating_add(age_ms / 1000);
        headers.insert(header::AGE, HeaderValue::from(age));
    }
    add_decided(headers, &reading.decided);
}

/// How the cache handled a read. The detail says what RFC 9211 has no word for.
fn cache_status(reading: &Reading) -> String {
    let mut text = String::from("Larder");
    let served = reading.age_ms.is_some();
    match reading.outcome.forward() {
        Some(reason) => {
            let _ = write!(text, "; fwd={reason}");
            if reading.collapsed {
                text.push_str("; collapsed");
            }
            if !served && reading.not_stored.is_none() && reading.ttl_ms.is_some() {
                text.push_str("; stored");
            }
        }
        None => text.push_str("; hit"),
    }
    if let Some(ttl_ms) = reading.ttl_ms {
        let _ = write!(text, "; ttl={}", ttl_ms / 1000);
    }
    let detail = match (reading.not_stored, reading.outcome) {
        (Some(why), _) => Some(why.as_str()),
        (None, Outcome::Hit | Outcome::Miss) => None,
        (None, outcome) => Some(outcome.as_str()),
    };
    if let Some(detail) = detail {
        let _ = write!(text, "; detail={detail}");
    }
    text
}

/// A string of RFC 8941. What it cannot hold is left out.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars().filter(|c| (' '..='~').contains(c)) {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
    out
}

/// Sets a header. A value that is no header value is left out: no header is worth an answer.
pub(crate) fn insert(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_quoted() {
        assert_eq!(quoted("a\"b\\c\nü"), "\"a\\\"b\\\\c\"");
    }
}
