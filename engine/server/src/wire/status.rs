//! The state of an engine over the wire.

use serde::Serialize;
use utoipa::ToSchema;

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
    /// What tells of changes by others.
    pub outboxes: Vec<OutboxReply>,
}

/// The state of an outbox.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct OutboxReply {
    /// The origin's name.
    pub origin: String,
    /// What the outbox is.
    pub summary: String,
    /// How old a commit may be that is not applied yet, in milliseconds.
    pub lag_ms: u64,
    /// What keeps it back, where that is long.
    pub why: Option<String>,
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
    /// What makes every call to the origin fail, where that is known: a database that was not
    /// reached since the start, or whose table is not as it has to be.
    pub origin_trouble: Option<String>,
}
