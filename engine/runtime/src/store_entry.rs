//! From a loaded value to an entry: admission, freshness, dependencies, fill.

use std::sync::Arc;

use larder_core::freshness::Windows;
use larder_core::{
    Admission, Dependency, Entry, LoadStatus, Loaded, NotStored, Timestamp, Value, Version, vary,
};
use larder_origin::HeaderFate;
use larder_store::{Filled, StoreError, Token};

use crate::complaints::Complaint;
use crate::decide::{Job, Unusable, guarded};
use crate::engine::Inner;

/// How much older than the load the last invalidation of a tag must be that was not known before
/// the load, in milliseconds. The number of an invalidation is the moment at which it looked at
/// the clock: it may take effect a little later, and another node's clock may be a little behind.
const LATE_MARGIN_MS: u64 = 1_000;

/// What a loader brought.
pub(crate) struct Origin<'a> {
    pub(crate) value: Option<Value>,
    /// What it said of there being none.
    pub(crate) absent: Option<Value>,
    pub(crate) attributes: &'a [(String, String)],
    pub(crate) load_ms: u32,
    /// The moment before the load began.
    pub(crate) began: Timestamp,
    /// Whether no replica can have answered it: it is what was written, or what the origin said to
    /// the write.
    pub(crate) is_written: bool,
}

/// The right to fill a key, and the versions that were read before the load.
pub(crate) type Right<'a> = (Token, &'a [(Dependency, Version)]);

/// The status of an answer that is no representation of the thing: it is not done yet, is about
/// several, or stands for what only the first request did (RFC 9110, 15.3; RFC 9111, 3).
fn promises_no_value(origin: &Origin<'_>) -> Option<u16> {
    let head = origin.value.as_ref()?.head.as_ref()?;
    let status = head.status();
    (!matches!(status, 200 | 203 | 204)).then_some(status)
}

/// The header by which a response varies though others under the same key may have sent another:
/// the policy does not declare it, or the origin never gets it.
fn varies_by(job: &Job, attributes: &[(String, String)]) -> Option<String> {
    let lines = attributes.iter().filter(|(name, _)| name == "header.vary");
    let manifest = job.asked.as_ref().map(|policy| policy.manifest());
    let declared =
        |field: &str| manifest.is_some_and(|one| one.declares(&format!("header.{field}")));
    let fate = |field: &str| match &job.route.origin {
        Some(origin) => origin.header_fate(field),
        // Who loads for a lease asks for an encoding on its own behalf.
        None if field == "accept-encoding" => HeaderFate::Fixed,
        None => HeaderFate::Passed,
    };
    vary::unsettled(lines.map(|(_, line)| line.as_str()), |field| {
        match fate(field) {
            HeaderFate::Fixed => true,
            HeaderFate::Passed => declared(field),
            HeaderFate::Dropped => false,
        }
    })
}

impl Inner {
    /// The present versions of all that the decided entry depends on, to be read before the load
    /// or the write that brings it.
    pub(crate) async fn versions_for(
        &self,
        job: &Job,
    ) -> Result<Vec<(Dependency, Version)>, StoreError> {
        let names = job.depends_on(&job.decision().tags);
        let versions = self.store.versions(&names).await?;
        Ok(names.into_iter().zip(versions).collect())
    }

    /// Stores what was loaded, as far as the policy and the store admit it. The lease is used up
    /// whatever the answer.
    pub(crate) async fn store_loaded(
        &self,
        job: &Job,
        right: Right<'_>,
        origin: Origin<'_>,
    ) -> Result<Windows, NotStored> {
        let entry = match self.entry(job, right.1, origin).await {
            Ok(entry) => entry,
            Err(why) => {
                self.give_up(&job.key, right.0).await;
                return Err(why);
            }
        };
        self.fill(job, right.0, entry).await
    }

    pub(crate) async fn fill(
        &self,
        job: &Job,
        token: Token,
        entry: Entry,
    ) -> Result<Windows, NotStored> {
        let windows = entry.windows;
        let entry = match self.seal(job, entry) {
            Ok(entry) => entry,
            Err(why) => {
                self.give_up(&job.key, token).await;
                return Err(why);
            }
        };
        match self
            .store
            .fill(&job.key, token, entry, self.clock.now())
            .await
        {
            Ok(Filled::Stored) => Ok(windows),
            Ok(Filled::Voided) => Err(NotStored::Voided),
            Ok(Filled::TooLarge) => Err(NotStored::TooLarge),
            Err(error) => {
                self.store_failed(&error);
                Err(NotStored::StoreFailed)
            }
        }
    }

