//! The seam to write-behind queues, and the queues.

#[cfg(any(test, feature = "contract"))]
pub mod contract;
#[cfg(test)]
pub(crate) mod kept;
mod letter;
mod local;
mod mirrored;
mod named;
#[doc(hidden)]
pub mod record;
mod row;
mod unreadable;

use std::sync::Arc;

use futures_util::future::{BoxFuture, Either, Ready};
use larder_core::{Clock, Key, Timestamp, Value};

pub use self::letter::{DeadLetter, LetterId, Letters, NoLetterId};
pub use self::local::{LocalQueue, LocalQueueConfig, QueueOpenError};
pub use self::mirrored::MirroredQueue;
pub use self::named::Fingerprint;
pub use self::row::{PARTITIONS, Partition, Row};

/// The answer of a queue: at once from memory, or from afar.
pub type QueueAnswer<'a, T> =
    Either<Ready<Result<T, QueueError>>, BoxFuture<'a, Result<T, QueueError>>>;

/// One write or delete on its way to an origin.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Names the write for whoever repeats it.
    pub operation: Arc<str>,
    /// Tells the request that chose that name from others; none where nobody chose it. It is kept
    /// with the name, and not with the change.
    pub request: Option<Fingerprint>,
    /// What it replaces or deletes.
    pub row: Row,
    /// The request attributes that the policy declares.
    pub attributes: Vec<(String, String)>,
    /// The key under which the cache serves the value.
    pub key: Key,
    /// The value; none deletes.
    pub value: Option<Value>,
    /// The id of the key that the value is encrypted with; none where it is not.
    pub sealed: Option<Arc<str>>,
    /// What it makes stale once more when it is flushed, in the words of the engine.
    pub stale: Arc<str>,
}

/// A change that the queue has taken.
#[derive(Clone, Debug, PartialEq)]
pub struct Queued {
    /// Its place among the changes of its partition: later changes have larger numbers, over
    /// restarts too. Roughly microseconds since 1970, so that it also orders against an origin's
    /// own record of older ones.
    pub sequence: u64,
    /// When it was taken.
    pub at: Timestamp,
    /// What is to be done.
    pub change: Change,
}

/// What became of [`Queue::enqueue`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Enqueued {
    /// The number of the change.
    pub sequence: u64,
    /// Whether the operation had been taken before. It was not taken again.
    pub repeated: bool,
}

/// The right to flush a partition. Nobody else has it until it ends or is let go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// What may be flushed.
    pub partition: Partition,
    /// Tells this right from earlier and later ones.
    pub token: u64,
}

/// How full a queue is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Depth {
    /// Changes that wait to be flushed.
    pub waiting: u64,
    /// Their size, in bytes, roughly.
    pub bytes: u64,
    /// When the oldest of them was taken.
    pub oldest: Option<Timestamp>,
    /// Dead letters.
    pub dead: u64,
    /// Rows whose later changes follow a dead letter.
    pub parked: u64,
    /// By origin, how many wait; with them those of origins that are no longer configured.
    pub origins: Vec<(Arc<str>, u64)>,
}

impl Depth {
    /// How long the oldest change waits, in milliseconds; none where none does.
    #[must_use]
    pub fn lag_ms(&self, now: Timestamp) -> Option<u64> {
        self.oldest.map(|oldest| now.since(oldest))
    }
}

/// What a queue says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueSummary {
    /// The level, as it is configured.
    pub level: &'static str,
    /// Where it is, without credentials.
    pub place: String,
    /// In plain words, what an acknowledged write can be lost by.
    pub can_lose: String,
}

/// Keeps writes until an origin has them.
///
/// What every implementation guarantees, and the contract suite checks:
///
/// - **Durable before the answer.** What [`Queue::enqueue`] answers survives the end of the
///   process at any moment from then on, as far as [`QueueSummary::can_lose`] says.
/// - **Once.** An operation that is enqueued again within ten minutes, for the same row, is
///   answered with the number that it has, flushed or not. A name belongs to one request of its
///   tenant: with another [`Change::request`], whatever its row, it is refused with
///   [`QueueError::Reused`] and nothing is taken. Names that were kept without one are not compared.
/// - **In order.** [`Queue::head`] answers the changes of a partition by their numbers, and of
///   two calls of `enqueue` of which one began after the other was answered, the later has the
///   larger number.
/// - **Visible at once.** From the answer of `enqueue` until [`Queue::flushed`] or
///   [`Queue::forget`], [`Queue::unflushed`] answers the newest change of the row, dead or alive,
///   and [`Queue::pending`] all of them.
/// - **One flusher.** What a claim that has ended or was taken over tells is refused with
///   [`QueueError::Lost`] and changes nothing.
/// - **Never dropped in silence.** At its limit the queue refuses with [`QueueError::Full`]. It
///   trims nothing. What cannot be read becomes a dead letter when it is met, so that it parks its
///   row, where that can be told, and keeps no others waiting; reads of its row fail until it is
///   forgotten, unless there is a newer change.
///
/// Times come in as arguments. Nothing is retried.
pub trait Queue: Send + Sync {
    /// Takes a change.
    fn enqueue(
        &self,
        change: Change,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<Enqueued, QueueError>>;

    /// The newest change of `row` that the origin does not have yet.
    fn unflushed<'a>(&'a self, row: &'a Row) -> QueueAnswer<'a, Option<Arc<Queued>>>;

    /// All changes of `row` that the origin does not have yet, dead or alive, oldest first. An
    /// error where one of them cannot be read: what comes after it may rest on it.
    fn pending<'a>(&'a self, row: &'a Row) -> QueueAnswer<'a, Vec<Arc<Queued>>>;

    /// Asks for the right to flush a partition for `ttl_ms`; none where somebody else has it.
    fn claim<'a>(
        &'a self,
        partition: &'a Partition,
        ttl_ms: u64,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Option<Claim>, QueueError>>;

    /// Lets a claim last until `ttl_ms` from now.
    fn extend<'a>(
        &'a self,
        claim: &'a Claim,
        ttl_ms: u64,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<(), QueueError>>;

    /// Lets a claim go, so that others need not wait for its end.
    fn let_go<'a>(&'a self, claim: &'a Claim) -> BoxFuture<'a, Result<(), QueueError>>;

    /// The oldest changes of a partition, at most `limit`, oldest first. Those of parked rows are
    /// not among them: they become dead letters as they are met.
    fn head<'a>(
        &'a self,
        claim: &'a Claim,
        limit: usize,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<Arc<Queued>>, QueueError>>;

    /// The origin has these changes: they are removed.
    fn flushed<'a>(
        &'a self,
        claim: &'a Claim,
        sequences: &'a [u64],
    ) -> BoxFuture<'a, Result<(), QueueError>>;

