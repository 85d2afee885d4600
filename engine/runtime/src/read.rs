//! Reads by strategy, stale serving and early refresh.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use larder_core::freshness::State;
use larder_core::{
    Identity, NotStored, Operation, Outcome, Plan, ReadPlan, Request, Timestamp, Value, plan,
};
use larder_store::Found;
use tokio::time::Instant;

use crate::aside::Lease;
use crate::complaints::Complaint;
use crate::deadline::by;
use crate::decide::{Decided, Job};
use crate::engine::Inner;
use crate::error::Error;
use crate::flight::Landing;
use crate::load::{Order, Seen};
use crate::loader::{Loader, no_origin};
use crate::typed::Check;
use crate::variant::LoadedBy;
use crate::vault::Sight;

/// What a read answered.
#[derive(Clone, Debug)]
pub struct Reading {
    /// What was decided, and by whom.
    pub decided: Decided,
    /// The value; none where there is no such thing, or where the caller is to load it
    /// ([`Outcome::Leased`], [`Outcome::LeasedElsewhere`], [`Outcome::Unleased`], and [`Outcome::Bypass`] or
    /// [`Outcome::StoreDown`] where `not_stored` is none).
    pub value: Option<Value>,
    /// What the origin said of there being no such thing, with the status in its head.
    pub absent: Option<Value>,
    /// The `Set-Cookie` lines of the origin's answer to this very request; none where somebody else's
    /// brought the value.
    pub cookies: Vec<Bytes>,
    /// What came of the read.
    pub outcome: Outcome,
    /// Whether it shared the load of another read.
    pub collapsed: bool,
    /// Why what was loaded was not stored; none where it was, or where nothing was loaded.
    pub not_stored: Option<NotStored>,
    /// How long ago the value was stored, in milliseconds; none where it comes from the origin.
    pub age_ms: Option<u64>,
    /// How long the value stays fresh, in milliseconds; none where it was not stored, or is stale.
    pub ttl_ms: Option<u64>,
    /// The build of the policy that made the entry; none where the value comes from the origin.
    pub made_by: Option<Arc<Identity>>,
    /// The right to fill the key, in cache-aside.
    pub lease: Option<Lease>,
}

impl Reading {
    pub(crate) fn new(decided: Decided, outcome: Outcome, value: Option<Value>) -> Self {
        Self {
            decided,
            value,
            absent: None,
            cookies: Vec::new(),
            outcome,
            collapsed: false,
            not_stored: None,
            age_ms: None,
            ttl_ms: None,
            made_by: None,
            lease: None,
        }
    }

    /// The answer from an entry.
    pub(crate) fn of_entry(
        decided: Decided,
        outcome: Outcome,
        found: &Found,
        now: Timestamp,
    ) -> Self {
        let fresh_for = found.windows.fresh_until.since(now);
        Self {
            absent: found.entry.absent.clone(),
            age_ms: Some(now.since(found.entry.windows.created)),
            ttl_ms: (fresh_for > 0).then_some(fresh_for),
            made_by: Some(Arc::clone(&found.entry.policy)),
            ..Self::new(decided, outcome, found.entry.value.clone())
        }
    }
}

/// The outcome of serving a fresh entry.
pub(crate) fn hit(found: &Found) -> Outcome {
    match found.entry.value {
        Some(_) => Outcome::Hit,
        None => Outcome::NegativeHit,
    }
}

fn seen(found: &Found) -> Seen {
    Seen::Entry {
        created: found.entry.windows.created,
    }
}

