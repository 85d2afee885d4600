//! Invalidations over the wire.

use larder::core::dependency::Mode;
use larder::{Findings, Invalidation};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What is to be made stale.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct InvalidateRequest {
    /// Whose entries; leave it out where there is one tenant.
    pub tenant: String,
    /// What a write of these rows would make stale, as the policies of their resources say.
    pub rows: Vec<RowName>,
    /// Single entries.
    pub keys: Vec<KeyName>,
    /// Every entry that carries one of these tags.
    #[schema(value_type = Vec<Name>)]
    pub tags: Vec<String>,
    /// Every entry of these namespaces.
    #[schema(value_type = Vec<Name>)]
    pub namespaces: Vec<String>,
    /// Every key that matches.
    pub patterns: Vec<PatternName>,
    /// `purge` removes, `expire` leaves entries to their stale windows.
    pub mode: Mode,
}

/// A tag or a namespace.
#[derive(ToSchema)]
#[schema(value_type = String, min_length = 1)]
#[allow(dead_code, reason = "it describes a text")]
struct Name(String);

/// The name of a row, as requests name it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(
    deny_unknown_fields,
    expecting = "an object like {\"resource\": \"product\", \"id\": \"42\"}"
)]
pub struct RowName {
    /// The kind of thing.
    #[schema(
        min_length = 1,
        max_length = 256,
        pattern = r"^[^\u0000-\u001F\u007F-\u009F]*$"
    )]
    pub resource: String,
    /// Which one, of any characters but control characters, and not escaped.
    #[schema(
        min_length = 1,
        max_length = 4096,
        pattern = r"^[^\u0000-\u001F\u007F-\u009F]*$"
    )]
    pub id: String,
}

/// The name of one entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(
    deny_unknown_fields,
    expecting = "an object like {\"namespace\": \"product\", \"key\": \"product:42\"}, as a decision shows both"
)]
pub struct KeyName {
    /// The decision's namespace.
    #[schema(min_length = 1)]
    pub namespace: String,
    /// The decision's key.
    #[schema(min_length = 1)]
    pub key: String,
}

/// Some keys of a namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(
    deny_unknown_fields,
    expecting = "an object like {\"namespace\": \"product\", \"pattern\": \"product:4*\"}"
)]
pub struct PatternName {
    /// The decisions' namespace.
    #[schema(min_length = 1)]
    pub namespace: String,
    /// A glob over the keys: `*` stands for any run of characters, `?` for one.
    #[schema(min_length = 1, max_length = 256)]
    pub pattern: String,
}

impl From<InvalidateRequest> for Invalidation {
    fn from(wire: InvalidateRequest) -> Self {
        let keys = wire.keys.into_iter();
        let rows = wire.rows.into_iter();
        Self {
            tenant: wire.tenant,
            rows: rows.map(|name| (name.resource, name.id)).collect(),
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
    /// Entries that were there under the keys, those of the rows among them, and those that
    /// patterns have removed so far.
    pub removed: u64,
    /// Patterns that hold.
    pub banned: u64,
    /// Whether everything is gone already. Where it is not, sweeps go on behind; what they have
    /// not reached yet is not served either.
    pub complete: bool,
    /// The sweeps that go on behind, to be asked for under `/v1/invalidations/{id}`.
    pub sweeps: Vec<String>,
    /// What was there of each name.
    #[serde(default)]
    pub found: FoundReply,
}

/// What was there of each name, in the order of the request. A name is known while the store keeps
/// a version of it: since a load or an invalidation named it last, at least ten minutes in memory
/// and, in Redis, as long as any entry may live. A tag that is not known is one that no entry
/// carries, so perhaps it is not spelled as the policy spells it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct FoundReply {
    /// Of the rows.
    pub rows: Vec<FoundRow>,
    /// Of the keys.
    pub keys: Vec<FoundKey>,
    /// Of the tags.
    pub tags: Vec<FoundName>,
    /// Of the namespaces.
    pub namespaces: Vec<FoundName>,
    /// Of the patterns.
    pub patterns: Vec<FoundPattern>,
}

/// What was there of a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FoundRow {
    /// The kind of thing.
    pub resource: String,
    /// Which one.
    pub id: String,
    /// Entries that were there under the keys that a write of the row makes stale.
    pub removed: u64,
    /// Whether any of the keys, tags and namespaces that a write of the row makes stale was known.
    pub known: bool,
}

/// What was there of a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FoundKey {
    /// Its namespace.
    pub namespace: String,
    /// The key.
    pub key: String,
    /// Entries that were there: 0 or 1.
    pub removed: u64,
}

/// What was there of a tag or a namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FoundName {
    /// The tag or namespace.
    pub name: String,
    /// Whether the store knew it.
    pub known: bool,
}

/// What was there of a pattern.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FoundPattern {
    /// Its namespace.
    pub namespace: String,
    /// The pattern.
    pub pattern: String,
    /// Entries that it has removed so far.
    pub removed: u64,
}

impl FoundReply {
    /// What was there of the names of `asked`.
    pub(crate) fn of(asked: InvalidateRequest, found: &Findings) -> Self {
        let names = |names: Vec<String>, known: &[bool]| {
            let known = known.iter().copied();
            let names = names.into_iter().zip(known);
            names
                .map(|(name, known)| FoundName { name, known })
                .collect()
        };
        let rows = asked.rows.into_iter().zip(&found.rows);
        let keys = asked.keys.into_iter().zip(&found.keys);
        let patterns = asked.patterns.into_iter().zip(&found.patterns);
        Self {
            rows: rows
                .map(|(row, found)| FoundRow {
                    resource: row.resource,
                    id: row.id,
                    removed: found.removed,
                    known: found.known,
                })
                .collect(),
            keys: keys
                .map(|(key, there)| FoundKey {
                    namespace: key.namespace,
                    key: key.key,
                    removed: (*there).into(),
                })
                .collect(),
            tags: names(asked.tags, &found.tags),
            namespaces: names(asked.namespaces, &found.namespaces),
            patterns: patterns
                .map(|(pattern, removed)| FoundPattern {
                    namespace: pattern.namespace,
                    pattern: pattern.pattern,
                    removed: *removed,
                })
                .collect(),
        }
    }
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
