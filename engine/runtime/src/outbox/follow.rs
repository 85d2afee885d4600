//! The task that reads an outbox.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use std::time::Duration;

use larder_origin::outbox::{Outbox, Page};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::course::{Course, Missed, wait_ms};
use super::meters::{At, OutboxMeters};
use super::sense::{self, Sense};
use super::state::State;
use super::tuning::OutboxTuning;
use crate::backoff;
use crate::engine::Inner;
use crate::invalidate::Invalidation;

/// Rows that are read at once.
const PAGE: usize = 500;

/// Old rows that are removed at once, so that no lock is held for long, and how often in a row.
const REMOVED: usize = 1_000;
const REMOVALS: usize = 10;

/// What failed is tried again after this at the latest, in milliseconds: a database or a store
/// that is back should not wait for long.
const RETRY_MAX_MS: u64 = 5_000;

/// How long hints are gathered, so that many commits are one reading.
const GATHER: Duration = Duration::from_millis(10);

/// Rows that were read, and what is left to do about them.
struct Work {
    page: Page,
    asked: Instant,
    /// Everything of the origin goes first.
    purge: bool,
    sense: Sense,
    left: VecDeque<Invalidation>,
}

/// The reader of one outbox.
pub(super) struct Follower {
    origin: Arc<str>,
    outbox: Arc<dyn Outbox>,
    tuning: OutboxTuning,
    state: Arc<State>,
    meters: OutboxMeters,
    course: Course,
    began: Instant,
    /// What could not be done yet.
    work: Option<Work>,
    failures: u32,
}

/// What failed, and how.
type Trouble = (At, String);

/// When to go on.
#[derive(Clone, Copy)]
struct Next {
    wait_ms: u64,
    /// Or at a hint. A store that fails is not asked more often because rows come.
    hints: bool,
}

impl Next {
    const AT_ONCE: Self = Self {
        wait_ms: 0,
        hints: false,
    };
}

impl Follower {
    pub(super) fn new(
        (origin, outbox): (Arc<str>, Arc<dyn Outbox>),
        tuning: OutboxTuning,
        state: Arc<State>,
    ) -> Self {
        Self {
            meters: OutboxMeters::new(&origin),
            course: Course::new(tuning.keep_ms),
            origin,
            outbox,
            tuning,
            state,
            began: Instant::now(),
            work: None,
            failures: 0,
        }
    }

    /// Reads a page and does what it says, or goes on where that failed.
    async fn step(&mut self, inner: &Inner) -> Next {
        let next = match self.try_step(inner).await {
            Ok(next) => {
                if self.failures > 0 {
                    tracing::info!(origin = &*self.origin, "the outbox is read again");
                }
                self.failures = 0;
                next
            }
            Err((at, why)) => self.failed(at, &why),
        };
        self.meters.lag(self.state.lag().0);
        next
    }

    async fn try_step(&mut self, inner: &Inner) -> Result<Next, Trouble> {
        let mut work = match self.work.take() {
            Some(work) => work,
            None => self.read().await?,
        };
        if let Err(why) = self.apply(inner, &mut work).await {
            self.work = Some(work);
            return Err((At::Apply, why));
        }
        if !work.page.intact {
            return Ok(Next::AT_ONCE);
        }
        let all = work.page.rows.len() < PAGE;
        self.course.applied(&work.page, self.since(work.asked));
        self.meters.applied(&work.sense);
        if !all {
            return Ok(Next::AT_ONCE);
        }
        self.state.read(work.asked, work.page.held_ms);
        self.remove(&work.page).await;
        Ok(Next {
            wait_ms: wait_ms(work.page.held_ms, self.tuning.poll_ms),
            hints: true,
        })
    }

