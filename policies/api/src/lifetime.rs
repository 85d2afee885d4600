//! How long a response is fresh when it comes (RFC 9111, section 4.2).

use std::time::SystemTime;

use larder_sdk::prelude::*;

use crate::cache_control::{CacheControl, parse_whole};

/// How much of a second a `Date`, which counts whole ones, and two clocks may differ.
const SLACK: Duration = Duration::from_secs(1);

/// What is left of the lifetime that a response states; none where it states none. `now_ms` is Unix
/// time in milliseconds.
pub(crate) fn left(said: &CacheControl, loaded: &Loaded, now_ms: u64) -> Option<Duration> {
    let now = SystemTime::UNIX_EPOCH + Duration::from_millis(now_ms);
    let lifetime = said.ttl().or_else(|| expires(loaded, now))?;
    let told = loaded.attribute("header.age").and_then(age);
    let age = told.unwrap_or_default().max(apparent_age(loaded, now));
    Some(lifetime.saturating_sub(age))
}

/// How long ago a response was made by its own date, whatever caches on its way say of it (section
/// 4.2.3).
fn apparent_age(loaded: &Loaded, now: SystemTime) -> Duration {
    let made = date(loaded).and_then(|made| now.duration_since(made).ok());
    made.unwrap_or_default().saturating_sub(SLACK)
}

fn date(loaded: &Loaded) -> Option<SystemTime> {
    let text = loaded.attribute("header.date")?;
    httpdate::parse_http_date(text.trim()).ok()
}

/// The first member of the list that an `Age` may be; one that is no number is left out of account
/// (section 5.1).
fn age(text: &str) -> Option<Duration> {
    let first = text.split(',').map(str::trim).find(|one| !one.is_empty())?;
    parse_whole(first)
}

/// From the date of the response to its `Expires`. What is no date is past, `0` above all (section
/// 5.3), and so are two of them.
fn expires(loaded: &Loaded, now: SystemTime) -> Option<Duration> {
    let mut lines = loaded.attributes_named("header.expires");
    let first = lines.next()?;
    if lines.next().is_some() {
        return Some(Duration::ZERO);
    }
    let Ok(ends) = httpdate::parse_http_date(first.trim()) else {
        return Some(Duration::ZERO);
    };
    let from = date(loaded).unwrap_or(now);
    Some(ends.duration_since(from).unwrap_or_default())
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
    fn a_response_is_as_old_as_its_date_or_its_age_says() {
        for (date, age, expected) in [
            ("Tue, 01 Dec 2026 00:00:00 GMT", None, 600),
            // A date counts whole seconds.
            ("Mon, 30 Nov 2026 23:59:59 GMT", None, 600),
            ("Mon, 30 Nov 2026 23:59:00 GMT", None, 541),
            ("Mon, 30 Nov 2026 23:59:00 GMT", Some("30"), 541),
            ("Mon, 30 Nov 2026 23:59:00 GMT", Some("90"), 510),
            ("Monday, 30-Nov-26 23:59:00 GMT", None, 541),
            ("Mon, 30 Nov 2026 22:00:00 GMT", None, 0),
            // A clock that is ahead makes nothing younger.
            ("Tue, 01 Dec 2026 01:00:00 GMT", None, 600),
            ("today", None, 600),
        ] {
            let mut headers = vec![("cache-control", "max-age=600"), ("date", date)];
            headers.extend(age.map(|age| ("age", age)));
            assert_eq!(left_of(&headers), Some(expected), "{date} {age:?}");
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
            // Ten minutes of twenty are over, by the date.
            (&[LATER, DATE], Some(601)),
            (&[LATER, DATE, ("age", "200")], Some(601)),
            (&[LATER, DATE, ("age", "800")], Some(400)),
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
