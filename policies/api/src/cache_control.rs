//! What a response's `Cache-Control` says to a shared cache (RFC 9111, section 5.2.2).

use larder_sdk::prelude::*;

/// The directives that matter here. Where a response contradicts itself, the stricter one holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CacheControl {
    /// The directive that keeps the response out of a shared cache altogether.
    pub(crate) forbids: Option<&'static str>,
    max_age: Option<Duration>,
    s_maxage: Option<Duration>,
    stale_while_revalidate: Option<Duration>,
    stale_if_error: Option<Duration>,
    must_revalidate: bool,
}

impl CacheControl {
    /// Reads all lines of the header; unknown directives are ignored.
    pub(crate) fn parse<'a>(lines: impl Iterator<Item = &'a str>) -> Self {
        let mut said = Self::default();
        for line in lines {
            directives(line, |directive| said.add(directive));
        }
        said
    }

    fn add(&mut self, directive: &str) {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        match name.trim().to_ascii_lowercase().as_str() {
            "no-store" => self.forbids = Some("no-store"),
            "private" => self.forbids = Some("private"),
            // Without validators there is no way to ask whether the value still holds.
            "no-cache" => self.forbids = Some("no-cache"),
            "max-age" => shorten(&mut self.max_age, value),
            "s-maxage" => shorten(&mut self.s_maxage, value),
            "stale-while-revalidate" => shorten(&mut self.stale_while_revalidate, value),
            "stale-if-error" => shorten(&mut self.stale_if_error, value),
            "must-revalidate" | "proxy-revalidate" => self.must_revalidate = true,
            _ => {}
        }
    }

    /// How long a shared cache may serve the response, if it says so.
    pub(crate) fn ttl(&self) -> Option<Duration> {
        self.s_maxage.or(self.max_age)
    }

    /// stale-while-revalidate, where `usual` holds for a response that does not state it.
    pub(crate) fn stale_while_revalidate(&self, usual: Duration) -> Duration {
        self.stale(self.stale_while_revalidate, usual)
    }

    /// stale-if-error, likewise.
    pub(crate) fn stale_if_error(&self, usual: Duration) -> Duration {
        self.stale(self.stale_if_error, usual)
    }

    fn stale(&self, stated: Option<Duration>, usual: Duration) -> Duration {
        match stated {
            _ if self.must_revalidate => Duration::ZERO,
            Some(window) => window,
            // s-maxage rules stale use out as well (section 5.2.2.10), but a response that states
            // a window beside it means the window.
            None if self.s_maxage.is_some() => Duration::ZERO,
            None => usual,
        }
    }
}

/// Takes a line apart at its commas, and at semicolons, which some take for them. One within quotes
/// is part of a value. Quotes that do not end hide nothing, nor do those around directives, which
/// settings and templates leave there: what stands in them holds too.
fn directives<'a>(line: &'a str, mut take: impl FnMut(&'a str)) {
    let (mut quoted, mut escaped) = (false, false);
    let mut is_end = |c: char| {
        let is_quote = c == '"' && !escaped;
        escaped = quoted && c == '\\' && !escaped;
        quoted ^= is_quote;
        matches!(c, ',' | ';') && !quoted
    };
    for part in line.split(&mut is_end) {
        match part.trim().strip_prefix('"') {
            Some(inner) => inner.split([',', ';', '"']).for_each(&mut take),
            None => take(part),
        }
    }
    if quoted {
        line.split([',', ';']).for_each(take);
    }
}

/// Whole seconds, and nothing else; too many count as the longest.
pub(crate) fn parse_whole(digits: &str) -> Option<Duration> {
    let whole = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    whole.then(|| seconds(digits.parse().unwrap_or(u64::MAX)))
}

/// Takes whole seconds. What is no number counts as 0: such a response is not to be trusted for
/// long. One too large to count counts as the longest.
fn parse_seconds(text: &str) -> Duration {
    parse_whole(text.trim().trim_matches('"')).unwrap_or(Duration::ZERO)
}

fn shorten(field: &mut Option<Duration>, value: &str) {
    let new = parse_seconds(value);
    *field = Some(field.map_or(new, |old| old.min(new)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ttl_of_a_shared_cache() {
        for (lines, ttl) in [
            (&["max-age=60"][..], Some(seconds(60))),
            (&["public, MAX-AGE=60"], Some(seconds(60))),
            (&["max-age=60, s-maxage=5"], Some(seconds(5))),
            (&["s-maxage=600, max-age=5"], Some(seconds(600))),
            (&["max-age=60", "max-age=30"], Some(seconds(30))),
            (&["max-age=\"60\""], Some(seconds(60))),
            (&["max-age=-1"], Some(Duration::ZERO)),
            (&["max-age"], Some(Duration::ZERO)),
            (
                &["max-age=99999999999999999999999"],
                Some(seconds(u64::MAX)),
            ),
            (&["note=\"a, max-age=60, b\""], None),
            (&["note=\"a \\\", max-age=60\""], None),
            (&["note=\"a, max-age=60"], Some(seconds(60))),
            (&["max-age = 60"], Some(seconds(60))),
            (&["public; max-age=60"], Some(seconds(60))),
            (&["max-age=60; s-maxage=5"], Some(seconds(5))),
            (&["note=\"a; max-age=60\""], None),
            (&["max-age=60, max-age=30"], Some(seconds(30))),
            (&["max-age=60.5"], Some(Duration::ZERO)),
            (&["max-age=6 0"], Some(Duration::ZERO)),
            (&["max-age=+60"], Some(Duration::ZERO)),
            (&["S-MaxAge=5"], Some(seconds(5))),
            (&["public"], None),
            (&[], None),
        ] {
            let said = CacheControl::parse(lines.iter().copied());
            assert_eq!(said.ttl(), ttl, "{lines:?}");
        }
    }

    #[test]
    fn what_forbids_storing_and_stale_use() {
        for (line, forbids, stale) in [
            ("no-store", Some("no-store"), 9),
            ("max-age=60, Private", Some("private"), 9),
            ("private=\"x-user\"", Some("private"), 9),
            ("private; max-age=60", Some("private"), 9),
            ("\"private, max-age=60\"", Some("private"), 9),
            ("max-age=60, \"no-store\"", Some("no-store"), 9),
            ("max-age=60;no-store", Some("no-store"), 9),
            ("no-cache", Some("no-cache"), 9),
            ("no-cache=\"set-cookie\"", Some("no-cache"), 9),
            ("note=\"a, no-store", Some("no-store"), 9),
            ("note=\"a, no-store\"", None, 9),
            ("max-age=60", None, 9),
            ("max-age=60, stale-if-error=5", None, 5),
            ("s-maxage=60", None, 0),
            ("s-maxage=60, stale-if-error=5", None, 5),
            ("max-age=60, must-revalidate, stale-if-error=5", None, 0),
            ("max-age=60, proxy-revalidate", None, 0),
        ] {
            let said = CacheControl::parse([line].into_iter());
            assert_eq!(said.forbids, forbids, "{line}");
            assert_eq!(said.stale_if_error(seconds(9)), seconds(stale), "{line}");
        }
    }
}
