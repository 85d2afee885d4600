//! Cache-aside: the application loads, and fills under a lease that this engine gave it.

use std::sync::Arc;

use larder_core::freshness::State;
use larder_core::{
    Decision, Dependency, Identity, NotStored, Operation, Outcome, Request, Timestamp, Value,
    Version,
};
use larder_store::{LeaseRequest, Leased, StoreError, Token};
use serde::{Deserialize, Serialize};
use tokio::time::timeout_at;
use uuid::Uuid;

use crate::behind::Overlay;
use crate::deadline::{by, half_way, in_ms, is_over};
use crate::decide::{Decided, Job};
use crate::engine::Inner;
use crate::error::Error;
use crate::loader::Loader;
use crate::read::{Reading, hit};
use crate::store_entry::Origin;
use crate::vault::Sight;

/// The right to fill one key with what was loaded after it was given.
///
/// It holds all that a fill needs, so any node takes it. It is not authenticated by itself:
/// whoever hands it out to others must make sure that it comes back as it was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lease {
    tenant: String,
    resource: String,
    id: String,
    /// Whether the policy is asked after the load; only then it has attributes.
    admits: bool,
    attributes: Vec<(String, String)>,
    decision: Decision,
    /// The query that the decision's key does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    query: Option<Arc<str>>,
    decision_id: Uuid,
    policy: Arc<Identity>,
    token: u64,
    under: Vec<(Dependency, Version)>,
    given: Timestamp,
    ends: Timestamp,
}

impl Lease {
    /// How long it lasts, in milliseconds from when it was given.
    #[must_use]
    pub fn ttl_ms(&self) -> u64 {
        self.ends.since(self.given)
    }

    /// The resource and the id that it is for.
    #[must_use]
    pub fn names(&self) -> (&str, &str) {
        (&self.resource, &self.id)
    }
}

/// What became of a fill.
#[derive(Clone, Debug)]
pub struct Filling {
    /// The decision that the lease was given under.
    pub decided: Decided,
    /// Why nothing was stored; none where it was.
    pub not_stored: Option<NotStored>,
    /// How long the value stays fresh, in milliseconds; none where it was not stored.
    pub ttl_ms: Option<u64>,
}

/// What a look at the cache found for an application.
enum Look {
    Answer(Box<Reading>),
    /// Not there, or not to be served, and somebody else holds the lease.
    Held,
}

impl Inner {
    /// Serves from the cache; on a miss the caller gets the lease, or waits for whoever has it.
    pub(crate) async fn read_aside(&self, job: &Job) -> Result<Reading, Error> {
        let wait_ms = match job.decision().loading.soft_timeout_ms {
            0 => self.tuning.lease_wait_ms,
            soft => u64::from(soft),
        };
        let until = in_ms(wait_ms).min(job.deadline);
        loop {
            // Taken before the look, so that a fill in between is not slept through.
            let changed = self.store.changed(&job.key);
            if let Look::Answer(reading) = by(job.deadline, self.look(job)).await?? {
                return Ok(*reading);
            }
            if timeout_at(until, changed).await.is_err() {
                if is_over(job.deadline) {
                    return Err(Error::DeadlineExceeded);
                }
                return Ok(Reading::new(
                    job.decided.clone(),
                    Outcome::LeasedElsewhere,
                    None,
                ));
            }
        }
    }

