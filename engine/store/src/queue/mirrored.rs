//! A queue of one process, whose changes other nodes see.

#[cfg(test)]
mod contract;
mod node;
mod showing;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::hash::RandomState;
use std::sync::Arc;

use futures_util::future::{BoxFuture, Either};
use larder_core::{Clock, Timestamp};
use parking_lot::Mutex;

use self::showing::State;
use super::{
    Change, Claim, DeadLetter, Depth, Enqueued, LetterId, Letters, LocalQueue, Partition, Queue,
    QueueAnswer, QueueError, QueueSummary, Queued, Row,
};
use crate::redis::Mirror;

/// Rows whose turns are the same are shown one after the other.
const TURNS: usize = 64;

/// A [`LocalQueue`] that shows its unflushed changes to other nodes in Redis, and answers with
/// theirs.
///
/// A change is durable here, then shown, then acknowledged; where it cannot be shown the answer is
/// an error, though it is kept. Once flushed or forgotten it is hidden; where that fails, others
/// see it until it can be: each [`Queue::head`] tries again. What Redis loses, this node serves
/// still. Operations are known to the node that took them, and numbers order the changes of
/// different nodes as far as the times that are handed in agree, as those of [`Queue::clock`] do.
pub struct MirroredQueue {
    local: LocalQueue,
    mirror: Mirror,
    node: String,
    state: Mutex<State>,
    turns: Vec<tokio::sync::Mutex<()>>,
    hasher: RandomState,
}

impl MirroredQueue {
    /// Shows what is in the queue, and hides what is not any more. Where Redis is away that is
    /// done when it is back.
    ///
    /// # Errors
    /// If the queue cannot be read, or its folder not be written to.
    pub async fn open(local: LocalQueue, mirror: Mirror) -> Result<Self, QueueError> {
        let node = node::node_name(local.dir()).map_err(|error| {
            let file = local.dir().join(node::FILE);
            QueueError::Unusable(format!("{} cannot be used: {error}", file.display()))
        })?;
        let queue = Self {
            state: Mutex::new(State::of(&local)),
            local,
            mirror,
            node,
            turns: (0..TURNS).map(|_| tokio::sync::Mutex::new(())).collect(),
            hasher: RandomState::new(),
        };
        queue.settle().await;
        Ok(queue)
    }

    async fn take(&self, change: Change, now: Timestamp) -> Result<Enqueued, QueueError> {
        let row = change.row.clone();
        let enqueued = self.local.enqueue(change, now).await?;
        {
            let mut state = self.state.lock();
            if !enqueued.repeated {
                let rows = state.rows.entry(row.partition()).or_default();
                rows.insert(enqueued.sequence, row.clone());
            }
            state.owed.insert(row.clone());
        }
        self.sync(&row).await.map_err(|error| {
            QueueError::Failed(format!(
                "the change is kept, but other nodes do not see it: {error}"
            ))
        })?;
        Ok(enqueued)
    }

    async fn newest(&self, row: &Row) -> Result<Option<Arc<Queued>>, QueueError> {
        let own = self.local.unflushed(row).await?;
        match (own, self.mirror.unflushed(&self.node, row).await) {
            (Some(own), Ok(Some(other))) if own.sequence < other.sequence => Ok(Some(other)),
            (Some(own), _) => Ok(Some(own)),
            (None, others) => others,
        }
    }

    async fn all(&self, row: &Row) -> Result<Vec<Arc<Queued>>, QueueError> {
        let mut all = self.local.pending(row).await?;
        all.extend(self.mirror.pending(&self.node, row).await?);
        all.sort_by_key(|queued| queued.sequence);
        Ok(all)
    }

    /// As the local queue answers it, without what comes after a change that another node shows of
    /// the same row: handed over before that, it would keep it out for good where the origin takes
    /// no older ones, and be undone by it where it does. While Redis does not answer nobody knows of
    /// others, and nothing waits for them.
    async fn in_turn(
        &self,
        claim: &Claim,
        limit: usize,
        now: Timestamp,
    ) -> Result<Vec<Arc<Queued>>, QueueError> {
        let mut ask = limit;
        loop {
            let head = self.local.head(claim, ask, now).await?;
            let all = head.len();
            let mut rows: Vec<Row> = head.iter().map(|one| one.change.row.clone()).collect();
            let mut seen = HashSet::with_capacity(rows.len());
            rows.retain(|row| seen.insert(row.clone()));
            let oldest = match self.mirror.oldest(&self.node, &rows).await {
                Ok(oldest) => oldest,
                Err(error) => {
                    tracing::warn!(%error, "changes are flushed without knowing of those of other nodes");
                    return Ok(head);
                }
            };
            let oldest: HashMap<Row, Option<u64>> = rows.into_iter().zip(oldest).collect();
            let mut turn = head;
            turn.retain(|one| {
                let other = oldest.get(&one.change.row).copied().flatten();
                other.is_none_or(|other| one.sequence < other)
            });
            // Those that wait must not keep others from being seen.
            if all < ask || ask == 0 || !turn.is_empty() {
                turn.truncate(limit);
                return Ok(turn);
            }
            ask = ask.saturating_mul(2);
        }
    }

