//! What readers, flushers and the writer share.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use parking_lot::RwLock;
use tokio::sync::Notify;

use super::batch::Batch;
use super::index::Index;
use crate::queue::Row;

/// Enough that who waits for one row is rarely woken by another.
const STRIPES: usize = 64;

/// The index, and those who wait for it to change.
pub(super) struct Shared {
    pub(super) index: RwLock<Index>,
    moved: Box<[Arc<Notify>]>,
    hasher: RandomState,
}

/// Those to be woken, on drop: the index must be unlocked first.
#[must_use]
#[derive(Default)]
pub(super) struct Woken(Vec<Arc<Notify>>);

impl Woken {
    pub(super) fn add(&mut self, one: &Arc<Notify>) {
        if !self.0.iter().any(|other| Arc::ptr_eq(one, other)) {
            self.0.push(Arc::clone(one));
        }
    }
}

impl Drop for Woken {
    fn drop(&mut self) {
        for one in &self.0 {
            one.notify_waiters();
        }
    }
}

impl Shared {
    pub(super) fn new(index: Index) -> Self {
        Self {
            index: RwLock::new(index),
            moved: (0..STRIPES).map(|_| Arc::default()).collect(),
            hasher: RandomState::new(),
        }
    }

    /// Those who wait for `row`, and for rows that share its place.
    pub(super) fn moved(&self, row: &Row) -> &Arc<Notify> {
        &self.moved[self.hasher.hash_one(row) as usize % self.moved.len()]
    }

    /// Shows what was written to readers and flushers.
    pub(super) fn apply(&self, batch: &Batch) -> Woken {
        let mut woken = Woken::default();
        let mut index = self.index.write();
        for (claim, sequences, _) in &batch.flushed {
            for sequence in sequences {
                if let Some(queued) = index.flushed(&claim.partition, *sequence) {
                    woken.add(self.moved(&queued.change.row));
                }
            }
        }
        for taken in &batch.taken {
            woken.add(&index.put(Arc::clone(&taken.queued)));
        }
        woken
    }
}
