//! What a hit and a fill cost in memory.

use std::sync::Arc;

use divan::{Bencher, black_box};
use futures_util::FutureExt;
use larder_core::freshness::Windows;
use larder_core::{Dependency, Entry, Freshness, Identity, Key, Timestamp, Value};
use larder_store::{
    Answer, Expected, Filled, LeaseRequest, Leased, MemoryConfig, MemoryStore, Store, Token,
};

const NOW: Timestamp = Timestamp(1_800_000_000_000);
const KEYS: usize = 1_000;

fn main() {
    divan::main();
}

fn done<T>(answer: Answer<'_, T>) -> T {
    match answer.now_or_never() {
        Some(Ok(answer)) => answer,
        _ => unreachable!("memory answers at once"),
    }
}

fn entry(store: &MemoryStore, key: &Key) -> Entry {
    let of = Dependency::of_entry("t", "product", &["all".to_owned()]);
    let versions = done(store.versions(&of));
    let freshness = Freshness {
        ttl_ms: 60_000,
        ..Freshness::default()
    };
    Entry {
        logical: Arc::clone(key.logical()),
        value: Some(Value::json(vec![b'x'; 1024])),
        absent: None,
        windows: Windows::of_value(&freshness, NOW, 0.0),
        time_to_idle_ms: 0,
        load_ms: 1,
        dependencies: of.into_iter().zip(versions).collect(),
        placement: larder_core::Placement::EveryTier,
        sealed: None,
        policy: Arc::new(Identity {
            name: "bench".to_owned(),
            version: "1.0.0".to_owned(),
            revision: "native".to_owned(),
            contract: "0.1.0".to_owned(),
            settings: String::new(),
        }),
    }
}

fn lease(store: &MemoryStore, key: &Key) -> Token {
    let wish = LeaseRequest {
        key,
        ttl_ms: 1_000,
        share: false,
        seen: Some(NOW),
        now: NOW,
    };
    match done(store.lease(wish)) {
        Leased::Granted(token) => token,
        other => unreachable!("{other:?}"),
    }
}

fn filled() -> (MemoryStore, Vec<Key>) {
    let store = MemoryStore::new(MemoryConfig::default());
    let keys: Vec<_> = (0..KEYS)
        .map(|n| Key::new("t", "product", &format!("product:{n}")))
        .collect();
    for key in &keys {
        let (token, entry) = (lease(&store, key), entry(&store, key));
        assert_eq!(done(store.fill(key, token, entry, NOW)), Filled::Stored);
    }
    (store, keys)
}

/// A hit on an entry with two dependencies.
#[divan::bench(threads = [1, 2])]
fn hit(bencher: Bencher<'_, '_>) {
    let (store, keys) = filled();
    bencher
        .with_inputs(|| &keys[fastrand::usize(..KEYS)])
        .bench_refs(|key| done(black_box(&store).get(key, Expected::NOTHING, NOW)));
}

/// A lease and the fill that ends it, over an entry that is there.
#[divan::bench]
fn lease_and_fill(bencher: Bencher<'_, '_>) {
    let (store, keys) = filled();
    bencher
        .with_inputs(|| {
            let key = &keys[fastrand::usize(..KEYS)];
            (key, entry(&store, key))
        })
        .bench_values(|(key, entry)| {
            let token = lease(&store, key);
            done(store.fill(key, token, entry, NOW))
        });
}

/// A tag that a thousand entries carry.
#[divan::bench]
fn bump(bencher: Bencher<'_, '_>) {
    let (store, _keys) = filled();
    let of = [Dependency::tag("t", "all")];
    bencher.bench(|| done(store.bump(&of, larder_core::dependency::Mode::Purge, NOW)));
}
