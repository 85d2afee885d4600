//! Policies that fail, decisions that the guard stops, and a store that is down.

use larder::core::{Decision, Manifest};
use larder::core::{Freshness, Guard, NotStored, Outcome, PolicyFailure, Strategy, Target};
use larder::{DefaultDecision, Engine, Error, OnFailure, Request, Value};

use crate::kit::{Native, Parts, Rig, STORED, decide, policy, rig, some, text};

fn failing(on_failure: OnFailure) -> Rig {
    Parts {
        on_failure,
        ..Parts::new(Native::failing())
    }
    .build()
}

fn default_decision(invalidates: Vec<Target>) -> OnFailure {
    OnFailure::DefaultDecision(Box::new(DefaultDecision {
        strategy: Strategy::ReadThrough,
        freshness: Freshness {
            ttl_ms: 100,
            ..Freshness::default()
        },
        tags: vec!["fallback".into()],
        invalidates,
    }))
}

#[tokio::test(start_paused = true)]
async fn bypass_reads_from_the_origin_and_refuses_writes() {
    let rig = failing(OnFailure::Bypass);
    rig.shop.set("42", "one");
    let reading = rig.read("42").await;
    assert_eq!(
        (reading.outcome, text(&reading.value)),
        (Outcome::Bypass, some("one"))
    );
    let fallback = reading.decided.fallback.expect("a fallback answered");
    assert_eq!((fallback.rule, fallback.failure), ("bypass", "trapped"));
    rig.shop.log();
    for error in [
        rig.try_write("42", "two").await.expect_err("is refused"),
        rig.try_delete("42").await.expect_err("is refused"),
    ] {
        assert_eq!(error.code(), "write_undecided");
    }
    assert_eq!(rig.shop.log(), [""; 0], "the origin was not reached");
}

