//! Entries by key, bounded in bytes.

use std::sync::Arc;

use larder_core::{Key, Pattern, Timestamp};
use quick_cache::Weighter;

use super::slot::Slot;
use crate::bounded::{Bounded, bounded, largest};

#[derive(Clone)]
struct BySlot;

impl Weighter<Arc<str>, Arc<Slot>> for BySlot {
    fn weight(&self, _key: &Arc<str>, slot: &Arc<Slot>) -> u64 {
        slot.weight()
    }
}

type Slots = Bounded<Arc<Slot>, BySlot>;
/// What a change pushed out; dropped by the caller once it holds no lock.
pub(crate) type Evicted = [Option<(Arc<str>, Arc<Slot>)>; 2];

/// The entries in memory.
pub(crate) struct Entries {
    slots: Slots,
    capacity: u64,
    largest: u64,
}

impl Entries {
    pub(crate) fn new(capacity: u64) -> Self {
        Self {
            slots: bounded(capacity, BySlot),
            capacity,
            largest: largest(capacity),
        }
    }

    /// Whether a slot of this weight can be kept at all; the cache itself drops others silently.
    pub(crate) fn takes(&self, weight: u64) -> bool {
        weight <= self.largest
    }

    pub(crate) fn get(&self, key: &Key) -> Option<Arc<Slot>> {
        self.slots.get(&**key.storage())
    }

    pub(crate) fn put(&self, key: &Key, slot: Arc<Slot>) -> Evicted {
        let mut evicted = Evicted::default();
        let storage = Arc::clone(key.storage());
        self.slots
            .insert_with_lifecycle(storage, slot, &mut evicted);
        evicted
    }

    pub(crate) fn remove(&self, key: &Key) -> Option<Arc<Slot>> {
        self.slots.remove(&**key.storage()).map(|(_, slot)| slot)
    }

    /// Drops entries that nobody can be served any more; answers how many.
    pub(crate) fn sweep(&self, now: Timestamp) -> u64 {
        let mut gone = 0;
        // The iterator locks one shard for one step, to read: readers are never kept waiting.
        for (key, slot) in self.slots.iter() {
            if slot.windows(now).is_none() {
                let dropped = self.slots.remove_if(&*key, |now| Arc::ptr_eq(now, &slot));
                gone += u64::from(dropped.is_some());
            }
        }
        gone
    }

    /// Every key with an entry, and whether `pattern` matches it.
    pub(crate) fn matching(&self, pattern: &Pattern) -> impl Iterator<Item = Option<Key>> {
        self.slots.iter().map(|(storage, slot)| {
            let logical = slot.logical();
            pattern
                .matches(logical)
                .then(|| Key::of_stored(storage, Arc::clone(logical)))
        })
    }

    pub(crate) fn len(&self) -> u64 {
        self.slots.len() as u64
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.slots.weight()
    }

    pub(crate) fn capacity(&self) -> u64 {
        self.capacity
    }
}
