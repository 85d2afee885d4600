//! Entries by key, bounded in bytes.

use std::sync::Arc;

use larder_core::{Key, Pattern, Timestamp};
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};

use super::slot::Slot;

/// The least budget of a shard, in bytes. An entry must fit into one shard, so shards are few
/// and large rather than many and small.
const SHARD_BYTES: u64 = 32 << 20;
/// More shards than this gain nothing.
const MAX_SHARDS: u64 = 64;
/// The share of a shard that one entry may take; the rest is kept for newcomers.
const LARGEST_SHARE: f64 = 0.97;
/// A guess at the usual entry, which sizes the memory of evicted keys.
const USUAL_BYTES: u64 = 1024;

#[derive(Clone)]
struct BySlot;

impl Weighter<Arc<str>, Arc<Slot>> for BySlot {
    fn weight(&self, _key: &Arc<str>, slot: &Arc<Slot>) -> u64 {
        slot.weight()
    }
}

type Slots = Cache<Arc<str>, Arc<Slot>, BySlot>;
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
        let shards = shards(capacity);
        let shard_capacity = capacity.div_ceil(shards);
        // The cache merges shards of fewer than 32 expected items, which would move the bounds.
        let items = (capacity / USUAL_BYTES).max(shards * 32);
        let options = OptionsBuilder::new()
            .shards(shards as usize)
            .weight_capacity(capacity)
            .estimated_items_capacity(items as usize)
            .hot_allocation(LARGEST_SHARE)
            .build();
        let (hasher, lifecycle) = (DefaultHashBuilder::default(), DefaultLifecycle::default());
        let slots = match options {
            Ok(options) => Cache::with_options(options, BySlot, hasher, lifecycle),
            // Only a missing capacity is an error, and it was set.
            Err(_) => Cache::with(items as usize, capacity, BySlot, hasher, lifecycle),
        };
        Self {
            slots,
            capacity,
            largest: (shard_capacity as f64 * LARGEST_SHARE) as u64,
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

/// The most shards of at least [`SHARD_BYTES`], a power of two.
fn shards(capacity: u64) -> u64 {
    let most = (capacity / SHARD_BYTES).clamp(1, MAX_SHARDS);
    1 << most.ilog2()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn shards_are_as_large_as_promised_and_the_cache_agrees() {
        for (capacity, expected) in [
            (0, 1),
            (MIB, 1),
            (63 * MIB, 1),
            (64 * MIB, 2),
            (100 * MIB, 2),
            (256 * MIB, 8),
            (1 << 40, 64),
        ] {
            let entries = Entries::new(capacity);
            assert_eq!(entries.slots.num_shards() as u64, expected, "{capacity}");
            let shard = entries.slots.shard_capacity();
            let largest = (shard as f64 * LARGEST_SHARE) as u64;
            assert_eq!(entries.largest, largest, "{capacity}");
        }
    }
}
