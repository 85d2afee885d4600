//! One partition on its way to its origin: the claim, and what is in the way of its rows.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use larder_core::Clock;
use larder_origin::Origin;
use larder_store::queue::{Claim, Partition, Queue, QueueError, Row};
use tokio::time::Instant;

use super::coalesce::{May, coalesce};
use super::failing::Failing;
use super::flusher::Settled;
use super::meters::FlushMeters;
use super::pace::Pace;
use super::tuning::QueueTuning;
use crate::engine::Inner;
use crate::gate::Gate;

/// A partition that is flushed by one task.
pub(super) struct Lane {
    pub(super) partition: Partition,
    pub(super) origin: Arc<dyn Origin>,
    pub(super) gate: Arc<Gate>,
    pub(super) queue: Arc<dyn Queue>,
    tuning: QueueTuning,
    pub(super) settled: Arc<Settled>,
    failing: Arc<Failing>,
    pub(super) meters: FlushMeters,
    /// The right to flush, and when it was last renewed.
    claim: Option<(Claim, Instant)>,
    /// How often the origin or the queue has failed since it last did not.
    failures: u32,
    pub(super) pace: Pace,
    troubles: HashMap<Row, Trouble>,
}

/// What is in the way of a row.
#[derive(Default)]
pub(super) struct Trouble {
    /// How often it failed while others were answered.
    pub(super) failures: u32,
    /// How often of these it was to blame.
    pub(super) attempts: u32,
    /// Whether its changes go one after the other.
    pub(super) singly: bool,
    /// Until when it is left alone.
    pub(super) until: Option<Instant>,
}

/// What a flusher does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// There is more.
    More,
    /// There may be more in a moment.
    Gather,
    /// Nothing waits.
    Nothing,
    /// Somebody else flushes the partition.
    Elsewhere,
    /// Something failed: it is tried again after so many milliseconds.
    After(u64),
}

impl Lane {
    pub(super) fn new(
        partition: Partition,
        (origin, gate): (Arc<dyn Origin>, Arc<Gate>),
        (queue, tuning): (Arc<dyn Queue>, QueueTuning),
        (settled, failing): (Arc<Settled>, Arc<Failing>),
    ) -> Self {
        Self {
            meters: FlushMeters::new(&partition.origin),
            partition,
            origin,
            gate,
            queue,
            tuning,
            settled,
            failing,
            claim: None,
            failures: 0,
            pace: Pace::default(),
            troubles: HashMap::new(),
        }
    }

    pub(super) fn tuning(&self) -> &QueueTuning {
        &self.tuning
    }

    /// Waits until something may have come.
    pub(super) async fn arrived(&self) {
        self.queue.arrived(&self.partition).await;
    }

    /// Takes a batch and hands it over.
    pub(super) async fn step(&mut self, inner: &Inner) -> Next {
        // A panic must not end the flush of the partition for good.
        let stepped = AssertUnwindSafe(self.try_step(inner)).catch_unwind().await;
        match stepped {
            Ok(Ok(next)) => next,
            Ok(Err(QueueError::Lost(_))) => {
                self.claim = None;
                self.works();
                Next::Elsewhere
            }
            Ok(Err(error)) => self.failed(&error.to_string(), 0),
            Err(_panic) => self.failed("the flush panicked", 0),
        }
    }

    async fn try_step(&mut self, inner: &Inner) -> Result<Next, QueueError> {
        let Some(claim) = self.claimed(&*inner.wall).await? else {
            return Ok(Next::Elsewhere);
        };
        let limit = self.pace.limit(self.tuning.batch_max);
        let batch = self.queue.head(&claim, limit, inner.wall.now()).await?;
        if batch.is_empty() {
            self.troubles.clear();
            self.settled.clear();
            self.works();
            return Ok(Next::Nothing);
        }
        let full = batch.len() >= limit;
        let now = Instant::now();
        let meaning = self.origin.put_meaning();
        let (runs, left) = coalesce(batch, meaning, |row| self.may(row, now));
        if runs.is_empty() {
            return Ok(Next::After(self.until_the_next_row(now)));
        }
        Ok(match self.flush(inner, &claim, runs).await? {
            Next::Gather if full || left => Next::More,
            next => next,
        })
    }

