//! Durations as sentences: `hours(1)` in code, `"1h"` in settings.
//!
//! ```
//! use larder_sdk::duration;
//! use larder_sdk::prelude::*;
//!
//! #[derive(serde::Deserialize)]
//! struct Settings {
//!     #[serde(with = "duration")]
//!     ttl: Duration,
//! }
//!
//! let settings: Settings = larder_sdk::parse_settings(r#"{"ttl": "5m"}"#).unwrap();
//! assert_eq!(settings.ttl, minutes(5));
//! ```

use std::fmt;
use std::time::Duration;

use serde::de::{Deserializer, Visitor};

/// `n` milliseconds.
#[must_use]
pub const fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// `n` seconds.
#[must_use]
pub const fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// `n` minutes.
#[must_use]
pub const fn minutes(n: u64) -> Duration {
    Duration::from_secs(n.saturating_mul(60))
}

/// `n` hours.
#[must_use]
pub const fn hours(n: u64) -> Duration {
    Duration::from_secs(n.saturating_mul(60 * 60))
}

/// `n` days.
#[must_use]
pub const fn days(n: u64) -> Duration {
    Duration::from_secs(n.saturating_mul(24 * 60 * 60))
}

const EXPECTED: &str = "a duration such as \"250ms\", \"90s\", \"5m\", \"1h\" or \"1d\"";

/// Reads a whole number and a unit: `250ms`, `90s`, `5m`, `1h`, `1d`. None for anything else.
#[must_use]
pub fn parse(text: &str) -> Option<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let number = number.parse().ok()?;
    let of = match unit {
        "ms" => millis,
        "s" => seconds,
        "m" => minutes,
        "h" => hours,
        "d" => days,
        _ => return None,
    };
    Some(of(number))
}

/// For `#[serde(with = "larder_sdk::duration")]`.
///
/// # Errors
/// Says what a duration looks like.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    struct Text;

    impl Visitor<'_> for Text {
        type Value = Duration;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(EXPECTED)
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Duration, E> {
            parse(text).ok_or_else(|| E::invalid_value(serde::de::Unexpected::Str(text), &self))
        }
    }

    deserializer.deserialize_str(Text)
}

/// For `#[serde(default, with = "larder_sdk::duration::option")]`: absent or null is none.
pub mod option {
    use super::{Deserializer, Duration, EXPECTED, parse};
    use serde::Deserialize;
    use serde::de::Error as _;

    /// Reads a duration that may be missing.
    ///
    /// # Errors
    /// Says what a duration looks like.
    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        let Some(text) = Option::<String>::deserialize(deserializer)? else {
            return Ok(None);
        };
        let unexpected = serde::de::Unexpected::Str(&text);
        match parse(&text) {
            Some(duration) => Ok(Some(duration)),
            None => Err(D::Error::invalid_value(unexpected, &EXPECTED)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_number_and_one_unit() {
        for (text, duration) in [
            ("250ms", Some(millis(250))),
            ("90s", Some(seconds(90))),
            ("5m", Some(minutes(5))),
            ("1h", Some(hours(1))),
            ("1d", Some(days(1))),
            ("0s", Some(Duration::ZERO)),
            ("", None),
            ("5", None),
            ("h", None),
            ("-1s", None),
            ("1.5h", None),
            ("1h30m", None),
            ("1 h", None),
            ("1H", None),
            ("99999999999999999999s", None),
        ] {
            assert_eq!(parse(text), duration, "{text}");
        }
        assert_eq!(parse("18446744073709551615d").unwrap().as_secs(), u64::MAX);
    }
}
