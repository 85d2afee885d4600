//! Sizes and durations as people write them.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Visitor};

/// A number of bytes, written `512B`, `64KiB`, `256MiB` or `2GiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size(pub(crate) u64);

/// A length of time, written `250ms`, `90s`, `5m`, `1h` or `1d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span(pub(crate) Duration);

impl Size {
    /// The same as a count of bytes in memory.
    pub(crate) fn bytes(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl Span {
    /// The same in milliseconds.
    pub(crate) fn ms(self) -> u64 {
        u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX)
    }
}

/// The text is no size or duration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BadUnit {
    text: String,
    what: &'static str,
}

impl fmt::Display for BadUnit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not {}", self.text.escape_debug(), self.what)
    }
}

impl std::error::Error for BadUnit {}

impl FromStr for Size {
    type Err = BadUnit;

    fn from_str(text: &str) -> Result<Self, BadUnit> {
        let what = "a size: write a whole number and a unit, such as \"512B\", \"64KiB\", \"256MiB\" or \"2GiB\"";
        let factor = |unit: &str| match unit {
            "B" => Some(1),
            "KiB" => Some(1 << 10),
            "MiB" => Some(1 << 20),
            "GiB" => Some(1 << 30),
            _ => None,
        };
        scaled(text, factor, what).map(Self)
    }
}

impl FromStr for Span {
    type Err = BadUnit;

    fn from_str(text: &str) -> Result<Self, BadUnit> {
        let what = "a duration: write a whole number and a unit, such as \"250ms\", \"90s\", \"5m\", \"1h\" or \"1d\"";
        let factor = |unit: &str| match unit {
            "ms" => Some(1),
            "s" => Some(1_000),
            "m" => Some(60_000),
            "h" => Some(3_600_000),
            "d" => Some(86_400_000),
            _ => None,
        };
        let ms = scaled(text, factor, what)?;
        Ok(Self(Duration::from_millis(ms)))
    }
}

fn scaled(
    text: &str,
    factor: impl Fn(&str) -> Option<u64>,
    what: &'static str,
) -> Result<u64, BadUnit> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let number: Option<u64> = number.parse().ok();
    let scaled = number
        .zip(factor(unit))
        .and_then(|(n, by)| n.checked_mul(by));
    scaled.ok_or_else(|| BadUnit {
        text: text.to_owned(),
        what,
    })
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_str(Written(PhantomData))
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_str(Written(PhantomData))
    }
}

/// Reads the text, and a number without a unit for what it is told to be.
struct Written<T>(PhantomData<T>);

impl<T: FromStr<Err = BadUnit>> Visitor<'_> for Written<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number and a unit, as a text")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }
}

/// A length of time as it is read best: `1 h`, `90 s`, `250 ms`.
pub(crate) fn readable(ms: u64) -> String {
    let units = [
        (86_400_000, "d"),
        (3_600_000, "h"),
        (60_000, "min"),
        (1_000, "s"),
    ];
    let fits = units
        .into_iter()
        .find(|(by, _)| ms > 0 && ms.is_multiple_of(*by));
    match fits {
        Some((by, unit)) => format!("{} {unit}", ms / by),
        None => format!("{ms} ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_alone_is_told_what_it_lacks() {
        for text in ["5", "-5", "'5'"] {
            let value: toml::Table = toml::from_str(&format!("v = {text}")).unwrap();
            let span = value["v"]
                .clone()
                .try_into::<Span>()
                .unwrap_err()
                .to_string();
            assert!(span.contains("5` is not a duration: write"), "{span}");
            let size = value["v"]
                .clone()
                .try_into::<Size>()
                .unwrap_err()
                .to_string();
            assert!(size.contains("5` is not a size: write"), "{size}");
        }
    }

    #[test]
    fn sizes_are_a_number_and_a_unit() {
        for (text, bytes) in [
            ("0B", Some(0)),
            ("512B", Some(512)),
            ("64KiB", Some(65_536)),
            ("256MiB", Some(268_435_456)),
            ("2GiB", Some(2_147_483_648)),
            ("256", None),
            ("256 MiB", None),
            ("256MB", None),
            ("MiB", None),
            ("-1B", None),
            ("1.5GiB", None),
            ("99999999999GiB", None),
            ("", None),
        ] {
            assert_eq!(text.parse::<Size>().ok(), bytes.map(Size), "{text}");
        }
        let error = "lots\n".parse::<Size>().unwrap_err().to_string();
        assert!(error.contains("`lots\\n` is not a size") && error.contains("\"256MiB\""));
    }

    #[test]
    fn durations_are_a_number_and_a_unit() {
        for (text, ms) in [
            ("250ms", Some(250)),
            ("90s", Some(90_000)),
            ("5m", Some(300_000)),
            ("1h", Some(3_600_000)),
            ("1d", Some(86_400_000)),
            ("1", None),
            ("1h30m", None),
            ("1 h", None),
            ("1H", None),
            ("-5s", None),
            ("99999999999999999d", None),
        ] {
            let parsed = text.parse::<Span>().ok().map(Span::ms);
            assert_eq!(parsed, ms, "{text}");
        }
    }

    #[test]
    fn durations_read_in_their_largest_whole_unit() {
        for (ms, text) in [
            (0, "0 ms"),
            (250, "250 ms"),
            (90_000, "90 s"),
            (120_000, "2 min"),
            (3_600_000, "1 h"),
            (86_400_000, "1 d"),
        ] {
            assert_eq!(readable(ms), text);
        }
    }
}
