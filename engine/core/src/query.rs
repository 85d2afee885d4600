//! The query of a request, and what of it a decision does not say.
//!
//! The attributes `query.*` are its parameters, decoded, for policies. The attribute `query` is the
//! query as it was sent, and is there only where the parameters do not tell it: where one is given
//! more than once, or spelled otherwise than [`attributes`] would spell it. Origins that read a
//! query get it as it was sent.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// The attribute that holds the query as it was sent.
pub const AS_SENT: &str = "query";
/// How the names of its parameters begin.
const PARAMETER: &str = "query.";

/// What is percent-encoded in addresses: everything but the unreserved characters of RFC 3986.
pub const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// What a decision cannot say of a query, so that the engine has to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unsaid {
    /// The policy does not declare this parameter.
    Undeclared(String),
    /// This parameter is given more than once, and a policy is shown one text.
    Repeated(String),
    /// Two spellings are shown to the policy as one.
    Spelling,
}

/// The attributes of a query. Values of a parameter that is given more than once are joined by
/// commas: were there two attributes, a policy might make the key from the first while the origin
/// answers to the second.
#[must_use]
pub fn attributes(as_sent: &str) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = Vec::new();
    for (name, value) in pairs(as_sent) {
        match all
            .iter_mut()
            .find(|(known, _)| known[PARAMETER.len()..] == *name)
        {
            Some((_, known)) => {
                known.push(',');
                known.push_str(&value);
            }
            None => all.push((format!("{PARAMETER}{name}"), value.into_owned())),
        }
    }
    if spelled(&all).as_deref() != Some(as_sent) {
        all.push((AS_SENT.to_owned(), as_sent.to_owned()));
    }
    all
}

/// The query that the attributes stand for, as it was sent; none where there is none.
#[must_use]
pub fn as_sent(attributes: &[(String, String)]) -> Option<Cow<'_, str>> {
    let said = attributes.iter().find(|(name, _)| name == AS_SENT);
    match said {
        Some((_, said)) => Some(Cow::Borrowed(said)),
        None => spelled(attributes).map(Cow::Owned),
    }
}

/// Whether an attribute is a part of the query.
#[must_use]
pub fn is_part(name: &str) -> bool {
    name.strip_prefix(AS_SENT)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// What of the query a decision does not say whose policy declares some attributes; none where it
/// is told whole by them, and then their order is of no matter.
pub fn unsaid(attributes: &[(String, String)], declared: impl Fn(&str) -> bool) -> Option<Unsaid> {
    let mut odd = None;
    for (at, (name, value)) in attributes.iter().enumerate() {
        if name == AS_SENT {
            return Some(unsaid_of(value, declared));
        }
        let Some(parameter) = name.strip_prefix(PARAMETER) else {
            continue;
        };
        if odd.is_some() {
            continue;
        }
        if !declared(name) {
            odd = Some(Unsaid::Undeclared(parameter.to_owned()));
        } else if attributes[..at].iter().any(|(known, _)| known == name) {
            odd = Some(Unsaid::Repeated(parameter.to_owned()));
        }
    }
    odd
}

fn unsaid_of(as_sent: &str, declared: impl Fn(&str) -> bool) -> Unsaid {
    let names: Vec<_> = pairs(as_sent).map(|(name, _)| name).collect();
    let undeclared = |name: &&Cow<'_, str>| !declared(&format!("{PARAMETER}{name}"));
    if let Some(name) = names.iter().find(undeclared) {
        return Unsaid::Undeclared(name.clone().into_owned());
    }
    let mut repeated = (1..names.len()).filter(|at| names[..*at].contains(&names[*at]));
    match repeated.next() {
        Some(at) => Unsaid::Repeated(names[at].clone().into_owned()),
        None => Unsaid::Spelling,
    }
}

fn pairs(query: &str) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs.map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decoded(name), decoded(value))
    })
}

fn decoded(text: &str) -> Cow<'_, str> {
    if !text.contains(['+', '%']) {
        return Cow::Borrowed(text);
    }
    let spaced = text.replace('+', " ");
    Cow::Owned(percent_decode_str(&spaced).decode_utf8_lossy().into_owned())
}

