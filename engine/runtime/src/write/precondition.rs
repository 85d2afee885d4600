//! Writes that are to be done under a condition.

use larder_core::Request;

use crate::error::Error;

/// The attributes that say when a write may be done, and whether they bind one: `If-Modified-Since`
/// is for reads, and a write with it is done all the same (RFC 9110, 13.1.3).
const PRECONDITIONS: [(&str, bool); 4] = [
    ("header.if-match", true),
    ("header.if-none-match", true),
    ("header.if-unmodified-since", true),
    ("header.if-modified-since", false),
];

/// Whether the attribute goes with a write to an origin that judges it.
pub(crate) fn is_precondition(name: &str) -> bool {
    PRECONDITIONS.iter().any(|(one, _)| *one == name)
}

/// Refuses a write that is to be done under a condition where nobody judges it: done without, it
/// could undo what its caller has not seen.
pub(super) fn check(request: &Request, judged: bool) -> Result<(), Error> {
    let binding = |name: &str| PRECONDITIONS.contains(&(name, true));
    match request.attributes.iter().find(|(name, _)| binding(name)) {
        Some((name, _)) if !judged => {
            let header = name.trim_start_matches("header.").to_owned();
            Err(Error::UnjudgedPrecondition { header })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_that_nobody_judges_is_refused() {
        for (name, bound) in [
            ("header.if-match", true),
            ("header.if-none-match", true),
            ("header.if-unmodified-since", true),
            ("header.if-modified-since", false),
            ("header.if-range", false),
            ("query.if-match", false),
        ] {
            let request = Request::write("p", "1").with(name, "*");
            assert_eq!(check(&request, false).is_err(), bound, "{name}");
            assert_eq!(check(&request, true), Ok(()), "{name}");
        }
    }
}
