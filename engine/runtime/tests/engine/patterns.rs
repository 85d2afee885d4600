//! Each pattern and each invalidation keeps its promise, by the name that the guide calls it.

use std::sync::Arc;
use std::time::Duration;

use larder::core::dependency::Mode;
use larder::core::{Outcome, Stampede, Strategy};
use larder::origin::OriginError;
use larder::{Request, Value};

use crate::ground::Ground;
use crate::kit::{Aim, Call, Parts, Rig, STORED, Shop, TTL, join, policy, some, text};

races! {
    bypass,
    cache_aside,
    read_through,
    write_through,
    concurrent_writers,
    negative_entries,
    time_to_idle,
    stale_while_revalidate,
    stale_if_error,
    soft_timeout,
    early_refresh,
    single_flight,
    single_flight_in_the_cluster,
    a_load_of_a_node_that_died,
    purge,
    expire,
    isolation_of_tenants,
}

/// How often a value that changes behind is looked for.
async fn until(rig: &Rig, expected: (Outcome, Option<String>)) {
    for _ in 0..500 {
        if rig.look("42").await == expected {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(rig.look("42").await, expected);
}

async fn bypass(on: Ground) {
    let rig = on.rig(Strategy::Bypass, |_| ()).await;
    for value in ["one", "two"] {
        rig.shop.set("42", value);
        assert_eq!(rig.look("42").await, (Outcome::Bypass, some(value)));
    }
}

async fn cache_aside(on: Ground) {
    let rig = on.rig(Strategy::CacheAside, |_| ()).await;
    let first = rig.read("42").await;
    assert_eq!(first.outcome, Outcome::Leased);
    let lease = first.lease.expect("the right to fill");
    let second = rig.start_read("42");
    on.quiet().await;
    let filling = rig.engine.fill(lease, Some(Value::new("one")), &[]).await;
    assert_eq!(filling.expect("is answered").not_stored, STORED);
    let second = join(second).await;
    assert_eq!(
        (second.outcome, text(&second.value)),
        (Outcome::Hit, some("one"))
    );
}

async fn read_through(on: Ground) {
    let rig = on.rig(Strategy::ReadThrough, |_| ()).await;
    rig.shop.set("42", "one");
    assert_eq!(rig.look("42").await, (Outcome::Miss, some("one")));
    rig.shop.set("42", "two");
    rig.clock.advance(TTL - 1);
    assert_eq!(rig.look("42").await, (Outcome::Hit, some("one")));
    rig.write("42", "three").await;
    assert_eq!(rig.look("42").await, (Outcome::Miss, some("three")));
    rig.clock.advance(TTL);
    rig.shop.set("42", "four");
    assert_eq!(rig.look("42").await, (Outcome::Miss, some("four")));
}

async fn write_through(on: Ground) {
    let rig = on
        .rig(Strategy::WriteThrough, |d| {
            d.freshness.negative_ttl_ms = 1_000;
        })
        .await;
    assert_eq!(rig.write("42", "one").await.not_stored, STORED);
    assert_eq!(rig.look("42").await, (Outcome::Hit, some("one")));
    rig.try_delete("42").await.expect("is deleted");
    assert_eq!(rig.look("42").await, (Outcome::NegativeHit, None));
    assert_eq!(rig.shop.loads(), 0);
}

/// How often two nodes write and read one key at once.
const ROUNDS: u64 = 1_000;

/// In whichever order the origin takes the writes and in whichever the nodes hear of it, the cache
/// ends with what the origin ended with.
async fn concurrent_writers(on: Ground) {
    let shop = Arc::new(Shop::default());
    shop.waver(2);
    let parts = || Parts {
        shop: Some(Arc::clone(&shop)),
        ..Parts::new(policy(Strategy::WriteThrough, |_, _| ()))
    };
    let [here, there] = on.pair(parts).await;
    let (mut hits, mut stored) = (0, 0);
    for round in 0..ROUNDS {
        let write = async |rig: &Rig, who: &str| {
            tokio::time::sleep(Duration::from_micros(fastrand::u64(..2_000))).await;
            rig.write("42", &format!("{who} {round}")).await.not_stored == STORED
        };
        let (one, two, three, _) = tokio::join!(
            write(&here, "here"),
            write(&there, "there"),
            write(&here, "here again"),
            there.read("42"),
        );
        stored += [one, two, three].into_iter().filter(|one| *one).count();
        let holds = shop.holds("42");
        for rig in [&here, &there] {
            let (outcome, value) = rig.look("42").await;
            assert_eq!(value, holds, "round {round}, by {outcome:?}");
            hits += usize::from(outcome == Outcome::Hit);
        }
    }
    assert!(
        stored > 0 && hits > 0,
        "the cache took part: {stored}, {hits}"
    );
}

async fn negative_entries(on: Ground) {
    let rig = on
        .rig(Strategy::ReadThrough, |d| {
            d.freshness.negative_ttl_ms = 1_000;
        })
        .await;
    assert_eq!(rig.look("42").await, (Outcome::Miss, None));
    rig.shop.set("42", "one");
    assert_eq!(rig.look("42").await, (Outcome::NegativeHit, None));
    rig.clock.advance(1_000);
    assert_eq!(rig.look("42").await, (Outcome::Miss, some("one")));
}

async fn time_to_idle(on: Ground) {
    let rig = on
        .rig(Strategy::ReadThrough, |d| d.freshness.time_to_idle_ms = 800)
        .await;
    rig.shop.set("42", "one");
    rig.read("42").await;
    for _ in 0..5 {
        rig.clock.advance(799);
        assert_eq!(rig.look("42").await.0, Outcome::Hit);
        // Where noting a read takes a round trip, it is done behind.
        on.quiet().await;
    }
    rig.clock.advance(901);
    assert_eq!(rig.look("42").await.0, Outcome::Miss);
}

async fn stale_while_revalidate(on: Ground) {
    let rig = on
        .rig(Strategy::ReadThrough, |d| {
            d.freshness.stale_while_revalidate_ms = 5_000;
        })
        .await;
    rig.shop.set("42", "one");
    rig.read("42").await;
    rig.shop.set("42", "two");
    rig.clock.advance(TTL);
    let gate = rig.shop.stop(Call::Load);
    for _ in 0..5 {
        assert_eq!(rig.look("42").await, (Outcome::Stale, some("one")));
    }
    gate.reached().await;
    gate.open();
    until(&rig, (Outcome::Hit, some("two"))).await;
    assert_eq!(rig.shop.loads(), 2);
}

async fn stale_if_error(on: Ground) {
    let rig = on
        .rig(Strategy::ReadThrough, |d| {
            d.freshness.stale_if_error_ms = 5_000;
        })
        .await;
    rig.shop.set("42", "one");
    rig.read("42").await;
    rig.clock.advance(TTL);
    rig.shop
        .fail_loads(Some(OriginError::Unreachable("told to fail".into())));
    assert_eq!(rig.look("42").await, (Outcome::StaleOnError, some("one")));
    rig.clock.advance(5_000);
    assert!(rig.try_read("42").await.is_err(), "past the window");
}

async fn soft_timeout(on: Ground) {
    let rig = on
        .rig(Strategy::ReadThrough, |d| {
            d.freshness.stale_if_error_ms = 5_000;
            d.loading.soft_timeout_ms = 20;
        })
        .await;
    rig.shop.set("42", "one");
    rig.read("42").await;
    rig.shop.set("42", "two");
    rig.clock.advance(TTL);
    let gate = rig.shop.stop(Call::Load);
    assert_eq!(rig.look("42").await, (Outcome::Stale, some("one")));
    gate.open();
    until(&rig, (Outcome::Hit, some("two"))).await;
}

async fn early_refresh(on: Ground) {
    let rig = on
        .rig(Strategy::ReadThrough, |d| {
            d.freshness.early_refresh_beta = 10.0;
        })
        .await;
    rig.shop.set("42", "one");
    rig.shop.slow_down(300);
    rig.read("42").await;
    rig.shop.slow_down(0);
    rig.shop.set("42", "two");
    rig.clock.advance(TTL - 1);
    // Still fresh, and refreshed behind by one of the next reads: e^(-1/3000) each.
    for _ in 0..3 {
        assert_ne!(rig.look("42").await.0, Outcome::Miss);
    }
    until(&rig, (Outcome::Hit, some("two"))).await;
}

async fn single_flight(on: Ground) {
    let rig = on.rig(Strategy::ReadThrough, |_| ()).await;
    rig.shop.set("42", "one");
    let gate = rig.shop.stop(Call::Load);
    let readers: Vec<_> = (0..100).map(|_| rig.start_read("42")).collect();
    gate.reached().await;
    on.quiet().await;
    gate.open();
    for reader in readers {
        assert_eq!(text(&join(reader).await.value), some("one"));
    }
    assert_eq!(rig.shop.loads(), 1);
}

fn per_cluster() -> Parts {
    Parts::new(policy(Strategy::ReadThrough, |_, d| {
        d.loading.stampede = Stampede::PerCluster;
    }))
}

/// On each of two nodes.
const READERS: usize = 1_000;

async fn single_flight_in_the_cluster(on: Ground) {
    let [here, there] = on.pair(per_cluster).await;
    for rig in [&here, &there] {
        rig.shop.set("42", "one");
    }
    let gate = here.shop.stop(Call::Load);
    let first: Vec<_> = (0..READERS).map(|_| here.start_read("42")).collect();
    gate.reached().await;
    let second: Vec<_> = (0..READERS).map(|_| there.start_read("42")).collect();
    on.quiet().await;
    gate.open();
    for reader in first.into_iter().chain(second) {
        assert_eq!(text(&join(reader).await.value), some("one"));
    }
    assert_eq!(here.shop.loads() + there.shop.loads(), 1);
}

/// Its lease is not extended any more, and runs out.
async fn a_load_of_a_node_that_died(on: Ground) {
    let [dead, alive] = on.pair(per_cluster).await;
    alive.shop.set("42", "one");
    let gate = dead.store.stop(crate::kit::When::After("lease"));
    let lost = dead.start_read("42");
    gate.reached().await;
    let waiting = alive.start_read("42");
    on.quiet().await;
    assert!(!waiting.is_finished());
    for rig in [&dead, &alive] {
        rig.clock.advance(3_000);
    }
    let waited = join(waiting).await;
    assert_eq!(text(&waited.value), some("one"));
    assert_eq!(waited.not_stored, STORED);
    assert_eq!((dead.shop.loads(), alive.shop.loads()), (0, 1));
    lost.abort();
}

async fn purge(on: Ground) {
    for aim in Aim::ALL {
        let rig = on.rig(Strategy::ReadThrough, |_| ()).await;
        rig.shop.set("42", "one");
        rig.read("42").await;
        rig.shop.set("42", "two");
        rig.clock.advance(1);
        rig.invalidate(aim, Mode::Purge).await;
        assert_eq!(
            rig.look("42").await,
            (Outcome::Miss, some("two")),
            "{aim:?}"
        );
        assert_eq!(rig.look("42").await, (Outcome::Hit, some("two")), "{aim:?}");
    }
}

async fn expire(on: Ground) {
    for aim in Aim::ALL {
        let rig = on
            .rig(Strategy::ReadThrough, |d| {
                d.freshness.stale_if_error_ms = 5_000;
            })
            .await;
        rig.shop.set("42", "one");
        rig.read("42").await;
        rig.clock.advance(1);
        rig.invalidate(aim, Mode::Expire).await;
        rig.shop
            .fail_loads(Some(OriginError::Unreachable("told to fail".into())));
        let covered = (Outcome::StaleOnError, some("one"));
        assert_eq!(rig.look("42").await, covered, "{aim:?}");
        rig.shop.fail_loads(None);
        rig.shop.set("42", "two");
        rig.clock.advance(2_000);
        let loaded = (Outcome::Expired, some("two"));
        assert_eq!(rig.look("42").await, loaded, "{aim:?}");
    }
}

async fn isolation_of_tenants(on: Ground) {
    let rig = on
        .rig(Strategy::ReadThrough, |d| d.freshness.negative_ttl_ms = TTL)
        .await;
    rig.shop.set("42", "one");
    rig.read("42").await;
    let theirs = async || {
        let request = Request::read("product", "42").tenant("acme");
        rig.engine.read(request).await.expect("is read").outcome
    };
    assert_eq!(theirs().await, Outcome::Miss);
    rig.invalidate(Aim::Namespace, Mode::Purge).await;
    assert_eq!(theirs().await, Outcome::NegativeHit, "it was not theirs");
}
