//! Where Redis is, and how long it may take.

use serde::Deserialize;

/// How to reach Redis.
#[derive(Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RedisConfig {
    /// One server: `redis://user:password@host:port/db`, or `rediss://` for TLS.
    pub url: Option<String>,
    /// What every key begins with. Default `larder`.
    pub prefix: String,
    /// How long opening a connection may take. Default 1000.
    pub connect_timeout_ms: u64,
    /// How long a command may take. Default 500.
    pub timeout_ms: u64,
    /// The largest entry that is stored, in bytes, names and tags included. Default 8 MiB.
    pub max_entry_bytes: u64,
    /// How long the version of a tag or a namespace is kept after it was made or changed, at
    /// least; entries that are older miss once. Default 30 days.
    pub versions_keep_ms: u64,
}

impl Default for RedisConfig {
    fn default() -> Self {
        Self {
            url: None,
            prefix: "larder".to_owned(),
            connect_timeout_ms: 1000,
            timeout_ms: 500,
            max_entry_bytes: 8 << 20,
            versions_keep_ms: 30 * 24 * 60 * 60 * 1000,
        }
    }
}
