//! What is checked before an engine runs.

use std::sync::Arc;

use larder::core::{Freshness, Strategy, Target};
use larder::store::{MemoryConfig, MemoryStore};
use larder::{
    BuildError, DefaultDecision, Engine, EngineBuilder, OnFailure, OriginLimits, Request, Route,
    Tuning, Value,
};

use larder::origin::{HttpConfig, HttpOrigin, Origin};

use crate::kit::{Native, Shelf, Shop, policy};

fn builder() -> EngineBuilder {
    let policies = Arc::new(Shelf::default());
    policies.put(policy(Strategy::ReadThrough, |_, _| ()));
    let store = Arc::new(MemoryStore::new(MemoryConfig::default()));
    Engine::builder(policies, store)
}

fn refused(builder: EngineBuilder) -> String {
    builder.build().err().expect("is refused").to_string()
}

#[test]
fn a_route_must_name_a_resource_a_policy_and_an_origin_that_is_there() {
    let unknown = builder()
        .origin("shop", Arc::new(Shop::default()))
        .route(Route::new("product", "native").origin("shup"));
    assert_eq!(
        refused(unknown),
        "the route for `product` names the origin `shup`, which is not there; there is `shop`"
    );
    let none = builder().route(Route::new("product", "native").origin("shop"));
    assert!(refused(none).ends_with("there is none"));
    for (resource, policy) in [("", "native"), ("product", "")] {
        let error = builder().route(Route::new(resource, policy)).build().err();
        assert!(matches!(error, Some(BuildError::IncompleteRoute { .. })));
    }
}

#[test]
fn limits_must_be_of_something_that_is_there_and_mean_something() {
    let with = |name: &str, limits| {
        let shop = builder().origin("shop", Arc::new(Shop::default()));
        let shop = shop.route(Route::new("page", "native"));
        shop.origin_limits(name, limits)
    };
    for name in ["shop", "native"] {
        assert!(with(name, OriginLimits::default()).build().is_ok());
    }
    let unknown = refused(with("shup", OriginLimits::default()));
    assert!(
        unknown.contains("`shup`") && unknown.ends_with("there is `shop`"),
        "{unknown}"
    );
    let mut limits = OriginLimits::default();
    limits.breaker.failure_percent = 101;
    assert!(refused(with("shop", limits)).contains("failure_percent is 101"));
}

