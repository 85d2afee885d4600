//! One load for each key, and what becomes of those who wait for it.

use std::collections::HashSet;

use larder::core::{Admission, NotStored, Outcome, Stampede, Strategy};
use larder::{Request, Value};

use crate::kit::{Call, Parts, STORED, join, policy, quiet, rig, some, text};

#[tokio::test(start_paused = true)]
async fn a_thousand_readers_cause_one_load() {
    let rig = rig(Strategy::ReadThrough, |_| ());
    rig.shop.set("42", "one");
    let (first, gate) = rig.stopped_read("42").await;
    let readers: Vec<_> = (1..1_000).map(|_| rig.start_read("42")).collect();
    quiet().await;
    gate.open();
    assert!(!join(first).await.collapsed);
    for reader in readers {
        let reading = join(reader).await;
        assert_eq!(
            (reading.outcome, text(&reading.value)),
            (Outcome::Miss, some("one"))
        );
        assert!(reading.collapsed);
    }
    assert_eq!(rig.shop.loads(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_reader_who_goes_away_takes_nobodys_value_along() {
    let rig = rig(Strategy::ReadThrough, |_| ());
    rig.shop.set("42", "one");
    let (first, gate) = rig.stopped_read("42").await;
    let second = rig.start_read("42");
    quiet().await;
    first.abort();
    assert!(first.await.is_err_and(|error| error.is_cancelled()));
    gate.open();
    assert_eq!(text(&join(second).await.value), some("one"));
    assert_eq!(rig.look("42").await, (Outcome::Hit, some("one")));
    assert_eq!(rig.shop.loads(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_loader_that_panics_is_an_error_for_all_and_the_next_read_loads() {
    let rig = rig(Strategy::ReadThrough, |_| ());
    rig.shop.set("42", "one");
    rig.shop.panic_in_loads(true);
    let (first, gate) = rig.stopped_read("42").await;
    let second = rig.start_read("42");
    quiet().await;
    gate.open();
    for reader in [first, second] {
        let error = reader.await.expect("ends").expect_err("has no value");
        assert_eq!(error.code(), "loader_failed");
    }
    rig.shop.panic_in_loads(false);
    let next = rig.read("42").await;
    assert_eq!((next.outcome, next.not_stored), (Outcome::Miss, STORED));
}

#[tokio::test(start_paused = true)]
async fn unguarded_loads_run_side_by_side_and_the_first_is_stored() {
    let rig = rig(Strategy::ReadThrough, |d| {
        d.loading.stampede = Stampede::Unguarded;
    });
    rig.shop.set("42", "one");
    let (first, gate) = rig.stopped_read("42").await;
    let second = rig.read("42").await;
    assert_eq!((second.collapsed, second.not_stored), (false, STORED));
    gate.open();
    let first = join(first).await;
    assert_eq!(
        (first.collapsed, first.not_stored),
        (false, Some(NotStored::Voided))
    );
    assert_eq!(rig.shop.loads(), 2);
    assert_eq!(rig.look("42").await, (Outcome::Hit, some("one")));
}

#[tokio::test(start_paused = true)]
async fn without_a_ttl_nothing_is_shared_or_stored() {
    let rig = rig(Strategy::ReadThrough, |d| d.freshness.ttl_ms = 0);
    rig.shop.set("42", "one");
    let (first, gate) = rig.stopped_read("42").await;
    rig.shop.set("42", "two");
    let second = rig.read("42").await;
    assert_eq!(
        (text(&second.value), second.collapsed),
        (some("two"), false)
    );
    gate.open();
    let first = join(first).await;
    assert_eq!(text(&first.value), some("one"));
    assert_eq!(first.not_stored, Some(NotStored::ZeroTtl));
    let third = rig.read("42").await;
    assert_eq!(
        (third.outcome, third.not_stored),
        (Outcome::Miss, Some(NotStored::ZeroTtl))
    );
}

#[tokio::test(start_paused = true)]
async fn a_closure_is_called_once_and_its_error_reaches_all() {
    let rig = rig(Strategy::CacheAside, |_| ());
    let request = || Request::read("product", "42");
    let gate = rig.shop.stop(Call::Load);
    let (engine, shop) = (rig.engine.clone(), rig.shop.clone());
    let first = tokio::spawn(async move {
        let load = move || async move {
            let wanted = larder::origin::Wanted {
                tenant: "",
                resource: "product",
                id: "42",
                attributes: &[],
            };
            let _ = larder::origin::Origin::load(&*shop, wanted).await;
            Err("no luck")
        };
        engine
            .get_or_load(Request::read("product", "42"), load)
            .await
    });
    gate.reached().await;
    let engine = rig.engine.clone();
    let second = tokio::spawn(async move {
        let load = || async { Ok::<_, String>(Some(Value::new("never called"))) };
        engine
            .get_or_load(Request::read("product", "42"), load)
            .await
    });
    quiet().await;
    gate.open();
    for reader in [first, second] {
        let error = reader.await.expect("ends").expect_err("has no value");
        assert_eq!(error.to_string(), "the loader failed: no luck");
    }
    let load = || async { Ok::<_, String>(Some(Value::new("one"))) };
    let third = rig.engine.get_or_load(request(), load).await;
    assert_eq!(third.expect("is read").not_stored, STORED);
    let hit = rig.engine.read(request()).await.expect("is read");
    assert_eq!(text(&hit.value), some("one"));
}

/// A response that the policy finds private after the load was handed to everybody who waited.
#[tokio::test(start_paused = true)]
async fn what_the_policy_refuses_to_store_is_not_shared_either() {
    type Admit = fn(&mut Admission);
    let refusals: [(Admit, NotStored); 2] = [
        (|admission| admission.store = false, NotStored::Refused),
        (
            |admission| admission.freshness.ttl_ms = 0,
            NotStored::ZeroTtl,
        ),
    ];
    for (change, why) in refusals {
        let admits = policy(Strategy::ReadThrough, |_, _| ()).admit(move |decision, _| {
            let mut admission = Admission::as_decided(decision);
            change(&mut admission);
            Ok(admission)
        });
        let rig = Parts::new(admits).build();
        rig.shop.set("42", "somebody's");
        let (first, gate) = rig.stopped_read("42").await;
        let others: Vec<_> = (0..5).map(|_| rig.start_read("42")).collect();
        quiet().await;
        rig.shop.set("42", "everybody's");
        gate.open();
        assert_eq!(text(&join(first).await.value), some("somebody's"));
        let mut seen = HashSet::new();
        for other in others {
            let reading = join(other).await;
            assert!(!reading.collapsed);
            seen.insert((text(&reading.value), reading.not_stored));
        }
        assert!(!seen.iter().any(|(value, _)| *value == some("somebody's")));
        assert!(seen.contains(&(some("everybody's"), Some(why))), "{seen:?}");
        assert_eq!(rig.shop.loads(), 6);
    }
}
