//! Logical keys that no user text can forge.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::hex::Hex;

/// The longest tenant or namespace kept readable in a storage key, in bytes after escaping.
const READABLE_NAME: usize = 128;
/// The longest policy key kept readable in a storage key, in bytes after escaping.
const READABLE_KEY: usize = 512;
/// What stands between a key and the query that it does not tell.
const VARIANT: &str = "~?";

/// A key as a policy names it with the query that it does not tell, as it is shown to people and
/// taken from them.
#[must_use]
pub fn shown(key: &str, query: Option<&str>) -> String {
    match query {
        Some(query) => format!("{key}{VARIANT}{query}"),
        None => key.to_owned(),
    }
}

/// The key and the query that a shown text may stand for. A policy's own key may hold the same
/// text, so who takes one from people has to think of both.
#[must_use]
pub fn taken(shown: &str) -> Option<(&str, &str)> {
    shown.split_once(VARIANT)
}

/// The part of an escaped key that the policy named.
pub(crate) fn without_query(escaped: &str) -> &str {
    escaped.split_once(VARIANT).map_or(escaped, |(key, _)| key)
}

/// The full name of an entry: tenant, namespace and the key that the policy answered.
///
/// The storage form is `tenant:namespace:key`. In each part `%`, `~`, `{`, `}`, white space and
/// control characters are percent-encoded, and in tenant and namespace `:` as well, so different
/// names never share a form, no text can choose a cluster slot, and no key reaches into another
/// tenant or namespace. A part beyond its length is replaced by `~` and its SHA-256; the full
/// name then travels along as [`Key::logical`] and is compared when an entry is read.
///
/// An entry of a query that the policy's key does not tell has `~?` and that query, escaped likewise,
/// behind the key: a variant of it. Since `~` is always escaped, no key of a policy is one.
#[derive(Clone, Debug)]
pub struct Key {
    storage: Arc<str>,
    /// Only where it differs from `storage`.
    logical: Option<Arc<str>>,
}

impl Key {
    /// The key of one entry.
    #[must_use]
    pub fn new(tenant: &str, namespace: &str, key: &str) -> Self {
        Self::of(tenant, namespace, key, None)
    }

    /// The key of the entry of a query that `key` does not tell; without one, as [`Key::new`].
    #[must_use]
    pub fn of(tenant: &str, namespace: &str, key: &str, query: Option<&str>) -> Self {
        let extra = query.map_or(0, |query| query.len() + 2);
        let length = tenant.len() + namespace.len() + key.len() + extra + 8;
        let mut storage = String::with_capacity(length);
        push_escaped(&mut storage, tenant, true);
        let tenant_end = storage.len();
        storage.push(':');
        push_escaped(&mut storage, namespace, true);
        let namespace_end = storage.len();
        storage.push(':');
        push_escaped(&mut storage, key, false);
        if let Some(query) = query {
            storage.push_str(VARIANT);
            push_escaped(&mut storage, query, false);
        }

        let (t, n) = (
            &storage[..tenant_end],
            &storage[tenant_end + 1..namespace_end],
        );
        let k = &storage[namespace_end + 1..];
        if t.len() <= READABLE_NAME && n.len() <= READABLE_NAME && k.len() <= READABLE_KEY {
            return Self {
                storage: storage.into(),
                logical: None,
            };
        }
        let short = format!(
            "{}:{}:{}",
            Part(t, READABLE_NAME),
            Part(n, READABLE_NAME),
            Part(k, READABLE_KEY)
        );
        Self {
            storage: short.into(),
            logical: Some(storage.into()),
        }
    }

    /// The key of an entry that a store keeps, from the two forms that it was kept with.
    #[must_use]
    pub fn of_stored(storage: Arc<str>, logical: Arc<str>) -> Self {
        let logical = (storage != logical).then_some(logical);
        Self { storage, logical }
    }

    /// The form under which a store keeps the entry.
    #[must_use]
    pub fn storage(&self) -> &Arc<str> {
        &self.storage
    }

    /// The full name, escaped but never hashed.
    #[must_use]
    pub fn logical(&self) -> &Arc<str> {
        self.logical.as_ref().unwrap_or(&self.storage)
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.storage == other.storage
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.storage.hash(state);
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.storage)
    }
}