#[test]
fn a_default_decision_must_pass_the_guard_and_the_engine() {
    let default = DefaultDecision {
        strategy: Strategy::ReadThrough,
        freshness: Freshness::default(),
        tags: Vec::new(),
        invalidates: Vec::new(),
    };
    let with = |default| {
        let rule = OnFailure::DefaultDecision(Box::new(default));
        builder().on_failure("native", rule)
    };
    assert!(with(default.clone()).build().is_ok());
    for (default, message) in [
        (
            DefaultDecision {
                strategy: Strategy::WriteBehind,
                ..default.clone()
            },
            "durable queue",
        ),
        (
            DefaultDecision {
                invalidates: vec![Target::Pattern("x".repeat(257))],
                ..default.clone()
            },
            "257 bytes",
        ),
        (
            DefaultDecision {
                tags: vec!["t".into(); 100],
                ..default
            },
            "tags; the guard allows 16",
        ),
    ] {
        let error = refused(with(default));
        assert!(
            error.contains(message) && error.contains("`native`"),
            "{error}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_route_that_matches_answers_and_the_status_shows_them_all() {
    let shop = Arc::new(Shop::default());
    let engine = builder()
        .origin("shop", shop.clone())
        .route(Route::new("prod*", "native").origin("shop"))
        .route(Route::new("product", "native"))
        .build()
        .expect("the parts fit");
    engine
        .read(Request::read("product", "1"))
        .await
        .expect("by the first");
    let error = engine.read(Request::read("user", "1")).await;
    assert_eq!(error.expect_err("matches none").code(), "no_route");
    let status = engine.status();
    let origins: Vec<_> = status
        .routes
        .iter()
        .map(|(_, origin)| origin.as_deref())
        .collect();
    assert_eq!(origins, [Some("a shop in memory"), None]);
}

#[tokio::test(start_paused = true)]
async fn limits_without_end_are_taken() {
    let engine = builder()
        .origin("shop", Arc::new(Shop::default()))
        .route(Route::new("*", "native").origin("shop"))
        .tuning(Tuning {
            load_timeout_ms: u64::MAX,
            retry_after_ms: u64::MAX,
            read_timeout_ms: u64::MAX,
            lease_wait_ms: u64::MAX,
            lease_ttl_ms: u64::MAX,
            admit_body_max: usize::MAX,
            sweep_every_ms: u64::MAX,
            load_lease_ms: u64::MAX,
            cluster_wait_ms: u64::MAX,
        })
        .build()
        .expect("the parts fit");
    engine
        .read(Request::read("product", "1"))
        .await
        .expect("is read");
    let write = Request::write("product", "1");
    engine
        .write(write, Value::new("x"))
        .await
        .expect("is written");
}

#[tokio::test(start_paused = true)]
async fn ended_entries_are_swept_by_themselves() {
    let rig = crate::kit::rig(Strategy::ReadThrough, |_| ());
    rig.shop.set("42", "one");
    rig.read("42").await;
    assert_eq!(rig.engine.status().store.entries, 1);
    rig.clock.advance(crate::kit::TTL);
    crate::kit::pass(1_000).await;
    assert_eq!(rig.engine.status().store.entries, 0);
}

/// A service that is asked for nothing: no port answers there.
fn service() -> Arc<HttpOrigin> {
    Arc::new(HttpOrigin::new(HttpConfig::new("http://127.0.0.1:9")).expect("an address"))
}

fn depends_on(class: &str) -> Native {
    policy(Strategy::ReadThrough, |_, _| ())
        .manifest(|manifest| manifest.request_attributes = vec![class.into()])
}

fn over(policies: Arc<Shelf>, origin: Arc<dyn Origin>) -> EngineBuilder {
    let store = Arc::new(MemoryStore::new(MemoryConfig::default()));
    Engine::builder(policies, store)
        .origin("shop", origin)
        .route(Route::new("product", "native").origin("shop"))
}

#[test]
fn an_origin_has_to_be_sent_what_values_depend_on() {
    let service: Arc<dyn Origin> = service();
    let program: Arc<dyn Origin> = Arc::new(Shop::default());
    for (origin, class, refused) in [
        (&service, "context.*", true),
        (&service, "query.*", false),
        (&service, "header.*", false),
        (&service, "context.tier", false),
        (&program, "context.*", false),
    ] {
        let policies = Arc::new(Shelf::default());
        policies.put(depends_on(class));
        let built = over(policies, Arc::clone(origin)).build();
        assert_eq!(built.is_err(), refused, "{class}");
    }
}

#[tokio::test]
async fn a_build_that_comes_later_may_not_ask_such_an_origin_either() {
    let policies = Arc::new(Shelf::default());
    policies.put(policy(Strategy::ReadThrough, |_, _| ()));
    let engine = over(policies.clone(), service()).build().unwrap();
    for strategy in [
        Strategy::ReadThrough,
        Strategy::Bypass,
        Strategy::WriteThrough,
    ] {
        policies.put(
            policy(strategy, |_, _| ())
                .manifest(|manifest| manifest.request_attributes = vec!["context.*".into()]),
        );
        let read = engine.read(Request::read("product", "1")).await;
        let request = Request::write("product", "1");
        let write = engine.write(request, Value::new("x")).await;
        for error in [read.unwrap_err(), write.unwrap_err()] {
            assert_eq!(error.code(), "origin_unseen");
            assert!(error.to_string().contains("`context.*`"), "{error}");
        }
    }
    let request = Request::read("product", "1");
    let load = || async { Ok::<_, String>(Some(Value::new("x"))) };
    let loaded = engine.get_or_load(request, load).await.unwrap();
    assert_eq!(loaded.value, Some(Value::new("x")), "a closure can know it");
}
