//! Loads under a lease, one for each key, seen through whatever becomes of the caller.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use larder_core::freshness::State;
use larder_core::{Dependency, NotStored, Stampede, Timestamp, Version};
use larder_origin::Fetched;
use larder_store::{LeaseRequest, Leased, StoreError, Token};

use crate::decide::Job;
use crate::engine::Inner;
use crate::error::Error;
use crate::flight::{Boarding, Flight, Landing, Loaded, Seat, Terms, lost};
use crate::loader::Loader;

/// How long after the load's own limit its lease lasts, for the admission and the fill.
const LEASE_SLACK_MS: u64 = 5_000;

/// How often a load that may not be joined is replaced before the caller loads for itself.
const ATTEMPTS: usize = 4;

/// A load that was begun or joined.
pub(crate) struct Waiting {
    flight: Arc<Flight>,
    limit: Duration,
    /// Whether it was joined.
    pub(crate) collapsed: bool,
}

impl Waiting {
    /// Waits for what the load brings, no longer than the caller's own limit.
    pub(crate) async fn landing(&self) -> Landing {
        let landed = tokio::time::timeout(self.limit, self.flight.landing()).await;
        landed.unwrap_or_else(|_| {
            let limit_ms = self.limit.as_millis() as u64;
            Landing::Failed(Error::LoadTimeout { limit_ms })
        })
    }
}

/// What to load: the job, how, and the entry that the caller saw.
pub(crate) struct Order {
    pub(crate) job: Arc<Job>,
    pub(crate) loader: Loader,
    pub(crate) seen: Option<Timestamp>,
}

/// What a load holds on the key.
enum Hold {
    /// The right to fill it.
    Lease(Token),
    /// Nothing; the token tells whether what held it then still does.
    Witness(Token),
    /// Nothing, and nothing to compare: the store failed.
    Nothing,
}

enum Begun {
    Under(Hold, Vec<(Dependency, Version)>),
    Present(larder_store::Found),
}

impl Inner {
    /// Begins the load of a key or joins the one under way.
    pub(crate) async fn load(self: &Arc<Self>, order: Order) -> Waiting {
        let limit = Duration::from_millis(self.load_limit_ms(&order.job) + LEASE_SLACK_MS);
        let waiting = |flight, collapsed| Waiting {
            flight,
            limit,
            collapsed,
        };
        let mut refused = None;
        // A value that may not be served for any time may not be served to somebody who came
        // after its load began either.
        let alone = order.job.decision().loading.stampede == Stampede::Unguarded
            || order.job.decision().freshness.ttl_ms == 0;
        for _ in 0..ATTEMPTS {
            if alone {
                break;
            }
            match self.flights.board(&order.job.key, refused.as_ref()) {
                Seat::Pilot(flight) => {
                    self.take_off(order, Arc::clone(&flight));
                    return waiting(flight, false);
                }
                Seat::Passenger(flight) => {
                    if self.may_join(&order.job, &flight).await {
                        return waiting(flight, true);
                    }
                    refused = Some(flight);
                }
            }
        }
        let flight = Flight::unlisted();
        self.take_off(order, Arc::clone(&flight));
        waiting(flight, false)
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
                holds.await.unwrap_or(false)
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
        let job = order.job;
        let (hold, under) = match self.begin(&job, order.seen).await {
            Ok(Begun::Present(found)) => return Landing::Present(found),
            Ok(Begun::Under(hold, under)) => (hold, under),
            Err(error) => {
                self.store_failed(&error);
                (Hold::Nothing, Vec::new())
            }
        };
        let terms = match hold {
            Hold::Lease(token) | Hold::Witness(token) => Some(Arc::new(Terms { token, under })),
            Hold::Nothing => None,
        };
        flight.depart(terms.clone());

        let began = self.clock.now();
        let started = Instant::now();
        let fetched = self.fetch(&job, order.loader).await;
        let load_ms = started.elapsed().as_millis().min(u128::from(u32::MAX)) as u32;
        let lease = match (&hold, terms) {
            (Hold::Lease(token), Some(terms)) => Some((*token, terms)),
            _ => None,
        };
        let fetched = match fetched {
            Ok(fetched) => fetched,
            Err(error) => {
                if let Some((token, _)) = lease {
                    self.give_up(&job.key, token).await;
                }
                return Landing::Failed(error);
            }
        };
        self.meters.loaded(load_ms);
        let stored = match lease {
            Some((token, terms)) => {
                let origin = crate::store_entry::Origin {
                    value: fetched.value.clone(),
                    attributes: &fetched.attributes,
                    load_ms,
                    began,
                };
                self.store_loaded(&job, (token, &terms.under), origin).await
            }
            None if matches!(hold, Hold::Nothing) => Err(NotStored::StoreFailed),
            None => Err(NotStored::LeasedElsewhere),
        };
        if let Err(why) = stored {
            self.meters.not_stored(why);
        }
        Landing::Loaded(Arc::new(Loaded {
            value: fetched.value,
            stored,
        }))
    }

    /// Reads the versions and asks for the lease, in this order: what is invalidated after this
    /// either voids the lease or changes a version.
    async fn begin(&self, job: &Job, seen: Option<Timestamp>) -> Result<Begun, StoreError> {
        let decision = job.decision();
        let names = Dependency::of_entry(&job.request.tenant, &decision.namespace, &decision.tags);
        let versions = self.store.versions(&names).await?;
        let under = names.into_iter().zip(versions).collect();
        let mut seen = seen;
        for _ in 0..ATTEMPTS {
            let now = self.clock.now();
            let wish = LeaseRequest {
                key: &job.key,
                ttl_ms: self.load_limit_ms(job) + LEASE_SLACK_MS,
                share: decision.loading.stampede == Stampede::Unguarded,
                seen,
                now,
            };
            match self.store.lease(wish).await? {
                Leased::Granted(token) => return Ok(Begun::Under(Hold::Lease(token), under)),
                Leased::Held { by } => return Ok(Begun::Under(Hold::Witness(by), under)),
                Leased::Stored(found) if found.windows.state(now) == State::Fresh => {
                    return Ok(Begun::Present(found));
                }
                Leased::Stored(found) => seen = Some(found.entry.windows.created),
            }
        }
        Ok(Begun::Under(Hold::Nothing, under))
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

    /// Gives a lease up. A store that fails here lets it run out by itself.
    pub(crate) async fn give_up(&self, key: &larder_core::Key, token: Token) {
        if let Err(error) = self.store.release(key, token).await {
            self.store_failed(&error);
        }
    }

    pub(crate) fn store_failed(&self, error: &StoreError) {
        self.meters.store_failed();
        tracing::warn!("the store failed: {error}");
    }
}