    /// The entry that the policy admits, if any.
    pub(crate) async fn entry(
        &self,
        job: &Job,
        under: &[(Dependency, Version)],
        origin: Origin<'_>,
    ) -> Result<Entry, NotStored> {
        if job.decision().encrypt && !self.seals.are_there() {
            self.seals.missed_by(&job.route.policy);
            return Err(NotStored::NoKeyRing);
        }
        if let Some(status) = promises_no_value(&origin) {
            tracing::debug!(key = %job.key, status, "not stored: the status promises no value");
            return Err(NotStored::Status);
        }
        if let Some(field) = varies_by(job, origin.attributes) {
            tracing::debug!(
                key = %job.key, field,
                "not stored: the response varies by a header that is no part of the key"
            );
            return Err(NotStored::Varies);
        }
        let admission = self.admission(job, &origin)?;
        let dependencies = self
            .dependencies(job, &admission, under, origin.began)
            .await?;
        if !origin.is_written {
            self.past_write_hold(job, &dependencies, origin.began, origin.load_ms)
                .await?;
        }
        let now = self.clock.now();
        Self::make_entry(job, origin, &admission, dependencies, now)
    }

    /// An entry, if there is any moment at which it could be served.
    fn make_entry(
        job: &Job,
        origin: Origin<'_>,
        admission: &Admission,
        dependencies: Vec<(Dependency, Version)>,
        now: Timestamp,
    ) -> Result<Entry, NotStored> {
        let random = fastrand::f64();
        let windows = match origin.value {
            Some(_) => Windows::of_value(&admission.freshness, now, random),
            None => Windows::of_absence(&admission.freshness, now, random),
        };
        if windows.gone_at() <= now {
            return Err(NotStored::ZeroTtl);
        }
        Ok(Entry {
            logical: Arc::clone(job.key.logical()),
            value: origin.value,
            absent: origin.absent,
            windows,
            time_to_idle_ms: admission.freshness.time_to_idle_ms,
            load_ms: origin.load_ms,
            dependencies,
            policy: Arc::clone(&job.decided.policy),
            placement: job.decision().placement,
            sealed: None,
        })
    }

    /// Asks the policy after the load, where it wants to be asked.
    fn admission(&self, job: &Job, origin: &Origin<'_>) -> Result<Admission, NotStored> {
        let asks = job.policy().filter(|policy| policy.manifest().admits);
        let Some(policy) = asks else {
            return Ok(Admission::as_decided(job.decision()));
        };
        let manifest = policy.manifest();
        let declared = |name: &String| manifest.response_attributes.contains(name);
        let body = origin.value.as_ref().map(|value| value.bytes.clone());
        let loaded = Loaded {
            status: match origin.value {
                Some(_) => LoadStatus::Found,
                None => LoadStatus::Absent,
            },
            bytes: body.as_ref().map_or(0, |body| body.len() as u64),
            cost_ms: origin.load_ms,
            attributes: origin
                .attributes
                .iter()
                .filter(|(name, _)| declared(name))
                .cloned()
                .collect(),
            body: body
                .filter(|body| manifest.reads_body && body.len() <= self.tuning.admit_body_max),
        };
        let answer = policy.admit(&job.request, job.decision(), &loaded, self.wall.now());
        match guarded(answer, |admission| self.guard.apply_admission(admission)) {
            Ok(admission) if admission.store => Ok(admission),
            Ok(_) => Err(NotStored::Refused),
            Err(Unusable { failure, message }) => {
                job.route.meters.failed(failure);
                self.complaints.note(Complaint::Admission {
                    policy: Arc::clone(&job.route.policy),
                    failure,
                    message,
                });
                Err(NotStored::AdmissionFailed)
            }
        }
    }

    /// The entry's dependencies with versions from before the load. A tag that only the admission
    /// named could not be read before the load; its version must then be clearly older than the
    /// load itself, which it tells by its number, taken from the time.
    async fn dependencies(
        &self,
        job: &Job,
        admission: &Admission,
        under: &[(Dependency, Version)],
        began: Timestamp,
    ) -> Result<Vec<(Dependency, Version)>, NotStored> {
        if admission.tags == job.decision().tags {
            return Ok(under.to_vec());
        }
        let (mut known, mut late) = (Vec::new(), Vec::new());
        for name in job.depends_on(&admission.tags) {
            match under.iter().find(|(read, _)| *read == name) {
                Some(pair) => known.push(pair.clone()),
                None => late.push(name),
            }
        }
        let versions = match self.store.versions(&late).await {
            Ok(versions) => versions,
            Err(error) => {
                self.store_failed(&error);
                return Err(NotStored::StoreFailed);
            }
        };
        let before = began.0.saturating_sub(LATE_MARGIN_MS);
        let before_us = before.saturating_mul(1000);
        if versions.iter().any(|v| v.purge.max(v.expire) >= before_us) {
            return Err(NotStored::Voided);
        }
        known.extend(late.into_iter().zip(versions));
        Ok(known)
    }
}
