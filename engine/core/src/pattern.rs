//! Globs over the keys of one namespace.

use std::fmt;

use wildmatch::WildMatch;

use crate::key::{Key, without_query};

/// The longest pattern, in bytes: matching takes time that grows with it for every key.
pub const MAX_BYTES: usize = 256;

/// Why a text is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// It matches nothing.
    #[error("a pattern is empty; `*` stands for every key of the namespace")]
    Empty,
    /// It is too long.
    #[error("a pattern has {0} bytes; at most {MAX_BYTES} are taken")]
    TooLong(usize),
}

/// Some keys of one namespace of one tenant, by a glob: `*` stands for any run of characters and
/// `?` for one. Both always have this meaning; a key that contains them is matched by them too.
#[derive(Clone, Debug)]
pub struct Pattern {
    tenant: String,
    namespace: String,
    glob: WildMatch,
    text: String,
    /// How the full names of the namespace's keys begin.
    logical: String,
    /// How their storage forms begin.
    storage: String,
}

impl Pattern {
    /// The keys of `namespace` that match `glob`, as the policy names them.
    ///
    /// # Errors
    /// If the glob is empty or longer than [`MAX_BYTES`].
    pub fn new(tenant: &str, namespace: &str, glob: &str) -> Result<Self, PatternError> {
        if glob.is_empty() {
            return Err(PatternError::Empty);
        }
        if glob.len() > MAX_BYTES {
            return Err(PatternError::TooLong(glob.len()));
        }
        let root = Key::new(tenant, namespace, "");
        Ok(Self {
            tenant: tenant.to_owned(),
            namespace: namespace.to_owned(),
            glob: WildMatch::new(glob),
            text: glob.to_owned(),
            logical: root.logical().as_ref().to_owned(),
            storage: root.storage().as_ref().to_owned(),
        })
    }

    /// Whose keys.
    #[must_use]
    pub fn tenant(&self) -> &str {
        &self.tenant
    }

    /// The namespace they are in.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The glob as it was given.
    #[must_use]
    pub fn glob(&self) -> &str {
        &self.text
    }

    /// How the storage form of every key of the namespace begins.
    #[must_use]
    pub fn storage_prefix(&self) -> &str {
        &self.storage
    }

    /// Whether it matches the key with this full name ([`Key::logical`]). A variant of a key is
    /// matched where the key is.
    #[must_use]
    pub fn matches(&self, logical: &str) -> bool {
        let Some(key) = logical.strip_prefix(&self.logical) else {
            return false;
        };
        let key = without_query(key);
        if key.contains('%') {
            self.glob.matches(&unescaped(key))
        } else {
            self.glob.matches(key)
        }
    }

    /// Whether it may match a key of which only the storage form is known: where the key's own
    /// part is a digest, nobody can tell.
    #[must_use]
    pub fn may_match_storage(&self, storage: &str) -> bool {
        let Some(key) = storage.strip_prefix(&self.storage) else {
            return false;
        };
        key.starts_with('~') || self.glob.matches(&unescaped(without_query(key)))
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        (&self.logical, &self.text) == (&other.logical, &other.text)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.storage, self.text)
    }
}

/// The text that was escaped when the key was made.
fn unescaped(key: &str) -> String {
    let bytes = key.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let code = (bytes[at] == b'%')
            .then(|| key.get(at + 1..at + 3))
            .flatten()
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match code {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8(out).unwrap_or_else(|_| key.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(glob: &str, namespace: &str, key: &str) -> bool {
        let key = Key::new("t", namespace, key);
        let pattern = Pattern::new("t", "n", glob).expect("a pattern");
        let matches = pattern.matches(key.logical());
        assert!(!matches || pattern.may_match_storage(key.storage()));
        matches
    }

    #[test]
    fn globs_match_keys_of_their_namespace_alone() {
        for (glob, namespace, key, expected) in [
            ("product:*", "n", "product:42", true),
            ("product:*", "n", "product", false),
            ("product:*", "m", "product:42", false),
            ("product:*", "n:product", "42", false),
            ("*:name", "n", "product:42:name", true),
            ("product:4?", "n", "product:42", true),
            ("product:4?", "n", "product:4", false),
            ("a?b", "n", "a b", true),
            ("a?b", "n", "a%b", true),
            ("a{*", "n", "a{b}", true),
            ("*", "n", "anything at all", true),
            ("grün*", "n", "grüner", true),
            ("a%20b", "n", "a b", false),
        ] {
            assert_eq!(matches(glob, namespace, key), expected, "{glob} {key}");
        }
    }

    #[test]
    fn long_keys_are_matched_by_their_full_name() {
        let key = "x".repeat(1_000);
        assert!(matches("x*x", "n", &key));
        assert!(!matches("y*", "n", &key));
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for (glob, expected) in [
            (String::new(), PatternError::Empty),
            ("x".repeat(257), PatternError::TooLong(257)),
        ] {
            assert_eq!(Pattern::new("t", "n", &glob).err(), Some(expected));
        }
    }

    proptest! {
        #[test]
        fn a_key_is_matched_by_itself_and_by_its_beginning(key in "[^*?]{1,40}") {
            prop_assert!(matches(&key, "n", &key));
            let first: String = key.chars().take(1).collect();
            let beginning = first + "*";
            prop_assert!(matches(&beginning, "n", &key));
        }
    }
}
