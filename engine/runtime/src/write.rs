//! Writes and deletes by strategy.

mod precondition;
mod settle;
mod through;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use larder_core::{Head, NotStored, Operation, Plan, Request, Strategy, Value, WritePlan, plan};
use larder_origin::{Origin, OriginError, Written};
use larder_store::{StoreError, Token};

use crate::behind::Queued;
use crate::deadline::in_ms;
use crate::decide::{Decided, Job};
use crate::engine::Inner;
use crate::error::Error;
use crate::flight::lost;
use crate::gate::Pass;
use crate::invalidate::{Invalidated, Invalidation};
use crate::loader::{no_origin, wanted};
use crate::{stale, variant};

pub(crate) use precondition::is_precondition;

const NO_QUEUE: &str = "the policy chose write_behind, which needs a durable queue, and there is \
    none; add [write_behind] to larder.toml, or let the policy choose write_through";

/// How long fills of a key are kept out after a write whose end is unknown, in milliseconds: the
/// origin may still commit it.
const UNKNOWN_HOLD_MS: u64 = 5_000;

/// As long as that, and then as long as replicas may lag.
pub(crate) fn unknown_hold_ms(job: &Job) -> u64 {
    UNKNOWN_HOLD_MS.saturating_add(job.route.write_hold_ms)
}

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
    /// The status and the header lines of the origin's answer, where it is an HTTP service.
    pub said: Option<Arc<Head>>,
    /// Why the cache did not take the new value; none where it did.
    pub not_stored: Option<NotStored>,
    /// What was made stale.
    pub invalidated: Invalidated,
}

/// A write that is ready to run: everything that can be refused has been.
pub(crate) struct Ready {
    pub(crate) job: Job,
    pub(crate) plan: WritePlan,
    /// None deletes.
    pub(crate) value: Option<Value>,
    pub(crate) stale: Invalidation,
    /// The caller's name for it; none where it will not be repeated.
    pub(crate) operation: Option<Arc<str>>,
}

impl Inner {
    pub(crate) async fn write(
        self: &Arc<Self>,
        mut request: Request,
        value: Option<Value>,
        named: Option<&str>,
    ) -> Result<Writing, Error> {
        request.operation = match value {
            Some(_) => Operation::Write,
            None => Operation::Delete,
        };
        let operation = request.operation.as_str();
        let result = match self.ready(request, value) {
            Ok(mut ready) => {
                ready.operation = named.map(Arc::from);
                let inner = Arc::clone(self);
                // In a task of its own: a caller who goes away must not leave a write without its
                // invalidation.
                let running = tokio::spawn(async move { inner.run(ready).await });
                running.await.unwrap_or_else(|_| Err(lost()))
            }
            Err(refused) => Err(refused),
        };
        let name = result.as_ref().map_or_else(Error::code, |_| "ok");
        self.meters.wrote(operation, name);
        result
    }

    fn ready(&self, request: Request, value: Option<Value>) -> Result<Ready, Error> {
        let job = self.job(request, in_ms(self.tuning.read_timeout_ms))?;
        let value = value.map(|value| as_kept(&job, value)).transpose()?;
        let decision = job.decision();
        let plan = match plan::plan(job.request.operation, decision.strategy) {
            Plan::Write(WritePlan::Queue) if self.behind.is_none() => {
                return Err(Error::Unsupported(NO_QUEUE));
            }
            Plan::Write(plan) => plan,
            Plan::Read(_) => WritePlan::OriginThenInvalidate,
        };
        if job.route.origin.is_none() && plan != WritePlan::ApplicationThenInvalidate {
            return Err(no_origin(&job));
        }
        if plan != WritePlan::ApplicationThenInvalidate {
            job.may_call_origin()?;
        }
        let origin = job.route.origin.as_ref();
        let judged =
            plan != WritePlan::Queue && origin.is_some_and(|origin| origin.judges_preconditions());
        precondition::check(&job.request, judged)?;
        let mut stale = stale::beside_own_key(&job.request, decision, &job.route.on_failure);
        stale.check()?;
        let own = stale::own_key(decision);
        match stores(plan) {
            // The entry that the write fills is the one of the key itself: only its variants go.
            true if job.variants.is_none() => stale.tags.push(variant::tag(&own.0, &own.1)),
            _ => stale.keys.push(own),
        }
        Ok(Ready {
            job,
            plan,
            value,
            stale,
            operation: None,
        })
    }

