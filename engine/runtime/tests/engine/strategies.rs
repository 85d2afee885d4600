//! What runs, by verb and strategy, with an origin and without.

use larder::Error;
use larder::core::dependency::Mode;
use larder::core::{Freshness, Loading, Manifest, NotStored, Outcome, Strategy, Target};
use larder::origin::OriginError;
use larder::{Request, Value};

use crate::kit::{Aim, Call, Parts, Rig, STORED, TTL, decide, policy, rig, some, text};

fn without_origin(strategy: Strategy) -> Rig {
    let policy = policy(strategy, |_, _| ());
    Parts {
        origin: false,
        ..Parts::new(policy)
    }
    .build()
}

async fn codes(rig: &Rig) -> [Result<(), &'static str>; 3] {
    [
        rig.try_read("42").await.map(drop),
        rig.try_write("42", "x").await.map(drop),
        rig.try_delete("42").await.map(drop),
    ]
    .map(|result| result.map_err(|error| error.code()))
}

#[tokio::test(start_paused = true)]
async fn bypass_leaves_the_cache_alone_and_invalidates_after_writes() {
    let rig = rig(Strategy::Bypass, |_| ());
    rig.shop.set("42", "one");
    for _ in 0..2 {
        let reading = rig.read("42").await;
        assert_eq!(
            (reading.outcome, reading.not_stored),
            (Outcome::Bypass, Some(NotStored::Bypass))
        );
    }
    let writing = rig.write("42", "two").await;
    assert!(writing.written && writing.invalidated.complete);
    rig.try_delete("42").await.expect("is deleted");
    let log = [
        "load /product/42",
        "load /product/42",
        "write /product/42",
        "delete /product/42",
    ];
    assert_eq!(rig.shop.log(), log);
    assert_eq!(rig.engine.status().store.entries, 0);
}