    async fn read(&mut self) -> Result<Work, Trouble> {
        let asked = Instant::now();
        let page = self.outbox.read(self.course.place(), PAGE).await;
        let page = page.map_err(|error| (At::Read, error.to_string()))?;
        let (asked_ms, now_ms) = (self.since(asked), self.since(Instant::now()));
        let missed = self.course.missed(&page, asked_ms, now_ms);
        if let Some(missed) = missed {
            self.say_missed(missed);
        }
        // The rows after a place that is gone are read again, from the start.
        let sense = match page.intact {
            true => sense::of(&page.rows),
            false => Sense::default(),
        };
        for (place, why) in &sense.passed_over {
            tracing::error!(
                origin = &*self.origin,
                row = place.id,
                transaction = place.transaction,
                "a row of the outbox is passed over: {why}; what it meant stays in the cache"
            );
        }
        Ok(Work {
            page,
            asked,
            purge: missed.is_some(),
            left: sense.all.iter().cloned().collect(),
            sense,
        })
    }

    async fn apply(&self, inner: &Inner, work: &mut Work) -> Result<(), String> {
        if work.purge {
            let purged = inner.purge_origin(&self.origin).await;
            purged.map_err(|error| error.to_string())?;
            work.purge = false;
            self.meters.missed();
        }
        while let Some(one) = work.left.front() {
            let done = inner.invalidate(one).await;
            done.map_err(|error| error.to_string())?;
            work.left.pop_front();
        }
        Ok(())
    }

    /// Removes what every node has had the time to read. What is left is removed later.
    async fn remove(&mut self, page: &Page) {
        let Some(before) = self.course.removable(page.now) else {
            return;
        };
        for _ in 0..REMOVALS {
            match self.outbox.remove(before, REMOVED).await {
                Ok(rows) => {
                    self.meters.removed(rows);
                    if (rows as usize) < REMOVED {
                        self.course.removed(before);
                        return;
                    }
                }
                Err(error) => {
                    self.meters.failed(At::Remove);
                    tracing::warn!(
                        origin = &*self.origin,
                        "old rows of the outbox cannot be removed: {error}"
                    );
                    return;
                }
            }
        }
    }

    fn failed(&mut self, at: At, why: &str) -> Next {
        self.failures = self.failures.saturating_add(1);
        self.meters.failed(at);
        let why = match at {
            At::Apply => format!("what its rows name cannot be invalidated: {why}"),
            At::Read | At::Remove => why.to_owned(),
        };
        self.state.failed(&why);
        if self.failures.is_power_of_two() {
            tracing::warn!(
                origin = &*self.origin,
                failures = self.failures,
                "the outbox is not read on; changes by others may be served late: {why}"
            );
        }
        Next {
            wait_ms: backoff::delay_ms(self.failures, fastrand::f64()).min(RETRY_MAX_MS),
            hints: at == At::Read,
        }
    }

    fn say_missed(&self, missed: Missed) {
        let why = match missed {
            Missed::TooLate { after_ms } => format!(
                "the outbox had been empty and was not read for {after_ms} ms, longer than its rows \
                 are kept, so some may have come and gone"
            ),
            Missed::Broken => "the row of the outbox that was read last is gone: the table was \
                 emptied, or the database is an older or another one"
                .to_owned(),
        };
        tracing::error!(
            origin = &*self.origin,
            "{why}; everything that was loaded from this origin is invalidated"
        );
    }

    fn since(&self, moment: Instant) -> u64 {
        let since = moment.saturating_duration_since(self.began);
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }
}

/// Reads on for as long as the engine is there.
pub(super) async fn follow(
    mut follower: Follower,
    inner: Weak<Inner>,
    mut alive: watch::Receiver<()>,
) {
    let outbox = Arc::clone(&follower.outbox);
    while let Some(inner) = inner.upgrade() {
        let next = follower.step(&inner).await;
        drop(inner);
        tokio::select! {
            () = sleep(Duration::from_millis(next.wait_ms)) => {}
            () = outbox.hint(), if next.hints => sleep(GATHER).await,
            // The engine is gone.
            _ = alive.changed() => return,
        }
    }
}
