//! How long a response is fresh when it comes (RFC 9111, section 4.2).

use std::time::SystemTime;

use larder_sdk::prelude::*;

use crate::cache_control::{CacheControl, parse_whole};

/// What is left of the lifetime that a response states; none where it states none. `now_ms` is Unix
/// time in milliseconds, for a response without a date.
pub(crate) fn left(said: &CacheControl, loaded: &Loaded, now_ms: u64) -> Option<Duration> {
    let lifetime = said.ttl().or_else(|| expires(loaded, now_ms))?;
    let age = loaded.attribute("header.age").and_then(age);
    Some(lifetime.saturating_sub(age.unwrap_or(Duration::ZERO)))
}

/// The first member of the list that an `Age` may be; one that is no number is left out of account
/// (section 5.1).
fn age(text: &str) -> Option<Duration> {
    let first = text.split(',').map(str::trim).find(|one| !one.is_empty())?;
    parse_whole(first)
}

/// From the date of the response to its `Expires`. What is no date is past, `0` above all (section
/// 5.3), and so are two of them.
fn expires(loaded: &Loaded, now_ms: u64) -> Option<Duration> {
    let mut lines = loaded.attributes_named("header.expires");
    let first = lines.next()?;
    if lines.next().is_some() {
        return Some(Duration::ZERO);
    }
    let Ok(ends) = httpdate::parse_http_date(first.trim()) else {
        return Some(Duration::ZERO);
    };
    let date = loaded.attribute("header.date");
    let date = date.and_then(|date| httpdate::parse_http_date(date.trim()).ok());
    let now = SystemTime::UNIX_EPOCH + Duration::from_millis(now_ms);
    Some(ends.duration_since(date.unwrap_or(now)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Midnight of 1 December 2026.
    const NOW_MS: u64 = 1_796_083_200_000;

    fn left_of(headers: &[(&str, &str)]) -> Option<u64> {
        let loaded = headers
            .iter()
            .fold(Loaded::new(LoadStatus::Found), |loaded, (name, value)| {
                loaded.with(format!("header.{name}"), *value)
            });
        let said = CacheControl::parse(loaded.attributes_named("header.cache-control"));
        left(&said, &loaded, NOW_MS).map(|left| left.as_secs())
    }

    #[test]
    fn an_age_is_the_first_of_its_list_or_none() {
        for (ages, expected) in [
            (&["60"][..], 540),
            (&[" 60 "], 540),
            (&["100, 0"], 500),
            (&["100,0"], 500),
            (&["100", "0"], 500),
            (&[", 100"], 500),
            (&["700"], 0),
            (&["99999999999999999999999"], 0),
            (&["soon"], 600),
            (&["soon, 100"], 600),
            (&["-5"], 600),
            (&["1.5"], 600),
            (&["\"60\""], 600),
            (&[""], 600),
        ] {
            let mut headers = vec![("cache-control", "max-age=600")];
            headers.extend(ages.iter().map(|age| ("age", *age)));
            assert_eq!(left_of(&headers), Some(expected), "{ages:?}");
        }
    }

    #[test]
    fn a_response_ends_when_it_says() {
        const DATE: (&str, &str) = ("date", "Mon, 30 Nov 2026 23:50:00 GMT");
        const LATER: (&str, &str) = ("expires", "Tue, 01 Dec 2026 00:10:00 GMT");
        for (headers, expected) in [
            (&[][..], None),
            (&[DATE], None),
            (&[LATER], Some(600)),
            (&[LATER, DATE], Some(1_200)),
            (&[LATER, DATE, ("age", "200")], Some(1_000)),
            (&[LATER, DATE, ("age", "2000")], Some(0)),
            (&[LATER, ("date", "today")], Some(600)),
            (&[LATER, LATER], Some(0)),
            (&[("expires", "Tuesday, 01-Dec-26 00:10:00 GMT")], Some(600)),
            (&[("expires", "Tue Dec  1 00:10:00 2026")], Some(600)),
            (&[("expires", "0")], Some(0)),
            (&[("expires", "-1")], Some(0)),
            (&[("expires", "")], Some(0)),
            (&[("expires", "600")], Some(0)),
            (&[("expires", "never")], Some(0)),
            (&[("expires", "Mon, 30 Nov 2026 00:00:00 GMT")], Some(0)),
            (
                &[("expires", "Thu, 01 Jan 1970 00:00:00 GMT"), DATE],
                Some(0),
            ),
            (
                &[("expires", "0"), ("cache-control", "max-age=60")],
                Some(60),
            ),
            (
                &[("expires", "0"), ("cache-control", "s-maxage=60")],
                Some(60),
            ),
            (&[LATER, ("cache-control", "max-age=0")], Some(0)),
            (&[LATER, ("cache-control", "public")], Some(600)),
        ] {
            assert_eq!(left_of(headers), expected, "{headers:?}");
        }
    }
}
