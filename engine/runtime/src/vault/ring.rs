//! Keys by id: one that new values are sealed with, and others that are only read with.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::{KeyInit, XChaCha20Poly1305};
use toml::{Table, Value};
use zeroize::Zeroizing;

/// The longest id, in bytes. A key written where an id belongs is longer, so no message repeats it.
const ID_MAX: usize = 32;
/// The longest text of a key ring, in bytes.
pub(super) const TEXT_MAX: usize = 64 * 1024;

/// Keys by id. The active one seals; the others only open what was sealed with them before.
///
/// As text it is TOML:
///
/// ```toml
/// active = "2026-11"
///
/// [keys]
/// "2026-11" = "<base64 of 32 random bytes>"
/// "2026-05" = "<base64 of 32 random bytes>"
/// ```
///
/// Neither `Debug` nor an error shows a key, and keys are overwritten when the ring is dropped.
pub struct KeyRing {
    active: Arc<str>,
    keys: HashMap<Arc<str>, XChaCha20Poly1305>,
}

/// What is wrong with the text of a key ring. No message repeats any of its values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RingProblem {
    /// It is not TOML.
    #[error("line {line}, column {column} is not TOML; `larder key` prints a ring to start from")]
    Syntax {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
    },
    /// It is too long to be one.
    #[error("it is longer than {TEXT_MAX} bytes, so it is no key ring")]
    TooLong,
    /// A field that a ring does not have.
    #[error("it has {0}, which a key ring does not; there are `active` and `[keys]`")]
    UnknownField(String),
    /// It names no active key.
    #[error("`active` is missing; write the id of the key that seals new values")]
    NoActive,
    /// `active` is not a text.
    #[error("`active` is not a text; write the id of a key in quotes")]
    ActiveIsNoText,
    /// It names an active key that it does not have.
    #[error("`active` names {active}, which is not in `[keys]`; there {known}")]
    UnknownActive {
        /// What it names.
        active: String,
        /// What there is.
        known: String,
    },
    /// It has no keys.
    #[error("`[keys]` is missing or empty; `larder key` prints a fresh key")]
    NoKeys,
    /// `keys` is something else.
    #[error("`keys` is not a table; write `[keys]` and below it one line for each key")]
    KeysAreNoTable,
    /// An id that cannot be one.
    #[error(
        "an id in `[keys]` has {length} bytes or signs that do not belong; ids are 1 to {ID_MAX} \
         letters, digits, `-`, `_` and `.`"
    )]
    Id {
        /// Its length.
        length: usize,
    },
    /// A key that is not a text.
    #[error("the key `{0}` is not a text; write base64 in quotes")]
    KeyIsNoText(String),
    /// A key that is not base64.
    #[error("the key `{0}` is not base64; `larder key` prints a fresh one")]
    NotBase64(String),
    /// A key of another length.
    #[error(
        "the key `{id}` has {length} bytes, and 32 are needed; `larder key` prints a fresh one"
    )]
    Length {
        /// Its id.
        id: String,
        /// Its length.
        length: usize,
    },
    /// A key that nobody drew.
    #[error("the key `{0}` is one byte repeated; `larder key` prints a random one")]
    NotRandom(String),
    /// Two ids share a key.
    #[error("`{0}` and `{1}` are the same key; a rotation needs a new one, see `larder key`")]
    Twice(String, String),
}

impl KeyRing {
    /// A ring that seals with the key `active` of `keys`.
    ///
    /// # Errors
    /// Names the id that cannot be used, and why.
    pub fn new<I: Into<String>>(
        active: &str,
        keys: impl IntoIterator<Item = (I, [u8; 32])>,
    ) -> Result<Self, RingProblem> {
        let mut known: Vec<(String, Zeroizing<[u8; 32]>)> = Vec::new();
        for (id, key) in keys {
            let (id, key) = (id.into(), Zeroizing::new(key));
            check_id(&id)?;
            if key.iter().all(|byte| *byte == key[0]) {
                return Err(RingProblem::NotRandom(id));
            }
            if let Some((other, _)) = known.iter().find(|(_, other)| **other == *key) {
                return Err(RingProblem::Twice(other.clone(), id));
            }
            known.push((id, key));
        }
        let ids: Vec<_> = known.iter().map(|(id, _)| id.as_str()).collect();
        if ids.is_empty() {
            return Err(RingProblem::NoKeys);
        }
        if !ids.contains(&active) {
            return Err(RingProblem::UnknownActive {
                active: shown(active),
                known: listed(&ids),
            });
        }
        let cipher = |key: &[u8; 32]| XChaCha20Poly1305::new(key.into());
        Ok(Self {
            active: active.into(),
            keys: known
                .iter()
                .map(|(id, key)| (Arc::from(id.as_str()), cipher(key)))
                .collect(),
        })
    }

