//! Loads under a lease, one for each key, seen through whatever becomes of the caller.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use larder_core::dependency::Mode;
use larder_core::{Dependency, NotStored, Stampede, Timestamp, Version};
use larder_origin::Fetched;
use larder_store::StoreError;
use tokio::time::Instant;

use crate::decide::Job;
use crate::engine::Inner;
use crate::error::Error;
use crate::flight::{Boarding, Flight, Landing, Loaded, Seat, Share, lost};
use crate::lease::{Begun, Hold};
use crate::loader::Loader;

/// How much longer than a load others wait for it: the admission and the fill.
const LEASE_SLACK_MS: u64 = 5_000;

/// How often a load that may not be joined is replaced before the caller loads for itself.
const ATTEMPTS: usize = 4;

/// What to load: the job, how, and the entry that the caller saw.
pub(crate) struct Order {
    pub(crate) job: Arc<Job>,
    pub(crate) loader: Loader,
    pub(crate) seen: Option<Timestamp>,
}

impl Inner {
    /// Loads a key, or joins the load under way, and answers what it brought and whether it was
    /// joined.
    pub(crate) async fn load(self: &Arc<Self>, order: Order) -> (Landing, bool) {
        let limit_ms = self.hold_limit_ms(&order.job);
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
                    self.take_off(order, Arc::clone(&flight));
                    return (flight.landing_within(limit_ms).await, false);
                }
                Seat::Passenger(flight) => {
                    if self.may_join(&order.job, &flight).await {
                        let landing = flight.landing_within(limit_ms).await;
                        match landing.share() {
                            Share::Given => return (landing, true),
                            Share::LoadAgain => {}
                            Share::LoadAlone => alone = true,
                        }
                    }
                    refused = Some(flight);
                }
            }
        }
        let flight = Flight::unlisted();
        self.take_off(order, Arc::clone(&flight));
        (flight.landing_within(limit_ms).await, false)
    }

    /// Refreshes a key behind the caller's back, unless that is under way.
    pub(crate) fn refresh(self: &Arc<Self>, order: Order) {
        if let Seat::Pilot(flight) = self.flights.board(&order.job.key, None) {
            self.take_off(order, flight);
        }
    }

    async fn may_join(&self, job: &Job, flight: &Flight) -> bool {
        match flight.boarding() {
            Boarding::Join => true,
            Boarding::Refused => false,
            Boarding::JoinIf(terms) => {
                let now = self.clock.now();
                let holds = self.store.holds(&job.key, terms.token, &terms.under, now);
                let holds = holds.await;
                if terms.leased && holds == Ok(false) {
                    // Its fill would be refused. Without this its lease would keep newer loads
                    // out of the cache for as long as it takes.
                    self.give_up(&job.key, terms.token).await;
                }
                holds.unwrap_or(false)
            }
        }
    }

    /// Runs the load in a task of its own: a caller who goes away takes nobody's value along.
    fn take_off(self: &Arc<Self>, order: Order, flight: Arc<Flight>) {
        let inner = Arc::clone(self);
        tokio::spawn(async move {
            let job = Arc::clone(&order.job);
            let flying = AssertUnwindSafe(inner.fly(order, &flight)).catch_unwind();
            let landing = flying.await.unwrap_or_else(|_| Landing::Failed(lost()));
            if let Landing::Failed(error) = &landing {
                inner.meters.load_failed(error.code());
                let now = inner.clock.now();
                let until = now.plus(inner.tuning.retry_after_ms);
                inner.retry.after(&job.key, until, now);
            } else {
                inner.retry.clear(&job.key);
            }
            flight.land(landing);
            inner.flights.done(&job.key, &flight);
        });
    }

    async fn fly(self: &Arc<Self>, order: Order, flight: &Flight) -> Landing {
        let Order { job, loader, seen } = order;
        let mut begun = self.begin_in_turn(&job, seen).await;
        if let Ok(Begun::Present(_)) = begun {
            // Whoever joined by now may have come after an invalidation of what was found. Nobody
            // joins from here on, and what is found after this is new enough for all.
            flight.depart(None);
            begun = self.begin_in_turn(&job, seen).await;
        }
        let (hold, under) = match begun {
            Ok(Begun::Present(found)) => return Landing::Present(found),
            Ok(Begun::Under(hold, under)) => (hold, under),
            Err(error) => {
                self.store_failed(&error);
                (Hold::Nothing, Vec::new())
            }
        };
        flight.depart(hold.terms(&under));

        let began = self.clock.now();
        let started = Instant::now();
        let fetched = match self.fetch_holding(&job, loader, &hold).await {
            Ok(fetched) => fetched,
            Err(error) => {
                if let Hold::Lease(token) = hold {
                    self.give_up(&job.key, token).await;
                }
                return Landing::Failed(error);
            }
        };
        let load_ms = started.elapsed().as_millis().min(u128::from(u32::MAX)) as u32;
        self.meters.loaded(load_ms);
        let terms = (&hold, under.as_slice());
        let landing = self
            .bring_in(&job, flight, terms, (fetched, load_ms, began))
            .await;
        if let (Err(why), Some(_)) = (landing.stored, seen) {
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
        let admits = job.policy.as_ref().is_some_and(|one| one.manifest().admits);
        if admits {
            // What the policy adds now was not among the terms, so nobody joins while it is
            // compared: whoever joined before is covered by the comparison.
            flight.depart(None);
        }
        let origin = crate::store_entry::Origin {
            value: fetched.value.clone(),
            attributes: &fetched.attributes,
            load_ms,
            began,
        };
        let stored = match hold {
            Hold::Lease(token) => self.store_loaded(job, (*token, under), origin).await,
            Hold::Witness(_) => match self.entry(job, under, origin).await {
                Ok(_) => Err(NotStored::LeasedElsewhere),
                Err(why) => Err(why),
            },
            Hold::Nothing => Err(NotStored::StoreFailed),
        };
        if let Err(why) = stored {
            self.meters.not_stored(why);
        }
        Loaded {
            value: fetched.value,
            stored,
            admits,
        }
    }

    /// Removes an entry that a load found to be outdated where the new value may not take its
    /// place: it must not be served on for its stale windows.
    async fn drop_superseded(&self, job: &Job, why: NotStored) {
        if !matches!(
            why,
            NotStored::ZeroTtl | NotStored::Refused | NotStored::TooLarge
        ) {
            return;
        }
        let now = self.clock.now();
        if let Err(error) = self.store.invalidate(&job.key, Mode::Purge, now).await {
            self.store_failed(&error);
        }
    }

    /// Calls the loader, within the limit.
    pub(crate) async fn fetch(&self, job: &Arc<Job>, loader: Loader) -> Result<Fetched, Error> {
        let limit_ms = self.load_limit_ms(job);
        let loading = AssertUnwindSafe(loader(Arc::clone(job))).catch_unwind();
        match tokio::time::timeout(Duration::from_millis(limit_ms), loading).await {
            Ok(Ok(fetched)) => fetched,
            Ok(Err(_panic)) => Err(lost()),
            Err(_elapsed) => Err(Error::LoadTimeout { limit_ms }),
        }
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
        tracing::warn!("the store failed: {error}");
    }
}
