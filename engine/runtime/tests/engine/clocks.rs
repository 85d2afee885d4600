//! Which clock counts what: the wall clock is set back and forward, and begins anywhere.

use std::sync::Arc;

use larder::core::dependency::Mode;
use larder::core::{Outcome, Strategy};
use larder::origin::OriginError;
use larder::{Request, Tuning, Value};

use crate::kit::{Aim, Hands, Parts, Rig, TTL, policy, quiet, some};

const HOUR: u64 = 3_600_000;

/// Over a store of the engine's own, with a wall clock beside.
fn own(strategy: Strategy, stale_ms: u64) -> (Rig, Arc<Hands>) {
    let wall = Arc::new(Hands::default());
    let mut parts = Parts::new(policy(strategy, move |_, decision| {
        decision.freshness.stale_while_revalidate_ms = stale_ms;
        decision.freshness.stale_if_error_ms = stale_ms;
    }));
    parts.wall = Some(Arc::clone(&wall));
    parts.tuning = Tuning {
        retry_after_ms: 1_000,
        ..Tuning::default()
    };
    (parts.build(), wall)
}

#[tokio::test(start_paused = true)]
async fn a_ttl_is_counted_on_a_clock_that_nobody_sets() {
    let sets: [fn(&Hands); 3] = [
        |wall| wall.set_back(HOUR),
        |wall| wall.advance(HOUR),
        |wall| {
            wall.advance(HOUR);
            wall.set_back(HOUR);
        },
    ];
    for set in sets {
        let (rig, wall) = own(Strategy::ReadThrough, 0);
        rig.shop.set("42", "one");
        rig.read("42").await;
        rig.shop.set("42", "two");
        set(&wall);
        rig.clock.advance(TTL - 1);
        assert_eq!(rig.look("42").await, (Outcome::Hit, some("one")));
        let hit = rig.read("42").await;
        assert_eq!((hit.age_ms, hit.ttl_ms), (Some(TTL - 1), Some(1)));
        rig.clock.advance(1);
        assert_eq!(rig.look("42").await, (Outcome::Miss, some("two")));
    }
}

#[tokio::test(start_paused = true)]
async fn stale_windows_and_invalidations_go_by_the_clock_that_nobody_sets() {
    let (rig, wall) = own(Strategy::ReadThrough, 500);
    rig.shop.set("42", "one");
    rig.read("42").await;
    wall.set_back(HOUR);
    rig.invalidate(Aim::Tag, Mode::Expire).await;
    rig.shop
        .fail_loads(Some(OriginError::Unreachable("told to fail".into())));
    assert_eq!(rig.look("42").await.0, Outcome::Stale);
    quiet().await;
    wall.advance(2 * HOUR);
    rig.clock.advance(499);
    assert_eq!(rig.look("42").await.0, Outcome::Stale);
    rig.clock.advance(1);
    assert!(rig.try_read("42").await.is_err(), "the window is over");
}

#[tokio::test(start_paused = true)]
async fn a_refresh_that_failed_is_tried_again_in_time_though_the_clock_was_set_back() {
    for shared in [false, true] {
        let wall = Arc::new(Hands::default());
        let mut parts = Parts::new(policy(Strategy::ReadThrough, |_, decision| {
            decision.freshness.stale_while_revalidate_ms = 2 * HOUR;
        }));
        (parts.wall, parts.shared) = (Some(Arc::clone(&wall)), shared);
        parts.tuning.retry_after_ms = 1_000;
        let rig = parts.build();
        rig.shop.set("42", "one");
        rig.read("42").await;
        for clock in [&wall, &rig.clock] {
            clock.advance(TTL + HOUR);
        }
        rig.shop
            .fail_loads(Some(OriginError::Unreachable("told to fail".into())));
        rig.read("42").await;
        quiet().await;
        rig.shop.fail_loads(None);
        let loads = rig.shop.loads();
        wall.set_back(HOUR - 1);
        rig.read("42").await;
        quiet().await;
        assert_eq!(rig.shop.loads(), loads, "too soon");
        rig.clock.advance(1_000);
        rig.read("42").await;
        quiet().await;
        assert_eq!(rig.shop.loads(), loads + 1, "shared: {shared}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_lease_of_an_application_ends_when_it_should() {
    let (rig, wall) = own(Strategy::CacheAside, 0);
    let reading = rig.read("42").await;
    let lease = reading.lease.expect("nobody else has it");
    let lasts = lease.ttl_ms();
    wall.advance(HOUR);
    rig.clock.advance(lasts - 1);
    let value = Some(Value::new("one"));
    let filled = rig.engine.fill(lease.clone(), value.clone(), &[]).await;
    assert_eq!(
        filled.expect("is answered").not_stored,
        None,
        "it has not ended"
    );
    rig.invalidate(Aim::Key, Mode::Purge).await;
    let lease = rig.read("42").await.lease.expect("nobody else has it");
    wall.set_back(2 * HOUR);
    rig.clock.advance(lasts);
    let filled = rig.engine.fill(lease, value, &[]).await;
    assert!(filled.expect("is answered").not_stored.is_some(), "it has");
}

#[tokio::test(start_paused = true)]
async fn over_a_store_that_others_share_the_wall_clock_counts_and_no_age_is_negative() {
    let wall = Arc::new(Hands::default());
    let mut parts = Parts::new(policy(Strategy::ReadThrough, |_, _| ()));
    (parts.wall, parts.shared) = (Some(Arc::clone(&wall)), true);
    let rig = parts.build();
    rig.shop.set("42", "one");
    rig.read("42").await;
    rig.clock.advance(TTL);
    wall.set_back(1_000);
    let hit = rig.read("42").await;
    assert_eq!((hit.outcome, hit.age_ms), (Outcome::Hit, Some(0)));
    wall.advance(1_000 + TTL);
    assert_eq!(rig.look("42").await.0, Outcome::Miss);
}

#[tokio::test(start_paused = true)]
async fn a_machine_whose_clock_was_never_set_caches_and_invalidates() {
    let parts = Parts::new(policy(Strategy::ReadThrough, |_, decision| {
        decision.freshness.stale_if_error_ms = 500;
    }));
    let memory = larder::store::MemoryStore::new(larder::store::MemoryConfig::default());
    let rig = parts.build_over(Arc::new(memory), Hands::from_the_epoch());
    for aim in Aim::ALL {
        rig.shop.set("42", "one");
        rig.read("42").await;
        assert_eq!(rig.look("42").await, (Outcome::Hit, some("one")), "{aim:?}");
        rig.shop.set("42", "two");
        rig.invalidate(aim, Mode::Purge).await;
        assert_eq!(
            rig.look("42").await,
            (Outcome::Miss, some("two")),
            "{aim:?}"
        );
        rig.invalidate(aim, Mode::Expire).await;
        assert_eq!(rig.look("42").await.0, Outcome::Expired, "{aim:?}");
        rig.invalidate(Aim::Key, Mode::Purge).await;
    }
    // Somebody sets it.
    rig.read("42").await;
    rig.clock.advance(1_800_000_000_000);
    assert_eq!(rig.look("42").await.0, Outcome::Miss);
    assert_eq!(rig.look("42").await.0, Outcome::Hit);
    let write = rig
        .engine
        .write(Request::write("product", "42"), Value::new("x"));
    write.await.expect("is written");
}
