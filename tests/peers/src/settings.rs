//! The settings of the policy `standard`, as each subject takes them.

use larder::core::{Stampede, Strategy};
use serde::Serialize;

/// What the subjects that are not Larder are given, durations in milliseconds.
#[derive(Clone, Debug, Serialize)]
pub struct Settings {
    /// The caching pattern.
    pub strategy: Strategy,
    /// The ttl of rows and of fields that are not volatile.
    pub default_ttl_ms: u64,
    /// Fields that change often.
    pub volatile: Vec<String>,
    /// Their ttl.
    pub volatile_ttl_ms: u64,
    /// The jitter.
    pub jitter_percent: u8,
    /// Serve stale while one refresh runs.
    pub stale_while_revalidate_ms: u64,
    /// Serve stale while the origin fails.
    pub stale_if_error_ms: u64,
    /// How long an absent row is remembered.
    pub negative_ttl_ms: u64,
    /// Weight of early refresh.
    pub early_refresh: f32,
    /// How many callers may load the same row at once.
    pub stampede: Stampede,
    /// `entity` or `row`.
    pub write_invalidates: &'static str,
}

impl Settings {
    /// The settings of [`larder()`], with the defaults that `standard` has for the rest.
    #[must_use]
    pub fn same() -> Self {
        Self {
            strategy: Strategy::ReadThrough,
            default_ttl_ms: 3_600_000,
            volatile: vec!["price".to_owned(), "stock".to_owned()],
            volatile_ttl_ms: 300_000,
            jitter_percent: 10,
            stale_while_revalidate_ms: 30_000,
            stale_if_error_ms: 600_000,
            negative_ttl_ms: 10_000,
            early_refresh: 1.0,
            stampede: Stampede::PerProcess,
            write_invalidates: "entity",
        }
    }
}

/// What Larder hands to the policy's `configure`.
#[must_use]
pub fn larder() -> serde_json::Value {
    serde_json::json!({ "default_ttl": "1h", "volatile": ["price", "stock"] })
}
