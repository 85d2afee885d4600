//! Writes and deletes by strategy.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use larder_core::{
    Dependency, Entry, NotStored, Operation, Plan, Request, Strategy, Timestamp, Value, Version,
    WritePlan, plan,
};
use larder_origin::{OriginError, Written};
use larder_store::{StoreError, Token};

use crate::behind::Queued;
use crate::deadline::in_ms;
use crate::decide::{Decided, Job};
use crate::engine::Inner;
use crate::error::Error;
use crate::fallback::{self, OnFailure};
use crate::flight::lost;
use crate::gate::Pass;
use crate::invalidate::{Invalidated, Invalidation};
use crate::loader::{no_origin, wanted};
use crate::steps::through_own_steps;
use crate::store_entry::Origin;

const NO_QUEUE: &str = "the policy chose write_behind, which needs a durable queue, and there is \
    none; add [write_behind] to larder.toml, or let the policy choose write_through";

/// How long fills of a key are kept out after a write whose end is unknown, in milliseconds: the
/// origin may still commit it.
const UNKNOWN_HOLD_MS: u64 = 5_000;

/// How long after the longest write the hold on its key ends by itself, in milliseconds.
const HOLD_SLACK_MS: u64 = 5_000;

/// What a write or a delete did.
#[derive(Clone, Debug)]
pub struct Writing {
    /// What was decided, and by whom.
    pub decided: Decided,
    /// The value as the origin says it is now, where it says so.
    pub value: Option<Value>,
    /// Whether there was anything to replace or delete, where the origin can tell.
    pub existed: Option<bool>,
    /// Whether an origin was written to; where there is none, the application has written.
    pub written: bool,
    /// How it was queued, under write-behind; none where it was not.
    pub queued: Option<Queued>,
    /// Why the cache did not take the new value; none where it did.
    pub not_stored: Option<NotStored>,
    /// What was made stale.
    pub invalidated: Invalidated,
}

/// A write that is ready to run: everything that can be refused has been.
struct Ready {
    job: Job,
    plan: WritePlan,
    /// None deletes.
    value: Option<Value>,
    stale: Invalidation,
}

impl Inner {
    pub(crate) async fn write(
        self: &Arc<Self>,
        mut request: Request,
        value: Option<Value>,
        _named: Option<&str>,
    ) -> Result<Writing, Error> {
        request.operation = match value {
            Some(_) => Operation::Write,
            None => Operation::Delete,
        };
        let operation = request.operation.as_str();
        let ready = self.ready(request, value)?;
        let inner = Arc::clone(self);
        // In a task of its own: a caller who goes away must not leave a write without its
        // invalidation.
        let running = tokio::spawn(async move { inner.run(ready).await });
        let result = running.await.unwrap_or_else(|_| Err(lost()));
        let name = result.as_ref().map_or_else(Error::code, |_| "ok");
        self.meters.wrote(operation, name);
        result
    }

    fn ready(&self, request: Request, value: Option<Value>) -> Result<Ready, Error> {
        let job = self.job(request, in_ms(self.tuning.read_timeout_ms))?;
        let decision = job.decision();
        let plan = match plan::plan(job.request.operation, decision.strategy) {
            Plan::Write(WritePlan::Queue) => return Err(Error::Unsupported(NO_QUEUE)),
            Plan::Write(plan) => plan,
            Plan::Read(_) => WritePlan::OriginThenInvalidate,
        };
        if job.route.origin.is_none() && plan != WritePlan::ApplicationThenInvalidate {
            return Err(no_origin(&job));
        }
        let (tenant, namespace) = (&job.request.tenant, &decision.namespace);
        let mut stale = Invalidation::of_targets(tenant, namespace, &decision.invalidates);
        stale.check()?;
        let own = (decision.namespace.clone(), decision.key.clone());
        stale.keys.retain(|key| *key != own);
        if !stores(plan) {
            stale.keys.push(own);
        }
        if let OnFailure::DefaultDecision(_) = job.route.on_failure {
            stale.tags.push(fallback::tag(&job.request));
        }
        Ok(Ready {
            job,
            plan,
            value,
            stale,
        })
    }

    async fn run(&self, ready: Ready) -> Result<Writing, Error> {
        let _change = self.change();
        if stores(ready.plan) {
            self.write_through(ready).await
        } else {
            self.write_and_invalidate(ready).await
        }
    }

    /// The origin first, then everything the write made stale.
    async fn write_and_invalidate(&self, ready: Ready) -> Result<Writing, Error> {
        let pass = self.enter(&ready.job).await?;
        let written = self.call_origin(&ready, pass).await;
        if let Err(error) = &written {
            if !may_be_done(error) {
                return Err(error.clone());
            }
            self.hold(&ready.job, UNKNOWN_HOLD_MS)
                .await
                .map_err(Error::NotInvalidated)?;
        }
        let invalidated = self
            .invalidate(&ready.stale)
            .await
            .map_err(not_invalidated)?;
        let written = written?;
        let why = match ready.job.decision().strategy {
            Strategy::Bypass => NotStored::Bypass,
            _ => NotStored::Invalidated,
        };
        Ok(writing(ready.job, written, Some(why), invalidated))
    }

