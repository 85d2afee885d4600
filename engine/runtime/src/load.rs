//! Loads under a lease, one for each key, seen through whatever becomes of the caller.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::FutureExt;
use larder_core::dependency::Mode;
use larder_core::{Dependency, NotStored, Stampede, Timestamp, Version};
use larder_origin::Fetched;
use larder_store::StoreError;
use tokio::time::{Instant, timeout_at};

use crate::behind::Overlay;
use crate::complaints::Complaint;
use crate::deadline::{by, half_way, in_ms, is_over};
use crate::decide::Job;
use crate::engine::Inner;
use crate::error::Error;
use crate::flight::{Flight, Landing, Loaded, Seat, Share, lost};
use crate::joining::Joining;
use crate::lease::{Begun, Hold};
use crate::loader::Loader;

/// How much longer than a load others wait for it: the admission and the fill.
const LEASE_SLACK_MS: u64 = 5_000;

/// How often a load that may not be joined is replaced before the caller loads for itself.
const ATTEMPTS: usize = 4;

/// What to load: the job, how, and what the caller saw in the store.
pub(crate) struct Order {
    pub(crate) job: Arc<Job>,
    pub(crate) loader: Loader,
    pub(crate) seen: Seen,
}

/// What a caller saw in the store before it ordered a load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// No entry.
    Nothing,
    /// An entry that is too old to serve, or about to be.
    Entry {
        /// When it was created.
        created: Timestamp,
    },
    /// That the store fails.
    StoreDown,
}

/// How long a load may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Until {
    pub(crate) ends: Instant,
    /// The limit of the load; none where its caller waits for less.
    limit_ms: Option<u64>,
}

impl Until {
    fn of(limit_ms: u64, deadline: Option<Instant>) -> Self {
        let limit = in_ms(limit_ms);
        let ends = deadline.map_or(limit, |deadline| deadline.min(limit));
        Self {
            ends,
            limit_ms: (ends == limit).then_some(limit_ms),
        }
    }

    pub(crate) fn late(self) -> Error {
        match self.limit_ms {
            Some(limit_ms) => Error::LoadTimeout { limit_ms },
            None => Error::DeadlineExceeded,
        }
    }
}

impl Seen {
    fn created(self) -> Option<Timestamp> {
        match self {
            Self::Entry { created } => Some(created),
            Self::Nothing | Self::StoreDown => None,
        }
    }
}

impl Inner {
    /// As [`Inner::load`], no longer than the caller waits.
    pub(crate) async fn load_in_time(self: &Arc<Self>, order: Order) -> (Landing, bool) {
        let deadline = order.job.deadline;
        let late = |error| (Landing::Failed(error), false);
        if is_over(deadline) {
            return late(Error::DeadlineExceeded);
        }
        by(deadline, self.load(order)).await.unwrap_or_else(late)
    }

    /// Loads a key, or joins the load under way, and answers what it brought and whether it was
    /// joined.
    async fn load(self: &Arc<Self>, order: Order) -> (Landing, bool) {
        let limit_ms = self.hold_limit_ms(&order.job);
        let patience = half_way(order.job.deadline);
        let mut refused = None;
        // A value that may not be served for any time may not be served to somebody who came
        // after its load began either.
        let mut alone = order.job.decision().loading.stampede == Stampede::Unguarded
            || order.job.decision().freshness.ttl_ms == 0;
        for _ in 0..ATTEMPTS {
            if alone {
                break;
            }
            match self.flights.board(&order.job.key, refused.as_ref()) {
                Seat::Pilot(flight) => {
                    self.take_off(order, Arc::clone(&flight), patience);
                    return (flight.landing_within(limit_ms).await, false);
                }
                Seat::Passenger(flight) => {
                    match self.may_join(&order.job, order.seen, &flight).await {
                        Joining::Join => {
                            let landing = flight.landing_within(limit_ms).await;
                            match landing.share() {
                                Share::Given => return (landing, true),
                                Share::LoadAgain => {}
                                Share::LoadAlone => alone = true,
                            }
                        }
                        Joining::Beside => {}
                        Joining::After => drop(flight.landing_within(limit_ms).await),
                    }
                    refused = Some(flight);
                }
            }
        }
        let flight = Flight::unlisted();
        self.take_off(order, Arc::clone(&flight), patience);
        (flight.landing_within(limit_ms).await, false)
    }

