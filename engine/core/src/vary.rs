//! By which request headers a response varies (RFC 9110, 12.5.5).

use crate::head::names_in;

/// The first field of a response's `Vary` lines that does not hold the same for all who share an
/// entry; none where every one does. `*` is one that never does.
///
/// `settled` says of a header, in lower case, that the origin is asked with the same value of it, or
/// with none, for whoever shares a key.
pub fn unsettled<'a>(
    lines: impl Iterator<Item = &'a str>,
    settled: impl Fn(&str) -> bool,
) -> Option<String> {
    lines
        .flat_map(names_in)
        .find(|field| field == "*" || !settled(field))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_field_that_is_not_settled_is_enough() {
        let settled = |field: &str| ["accept", "accept-language", "*"].contains(&field);
        for (lines, expected) in [
            (&[][..], None),
            (&[""], None),
            (&["Accept"], None),
            (&["accept , ACCEPT-LANGUAGE,"], None),
            (&["Accept", "Accept-Language"], None),
            (&["Origin"], Some("origin")),
            (&["Accept, Cookie"], Some("cookie")),
            (&["Accept", "X-Tier"], Some("x-tier")),
            (&["*"], Some("*")),
            (&["Accept, *"], Some("*")),
        ] {
            let found = unsettled(lines.iter().copied(), settled);
            assert_eq!(found.as_deref(), expected, "{lines:?}");
        }
    }
}
