//! The write-behind queue that several engines share, on Redis or Valkey.
//!
//! | file | concept |
//! |---|---|
//! | `taken` | changes come in, and are seen |
//! | `flush` | one flusher takes them out, in order |
//! | `letters` | what the origin will not take |
//! | `room` | how much there is, and may be |
//! | `wait` | who waits for what comes or goes |
//! | `mirror` | what nodes show each other of queues of their own |
//! | `durability` | what an acknowledged write can be lost by |
//! | `open` | what is looked at before it is used |
//! | `stored` | changes as the scripts know them |
//! | `scripts`, `lua` | the steps that nothing comes between |
//! | `names` | the names of keys |
//! | `config` | where it is, and how much it may hold |

mod config;
#[cfg(test)]
mod contract;
mod durability;
mod flush;
mod letters;
pub(crate) mod mirror;
mod names;
mod open;
mod room;
mod scripts;
mod stored;
mod taken;
#[cfg(test)]
mod tests;
mod wait;

use std::sync::Arc;

use futures_util::future::{BoxFuture, Either};
use larder_core::{Clock, Timestamp};
use redis::{FromRedisValue, Script, Value};

pub use self::config::RedisQueueConfig;
use self::names::Names;
use self::room::{Room, Used};
use self::scripts::Scripts;
use self::wait::Signals;
use super::link::Link;
use super::reply;
use crate::queue::{
    Change, Claim, DeadLetter, Depth, Enqueued, LetterId, Letters, Partition, Queue, QueueAnswer,
    QueueError, QueueSummary, Queued, Row,
};
use crate::store::StoreError;

/// Keeps unflushed changes in Redis 7.0 or newer, or Valkey, shared by all engines with the same
/// prefix.
///
/// Each partition is a stream with what belongs to it, all in one slot of a Cluster, and every
/// step is one script there. What is acknowledged is as durable as the server makes it:
/// [`QueueSummary::can_lose`] says what that is worth. Nothing is ever trimmed, and nothing but
/// claims and the names of operations has an end.
///
/// Whether a claim has ended is judged by the times that flushers hand in, which should be those of
/// [`Queue::clock`]. Where they disagree by more than a claim lasts, two flushers may hand over the
/// same changes; each step that one of them tells is still refused from the moment at which the
/// other has taken over.
pub struct RedisQueue(Arc<Inner>);

/// What all parts of the queue share.
struct Inner {
    link: Link,
    names: Names,
    scripts: Scripts,
    room: Room,
    signals: Signals,
    summary: QueueSummary,
}

impl Inner {
    /// One script in a partition, called once; `more` are keys besides those of the partition.
    async fn script(
        &self,
        script: &Script,
        partition: &Partition,
        more: &[&str],
        args: &[&[u8]],
    ) -> Result<Value, QueueError> {
        let own = self.names.partition(partition);
        let mut keys: Vec<&str> = own.iter().map(String::as_str).collect();
        keys.extend(more);
        Ok(self.link.script(script, &keys, args).await?)
    }

    /// A script that answers 1, or 0 where the claim is not held any more.
    async fn claimed(
        &self,
        script: &Script,
        claim: &Claim,
        args: &[&[u8]],
    ) -> Result<(), QueueError> {
        let told = self.script(script, &claim.partition, &[], args).await?;
        match typed::<u8>(told)? {
            1 => Ok(()),
            _ => Err(QueueError::Lost(claim.partition.clone())),
        }
    }
}

/// The answer as a `T`.
fn typed<T: FromRedisValue>(answer: Value) -> Result<T, QueueError> {
    Ok(reply::typed(answer)?)
}

/// The elements of an answer.
fn list(answer: Value) -> Result<Vec<Value>, QueueError> {
    typed(answer)
}

/// What `used` in scripts answers.
fn used(answer: Value) -> Result<Used, QueueError> {
    let (changes, bytes) = typed(answer)?;
    Ok(Used { changes, bytes })
}

