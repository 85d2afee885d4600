//! Values as the server will show them in a row of JSON once they were written, where their type
//! tells.

use std::borrow::Cow;

use super::schema::Column;
use crate::whole::{self, Shown};

impl Shown for Column {
    fn name(&self) -> &str {
        &self.name
    }

    fn settable(&self) -> bool {
        self.settable
    }

    fn as_read<'v>(&self, written: &'v str) -> Option<Cow<'v, str>> {
        let shown = Kind {
            name: &self.kind,
            modifier: self.modifier,
            utc: self.utc,
        };
        match self.enumerated && written.starts_with('"') {
            true => Some(Cow::Borrowed(written)),
            false => shown.of(written),
        }
    }
}

/// A type, as far as it shapes values.
#[derive(Clone, Copy)]
struct Kind<'a> {
    name: &'a str,
    /// Its length, or precision and scale, as the server keeps it; -1 where it has none.
    modifier: i32,
    /// Whether the server shows times in UTC.
    utc: bool,
}

impl Kind<'_> {
    fn of<'v>(self, written: &'v str) -> Option<Cow<'v, str>> {
        if written == "null" || self.keeps(written) {
            return Some(Cow::Borrowed(written));
        }
        if let Some(element) = self.name.strip_suffix("[]") {
            return Kind {
                name: element,
                ..self
            }
            .array(written);
        }
        let text = unquoted(written);
        let quoted = |text: String| Cow::Owned(serde_json::Value::from(text).to_string());
        match self.name {
            // A json column keeps the text; what jsonb makes of it is the same value.
            "json" | "jsonb" => Some(Cow::Borrowed(written)),
            "boolean" => matches!(written, "true" | "false").then_some(Cow::Borrowed(written)),
            "smallint" | "integer" | "bigint" => {
                let number: i64 = text.parse().ok()?;
                Some(Cow::Owned(number.to_string()))
            }
            "numeric" => decimal(&text, self.scale()?).map(Cow::Owned),
            "double precision" => {
                let number: f64 = text.parse().ok()?;
                is_plain(number, 1e15).then(|| Cow::Owned(number.to_string()))
            }
            "real" => {
                let number: f32 = text.parse().ok()?;
                is_plain(number.into(), 1e6).then(|| Cow::Owned(number.to_string()))
            }
            _ if written.starts_with(['{', '[']) || text.contains('\0') => None,
            "text" | "citext" | "public.citext" => Some(quoted(text)),
            // Blanks that are too many are cut off, and other characters are refused.
            "character varying" => (!text.ends_with(' ')).then(|| quoted(text)),
            "bpchar" => {
                let length = usize::try_from(self.modifier.checked_sub(4)?).ok()?;
                let blanks = length.checked_sub(text.chars().count())?;
                Some(quoted(text + &" ".repeat(blanks)))
            }
            "uuid" => {
                let lower = text.to_ascii_lowercase();
                is_like(&lower, "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx").then(|| quoted(lower))
            }
            "bytea" => {
                let digits = text.strip_prefix("\\x")?;
                let is_hex = digits.len() % 2 == 0 && digits.bytes().all(|d| d.is_ascii_hexdigit());
                is_hex.then(|| quoted(text.to_ascii_lowercase()))
            }
            "date" => is_like(&text, "0000-00-00").then(|| quoted(text)),
            "time without time zone" => self.time(&text).map(quoted),
            "timestamp without time zone" => self.timestamp(&text).map(quoted),
            "timestamp with time zone" if self.utc => {
                let zones = ["Z", "z", "+00:00", "+00"];
                let mut local = zones.iter().filter_map(|zone| text.strip_suffix(zone));
                Some(quoted(self.timestamp(local.next()?)? + "+00:00"))
            }
            _ => None,
        }
    }

    /// Whether a value is kept as it is spelled, for the most common ones without a look inside.
    fn keeps(self, written: &str) -> bool {
        match self.name {
            "text" => whole::is_plain_text(written),
            "character varying" => whole::is_plain_text(written) && !written.ends_with(" \""),
            "bigint" => whole::is_plain_whole(written),
            _ => false,
        }
    }

    /// Each of a list as one of the elements' type; none of lists in lists.
    fn array<'v>(self, written: &'v str) -> Option<Cow<'v, str>> {
        let elements: Vec<&serde_json::value::RawValue> = serde_json::from_str(written).ok()?;
        let shown = elements.iter().map(|element| match element.get() {
            nested if nested.starts_with('[') => None,
            element => self.of(element),
        });
        let shown: Vec<Cow<'_, str>> = shown.collect::<Option<_>>()?;
        Some(Cow::Owned(format!("[{}]", shown.join(","))))
    }

    /// How many digits after the point are kept: some, all (`Some(None)`), or nobody knows.
    fn scale(self) -> Option<Option<(usize, usize)>> {
        let Some(packed) = self.modifier.checked_sub(4).filter(|packed| *packed >= 0) else {
            return Some(None);
        };
        let (precision, scale) = (packed >> 16, ((packed & 0x7ff) ^ 1024) - 1024);
        let scale = usize::try_from(scale).ok()?;
        let whole = usize::try_from(precision).ok()?.checked_sub(scale)?;
        Some(Some((whole, scale)))
    }

    fn timestamp(self, text: &str) -> Option<String> {
        let (date, time) = match text.split_once(['T', ' ']) {
            Some((date, time)) => (date, self.time(time)?),
            None => (text, "00:00:00".to_owned()),
        };
        let fits = is_like(date, "0000-00-00") && !date.starts_with("0000");
        fits.then(|| format!("{date}T{time}"))
    }

    fn time(self, text: &str) -> Option<String> {
        let (seconds, part) = text.split_once('.').unwrap_or((text, ""));
        let most = usize::try_from(self.modifier).map_or(6, |most| most.min(6));
        let fits = is_like(seconds, "00:00:00")
            && seconds < "24:00:00"
            && seconds.get(6..) < Some("60")
            && part.len() <= most
            && part.bytes().all(|digit| digit.is_ascii_digit());
        let part = part.trim_end_matches('0');
        fits.then(|| match part {
            "" => seconds.to_owned(),
            part => format!("{seconds}.{part}"),
        })
    }
}

