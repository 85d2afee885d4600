//! An origin that keeps failing is left alone, and tried with one call at a time.

use larder::core::{Outcome, Strategy};
use larder::origin::OriginError;
use larder::{BreakerConfig, Error, OriginLimits, Request, Value};

use crate::kit::{Parts, Rig, TTL, join, policy, quiet, rig, some, text};

fn down() -> OriginError {
    OriginError::Unreachable("no route".into())
}

/// Loads that fail, each for a key of its own.
async fn fail(rig: &Rig, count: usize) {
    rig.shop.fail_loads(Some(down()));
    for i in 0..count {
        let error = rig.try_read(&format!("f{i}")).await.expect_err("fails");
        assert_eq!(error.code(), "origin_unreachable", "{i}");
    }
}

fn minimum() -> usize {
    BreakerConfig::default().minimum_calls as usize
}

#[tokio::test(start_paused = true)]
async fn an_origin_that_is_down_for_ten_minutes_is_asked_at_the_probe_rate() {
    let rig = rig(Strategy::ReadThrough, |d| {
        d.freshness.stale_if_error_ms = 3_600_000;
    });
    let ids: Vec<_> = (0..50).map(|i| i.to_string()).collect();
    for id in &ids {
        rig.shop.set(id, "one");
        rig.read(id).await;
    }
    rig.shop.fail_loads(Some(down()));
    rig.pass(TTL).await;
    let before = rig.shop.loads();
    for _ in 0..600 {
        for id in &ids {
            assert_eq!(rig.look(id).await, (Outcome::StaleOnError, some("one")));
        }
        rig.pass(1_000).await;
    }
    let calls = rig.shop.loads() - before;
    let probes = 600_000 / BreakerConfig::default().open_ms as usize;
    assert!(calls <= minimum() + probes, "{calls} calls");
    assert!(calls >= probes / 2, "{calls} calls: nobody would notice");

    rig.shop.fail_loads(None);
    rig.pass(6_000).await;
    for id in &ids {
        assert_eq!(rig.look(id).await, (Outcome::Expired, some("one")));
    }
}

#[tokio::test(start_paused = true)]
async fn while_it_is_open_misses_and_writes_fail_at_once_and_what_is_cached_stays() {
    for strategy in [
        Strategy::ReadThrough,
        Strategy::WriteThrough,
        Strategy::Bypass,
    ] {
        let rig = rig(strategy, |_| ());
        rig.shop.set("42", "one");
        rig.read("42").await;
        rig.pass(9_999).await;
        // The answer that came first is one of the twenty.
        fail(&rig, minimum() - 1).await;
        rig.shop.log();
        let write = rig.try_write("42", "two").await.map(drop);
        let delete = rig.try_delete("42").await.map(drop);
        let miss = rig.try_read("43").await.map(drop);
        for refused in [write, delete, miss] {
            let error = refused.expect_err("is refused");
            assert_eq!(error.code(), "origin_unavailable", "{strategy:?}");
            let after = error.retry_after_ms().expect("says when");
            assert!((5_000..=6_000).contains(&after), "{after}");
            assert!(error.to_string().contains("`shop`"), "{error}");
        }
        assert_eq!(rig.shop.log(), [""; 0], "{strategy:?}");
        if strategy != Strategy::Bypass {
            assert_eq!(rig.look("42").await, (Outcome::Hit, some("one")));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn one_probe_is_let_through_and_decides() {
    let rig = rig(Strategy::ReadThrough, |_| ());
    fail(&rig, minimum()).await;
    rig.pass(6_000).await;
    rig.shop.fail_loads(None);
    rig.shop.set("42", "one");
    let (probe, gate) = rig.stopped_read("42").await;
    let error = rig.try_read("43").await.expect_err("is refused");
    assert_eq!(error.retry_after_ms(), Some(1_000));
    gate.open();
    assert_eq!(text(&join(probe).await.value), some("one"));
    assert_eq!(rig.read("43").await.outcome, Outcome::Miss);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_is_given_up_makes_room_for_the_next() {
    let rig = rig(Strategy::Bypass, |_| ());
    fail(&rig, minimum()).await;
    rig.pass(6_000).await;
    rig.shop.fail_loads(None);
    let (probe, _gate) = rig.stopped_read("42").await;
    probe.abort();
    quiet().await;
    assert_eq!(rig.read("42").await.outcome, Outcome::Bypass);
}

#[tokio::test(start_paused = true)]
async fn answers_that_are_not_what_one_hoped_for_are_answers() {
    let rig = rig(Strategy::ReadThrough, |_| ());
    for error in [
        OriginError::Rejected("no".into()),
        OriginError::TooLarge { limit_bytes: 1 },
    ] {
        rig.shop.fail_loads(Some(error.clone()));
        for i in 0..100 {
            let got = rig.try_read(&i.to_string()).await.expect_err("is told");
            assert_eq!(got, Error::Origin(error.clone()));
        }
    }
    rig.shop.fail_loads(None);
    for i in 0..100 {
        assert_eq!(rig.read(&i.to_string()).await.value, None, "absent");
    }
}

#[tokio::test(start_paused = true)]
async fn writes_that_fail_open_it_as_well() {
    let rig = rig(Strategy::ReadThrough, |_| ());
    rig.shop
        .fail_writes(Some(OriginError::Timeout { limit_ms: 1 }));
    for _ in 0..minimum() {
        let error = rig.try_write("42", "x").await.expect_err("fails");
        assert_eq!(error.code(), "origin_timeout");
    }
    let error = rig.try_read("42").await.expect_err("is refused");
    assert_eq!(error.code(), "origin_unavailable");
}

#[tokio::test(start_paused = true)]
async fn closures_are_limited_under_the_name_of_their_policy() {
    let parts = Parts {
        origin: false,
        limits: OriginLimits {
            breaker: BreakerConfig {
                minimum_calls: 3,
                ..BreakerConfig::default()
            },
            ..OriginLimits::default()
        },
        ..Parts::new(policy(Strategy::ReadThrough, |_, _| ()))
    };
    let rig = parts.build();
    let mut codes = Vec::new();
    for i in 0..4 {
        let load = || async { Err::<Option<Value>, _>("no luck") };
        let request = Request::read("product", i.to_string());
        let result = rig.engine.get_or_load(request, load).await;
        codes.push(result.expect_err("fails"));
    }
    let names: Vec<_> = codes.iter().map(Error::code).collect();
    assert_eq!(names[2..], ["loader_failed", "origin_unavailable"]);
    assert!(codes[3].to_string().contains("`native`"));
}