    async fn look(&self, job: &Job) -> Result<Look, Error> {
        let now = self.clock.now();
        let found = match self.find(job, now).await {
            Ok(Sight::Entry(found)) => found,
            Ok(Sight::Nothing) => return self.look_for_lease(job, None, now).await,
            Ok(Sight::Unreadable(created)) => {
                return self.look_for_lease(job, Some(created), now).await;
            }
            Err(error) => return Ok(self.look_past_store(job, &error)),
        };
        let created = Some(found.entry.windows.created);
        match found.windows.state(now) {
            State::Fresh => {
                let reading = Reading::of_entry(job.decided.clone(), hit(&found), &found, now);
                Ok(Look::Answer(Box::new(reading)))
            }
            // The value is served, and whoever gets the lease with it refreshes it.
            State::Stale => {
                let mut reading =
                    Reading::of_entry(job.decided.clone(), Outcome::Stale, &found, now);
                let asked = by(
                    half_way(job.deadline),
                    self.ask_for_lease(job, created, now),
                );
                reading.lease = match asked.await {
                    Ok(Ok(Ok(lease))) => self.unless_queued(job, lease).await,
                    Ok(Ok(Err(_))) => None,
                    Ok(Err(error)) => {
                        self.store_failed(&error);
                        None
                    }
                    Err(_late) => None,
                };
                Ok(Look::Answer(Box::new(reading)))
            }
            State::StaleIfError | State::Gone => self.look_for_lease(job, created, now).await,
        }
    }