    /// The origin will never take this change: it becomes a dead letter and its row is parked.
    fn bury<'a>(
        &'a self,
        claim: &'a Claim,
        sequence: u64,
        why: &'a str,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<(), QueueError>>;

    /// Waits until a partition may have something to flush that it had not before. It may return
    /// early; callers bound the wait and look again.
    fn arrived<'a>(&'a self, partition: &'a Partition) -> BoxFuture<'a, ()>;

    /// Waits until something of a row may have been flushed, buried or forgotten. It may return
    /// early; callers bound the wait and look again.
    fn moved<'a>(&'a self, row: &'a Row) -> BoxFuture<'a, ()>;

    /// Dead letters, oldest first, at most `limit`, those after `after` where it is given.
    fn letters<'a>(
        &'a self,
        after: Option<&'a LetterId>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<DeadLetter>, QueueError>>;

    /// One dead letter.
    fn letter<'a>(
        &'a self,
        id: &'a LetterId,
    ) -> BoxFuture<'a, Result<Option<DeadLetter>, QueueError>>;

    /// Puts dead letters back to where they were, and with each the others of its row, which is
    /// parked no longer. Answers how many there were.
    fn retry<'a>(&'a self, which: &'a Letters) -> BoxFuture<'a, Result<u64, QueueError>>;

    /// Removes dead letters for good and answers them. A row without any left is parked no longer.
    fn forget<'a>(
        &'a self,
        which: &'a Letters,
    ) -> BoxFuture<'a, Result<Vec<Arc<Queued>>, QueueError>>;

    /// How full it is.
    fn depth(&self) -> BoxFuture<'_, Result<Depth, QueueError>>;

    /// What the queue says of itself.
    fn summary(&self) -> QueueSummary;

    /// The clock that all who share it agree on, where it tells one; otherwise times are those of
    /// the wall clock.
    fn clock(&self) -> Option<Arc<dyn Clock>> {
        None
    }
}

/// How a queue failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueueError {
    /// It has no room. Nothing was taken.
    #[error("the write-behind queue is full: {0}")]
    Full(String),
    /// The operation was taken for another request. Nothing was taken.
    #[error(
        "this idempotency key was used within the last ten minutes for another request: another \
         verb, row or body. Repeat that request as it was, or give this one a key of its own"
    )]
    Reused,
    /// It could not be reached or written to. Whether the change was taken is not known; the same
    /// operation may be enqueued again.
    #[error("the write-behind queue fails: {0}")]
    Failed(String),
    /// It cannot be used as it is.
    #[error("the write-behind queue cannot be used: {0}")]
    Unusable(String),
    /// It holds something that is not a change. It is kept, as a dead letter.
    #[error("the write-behind queue holds something at {place} that is not a change: {why}")]
    Corrupt {
        /// Where.
        place: String,
        /// What is wrong with it.
        why: String,
    },
    /// The claim has ended or was taken over.
    #[error("another flusher has taken partition {0}")]
    Lost(Partition),
}

impl Change {
    /// Roughly what it costs to keep, in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        const OVERHEAD: usize = 256;
        let texts = |(name, text): &(String, String)| name.len() + text.len();
        let row = &self.row;
        let size = OVERHEAD
            + self.operation.len()
            + row.origin.len()
            + row.tenant.len()
            + row.resource.len()
            + row.id.len()
            + self.key.storage().len()
            + self.attributes.iter().map(texts).sum::<usize>()
            + self.value.as_ref().map_or(0, |value| value.bytes.len())
            + self.stale.len();
        size as u64
    }
}

impl Queued {
    /// How it is named as a dead letter.
    #[must_use]
    pub fn letter_id(&self) -> LetterId {
        LetterId {
            partition: self.change.row.partition(),
            sequence: self.sequence,
        }
    }
}
