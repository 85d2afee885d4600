//! One loaded build of a policy.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use larder_core::{
    Admission, Decision, Identity, Loaded, Manifest, Policy, PolicyFailure, Request, Timestamp,
};
use wasmtime::Store;

use crate::contract::v0_1_0::{Answer, Checked, Functions, Shown};
use crate::engine::Runtime;
use crate::instance::Instance;
use crate::limits::{Isolation, Limits};
use crate::meter::Meter;
use crate::panic_text::PanicText;
use crate::pool::Pool;
use crate::status::GenerationStatus;

/// What a build is made of, as loading finds it.
pub(crate) struct Parts {
    pub(crate) runtime: Arc<Runtime>,
    pub(crate) checked: Checked,
    pub(crate) identity: Identity,
    pub(crate) manifest: Manifest,
    pub(crate) settings: String,
    pub(crate) isolation: Isolation,
    pub(crate) limits: Limits,
    pub(crate) panics: PanicText,
    /// Its file, for a disk that lost it.
    pub(crate) bytes: Arc<[u8]>,
    pub(crate) loaded_at_ms: u64,
}

/// One loaded build of a policy, with its own warm instances.
pub(crate) struct Generation {
    parts: Parts,
    identity: Arc<Identity>,
    shown: Shown,
    pool: Pool<Instance>,
    calls: AtomicU64,
    failures: AtomicU64,
}

impl Generation {
    /// `first` is the instance that described itself and took its settings.
    pub(crate) fn new(parts: Parts, first: Instance) -> Self {
        let generation = Self {
            identity: Arc::new(parts.identity.clone()),
            shown: Shown::new(&parts.manifest),
            pool: Pool::new(parts.limits.instances.max(1)),
            calls: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            parts,
        };
        if let (Isolation::Reuse, Ok(ticket)) =
            (generation.parts.isolation, generation.pool.admit())
        {
            generation.pool.put(Box::new(first), ticket);
        }
        generation
    }

    pub(crate) fn revision(&self) -> &str {
        &self.identity.revision
    }

    /// What its file holds.
    pub(crate) fn bytes(&self) -> Arc<[u8]> {
        Arc::clone(&self.parts.bytes)
    }

    /// Frees the warm instances; calls still under way end as usual.
    pub(crate) fn retire(&self) {
        self.pool.retire();
    }

    /// Serves again.
    pub(crate) fn revive(&self) {
        self.pool.revive();
    }

    pub(crate) fn status(&self) -> GenerationStatus {
        GenerationStatus {
            identity: (*self.identity).clone(),
            manifest: self.parts.manifest.clone(),
            loaded_at_ms: self.parts.loaded_at_ms,
            calls: self.calls.load(Ordering::Relaxed),
            failures: self.failures.load(Ordering::Relaxed),
        }
    }

    fn call<T>(
        &self,
        call: impl FnOnce(&Functions, &mut Store<Meter>) -> Answer<T>,
    ) -> Result<T, PolicyFailure> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        // A panic here would be a bug of the host; it costs this call and this instance, which
        // unwinding drops, and nothing else.
        let answer =
            catch_unwind(AssertUnwindSafe(|| self.call_instance(call))).unwrap_or_else(|_| {
                Err(PolicyFailure::Trapped(
                    "the host panicked in the call".into(),
                ))
            });
        if answer.is_err() {
            self.failures.fetch_add(1, Ordering::Relaxed);
        }
        answer
    }

    fn call_instance<T>(
        &self,
        call: impl FnOnce(&Functions, &mut Store<Meter>) -> Answer<T>,
    ) -> Result<T, PolicyFailure> {
        let Parts { limits, panics, .. } = &self.parts;
        let (mut instance, ticket) = match self.pool.take() {
            Some(warm) => warm,
            None => {
                let ticket = self.pool.admit()?;
                (self.start()?, ticket)
            }
        };
        let answer = instance.call(limits, panics, limits.ticks(), call)?;
        if self.parts.isolation == Isolation::Reuse && !instance.is_worn(limits) {
            self.pool.put(instance, ticket);
        }
        Ok(answer)
    }

    fn start(&self) -> Result<Box<Instance>, PolicyFailure> {
        let Parts { limits, panics, .. } = &self.parts;
        let (runtime, checked) = (&self.parts.runtime, &self.parts.checked);
        let mut instance = Instance::new(runtime, checked, limits, panics, limits.ticks())?;
        instance.configure(&self.parts.settings, limits, panics, limits.ticks())?;
        Ok(Box::new(instance))
    }
}

impl Policy for Generation {
    fn identity(&self) -> &Arc<Identity> {
        &self.identity
    }

    fn manifest(&self) -> &Manifest {
        &self.parts.manifest
    }

    fn decide(&self, request: &Request, now: Timestamp) -> Result<Decision, PolicyFailure> {
        self.call(|functions, store| functions.decide(store, &self.shown, request, now))
    }

    fn admit(
        &self,
        request: &Request,
        decision: &Decision,
        loaded: &Loaded,
        now: Timestamp,
    ) -> Result<Admission, PolicyFailure> {
        self.call(|functions, store| {
            functions.admit(store, &self.shown, request, decision, loaded, now)
        })
    }
}
