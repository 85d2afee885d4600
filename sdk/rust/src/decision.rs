//! What a policy answers to a request.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::freshness::{Freshness, freshness_setters};

/// Which caching pattern runs. In settings: `bypass`, `cache_aside`, `read_through`,
/// `write_through` or `write_behind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// The cache is left alone; a write or delete still invalidates.
    Bypass,
    /// The application loads on a miss and fills under a lease.
    CacheAside,
    /// The engine loads from the origin on a miss.
    ReadThrough,
    /// Writes go to the origin, then into the cache.
    WriteThrough,
    /// Writes are queued durably, acknowledged, and flushed to the origin later.
    WriteBehind,
}

/// How many callers may load the same missing key at once. In settings: `unguarded`,
/// `per_process` or `per_cluster`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stampede {
    /// Every caller loads.
    Unguarded,
    /// One in each process; the others wait for it.
    #[default]
    PerProcess,
    /// One in the cluster, where the store is shared.
    PerCluster,
}

/// Which tiers may hold the entry, where the store has more than one. In settings: `every_tier`,
/// `shared_only` or `memory_only`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Placement {
    /// All of them.
    #[default]
    EveryTier,
    /// Only the tier that all nodes share.
    SharedOnly,
    /// Only the memory of each process.
    MemoryOnly,
}

/// How a missing value is loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Loading {
    /// How many callers may load at once.
    pub stampede: Stampede,
    /// After so long a stale value is served, if there is one, and the load goes on behind; zero
    /// waits.
    pub soft_timeout: Duration,
    /// After so long the load is given up; zero leaves it to the origin's own limit.
    pub hard_timeout: Duration,
}

/// What a write or a delete makes stale beside its own key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// One key in the decision's namespace.
    Key(String),
    /// Every entry that carries the tag.
    Tag(String),
    /// Every entry of the namespace.
    Namespace(String),
    /// Every key of the decision's namespace that matches; `*` stands for any run of characters.
    Pattern(String),
}

/// Which pattern runs, under which key, for how long, and why.
///
/// ```
/// use larder_sdk::prelude::*;
///
/// let decision = Decision::read_through("product:42")
///     .ttl(hours(1))
///     .jitter(10)
///     .stale_while_revalidate(seconds(30))
///     .tag("product")
///     .because("catalogue entity");
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Decision {
    /// Which caching pattern runs.
    pub strategy: Strategy,
    /// The name of the entry inside its tenant and namespace. It must differ wherever the values
    /// may differ.
    pub key: String,
    /// The group of keys that one version bump makes stale; empty means the request's resource.
    pub namespace: String,
    /// How long the value may be served.
    pub freshness: Freshness,
    /// Labels by which entries are invalidated together.
    pub tags: Vec<String>,
    /// How a missing value is loaded.
    pub loading: Loading,
    /// Which tiers may hold the entry.
    pub placement: Placement,
    /// Store the value encrypted.
    pub encrypt: bool,
    /// What a write or a delete makes stale beside its own key; ignored for reads.
    pub invalidates: Vec<Target>,
    /// One sentence for the person who asks why.
    pub reason: String,
}

impl Decision {
    /// A decision for `key` that keeps nothing until it is given a [`Decision::ttl`]. One caller
    /// in each process loads a missing value.
    pub fn new(strategy: Strategy, key: impl Into<String>) -> Self {
        Self {
            strategy,
            key: key.into(),
            namespace: String::new(),
            freshness: Freshness::default(),
            tags: Vec::new(),
            loading: Loading::default(),
            placement: Placement::default(),
            encrypt: false,
            invalidates: Vec::new(),
            reason: String::new(),
        }
    }

    /// The engine loads from the origin on a miss.
    pub fn read_through(key: impl Into<String>) -> Self {
        Self::new(Strategy::ReadThrough, key)
    }

    /// The application loads on a miss.
    pub fn cache_aside(key: impl Into<String>) -> Self {
        Self::new(Strategy::CacheAside, key)
    }