#[tokio::test(start_paused = true)]
async fn deny_refuses_everything() {
    let rig = failing(OnFailure::Deny);
    for error in [
        rig.try_read("42").await.expect_err("is refused"),
        rig.try_write("42", "two").await.expect_err("is refused"),
        rig.try_delete("42").await.expect_err("is refused"),
        rig.engine
            .decide(&Request::read("product", "42"))
            .expect_err("is refused"),
    ] {
        assert_eq!(error.code(), "policy_denied");
    }
    assert_eq!(rig.shop.log(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_default_decision_caches_reads_and_lets_writes_through_if_it_knows_what_they_make_stale()
{
    let rig = failing(default_decision(vec![]));
    rig.shop.set("42", "one");
    assert_eq!(rig.look("42").await.0, Outcome::Miss);
    assert_eq!(rig.look("42").await, (Outcome::Hit, some("one")));
    let error = rig.try_write("42", "two").await.expect_err("is refused");
    assert_eq!(error.code(), "write_undecided");

    let rig = failing(default_decision(vec![Target::Tag("fallback".into())]));
    rig.shop.set("42", "one");
    rig.read("42").await;
    let writing = rig.write("42", "two").await;
    assert_eq!(
        writing.invalidated.bumped, 2,
        "and the tag of all fallbacks"
    );
    assert_eq!(rig.look("42").await, (Outcome::Miss, some("two")));
    rig.try_delete("42").await.expect("is deleted");
    assert_eq!(rig.look("42").await, (Outcome::Miss, None));
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_is_not_there_is_a_policy_that_fails() {
    let rig = rig(Strategy::ReadThrough, |_| ());
    rig.policies.clear();
    let reading = rig.read("42").await;
    let fallback = reading.decided.fallback.expect("a fallback answered");
    assert_eq!(fallback.failure, "unavailable");
    assert_eq!(reading.decided.policy.revision, "none");
    let error = rig
        .engine
        .decide_with("other", &Request::read("product", "42"));
    assert_eq!(error.expect_err("is not there").code(), "no_policy");
}

#[tokio::test(start_paused = true)]
async fn a_failing_policy_without_a_route_is_answered_for_by_its_own_rule() {
    let rig = rig(Strategy::ReadThrough, |_| ());
    rig.policies.put(Native::failing());
    let engine = Engine::builder(rig.policies.clone(), rig.store.clone())
        .on_failure("native", OnFailure::Deny)
        .build()
        .expect("needs no route");
    let error = engine.decide_with("native", &Request::read("product", "42"));
    assert_eq!(error.expect_err("is denied").code(), "policy_denied");
}

#[tokio::test(start_paused = true)]
async fn the_policy_is_looked_up_once_for_each_request() {
    for native in [policy(Strategy::ReadThrough, |_, _| ()), Native::failing()] {
        let rig = Parts::new(native).build();
        // Building looks at what each route's policy declares.
        rig.policies.asked();
        let request = Request::read("product", "42").with("query.page", "1");
        for _ in 0..2 {
            rig.engine.read(request.clone()).await.expect("is read");
            assert_eq!(rig.policies.asked(), 1);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_failing_policy_widens_nothing_that_reaches_the_origin() {
    let failing = Native::failing().manifest(|manifest: &mut Manifest| {
        manifest.request_attributes = vec!["query.page".into()];
    });
    let rig = Parts::new(failing).build();
    let request = Request::read("product", "42")
        .with("query.page", "1")
        .with("header.cookie", "secret");
    rig.engine.read(request.clone()).await.expect("is read");
    assert_eq!(rig.shop.log(), ["load /product/42 query.page=1"]);
    rig.policies.clear();
    rig.engine.read(request).await.expect("is read");
    assert_eq!(rig.shop.log(), ["load /product/42 query.page=1"]);
}

#[tokio::test(start_paused = true)]
async fn what_the_guard_refuses_is_answered_by_the_fallback() {
    type Change = fn(&mut Decision);
    let changes: [(Change, &str); 3] = [
        (|d| d.key.clear(), "empty key"),
        (|d| d.key = "k".repeat(10_000_000), "10000000 bytes"),
        (|d| d.tags = vec!["t".into(); 1_000], "1000 tags"),
    ];
    for (change, message) in changes {
        let rig = rig(Strategy::ReadThrough, change);
        let reading = rig.read("42").await;
        assert_eq!(reading.outcome, Outcome::Bypass);
        let fallback = reading.decided.fallback.expect("a fallback answered");
        assert_eq!(fallback.failure, "guard");
        assert!(fallback.message.contains(message), "{}", fallback.message);
        let error = rig.try_write("42", "x").await.expect_err("is refused");
        assert_eq!(error.code(), "write_undecided");
    }
}

#[tokio::test(start_paused = true)]
async fn a_ttl_of_centuries_is_clamped_and_reported() {
    let rig = rig(Strategy::ReadThrough, |d| d.freshness.ttl_ms = u64::MAX);
    rig.shop.set("42", "one");
    let reading = rig.read("42").await;
    assert_eq!(reading.ttl_ms, Some(Guard::default().ttl_max_ms));
    let clamp = &reading.decided.clamped[0];
    assert_eq!((clamp.field, clamp.rule), ("ttl_ms", "ttl_max"));
    rig.clock.advance(Guard::default().ttl_max_ms);
    assert_eq!(rig.look("42").await.0, Outcome::Miss);
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_fails_after_the_load_stores_nothing() {
    let fails = policy(Strategy::ReadThrough, |_, _| ())
        .admit(|_, _| Err(PolicyFailure::Deadline { limit_ms: 5 }));
    let rig = Parts::new(fails).build();
    rig.shop.set("42", "one");
    for _ in 0..2 {
        let reading = rig.read("42").await;
        assert_eq!(text(&reading.value), some("one"));
        assert_eq!(reading.not_stored, Some(NotStored::AdmissionFailed));
    }
}

#[tokio::test(start_paused = true)]
async fn while_the_store_is_down_loads_pass_and_nothing_is_stored() {
    let rig = rig(Strategy::ReadThrough, |_| ());
    rig.shop.set("42", "one");
    rig.store.break_down(true);
    for _ in 0..2 {
        let reading = rig.read("42").await;
        assert_eq!(text(&reading.value), some("one"));
        assert_eq!(reading.not_stored, Some(NotStored::StoreFailed));
    }
    let error = rig.try_write("42", "two").await.expect_err("was told");
    assert_eq!(error.code(), "not_invalidated");
    assert_eq!(rig.shop.holds("42"), some("two"), "the origin took it");
    let what = crate::kit::Aim::Tag.invalidation(Default::default());
    let error = rig.engine.invalidate(&what).await.expect_err("failed");
    assert_eq!(error.code(), "store_failed");
    rig.store.break_down(false);
    assert_eq!(rig.read("42").await.not_stored, STORED);
}

#[tokio::test(start_paused = true)]
async fn while_the_store_is_down_write_through_is_refused() {
    let rig = rig(Strategy::WriteThrough, |_| ());
    rig.store.break_down(true);
    let error = rig.try_write("42", "two").await.expect_err("is refused");
    assert_eq!(error.code(), "store_failed");
    assert_eq!(rig.shop.log(), [""; 0], "before it reached the origin");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_in_the_middle_of_a_write_is_reported() {
    let rig = rig(Strategy::WriteThrough, |_| ());
    let gate = rig.shop.stop(crate::kit::Call::Write);
    let writer = rig.start_write("42", "one");
    gate.reached().await;
    rig.store.break_down(true);
    gate.open();
    let error = writer.await.expect("ends").expect_err("is reported");
    assert!(matches!(error, Error::NotInvalidated(_)), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_bad_request_never_reaches_the_policy() {
    let rig = rig(Strategy::ReadThrough, |_| ());
    rig.policies.asked();
    let value = Value::new("x");
    for error in [
        rig.engine.read(Request::read("", "42")).await.map(drop),
        rig.engine
            .write(Request::write("product", ""), value)
            .await
            .map(drop),
        rig.engine
            .decide(&Request::read("product", "4\n2"))
            .map(drop),
    ] {
        assert_eq!(error.expect_err("is refused").code(), "invalid_request");
    }
    assert_eq!(rig.policies.asked(), 0);
}

/// Everything that the policy stored under a fallback's key would outlive the next write, as only
/// the operator's own targets reach it.
#[tokio::test(start_paused = true)]
async fn what_a_default_decision_stored_ends_with_the_next_write_that_the_policy_decides() {
    let rig = failing(default_decision(vec![]));
    rig.shop.set("42", "one");
    rig.read("42").await;
    rig.policies.put(Native::new(|request| {
        Ok(decide(Strategy::ReadThrough, request))
    }));
    rig.write("42", "two").await;
    rig.policies.put(Native::failing());
    assert_eq!(rig.look("42").await, (Outcome::Miss, some("two")));
}
