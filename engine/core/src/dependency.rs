//! Tags and namespaces, and the versions that make entries stale in O(1).

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::key::{Key, push_escaped};
use crate::time::Timestamp;

/// A tag, a namespace or a key of one tenant, or an origin.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Dependency(Arc<str>);

impl Dependency {
    /// The tag `tag` of `tenant`.
    #[must_use]
    pub fn tag(tenant: &str, tag: &str) -> Self {
        Self::new("tag", tenant, tag)
    }

    /// The namespace `namespace` of `tenant`.
    #[must_use]
    pub fn namespace(tenant: &str, namespace: &str) -> Self {
        Self::new("namespace", tenant, namespace)
    }

    /// The origin `name`, on which whatever was loaded from it may depend, of all tenants.
    #[must_use]
    pub fn origin(name: &str) -> Self {
        Self::new("origin", "", name)
    }

    /// The key itself, for what is noted of single keys beside their entries.
    #[must_use]
    pub fn key(key: &Key) -> Self {
        Self(format!("key:{}", key.logical()).into())
    }

    /// What an entry depends on: its namespace, then its tags, each once.
    #[must_use]
    pub fn of_entry(tenant: &str, namespace: &str, tags: &[String]) -> Vec<Self> {
        let mut all = Vec::with_capacity(1 + tags.len());
        all.push(Self::namespace(tenant, namespace));
        for tag in tags {
            let tag = Self::tag(tenant, tag);
            if !all.contains(&tag) {
                all.push(tag);
            }
        }
        all
    }

    fn new(kind: &str, tenant: &str, name: &str) -> Self {
        let mut text = String::with_capacity(kind.len() + tenant.len() + name.len() + 2);
        text.push_str(kind);
        text.push(':');
        push_escaped(&mut text, tenant, true);
        text.push(':');
        push_escaped(&mut text, name, false);
        Self(text.into())
    }

    /// The form under which a store keeps the version.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Dependency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The state of a dependency. An entry carries the versions that were read before its load and
/// is judged by comparing them with the present ones.
///
/// Both parts only ever grow, by [`Version::next`]: compared for equality they do not rest on
/// clocks agreeing, and taken from the time they do not restart low when a store forgets them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Version {
    /// Changed by every purge: entries from before it are gone.
    pub purge: u64,
    /// Changed by every expire, in microseconds since the epoch: entries from before it are
    /// stale since the first one after their load, which [`Expiries`](crate::Expiries) tell.
    pub expire: u64,
}

/// What the present version of a dependency says of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing has happened since the load.
    Holds,
    /// The entry counts as stale since then.
    ExpiredAt(Timestamp),
    /// The entry counts as stale since it was stored: it was expired at a moment after its load of
    /// which nobody knows more.
    ExpiredSinceStored,
    /// The entry must not be served.
    Gone,
}

impl Version {
    /// What `current` says of an entry that was loaded under this version. Where it was expired,
    /// `first` is asked for the first expiry after the one that it is given, and answers none where
    /// that is not known.
    #[must_use]
    pub fn judge(self, current: Self, first: impl FnOnce(u64) -> Option<u64>) -> Verdict {
        if self.purge != current.purge {
            Verdict::Gone
        } else if self.expire == current.expire {
            Verdict::Holds
        } else {
            first(self.expire).map_or(Verdict::ExpiredSinceStored, |number| {
                Verdict::ExpiredAt(Timestamp(number / 1000))
            })
        }
    }

    /// The number that follows `last` at the moment `now`.
    #[must_use]
    pub fn next(last: u64, now: Timestamp) -> u64 {
        last.saturating_add(1).max(now.0.saturating_mul(1000))
    }
}

/// Whether an invalidation removes entries or leaves them to their stale windows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Remove: the next read loads.
    #[default]
    Purge,
    /// Make stale: the stale windows start now, so a failing origin can still be covered.
    Expire,
}

impl Mode {
    /// The name used in the API, logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Purge => "purge",
            Self::Expire => "expire",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_judged_by_equality() {
        let loaded = Version {
            purge: 5,
            expire: 7000,
        };
        for (current, verdict) in [
            (loaded, Verdict::Holds),
            (Version { purge: 6, ..loaded }, Verdict::Gone),
            (Version { purge: 4, ..loaded }, Verdict::Gone),
            (
                Version {
                    expire: 9000,
                    ..loaded
                },
                Verdict::ExpiredAt(Timestamp(8)),
            ),
            (
                Version {
                    purge: 6,
                    expire: 9000,
                },
                Verdict::Gone,
            ),
        ] {
            let first = |loaded| (loaded == 7000).then_some(8000);
            assert_eq!(loaded.judge(current, first), verdict, "{current:?}");
        }
        let later = Version {
            expire: 9000,
            ..loaded
        };
        let unknown = loaded.judge(later, |_| None);
        assert_eq!(unknown, Verdict::ExpiredSinceStored);
    }

    #[test]
    fn versions_grow_though_the_clock_stands_or_goes_back() {
        let first = Version::next(0, Timestamp(1_000));
        let second = Version::next(first, Timestamp(1_000));
        let third = Version::next(second, Timestamp(1));
        assert!(first < second && second < third);
    }

    #[test]
    fn tenants_and_kinds_do_not_share_dependencies() {
        let all = [
            Dependency::tag("a", "b:c"),
            Dependency::tag("a:b", "c"),
            Dependency::tag("", "a:b:c"),
            Dependency::namespace("a", "b:c"),
            Dependency::tag("", "b:c"),
            Dependency::origin("b:c"),
            Dependency::key(&Key::new("a", "b", "c")),
            Dependency::key(&Key::new("a:b", "", "c")),
        ];
        for (i, one) in all.iter().enumerate() {
            assert!(all[..i].iter().all(|other| other != one), "{one}");
        }
    }

    #[test]
    fn a_repeated_tag_counts_once() {
        let tags = ["x".to_owned(), "y".to_owned(), "x".to_owned()];
        assert_eq!(Dependency::of_entry("t", "n", &tags).len(), 3);
    }
}