/// The one spelling that needs no other attribute beside the parameters.
fn spelled(attributes: &[(String, String)]) -> Option<String> {
    let mut out: Option<String> = None;
    for (name, value) in attributes {
        let Some(name) = name.strip_prefix(PARAMETER) else {
            continue;
        };
        let out = match &mut out {
            Some(out) => {
                out.push('&');
                out
            }
            None => out.insert(String::new()),
        };
        out.extend(utf8_percent_encode(name, ENCODED));
        out.push('=');
        out.extend(utf8_percent_encode(value, ENCODED));
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn declared(name: &str) -> bool {
        ["query.page", "query.q"].contains(&name)
    }

    #[test]
    fn what_a_policy_cannot_say_is_named() {
        let undeclared = |name: &str| Some(Unsaid::Undeclared(name.to_owned()));
        let repeated = |name: &str| Some(Unsaid::Repeated(name.to_owned()));
        for (query, expected) in [
            ("page=2", None),
            ("page=2&q=a", None),
            ("q=a%20b&page=2", None),
            ("q=", None),
            ("page=2&status=open", undeclared("status")),
            ("status=open&page=2", undeclared("status")),
            ("q=a&q=b&status", undeclared("status")),
            ("%73tatus=open", undeclared("status")),
            ("q=a&q=b", repeated("q")),
            ("q=a&q=a", repeated("q")),
            ("q=a&%71=b", repeated("q")),
            ("q=a+b", Some(Unsaid::Spelling)),
            ("q=a%2cb", Some(Unsaid::Spelling)),
            ("q=a,b", Some(Unsaid::Spelling)),
            ("q", Some(Unsaid::Spelling)),
            ("q=a=b", Some(Unsaid::Spelling)),
            ("q=%61", Some(Unsaid::Spelling)),
            ("q=%FF", Some(Unsaid::Spelling)),
            ("q=a&", Some(Unsaid::Spelling)),
            ("&q=a", Some(Unsaid::Spelling)),
            ("", Some(Unsaid::Spelling)),
        ] {
            assert_eq!(unsaid(&attributes(query), declared), expected, "?{query}");
        }
        let without = [("header.accept".to_owned(), "a".to_owned())];
        assert_eq!(unsaid(&without, declared), None);
    }

    #[test]
    fn a_program_gives_parameters_without_spelling_them() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        for (given, query, expected) in [
            (vec![pair("query.q", "a b&c")], "q=a%20b%26c", None),
            (
                vec![pair("query.q", "a"), pair("query.q", "b")],
                "q=a&q=b",
                Some(Unsaid::Repeated("q".to_owned())),
            ),
            (
                vec![pair("query.tag", "x"), pair("query.q", "b")],
                "tag=x&q=b",
                Some(Unsaid::Undeclared("tag".to_owned())),
            ),
        ] {
            assert_eq!(as_sent(&given).as_deref(), Some(query));
            assert_eq!(unsaid(&given, declared), expected, "{query}");
        }
        assert_eq!(as_sent(&[pair("context.query", "x")]), None);
        assert!(!is_part("queryx") && is_part("query") && is_part("query.x"));
    }

    #[test]
    fn a_policy_is_shown_one_attribute_for_each_name() {
        let all = attributes("page=1&sort=a+b&page=2&x=%C3%BC&&flag");
        let all: Vec<_> = all.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let expected = [
            ("query.page", "1,2"),
            ("query.sort", "a b"),
            ("query.x", "ü"),
            ("query.flag", ""),
            ("query", "page=1&sort=a+b&page=2&x=%C3%BC&&flag"),
        ];
        assert_eq!(all, expected);
    }

    /// What an entry is stored under, as far as the query goes, by a policy that tells all it sees.
    fn place(query: &str) -> (Vec<(String, String)>, Option<String>) {
        let mut shown = attributes(query);
        let odd = unsaid(&shown, |_| true).map(|_| query.to_owned());
        shown.retain(|(name, _)| name != AS_SENT);
        shown.sort();
        (shown, odd)
    }

    fn some_query() -> impl Strategy<Value = String> {
        let pairs = [
            "a=1", "a=%31", "%61=1", "a", "a=", "b=1", "b=+", "b=%20", "b=1,2", "b=1%2C2",
        ];
        let pairs = proptest::collection::vec(proptest::sample::select(pairs.to_vec()), 0..4);
        pairs.prop_map(|pairs| pairs.join("&"))
    }

    proptest! {
        /// Only queries of the same parameters, each once and spelled alike, share an entry.
        #[test]
        fn who_shares_an_entry_asked_for_the_same(one in some_query(), other in some_query()) {
            let first = attributes(&one);
            let again = as_sent(&first);
            prop_assert_eq!(again.as_deref(), Some(one.as_str()));
            let sent = |query: &str| {
                let mut all: Vec<_> = query.split('&').map(str::to_owned).collect();
                all.sort();
                all
            };
            if place(&one) == place(&other) {
                prop_assert_eq!(sent(&one), sent(&other));
            }
        }
    }
}
