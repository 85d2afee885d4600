//! Rules that change while an engine runs.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use larder::core::{Guard, Outcome, Policies, Strategy};
use larder::origin::OriginError;
use larder::store::{MemoryConfig, MemoryStore};
use larder::{Engine, Error, OnFailure, OriginLimits, QueueTuning, Request, Route, Rules, Value};
use tokio::time::Instant;

use crate::kit::{Native, Parts, Shelf, Shelter, Shop, policy, text};

fn policies(native: Native) -> Arc<dyn Policies> {
    let shelf = Shelf::default();
    shelf.put(native);
    Arc::new(shelf)
}

/// Every resource by the policy, over the shop.
fn rules(native: Native) -> Rules {
    Rules {
        routes: vec![Route::new("*", "native").origin("shop")],
        ..Rules::new(policies(native))
    }
}

fn ttl_of(ttl_ms: u64) -> Native {
    policy(Strategy::ReadThrough, move |_, decision| {
        decision.freshness.ttl_ms = ttl_ms;
    })
}

fn request() -> Request {
    Request::read("product", "42")
}

#[tokio::test(start_paused = true)]
async fn each_handle_goes_by_its_own_rules_over_one_store() {
    let rig = Parts::new(ttl_of(5_000)).build();
    rig.shop.set("42", "x");
    assert_eq!(rig.read("42").await.outcome, Outcome::Miss);
    let guard = Guard {
        ttl_max_ms: 1_000,
        ..Guard::default()
    };
    let revised = rig.engine.revised(Rules {
        guard,
        ..rules(ttl_of(7_000))
    });
    let revised = revised.expect("the rules fit");
    let (old, new) = (rig.engine.decide(&request()), revised.decide(&request()));
    let (old, new) = (old.expect("decides"), new.expect("decides"));
    assert_eq!(
        (old.decision.freshness.ttl_ms, old.clamped.len()),
        (5_000, 0)
    );
    assert_eq!(
        (new.decision.freshness.ttl_ms, new.clamped.len()),
        (1_000, 1)
    );
    let hit = revised.read(request()).await.expect("is read");
    assert_eq!(hit.outcome, Outcome::Hit, "what was cached before is there");
    assert!(text(&hit.value).is_some());
}

#[tokio::test(start_paused = true)]
async fn routes_and_what_answers_for_a_failure_change_with_the_rest() {
    let rig = Parts::new(ttl_of(5_000)).build();
    rig.shop.set("42", "x");
    let revised = rig.engine.revised(Rules {
        routes: vec![Route::new("product", "native").origin("shop")],
        on_failure: HashMap::from([("native".to_owned(), OnFailure::Deny)]),
        ..rules(Native::failing())
    });
    let revised = revised.expect("the rules fit");
    let none = revised.decide(&Request::read("page", "1"));
    assert!(matches!(none, Err(Error::NoRoute(_))));
    assert!(matches!(
        revised.decide(&request()),
        Err(Error::Denied { .. })
    ));
    assert!(rig.engine.decide(&Request::read("page", "1")).is_ok());
}

#[tokio::test(start_paused = true)]
async fn rules_that_do_not_fit_change_nothing() {
    let rig = Parts::new(ttl_of(5_000)).build();
    rig.shop.set("42", "x");
    let mut limits = OriginLimits::default();
    limits.breaker.failure_percent = 101;
    let one = |name: &str| HashMap::from([(name.to_owned(), limits)]);
    for (wrong, words) in [
        (
            Rules {
                routes: vec![Route::new("*", "native").origin("shup")],
                ..rules(ttl_of(1))
            },
            "`shup`, which is not there; there is `shop`",
        ),
        (
            Rules {
                limits: one("shop"),
                ..rules(ttl_of(1))
            },
            "failure_percent is 101",
        ),
        (
            Rules {
                limits: one("nobody"),
                ..rules(ttl_of(1))
            },
            "neither an origin of that name",
        ),
    ] {
        let error = rig.engine.revised(wrong).err().expect(words).to_string();
        assert!(error.contains(words), "{error}");
    }
    let decided = rig.engine.decide(&request()).expect("decides");
    assert_eq!(decided.decision.freshness.ttl_ms, 5_000);
}

#[tokio::test(start_paused = true)]
async fn the_limits_of_an_origin_change_and_an_open_breaker_stays_open() {
    let rig = Parts::new(policy(Strategy::Bypass, |_, _| ())).build();
    let mut limits = OriginLimits::default();
    limits.breaker.minimum_calls = 1;
    let limited = |limits| Rules {
        limits: HashMap::from([("shop".to_owned(), limits)]),
        ..rules(policy(Strategy::Bypass, |_, _| ()))
    };
    let engine = rig.engine.revised(limited(limits)).expect("fits");
    let down = OriginError::Failed("down".to_owned());
    rig.shop.fail_loads(Some(down));
    let failed = async |engine: &Engine| engine.read(request()).await.err();
    assert!(matches!(failed(&engine).await, Some(Error::Origin(_))));
    assert!(matches!(
        failed(&engine).await,
        Some(Error::OriginOpen { .. })
    ));
    limits.concurrency = 7;
    let engine = engine.revised(limited(limits)).expect("fits");
    assert!(matches!(
        failed(&engine).await,
        Some(Error::OriginOpen { .. })
    ));
    limits.breaker.minimum_calls = 5;
    let engine = engine.revised(limited(limits)).expect("fits");
    assert!(
        matches!(failed(&engine).await, Some(Error::Origin(_))),
        "a breaker that is set otherwise begins anew"
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_queued_is_flushed_after_the_handle_that_began_is_gone() {
    let behind = || policy(Strategy::WriteBehind, |_, _| ());
    let shops = [(); 2].map(|()| Arc::new(Shop::default()));
    let store = Arc::new(MemoryStore::new(MemoryConfig::default()));
    let queue = Arc::new(Shelter::default());
    let first = Engine::builder(policies(behind()), store)
        .route(Route::new("product", "native").origin("shop"))
        .origin("shop", shops[0].clone())
        .origin("other", shops[1].clone())
        .queue(queue, QueueTuning::default())
        .build()
        .expect("the parts fit");
    // The second origin had no route, and so nobody who flushes for it.
    let engine = first.revised(Rules {
        routes: vec![
            Route::new("page", "native").origin("other"),
            Route::new("product", "native").origin("shop"),
        ],
        ..Rules::new(policies(behind()))
    });
    let engine = engine.expect("the rules fit");
    drop(first);
    for resource in ["product", "page"] {
        let value = Value::json("1");
        let written = engine.write(Request::write(resource, "1"), value).await;
        assert!(written.expect(resource).queued.is_some(), "{resource}");
    }
    let end = Instant::now() + Duration::from_secs(60);
    assert_eq!(engine.drain(end).await.expect("is drained").left, 0);
}