/// The text of a string, or how something else is spelled.
fn unquoted(written: &str) -> String {
    serde_json::from_str(written).unwrap_or_else(|_| written.to_owned())
}

/// Whether a text is made as a pattern in which `0` is a digit and `x` a digit of base 16.
fn is_like(text: &str, pattern: &str) -> bool {
    text.len() == pattern.len()
        && text.bytes().zip(pattern.bytes()).all(|(c, p)| match p {
            b'0' => c.is_ascii_digit(),
            b'x' => c.is_ascii_hexdigit(),
            p => c == p,
        })
}

/// A number of base 10, rounded half away from zero to as many digits as are kept; none where it
/// has an exponent, or more digits before the point than are kept.
fn decimal(text: &str, kept: Option<(usize, usize)>) -> Option<String> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |text: &str| text.bytes().all(|digit| digit.is_ascii_digit());
    if whole.is_empty() || digits.ends_with('.') || !all_digits(whole) || !all_digits(part) {
        return None;
    }
    let scale = kept.map_or(part.len(), |(_, scale)| scale);
    let shown = part.bytes().chain(std::iter::repeat(b'0')).take(scale);
    let mut all: Vec<u8> = std::iter::once(b'0')
        .chain(whole.bytes())
        .chain(shown)
        .collect();
    if part
        .as_bytes()
        .get(scale)
        .is_some_and(|digit| *digit >= b'5')
    {
        round_up(&mut all);
    }
    let all = String::from_utf8(all).ok()?;
    let (whole, part) = all.split_at_checked(all.len().checked_sub(scale)?)?;
    let whole = whole.trim_start_matches('0');
    if kept.is_some_and(|(most, _)| whole.len() > most) {
        return None;
    }
    let negative = negative && all.bytes().any(|digit| digit != b'0');
    let sign = if negative { "-" } else { "" };
    let whole = if whole.is_empty() { "0" } else { whole };
    let point = if scale > 0 { "." } else { "" };
    Some(format!("{sign}{whole}{point}{part}"))
}

/// Adds one to the last of some digits, the first of which is zero.
fn round_up(digits: &mut [u8]) {
    for digit in digits.iter_mut().rev() {
        if *digit < b'9' {
            *digit += 1;
            return;
        }
        *digit = b'0';
    }
}

