//! Looking without touching: what a `HEAD` asks.

use std::sync::Arc;

use larder_core::freshness::State;
use larder_core::{NotStored, Operation, Outcome, Plan, ReadPlan, Request, plan};
use larder_store::{Found, StoreError};
use tokio::time::Instant;

use crate::behind::Overlay;
use crate::deadline::by;
use crate::decide::Job;
use crate::engine::Inner;
use crate::error::Error;
use crate::loader::{Loader, no_origin};
use crate::read::{Reading, hit};
use crate::vault::Sight;

impl Inner {
    /// Answers as a read would, and leaves everything as it is: nobody gets a lease, nothing is
    /// refreshed, and what the origin has to be asked for is not stored.
    pub(crate) async fn look_only(
        self: &Arc<Self>,
        mut request: Request,
        deadline: Instant,
    ) -> Result<Reading, Error> {
        request.operation = Operation::Read;
        let job = self.job(request, deadline)?;
        let has_origin = job.route.origin.is_some();
        let reading = match plan::plan(Operation::Read, job.decision().strategy) {
            Plan::Read(ReadPlan::CacheOnly) => self.look_aside(&job).await?,
            Plan::Read(ReadPlan::ThroughCache) if !has_origin => return Err(no_origin(&job)),
            Plan::Read(ReadPlan::ThroughCache) => self.look_through(job).await?,
            Plan::Read(ReadPlan::Origin) if !has_origin => {
                Reading::new(job.decided, Outcome::Bypass, None)
            }
            Plan::Read(ReadPlan::Origin) | Plan::Write(_) => {
                self.read_past(job, Loader::Origin).await?
            }
        };
        self.meters.read(reading.outcome, reading.collapsed);
        Ok(reading)
    }

    async fn look_aside(&self, job: &Job) -> Result<Reading, Error> {
        let decided = || job.decided.clone();
        match self.seen_now(job).await? {
            Err(_) => Ok(Reading::new(decided(), Outcome::StoreDown, None)),
            Ok(Some((found, State::Fresh | State::Stale))) => Ok(self.served(job, &found)),
            Ok(_) => {
                let value = match self.overlay(job).await? {
                    Overlay::Nothing => {
                        return Ok(Reading::new(decided(), Outcome::Unleased, None));
                    }
                    Overlay::Known(value) => value,
                    // As for a read: the application does not see what is queued.
                    Overlay::Over(..) | Overlay::Unknown => {
                        let fetched = self.fetch(job, Loader::Origin, Some(job.deadline));
                        fetched.await?.value
                    }
                };
                Ok(Reading {
                    not_stored: Some(NotStored::Looked),
                    ..Reading::new(decided(), Outcome::Miss, value)
                })
            }
        }
    }

    async fn look_through(&self, job: Job) -> Result<Reading, Error> {
        let (outcome, spare) = match self.seen_now(&job).await? {
            Ok(Some((found, State::Fresh | State::Stale))) => return Ok(self.served(&job, &found)),
            Ok(Some((found, State::StaleIfError))) => (Outcome::Expired, Some(found)),
            Ok(Some((_, State::Gone))) => (Outcome::Expired, None),
            Ok(None) => (Outcome::Miss, None),
            Err(_) => (Outcome::StoreDown, None),
        };
        let job = Arc::new(job);
        match self.fetch(&job, Loader::Origin, Some(job.deadline)).await {
            Ok(fetched) => Ok(Reading {
                not_stored: Some(NotStored::Looked),
                absent: fetched.absent,
                cookies: fetched.cookies,
                ..Reading::new(job.decided.clone(), outcome, fetched.value)
            }),
            Err(error) => match spare {
                Some(found) if !error.is_refusal() => {
                    Ok(self.stale(&job, Outcome::StaleOnError, &found))
                }
                _ => Err(error),
            },
        }
    }

    async fn seen_now(
        &self,
        job: &Job,
    ) -> Result<Result<Option<(Found, State)>, StoreError>, Error> {
        let now = self.clock.now();
        let seen = by(job.deadline, self.find(job, now)).await?;
        let seen = seen.inspect_err(|error| self.store_failed(error));
        Ok(seen.map(|sight| match sight {
            Sight::Entry(found) => {
                let state = found.windows.state(now);
                Some((found, state))
            }
            Sight::Nothing | Sight::Unreadable(_) => None,
        }))
    }

    fn served(&self, job: &Job, found: &Found) -> Reading {
        let outcome = match found.windows.state(self.clock.now()) {
            State::Fresh => hit(found),
            _ => Outcome::Stale,
        };
        self.stale(job, outcome, found)
    }
}
