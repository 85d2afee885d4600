//! What a cache in front of this server may do with an answer.

use std::fmt::Write as _;
use std::time::Duration;

use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use larder::Reading;
use larder::core::{Outcome, Strategy};

use crate::access::Known;

/// Nobody but who asked has it, and they do not keep it.
const KEPT_BY_NOBODY: HeaderValue = HeaderValue::from_static("private, no-store");

/// Who may be given an answer to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Audience {
    /// Whoever sends the same request.
    Anybody,
    /// Who asked: the request names a tenant or a session, or shows who sends it.
    OneCaller,
}

impl Audience {
    /// The audience of the answer to a request with this head.
    pub(crate) fn of(parts: &Parts) -> Self {
        let bound = |name: &str| {
            name == "authorization"
                || name == "larder-tenant"
                || name.starts_with("larder-context-")
        };
        let bound = parts.headers.keys().any(|name| bound(name.as_str()));
        match bound || parts.extensions.get::<Known>().is_some() {
            true => Self::OneCaller,
            false => Self::Anybody,
        }
    }
}

/// Marks an answer that says nothing of it as one that nobody keeps.
pub(crate) fn complete(headers: &mut HeaderMap) {
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(KEPT_BY_NOBODY);
}

/// Marks an answer as one that nobody keeps, whatever its origin says.
pub(crate) fn forbid(headers: &mut HeaderMap) {
    let said = Said::of(headers).with("private, no-store".to_owned());
    headers.insert(header::CACHE_CONTROL, said);
}

/// Says how long the answer to a read may be kept, and `shared` how long by a cache that many ask:
/// invalidations do not reach it. Never longer than the origin says, where its headers are there.
pub(crate) fn add(
    headers: &mut HeaderMap,
    reading: &Reading,
    audience: Audience,
    shared: Duration,
) {
    let origin = Said::of(headers);
    let text = match may_be_kept(reading, audience) && !origin.forbids {
        false if origin.kept.is_empty() => {
            headers.insert(header::CACHE_CONTROL, KEPT_BY_NOBODY);
            return;
        }
        false => "private, no-store".to_owned(),
        true => {
            let age = age(headers).unwrap_or(0);
            let left = reading.ttl_ms.unwrap_or(0) / 1000;
            let of_origin = origin.lifetime.unwrap_or(u64::MAX).saturating_sub(age);
            lifetime(age, left.min(of_origin), shared.as_secs())
        }
    };
    headers.insert(header::CACHE_CONTROL, origin.with(text));
}

/// The `Age` of an answer: the first member of the list that it may be, in seconds; none where that
/// is no number (RFC 9111, 5.1).
pub(crate) fn age(headers: &HeaderMap) -> Option<u64> {
    let line = headers.get(header::AGE)?.to_str().ok()?;
    let first = line.split(',').map(str::trim).find(|one| !one.is_empty())?;
    seconds(first)
}

