//! What writes and fills came to, over the wire.

use larder::core::NotStored;
use larder::{Filling, Invalidated, Writing};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::queue::QueuedReply;

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
    pub queued: Option<QueuedReply>,
    /// The status that an HTTP origin answered.
    pub origin_status: Option<u16>,
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
            not_stored: writing.not_stored.map(NotStored::as_str),
            queued: writing.queued.map(Into::into),
            origin_status: writing.said.map(|said| said.status()),
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
            not_stored: filling.not_stored.map(NotStored::as_str),
            ttl_ms: filling.ttl_ms,
        }
    }
}