impl From<StoreError> for QueueError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(why) => Self::Failed(why),
            StoreError::Timeout { limit_ms } => {
                Self::Failed(format!("redis did not answer within {limit_ms} ms"))
            }
            // Refused as a whole, before anything was written: for want of memory, disk or replicas.
            StoreError::Refused(why)
                if ["OOM ", "MISCONF ", "NOREPLICAS "]
                    .iter()
                    .any(|code| why.contains(code)) =>
            {
                Self::Full(why)
            }
            StoreError::Refused(why) => Self::Unusable(why),
            StoreError::Corrupt { key, why } => Self::Corrupt { place: key, why },
        }
    }
}

impl Queue for RedisQueue {
    fn enqueue(
        &self,
        change: Change,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<Enqueued, QueueError>> {
        Box::pin(async move { self.0.enqueue(&change, now).await })
    }

    fn unflushed<'a>(&'a self, row: &'a Row) -> QueueAnswer<'a, Option<Arc<Queued>>> {
        Either::Right(Box::pin(self.0.unflushed(row)))
    }

    fn pending<'a>(&'a self, row: &'a Row) -> QueueAnswer<'a, Vec<Arc<Queued>>> {
        Either::Right(Box::pin(self.0.pending(row)))
    }

    fn claim<'a>(
        &'a self,
        partition: &'a Partition,
        ttl_ms: u64,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Option<Claim>, QueueError>> {
        Box::pin(self.0.claim(partition, ttl_ms, now))
    }

    fn extend<'a>(
        &'a self,
        claim: &'a Claim,
        ttl_ms: u64,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<(), QueueError>> {
        Box::pin(self.0.extend(claim, ttl_ms, now))
    }

    fn let_go<'a>(&'a self, claim: &'a Claim) -> BoxFuture<'a, Result<(), QueueError>> {
        Box::pin(self.0.let_go(claim))
    }

    fn head<'a>(
        &'a self,
        claim: &'a Claim,
        limit: usize,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<Arc<Queued>>, QueueError>> {
        Box::pin(self.0.head(claim, limit, now))
    }

    fn flushed<'a>(
        &'a self,
        claim: &'a Claim,
        sequences: &'a [u64],
    ) -> BoxFuture<'a, Result<(), QueueError>> {
        Box::pin(self.0.flushed(claim, sequences))
    }

    fn bury<'a>(
        &'a self,
        claim: &'a Claim,
        sequence: u64,
        why: &'a str,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<(), QueueError>> {
        Box::pin(self.0.bury(claim, sequence, why, now))
    }

    fn arrived<'a>(&'a self, partition: &'a Partition) -> BoxFuture<'a, ()> {
        Box::pin(self.0.arrived(partition))
    }

    fn moved<'a>(&'a self, row: &'a Row) -> BoxFuture<'a, ()> {
        Box::pin(self.0.moved(row))
    }

    fn letters<'a>(
        &'a self,
        after: Option<&'a LetterId>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<DeadLetter>, QueueError>> {
        Box::pin(self.0.letters(after, limit))
    }

    fn letter<'a>(
        &'a self,
        id: &'a LetterId,
    ) -> BoxFuture<'a, Result<Option<DeadLetter>, QueueError>> {
        Box::pin(self.0.letter(id))
    }

    fn retry<'a>(&'a self, which: &'a Letters) -> BoxFuture<'a, Result<u64, QueueError>> {
        Box::pin(self.0.retry(which))
    }

    fn forget<'a>(
        &'a self,
        which: &'a Letters,
    ) -> BoxFuture<'a, Result<Vec<Arc<Queued>>, QueueError>> {
        Box::pin(self.0.forget(which))
    }

    fn depth(&self) -> BoxFuture<'_, Result<Depth, QueueError>> {
        Box::pin(self.0.depth())
    }

    fn clock(&self) -> Option<Arc<dyn Clock>> {
        Some(self.0.link.clock())
    }

    fn summary(&self) -> QueueSummary {
        self.0.summary.clone()
    }
}
