//! The seam to write-behind queues, and the queues.

#[cfg(any(test, feature = "contract"))]
pub mod contract;
mod local;
mod mirrored;
#[doc(hidden)]
pub mod record;
mod unreadable;

use std::fmt;
use std::sync::Arc;

use futures_util::future::{BoxFuture, Either, Ready};
use larder_core::{Key, Timestamp, Value};

pub use self::local::{LocalQueue, LocalQueueConfig, QueueOpenError};
pub use self::mirrored::MirroredQueue;

/// Into how many partitions the rows of one origin fall. A row is always in the same one, whoever
/// asks and whenever, so this is a constant and no setting.
pub const PARTITIONS: u16 = 8;

/// The answer of a queue: at once from memory, or from afar.
pub type QueueAnswer<'a, T> =
    Either<Ready<Result<T, QueueError>>, BoxFuture<'a, Result<T, QueueError>>>;

/// What an origin holds one value of. Writes of one row are kept in order, others are not.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Row {
    /// The origin, by the name that routes use.
    pub origin: Arc<str>,
    /// Whose data.
    pub tenant: Arc<str>,
    /// The kind of thing.
    pub resource: Arc<str>,
    /// Which one.
    pub id: Arc<str>,
}

/// A part of the rows of one origin that is flushed in order, by one flusher at a time.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Partition {
    /// The origin.
    pub origin: Arc<str>,
    /// Which part, below [`PARTITIONS`].
    pub number: u16,
}

/// One write or delete on its way to an origin.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Names the write for whoever repeats it.
    pub operation: Arc<str>,
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

/// Names a dead letter.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LetterId {
    /// Where it was.
    pub partition: Partition,
    /// Its number there.
    pub sequence: u64,
}

/// A change that the origin will not take, that follows one of the same row, or that cannot be
/// read.
#[derive(Clone, Debug, PartialEq)]
pub struct DeadLetter {
    /// How it is named.
    pub id: LetterId,
    /// The change; of one that cannot be read its row, as far as that is known, and no more.
    pub queued: Arc<Queued>,
    /// When it was given up.
    pub died: Timestamp,
    /// Why.
    pub why: Arc<str>,
    /// Whether the change can be read. One that cannot is never handed over.
    pub readable: bool,
}

/// Which dead letters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Letters {
    /// All of them.
    All,
    /// One.
    One(LetterId),
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
///   answered with the number that it has, flushed or not.
/// - **In order.** [`Queue::head`] answers the changes of a partition by their numbers, and of
///   two calls of `enqueue` of which one began after the other was answered, the later has the
///   larger number.
/// - **Visible at once.** From the answer of `enqueue` until [`Queue::flushed`] or
///   [`Queue::forget`], [`Queue::unflushed`] answers the newest change of the row, dead or alive.
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
}

/// How a queue failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueueError {
    /// It has no room. Nothing was taken.
    #[error("the write-behind queue is full: {0}")]
    Full(String),
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

impl Row {
    /// Where the row is flushed. The same on every machine and in every version: changes of one
    /// row that were in two partitions would lose their order.
    #[must_use]
    pub fn partition(&self) -> Partition {
        // FNV-1a, with a byte between the parts that UTF-8 does not have.
        let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
        for part in [&self.tenant, &self.resource, &self.id] {
            for byte in part.bytes().chain([0xff]) {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            }
        }
        // The lowest bits of FNV mix least.
        let number = (hash ^ (hash >> 32)) % u64::from(PARTITIONS);
        Partition {
            origin: Arc::clone(&self.origin),
            number: number as u16,
        }
    }
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

impl Partition {
    /// All of an origin.
    pub fn all(origin: &Arc<str>) -> impl Iterator<Item = Self> + use<'_> {
        (0..PARTITIONS).map(|number| Self {
            origin: Arc::clone(origin),
            number,
        })
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.origin, self.number)
    }
}

impl fmt::Display for LetterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.partition, self.sequence)
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

/// The text is not the name of a dead letter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` names no dead letter; their ids are ORIGIN/PARTITION/NUMBER")]
pub struct NoLetterId(String);

impl std::str::FromStr for LetterId {
    type Err = NoLetterId;

    fn from_str(text: &str) -> Result<Self, NoLetterId> {
        let mut parts = text.rsplitn(3, '/');
        let (sequence, number, origin) = (parts.next(), parts.next(), parts.next());
        let wrong = || NoLetterId(text.to_owned());
        let number = number
            .and_then(|text| text.parse().ok())
            .ok_or_else(wrong)?;
        if number >= PARTITIONS {
            return Err(wrong());
        }
        Ok(Self {
            partition: Partition {
                origin: origin.ok_or_else(wrong)?.into(),
                number,
            },
            sequence: sequence
                .and_then(|text| text.parse().ok())
                .ok_or_else(wrong)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(tenant: &str, resource: &str, id: &str) -> Row {
        Row {
            origin: "shop".into(),
            tenant: tenant.into(),
            resource: resource.into(),
            id: id.into(),
        }
    }

    #[test]
    fn the_partition_of_a_row_never_changes() {
        for (tenant, resource, id, number) in [
            ("", "product", "42", 5),
            ("", "product", "43", 4),
            ("acme", "product", "42", 3),
            ("", "order", "1", 1),
        ] {
            assert_eq!(row(tenant, resource, id).partition().number, number, "{id}");
        }
    }

    #[test]
    fn rows_fall_into_every_partition() {
        let mut rows = [0; PARTITIONS as usize];
        for id in 0..8_000 {
            rows[usize::from(row("", "product", &id.to_string()).partition().number)] += 1;
        }
        assert!(
            rows.iter().all(|rows| (700..1_300).contains(rows)),
            "{rows:?}"
        );
    }

    #[test]
    fn a_letter_is_found_by_its_name() {
        let id = LetterId {
            partition: Partition {
                origin: "a/b".into(),
                number: 3,
            },
            sequence: 17,
        };
        assert_eq!(id.to_string(), "a/b/3/17");
        assert_eq!("a/b/3/17".parse(), Ok(id));
        for wrong in ["", "17", "3/17", "shop/8/17", "shop/3/x", "shop/-1/1"] {
            assert!(wrong.parse::<LetterId>().is_err(), "{wrong}");
        }
    }
}
