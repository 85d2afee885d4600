//! The queue under test, with the steps that checks are made of.

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use larder_core::{Key, Timestamp, Value};

use super::Place;
use crate::queue::{
    Change, Claim, DeadLetter, Depth, Enqueued, LetterId, Letters, Partition, Queue, QueueError,
    Queued, Row,
};

/// When every check begins.
pub(crate) const NOW: Timestamp = Timestamp(1_800_000_000_000);
/// How long claims last, in milliseconds. Long, so that a queue that ends them by a clock of its
/// own does not do so in the middle of a check.
pub(super) const CLAIM_MS: u64 = 60_000;

/// How much a queue may hold.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// How many changes.
    pub changes: u64,
    /// How many bytes of them.
    pub bytes: u64,
}

impl Room {
    /// More than any check needs.
    pub const AMPLE: Self = Self {
        changes: 1_000_000,
        bytes: 1 << 30,
    };
}

/// The queue under test.
pub(super) struct Subject {
    place: Arc<dyn Place>,
    queue: Arc<dyn Queue>,
}

impl Subject {
    pub(super) async fn open(place: Arc<dyn Place>) -> Self {
        let queue = place.open(Room::AMPLE).await;
        Self { place, queue }
    }

    /// The queue as the next process finds it.
    pub(super) async fn crash(self) -> Self {
        self.crash_into(Room::AMPLE).await
    }

    pub(super) async fn crash_into(self, room: Room) -> Self {
        let Self { place, queue } = self;
        drop(queue);
        let queue = place.open(room).await;
        Self { place, queue }
    }

    /// As [`Subject::crash`], with a change that cannot be read any more.
    pub(super) async fn crash_spoiling(self, row: &Row, sequence: u64) -> Self {
        let Self { place, queue } = self;
        drop(queue);
        place.spoil(row, sequence).await;
        let queue = place.open(Room::AMPLE).await;
        Self { place, queue }
    }

    pub(super) fn queue(&self) -> &Arc<dyn Queue> {
        &self.queue
    }

    pub(super) async fn enqueue(&self, change: Change, now: Timestamp) -> Enqueued {
        done(self.queue.enqueue(change, now).await)
    }

    /// The numbers of new changes of `row` with these texts.
    pub(super) async fn put(&self, row: &Row, texts: &[&str]) -> Vec<u64> {
        let mut numbers = Vec::new();
        for text in texts {
            let enqueued = self.enqueue(change(row, text), NOW).await;
            assert!(!enqueued.repeated, "{text} was not there before");
            numbers.push(enqueued.sequence);
        }
        numbers
    }

    /// What reads of `row` see, as text.
    pub(super) async fn seen(&self, row: &Row) -> Option<String> {
        done(self.queue.unflushed(row).await).map(|queued| text(&queued))
    }

    /// All that reads of `row` may need, as text.
    pub(super) async fn pending(&self, row: &Row) -> Vec<String> {
        let pending = done(self.queue.pending(row).await);
        pending.iter().map(|queued| text(queued)).collect()
    }

    pub(super) async fn ask(&self, partition: &Partition, now: Timestamp) -> Option<Claim> {
        done(self.queue.claim(partition, CLAIM_MS, now).await)
    }

    /// A claim that nobody can refuse.
    pub(super) async fn claim(&self, partition: &Partition) -> Claim {
        match self.ask(partition, NOW).await {
            Some(claim) => claim,
            None => fail("somebody else has the partition"),
        }
    }

    pub(super) async fn queued(&self, claim: &Claim, limit: usize) -> Vec<Arc<Queued>> {
        done(self.queue.head(claim, limit, NOW).await)
    }

    /// All that waits in a partition, as text.
    pub(super) async fn head(&self, claim: &Claim) -> Vec<String> {
        let head = self.queued(claim, usize::MAX).await;
        head.iter().map(|queued| text(queued)).collect()
    }

