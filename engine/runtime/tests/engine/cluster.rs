//! Two engines over one store: one load for each key in the cluster, and nobody waits for the
//! dead.

use larder::core::{Clock, Key, Outcome, Stampede, Strategy};
use larder::store::{LeaseRequest, Leased, Store};
use larder::{Engine, Request};

use crate::kit::{Rig, STORED, quiet, rig, some, text, timed};

fn guarded() -> Rig {
    let rig = rig(Strategy::ReadThrough, |d| {
        d.loading.stampede = Stampede::PerCluster;
    });
    rig.shop.set("42", "one");
    rig
}

fn key() -> Key {
    Key::new("", "product", "product:42")
}

fn request() -> Request {
    Request::read("product", "42")
}

/// Takes the lease as another node does that dies then.
async fn die_with_the_lease(rig: &Rig) {
    let (key, now) = (key(), rig.clock.now());
    let wish = LeaseRequest {
        key: &key,
        ttl_ms: 3_000,
        share: false,
        seen: None,
        now,
    };
    let held = rig.store.lease(wish).await;
    assert!(matches!(held, Ok(Leased::Granted(_))));
}

#[tokio::test(start_paused = true)]
async fn a_thousand_readers_on_each_of_two_nodes_cause_one_load() {
    let rig = guarded();
    let other = rig.neighbour();
    let (first, gate) = rig.stopped_read("42").await;
    let start = |engine: &Engine| timed(engine, request(), 10_000);
    let readers: Vec<_> = (0..1_000)
        .flat_map(|_| [start(&rig.engine), start(&other)])
        .collect();
    // Longer than a lease lasts unless it is kept.
    for _ in 0..40 {
        rig.pass(100).await;
    }
    gate.open();
    assert_eq!(crate::kit::join(first).await.not_stored, STORED);
    for reader in readers {
        let reading = reader.await.expect("ends").0.expect("is read");
        assert_eq!(text(&reading.value), some("one"));
    }
    assert_eq!(rig.shop.loads(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_loader_that_never_comes_back_costs_two_loads_at_most_and_nobody_waits_too_long() {
    for (limit_ms, loads) in [(10_000, 1), (2_000, 2), (200, 2)] {
        let rig = guarded();
        let other = rig.neighbour();
        die_with_the_lease(&rig).await;
        let start = |engine: &Engine| timed(engine, request(), limit_ms);
        let readers: Vec<_> = (0..500)
            .flat_map(|_| [start(&rig.engine), start(&other)])
            .collect();
        for _ in 0..limit_ms / 50 {
            rig.pass(50).await;
        }
        for reader in readers {
            assert!(reader.is_finished(), "within {limit_ms} ms");
            let (result, took) = reader.await.expect("ends");
            assert_eq!(text(&result.expect("is read").value), some("one"));
            // The lease, and the sweep that finds its end.
            assert!(took <= limit_ms.min(4_100), "{took} of {limit_ms} ms");
        }
        assert_eq!(rig.shop.loads(), loads, "{limit_ms}");
        rig.pass(3_000).await;
        rig.read("42").await;
        assert_eq!(rig.look("42").await, (Outcome::Hit, some("one")));
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_under_way_is_waited_for() {
    let rig = guarded();
    let (key, now) = (key(), rig.clock.now());
    let write = rig.store.begin_write(&key, 10_000, now).await;
    let write = write.expect("is begun");
    let reader = rig.start_read("42");
    rig.pass(2_000).await;
    assert!(!reader.is_finished());
    assert_eq!(rig.shop.loads(), 0);
    rig.shop.set("42", "two");
    rig.store.release(&key, write).await.expect("is released");
    quiet().await;
    let reading = crate::kit::join(reader).await;
    assert_eq!(
        (text(&reading.value), reading.not_stored),
        (some("two"), STORED)
    );
    assert_eq!(rig.look("42").await, (Outcome::Hit, some("two")));
}