    /// Reads a ring from its text.
    ///
    /// # Errors
    /// Says what is wrong with it, without repeating any of its values.
    pub fn parse(text: &str) -> Result<Self, RingProblem> {
        if text.len() > TEXT_MAX {
            return Err(RingProblem::TooLong);
        }
        let table: Table = toml::from_str(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            syntax(text, at)
        })?;
        let (mut active, mut keys) = (None, None);
        for (field, value) in table {
            match field.as_str() {
                "active" => active = Some(value),
                "keys" => keys = Some(value),
                _ => return Err(RingProblem::UnknownField(shown(&field))),
            }
        }
        let keys = match keys {
            None => return Err(RingProblem::NoKeys),
            Some(Value::Table(keys)) => keys,
            Some(_) => return Err(RingProblem::KeysAreNoTable),
        };
        let keys: Vec<_> = keys.into_iter().map(key).collect::<Result<_, _>>()?;
        match active {
            None => Err(RingProblem::NoActive),
            Some(Value::String(active)) => {
                Self::new(&active, keys.into_iter().map(|(id, key)| (id, *key)))
            }
            Some(_) => Err(RingProblem::ActiveIsNoText),
        }
    }

    /// The id of the key that seals.
    #[must_use]
    pub fn active(&self) -> &Arc<str> {
        &self.active
    }

    /// The ids of all keys, in order.
    #[must_use]
    pub fn ids(&self) -> Vec<&str> {
        let mut ids: Vec<_> = self.keys.keys().map(|id| &**id).collect();
        ids.sort_unstable();
        ids
    }

    pub(super) fn cipher(&self, id: &str) -> Option<&XChaCha20Poly1305> {
        self.keys.get(id)
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRing")
            .field("active", &self.active)
            .field("ids", &self.ids())
            .finish_non_exhaustive()
    }
}

/// A fresh random key as base64, to be put into the text of a ring.
///
/// # Errors
/// The system has no random bytes to give.
pub fn fresh_key() -> Result<Zeroizing<String>, getrandom::Error> {
    let mut key = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *key)?;
    Ok(Zeroizing::new(STANDARD.encode(*key)))
}

fn key((id, value): (String, Value)) -> Result<(String, Zeroizing<[u8; 32]>), RingProblem> {
    check_id(&id)?;
    let Value::String(text) = value else {
        return Err(RingProblem::KeyIsNoText(id));
    };
    let text = Zeroizing::new(text);
    let Ok(bytes) = STANDARD.decode(text.trim()).map(Zeroizing::new) else {
        return Err(RingProblem::NotBase64(id));
    };
    let mut key = Zeroizing::new([0; 32]);
    if bytes.len() != key.len() {
        let length = bytes.len();
        return Err(RingProblem::Length { id, length });
    }
    key.copy_from_slice(&bytes);
    Ok((id, key))
}

/// Whether `id` can name a key.
///
/// # Errors
/// Says what ids look like.
pub fn check_id(id: &str) -> Result<(), RingProblem> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if (1..=ID_MAX).contains(&id.len()) && id.bytes().all(fits) {
        return Ok(());
    }
    Err(RingProblem::Id { length: id.len() })
}

/// A name from the text as far as it can be no key.
fn shown(name: &str) -> String {
    match check_id(name) {
        Ok(()) => format!("`{name}`"),
        Err(_) => format!("a name of {} bytes", name.len()),
    }
}

fn listed(ids: &[&str]) -> String {
    match ids {
        [one] => format!("is `{one}`"),
        many => format!("are `{}`", many.join("`, `")),
    }
}

