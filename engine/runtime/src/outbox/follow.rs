//! The task that reads an outbox.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use larder_core::dependency::Mode;
use larder_origin::outbox::{Outbox, Page};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::course::{Course, Missed, wait_ms};
use super::meters::{At, OutboxMeters};
use super::owed::Owed;
use super::sense::{self, Sense};
use super::state::State;
use super::tuning::OutboxTuning;
use crate::backoff;
use crate::engine::{Inner, Present};
use crate::error::Error;
use crate::invalidate::Invalidation;
use crate::invalidate::rows::{Expanded, Undecided};

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
    /// Whether rows may have been missed.
    missed: bool,
    /// What becomes of everything of the origin first.
    whole: Option<Mode>,
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
    owed: Owed,
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
            owed: Owed::default(),
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
        let again = self.try_owed(inner).await;
        again.map_err(|error| (At::Apply, error.to_string()))?;
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
        let owed = self.owed.age(Instant::now());
        let owed_ms = owed.map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX));
        let held_ms = work.page.held_ms.max(owed_ms);
        self.state.read(work.asked, held_ms);
        // After a restart what is owed is read again.
        if owed.is_none() {
            self.remove(&work.page).await;
        }
        Ok(Next {
            wait_ms: wait_ms(held_ms, self.tuning.poll_ms),
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
            missed: missed.is_some(),
            whole: missed.map(|_| Mode::Purge).or(sense.whole),
            left: sense.all.iter().cloned().collect(),
            sense,
        })
    }

    async fn apply(&mut self, inner: &Inner, work: &mut Work) -> Result<(), String> {
        if let Some(mode) = work.whole {
            let gone = inner.all_of_origin(&self.origin, mode).await;
            gone.map_err(|error| error.to_string())?;
            work.whole = None;
            if work.missed {
                self.meters.missed();
            }
        }
        while let Some(one) = work.left.front() {
            let done = self.apply_one(inner, one.clone()).await;
            let more = done.map_err(|error| error.to_string())?;
            work.left.pop_front();
            for one in more {
                work.left.push_front(one);
            }
        }
        Ok(())
    }

    /// Makes stale what one invalidation names; answers what of its rows is to be done apart.
    async fn apply_one(
        &mut self,
        inner: &Inner,
        what: Invalidation,
    ) -> Result<Vec<Invalidation>, Error> {
        if what.rows.is_empty() {
            return inner.invalidate(&what).await.map(|_| Vec::new());
        }
        let (tenant, mode) = (what.tenant.clone(), what.mode);
        let (names, undecided) = self.expand(inner, what).await;
        let (names, patterns) = names.patterns_apart();
        inner.invalidate(&names).await?;
        self.owed
            .put_down((&tenant, mode), undecided, Instant::now());
        Ok(patterns)
    }

    /// Spells out what rows make stale. Those of resources without a route are passed over.
    async fn expand(&self, inner: &Inner, what: Invalidation) -> (Invalidation, Vec<Undecided>) {
        let Expanded {
            what, undecided, ..
        } = inner.expand(what).await;
        let no_route = |one: &Undecided| matches!(one.error, Error::NoRoute(_));
        let (nobodys, undecided): (Vec<_>, Vec<_>) = undecided.into_iter().partition(no_route);
        for one in &nobodys {
            tracing::error!(
                origin = &*self.origin,
                "a row of the outbox is passed over: {}",
                one.error
            );
        }
        self.meters.passed_over(nobodys.len() as u64);
        (what, undecided)
    }

    /// Asks once more about rows whose policy could not say what they make stale.
    async fn try_owed(&mut self, inner: &Inner) -> Result<(), Error> {
        for what in self.owed.again() {
            let (names, undecided) = self.expand(inner, what.clone()).await;
            inner.invalidate(&names).await?;
            self.owed.tried(&what, &undecided);
            if !undecided.is_empty() {
                self.meters.failed(At::Decide);
            }
        }
        if self.owed.is_hopeless(Instant::now()) {
            inner.all_of_origin(&self.origin, Mode::Purge).await?;
            let rows = self.owed.give_up();
            tracing::error!(
                origin = &*self.origin,
                rows,
                "their policy does not say what changes of these rows make stale; everything that \
                 was loaded from this origin is invalidated instead"
            );
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
            At::Read | At::Decide | At::Remove => why.to_owned(),
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
pub(super) async fn follow(mut follower: Follower, inner: Present, mut alive: watch::Receiver<()>) {
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
