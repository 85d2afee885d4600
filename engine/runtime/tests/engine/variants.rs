//! Entries of queries that the policy does not tell: they go with the key that they are variants of.

use larder::core::dependency::Mode;
use larder::core::{NotStored, Outcome, Strategy};
use larder::{Invalidation, QueueTuning, Reading, Request, Value};

use crate::ground::Ground;
use crate::kit::{Parts, Rig, policy, rig, text};

races! {
    what_makes_a_key_stale_makes_its_variants_stale,
    a_row_makes_variants_stale_under_every_strategy,
    a_queued_write_and_its_flush_make_variants_stale,
}

async fn read(rig: &Rig, query: &str) -> Reading {
    let request = Request::read("product", "42");
    let request = match query {
        "" => request,
        query => request.with("query", query),
    };
    rig.engine.read(request).await.expect("is answered")
}

/// Reads until both are hits, and tells the key.
async fn filled(rig: &Rig) -> (String, String) {
    for query in ["", "a=1&a=2"] {
        read(rig, query).await;
        assert_eq!(read(rig, query).await.outcome, Outcome::Hit, "{query}");
    }
    let decided = read(rig, "a=1&a=2").await.decided;
    assert_eq!(decided.query.as_deref(), Some("a=1&a=2"));
    (decided.decision.namespace, decided.decision.key)
}

async fn what_makes_a_key_stale_makes_its_variants_stale(ground: Ground) {
    let rig = ground.rig(Strategy::ReadThrough, |_| ()).await;
    rig.shop.set("42", "one");
    let (namespace, key) = filled(&rig).await;
    let keys = || vec![(namespace.clone(), key.clone())];
    for what in [
        Invalidation {
            keys: keys(),
            ..Invalidation::default()
        },
        Invalidation {
            patterns: keys(),
            ..Invalidation::default()
        },
        Invalidation {
            rows: vec![("product".into(), "42".into())],
            ..Invalidation::default()
        },
    ] {
        filled(&rig).await;
        rig.engine.invalidate(&what).await.expect("is done");
        for query in ["", "a=1&a=2"] {
            assert_ne!(read(&rig, query).await.outcome, Outcome::Hit, "{what:?}");
        }
    }
    filled(&rig).await;
    rig.write("42", "two").await;
    let after = read(&rig, "a=1&a=2").await;
    assert_eq!(text(&after.value).as_deref(), Some("two"));
}

async fn a_row_makes_variants_stale_under_every_strategy(ground: Ground) {
    let row = Invalidation {
        rows: vec![("product".into(), "42".into())],
        ..Invalidation::default()
    };
    for strategy in [
        Strategy::ReadThrough,
        Strategy::CacheAside,
        Strategy::WriteThrough,
    ] {
        let rig = ground.rig(strategy, |_| ()).await;
        rig.shop.set("42", "one");
        for what in [&row, &expiry(&row)] {
            fill(&rig, strategy).await;
            rig.engine.invalidate(what).await.expect("is done");
            for query in ["", "a=1&a=2", "a=2"] {
                let reading = read(&rig, query).await;
                assert_ne!(
                    reading.outcome,
                    Outcome::Hit,
                    "{strategy:?} {query} {what:?}"
                );
                if let Some(lease) = reading.lease {
                    rig.engine.release(lease).await.expect("is given up");
                }
            }
        }
    }
}

fn expiry(what: &Invalidation) -> Invalidation {
    Invalidation {
        mode: Mode::Expire,
        ..what.clone()
    }
}

/// Puts the key and two variants of it into the cache, as the strategy does.
async fn fill(rig: &Rig, strategy: Strategy) {
    for query in ["", "a=1&a=2", "a=2"] {
        let reading = read(rig, query).await;
        if strategy == Strategy::CacheAside {
            let lease = reading.lease.expect("nobody else has it");
            let filled = rig.engine.fill(lease, Some(Value::new("one")), &[]).await;
            assert_eq!(filled.expect("is answered").not_stored, None, "{query}");
        }
        assert_eq!(read(rig, query).await.outcome, Outcome::Hit, "{query}");
    }
}

