//! Encryption of protected values: keys, where they come from, and what is done to entries.
//!
//! Values of decisions with `encrypt` are sealed with XChaCha20-Poly1305 before the store gets
//! them and opened after it gives them back, so no store, replica or backup holds the plain text.
//! A sealed value is bound to its full logical key, its content type and its windows. What this
//! does not prevent: whoever can write to the store can put an older sealed value of the same key
//! back, while it may still be served; and keys, tags and sizes stay readable.

mod changes;
mod cipher;
mod entries;
mod file;
mod ring;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use metrics::counter;
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

pub(crate) use self::changes::Closed;
pub(crate) use self::entries::{Seals, Sight};
use self::file::{exposed, read, warn_if_exposed};
pub use self::ring::{KeyRing, RingProblem, check_id, fresh_key};

/// A key ring that can be exchanged while an engine runs with it.
///
/// A rotation takes three steps, each on every node before the next: add the new key to `[keys]`;
/// make it `active`; when the longest time that an entry may be served has passed, remove the old
/// one. Entries under a key that a node does not have are misses there.
pub struct Vault {
    ring: ArcSwap<KeyRing>,
    source: Source,
    last: Mutex<Last>,
}

/// Where newer rings come from.
#[derive(Debug)]
enum Source {
    /// The program, if at all.
    Program,
    File(PathBuf),
}

/// What the last look at the source saw.
#[derive(Default)]
struct Last {
    digest: Option<[u8; 32]>,
    failed: Option<KeyRingError>,
}

/// What a reload came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reloaded {
    /// The source holds what it held before, or cannot change.
    Unchanged,
    /// The new ring is in use.
    Changed,
}

/// Why there is no key ring, or no newer one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyRingError {
    /// The file cannot be read.
    #[error("the key ring {path} cannot be read: {why}")]
    Unreadable {
        /// The file.
        path: String,
        /// In words of the system.
        why: String,
    },
    /// The variable is not there.
    #[error(
        "the variable {0} is not set, or is not UTF-8; put the text of a key ring into it, as \
         `larder key` prints it"
    )]
    NoVariable(String),
    /// What is there is no key ring.
    #[error("the key ring {whence}: {problem}")]
    Wrong {
        /// The file or the variable.
        whence: String,
        /// What is wrong with it.
        problem: RingProblem,
    },
}

impl Vault {
    /// A vault whose ring the program hands over, and exchanges by [`Vault::replace`].
    #[must_use]
    pub fn new(ring: KeyRing) -> Self {
        Self::of(Source::Program, ring, Last::default())
    }

    /// Reads the ring from a file, once now and again on every [`Vault::reload`]. Blocks while it
    /// reads. A file that others than its owner may read or write is a warning in the log.
    ///
    /// # Errors
    /// Says what is wrong with the file, without repeating any of its values.
    pub fn from_file(path: impl Into<PathBuf>) -> Result<Self, KeyRingError> {
        let path = path.into();
        let text = read(&path)?;
        let ring = parse(&path.display().to_string(), &text)?;
        warn_if_exposed(&path);
        Ok(Self::of(Source::File(path), ring, seen(&text)))
    }

    /// Takes the ring from an environment variable that holds the text itself.
    ///
    /// # Errors
    /// As [`Vault::from_file`].
    pub fn from_variable(name: &str) -> Result<Self, KeyRingError> {
        let text = std::env::var(name).map_err(|_| KeyRingError::NoVariable(name.to_owned()))?;
        let ring = parse(&format!("in the variable {name}"), &Zeroizing::new(text))?;
        Ok(Self::new(ring))
    }

    fn of(source: Source, ring: KeyRing, last: Last) -> Self {
        Self {
            ring: ArcSwap::from_pointee(ring),
            source,
            last: Mutex::new(last),
        }
    }

    /// The ring in use.
    #[must_use]
    pub fn ring(&self) -> Arc<KeyRing> {
        self.ring.load_full()
    }