#[tokio::test(start_paused = true)]
async fn writes_of_read_through_and_bypass_make_the_entry_stale() {
    for strategy in [
        Strategy::ReadThrough,
        Strategy::Bypass,
        Strategy::CacheAside,
    ] {
        let by_verb = policy(Strategy::ReadThrough, move |request, decision| {
            if request.operation != larder::Operation::Read {
                decision.strategy = strategy;
            }
        });
        let rig = Parts::new(by_verb).build();
        rig.shop.set("42", "one");
        rig.read("42").await;
        let writing = rig.write("42", "two").await;
        assert_eq!(writing.invalidated.removed, 1);
        assert_eq!(writing.existed, Some(true));
        assert_eq!(rig.look("42").await, (Outcome::Miss, some("two")));
        rig.try_delete("42").await.expect("is deleted");
        assert_eq!(rig.look("42").await, (Outcome::Miss, None), "{strategy:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn write_through_stores_what_the_origin_took_and_a_tombstone() {
    let rig = rig(Strategy::WriteThrough, |d| d.freshness.negative_ttl_ms = 50);
    let writing = rig.write("42", "one").await;
    assert_eq!(
        (text(&writing.value), writing.existed, writing.not_stored),
        (some("one"), Some(false), STORED)
    );
    assert_eq!(rig.look("42").await, (Outcome::Hit, some("one")));
    let deleting = rig.try_delete("42").await.expect("is deleted");
    assert_eq!(
        (deleting.existed, deleting.not_stored),
        (Some(true), STORED)
    );
    assert_eq!(rig.look("42").await, (Outcome::NegativeHit, None));
    assert_eq!(rig.shop.loads(), 0);
    rig.clock.advance(50);
    assert_eq!(rig.look("42").await, (Outcome::Miss, None));
}

#[tokio::test(start_paused = true)]
async fn without_a_negative_ttl_a_delete_leaves_nothing() {
    let rig = rig(Strategy::WriteThrough, |_| ());
    rig.write("42", "one").await;
    let deleting = rig.try_delete("42").await.expect("is deleted");
    assert_eq!(deleting.not_stored, Some(NotStored::ZeroTtl));
    assert_eq!(rig.look("42").await, (Outcome::Miss, None));
}

#[tokio::test(start_paused = true)]
async fn write_through_stores_under_the_versions_that_its_own_invalidation_made() {
    let rig = rig(Strategy::WriteThrough, |d| {
        d.invalidates = vec![
            Target::Tag("product:42".into()),
            Target::Tag("product".into()),
            Target::Namespace("product".into()),
            Target::Key("product:42".into()),
            Target::Key("product:list".into()),
        ];
    });
    for value in ["one", "two"] {
        let writing = rig.write("42", value).await;
        assert_eq!(
            (writing.not_stored, writing.invalidated.bumped),
            (STORED, 3)
        );
        assert_eq!(rig.look("42").await, (Outcome::Hit, some(value)));
    }
    rig.invalidate(Aim::Tag, Mode::Purge).await;
    assert_eq!(rig.look("42").await, (Outcome::Miss, some("two")));
}

#[tokio::test(start_paused = true)]
async fn a_write_makes_stale_what_its_decision_names() {
    for strategy in [Strategy::ReadThrough, Strategy::WriteThrough] {
        let rig = rig(strategy, |d| {
            d.invalidates = vec![Target::Tag("product".into())];
        });
        rig.shop.set("7", "seven");
        rig.read("7").await;
        rig.write("42", "one").await;
        assert_eq!(rig.look("7").await.0, Outcome::Miss, "{strategy:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_whose_end_is_unknown_invalidates_and_keeps_fills_out_for_a_while() {
    for strategy in [Strategy::ReadThrough, Strategy::WriteThrough] {
        let rig = rig(strategy, |_| ());
        rig.shop.set("42", "one");
        rig.read("42").await;
        rig.shop
            .fail_writes(Some(OriginError::Timeout { limit_ms: 5 }));
        let error = rig.try_write("42", "two").await.expect_err("is unknown");
        assert_eq!(error.code(), "origin_timeout");
        let reading = rig.read("42").await;
        assert_eq!(text(&reading.value), some("two"), "it was committed");
        assert_eq!(reading.not_stored, Some(NotStored::LeasedElsewhere));
        rig.clock.advance(5_000);
        let reading = rig.read("42").await;
        assert_eq!(reading.not_stored, STORED, "the hold has ended");
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_that_the_origin_refused_changes_nothing() {
    for strategy in [Strategy::ReadThrough, Strategy::WriteThrough] {
        let rig = rig(strategy, |d| {
            d.invalidates = vec![Target::Tag("product".into())];
        });
        for id in ["7", "42"] {
            rig.shop.set(id, "one");
            rig.read(id).await;
        }
        rig.shop
            .fail_writes(Some(OriginError::Rejected("no".into())));
        let error = rig.try_write("42", "two").await.expect_err("is refused");
        assert_eq!(error.code(), "origin_rejected");
        assert_eq!(rig.look("7").await, (Outcome::Hit, some("one")));
        let own = rig.read("42").await;
        assert_eq!(text(&own.value), some("one"), "{strategy:?}");
        assert_eq!(own.not_stored, STORED, "the key is free again");
    }
}

/// The panic ended the write's task before anything was invalidated.
#[tokio::test(start_paused = true)]
async fn an_origin_that_panics_after_its_commit_leaves_no_older_value() {
    for strategy in [Strategy::ReadThrough, Strategy::WriteThrough] {
        let rig = rig(strategy, |_| ());
        rig.shop.set("42", "one");
        rig.read("42").await;
        rig.shop.panic_in_writes();
        let error = rig.try_write("42", "two").await.expect_err("panicked");
        assert_eq!(error.code(), "origin_failed");
        assert_eq!(rig.look("42").await.1, some("two"), "{strategy:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_writer_who_goes_away_leaves_no_older_value() {
    for strategy in [Strategy::ReadThrough, Strategy::WriteThrough] {
        let rig = rig(strategy, |_| ());
        rig.shop.set("42", "one");
        rig.read("42").await;
        let gate = rig.shop.stop(Call::Write);
        let writer = rig.start_write("42", "two");
        gate.reached().await;
        writer.abort();
        gate.open();
        crate::kit::quiet().await;
        assert_eq!(rig.look("42").await.1, some("two"), "{strategy:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_origin_that_does_not_say_what_it_holds_is_not_believed() {
    let rig = rig(Strategy::WriteThrough, |_| ());
    rig.shop.be_mute();
    let writing = rig.write("42", "one").await;
    assert_eq!(writing.not_stored, Some(NotStored::Unconfirmed));
    assert_eq!(rig.look("42").await, (Outcome::Miss, some("one")));
}

#[tokio::test(start_paused = true)]
async fn without_an_origin_only_cache_aside_and_bypassed_reads_run() {
    use Strategy::{Bypass, CacheAside, ReadThrough, WriteBehind, WriteThrough};
    let none = Err("no_origin");
    for (strategy, expected) in [
        (Bypass, [Ok(()), none, none]),
        (CacheAside, [Ok(()); 3]),
        (ReadThrough, [none; 3]),
        (WriteThrough, [none; 3]),
        (WriteBehind, [none, Err("unsupported"), Err("unsupported")]),
    ] {
        let rig = without_origin(strategy);
        assert_eq!(codes(&rig).await, expected, "{strategy:?}");
    }
    let rig = without_origin(CacheAside);
    let writing = rig.write("42", "x").await;
    assert!(!writing.written, "the application has written");
    let error = without_origin(ReadThrough).try_read("42").await;
    let error = error.expect_err("has no origin").to_string();
    assert!(error.contains("add `origin = "), "{error}");
}

#[tokio::test(start_paused = true)]
async fn write_behind_refuses_writes_and_says_why() {
    let rig = rig(Strategy::WriteBehind, |_| ());
    rig.shop.set("42", "one");
    assert_eq!(rig.look("42").await.1, some("one"));
    let error = rig.try_write("42", "two").await.expect_err("has no queue");
    assert!(matches!(error, Error::Unsupported(_)));
    assert!(error.to_string().contains("durable queue"), "{error}");
    assert_eq!(rig.shop.log(), ["load /product/42"]);
}

#[tokio::test(start_paused = true)]
async fn a_write_invalidates_by_pattern() {
    for strategy in [Strategy::ReadThrough, Strategy::WriteThrough] {
        let rig = rig(strategy, |d| {
            d.invalidates = vec![Target::Pattern("product:4*".into())];
        });
        for id in ["41", "51"] {
            rig.shop.set(id, id);
            rig.read(id).await;
        }
        let writing = rig.write("42", "x").await;
        assert_eq!(
            (writing.invalidated.banned, writing.invalidated.removed),
            (1, 1)
        );
        assert_eq!(rig.look("41").await.0, Outcome::Miss);
        assert_eq!(rig.look("51").await.0, Outcome::Hit);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_no_pattern_is_refused_before_the_origin_is_called() {
    for strategy in [Strategy::ReadThrough, Strategy::WriteThrough] {
        let rig = rig(strategy, |d| {
            d.invalidates = vec![Target::Pattern("x".repeat(257))];
        });
        let error = rig.try_write("42", "x").await.expect_err("is refused");
        assert!(error.to_string().contains("target of 257 bytes"), "{error}");
        assert_eq!(rig.shop.log(), [""; 0]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_must_be_encrypted_is_not_stored_without_a_key_ring() {
    for strategy in [Strategy::ReadThrough, Strategy::WriteThrough] {
        let rig = rig(strategy, |d| d.encrypt = true);
        rig.shop.set("42", "one");
        let reading = rig.read("42").await;
        assert_eq!(reading.not_stored, Some(NotStored::NoKeyRing));
        let writing = rig.write("42", "two").await;
        assert!(writing.not_stored.is_some());
        assert_eq!(rig.engine.status().store.entries, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn only_declared_attributes_reach_the_origin() {
    let declares = policy(Strategy::WriteThrough, |_, _| ()).manifest(|manifest: &mut Manifest| {
        manifest.request_attributes = vec!["query.page".into()];
    });
    let rig = Parts::new(declares).build();
    let with = |request: Request| {
        let request = request.with("query.page", "2");
        request.with("header.cookie", "secret")
    };
    let engine = &rig.engine;
    engine
        .read(with(Request::read("product", "1")))
        .await
        .expect("is read");
    let value = Value::new("x");
    let request = with(Request::write("product", "2"));
    engine.write(request, value).await.expect("is written");
    let request = with(Request::delete("product", "3"));
    engine.delete(request).await.expect("is deleted");
    let log = [
        "load /product/1 query.page=2",
        "write /product/2 query.page=2",
        "delete /product/3 query.page=2",
    ];
    assert_eq!(rig.shop.log(), log);
}

#[tokio::test(start_paused = true)]
async fn tenants_never_share_what_the_policy_keys_alike() {
    let rig = rig(Strategy::ReadThrough, |d| {
        d.key = "everybody".into();
        d.namespace = "all".into();
    });
    let read = |tenant: &str| {
        let request = Request::read("product", "42").tenant(tenant);
        rig.engine.read(request)
    };
    assert_eq!(read("a").await.expect("is read").outcome, Outcome::Miss);
    rig.shop.set("42", "one");
    for tenant in ["", "b"] {
        let reading = read(tenant).await.expect("is read");
        assert_eq!(reading.outcome, Outcome::Miss, "{tenant}");
    }
    let log = ["load a/product/42", "load /product/42", "load b/product/42"];
    assert_eq!(rig.shop.log(), log);
    let mut what = Aim::Tag.invalidation(Mode::Purge);
    what.tenant = "b".into();
    rig.engine.invalidate(&what).await.expect("is invalidated");
    assert_eq!(read("").await.expect("is read").outcome, Outcome::Hit);
}

#[test]
fn the_scenarios_start_from_a_plain_decision() {
    let decision = decide(Strategy::Bypass, &Request::read("product", "42"));
    let plain = Freshness {
        ttl_ms: TTL,
        ..Freshness::default()
    };
    assert_eq!(
        (decision.freshness, decision.loading),
        (plain, Loading::default())
    );
}