    /// Refreshes a key behind the caller's back, unless that is under way.
    pub(crate) fn refresh(self: &Arc<Self>, order: Order) {
        if let Seat::Pilot(flight) = self.flights.board(&order.job.key, None) {
            let patience = in_ms(self.tuning.cluster_wait_ms);
            self.take_off(order, flight, patience);
        }
    }

    /// Runs the load in a task of its own: a caller who goes away takes nobody's value along.
    fn take_off(self: &Arc<Self>, order: Order, flight: Arc<Flight>, patience: Instant) {
        let inner = Arc::clone(self);
        tokio::spawn(async move {
            let job = Arc::clone(&order.job);
            let flying = AssertUnwindSafe(inner.fly(order, &flight, patience)).catch_unwind();
            let landing = flying.await.unwrap_or_else(|_| Landing::Failed(lost()));
            if let Landing::Failed(error) = &landing {
                inner.meters.load_failed(error.code());
            }
            if let Landing::Failed(error) = &landing
                && !error.is_about_the_row()
            {
                let now = inner.steady.now();
                let until = now.plus(inner.tuning.retry_after_ms);
                inner.retry.after(&job.key, until, now);
            } else {
                inner.retry.clear(&job.key);
            }
            flight.land(landing);
            inner.flights.done(&job.key, &flight);
        });
    }

    async fn fly(self: &Arc<Self>, order: Order, flight: &Flight, patience: Instant) -> Landing {
        let Order { job, loader, seen } = order;
        let created = seen.created();
        // Before the turn: nobody waits for others only to be refused.
        if let Err(error) = job.route.gate.look() {
            // What the queue holds of the row needs no origin.
            match self.overlay(&job).await {
                Ok(Overlay::Known(_)) => {}
                Ok(_) => return Landing::Failed(error),
                Err(error) => return Landing::Failed(error),
            }
        }
        let mut begun = self.begin_in_turn(&job, created, patience).await;
        if let Ok(Begun::Present(_)) = begun {
            // Whoever joined by now may have come after an invalidation of what was found. Nobody
            // joins from here on, and what is found after this is new enough for all.
            flight.depart(None);
            begun = self.begin_in_turn(&job, created, patience).await;
        }
        let (hold, under) = match begun {
            Ok(Begun::Present(found)) => return Landing::Present(found),
            Ok(Begun::Under(hold, under)) => (hold, under),
            Err(error) => {
                self.store_failed(&error);
                (Hold::StoreDown, Vec::new())
            }
        };
        flight.depart(hold.terms(&under, self.changes.load(Ordering::SeqCst)));

        let began = self.clock.now();
        let started = Instant::now();
        let fetched = match self.fetch_holding(&job, loader, &hold).await {
            Ok(fetched) => fetched,
            Err(error) => {
                if let Hold::Lease(token) = hold {
                    self.give_up(&job.key, token).await;
                }
                if error.is_about_the_row() && created.is_some() {
                    self.drop_entry(&job).await;
                }
                return Landing::Failed(error);
            }
        };
        let took = started.elapsed();
        self.meters.loaded(took);
        let load_ms = u32::try_from(took.as_millis()).unwrap_or(u32::MAX);
        let terms = (&hold, under.as_slice());
        let landing = self
            .bring_in(&job, flight, terms, (fetched, load_ms, began))
            .await;
        if let (Err(why), Some(_)) = (landing.stored, created) {
            self.drop_superseded(&job, why).await;
        }
        Landing::Loaded(Arc::new(landing))
    }