    /// The file that the ring comes from, if it does.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        match &self.source {
            Source::File(path) => Some(path),
            Source::Program => None,
        }
    }

    /// What is allowed and probably not meant: others than the file's owner may read or write it.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        self.file().and_then(exposed)
    }

    /// Puts another ring in the place of the present one.
    pub fn replace(&self, ring: KeyRing) {
        tracing::info!(active = %ring.active(), ids = ?ring.ids(), "another key ring is in use");
        self.ring.store(Arc::new(ring));
    }

    /// Reads the file again and uses its ring if it has changed. Blocks while it reads. Where the
    /// file is broken the ring in use stays, and the log says so once for each way in which it is.
    /// The variables of a process do not change, so nothing else is ever read again.
    ///
    /// # Errors
    /// As [`Vault::from_file`].
    pub fn reload(&self) -> Result<Reloaded, KeyRingError> {
        let Source::File(path) = &self.source else {
            return Ok(Reloaded::Unchanged);
        };
        // Held over the reading, so that of two reloads the later reading wins.
        let mut last = self.last.lock();
        match self.reread(path, last.digest) {
            Ok(None) => {
                last.failed = None;
                Ok(Reloaded::Unchanged)
            }
            Ok(Some(digest)) => {
                *last = digest;
                counter!("larder_key_ring_reloads_total", "result" => "ok").increment(1);
                Ok(Reloaded::Changed)
            }
            Err(error) => {
                if last.failed.as_ref() != Some(&error) {
                    let active = self.ring().active().to_string();
                    tracing::error!(active, "the last good key ring stays in use: {error}");
                }
                last.failed = Some(error.clone());
                counter!("larder_key_ring_reloads_total", "result" => "failed").increment(1);
                Err(error)
            }
        }
    }

    fn reread(&self, path: &Path, known: Option<[u8; 32]>) -> Result<Option<Last>, KeyRingError> {
        let text = read(path)?;
        let now = seen(&text);
        if now.digest == known {
            return Ok(None);
        }
        self.replace(parse(&path.display().to_string(), &text)?);
        warn_if_exposed(path);
        Ok(Some(now))
    }
}

impl From<KeyRing> for Arc<Vault> {
    fn from(ring: KeyRing) -> Self {
        Self::new(Vault::new(ring))
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault")
            .field("ring", &self.ring())
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

fn seen(text: &str) -> Last {
    Last {
        digest: Some(Sha256::digest(text.as_bytes()).into()),
        failed: None,
    }
}

fn parse(whence: &str, text: &str) -> Result<KeyRing, KeyRingError> {
    KeyRing::parse(text).map_err(|problem| KeyRingError::Wrong {
        whence: whence.to_owned(),
        problem,
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn text(active: &str) -> String {
        format!(
            "active = \"{active}\"\n[keys]\n\
             a = \"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\"\n\
             b = \"//79/Pv6+fj39vX08/Lx8O/u7ezr6uno5+bl5OPi4eA=\"\n"
        )
    }

    #[test]
    fn a_file_is_read_again_when_asked_and_a_broken_one_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.toml");
        fs::write(&path, text("a")).unwrap();
        let vault = Vault::from_file(&path).unwrap();
        let active = || vault.ring().active().to_string();
        assert_eq!(
            (vault.reload(), active().as_str()),
            (Ok(Reloaded::Unchanged), "a")
        );

        fs::write(&path, text("b")).unwrap();
        assert_eq!(
            (vault.reload(), active().as_str()),
            (Ok(Reloaded::Changed), "b")
        );

        fs::write(&path, text("c")).unwrap();
        let error = vault.reload().unwrap_err().to_string();
        assert!(
            error.ends_with(
                "keys.toml: `active` names `c`, which is not in `[keys]`; there are `a`, `b`"
            ),
            "{error}"
        );
        fs::remove_file(&path).unwrap();
        let error = vault.reload().unwrap_err().to_string();
        assert!(error.contains("keys.toml cannot be read: "), "{error}");
        assert_eq!(active(), "b", "the last good one");

        fs::write(&path, text("a")).unwrap();
        assert_eq!(
            (vault.reload(), active().as_str()),
            (Ok(Reloaded::Changed), "a")
        );
    }

    #[test]
    fn what_is_no_ring_is_not_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.toml");
        let missing = Vault::from_file(&path).unwrap_err();
        assert!(
            matches!(missing, KeyRingError::Unreadable { .. }),
            "{missing}"
        );
        fs::write(&path, "#".repeat(1 << 20)).unwrap();
        let long = Vault::from_file(&path).unwrap_err().to_string();
        assert!(long.contains("is longer than 65536 bytes"), "{long}");
        fs::write(&path, [0xff, 0xfe]).unwrap();
        let binary = Vault::from_file(&path).unwrap_err().to_string();
        assert!(binary.contains("UTF-8"), "{binary}");
    }

    #[test]
    fn a_variable_is_named_where_it_holds_no_ring() {
        let missing = Vault::from_variable("LARDER_NO_SUCH_KEYS").unwrap_err();
        assert!(
            missing
                .to_string()
                .starts_with("the variable LARDER_NO_SUCH_KEYS is not set"),
            "{missing}"
        );
        // Set by cargo, and no ring.
        let wrong = Vault::from_variable("CARGO_PKG_NAME").unwrap_err();
        assert!(
            wrong
                .to_string()
                .starts_with("the key ring in the variable CARGO_PKG_NAME: line 1"),
            "{wrong}"
        );
    }
}