async fn a_queued_write_and_its_flush_make_variants_stale(ground: Ground) {
    let [queue] = ground.queues().await;
    let mut parts = Parts::new(policy(Strategy::WriteBehind, |_, _| ()));
    parts.queue = Some((std::sync::Arc::clone(&queue), QueueTuning::default()));
    let rig = ground.build(parts).await;
    rig.shop.set("42", "one");
    filled(&rig).await;
    let down = larder::origin::OriginError::Unreachable("told to be".into());
    rig.shop.fail_writes(Some(down));
    rig.write("42", "two").await;
    let variant = || Request::read("product", "42").with("query", "a=1&a=2");
    let unsaid = rig.engine.read(variant()).await.expect_err("nobody knows");
    assert_eq!(unsaid.code(), "partly_queued", "{unsaid}");
    rig.shop.fail_writes(None);
    for _ in 0..6_000 {
        if queue.depth().await.expect("is known").waiting == 0 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    let after = read(&rig, "a=1&a=2").await;
    assert_eq!(text(&after.value).as_deref(), Some("two"));
}

#[tokio::test]
async fn a_queued_write_under_a_condition_is_refused() {
    let ground = Ground::Memory;
    let [queue] = ground.queues().await;
    let mut parts = Parts::new(policy(Strategy::WriteBehind, |_, _| ()));
    parts.queue = Some((queue, QueueTuning::default()));
    let rig = parts.build();
    for name in ["header.if-match", "header.if-none-match"] {
        let request = Request::write("product", "42").with(name, "*");
        let error = rig
            .engine
            .write(request, Value::new("x"))
            .await
            .unwrap_err();
        assert_eq!(error.code(), "precondition_unsupported", "{name}");
    }
    assert_eq!(rig.shop.holds("42"), None);
}

#[tokio::test]
async fn looking_leaves_everything_as_it_is() {
    let rig = rig(Strategy::ReadThrough, |_| ());
    rig.shop.set("42", "one");
    let look = async || {
        let until = tokio::time::Instant::now() + std::time::Duration::from_secs(5);
        let request = Request::read("product", "42");
        rig.engine
            .look_by(request, until)
            .await
            .expect("is answered")
    };
    for loads in [1, 2] {
        let looked = look().await;
        assert_eq!(looked.not_stored, Some(NotStored::Looked));
        assert_eq!(rig.shop.loads(), loads);
    }
    assert_eq!(read(&rig, "").await.outcome, Outcome::Miss);
    assert_eq!(look().await.outcome, Outcome::Hit);
    assert_eq!(rig.shop.loads(), 3);
}

#[tokio::test]
async fn what_a_closure_loads_is_for_one_context_whatever_the_origin_is_sent() {
    let rig = rig(Strategy::WriteThrough, |_| ());
    rig.shop.set("42", "one");
    let of = |tier: &str| Request::read("product", "42").with("context.tier", tier);
    let load = async |tier: &'static str| {
        let load = move || async move { Ok::<_, std::fmt::Error>(Some(Value::new(tier))) };
        let loaded = rig.engine.get_or_load(of(tier), load).await;
        let loaded = loaded.expect("is answered");
        (loaded.outcome, text(&loaded.value))
    };
    for outcome in [Outcome::Miss, Outcome::Hit] {
        for tier in ["gold", "basic"] {
            assert_eq!(load(tier).await, (outcome, Some(tier.to_owned())));
        }
    }
    // The origin is sent none, so its value is for all of them.
    for (tier, outcome) in [("gold", Outcome::Miss), ("basic", Outcome::Hit)] {
        let read = rig.engine.read(of(tier)).await.expect("is answered");
        assert_eq!(
            (read.outcome, text(&read.value)),
            (outcome, Some("one".to_owned()))
        );
    }
    rig.write("42", "two").await;
    assert_eq!(load("gold").await.0, Outcome::Miss);
}