    /// Stores what was loaded, as far as the policy, the lease and the store let it.
    async fn bring_in(
        &self,
        job: &Job,
        flight: &Flight,
        (hold, under): (&Hold, &[(Dependency, Version)]),
        (fetched, load_ms, began): (Fetched, u32, Timestamp),
    ) -> Loaded {
        let admits = job.policy().is_some_and(|one| one.manifest().admits);
        if admits {
            // What the policy adds now was not among the terms, so nobody joins while it is
            // compared: whoever joined before is covered by the comparison.
            flight.depart(None);
        }
        let origin = crate::store_entry::Origin {
            value: fetched.value.clone(),
            absent: fetched.absent.clone(),
            attributes: &fetched.attributes,
            load_ms,
            began,
            is_written: false,
        };
        let stored = match hold {
            Hold::Lease(token) => self.store_loaded(job, (*token, under), origin).await,
            // What the policy says decides as well who may share the value.
            hold => match (self.entry(job, under, origin).await, hold) {
                (Err(why), _) => Err(why),
                (Ok(_), Hold::StoreDown) => Err(NotStored::StoreFailed),
                (Ok(_), _) => Err(NotStored::LeasedElsewhere),
            },
        };
        if let Err(why) = stored {
            self.meters.not_stored(why);
        }
        Loaded {
            value: fetched.value,
            absent: fetched.absent,
            cookies: fetched.cookies,
            stored,
            store_down: matches!(hold, Hold::StoreDown) || stored == Err(NotStored::StoreFailed),
            admits,
        }
    }

    /// Removes an entry that a load found to be outdated where the new value may not take its
    /// place: it must not be served on for its stale windows.
    async fn drop_superseded(&self, job: &Job, why: NotStored) {
        if !matches!(
            why,
            NotStored::ZeroTtl
                | NotStored::Refused
                | NotStored::Status
                | NotStored::Varies
                | NotStored::TooLarge
        ) {
            return;
        }
        self.drop_entry(job).await;
    }

    async fn drop_entry(&self, job: &Job) {
        let now = self.clock.now();
        if let Err(error) = self.store.invalidate(&job.key, Mode::Purge, now).await {
            self.store_failed(&error);
        }
    }

    /// Answers what the queue holds of the row, else calls the loader, within the limits of the
    /// load and of the origin, and no longer than `deadline` where there is one.
    pub(crate) async fn fetch(
        &self,
        job: &Job,
        mut loader: Loader,
        deadline: Option<Instant>,
    ) -> Result<Fetched, Error> {
        let until = Until::of(self.load_limit_ms(job), deadline);
        let overlay = by(until.ends, self.overlay(job)).await;
        match overlay.map_err(|_| until.late())?? {
            Overlay::Known(value) => Ok(Fetched::of(value)),
            Overlay::Nothing => self.load_from(job, &mut loader, until).await,
            overlay => self.fetch_over(job, loader, overlay, until).await,
        }
    }

    /// Calls the loader, through the gate of the origin.
    pub(crate) async fn load_from(
        &self,
        job: &Job,
        loader: &mut Loader,
        until: Until,
    ) -> Result<Fetched, Error> {
        let ends = until.ends;
        let pass = job.route.gate.enter(&job.request.tenant, ends).await?;
        let loading = AssertUnwindSafe(loader.load(job)).catch_unwind();
        let fetched = match timeout_at(ends, loading).await {
            Ok(Ok(Some(fetched))) => fetched,
            // A closure loads once, and the row has changed since.
            Ok(Ok(None)) => Err(Error::RowChanging),
            Ok(Err(_panic)) => Err(lost()),
            Err(_elapsed) => Err(until.late()),
        };
        pass.end_for(job.has_credentials(), &fetched);
        fetched
    }

    /// How long a load may take: the decision's hard timeout, else the engine's.
    pub(crate) fn load_limit_ms(&self, job: &Job) -> u64 {
        match job.decision().loading.hard_timeout_ms {
            0 => self.tuning.load_timeout_ms,
            hard => u64::from(hard),
        }
    }

    /// How long others wait for a load: its turn, itself, the admission and the fill.
    fn hold_limit_ms(&self, job: &Job) -> u64 {
        let turn = match job.decision().loading.stampede {
            Stampede::PerCluster => self.tuning.cluster_wait_ms,
            _ => 0,
        };
        self.load_limit_ms(job)
            .saturating_add(turn)
            .saturating_add(LEASE_SLACK_MS)
    }

    pub(crate) fn store_failed(&self, error: &StoreError) {
        self.meters.store_failed();
        self.complaints.note(Complaint::Store {
            message: error.to_string(),
        });
    }
}
