//! What goes over the wire, as one set of types for the server, its clients and the description.

pub mod queue;

use std::fmt;
use std::sync::Arc;

use larder::core::dependency::Mode;
use larder::core::{Clamp, Decision, Identity};
use larder::{Decided, Error, Fallback, Filling, Invalidated, Invalidation, Request, Writing};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// A request to be decided about.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DecideRequest {
    /// The policy to ask; without it the one of the resource's route.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// What is asked.
    pub request: WireRequest,
}

/// One request.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WireRequest {
    /// `read`, `write` or `delete`.
    #[schema(example = "read")]
    pub operation: String,
    /// Whose data; leave it out where there is one tenant.
    #[serde(default)]
    pub tenant: String,
    /// The kind of thing.
    #[serde(default)]
    #[schema(example = "product")]
    pub resource: String,
    /// Which one.
    #[serde(default)]
    #[schema(example = "42")]
    pub id: String,
    /// Inputs by name, such as `query.page` or `context.tier`.
    #[serde(default)]
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    pub attributes: Attributes,
}

/// Named texts, kept in their order.
#[derive(Clone, Debug, Default)]
pub struct Attributes(pub Vec<(String, String)>);

impl Serialize for Attributes {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

impl<'de> Deserialize<'de> for Attributes {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Attributes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of texts, like {\"query.page\": \"2\"}")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Attributes, A::Error> {
                let mut pairs = Vec::with_capacity(map.size_hint().unwrap_or(0).min(64));
                while let Some((name, value)) = map.next_entry::<String, String>()? {
                    if pairs.iter().any(|(known, _)| *known == name) {
                        let twice = format!("the attribute `{name}` is given twice");
                        return Err(serde::de::Error::custom(twice));
                    }
                    pairs.push((name, value));
                }
                Ok(Attributes(pairs))
            }
        }
        from.deserialize_map(Pairs)
    }
}

impl WireRequest {
    /// The request as the engine takes it.
    ///
    /// # Errors
    /// [`Error::Request`] for an unknown operation; the rest is checked by the engine.
    pub fn into_request(self) -> Result<Request, Error> {
        Ok(Request {
            operation: self.operation.parse()?,
            tenant: self.tenant,
            resource: self.resource,
            id: self.id,
            attributes: self.attributes.0,
        })
    }
}

/// Up to 1,000 requests to be decided about.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BatchRequest {
    /// The requests.
    pub requests: Vec<DecideRequest>,
}

/// The answers to a batch, in its order.
#[derive(Serialize, ToSchema)]
pub struct BatchReply {
    /// A decision or an error for each request.
    pub results: Vec<BatchResult>,
}

/// The answer to one request of a batch.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub enum BatchResult {
    /// The decision.
    Decided(Box<DecideReply>),
    /// Why there is none.
    Failed {
        /// What went wrong with this one.
        error: Problem,
    },
}

/// A decision, who made it and what the guard changed.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct DecideReply {
    /// Names the decision; ordered by time.
    pub decision_id: Uuid,
    /// The build that decided.
    #[schema(value_type = Identity)]
    pub policy: Arc<Identity>,
    /// What holds.
    pub decision: Decision,
    /// What the guard changed.
    pub clamped: Vec<Clamp>,
    /// Set where the policy failed and something else decided.
    pub fallback: Option<Fallback>,
    /// What it took.
    pub metrics: DecideMetrics,
}

/// What a decision took.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct DecideMetrics {
    /// How long the policy took, in nanoseconds.
    pub evaluate_ns: u64,
}

impl From<Decided> for DecideReply {
    fn from(decided: Decided) -> Self {
        Self {
            decision_id: decided.decision_id,
            policy: decided.policy,
            decision: decided.decision,
            clamped: decided.clamped,
            fallback: decided.fallback,
            metrics: DecideMetrics {
                evaluate_ns: decided.evaluate_ns,
            },
        }
    }
}

/// What a write or a delete did.
#[derive(Debug, Serialize, ToSchema)]
pub struct WriteReply {
    /// Names the decision.
    pub decision_id: Uuid,
    /// The caching pattern that ran.
    pub strategy: &'static str,
    /// The key of the entry.
    pub key: String,
    /// Whether an origin was written to; where there is none, the application has written.
    pub written: bool,
    /// Whether there was anything to replace or delete, where the origin can tell.
    pub existed: Option<bool>,
    /// Whether the cache holds the new state.
    pub stored: bool,
    /// Why it does not.
    pub not_stored: Option<&'static str>,
    /// Where it waits for its origin, under `write_behind`; none where the origin has it.
    pub queued: Option<queue::QueuedReply>,
    /// What was made stale.
    pub invalidated: Invalidated,
}

impl From<Writing> for WriteReply {
    fn from(writing: Writing) -> Self {
        Self {
            decision_id: writing.decided.decision_id,
            strategy: writing.decided.decision.strategy.as_str(),
            key: writing.decided.decision.key,
            written: writing.written && writing.queued.is_none(),
            existed: writing.existed,
            stored: writing.not_stored.is_none(),
            not_stored: writing.not_stored.map(larder::core::NotStored::as_str),
            queued: writing.queued.map(Into::into),
            invalidated: writing.invalidated,
        }
    }
}

/// What became of a value that was handed in under a lease.
#[derive(Debug, Serialize, ToSchema)]
pub struct FillReply {
    /// The decision that the lease was given under.
    pub decision_id: Uuid,
    /// Whether it is served from now on.
    pub stored: bool,
    /// Why it is not.
    pub not_stored: Option<&'static str>,
    /// How long it stays fresh, in milliseconds.
    pub ttl_ms: Option<u64>,
}

impl From<Filling> for FillReply {
    fn from(filling: Filling) -> Self {
        Self {
            decision_id: filling.decided.decision_id,
            stored: filling.not_stored.is_none(),
            not_stored: filling.not_stored.map(larder::core::NotStored::as_str),
            ttl_ms: filling.ttl_ms,
        }
    }
}

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

/// What the engine says of itself.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct StatusReply {
    /// The version of Larder.
    pub version: &'static str,
    /// How long it runs, in milliseconds.
    pub uptime_ms: u64,
    /// The store.
    pub store: StoreStatus,
    /// The routes, in the order in which they are tried.
    pub routes: Vec<RouteStatus>,
}

/// The state of a store.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct StoreStatus {
    /// The kind: `memory`, `redis` or `tiered`.
    pub kind: &'static str,
    /// `up`, `degraded` (it keeps its promises with more effort than usual) or `down` (requests go
    /// to their origins, within the origins' limits).
    pub health: &'static str,
    /// Why it is not up.
    pub why: Option<String>,
    /// Entries held.
    pub entries: u64,
    /// Bytes held, roughly.
    pub bytes: u64,
    /// Bytes that may be held; 0 where the store has no limit of its own.
    pub capacity: u64,
}

/// One route.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RouteStatus {
    /// The resources that it answers for.
    pub resource: String,
    /// The policy that decides.
    pub policy: String,
    /// The origin's name.
    pub origin: Option<String>,
    /// What the origin is.
    pub origin_summary: Option<String>,
}

/// To which build a policy is to be pinned.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PinRequest {
    /// A revision as `GET /v1/policies` shows it; none ends the pin.
    #[serde(default)]
    pub revision: Option<String>,
}

/// An error (RFC 9457).
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// Names the kind of error as a URN.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// The stable name to program against.
    pub code: String,
    /// What happened, to what, and what to do.
    pub detail: String,
}