    async fn remove(&self, claim: &Claim, sequences: &[u64]) -> Result<(), QueueError> {
        self.local.flushed(claim, sequences).await?;
        let mut gone = Vec::new();
        for &sequence in sequences {
            let id = LetterId {
                partition: claim.partition.clone(),
                sequence,
            };
            // A dead letter was passed over, and its row has to be known when it is retried.
            if self.local.letter(&id).await?.is_none() {
                gone.push(id);
            }
        }
        self.hide(&gone).await;
        Ok(())
    }

    async fn drop_letters(&self, which: &Letters) -> Result<Vec<Arc<Queued>>, QueueError> {
        let forgotten = self.local.forget(which).await?;
        let gone: Vec<_> = forgotten.iter().map(|queued| queued.letter_id()).collect();
        self.hide(&gone).await;
        Ok(forgotten)
    }

    /// Others are waited for only where there is nothing to wait for here.
    async fn others_moved(&self, row: &Row) {
        match self.local.unflushed(row).await {
            Ok(None) => self.mirror.moved(&self.node, row).await,
            _ => std::future::pending().await,
        }
    }
}

impl Queue for MirroredQueue {
    fn enqueue(
        &self,
        change: Change,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<Enqueued, QueueError>> {
        Box::pin(self.take(change, now))
    }

    fn unflushed<'a>(&'a self, row: &'a Row) -> QueueAnswer<'a, Option<Arc<Queued>>> {
        Either::Right(Box::pin(self.newest(row)))
    }

    fn pending<'a>(&'a self, row: &'a Row) -> QueueAnswer<'a, Vec<Arc<Queued>>> {
        Either::Right(Box::pin(self.all(row)))
    }

    fn claim<'a>(
        &'a self,
        partition: &'a Partition,
        ttl_ms: u64,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Option<Claim>, QueueError>> {
        self.local.claim(partition, ttl_ms, now)
    }

    fn extend<'a>(
        &'a self,
        claim: &'a Claim,
        ttl_ms: u64,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<(), QueueError>> {
        self.local.extend(claim, ttl_ms, now)
    }

    fn let_go<'a>(&'a self, claim: &'a Claim) -> BoxFuture<'a, Result<(), QueueError>> {
        self.local.let_go(claim)
    }

    fn head<'a>(
        &'a self,
        claim: &'a Claim,
        limit: usize,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<Arc<Queued>>, QueueError>> {
        Box::pin(async move {
            self.settle().await;
            self.in_turn(claim, limit, now).await
        })
    }

    fn flushed<'a>(
        &'a self,
        claim: &'a Claim,
        sequences: &'a [u64],
    ) -> BoxFuture<'a, Result<(), QueueError>> {
        Box::pin(self.remove(claim, sequences))
    }

    fn bury<'a>(
        &'a self,
        claim: &'a Claim,
        sequence: u64,
        why: &'a str,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<(), QueueError>> {
        self.local.bury(claim, sequence, why, now)
    }

    fn arrived<'a>(&'a self, partition: &'a Partition) -> BoxFuture<'a, ()> {
        self.local.arrived(partition)
    }

    fn moved<'a>(&'a self, row: &'a Row) -> BoxFuture<'a, ()> {
        let here = self.local.moved(row);
        Box::pin(async move {
            tokio::select! {
                () = here => {}
                () = self.others_moved(row) => {}
            }
        })
    }

    fn letters<'a>(
        &'a self,
        after: Option<&'a LetterId>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<DeadLetter>, QueueError>> {
        self.local.letters(after, limit)
    }

    fn letter<'a>(
        &'a self,
        id: &'a LetterId,
    ) -> BoxFuture<'a, Result<Option<DeadLetter>, QueueError>> {
        self.local.letter(id)
    }

    fn retry<'a>(&'a self, which: &'a Letters) -> BoxFuture<'a, Result<u64, QueueError>> {
        self.local.retry(which)
    }

    fn forget<'a>(
        &'a self,
        which: &'a Letters,
    ) -> BoxFuture<'a, Result<Vec<Arc<Queued>>, QueueError>> {
        Box::pin(self.drop_letters(which))
    }

    fn depth(&self) -> BoxFuture<'_, Result<Depth, QueueError>> {
        self.local.depth()
    }

    fn clock(&self) -> Option<Arc<dyn Clock>> {
        Some(self.mirror.clock())
    }

    fn summary(&self) -> QueueSummary {
        let local = self.local.summary();
        QueueSummary {
            place: format!("{}, shown at {}", local.place, self.mirror.place()),
            ..local
        }
    }
}
