//! An entry in memory, with what decides about serving it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use larder_core::freshness::Windows;
use larder_core::{Entry, Key, Timestamp, Version};

use super::versions::{Cell, Versions};
use crate::judge;
use crate::store::Found;

/// An entry with the cells of its dependencies.
#[derive(Debug)]
pub(crate) struct Slot {
    entry: Arc<Entry>,
    dependencies: Box<[(Arc<Cell>, Version)]>,
    weight: u64,
    /// When the key was first expired, in milliseconds; [`u64::MAX`] while it was not.
    expired: AtomicU64,
    /// When the entry was last read; kept only where it may idle.
    read: AtomicU64,
}

impl Slot {
    /// The entry as it will be kept; none if one of its versions is known to be past.
    pub(crate) fn new(entry: Entry, versions: &Versions, now: Timestamp) -> Option<Self> {
        let dependencies = entry
            .dependencies
            .iter()
            .map(|(of, version)| Some((versions.find(of)?, *version)))
            .collect::<Option<_>>()?;
        Some(Self {
            weight: entry.weight() as u64,
            entry: Arc::new(entry),
            dependencies,
            expired: AtomicU64::new(u64::MAX),
            read: AtomicU64::new(now.0),
        })
    }

    /// Roughly what it costs to keep, in bytes; the same for all its life.
    pub(crate) fn weight(&self) -> u64 {
        self.weight
    }

    /// The full name of its key.
    pub(crate) fn logical(&self) -> &Arc<str> {
        &self.entry.logical
    }

    /// Whether nothing has happened to any dependency since the load.
    pub(crate) fn is_current(&self) -> bool {
        self.dependencies
            .iter()
            .all(|(cell, version)| cell.version() == *version)
    }

    /// The windows as they are now; none where the entry must not be served any more.
    pub(crate) fn windows(&self, now: Timestamp) -> Option<Windows> {
        let expired = self.expired.load(Ordering::Acquire);
        let expired = (expired != u64::MAX).then_some(Timestamp(expired));
        let verdicts = self.dependencies.iter();
        let verdicts = verdicts.map(|(cell, version)| cell.judge(*version));
        let windows = judge::windows(self.entry.windows, expired, verdicts, now)?;
        (!self.is_idle(now)).then_some(windows)
    }

    /// The entry, if `key` may have it; counts as use.
    pub(crate) fn found(&self, key: &Key, now: Timestamp) -> Option<Found> {
        let windows = self.windows(now)?;
        if !self.entry.belongs_to(key) {
            return None;
        }
        let read = self.read.load(Ordering::Relaxed);
        // Most reads fall into a millisecond that is noted already, and the cache line of an
        // entry that everybody reads then stays shared.
        if self.entry.time_to_idle_ms != 0 && read < now.0 {
            self.read.fetch_max(now.0, Ordering::Relaxed);
        }
        Some(Found {
            entry: Arc::clone(&self.entry),
            windows,
            read: Timestamp(read),
        })
    }

    /// The entry, if `key` may have it; does not count as use.
    pub(crate) fn is_servable(&self, key: &Key, now: Timestamp) -> bool {
        self.entry.belongs_to(key) && self.windows(now).is_some()
    }

    /// The key was expired.
    pub(crate) fn expire(&self, now: Timestamp) {
        // Only the first counts: the stale windows do not start over.
        self.expired.fetch_min(now.0, Ordering::AcqRel);
    }

    fn is_idle(&self, now: Timestamp) -> bool {
        let read = Timestamp(self.read.load(Ordering::Relaxed));
        judge::is_idle(self.entry.time_to_idle_ms, read, now)
    }
}
