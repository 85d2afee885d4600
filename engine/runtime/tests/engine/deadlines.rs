//! Nobody waits longer than it said, whatever it waits for.

use larder::core::{NotStored, Outcome, Stampede, Strategy};
use larder::store::{LeaseRequest, Leased, Store};
use larder::{Error, OriginLimits, Request, Tuning};

use crate::kit::{
    Call, Parts, STORED, TTL, When, join, pass, policy, quiet, rig, some, text, timed,
};

fn request(id: &str) -> Request {
    Request::read("product", id)
}

#[tokio::test(start_paused = true)]
async fn a_stuck_load_is_waited_for_until_the_deadline_and_goes_on_for_others() {
    let rig = rig(Strategy::ReadThrough, |_| ());
    rig.shop.set("42", "one");
    let gate = rig.shop.stop(Call::Load);
    let pilot = timed(&rig.engine, request("42"), 200);
    gate.reached().await;
    let passenger = timed(&rig.engine, request("42"), 100);
    let patient = rig.start_read("42");
    for (reader, limit) in [(pilot, 200), (passenger, 100)] {
        let (result, took) = reader.await.expect("ends");
        assert_eq!(result.expect_err("is late"), Error::DeadlineExceeded);
        assert_eq!(took, limit);
    }
    gate.open();
    let patient = join(patient).await;
    assert_eq!(
        (text(&patient.value), patient.not_stored),
        (some("one"), STORED)
    );
    assert_eq!(rig.look("42").await.0, Outcome::Hit);
    assert_eq!(rig.shop.loads(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_stale_value_is_the_answer_at_the_deadline() {
    let rig = rig(Strategy::ReadThrough, |d| {
        d.freshness.stale_if_error_ms = 60_000;
    });
    rig.shop.set("42", "one");
    rig.read("42").await;
    rig.pass(TTL).await;
    let _gate = rig.shop.stop(Call::Load);
    let (result, took) = timed(&rig.engine, request("42"), 200).await.expect("ends");
    let reading = result.expect("is stale");
    assert_eq!(
        (reading.outcome, text(&reading.value), took),
        (Outcome::StaleOnError, some("one"), 200)
    );
}

#[tokio::test(start_paused = true)]
async fn a_load_that_leaves_the_cache_alone_ends_with_its_caller() {
    let rig = rig(Strategy::Bypass, |_| ());
    let _gate = rig.shop.stop(Call::Load);
    let (result, took) = timed(&rig.engine, request("42"), 200).await.expect("ends");
    assert_eq!(result.expect_err("is late").code(), "deadline_exceeded");
    assert_eq!(took, 200);
}

#[tokio::test(start_paused = true)]
async fn an_application_waits_for_the_lease_until_its_deadline() {
    let rig = rig(Strategy::CacheAside, |_| ());
    assert_eq!(rig.read("42").await.outcome, Outcome::Leased);
    let (result, took) = timed(&rig.engine, request("42"), 200).await.expect("ends");
    assert_eq!(result.expect_err("is late"), Error::DeadlineExceeded);
    assert_eq!(took, 200);
    let (result, took) = timed(&rig.engine, request("42"), 1_001)
        .await
        .expect("ends");
    let outcome = result.expect("is told").outcome;
    assert_eq!((outcome, took), (Outcome::LeasedElsewhere, 1_000));
}

#[tokio::test(start_paused = true)]
async fn a_stuck_store_holds_nobody_beyond_the_deadline() {
    for strategy in [Strategy::ReadThrough, Strategy::CacheAside] {
        for call in ["get", "versions", "lease"] {
            let rig = rig(strategy, |_| ());
            let _gate = rig.store.stop(When::Before(call));
            let (result, took) = timed(&rig.engine, request("42"), 200).await.expect("ends");
            assert_eq!(result.expect_err("is late"), Error::DeadlineExceeded);
            assert_eq!(took, 200, "{strategy:?} {call}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_stale_value_does_not_wait_for_the_lease_that_should_come_with_it() {
    let rig = rig(Strategy::CacheAside, |d| {
        d.freshness.stale_while_revalidate_ms = 60_000;
    });
    let lease = rig.read("42").await.lease.expect("is given");
    let value = Some(larder::Value::new("one"));
    rig.engine.fill(lease, value, &[]).await.expect("is filled");
    rig.pass(TTL).await;
    let _gate = rig.store.stop(When::Before("lease"));
    let (result, took) = timed(&rig.engine, request("42"), 200).await.expect("ends");
    let reading = result.expect("is stale");
    assert_eq!((reading.outcome, took), (Outcome::Stale, 100));
    assert!(reading.lease.is_none());
}

#[tokio::test(start_paused = true)]
async fn what_is_there_is_served_even_when_the_time_is_over() {
    let rig = rig(Strategy::ReadThrough, |d| {
        d.freshness.stale_if_error_ms = 60_000;
    });
    let (result, _) = timed(&rig.engine, request("42"), 0).await.expect("ends");
    assert_eq!(result.expect_err("is late"), Error::DeadlineExceeded);
    assert_eq!(rig.shop.loads(), 0, "nobody would wait for it");
    rig.shop.set("42", "one");
    rig.read("42").await;
    for outcome in [Outcome::Hit, Outcome::StaleOnError] {
        let (result, _) = timed(&rig.engine, request("42"), 0).await.expect("ends");
        assert_eq!(result.expect("is there").outcome, outcome);
        rig.pass(TTL).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_place_is_waited_for_half_of_the_time() {
    let rig = Parts {
        limits: OriginLimits {
            concurrency: 1,
            ..OriginLimits::default()
        },
        ..Parts::new(policy(Strategy::Bypass, |_, _| ()))
    }
    .build();
    let (_stuck, gate) = rig.stopped_read("1").await;
    let (result, took) = timed(&rig.engine, request("2"), 400).await.expect("ends");
    assert_eq!(result.expect_err("is refused").code(), "overloaded");
    assert_eq!(took, 200);
    let reader = timed(&rig.engine, request("2"), 400);
    quiet().await;
    pass(199).await;
    gate.open();
    assert!(
        reader.await.expect("ends").0.is_ok(),
        "time is left to load"
    );
}

#[tokio::test(start_paused = true)]
async fn another_nodes_load_is_waited_for_half_of_the_time() {
    let rig = rig(Strategy::ReadThrough, |d| {
        d.loading.stampede = Stampede::PerCluster;
    });
    rig.shop.set("42", "one");
    let key = larder::core::Key::new("", "product", "product:42");
    let wish = LeaseRequest {
        key: &key,
        ttl_ms: 3_000,
        share: false,
        seen: None,
        now: larder::core::Clock::now(&*rig.clock),
    };
    let held = rig.store.lease(wish).await;
    assert!(matches!(held, Ok(Leased::Granted(_))));
    let (result, took) = timed(&rig.engine, request("42"), 1_000)
        .await
        .expect("ends");
    let reading = result.expect("is loaded");
    assert_eq!(text(&reading.value), some("one"));
    assert_eq!(reading.not_stored, Some(NotStored::LeasedElsewhere));
    assert_eq!(took, 500);
}

#[tokio::test(start_paused = true)]
async fn without_a_deadline_the_engine_has_one() {
    let rig = Parts {
        tuning: Tuning {
            read_timeout_ms: 500,
            ..Tuning::default()
        },
        ..Parts::new(policy(Strategy::ReadThrough, |_, _| ()))
    }
    .build();
    let (reader, _gate) = rig.stopped_read("42").await;
    pass(499).await;
    assert!(!reader.is_finished());
    pass(1).await;
    let error = reader.await.expect("ends").expect_err("is late");
    assert_eq!(error, Error::DeadlineExceeded);
}