impl Inner {
    pub(crate) async fn read(
        self: &Arc<Self>,
        mut request: Request,
        deadline: Instant,
        check: Option<Check>,
    ) -> Result<Reading, Error> {
        request.operation = Operation::Read;
        let mut job = self.job(request, deadline)?;
        job.check = check;
        let reading = match plan::plan(Operation::Read, job.decision().strategy) {
            Plan::Read(ReadPlan::CacheOnly) => self.read_aside(&job).await?,
            Plan::Read(ReadPlan::ThroughCache) if job.route.origin.is_none() => {
                return Err(no_origin(&job));
            }
            Plan::Read(ReadPlan::ThroughCache) => {
                job.may_call_origin()?;
                self.read_through(job, Loader::Origin).await?
            }
            Plan::Read(ReadPlan::Origin) if job.route.origin.is_none() => {
                Reading::new(job.decided, Outcome::Bypass, None)
            }
            Plan::Read(ReadPlan::Origin) | Plan::Write(_) => {
                job.may_call_origin()?;
                self.read_past(job, Loader::Origin).await?
            }
        };
        self.meters.read(reading.outcome, reading.collapsed);
        Ok(reading)
    }

    pub(crate) async fn get_or_load(
        self: &Arc<Self>,
        mut request: Request,
        deadline: Instant,
        loader: Loader,
        check: Option<Check>,
    ) -> Result<Reading, Error> {
        request.operation = Operation::Read;
        let mut job = self.job_for(request, deadline, LoadedBy::Closure)?;
        job.check = check;
        let reading = match plan::plan(Operation::Read, job.decision().strategy) {
            Plan::Read(ReadPlan::Origin) | Plan::Write(_) => self.read_past(job, loader).await?,
            Plan::Read(ReadPlan::CacheOnly | ReadPlan::ThroughCache) => {
                self.read_through(job, loader).await?
            }
        };
        self.meters.read(reading.outcome, reading.collapsed);
        Ok(reading)
    }

    /// Loads and leaves the cache alone.
    pub(crate) async fn read_past(&self, job: Job, loader: Loader) -> Result<Reading, Error> {
        let job = Arc::new(job);
        let started = Instant::now();
        let fetched = self.fetch(&job, loader, Some(job.deadline)).await;
        let fetched = fetched.inspect_err(|error| self.meters.load_failed(error.code()))?;
        self.meters.loaded(started.elapsed());
        let mut reading = Reading::new(job.decided.clone(), Outcome::Bypass, fetched.value);
        reading.absent = fetched.absent;
        reading.cookies = fetched.cookies;
        reading.not_stored = Some(job.decided.kept_out.unwrap_or(NotStored::Bypass));
        Ok(reading)
    }

    /// Serves from the cache, and loads what is missing or too old.
    async fn read_through(self: &Arc<Self>, job: Job, loader: Loader) -> Result<Reading, Error> {
        let now = self.clock.now();
        let looked = by(job.deadline, self.find(&job, now));
        let found = match looked.await? {
            Ok(Sight::Entry(found)) => found,
            Ok(Sight::Nothing) => {
                return self
                    .read_missing(job, loader, Seen::Nothing, Outcome::Miss)
                    .await;
            }
            Ok(Sight::Unreadable(created)) => {
                let seen = Seen::Entry { created };
                return self.read_missing(job, loader, seen, Outcome::Miss).await;
            }
            // The load takes place all the same, one at a time, and its result is not stored.
            Err(error) => {
                self.store_failed(&error);
                return self
                    .read_missing(job, loader, Seen::StoreDown, Outcome::Miss)
                    .await;
            }
        };
        match found.windows.state(now) {
            State::Fresh => {
                let beta = job.decision().freshness.early_refresh_beta;
                let (load_ms, random) = (found.entry.load_ms, fastrand::f64());
                if !found.windows.refresh_early(now, load_ms, beta, random) {
                    return Ok(Reading::of_entry(job.decided, hit(&found), &found, now));
                }
                let decided = job.decided.clone();
                self.refresh_behind(job, loader, &found);
                Ok(Reading::of_entry(decided, hit(&found), &found, now))
            }
            State::Stale => {
                let decided = job.decided.clone();
                self.refresh_behind(job, loader, &found);
                Ok(Reading::of_entry(decided, Outcome::Stale, &found, now))
            }
            State::StaleIfError => self.read_stale_if_error(job, loader, found, now).await,
            State::Gone => {
                self.read_missing(job, loader, seen(&found), Outcome::Expired)
                    .await
            }
        }
    }