/// Whole seconds; too many count as the most.
fn seconds(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

/// Directives of an origin that hold for whoever gets its answer, whatever this cache does.
const KEPT: [&str; 3] = ["no-transform", "must-revalidate", "proxy-revalidate"];

/// What the origin's own `Cache-Control` says to those behind this server.
#[derive(Debug, Default, PartialEq, Eq)]
struct Said {
    /// Nobody else may have it, or keep it without asking.
    forbids: bool,
    lifetime: Option<u64>,
    kept: Vec<&'static str>,
}

impl Said {
    fn of(headers: &HeaderMap) -> Self {
        let mut said = Self::default();
        let lines = headers.get_all(header::CACHE_CONTROL).iter();
        for line in lines.map(|line| String::from_utf8_lossy(line.as_bytes())) {
            // A comma within quotes parts a value in two, and makes this no laxer. Semicolons that
            // stand for commas, and quotes around directives, hide nothing.
            line.split([',', ';'])
                .for_each(|directive| said.add(directive));
        }
        said
    }

    /// `text`, with what holds whatever this cache does.
    fn with(self, mut text: String) -> HeaderValue {
        for directive in self.kept {
            text.push_str(", ");
            text.push_str(directive);
        }
        HeaderValue::try_from(text).unwrap_or(KEPT_BY_NOBODY)
    }

    fn add(&mut self, directive: &str) {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        let name = name.trim().trim_matches('"').to_ascii_lowercase();
        match name.as_str() {
            "no-store" | "private" | "no-cache" => self.forbids = true,
            "max-age" => {
                let value = seconds(value.trim().trim_matches('"')).unwrap_or(0);
                self.lifetime = Some(self.lifetime.map_or(value, |known| known.min(value)));
            }
            name => {
                let kept = KEPT.iter().find(|known| **known == name);
                self.kept
                    .extend(kept.filter(|known| !self.kept.contains(known)));
            }
        }
    }
}

/// Larder would give the same to whoever asks next.
fn may_be_kept(reading: &Reading, audience: Audience) -> bool {
    let decision = &reading.decided.decision;
    let whole = match reading.outcome {
        Outcome::Hit | Outcome::NegativeHit | Outcome::Stale | Outcome::StaleOnError => true,
        Outcome::Miss | Outcome::Expired => reading.ttl_ms.is_some(),
        Outcome::Bypass
        | Outcome::Unleased
        | Outcome::Leased
        | Outcome::LeasedElsewhere
        | Outcome::StoreDown => false,
    };
    whole
        && audience == Audience::Anybody
        && reading.not_stored.is_none()
        && reading.lease.is_none()
        && decision.strategy != Strategy::Bypass
        && !decision.encrypt
}

/// The lifetimes of an answer that is `age` seconds old and fresh for `left` more. They count from
/// its beginning, as `Age` does (RFC 9111, 4.2), so that what is left is the difference.
fn lifetime(age: u64, left: u64, shared: u64) -> String {
    if left == 0 {
        return "max-age=0, s-maxage=0".to_owned();
    }
    let mut text = String::with_capacity(40);
    // Writing to a String does not fail.
    let _ = write!(text, "max-age={}", age.saturating_add(left));
    if shared < left {
        let s_maxage = if shared == 0 {
            0
        } else {
            age.saturating_add(shared)
        };
        let _ = write!(text, ", s-maxage={s_maxage}");
    }
    if shared > 0 {
        // Varnish hands out what is over for ten more seconds unless told not to.
        text.push_str(", stale-while-revalidate=0");
    }
    text
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use larder::core::{Decision, Identity, NotStored};
    use larder::{Decided, Value};

    use super::*;

    fn reading(outcome: Outcome) -> Reading {
        let policy = Identity {
            name: "p".to_owned(),
            version: "1".to_owned(),
            revision: "r".to_owned(),
            settings: String::new(),
            contract: "0.1.0".to_owned(),
        };
        let decided = Decided {
            decision_id: uuid::Uuid::nil(),
            policy: Arc::new(policy),
            decision: Decision::new(Strategy::ReadThrough, "k"),
            query: None,
            kept_out: None,
            clamped: Vec::new(),
            fallback: None,
            evaluate_ns: 0,
        };
        Reading {
            decided,
            value: Some(Value {
                bytes: "v".into(),
                content_type: None,
                head: None,
            }),
            outcome,
            made_by: None,
            absent: None,
            cookies: Vec::new(),
            collapsed: false,
            not_stored: None,
            age_ms: Some(10_000),
            ttl_ms: Some(50_900),
            lease: None,
        }
    }

    fn said(reading: &Reading, audience: Audience) -> String {
        let mut headers = HeaderMap::new();
        headers.insert(header::AGE, HeaderValue::from(10));
        add(&mut headers, reading, audience, Duration::ZERO);
        headers[header::CACHE_CONTROL].to_str().unwrap().to_owned()
    }

    #[test]
    fn what_is_left_of_the_ttl_is_the_lifetime_less_the_age() {
        for (age, left, shared, expected) in [
            (0, 60, 0, "max-age=60, s-maxage=0"),
            (10, 50, 0, "max-age=60, s-maxage=0"),
            (
                10,
                50,
                5,
                "max-age=60, s-maxage=15, stale-while-revalidate=0",
            ),
            (10, 50, 50, "max-age=60, stale-while-revalidate=0"),
            (10, 50, 3_600, "max-age=60, stale-while-revalidate=0"),
            (70, 0, 3_600, "max-age=0, s-maxage=0"),
        ] {
            assert_eq!(lifetime(age, left, shared), expected);
        }
        let hit = reading(Outcome::Hit);
        assert_eq!(said(&hit, Audience::Anybody), "max-age=60, s-maxage=0");
    }

    #[test]
    fn nobody_keeps_what_larder_would_not_share() {
        let keep = |change: fn(&mut Reading)| {
            let mut reading = reading(Outcome::Hit);
            change(&mut reading);
            said(&reading, Audience::Anybody)
        };
        assert_eq!(
            said(&reading(Outcome::Hit), Audience::OneCaller),
            "private, no-store"
        );
        let all: [fn(&mut Reading); 7] = [
            |reading| reading.decided.decision.encrypt = true,
            |reading| reading.decided.decision.strategy = Strategy::Bypass,
            |reading| reading.outcome = Outcome::Bypass,
            |reading| reading.outcome = Outcome::LeasedElsewhere,
            |reading| reading.outcome = Outcome::StoreDown,
            |reading| reading.not_stored = Some(NotStored::Varies),
            |reading| {
                reading.outcome = Outcome::Miss;
                reading.ttl_ms = None;
            },
        ];
        for change in all {
            assert_eq!(keep(change), "private, no-store");
        }
        assert_eq!(
            keep(|reading| {
                reading.outcome = Outcome::Stale;
                reading.ttl_ms = None;
            }),
            "max-age=0, s-maxage=0"
        );
    }

    #[test]
    fn what_the_origin_says_more_strictly_holds() {
        for (origin, expected) in [
            (&["public, max-age=3600"][..], "max-age=60, s-maxage=0"),
            (&["max-age=30"], "max-age=30, s-maxage=0"),
            (&["MAX-AGE=\"30\""], "max-age=30, s-maxage=0"),
            (&["max-age=40", "max-age=30"], "max-age=30, s-maxage=0"),
            (&["max-age=5"], "max-age=0, s-maxage=0"),
            (&["max-age=soon"], "max-age=0, s-maxage=0"),
            (&["private, max-age=30"], "private, no-store"),
            (&["private; max-age=30"], "private, no-store"),
            (&["\"private, max-age=30\""], "private, no-store"),
            (&["max-age=30; public"], "max-age=30, s-maxage=0"),
            (&["No-Store"], "private, no-store"),
            (&["private=\"x, y\""], "private, no-store"),
            (&["no-transform"], "max-age=60, s-maxage=0, no-transform"),
            (
                &["no-store, no-transform, no-transform"],
                "private, no-store, no-transform",
            ),
            (
                &["must-revalidate, max-age=30"],
                "max-age=30, s-maxage=0, must-revalidate",
            ),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::AGE, HeaderValue::from(10));
            for line in origin {
                headers.append(header::CACHE_CONTROL, HeaderValue::from_static(line));
            }
            let hit = reading(Outcome::Hit);
            add(&mut headers, &hit, Audience::Anybody, Duration::ZERO);
            let all: Vec<_> = headers.get_all(header::CACHE_CONTROL).iter().collect();
            assert_eq!(all, [expected], "{origin:?}");
        }
    }

    #[test]
    fn an_age_is_the_first_of_its_list() {
        for (lines, expected) in [
            (&[][..], None),
            (&["100"], Some(100)),
            (&[" 100 "], Some(100)),
            (&["100, 0"], Some(100)),
            (&["100", "0"], Some(100)),
            (&[", 100"], Some(100)),
            (&["soon, 100"], None),
            (&["-1"], None),
            (&["1.5"], None),
            (&[""], None),
            (&["99999999999999999999999"], Some(u64::MAX)),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(header::AGE, HeaderValue::from_static(line));
            }
            assert_eq!(age(&headers), expected, "{lines:?}");
        }
    }

    #[test]
    fn a_request_with_a_name_on_it_is_one_callers() {
        for (header, audience) in [
            ("accept", Audience::Anybody),
            ("larder-timeout-ms", Audience::Anybody),
            ("larder-tenant", Audience::OneCaller),
            ("larder-context-tier", Audience::OneCaller),
            ("authorization", Audience::OneCaller),
        ] {
            let request = axum::http::Request::builder().header(header, "1");
            let (parts, ()) = request.body(()).unwrap().into_parts();
            assert_eq!(Audience::of(&parts), audience, "{header}");
        }
    }
}
