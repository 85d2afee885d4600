//! What the memory store promises beside the contract.

use futures_util::FutureExt;
use larder_core::Value;
use larder_core::freshness::State;

use super::*;
use crate::contract::subject;

pub(super) fn store() -> MemoryStore {
    MemoryStore::new(MemoryConfig {
        capacity_bytes: 8 << 20,
    })
}

/// Loads and stores an entry that weighs so much.
fn fill(store: &MemoryStore, key: &Key, weight: usize) -> Filled {
    let token = store.begin_write_now(key, 1_000, subject::NOW);
    let mut entry = subject::entry(key, "", Vec::new(), subject::NOW);
    let bytes = vec![0; weight - entry.weight()];
    entry.value = Some(Value::new(bytes));
    store.fill_now(key, token, entry, subject::NOW)
}

#[test]
fn the_largest_entry_is_kept_and_one_byte_more_is_refused() {
    for capacity_bytes in [1 << 20, 64 << 20] {
        let store = MemoryStore::new(MemoryConfig { capacity_bytes });
        let largest = (capacity_bytes.min(32 << 20) as f64 * 0.97) as usize;
        let key = subject::key("large");
        for (weight, filled) in [(largest, Filled::Stored), (largest + 1, Filled::TooLarge)] {
            assert_eq!(fill(&store, &key, weight), filled);
            let kept = store.find(&key, subject::NOW).is_some();
            assert_eq!(
                kept,
                filled == Filled::Stored,
                "{weight} of {capacity_bytes}"
            );
        }
    }
}

#[test]
fn the_bytes_are_bounded() {
    let store = store();
    for n in 0..2_000 {
        let key = subject::key(&n.to_string());
        assert_eq!(fill(&store, &key, 10_000), Filled::Stored);
        assert!(store.find(&key, subject::NOW).is_some(), "just stored");
    }
    let summary = store.summary();
    assert!(summary.bytes <= summary.capacity, "{summary:?}");
    assert!(summary.entries > 700, "{summary:?}");
}

#[test]
fn a_reader_whose_clock_is_behind_does_not_take_an_expired_entry_for_fresh() {
    let (store, key) = (store(), subject::key("k"));
    let of = [Dependency::tag("t", "x")];
    for by_key in [true, false] {
        let versions = store.versions(&of).now_or_never().expect("at once");
        let token = store.begin_write_now(&key, 1_000, subject::NOW);
        let under = of.iter().cloned().zip(versions.expect("no failure"));
        let entry = subject::entry(&key, "v", under.collect(), subject::NOW);
        assert_eq!(
            store.fill_now(&key, token, entry, subject::NOW),
            Filled::Stored
        );
        let later = subject::NOW.plus(5);
        if by_key {
            assert!(store.invalidate_now(&key, Mode::Expire, later));
        } else {
            store.versions.bump(&of[0], Mode::Expire, later);
        }
        let found = store.find(&key, subject::NOW).expect("has stale windows");
        assert_eq!(found.windows.state(subject::NOW), State::Stale);
    }
}

#[test]
fn waiters_that_gave_up_are_forgotten() {
    let (store, key) = (store(), subject::key("k"));
    drop(store.changed(&key));
    let kept = store.changed(&key);
    store.sweep(subject::NOW);
    store.invalidate_now(&key, Mode::Purge, subject::NOW);
    assert_eq!(
        kept.now_or_never(),
        Some(()),
        "a sweep keeps who still waits"
    );
    drop(store.changed(&key));
    store.sweep(subject::NOW);
    assert!(store.leases.is_empty());
}

#[test]
fn a_misspelt_setting_is_an_error_that_names_it() {
    let parse = toml::from_str::<MemoryConfig>;
    assert_eq!(parse("").ok(), Some(MemoryConfig::default()));
    let config = parse("capacity_bytes = 5").expect("is a setting");
    assert_eq!(config.capacity_bytes, 5);
    let error = parse("capacity = 5").unwrap_err().to_string();
    assert!(error.contains("`capacity`"), "{error}");
}