    fn refresh_behind(self: &Arc<Self>, job: Job, loader: Loader, found: &Found) {
        if !self.retry.blocked(&job.key, self.steady.now()) {
            self.refresh(Order {
                job: Arc::new(job),
                loader,
                seen: seen(found),
            });
        }
    }

    async fn read_missing(
        self: &Arc<Self>,
        job: Job,
        loader: Loader,
        seen: Seen,
        outcome: Outcome,
    ) -> Result<Reading, Error> {
        let job = Arc::new(job);
        let loading = self.load_in_time(Order {
            job: Arc::clone(&job),
            loader,
            seen,
        });
        let (landing, collapsed) = loading.await;
        self.landed(&job, landing, outcome, collapsed)
    }

    /// The entry may be served only if the origin fails, or is slower than the policy will wait.
    async fn read_stale_if_error(
        self: &Arc<Self>,
        job: Job,
        loader: Loader,
        found: Found,
        now: Timestamp,
    ) -> Result<Reading, Error> {
        if self.retry.blocked(&job.key, self.steady.now()) {
            let outcome = Outcome::StaleOnError;
            return Ok(Reading::of_entry(job.decided, outcome, &found, now));
        }
        let job = Arc::new(job);
        let order = Order {
            job: Arc::clone(&job),
            loader,
            seen: seen(&found),
        };
        let (landing, collapsed) = match job.decision().loading.soft_timeout_ms {
            0 => self.load_in_time(order).await,
            soft => {
                let soft = Duration::from_millis(u64::from(soft));
                // The load itself runs in a task of its own and goes on.
                match tokio::time::timeout(soft, self.load_in_time(order)).await {
                    Ok(landed) => landed,
                    Err(_elapsed) => {
                        return Ok(self.stale(&job, Outcome::Stale, &found));
                    }
                }
            }
        };
        match landing {
            // The load has taken the entry away: what it holds is no longer what the origin says.
            Landing::Failed(error) if error.is_refusal() => Err(error),
            Landing::Failed(error) => {
                self.complaints.note(Complaint::Stale {
                    origin: Arc::clone(job.route.source()),
                    code: error.code(),
                    key: job.key.to_string(),
                    message: error.to_string(),
                });
                Ok(self.stale(&job, Outcome::StaleOnError, &found))
            }
            landing => self.landed(&job, landing, Outcome::Expired, collapsed),
        }
    }

    pub(crate) fn stale(&self, job: &Job, outcome: Outcome, found: &Found) -> Reading {
        Reading::of_entry(job.decided.clone(), outcome, found, self.clock.now())
    }

    fn landed(
        &self,
        job: &Job,
        landing: Landing,
        outcome: Outcome,
        collapsed: bool,
    ) -> Result<Reading, Error> {
        let now = self.clock.now();
        let decided = job.decided.clone();
        match landing {
            Landing::Failed(error) => Err(error),
            Landing::Present(found) => Ok(Reading::of_entry(decided, hit(&found), &found, now)),
            Landing::Loaded(loaded) => Ok(Reading {
                outcome: if loaded.store_down {
                    Outcome::StoreDown
                } else {
                    outcome
                },
                collapsed,
                absent: loaded.absent.clone(),
                cookies: if collapsed {
                    Vec::new()
                } else {
                    loaded.cookies.clone()
                },
                not_stored: loaded.stored.err(),
                ttl_ms: loaded
                    .stored
                    .ok()
                    .map(|windows| windows.fresh_until.since(now)),
                ..Reading::new(decided, outcome, loaded.value.clone())
            }),
        }
    }
}
