//! One partition on its way to its origin: the claim, and what is in the way of its rows.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use larder_core::Clock;
use larder_origin::Origin;
use larder_store::queue::{Claim, Partition, Queue, QueueError, Row};
use tokio::time::Instant;

use super::coalesce::{May, Run, coalesce};
use super::failing::Failing;
use super::flusher::Settled;
use super::meters::FlushMeters;
use super::pace::Pace;
use super::tuning::QueueTuning;
use crate::backoff;
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
    /// How many changes the origin has taken, from all partitions.
    taken: Arc<AtomicU64>,
    troubles: HashMap<Row, Trouble>,
    /// Whether it is the turn of those that are handed over alone.
    lonely: bool,
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
    /// Whether it is handed over alone: the origin failed at a batch of nothing else.
    pub(super) alone: bool,
    /// How many changes the origin had taken when it last failed.
    taken: Option<u64>,
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
        (settled, failing, taken): (Arc<Settled>, Arc<Failing>, Arc<AtomicU64>),
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
            taken,
            lonely: false,
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
        let Some(claim) = self.claimed(&*inner.queue_clock).await? else {
            return Ok(Next::Elsewhere);
        };
        let most = self.tuning.batch_max.max(1);
        let batch = self
            .queue
            .head(&claim, most, inner.queue_clock.now())
            .await?;
        if batch.is_empty() {
            self.troubles.clear();
            self.settled.clear();
            self.works();
            return Ok(Next::Nothing);
        }
        let full = batch.len() >= most;
        let now = Instant::now();
        let meaning = self.origin.put_meaning();
        let (runs, left) = coalesce(batch, meaning, |row| self.may(row, now));
        if runs.is_empty() {
            return Ok(Next::After(self.until_the_next_row(now)));
        }
        let (runs, alone, more) = self.choose(runs);
        Ok(match self.flush(inner, &claim, (runs, alone)).await? {
            Next::Gather if full || left || more => Next::More,
            next => next,
        })
    }

    /// What of the runs is handed over now, whether it is one that is handed over alone, and
    /// whether there are more.
    fn choose(&mut self, runs: Vec<Run>) -> (Vec<Run>, bool, bool) {
        let is_alone = |run: &Run| {
            let row = run.first().map(|queued| &queued.change.row);
            let trouble = row.and_then(|row| self.troubles.get(row));
            trouble.is_some_and(|trouble| trouble.alone)
        };
        let (mut alone, mut others): (Vec<_>, Vec<_>) = runs.into_iter().partition(is_alone);
        // By turns: a row that takes all the time there is must not stop the others, nor they it.
        self.lonely = !alone.is_empty() && (others.is_empty() || !self.lonely);
        let both = !alone.is_empty() && !others.is_empty();
        let (chosen, limit) = match self.lonely {
            true => (&mut alone, 1),
            false => (&mut others, self.pace.limit(self.tuning.batch_max)),
        };
        let more = both || chosen.len() > limit;
        chosen.truncate(limit);
        (std::mem::take(chosen), self.lonely, more)
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
            // While nothing was taken nobody was to blame.
            for trouble in self.troubles.values_mut() {
                trouble.until = trouble.until.filter(|_| trouble.attempts > 0);
            }
        }
    }

    /// The origin has taken so many changes.
    pub(super) fn took(&self, changes: usize) {
        self.taken.fetch_add(changes as u64, Ordering::Relaxed);
    }

    /// Whether the origin has taken others since a row last failed.
    pub(super) fn others_pass(&self, row: &Row) -> bool {
        let taken = self.taken.load(Ordering::Relaxed);
        let before = self.troubles.get(row).and_then(|trouble| trouble.taken);
        before.is_some_and(|before| taken > before)
    }

    /// A row failed, and is left alone for a while.
    pub(super) fn later(&mut self, row: &Row, alone: bool, blamed: bool) {
        let taken = self.taken.load(Ordering::Relaxed);
        let trouble = self.trouble(row);
        trouble.failures += 1;
        trouble.attempts += u32::from(blamed);
        trouble.alone |= alone;
        trouble.taken = Some(taken);
        let delay = backoff::delay_ms(trouble.failures, fastrand::f64());
        trouble.until = Some(Instant::now() + Duration::from_millis(delay));
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
