//! What a policy answers to a request.

use serde::{Deserialize, Serialize};

/// Which caching pattern runs; [`crate::plan`] says what each does with each verb.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// The cache is left alone.
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

impl Strategy {
    /// All strategies, in the order of the contract.
    pub const ALL: [Self; 5] = [
        Self::Bypass,
        Self::CacheAside,
        Self::ReadThrough,
        Self::WriteThrough,
        Self::WriteBehind,
    ];

    /// The name used in the API, logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bypass => "bypass",
            Self::CacheAside => "cache_aside",
            Self::ReadThrough => "read_through",
            Self::WriteThrough => "write_through",
            Self::WriteBehind => "write_behind",
        }
    }
}

/// How long an entry may be served, in milliseconds and percent.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Freshness {
    /// How long the value counts as fresh; 0 stores it only for its stale windows, if any.
    pub ttl_ms: u64,
    /// The ttl is shortened by a random share of up to this, so that entries made together do
    /// not end together.
    pub jitter_percent: u8,
    /// How long after the ttl the value may be served while one refresh runs.
    pub stale_while_revalidate_ms: u64,
    /// How long after the ttl the value may be served because the origin fails.
    pub stale_if_error_ms: u64,
    /// The entry ends when nobody has read it for so long; 0 turns it off.
    pub time_to_idle_ms: u64,
    /// How long "the origin has no such thing" is remembered; 0 forgets it.
    pub negative_ttl_ms: u64,
    /// Weight of probabilistic early refresh; 0 turns it off, 1 is the usual choice.
    pub early_refresh_beta: f32,
}

impl Default for Freshness {
    /// Nothing is kept.
    fn default() -> Self {
        Self {
            ttl_ms: 0,
            jitter_percent: 0,
            stale_while_revalidate_ms: 0,
            stale_if_error_ms: 0,
            time_to_idle_ms: 0,
            negative_ttl_ms: 0,
            early_refresh_beta: 0.0,
        }
    }
}

/// How many callers may load the same missing key at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Stampede {
    /// Every caller loads.
    Unguarded,
    /// One in this process.
    #[default]
    PerProcess,
    /// One in the cluster.
    PerCluster,
}

/// How a missing value is loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Loading {
    /// How many callers may load at once.
    pub stampede: Stampede,
    /// After so long a stale value is served, if there is one, and the load goes on behind; 0 waits.
    pub soft_timeout_ms: u32,
    /// After so long the load is given up; 0 leaves it to the origin's own limit.
    pub hard_timeout_ms: u32,
}

/// Which tiers may hold the entry, where the store has more than one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Placement {
    /// All of them.
    #[default]
    EveryTier,
    /// Only the tier that all nodes share.
    SharedOnly,
    /// Only this process's memory.
    MemoryOnly,
}

/// What a write, a delete or an invalidation makes stale.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// One key, as policies name it, in the decision's namespace.
    Key(String),
    /// Every entry that carries the tag.
    Tag(String),
    /// Every entry of the namespace.
    Namespace(String),
    /// Every key that matches; `*` stands for any run of characters.
    Pattern(String),
}

/// What a policy answers: which pattern runs, under which key, for how long, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Decision {
    /// Which caching pattern runs.
    pub strategy: Strategy,
    /// The name of the entry inside its namespace and tenant.
    pub key: String,
    /// The group of keys that one version bump makes stale; empty means the request's resource.
    pub namespace: String,
    /// How long the value may be served.
    pub freshness: Freshness,
    /// Labels by which entries can be invalidated together.
    pub tags: Vec<String>,
    /// Which tiers may hold the entry.
    pub placement: Placement,
    /// Store the value encrypted.
    pub encrypt: bool,
    /// How a missing value is loaded.
    pub loading: Loading,
    /// What a write or a delete makes stale beside its own key.
    pub invalidates: Vec<Target>,
    /// One sentence for the person who asks why.
    pub reason: String,
}

impl Decision {
    /// A decision with nothing but a strategy and a key.
    pub fn new(strategy: Strategy, key: impl Into<String>) -> Self {
        Self {
            strategy,
            key: key.into(),
            namespace: String::new(),
            freshness: Freshness::default(),
            tags: Vec::new(),
            placement: Placement::default(),
            encrypt: false,
            loading: Loading::default(),
            invalidates: Vec::new(),
            reason: String::new(),
        }
    }
}
