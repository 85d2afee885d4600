//! A cache bounded in bytes, laid out for entries.

use std::sync::Arc;

use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};

/// The least budget of a shard, in bytes. An entry must fit into one shard, so shards are few
/// and large rather than many and small.
const SHARD_BYTES: u64 = 32 << 20;
/// More shards than this gain nothing.
const MAX_SHARDS: u64 = 64;
/// The share of a shard that one entry may take; the rest is kept for newcomers.
const LARGEST_SHARE: f64 = 0.97;
/// A guess at the usual entry, which sizes the memory of evicted keys.
const USUAL_BYTES: u64 = 1024;

/// Values by the storage form of their keys.
pub(crate) type Bounded<V, W> = Cache<Arc<str>, V, W>;

/// An empty cache of so many bytes.
pub(crate) fn bounded<V, W>(capacity: u64, weighter: W) -> Bounded<V, W>
where
    V: Clone,
    W: Weighter<Arc<str>, V> + Clone,
{
    let shards = shards(capacity);
    // The cache merges shards of fewer than 32 expected items, which would move the bounds.
    let items = (capacity / USUAL_BYTES).max(shards * 32);
    let options = OptionsBuilder::new()
        .shards(shards as usize)
        .weight_capacity(capacity)
        .estimated_items_capacity(items as usize)
        .hot_allocation(LARGEST_SHARE)
        .build();
    let (hasher, lifecycle) = (DefaultHashBuilder::default(), DefaultLifecycle::default());
    match options {
        Ok(options) => Cache::with_options(options, weighter, hasher, lifecycle),
        // Only a missing capacity is an error, and it was set.
        Err(_) => Cache::with(items as usize, capacity, weighter, hasher, lifecycle),
    }
}

/// What one value may weigh in a cache of so many bytes; the cache drops heavier ones silently.
pub(crate) fn largest(capacity: u64) -> u64 {
    let shard = capacity.div_ceil(shards(capacity));
    (shard as f64 * LARGEST_SHARE) as u64
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

    #[derive(Clone)]
    struct One;

    impl Weighter<Arc<str>, ()> for One {
        fn weight(&self, _key: &Arc<str>, (): &()) -> u64 {
            1
        }
    }

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
            let cache = bounded(capacity, One);
            assert_eq!(cache.num_shards() as u64, expected, "{capacity}");
            let largest_kept = (cache.shard_capacity() as f64 * LARGEST_SHARE) as u64;
            assert_eq!(largest(capacity), largest_kept, "{capacity}");
        }
    }
}