/// A part of a storage key: as it is, or as a digest where it is too long.
struct Part<'a>(&'a str, usize);

impl fmt::Display for Part<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.len() <= self.1 {
            return f.write_str(self.0);
        }
        write!(f, "~{}", Hex(&Sha256::digest(self.0.as_bytes())))
    }
}

/// Appends `text` so that nothing in it can be taken for structure.
pub(crate) fn push_escaped(out: &mut String, text: &str, escape_colon: bool) {
    let structural = |c: char| {
        matches!(c, '%' | '~' | '{' | '}')
            || (escape_colon && c == ':')
            || c.is_whitespace()
            || c.is_control()
    };
    if !text.contains(structural) {
        out.push_str(text);
        return;
    }
    for c in text.chars() {
        if structural(c) {
            for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                const HEX: &[u8; 16] = b"0123456789ABCDEF";
                out.push('%');
                out.push(char::from(HEX[usize::from(byte >> 4)]));
                out.push(char::from(HEX[usize::from(byte & 15)]));
            }
        } else {
            out.push(c);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keys_stay_readable() {
        for ((tenant, namespace, key), storage) in [
            (("", "product", "product:42"), ":product:product:42"),
            (("acme", "product", "a b"), "acme:product:a%20b"),
            (("a:b", "c", "d"), "a%3Ab:c:d"),
            (("t", "n", "{slot}~%\n"), "t:n:%7Bslot%7D%7E%25%0A"),
            (("t", "n", "grün"), "t:n:grün"),
        ] {
            assert_eq!(&**Key::new(tenant, namespace, key).storage(), storage);
        }
    }

    #[test]
    fn no_key_is_the_variant_of_another() {
        let variant = |key, query| Key::of("t", "n", key, Some(query));
        assert_eq!(&**variant("p:1", "a=1 &~").storage(), "t:n:p:1~?a=1%20&%7E");
        for (key, other) in [
            (variant("p:1", "a=1"), Key::new("t", "n", "p:1")),
            (variant("p:1", ""), Key::new("t", "n", "p:1")),
            (variant("p:1", "a=1"), Key::new("t", "n", "p:1~?a=1")),
            (variant("p:1~?a=1", "b"), variant("p:1", "a=1~?b")),
            (variant("p:1", "a"), variant("p:1?", "a")),
        ] {
            assert_ne!(key, other);
        }
        let long = variant("p:1", &"x".repeat(5_000));
        assert!(long.storage().starts_with("t:n:~"), "{long}");
        assert_eq!(without_query(long.logical()), "t:n:p:1");
        assert_eq!(taken(&shown("p:1", Some("a=1"))), Some(("p:1", "a=1")));
    }

    #[test]
    fn long_parts_are_hashed_alone_and_the_full_name_is_kept() {
        let key = Key::new("acme", "product", &"x".repeat(10_000));
        assert!(key.storage().starts_with("acme:product:~"), "{key}");
        assert_eq!(key.storage().len(), "acme:product:~".len() + 64);
        assert_eq!(key.logical().len(), "acme:product:".len() + 10_000);
        let forged = Key::new("acme", "product", &key.storage()["acme:product:".len()..]);
        assert_ne!(forged, key, "text that looks like a digest is escaped");
    }

    proptest! {
        #[test]
        fn different_names_never_share_a_form(
            a in ("[a:%~{ ]{0,4}", "[a:%~{ ]{0,4}", "[a:%~{ ]{0,4}"),
            b in ("[a:%~{ ]{0,4}", "[a:%~{ ]{0,4}", "[a:%~{ ]{0,4}"),
        ) {
            let (x, y) = (Key::new(&a.0, &a.1, &a.2), Key::new(&b.0, &b.1, &b.2));
            prop_assert_eq!(a == b, x == y);
        }

        #[test]
        fn no_text_reaches_another_tenant_or_slot(tenant: String, namespace: String, key: String) {
            let full = Key::new(&tenant, &namespace, &key);
            let structural = full.storage().contains(['{', '}', '\n', '\r', '\0']);
            prop_assert!(!structural, "{full}");
            let (owner, _) = full.storage().split_once(':').unwrap();
            let clean = Key::new(&tenant, "n", "k");
            prop_assert_eq!(owner, clean.storage().split_once(':').unwrap().0);
        }
    }
}
