//! What is said to the caches in front alone.
//!
//! They go by it before `Cache-Control`. An origin that lets them keep its answer speaks of itself: it
//! knows of no invalidation that reaches this server and not them.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::front;

/// What nginx goes by before all others: seconds from when it gets an answer.
const OF_NGINX: &str = "x-accel-expires";

/// Whether a header line of an origin lets caches in front keep an answer, by a name that goes before
/// `Cache-Control`: RFC 9213's, those of single networks that are spelled like it, and the older ones.
/// What forbids it stays forbidden.
pub(crate) fn lets(name: &str, value: &[u8]) -> bool {
    let targeted = name.ends_with("cdn-cache-control")
        || matches!(
            name,
            "surrogate-control" | "edge-control" | "akamai-cache-control" | OF_NGINX
        );
    targeted && !forbids(name, value)
}

fn forbids(name: &str, value: &[u8]) -> bool {
    let text = String::from_utf8_lossy(value).to_ascii_lowercase();
    match name {
        OF_NGINX => text.trim() == "0",
        _ => ["no-store", "private", "no-cache"]
            .iter()
            .any(|word| text.contains(word)),
    }
}

/// Tells nginx how long it may keep an answer that others may share: it counts an `s-maxage` from when
/// it gets the answer, however old that is by its `Age`.
pub(crate) fn add(headers: &mut HeaderMap) {
    const NAME: HeaderName = HeaderName::from_static(OF_NGINX);
    let said = headers.get(header::CACHE_CONTROL);
    let said = said.and_then(|said| said.to_str().ok()).unwrap_or_default();
    let age = front::age(headers).unwrap_or(0);
    if let Some(left) = left(said, age)
        && !headers.contains_key(NAME)
    {
        headers.insert(NAME, HeaderValue::from(left));
    }
}

/// What is left of the time for which the `Cache-Control` of an answer lets it be shared; none where it
/// does not.
fn left(said: &str, age: u64) -> Option<u64> {
    let all = || said.split(',').filter_map(|one| one.trim().split_once('='));
    let named = |name: &str| all().find(|(known, _)| *known == name);
    let (_, seconds) = named("s-maxage").or_else(|| named("max-age"))?;
    let left = seconds.parse::<u64>().ok()?.saturating_sub(age);
    (left > 0).then_some(left)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_lets_nobody_in_front_keep_what_it_cannot_take_back() {
        for (name, value, lets_it) in [
            ("cdn-cache-control", "max-age=3600", true),
            ("cdn-cache-control", "max-age=60, no-store", false),
            ("cdn-cache-control", "Private", false),
            ("cloudflare-cdn-cache-control", "max-age=3600", true),
            ("vercel-cdn-cache-control", "public, s-maxage=1", true),
            (
                "surrogate-control",
                "max-age=3600, content=\"ESI/1.0\"",
                true,
            ),
            ("surrogate-control", "no-store", false),
            ("edge-control", "no-store, max-age=1h", false),
            ("edge-control", "cache-maxage=1h", true),
            ("x-accel-expires", "3600", true),
            ("x-accel-expires", "@1767225600", true),
            ("x-accel-expires", "0", false),
            ("x-accel-redirect", "/files/1", false),
            ("cache-control", "max-age=3600", false),
            ("surrogate-key", "a b", false),
            ("cache-tag", "a,b", false),
        ] {
            assert_eq!(lets(name, value.as_bytes()), lets_it, "{name}: {value}");
        }
    }

    #[test]
    fn nginx_is_told_what_is_left() {
        for (said, age, expected) in [
            ("max-age=3060, s-maxage=3010", 3_000, Some(10)),
            ("max-age=60", 55, Some(5)),
            ("max-age=60, s-maxage=0", 0, None),
            ("max-age=0, s-maxage=0", 9, None),
            ("private, no-store", 0, None),
            ("", 0, None),
        ] {
            assert_eq!(left(said, age), expected, "{said} {age}");
        }
    }
}