    /// The right to flush, taken or renewed where that is due.
    async fn claimed(&mut self, clock: &dyn Clock) -> Result<Option<Claim>, QueueError> {
        let ttl_ms = self.tuning.claim_ttl_ms;
        let now = Instant::now();
        if let Some((claim, renewed)) = &mut self.claim {
            if now.duration_since(*renewed) >= Duration::from_millis(ttl_ms / 3) {
                self.queue.extend(claim, ttl_ms, clock.now()).await?;
                *renewed = now;
            }
            return Ok(Some(claim.clone()));
        }
        let claim = self
            .queue
            .claim(&self.partition, ttl_ms, clock.now())
            .await?;
        self.claim = claim.map(|claim| (claim, now));
        Ok(self.claim.as_ref().map(|(claim, _)| claim.clone()))
    }

    /// Waits for `call` and keeps the claim meanwhile.
    pub(super) async fn keeping<T>(
        &self,
        claim: &Claim,
        clock: &dyn Clock,
        call: impl Future<Output = T>,
    ) -> T {
        let ttl_ms = self.tuning.claim_ttl_ms;
        let keep = async {
            let mut ticks = tokio::time::interval(Duration::from_millis((ttl_ms / 3).max(1)));
            ticks.tick().await;
            loop {
                ticks.tick().await;
                match self.queue.extend(claim, ttl_ms, clock.now()).await {
                    Ok(()) => {}
                    // The call is seen through; what it did is not noted.
                    Err(QueueError::Lost(_)) => std::future::pending().await,
                    Err(error) => tracing::warn!(partition = %self.partition, "{error}"),
                }
            }
        };
        tokio::select! {
            done = call => done,
            never = keep => never,
        }
    }

    pub(super) async fn let_go(&mut self) {
        if let Some((claim, _)) = self.claim.take()
            && let Err(error) = self.queue.let_go(&claim).await
        {
            tracing::debug!(partition = %self.partition, "the claim runs out by itself: {error}");
        }
    }

    /// Notes a failure of the whole partition.
    pub(super) fn failed(&mut self, why: &str, at_least_ms: u64) -> Next {
        self.failures = self.failures.saturating_add(1);
        self.failing.note(&self.partition, why);
        let after_ms = crate::backoff::delay_ms(self.failures, fastrand::f64()).max(at_least_ms);
        tracing::warn!(
            partition = %self.partition, failures = self.failures, after_ms,
            "queued writes cannot be flushed now: {why}"
        );
        Next::After(after_ms)
    }

    pub(super) fn works(&mut self) {
        if self.failures > 0 {
            self.failures = 0;
            self.failing.clear(&self.partition);
        }
    }

    pub(super) fn trouble(&mut self, row: &Row) -> &mut Trouble {
        self.troubles.entry(row.clone()).or_default()
    }

    pub(super) fn attempts(&self, row: &Row) -> u32 {
        self.troubles.get(row).map_or(0, |trouble| trouble.attempts)
    }

    /// The changes of a row go one after the other from here on.
    pub(super) fn singly(&mut self, row: &Row) {
        *self.trouble(row) = Trouble {
            singly: true,
            ..Trouble::default()
        };
    }

    /// The origin has taken a change of a row. The next one may still be one that it refuses.
    pub(super) fn passed(&mut self, row: &Row) {
        match self.troubles.get(row) {
            Some(trouble) if trouble.singly => self.singly(row),
            _ => self.no_trouble(row),
        }
    }

    pub(super) fn no_trouble(&mut self, row: &Row) {
        if !self.troubles.is_empty() {
            self.troubles.remove(row);
        }
    }

    fn may(&self, row: &Row, now: Instant) -> May {
        match self.troubles.get(row) {
            Some(trouble) if trouble.until.is_some_and(|until| until > now) => May::Wait,
            Some(trouble) if trouble.singly => May::Singly,
            _ => May::Together,
        }
    }

    fn until_the_next_row(&self, now: Instant) -> u64 {
        let until = self.troubles.values().filter_map(|trouble| trouble.until);
        let first = until.filter(|until| *until > now).min();
        let wait = first.map_or(Duration::ZERO, |first| first.duration_since(now));
        // New rows are not kept waiting for troubled ones.
        (wait.as_millis() as u64).clamp(1, self.tuning.batch_age_ms.max(1_000))
    }
}