/// Whether the server spells a number without an exponent, in the fewest digits that are it again.
fn is_plain(number: f64, below: f64) -> bool {
    let size = number.abs();
    size == 0.0 || (1e-4..below).contains(&size)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The modifier of `numeric(precision, scale)`.
    const fn numeric(precision: i32, scale: i32) -> i32 {
        (precision << 16 | scale & 0x7ff) + 4
    }

    const LOCAL: &str = "timestamp without time zone";
    const ZONED: &str = "timestamp with time zone";

    fn shown(name: &str, modifier: i32, utc: bool, written: &str) -> Option<String> {
        let kind = Kind {
            name,
            modifier,
            utc,
        };
        kind.of(written).map(Cow::into_owned)
    }

    #[test]
    fn what_the_type_tells_is_shown() {
        for (kind, modifier, written, expected) in [
            ("integer", -1, r#""5""#, "5"),
            ("bigint", -1, "9007199254740993", "9007199254740993"),
            ("numeric", -1, "1.50", "1.50"),
            ("numeric", -1, "-0.0", "0.0"),
            ("numeric", numeric(10, 2), "5.126", "5.13"),
            ("numeric", numeric(10, 2), "-5.125", "-5.13"),
            ("numeric", numeric(10, 2), "5", "5.00"),
            ("numeric", numeric(10, 2), r#""5.1""#, "5.10"),
            ("numeric", numeric(10, 2), "-0.001", "0.00"),
            ("numeric", numeric(10, 2), "0.999", "1.00"),
            ("numeric", numeric(3, 0), "99.5", "100"),
            ("double precision", -1, "1e2", "100"),
            ("double precision", -1, "0.10", "0.1"),
            ("real", -1, "0.1", "0.1"),
            ("real", -1, "1.23456789", "1.2345679"),
            ("boolean", -1, "true", "true"),
            ("text", -1, r#""a\u00e9 ""#, r#""aé ""#),
            ("text", -1, "1.50", r#""1.50""#),
            ("text", -1, "null", "null"),
            ("text", -1, r#""""#, r#""""#),
            ("character varying", 7, r#""abc""#, r#""abc""#),
            ("bpchar", 9, r#""é""#, r#""é    ""#),
            ("json", -1, r#"{"b":1, "a":2}"#, r#"{"b":1, "a":2}"#),
            ("bytea", -1, r#""\\x00FF""#, r#""\\x00ff""#),
            ("date", -1, r#""2026-01-02""#, r#""2026-01-02""#),
            (LOCAL, -1, r#""2026-01-02""#, r#""2026-01-02T00:00:00""#),
            (
                LOCAL,
                -1,
                r#""2026-01-02 03:04:05.120""#,
                r#""2026-01-02T03:04:05.12""#,
            ),
            (
                ZONED,
                -1,
                r#""2026-01-02T03:04:05Z""#,
                r#""2026-01-02T03:04:05+00:00""#,
            ),
            ("integer[]", -1, "[1, null]", "[1,null]"),
            ("numeric[]", numeric(4, 1), "[1, 2.25]", "[1.0,2.3]"),
        ] {
            let shown = shown(kind, modifier, true, written);
            assert_eq!(shown.as_deref(), Some(expected), "{kind} {written}");
        }
    }

    #[test]
    fn what_only_the_server_can_say_is_not_told() {
        for (kind, modifier, written) in [
            ("bigint", -1, "5.0"),
            ("numeric", -1, "1e3"),
            ("numeric", numeric(2, 0), "99.5"),
            ("numeric", numeric(3, -2), "1234"),
            ("double precision", -1, "1e15"),
            ("double precision", -1, "1e400"),
            ("double precision", -1, "0.00001"),
            ("real", -1, "16777217"),
            ("boolean", -1, "1"),
            ("text", -1, r#""a\u0000""#),
            ("text", -1, r#"{"a":1}"#),
            ("character varying", 7, r#""abc  ""#),
            ("bpchar", 9, r#""too long""#),
            ("bpchar", -1, r#""a""#),
            ("bytea", -1, r#""plain""#),
            ("date", -1, r#""2026-1-2""#),
            ("time without time zone", -1, r#""24:00:00""#),
            (LOCAL, 0, r#""2026-01-02 03:04:05.6""#),
            (LOCAL, -1, r#""2026-01-02T03:04:05Z""#),
            (ZONED, -1, r#""2026-01-02T03:04:05+02:00""#),
            ("integer[]", -1, "[[1]]"),
            ("integer[]", -1, r#""{1}""#),
            ("interval", -1, r#""1 day""#),
        ] {
            assert_eq!(
                shown(kind, modifier, true, written),
                None,
                "{kind} {written}"
            );
        }
        assert_eq!(shown(ZONED, -1, false, r#""2026-01-02T03:04:05Z""#), None);
    }
}
