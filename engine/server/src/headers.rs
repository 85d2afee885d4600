//! From outcomes to headers: `Cache-Status` (RFC 9211), `Age` and Larder's own.

use std::fmt::Write as _;

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use larder::core::{Identity, Outcome, Strategy};
use larder::{Decided, Reading};
use uuid::Uuid;

use crate::builds::Words;
use crate::front;

const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");
const LARDER_POLICY: HeaderName = HeaderName::from_static("larder-policy");
const LARDER_DECISION_ID: HeaderName = HeaderName::from_static("larder-decision-id");

/// Adds the headers that every answer of the entries routes carries.
pub(crate) fn add_decided(headers: &mut HeaderMap, decided: &Decided, words: &Words) {
    match &decided.fallback {
        None => {
            headers.insert(LARDER_POLICY, words.policy.clone());
        }
        Some(_) => insert(headers, "larder-policy", &decided_by(decided)),
    }
    // Elsewhere the reason is for whoever asks for the decision; here it says what to change.
    if decided.decision.strategy == Strategy::Bypass && decided.fallback.is_none() {
        insert(headers, "larder-reason", &quoted(&decided.decision.reason));
    }
    let mut id = Uuid::encode_buffer();
    let id = decided.decision_id.hyphenated().encode_lower(&mut id);
    if let Ok(id) = HeaderValue::from_str(id) {
        headers.insert(LARDER_DECISION_ID, id);
    }
}

/// Adds the headers of a read.
pub(crate) fn add_read(headers: &mut HeaderMap, reading: &Reading, words: &Words) {
    // After what caches further in said: the last member is nearest to the client.
    if let Ok(status) = HeaderValue::from_str(&cache_status(reading)) {
        headers.append(CACHE_STATUS, status);
    }
    // What it was old when it came counts as well (RFC 9111, 4.2.3).
    let came = front::age(headers);
    headers.remove(header::AGE);
    if reading.age_ms.is_some() || came.is_some() {
        let here = reading.age_ms.unwrap_or(0) / 1000;
        let age = came.unwrap_or(0).saturating_add(here);
        headers.insert(header::AGE, HeaderValue::from(age));
    }
    add_decided(headers, &reading.decided, words);
    let decided = &reading.decided;
    if let Some(made_by) = &reading.made_by
        && !made_by.decides_as(&decided.policy)
    {
        let (made, decided) = (role(made_by, "made"), decided_by(decided));
        let settings = settings(&reading.decided.policy);
        let both = format!("{made}, {decided}{settings}; role=decided");
        insert(headers, "larder-policy", &both);
    }
    headers.append(header::VARY, words.vary.clone());
}

/// The build that decided.
fn decided_by(decided: &Decided) -> String {
    let mut text = build(&decided.policy);
    if let Some(fallback) = &decided.fallback {
        // Writing to a String does not fail.
        let _ = write!(text, "; fallback={}", fallback.rule);
    }
    text
}

/// A build beside another, and what it did.
fn role(policy: &Identity, role: &str) -> String {
    format!("{}{}; role={role}", build(policy), settings(policy))
}

/// A build by name, version and revision.
pub(crate) fn build(policy: &Identity) -> String {
    format!(
        "{}; version={}; revision={}",
        quoted(&policy.name),
        quoted(&policy.version),
        quoted(&policy.revision)
    )
}

/// What tells one build under two settings apart.
fn settings(policy: &Identity) -> String {
    match policy.settings.as_str() {
        "" => String::new(),
        settings => format!("; settings={}", quoted(settings)),
    }
}

/// How the cache handled a read. The detail says what RFC 9211 has no word for.
fn cache_status(reading: &Reading) -> String {
    let mut text = String::with_capacity(64);
    text.push_str("Larder");
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
    fn builds_with_settings_are_told_apart_in_a_list_of_rfc_9651() {
        let build = |settings: &str| Identity {
            name: "st\"andard".to_owned(),
            version: "1.0.0".to_owned(),
            revision: "sha256:aa".to_owned(),
            contract: "0.1.0".to_owned(),
            settings: settings.to_owned(),
        };
        assert_eq!(
            role(&build("0a1b"), "made"),
            r#""st\"andard"; version="1.0.0"; revision="sha256:aa"; settings="0a1b"; role=made"#
        );
        assert!(!role(&build(""), "made").contains("settings"));
    }

    #[test]
    fn strings_are_quoted() {
        assert_eq!(quoted("a\"b\\c\nü"), "\"a\\\"b\\\\c\"");
    }
}