fn syntax(text: &str, at: usize) -> RingProblem {
    let before = text.get(..at).unwrap_or(text);
    let line_begins = before.rfind('\n').map_or(0, |end| end + 1);
    RingProblem::Syntax {
        line: before.matches('\n').count() + 1,
        column: before[line_begins..].chars().count() + 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    const B: &str = "//79/Pv6+fj39vX08/Lx8O/u7ezr6uno5+bl5OPi4eA=";

    #[test]
    fn a_ring_is_read_and_shows_no_key() {
        let text = format!("active = \"b\"\n[keys]\na = \"{A}\"\nb = \"{B}\"\n");
        let ring = KeyRing::parse(&text).unwrap();
        assert_eq!((&**ring.active(), ring.ids()), ("b", vec!["a", "b"]));
        let debug = format!("{ring:?}");
        assert_eq!(debug, r#"KeyRing { active: "b", ids: ["a", "b"], .. }"#);
    }

    #[test]
    fn what_is_wrong_is_said_without_a_key() {
        let short = &A[..24];
        for (text, says) in [
            (String::new(), "`[keys]` is missing or empty"),
            ("active = \"a\"".to_owned(), "`[keys]` is missing or empty"),
            (
                "active = \"a\"\n[keys]".to_owned(),
                "`[keys]` is missing or empty",
            ),
            (format!("[keys]\na = \"{A}\""), "`active` is missing"),
            (
                format!("active = 7\n[keys]\na = \"{A}\""),
                "`active` is not a text",
            ),
            (
                format!("active = \"c\"\n[keys]\na = \"{A}\"\nb = \"{B}\""),
                "`active` names `c`, which is not in `[keys]`; there are `a`, `b`",
            ),
            (
                format!("active = \"{B}\"\n[keys]\na = \"{A}\""),
                "`active` names a name of 44 bytes, which is not in `[keys]`; there is `a`",
            ),
            (
                format!("active = \"a\"\nkeys = \"{A}\""),
                "`keys` is not a table",
            ),
            (format!("active = \"a\"\n[keys]\n\"{A}\" = \"a\""), "an id"),
            (format!("active = \"a\"\n[keys]\n\"\" = \"{A}\""), "an id"),
            (
                "active = \"a\"\n[keys]\na = 7".to_owned(),
                "the key `a` is not a text",
            ),
            (
                format!("active = \"a\"\n[keys]\na = \"{}!\"", &A[1..]),
                "the key `a` is not base64",
            ),
            (
                format!("active = \"a\"\n[keys]\na = \"{short}\""),
                "the key `a` has 18 bytes, and 32 are needed",
            ),
            (
                format!("active = \"a\"\n[keys]\na = \"{}=\"", "A".repeat(43)),
                "the key `a` is one byte repeated",
            ),
            (
                format!("active = \"a\"\n[keys]\na = \"{A}\"\nb = \"{A}\""),
                "`a` and `b` are the same key",
            ),
            (
                format!("active = \"a\"\n[key]\na = \"{A}\""),
                "it has `key`, which a key ring does not",
            ),
            (
                format!("\"{A}\" = 1\n[keys]\na = \"{B}\""),
                "it has a name of 44 bytes",
            ),
            (
                format!("active = \"a\"\n[keys]\na = {A}"),
                "line 3, column ",
            ),
            (
                format!("active = \"a\"\n[keys]\na = \"{A}\"\na = \"{B}\""),
                "line 4, column 1 is not TOML",
            ),
            ("#".repeat(TEXT_MAX + 1), "it is longer than"),
        ] {
            let problem = KeyRing::parse(&text).unwrap_err();
            let all = format!("{problem} {problem:?}");
            assert!(problem.to_string().starts_with(says), "{text}: {problem}");
            for secret in [A, B, &A[1..20], &B[1..20]] {
                assert!(!all.contains(secret), "{all}");
            }
        }
    }

    #[test]
    fn a_fresh_key_fits_into_a_ring_and_is_never_the_same() {
        let (a, b) = (fresh_key().unwrap(), fresh_key().unwrap());
        let text = format!("active = \"b\"\n[keys]\na = \"{}\"\nb = \"{}\"", *a, *b);
        assert!(KeyRing::parse(&text).is_ok());
    }
}