    /// Writes go to the origin, then into the cache.
    pub fn write_through(key: impl Into<String>) -> Self {
        Self::new(Strategy::WriteThrough, key)
    }

    /// Writes are acknowledged from a durable queue and flushed to the origin later.
    pub fn write_behind(key: impl Into<String>) -> Self {
        Self::new(Strategy::WriteBehind, key)
    }

    /// The cache is left alone for a read; a write or delete still invalidates `key`.
    pub fn bypass(key: impl Into<String>) -> Self {
        Self::new(Strategy::Bypass, key)
    }

    freshness_setters!();

    /// Puts the key into `namespace` instead of the request's resource.
    #[must_use]
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = namespace.into();
        self
    }

    /// One more tag.
    #[must_use]
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.tags.push(tag.into());
        self
    }

    /// More tags.
    #[must_use]
    pub fn tags<T: Into<String>>(mut self, tags: impl IntoIterator<Item = T>) -> Self {
        self.tags.extend(tags.into_iter().map(Into::into));
        self
    }

    /// Stores the value encrypted.
    #[must_use]
    pub fn encrypted(mut self) -> Self {
        self.encrypt = true;
        self
    }

    /// Restricts the tiers that may hold the entry.
    #[must_use]
    pub fn placed(mut self, placement: Placement) -> Self {
        self.placement = placement;
        self
    }

    /// How many callers may load at once; see also [`Decision::one_load_per_cluster`].
    #[must_use]
    pub fn stampede(mut self, stampede: Stampede) -> Self {
        self.loading.stampede = stampede;
        self
    }

    /// One caller in each process loads a missing value; the others wait for it. The default.
    #[must_use]
    pub fn one_load_per_process(self) -> Self {
        self.stampede(Stampede::PerProcess)
    }

    /// One caller in the cluster loads a missing value.
    #[must_use]
    pub fn one_load_per_cluster(self) -> Self {
        self.stampede(Stampede::PerCluster)
    }

    /// Every caller loads a missing value.
    #[must_use]
    pub fn unguarded(self) -> Self {
        self.stampede(Stampede::Unguarded)
    }

    /// After `timeout` a stale value is served, if there is one, and the load goes on behind.
    #[must_use]
    pub fn soft_timeout(mut self, timeout: Duration) -> Self {
        self.loading.soft_timeout = timeout;
        self
    }

    /// After `timeout` the load is given up.
    #[must_use]
    pub fn hard_timeout(mut self, timeout: Duration) -> Self {
        self.loading.hard_timeout = timeout;
        self
    }

    /// A write or delete makes this stale, too.
    #[must_use]
    pub fn invalidates(mut self, target: Target) -> Self {
        self.invalidates.push(target);
        self
    }

    /// A write or delete makes `key` of the same namespace stale, too.
    #[must_use]
    pub fn invalidates_key(self, key: impl Into<String>) -> Self {
        self.invalidates(Target::Key(key.into()))
    }

    /// A write or delete makes every entry with `tag` stale.
    #[must_use]
    pub fn invalidates_tag(self, tag: impl Into<String>) -> Self {
        self.invalidates(Target::Tag(tag.into()))
    }

    /// A write or delete makes every entry of `namespace` stale.
    #[must_use]
    pub fn invalidates_namespace(self, namespace: impl Into<String>) -> Self {
        self.invalidates(Target::Namespace(namespace.into()))
    }

    /// A write or delete makes every key that matches stale. `*` stands for any run of
    /// characters, in text from a request as well: prefer tags for what users name.
    #[must_use]
    pub fn invalidates_pattern(self, pattern: impl Into<String>) -> Self {
        self.invalidates(Target::Pattern(pattern.into()))
    }

    /// One sentence for the person who asks why.
    #[must_use]
    pub fn because(mut self, reason: impl Into<String>) -> Self {
        self.reason = reason.into();
        self
    }
}
