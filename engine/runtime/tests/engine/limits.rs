//! The most calls that an origin gets at once, in all and from each tenant.

use larder::core::{Outcome, Strategy};
use larder::{Engine, Error, OriginLimits, Reading, Request, Value};

use crate::kit::{Call, Parts, Rig, Running, TTL, join, pass, policy, quiet, some};

fn limited(strategy: Strategy, concurrency: u32, tenant_concurrency: u32) -> Rig {
    let parts = Parts {
        limits: OriginLimits {
            concurrency,
            tenant_concurrency,
            ..OriginLimits::default()
        },
        ..Parts::new(policy(strategy, |_, decision| {
            decision.freshness.stale_if_error_ms = 60_000;
        }))
    };
    parts.build()
}

fn start(engine: &Engine, tenant: &str, id: &str) -> Running<Reading> {
    let (engine, mut request) = (engine.clone(), Request::read("product", id));
    request.tenant = tenant.into();
    tokio::spawn(async move { engine.read(request).await })
}

#[tokio::test(start_paused = true)]
async fn the_origin_never_has_more_calls_than_it_may() {
    for strategy in [
        Strategy::ReadThrough,
        Strategy::Bypass,
        Strategy::WriteThrough,
    ] {
        let rig = limited(strategy, 8, 0);
        rig.shop.slow_down(10);
        let readers: Vec<_> = (0..100).map(|i| rig.start_read(&i.to_string())).collect();
        let writers: Vec<_> = (0..100)
            .map(|i| rig.start_write(&format!("w{i}"), "x"))
            .collect();
        let mut deletes = Vec::new();
        for i in 0..50 {
            let (engine, id) = (rig.engine.clone(), format!("d{i}"));
            deletes.push(tokio::spawn(async move {
                engine.delete(Request::delete("product", id)).await
            }));
        }
        for reader in readers {
            join(reader).await;
        }
        for writer in writers.into_iter().chain(deletes) {
            join(writer).await;
        }
        assert_eq!(rig.shop.peak(), 8, "{strategy:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_tenant_does_not_starve_another() {
    let rig = limited(Strategy::ReadThrough, 4, 2);
    let gates = [rig.shop.stop(Call::Load), rig.shop.stop(Call::Load)];
    let greedy: Vec<_> = (0..50)
        .map(|i| start(&rig.engine, "greedy", &i.to_string()))
        .collect();
    for gate in &gates {
        gate.reached().await;
    }
    for i in 0..10 {
        let other = start(&rig.engine, "modest", &i.to_string());
        quiet().await;
        assert!(other.is_finished(), "and at once");
    }
    pass(1_000).await;
    for gate in &gates {
        gate.open();
    }
    let mut refused = 0;
    for reader in greedy {
        if let Err(error) = reader.await.expect("ends") {
            assert_eq!(error.code(), "overloaded");
            assert_eq!(error.retry_after_ms(), Some(1_000));
            assert!(error.to_string().contains("tenant `greedy`"), "{error}");
            refused += 1;
        }
    }
    assert_eq!(refused, 48);
}

#[tokio::test(start_paused = true)]
async fn without_a_place_a_stale_value_is_served_and_a_miss_is_told_when_to_come_back() {
    let rig = limited(Strategy::ReadThrough, 1, 0);
    rig.shop.set("42", "one");
    rig.read("42").await;
    rig.pass(TTL).await;
    let (first, gate) = rig.stopped_read("other").await;
    let stale = rig.start_read("42");
    let miss = rig.start_read("43");
    quiet().await;
    pass(999).await;
    assert!(!stale.is_finished() && !miss.is_finished());
    pass(1).await;
    let stale = join(stale).await;
    assert_eq!(
        (stale.outcome, crate::kit::text(&stale.value)),
        (Outcome::StaleOnError, some("one"))
    );
    let error = miss.await.expect("ends").expect_err("has no value");
    assert!(matches!(error, Error::Overloaded { .. }), "{error}");
    gate.open();
    join(first).await;
    rig.read("43").await;
}

#[tokio::test(start_paused = true)]
async fn a_write_without_a_place_changes_nothing() {
    for strategy in [Strategy::ReadThrough, Strategy::WriteThrough] {
        let rig = limited(strategy, 1, 0);
        rig.shop.set("42", "one");
        rig.read("42").await;
        let (first, gate) = rig.stopped_read("other").await;
        rig.shop.log();
        let error = rig.try_write("42", "two").await.expect_err("is refused");
        assert_eq!(error.code(), "overloaded");
        assert_eq!(rig.shop.log(), [""; 0]);
        assert_eq!(rig.look("42").await, (Outcome::Hit, some("one")));
        gate.open();
        join(first).await;
        rig.write("42", "two").await;
    }
}

#[tokio::test(start_paused = true)]
async fn who_goes_away_gives_the_place_back() {
    let rig = limited(Strategy::Bypass, 1, 1);
    let (first, _gate) = rig.stopped_read("42").await;
    let waiting = rig.start_read("43");
    quiet().await;
    waiting.abort();
    first.abort();
    quiet().await;
    rig.read("44").await;
}

#[tokio::test(start_paused = true)]
async fn closures_have_places_too() {
    let rig = Parts {
        origin: false,
        limits: OriginLimits {
            concurrency: 1,
            ..OriginLimits::default()
        },
        ..Parts::new(policy(Strategy::CacheAside, |_, _| ()))
    }
    .build();
    let never = || async {
        std::future::pending::<()>().await;
        Ok::<_, String>(None)
    };
    let engine = rig.engine.clone();
    let _stuck = tokio::spawn(async move {
        let request = Request::read("product", "1");
        engine.get_or_load(request, never).await
    });
    quiet().await;
    let load = || async { Ok::<_, String>(Some(Value::new("x"))) };
    let request = Request::read("product", "2");
    let error = rig.engine.get_or_load(request, load).await;
    assert_eq!(error.expect_err("is refused").code(), "overloaded");
}

#[test]
fn settings_have_defaults_and_no_unknown_fields() {
    let some: OriginLimits =
        serde_json::from_str(r#"{"concurrency": 5, "breaker": {"open_ms": 7}}"#).expect("is read");
    assert_eq!((some.concurrency, some.breaker.open_ms), (5, 7));
    assert_eq!(some.tenant_concurrency, 32);
    for wrong in [r#"{"concurency": 5}"#, r#"{"breaker": {"opens": 5}}"#] {
        assert!(serde_json::from_str::<OriginLimits>(wrong).is_err());
    }
}
