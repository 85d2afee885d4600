//! What a request says beside resource, id and query, and an application that loads may heed though
//! the policy does not tell it: the application's own context, and credentials.

use percent_encoding::utf8_percent_encode;
use sha2::{Digest, Sha256};

use crate::hex::Hex;
use crate::query::ENCODED;

/// How the names of what the application says of the caller begin.
const CONTEXT: &str = "context.";
/// Headers that say who asks. Their values are secret, so no key holds them as they are.
const CREDENTIALS: [&str; 2] = ["header.authorization", "header.cookie"];
/// What begins this part of a variant. No query holds it as it is, since it ends one.
const BEGINS: char = '#';

/// Whether an attribute says who asks.
#[must_use]
pub fn is_credential(name: &str) -> bool {
    CREDENTIALS.contains(&name)
}

/// Whether an attribute is a context or a credential.
#[must_use]
pub fn is_part(name: &str) -> bool {
    name.starts_with(CONTEXT) || is_credential(name)
}

/// The context and the credentials that the policy does not declare, by name.
pub fn unsaid(
    attributes: &[(String, String)],
    declared: impl Fn(&str) -> bool,
) -> Vec<(&str, &str)> {
    let all = attributes.iter();
    let all = all.map(|(name, value)| (name.as_str(), value.as_str()));
    let mut all: Vec<_> = all
        .filter(|(name, _)| is_part(name) && !declared(name))
        .collect();
    // What has one name stays in its order.
    all.sort_by_key(|(name, _)| *name);
    all
}

/// The first of them that is no credential, without the beginning of its name.
#[must_use]
pub fn context<'a>(unsaid: &[(&'a str, &'a str)]) -> Option<&'a str> {
    let mut names = unsaid.iter();
    names.find_map(|(name, _)| name.strip_prefix(CONTEXT))
}

/// What makes an entry a variant of the policy's key: the query, where the key does not tell it, and
/// what is unsaid beside it.
#[must_use]
pub fn variant(query: Option<&str>, unsaid: &[(&str, &str)]) -> String {
    let mut text = query.unwrap_or_default().replace(BEGINS, "%23");
    for (at, (name, value)) in unsaid.iter().enumerate() {
        text.push(if at == 0 { BEGINS } else { '&' });
        text.extend(utf8_percent_encode(name, ENCODED));
        text.push('=');
        if is_credential(name) {
            text.push_str(&Hex(&Sha256::digest(value)).to_string());
        } else {
            text.extend(utf8_percent_encode(value, ENCODED));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(all: &[(&str, &str)]) -> Vec<(String, String)> {
        let all = all.iter();
        all.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn context_and_credentials_are_unsaid_where_the_policy_does_not_declare_them() {
        let declared = |name: &str| ["context.user", "header.cookie"].contains(&name);
        for (given, expected) in [
            (&[][..], ""),
            (&[("context.user", "7")], ""),
            (&[("context.tier", "gold")], "#context.tier=gold"),
            (&[("context.tier", "a&b=#")], "#context.tier=a%26b%3D%23"),
            (
                &[
                    ("context.z", "1"),
                    ("header.accept", "x"),
                    ("context.a", "2"),
                ],
                "#context.a=2&context.z=1",
            ),
            (&[("header.cookie", "s")], ""),
            (&[("header.user-agent", "x"), ("query.page", "2")], ""),
        ] {
            let given = pairs(given);
            assert_eq!(variant(None, &unsaid(&given, declared)), expected);
        }
    }

    #[test]
    fn no_key_shows_a_credential() {
        let given = pairs(&[("header.authorization", "Bearer secret")]);
        let text = variant(Some("a=1"), &unsaid(&given, |_| false));
        assert!(text.starts_with("a=1#header.authorization="), "{text}");
        assert!(!text.contains("secret"), "{text}");
        let other = pairs(&[("header.authorization", "Bearer another")]);
        assert_ne!(text, variant(Some("a=1"), &unsaid(&other, |_| false)));
        assert_eq!(context(&unsaid(&given, |_| false)), None);
    }

    #[test]
    fn no_query_passes_for_a_context() {
        let gold = pairs(&[("context.tier", "gold")]);
        let gold = unsaid(&gold, |_| false);
        assert_eq!(context(&gold), Some("tier"));
        assert_eq!(variant(None, &gold), "#context.tier=gold");
        assert_ne!(
            variant(Some("#context.tier=gold"), &[]),
            variant(None, &gold)
        );
        assert_eq!(variant(Some("a=1&b"), &[]), "a=1&b");
    }
}
