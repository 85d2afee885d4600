//! Keeps fills out for a while after a write, for origins whose replicas lag.
//!
//! Whatever makes entries stale notes in the store what it made stale and when. What was loaded
//! from an origin with a write hold is stored only if nothing that it depends on was written within
//! the hold before its load began: a replica may still have answered from before the write.

use larder_core::{Dependency, NotStored, Timestamp, Version};
use larder_store::StoreError;

use crate::decide::Job;
use crate::engine::Inner;
use crate::invalidate::Invalidation;
use crate::variant;

/// How much longer than the longest load a note is kept, in milliseconds: admission and fill.
const SLACK_MS: u64 = 5_000;

/// The holds of an engine, as far as notes have to know of them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct WriteHolds {
    /// The longest of all origins, in milliseconds; 0 where there is none, and nothing is noted.
    longest_ms: u64,
    /// For how long after it began a load can be judged, in milliseconds.
    reach_ms: u64,
}

impl WriteHolds {
    pub(crate) fn new(longest_ms: u64, longest_load_ms: u64) -> Self {
        Self {
            longest_ms,
            reach_ms: longest_load_ms.saturating_add(SLACK_MS),
        }
    }

    fn keep_ms(&self) -> u64 {
        self.longest_ms.saturating_add(self.reach_ms)
    }
}

/// Whether what was loaded may be from before a write: `ago_ms` is when the last one was, `load_ms`
/// how long ago the load began.
fn is_held(ago_ms: Option<u64>, load_ms: u64, hold_ms: u64, reach_ms: u64) -> bool {
    load_ms > reach_ms || ago_ms.is_some_and(|ago| ago < hold_ms.saturating_add(load_ms))
}

impl Invalidation {
    /// What is noted as written: its tags, namespaces and keys with their variants, and the
    /// namespaces of its patterns.
    pub(crate) fn written(&self) -> Vec<Dependency> {
        let key = |(namespace, key): &(String, String)| {
            Dependency::key(&larder_core::Key::new(&self.tenant, namespace, key))
        };
        let mut all = self.dependencies();
        all.extend(self.keys.iter().map(key));
        all.extend(variant::of_keys(&self.tenant, &self.keys));
        for (namespace, _) in &self.patterns {
            all.push(Dependency::namespace(&self.tenant, namespace));
        }
        all
    }
}

impl Inner {
    /// Notes a write, where an origin has a hold. To be called after the write and before what it
    /// made stale goes: a load that begins between the two is voided, one that begins later is held.
    pub(crate) async fn note_written(
        &self,
        names: impl FnOnce() -> Vec<Dependency>,
    ) -> Result<(), StoreError> {
        if self.holds.longest_ms == 0 {
            return Ok(());
        }
        let (names, keep_ms) = (names(), self.holds.keep_ms());
        if names.is_empty() {
            return Ok(());
        }
        let now = self.clock.now();
        self.store.note_written(&names, keep_ms, now).await
    }

    /// Refuses what a replica may have answered from before a write. The load began at `began`, and
    /// took `load_ms` at least.
    pub(crate) async fn past_write_hold(
        &self,
        job: &Job,
        dependencies: &[(Dependency, Version)],
        began: Timestamp,
        load_ms: u32,
    ) -> Result<(), NotStored> {
        let hold_ms = job.route.write_hold_ms;
        if hold_ms == 0 {
            return Ok(());
        }
        let own = Dependency::key(&job.key);
        let names: Vec<_> = dependencies
            .iter()
            .map(|(name, _)| name.clone())
            .chain([own])
            .collect();
        let now = self.clock.now();
        let ago_ms = self.store.written_ago(&names, now).await;
        let ago_ms = ago_ms.map_err(|error| {
            self.store_failed(&error);
            NotStored::StoreFailed
        })?;
        let load_ms = now.since(began).max(load_ms.into());
        match is_held(ago_ms, load_ms, hold_ms, self.holds.reach_ms) {
            true => Err(NotStored::WriteHold),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_is_held_that_began_within_the_hold() {
        for (ago, load, held) in [
            (None, 0, false),
            (Some(0), 0, true),
            (Some(299), 0, true),
            (Some(300), 0, false),
            // Written before it began: a slow load is no reason to take it.
            (Some(5_000), 4_800, true),
            (Some(5_000), 4_700, false),
            (None, 10_000, false),
            (None, 10_001, true),
            (Some(u64::MAX), u64::MAX, true),
        ] {
            assert_eq!(is_held(ago, load, 300, 10_000), held, "{ago:?} {load}");
        }
    }
}
