//! How long values are served, and what is served when they are too old.

use larder::core::{NotStored, Outcome, Strategy};
use larder::origin::OriginError;
use larder::{Engine, Error, Route, Tuning};

use crate::kit::{Call, Parts, STORED, TTL, decide, join, pass, policy, quiet, rig, some, text};
use larder::Request;
use larder::core::dependency::Mode;

use crate::kit::Aim;

fn down() -> Option<OriginError> {
    Some(OriginError::Unreachable("told to fail".into()))
}

#[tokio::test(start_paused = true)]
async fn a_miss_loads_and_the_next_read_hits() {
    let rig = rig(Strategy::ReadThrough, |_| ());
    rig.shop.set("42", "one");
    let miss = rig.read("42").await;
    assert_eq!((miss.outcome, miss.not_stored), (Outcome::Miss, STORED));
    assert_eq!((miss.age_ms, miss.ttl_ms), (None, Some(TTL)));
    rig.shop.set("42", "two");
    rig.clock.advance(4_000);
    let hit = rig.read("42").await;
    assert_eq!((hit.outcome, text(&hit.value)), (Outcome::Hit, some("one")));
    assert_eq!((hit.age_ms, hit.ttl_ms), (Some(4_000), Some(TTL - 4_000)));
    assert_eq!(rig.shop.log(), ["load /product/42"]);
}

#[tokio::test(start_paused = true)]
async fn absence_is_remembered_for_its_own_ttl() {
    let rig = rig(Strategy::ReadThrough, |d| d.freshness.negative_ttl_ms = 100);
    assert_eq!(rig.look("42").await, (Outcome::Miss, None));
    rig.shop.set("42", "one");
    rig.clock.advance(99);
    assert_eq!(rig.look("42").await, (Outcome::NegativeHit, None));
    rig.clock.advance(1);
    assert_eq!(rig.look("42").await, (Outcome::Miss, some("one")));
}

#[tokio::test(start_paused = true)]
async fn at_the_end_of_its_ttl_a_value_is_loaded_again() {
    for (stale_if_error_ms, outcome) in [(0, Outcome::Miss), (500, Outcome::Expired)] {
        let parts = policy(Strategy::ReadThrough, move |_, d| {
            d.freshness.stale_if_error_ms = stale_if_error_ms;
        });
        let rig = Parts::new(parts).build();
        rig.shop.set("42", "one");
        rig.read("42").await;
        rig.shop.set("42", "two");
        rig.clock.advance(TTL - 1);
        assert_eq!(rig.look("42").await, (Outcome::Hit, some("one")));
        rig.clock.advance(1);
        assert_eq!(rig.look("42").await, (outcome, some("two")));
        assert_eq!(rig.look("42").await, (Outcome::Hit, some("two")));
    }
}

#[tokio::test(start_paused = true)]
async fn jitter_never_lengthens_a_ttl() {
    let rig = rig(Strategy::ReadThrough, |d| d.freshness.jitter_percent = 50);
    let mut shortened = 0;
    for id in 0..100 {
        let ttl = rig.read(&id.to_string()).await;
        assert_eq!(ttl.not_stored, Some(NotStored::ZeroTtl), "nothing there");
        rig.shop.set(&id.to_string(), "x");
        let ttl = rig.read(&id.to_string()).await.ttl_ms.expect("is stored");
        assert!((TTL / 2..=TTL).contains(&ttl), "{ttl}");
        shortened += u32::from(ttl < TTL);
    }
    assert!(shortened > 50, "{shortened}");
}

#[tokio::test(start_paused = true)]
async fn a_value_that_nobody_reads_ends_early() {
    let rig = rig(Strategy::ReadThrough, |d| d.freshness.time_to_idle_ms = 100);
    rig.shop.set("42", "one");
    rig.read("42").await;
    for _ in 0..5 {
        rig.clock.advance(99);
        assert_eq!(rig.look("42").await.0, Outcome::Hit);
    }
    rig.clock.advance(100);
    assert_eq!(rig.look("42").await.0, Outcome::Miss);
}