    async fn run(&self, ready: Ready) -> Result<Writing, Error> {
        let _change = self.change();
        match ready.plan {
            WritePlan::Queue => self.write_behind(ready).await,
            plan if stores(plan) => self.write_through(ready).await,
            _ => self.write_and_invalidate(ready).await,
        }
    }

    /// The origin first, then everything the write made stale.
    async fn write_and_invalidate(&self, ready: Ready) -> Result<Writing, Error> {
        self.turn(&ready.job, ready.job.deadline).await?;
        let pass = self.enter(&ready.job).await?;
        let written = self.call_origin(&ready, pass).await;
        match end(&written) {
            End::Done => {}
            End::Undone => {
                self.refused(&ready, &written).await;
                let nothing = Invalidated::default();
                return written.map(|written| writing(ready.job, written, None, nothing));
            }
            End::Unknown => {
                self.hold(&ready.job, unknown_hold_ms(&ready.job))
                    .await
                    .map_err(Error::NotInvalidated)?;
            }
        }
        let invalidated = self
            .invalidate(&ready.stale)
            .await
            .map_err(not_invalidated)?;
        let written = written?;
        let why = match ready.job.decision().strategy {
            Strategy::Bypass => ready.job.decided.kept_out.unwrap_or(NotStored::Bypass),
            _ => NotStored::Invalidated,
        };
        Ok(writing(ready.job, written, Some(why), invalidated))
    }

    /// Makes stale what a write would have, where its origin refused it for a state of the row that
    /// the cache need not have seen. Nothing was written: that it cannot is no error of the write's.
    async fn refused(&self, ready: &Ready, written: &Result<Written, Error>) {
        let Err(Error::Origin(error)) = written else {
            return;
        };
        if error.tells_of_state()
            && let Err(error) = self.invalidate(&ready.stale).await
        {
            tracing::warn!(
                resource = %ready.job.request.resource,
                "what is cached of a row whose write was refused as outdated could not be \
                 invalidated, and is served until its ttl ends: {error}"
            );
        }
    }

    /// How long a write may hold its key: longer than the longest write.
    pub(crate) fn write_hold_ms(&self) -> u64 {
        self.tuning.load_timeout_ms.saturating_add(HOLD_SLACK_MS)
    }

    pub(crate) async fn hold(&self, job: &Job, ttl_ms: u64) -> Result<Token, StoreError> {
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
        pass.end_for(ready.job.has_credentials(), &written);
        written
    }
}

/// The value as the origin of the route takes it: one that keeps no header lines would give other
/// bytes than were meant where they are encoded, and never gives the rest of them back.
fn as_kept(job: &Job, mut value: Value) -> Result<Value, Error> {
    let keeps = |origin: &Arc<dyn Origin>| origin.keeps_headers();
    if value.head.is_none() || job.route.origin.as_ref().is_none_or(keeps) {
        return Ok(value);
    }
    if let Some(coding) = value.coding() {
        let resource = job.request.resource.clone();
        return Err(Error::Encoded { resource, coding });
    }
    value.head = None;
    Ok(value)
}

/// Whether the cache takes what was written; otherwise its own key becomes stale like the rest.
fn stores(plan: WritePlan) -> bool {
    matches!(
        plan,
        WritePlan::OriginThenStore | WritePlan::OriginThenTombstone | WritePlan::Queue
    )
}

/// What is known of a write once its origin has answered, or has not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Done,
    /// It was not done, and will not be.
    Undone,
    /// It may have been done, or may be yet.
    Unknown,
}

fn end(written: &Result<Written, Error>) -> End {
    match written {
        Ok(written) if written.is_pending() => End::Unknown,
        Ok(_) => End::Done,
        Err(Error::Origin(error)) if error.is_undone() => End::Undone,
        Err(_) => End::Unknown,
    }
}

pub(crate) fn not_invalidated(error: Error) -> Error {
    match error {
        Error::Store(error) => Error::NotInvalidated(error),
        other => other,
    }
}

pub(crate) fn writing(
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
        said: written.said,
        not_stored,
        invalidated,
    }
}
