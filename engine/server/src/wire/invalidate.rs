//! Invalidations over the wire.

use larder::Invalidation;
use larder::core::dependency::Mode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What is to be made stale.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct InvalidateRequest {
    /// Whose entries; leave it out where there is one tenant.
    pub tenant: String,
    /// Single entries.
    pub keys: Vec<KeyName>,
    /// Every entry that carries one of these tags.
    pub tags: Vec<String>,
    /// Every entry of these namespaces.
    pub namespaces: Vec<String>,
    /// Every key that matches.
    pub patterns: Vec<PatternName>,
    /// `purge` removes, `expire` leaves entries to their stale windows.
    pub mode: Mode,
}

/// The name of one entry.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(
    deny_unknown_fields,
    expecting = "an object like {\"namespace\": \"product\", \"key\": \"product:42\"}, as a decision shows both"
)]
pub struct KeyName {
    /// The decision's namespace.
    pub namespace: String,
    /// The decision's key.
    pub key: String,
}

/// Some keys of a namespace.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(
    deny_unknown_fields,
    expecting = "an object like {\"namespace\": \"product\", \"pattern\": \"product:4*\"}"
)]
pub struct PatternName {
    /// The decisions' namespace.
    pub namespace: String,
    /// A glob over the keys: `*` stands for any run of characters, `?` for one.
    pub pattern: String,
}

impl From<InvalidateRequest> for Invalidation {
    fn from(wire: InvalidateRequest) -> Self {
        let keys = wire.keys.into_iter();
        Self {
            tenant: wire.tenant,
            keys: keys.map(|name| (name.namespace, name.key)).collect(),
            tags: wire.tags,
            namespaces: wire.namespaces,
            patterns: wire
                .patterns
                .into_iter()
                .map(|name| (name.namespace, name.pattern))
                .collect(),
            mode: wire.mode,
        }
    }
}

/// What an invalidation did. From the answer on, nothing that it names is served from before it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct InvalidateReply {
    /// Whether entries were removed or left to their stale windows.
    pub mode: Mode,
    /// Tags and namespaces that got a new version.
    pub bumped: u64,
    /// Entries that were there under the keys named, and those that patterns have removed so far.
    pub removed: u64,
    /// Patterns that hold.
    pub banned: u64,
    /// Whether everything is gone already. Where it is not, sweeps go on behind; what they have
    /// not reached yet is not served either.
    pub complete: bool,
    /// The sweeps that go on behind, to be asked for under `/v1/invalidations/{id}`.
    pub sweeps: Vec<String>,
}

/// How far getting rid of what a pattern matches is.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct SweepReply {
    /// The sweep.
    pub id: String,
    /// Keys looked at.
    pub scanned: u64,
    /// Entries removed or expired.
    pub removed: u64,
    /// Whether all keys were looked at.
    pub complete: bool,
    /// Why it stopped before that; another node goes on with it.
    pub failed: Option<String>,
}