#[tokio::test(start_paused = true)]
async fn a_stale_value_is_served_while_one_refresh_runs() {
    let rig = rig(Strategy::ReadThrough, |d| {
        d.freshness.stale_while_revalidate_ms = 500;
    });
    rig.shop.set("42", "one");
    rig.read("42").await;
    rig.shop.set("42", "two");
    rig.clock.advance(TTL);
    let gate = rig.shop.stop(Call::Load);
    for _ in 0..10 {
        let stale = rig.read("42").await;
        assert_eq!(
            (stale.outcome, text(&stale.value)),
            (Outcome::Stale, some("one"))
        );
        assert_eq!((stale.age_ms, stale.ttl_ms), (Some(TTL), None));
    }
    gate.reached().await;
    gate.open();
    quiet().await;
    assert_eq!(rig.look("42").await, (Outcome::Hit, some("two")));
    assert_eq!(rig.shop.loads(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_stale_value_covers_for_a_failing_origin_which_is_asked_now_and_then() {
    let parts = policy(Strategy::ReadThrough, |_, d| {
        d.freshness.stale_if_error_ms = 60_000;
    });
    let rig = Parts {
        tuning: Tuning {
            retry_after_ms: 1_000,
            ..Tuning::default()
        },
        ..Parts::new(parts)
    }
    .build();
    rig.shop.set("42", "one");
    rig.read("42").await;
    rig.shop.set("42", "two");
    rig.shop.fail_loads(down());
    rig.clock.advance(TTL);
    for calls in 2..5 {
        for _ in 0..10 {
            assert_eq!(rig.look("42").await, (Outcome::StaleOnError, some("one")));
        }
        assert_eq!(rig.shop.loads(), calls, "once within retry_after_ms");
        rig.clock.advance(1_000);
    }
    rig.shop.fail_loads(None);
    assert_eq!(rig.look("42").await, (Outcome::Expired, some("two")));
    rig.shop.fail_loads(down());
    rig.clock.advance(TTL + 60_000);
    let error = rig.try_read("42").await.expect_err("nothing is left");
    assert_eq!(error.code(), "origin_unreachable");
}

#[tokio::test(start_paused = true)]
async fn what_the_origin_refuses_is_not_hidden_by_a_stale_value_and_the_entry_goes() {
    for (error, windows) in [
        (OriginError::Rejected("no such field".into()), (60_000, 0)),
        (OriginError::TooLarge { limit_bytes: 1 }, (60_000, 0)),
        (
            OriginError::Rejected("no such field".into()),
            (60_000, 60_000),
        ),
    ] {
        let parts = policy(Strategy::ReadThrough, move |_, d| {
            d.freshness.stale_if_error_ms = windows.0;
            d.freshness.stale_while_revalidate_ms = windows.1;
        });
        let rig = Parts::new(parts).build();
        rig.shop.set("42", "one");
        rig.read("42").await;
        rig.shop.fail_loads(Some(error.clone()));
        rig.clock.advance(TTL);
        if windows.1 > 0 {
            // The refresh behind this read is what hears of it.
            assert_eq!(rig.look("42").await, (Outcome::Stale, some("one")));
            quiet().await;
        }
        for _ in 0..2 {
            let told = rig.try_read("42").await.expect_err("is told");
            assert_eq!(told, Error::Origin(error.clone()));
        }
        rig.shop.fail_loads(None);
        assert_eq!(rig.look("42").await, (Outcome::Miss, some("one")));
    }
}

#[tokio::test(start_paused = true)]
async fn a_schema_that_no_longer_fits_is_a_failure_that_a_stale_value_may_hide() {
    let rig = rig(Strategy::ReadThrough, |d| {
        d.freshness.stale_if_error_ms = 60_000;
    });
    rig.shop.set("42", "one");
    rig.read("42").await;
    let renamed = OriginError::Schema("no column `price`".into());
    rig.shop.fail_loads(Some(renamed));
    rig.clock.advance(TTL);
    assert_eq!(rig.look("42").await, (Outcome::StaleOnError, some("one")));
    let error = rig
        .try_read("7")
        .await
        .expect_err("nothing is there to hide it");
    assert_eq!(error.code(), "origin_schema");
}

#[tokio::test(start_paused = true)]
async fn a_failed_refresh_behind_is_not_repeated_at_once() {
    let rig = rig(Strategy::ReadThrough, |d| {
        d.freshness.stale_while_revalidate_ms = 60_000;
    });
    rig.shop.set("42", "one");
    rig.read("42").await;
    rig.shop.fail_loads(down());
    rig.clock.advance(TTL);
    for _ in 0..10 {
        assert_eq!(rig.look("42").await, (Outcome::Stale, some("one")));
        quiet().await;
    }
    assert_eq!(rig.shop.loads(), 2);
}

#[tokio::test(start_paused = true)]
async fn after_the_soft_timeout_the_stale_value_is_served_and_the_load_goes_on() {
    let rig = rig(Strategy::ReadThrough, |d| {
        d.freshness.stale_if_error_ms = 60_000;
        d.loading.soft_timeout_ms = 100;
    });
    rig.shop.set("42", "one");
    rig.read("42").await;
    rig.shop.set("42", "two");
    rig.clock.advance(TTL);
    let (reader, gate) = rig.stopped_read("42").await;
    pass(99).await;
    assert!(!reader.is_finished());
    pass(1).await;
    let reading = join(reader).await;
    assert_eq!(
        (reading.outcome, text(&reading.value)),
        (Outcome::Stale, some("one"))
    );
    gate.open();
    quiet().await;
    assert_eq!(rig.look("42").await, (Outcome::Hit, some("two")));
    assert_eq!(rig.shop.loads(), 2);
}

#[tokio::test(start_paused = true)]
async fn after_the_hard_timeout_the_load_is_given_up_and_the_key_is_free() {
    let rig = rig(Strategy::ReadThrough, |d| {
        d.loading.hard_timeout_ms = 100;
    });
    rig.shop.set("42", "one");
    let (reader, _gate) = rig.stopped_read("42").await;
    pass(100).await;
    let error = reader.await.expect("ends").expect_err("is given up");
    assert_eq!(error, Error::LoadTimeout { limit_ms: 100 });
    let next = rig.read("42").await;
    assert_eq!((next.outcome, next.not_stored), (Outcome::Miss, STORED));
}

#[tokio::test(start_paused = true)]
async fn a_value_that_was_costly_to_load_is_refreshed_before_its_end() {
    let rig = rig(Strategy::ReadThrough, |d| {
        d.freshness.early_refresh_beta = 10.0;
    });
    rig.shop.set("42", "one");
    rig.shop.slow_down(1_000);
    rig.read("42").await;
    rig.shop.set("42", "two");
    rig.clock.advance(TTL - 1);
    // With 1 s of cost and weight 10, one read in ten thousand would leave it alone.
    for _ in 0..5 {
        assert_eq!(rig.look("42").await, (Outcome::Hit, some("one")));
    }
    quiet().await;
    pass(1_000).await;
    assert_eq!(rig.look("42").await, (Outcome::Hit, some("two")));
    assert!(rig.shop.loads() >= 2);
}

#[tokio::test(start_paused = true)]
async fn expiring_leaves_the_value_to_its_stale_windows() {
    for aim in Aim::ALL {
        let rig = rig(Strategy::ReadThrough, |d| {
            d.freshness.stale_if_error_ms = 500;
        });
        rig.shop.set("42", "one");
        rig.read("42").await;
        rig.shop.set("42", "two");
        rig.clock.advance(1);
        rig.invalidate(aim, Mode::Expire).await;
        rig.shop.fail_loads(down());
        assert_eq!(
            rig.look("42").await,
            (Outcome::StaleOnError, some("one")),
            "{aim:?}"
        );
        rig.shop.fail_loads(None);
        rig.clock.advance(1_000);
        assert_eq!(rig.look("42").await.1, some("two"), "{aim:?}");
    }
}

/// The origin said that the thing is gone, or the policy that it must not be kept: the value from
/// before was otherwise served until the end of its stale windows.
#[tokio::test(start_paused = true)]
async fn a_refresh_that_may_not_be_stored_takes_the_older_value_away() {
    let rig = rig(Strategy::ReadThrough, |d| {
        d.freshness.stale_while_revalidate_ms = 60_000;
        d.freshness.stale_if_error_ms = 60_000;
    });
    rig.shop.set("42", "one");
    rig.read("42").await;
    rig.shop.remove("42");
    rig.clock.advance(TTL);
    assert_eq!(rig.look("42").await, (Outcome::Stale, some("one")));
    quiet().await;
    assert_eq!(rig.look("42").await, (Outcome::Miss, None));
}

#[tokio::test(start_paused = true)]
async fn deciding_acts_on_nothing() {
    let rig = rig(Strategy::ReadThrough, |_| ());
    for request in [
        Request::read("product", "42"),
        Request::write("product", "42"),
        Request::delete("product", "42"),
    ] {
        let decided = rig.engine.decide(&request).expect("decides");
        let mut expected = decide(Strategy::ReadThrough, &request);
        expected.namespace = "product".into();
        assert_eq!(decided.decision, expected);
        assert_eq!(decided.fallback, None);
    }
    assert_eq!(rig.shop.log(), [""; 0]);
    assert_eq!(rig.engine.status().store.entries, 0);
}

#[tokio::test(start_paused = true)]
async fn an_entry_of_an_older_build_is_retired_where_that_is_asked_for() {
    for (retire, outcome) in [(false, Outcome::Hit), (true, Outcome::Miss)] {
        let rig = rig(Strategy::ReadThrough, |_| ());
        rig.shop.set("42", "one");
        let engine = Engine::builder(rig.policies.clone(), rig.store.clone())
            .route(Route::new("*", "native").origin("shop"))
            .origin("shop", rig.shop.clone())
            .clock(rig.clock.clone())
            .retire(retire)
            .build()
            .expect("the parts fit");
        let read = async || {
            let reading = engine.read(Request::read("product", "42")).await;
            reading.expect("is read").outcome
        };
        assert_eq!(read().await, Outcome::Miss);
        assert_eq!(read().await, Outcome::Hit);
        let newer = policy(Strategy::ReadThrough, |_, _| ()).revision("newer");
        rig.policies.put(newer);
        assert_eq!(read().await, outcome);
        assert_eq!(read().await, Outcome::Hit, "it is the newer build's now");
    }
}