    /// The origin first, then the cache takes what the origin says it holds now. Nobody else
    /// fills the key in between, and of two writes that overlap neither does: which of them the
    /// origin took last, only the origin knows.
    async fn write_through(&self, ready: Ready) -> Result<Writing, Error> {
        let job = &ready.job;
        // Before the key is held: a write that is refused must not cost the entry.
        let pass = self.enter(job).await?;
        let under = self.versions_for(job).await?;
        let began = self.clock.now();
        let hold_ms = self.tuning.load_timeout_ms.saturating_add(HOLD_SLACK_MS);
        let token = self.hold(job, hold_ms).await?;
        let written = match self.call_origin(&ready, pass).await {
            Ok(written) => written,
            Err(error) if may_be_done(&error) => {
                self.hold(job, UNKNOWN_HOLD_MS)
                    .await
                    .map_err(Error::NotInvalidated)?;
                self.give_up(&job.key, token).await;
                self.invalidate(&ready.stale)
                    .await
                    .map_err(not_invalidated)?;
                return Err(error);
            }
            Err(error) => {
                self.give_up(&job.key, token).await;
                return Err(error);
            }
        };
        let settled = self.settle(&ready, (token, under), &written, began).await;
        let (not_stored, invalidated) = settled.map_err(not_invalidated)?;
        if let Some(why) = not_stored {
            self.meters.not_stored(why);
        }
        Ok(writing(ready.job, written, not_stored, invalidated))
    }

    /// Makes stale what the write made stale, and lets the cache take the new value.
    async fn settle(
        &self,
        ready: &Ready,
        (token, under): (Token, Vec<(Dependency, Version)>),
        written: &Written,
        began: Timestamp,
    ) -> Result<(Option<NotStored>, Invalidated), Error> {
        let job = &ready.job;
        let dependencies = ready.stale.dependencies();
        let now = self.clock.now();
        let steps = self
            .store
            .bump(&dependencies, ready.stale.mode, now)
            .await?;
        let (keys, bumped) = ready.stale.clone().split();
        self.count_invalidated(&bumped);
        let mut invalidated = self.invalidate(&keys).await?;
        invalidated.bumped = dependencies.len() as u64;
        let entry = match through_own_steps(under, &dependencies, &steps) {
            Some(under) => self.new_entry(ready, &under, written, began).await,
            None => Err(NotStored::Voided),
        };
        let stored = match entry {
            Ok(entry) => self.fill(job, token, entry).await.map(drop),
            Err(why) => Err(why),
        };
        if stored.is_err() {
            self.store
                .invalidate(&job.key, ready.stale.mode, now)
                .await?;
            self.store.release(&job.key, token).await?;
        }
        Ok((stored.err(), invalidated))
    }

    /// The entry of what the origin says it holds now.
    async fn new_entry(
        &self,
        ready: &Ready,
        under: &[(Dependency, Version)],
        written: &Written,
        began: Timestamp,
    ) -> Result<Entry, NotStored> {
        let absent = ready.plan == WritePlan::OriginThenTombstone;
        if !absent && written.value.is_none() {
            return Err(NotStored::Unconfirmed);
        }
        let now = self.clock.now();
        let origin = Origin {
            value: written.value.clone().filter(|_| !absent),
            attributes: &[],
            load_ms: u32::try_from(now.since(began)).unwrap_or(u32::MAX),
            began,
        };
        self.entry(&ready.job, under, origin).await
    }

    async fn hold(&self, job: &Job, ttl_ms: u64) -> Result<Token, StoreError> {
        self.store
            .begin_write(&job.key, ttl_ms, self.clock.now())
            .await
    }

    /// Waits for a place at the origin; none where the application has written.
    async fn enter(&self, job: &Job) -> Result<Option<Pass>, Error> {
        if job.route.origin.is_none() {
            return Ok(None);
        }
        let gate = &job.route.gate;
        gate.enter(&job.request.tenant, job.deadline)
            .await
            .map(Some)
    }

    async fn call_origin(&self, ready: &Ready, pass: Option<Pass>) -> Result<Written, Error> {
        let (Some(origin), Some(pass)) = (&ready.job.route.origin, pass) else {
            return Ok(Written::default());
        };
        let calling = async {
            match &ready.value {
                Some(value) => origin.write(wanted(&ready.job), value).await,
                None => origin.delete(wanted(&ready.job)).await,
            }
        };
        // An origin that panics may have taken the write, so what it made stale must go.
        let called = AssertUnwindSafe(calling).catch_unwind().await;
        let called = called.unwrap_or_else(|_| Err(OriginError::Failed("it panicked".to_owned())));
        let written = called.map_err(Error::from);
        pass.end(&written);
        written
    }
}

/// Whether the cache takes what was written; otherwise its own key becomes stale like the rest.
fn stores(plan: WritePlan) -> bool {
    matches!(
        plan,
        WritePlan::OriginThenStore | WritePlan::OriginThenTombstone
    )
}

/// Whether a write that failed so may have been done, or may be yet.
fn may_be_done(error: &Error) -> bool {
    !matches!(
        error,
        Error::Origin(OriginError::Unreachable(_) | OriginError::Rejected(_))
    )
}

fn not_invalidated(error: Error) -> Error {
    match error {
        Error::Store(error) => Error::NotInvalidated(error),
        other => other,
    }
}

fn writing(
    job: Job,
    written: Written,
    not_stored: Option<NotStored>,
    invalidated: Invalidated,
) -> Writing {
    Writing {
        written: job.route.origin.is_some(),
        decided: job.decided,
        value: written.value,
        existed: written.existed,
        queued: None,
        not_stored,
        invalidated,
    }
}