    async fn look_for_lease(
        &self,
        job: &Job,
        seen: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<Look, Error> {
        let asked = match self.ask_for_lease(job, seen, now).await {
            Ok(asked) => asked,
            Err(error) => return Ok(self.look_past_store(job, &error)),
        };
        let reading = match asked {
            Ok(lease) => self.leased_or_queued(job, lease).await?,
            Err(Leased::Stored(found)) if found.windows.state(now) == State::Fresh => {
                Reading::of_entry(job.decided.clone(), hit(&found), &found, now)
            }
            Err(_) => return Ok(Look::Held),
        };
        Ok(Look::Answer(Box::new(reading)))
    }

    /// What the queue holds of the row, and then the cache too; else the lease. What the
    /// application would load is older than what is queued.
    async fn leased_or_queued(&self, job: &Job, lease: Lease) -> Result<Reading, Error> {
        let token = Token(lease.token);
        let queued = match self.overlay(job).await {
            Ok(Overlay::Known(value)) => Ok(value),
            Ok(Overlay::Nothing) => {
                return Ok(Reading {
                    lease: Some(lease),
                    ..Reading::new(job.decided.clone(), Outcome::Leased, None)
                });
            }
            // What is queued is not all of it, and what the application loads is without that.
            Ok(_) => {
                let fetched = self.fetch(job, Loader::Origin, Some(job.deadline)).await;
                fetched.map(|fetched| fetched.value)
            }
            Err(error) => Err(error),
        };
        let value = match queued {
            Ok(value) => value,
            Err(error) => {
                self.give_up(&job.key, token).await;
                return Err(error);
            }
        };
        let origin = Origin {
            value: value.clone(),
            absent: None,
            attributes: &[],
            load_ms: 0,
            began: lease.given,
            is_written: false,
        };
        let stored = self.store_loaded(job, (token, &lease.under), origin).await;
        Ok(Reading {
            not_stored: stored.err(),
            ..Reading::new(job.decided.clone(), Outcome::Miss, value)
        })
    }

    /// The lease, if what the application would load is what is to be read.
    async fn unless_queued(&self, job: &Job, lease: Lease) -> Option<Lease> {
        if let Ok(Overlay::Nothing) = self.overlay(job).await {
            return Some(lease);
        }
        self.give_up(&job.key, Token(lease.token)).await;
        None
    }

    /// An application must not fall with its cache: it loads by itself.
    fn look_past_store(&self, job: &Job, error: &StoreError) -> Look {
        self.store_failed(error);
        let reading = Reading::new(job.decided.clone(), Outcome::StoreDown, None);
        Look::Answer(Box::new(reading))
    }

    async fn ask_for_lease(
        &self,
        job: &Job,
        seen: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<Result<Lease, Leased>, StoreError> {
        let decision = job.decision();
        let under = self.versions_for(job).await?;
        let ttl_ms = match decision.loading.hard_timeout_ms {
            0 => self.tuning.lease_ttl_ms,
            hard => u64::from(hard),
        };
        let wish = LeaseRequest {
            key: &job.key,
            ttl_ms,
            share: decision.loading.stampede == larder_core::Stampede::Unguarded,
            seen,
            now,
        };
        match self.ask_lease(job, wish).await? {
            Leased::Granted(token) => Ok(Ok(self.write_out(
                job,
                token,
                under,
                (now, now.plus(ttl_ms)),
            ))),
            other => Ok(Err(other)),
        }
    }

    fn write_out(
        &self,
        job: &Job,
        token: Token,
        under: Vec<(Dependency, Version)>,
        (given, ends): (Timestamp, Timestamp),
    ) -> Lease {
        let admits = job.policy().is_some_and(|one| one.manifest().admits);
        let attributes = if admits {
            job.attributes.clone()
        } else {
            Vec::new()
        };
        Lease {
            tenant: job.request.tenant.clone(),
            resource: job.request.resource.clone(),
            id: job.request.id.clone(),
            admits,
            attributes,
            decision: job.decision().clone(),
            query: job.decided.query.clone(),
            decision_id: job.decided.decision_id,
            policy: Arc::clone(&job.decided.policy),
            token: token.0,
            under,
            given,
            ends,
        }
    }

    /// Stores what the application loaded under `lease`; no value means that there is none.
    pub(crate) async fn fill_lease(
        &self,
        lease: Lease,
        value: Option<Value>,
        attributes: &[(String, String)],
    ) -> Result<Filling, Error> {
        let (token, given, ends) = (Token(lease.token), lease.given, lease.ends);
        let admits = lease.admits;
        let (job, under) = self.job_of(lease)?;
        let now = self.clock.now();
        let origin = Origin {
            value,
            absent: None,
            attributes,
            load_ms: u32::try_from(now.since(given)).unwrap_or(u32::MAX),
            began: given,
            is_written: false,
        };
        let stored = if now >= ends {
            Err(NotStored::Voided)
        } else if admits && job.policy().is_none() {
            self.give_up(&job.key, token).await;
            Err(NotStored::AdmissionFailed)
        } else {
            self.store_loaded(&job, (token, &under), origin).await
        };
        if let Err(why) = stored {
            self.meters.not_stored(why);
        }
        Ok(Filling {
            decided: job.decided,
            not_stored: stored.err(),
            ttl_ms: stored.ok().map(|windows| windows.fresh_until.since(now)),
        })
    }

    /// Gives the lease up and wakes those who wait for it.
    pub(crate) async fn release_lease(&self, lease: Lease) -> Result<(), Error> {
        let token = Token(lease.token);
        let (job, _) = self.job_of(lease)?;
        self.store.release(&job.key, token).await?;
        Ok(())
    }

    fn job_of(&self, lease: Lease) -> Result<(Job, Vec<(Dependency, Version)>), Error> {
        let request = Request {
            operation: Operation::Read,
            tenant: lease.tenant,
            resource: lease.resource,
            id: lease.id,
            attributes: lease.attributes,
        };
        let route = self.routes.of(&request.resource);
        let route = route.ok_or_else(|| Error::NoRoute(request.resource.clone()))?;
        // The admission comes from the build that decided. Where that one is gone, nobody can say
        // whether it would have let the value in.
        let policy = self.policies.current(&route.policy);
        let policy = policy.filter(|policy| *policy.identity() == lease.policy);
        let decided = Decided {
            decision_id: lease.decision_id,
            policy: lease.policy,
            decision: lease.decision,
            query: lease.query,
            kept_out: None,
            clamped: Vec::new(),
            fallback: None,
            evaluate_ns: 0,
        };
        let job = Job {
            route: Arc::clone(route),
            key: decided.key(&request.tenant),
            variants: decided.variants(&request.tenant),
            decided,
            asked: policy,
            came: tokio::time::Instant::now(),
            deadline: in_ms(self.tuning.read_timeout_ms),
            attributes: request.attributes.clone(),
            request,
            unseen: None,
            check: None,
        };
        Ok((job, lease.under))
    }
}