    pub(super) async fn flushed(&self, claim: &Claim, sequences: &[u64]) {
        done(self.queue.flushed(claim, sequences).await);
    }

    pub(super) async fn bury(&self, claim: &Claim, sequence: u64, why: &str) {
        done(self.queue.bury(claim, sequence, why, NOW).await);
    }

    pub(super) async fn letters(&self) -> Vec<DeadLetter> {
        done(self.queue.letters(None, usize::MAX).await)
    }

    pub(super) async fn letter_texts(&self) -> Vec<String> {
        let letters = self.letters().await;
        letters.iter().map(|letter| text(&letter.queued)).collect()
    }

    pub(super) async fn retry(&self, which: &Letters) -> u64 {
        done(self.queue.retry(which).await)
    }

    /// What was forgotten, as text.
    pub(super) async fn forget(&self, which: &Letters) -> Vec<String> {
        let forgotten = done(self.queue.forget(which).await);
        forgotten.iter().map(|queued| text(queued)).collect()
    }

    pub(super) async fn depth(&self) -> Depth {
        done(self.queue.depth().await)
    }
}

pub(crate) fn row(id: &str) -> Row {
    Row {
        origin: "shop".into(),
        tenant: "acme".into(),
        resource: "product".into(),
        id: id.into(),
    }
}

/// So many rows that fall into one partition, and one of another partition.
pub(super) fn neighbours(count: usize) -> (Vec<Row>, Row) {
    let partition = row("0").partition();
    let (mut near, mut far) = (Vec::new(), row("0"));
    for id in 0_u32.. {
        let row = row(&id.to_string());
        if row.partition() != partition {
            far = row;
        } else if near.len() < count {
            near.push(row);
        }
        if near.len() == count && far.partition() != partition {
            break;
        }
    }
    (near, far)
}

/// A change with an operation of its own.
pub(crate) fn change(row: &Row, text: &str) -> Change {
    static OPERATION: AtomicU64 = AtomicU64::new(0);
    let operation = OPERATION.fetch_add(1, Ordering::Relaxed);
    Change {
        request: None,
        operation: format!("operation-{operation}").into(),
        row: row.clone(),
        attributes: Vec::new(),
        key: Key::new(&row.tenant, &row.resource, &row.id),
        value: Some(Value::new(text.to_owned())),
        sealed: None,
        stale: "[]".into(),
    }
}

pub(super) fn one(letter: &DeadLetter) -> Letters {
    Letters::One(letter.id.clone())
}

pub(super) fn number(row: &Row, sequence: u64) -> Letters {
    Letters::One(LetterId {
        partition: row.partition(),
        sequence,
    })
}

pub(crate) fn text(queued: &Queued) -> String {
    let text = |value: &Value| String::from_utf8_lossy(&value.bytes).into_owned();
    queued
        .change
        .value
        .as_ref()
        .map_or("deleted".to_owned(), text)
}

/// Fails the check unless the wait ends.
pub(super) async fn woken(waiting: BoxFuture<'_, ()>, what: &str) {
    let limit = Duration::from_secs(5);
    let ended = tokio::time::timeout(limit, waiting).await.is_ok();
    assert!(ended, "nobody woke who waited for {what}");
}

/// Fails the check unless a claim is refused as one that has ended.
#[track_caller]
pub(super) fn lost<T: Debug>(answer: Result<T, QueueError>, claim: &Claim) {
    match answer {
        Err(QueueError::Lost(partition)) => assert_eq!(partition, claim.partition),
        other => fail(&format!("a stale claim is not refused: {other:?}")),
    }
}

#[track_caller]
pub(super) fn done<T: Debug>(answer: Result<T, QueueError>) -> T {
    match answer {
        Ok(answer) => answer,
        Err(error) => fail(&format!("the queue failed: {error}")),
    }
}

#[allow(
    clippy::panic,
    reason = "a failed check panics as a failed assertion does"
)]
#[track_caller]
pub(super) fn fail(why: &str) -> ! {
    panic!("{why}")
}
