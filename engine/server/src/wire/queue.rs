//! The write-behind queue over the wire.

use larder::store::queue::{DeadLetter, Depth};
use larder::{QueueView, Queued};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How a write was queued.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct QueuedReply {
    /// Where it is: origin, partition and number. It bears this name as a dead letter too.
    #[schema(example = "shop/3/1764069600000000")]
    pub id: String,
    /// Whether the same `Idempotency-Key` had been queued for this row before. It was not queued
    /// again.
    pub repeated: bool,
}

impl From<Queued> for QueuedReply {
    fn from(queued: Queued) -> Self {
        Self {
            id: queued.id.to_string(),
            repeated: queued.repeated,
        }
    }
}

/// The state of the queue.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct QueueReply {
    /// The level: `local` or `redis`.
    pub level: String,
    /// Where it is.
    pub place: String,
    /// What an acknowledged write can be lost by.
    pub can_lose: String,
    /// Writes that wait to be flushed.
    pub waiting: u64,
    /// Their size, in bytes, roughly.
    pub bytes: u64,
    /// How long the oldest of them waits, in milliseconds; none where none does.
    pub lag_ms: Option<u64>,
    /// Writes that their origin refused, or that follow one.
    pub dead: u64,
    /// Rows whose later writes follow a dead letter.
    pub parked: u64,
    /// By origin, how many wait.
    pub origins: Vec<OriginDepth>,
}

/// What waits for one origin.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct OriginDepth {
    /// The origin.
    pub origin: String,
    /// Writes that wait for it.
    pub waiting: u64,
    /// Why this node cannot flush them now.
    #[serde(default)]
    pub failing: Option<String>,
}

impl QueueReply {
    pub(crate) fn new(queue: &QueueView, depth: Depth) -> Self {
        let (summary, lag_ms) = (queue.summary(), queue.lag_ms(&depth));
        let origins = depth.origins.into_iter();
        Self {
            level: summary.level.to_owned(),
            place: summary.place,
            can_lose: summary.can_lose,
            waiting: depth.waiting,
            bytes: depth.bytes,
            lag_ms,
            dead: depth.dead,
            parked: depth.parked,
            origins: origins
                .map(|(origin, waiting)| OriginDepth {
                    failing: queue.failing(&origin),
                    origin: origin.to_string(),
                    waiting,
                })
                .collect(),
        }
    }
}

/// Which dead letters, oldest first.
#[derive(Clone, Debug, Default, Serialize, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct LettersQuery {
    /// Those after this one.
    pub after: Option<String>,
    /// At most so many; 100 without it, 1,000 at most.
    pub limit: Option<usize>,
}

/// Dead letters, oldest first.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct LettersReply {
    /// The letters.
    pub letters: Vec<LetterReply>,
    /// Where to go on, as `after`; none at the end.
    pub next: Option<String>,
}

/// A write that its origin refused, that follows one of the same row, or that cannot be read.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct LetterReply {
    /// Names it.
    #[schema(example = "shop/3/1764069600000000")]
    pub id: String,
    /// `write`, `delete`, or `unreadable`: then no more is known than its row, or not even that.
    pub operation: String,
    /// Whose data.
    pub tenant: String,
    /// The kind of thing.
    pub resource: String,
    /// Which one.
    pub item: String,
    /// The key under which the cache serves it.
    pub key: String,
    /// When it was acknowledged, in milliseconds since 1970.
    pub queued_at_ms: u64,
    /// When it was given up, in milliseconds since 1970.
    pub died_at_ms: u64,
    /// Why.
    pub why: String,
    /// The `Idempotency-Key`, or the id that it was given.
    pub idempotency_key: String,
    /// The size of the value, in bytes.
    pub bytes: u64,
    /// The media type of the value.
    pub content_type: Option<String>,
    /// Whether the value is encrypted. It is not shown then.
    pub encrypted: bool,
    /// The value, where it is one text that may be shown; only when a single letter is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

impl LetterReply {
    /// The letter without its value.
    pub(crate) fn outline(letter: &DeadLetter) -> Self {
        let queued = &letter.queued;
        let (change, row) = (&queued.change, &queued.change.row);
        let value = change.value.as_ref();
        let operation = match value {
            _ if !letter.readable => "unreadable",
            Some(_) => "write",
            None => "delete",
        };
        Self {
            id: letter.id.to_string(),
            operation: operation.to_owned(),
            tenant: row.tenant.to_string(),
            resource: row.resource.to_string(),
            item: row.id.to_string(),
            key: change.key.logical().to_string(),
            queued_at_ms: queued.at.0,
            died_at_ms: letter.died.0,
            why: letter.why.to_string(),
            idempotency_key: change.operation.to_string(),
            bytes: value.map_or(0, |value| value.bytes.len() as u64),
            content_type: value
                .and_then(|value| value.content_type.as_deref())
                .map(ToOwned::to_owned),
            encrypted: change.sealed.is_some(),
            value: None,
        }
    }

    /// The letter with its value.
    pub(crate) fn whole(letter: &DeadLetter) -> Self {
        let change = &letter.queued.change;
        let value = change.value.as_ref().filter(|_| change.sealed.is_none());
        let text = value.and_then(|value| String::from_utf8(value.bytes.to_vec()).ok());
        Self {
            value: text,
            ..Self::outline(letter)
        }
    }
}

/// Which dead letters to act on: one by its id, or all of them.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LettersRequest {
    /// One.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// All of them.
    pub all: bool,
}

/// How many dead letters were put back or dropped.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct LettersDone {
    /// How many. With one that is put back go the others of its row.
    pub letters: u64,
}
