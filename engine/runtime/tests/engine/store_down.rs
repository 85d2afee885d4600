//! With the store down reads load, one at a time for each key, and say so.

use larder::core::dependency::Mode;
use larder::core::{Admission, NotStored, Outcome, Strategy};
use larder::{Reading, Value};

use crate::kit::{Aim, Parts, Rig, STORED, TTL, When, join, pass, policy, quiet, rig, some, text};

fn broken(strategy: Strategy) -> Rig {
    let rig = rig(strategy, |_| ());
    rig.shop.set("42", "one");
    rig.store.break_down(true);
    rig
}

fn says_so(reading: &Reading) {
    assert_eq!(reading.outcome, Outcome::StoreDown);
    assert_eq!(reading.not_stored, Some(NotStored::StoreFailed));
    assert_eq!((reading.ttl_ms, reading.age_ms), (None, None));
}

#[tokio::test(start_paused = true)]
async fn a_thousand_readers_cause_one_load() {
    let rig = broken(Strategy::ReadThrough);
    let (first, gate) = rig.stopped_read("42").await;
    let others: Vec<_> = (1..1_000).map(|_| rig.start_read("42")).collect();
    quiet().await;
    gate.open();
    says_so(&join(first).await);
    for other in others {
        let reading = join(other).await;
        says_so(&reading);
        assert_eq!(
            (text(&reading.value), reading.collapsed),
            (some("one"), true)
        );
    }
    assert_eq!(rig.shop.loads(), 1);
}

#[tokio::test(start_paused = true)]
async fn who_comes_long_after_a_load_began_waits_for_the_next_one() {
    let rig = broken(Strategy::ReadThrough);
    let (first, gate) = rig.stopped_read("42").await;
    pass(1_000).await;
    let others: Vec<_> = (1..1_000).map(|_| rig.start_read("42")).collect();
    quiet().await;
    rig.shop.set("42", "two");
    assert_eq!(rig.shop.loads(), 1, "one at a time");
    gate.open();
    assert_eq!(text(&join(first).await.value), some("one"));
    for other in others {
        assert_eq!(text(&join(other).await.value), some("two"));
    }
    assert_eq!(rig.shop.loads(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_breaks_down_during_a_load_does_not_double_it() {
    let rig = rig(Strategy::ReadThrough, |_| ());
    rig.shop.set("42", "one");
    let (first, gate) = rig.stopped_read("42").await;
    rig.store.break_down(true);
    let others: Vec<_> = (1..1_000).map(|_| rig.start_read("42")).collect();
    quiet().await;
    gate.open();
    says_so(&join(first).await);
    for other in others {
        says_so(&join(other).await);
    }
    assert_eq!(rig.shop.loads(), 1);
}

/// The write could not invalidate, and its caller was told so; on this node it is seen all the
/// same by whoever comes after it.
#[tokio::test(start_paused = true)]
async fn a_reader_after_a_write_does_not_get_the_load_from_before_it() {
    let rig = broken(Strategy::ReadThrough);
    let (first, gate) = rig.stopped_read("42").await;
    let error = rig.try_write("42", "two").await.expect_err("was told");
    assert_eq!(error.code(), "not_invalidated");
    assert_eq!(text(&rig.read("42").await.value), some("two"));
    gate.open();
    assert_eq!(text(&join(first).await.value), some("one"));
}

#[tokio::test(start_paused = true)]
async fn an_invalidation_between_two_outages_keeps_later_readers_out_of_the_load() {
    for aim in Aim::ALL {
        for down_again in [false, true] {
            let rig = broken(Strategy::ReadThrough);
            let (first, gate) = rig.stopped_read("42").await;
            rig.shop.set("42", "two");
            rig.store.break_down(false);
            rig.invalidate(aim, Mode::Purge).await;
            rig.store.break_down(down_again);
            assert_eq!(text(&rig.read("42").await.value), some("two"), "{aim:?}");
            gate.open();
            assert_eq!(text(&join(first).await.value), some("one"));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn who_can_ask_the_store_does_not_join_a_load_that_could_not() {
    let rig = broken(Strategy::ReadThrough);
    let (first, gate) = rig.stopped_read("42").await;
    rig.store.break_down(false);
    rig.shop.set("42", "two");
    // Another node's, so that this one cannot know.
    let neighbour = rig.neighbour();
    let what = Aim::Tag.invalidation(Mode::Purge);
    neighbour.invalidate(&what).await.expect("is invalidated");
    let reading = rig.read("42").await;
    assert_eq!(
        (text(&reading.value), reading.not_stored),
        (some("two"), STORED)
    );
    gate.open();
    join(first).await;
}

/// The value was handed to everybody, as nobody asked the policy when nothing could be stored.
#[tokio::test(start_paused = true)]
async fn what_the_policy_refuses_to_store_is_not_shared_either() {
    let admits = policy(Strategy::ReadThrough, |_, _| ()).admit(|decision, _| {
        let mut admission = Admission::as_decided(decision);
        admission.store = false;
        Ok(admission)
    });
    let rig = Parts::new(admits).build();
    rig.store.break_down(true);
    rig.shop.set("42", "somebody's");
    let (first, gate) = rig.stopped_read("42").await;
    let others: Vec<_> = (0..5).map(|_| rig.start_read("42")).collect();
    quiet().await;
    rig.shop.set("42", "everybody's");
    gate.open();
    assert_eq!(text(&join(first).await.value), some("somebody's"));
    for other in others {
        let reading = join(other).await;
        assert_eq!(text(&reading.value), some("everybody's"));
        assert_eq!(reading.outcome, Outcome::StoreDown);
    }
}

#[tokio::test(start_paused = true)]
async fn an_application_is_told_to_load_by_itself() {
    let rig = broken(Strategy::CacheAside);
    let reading = rig.read("42").await;
    assert_eq!((reading.outcome, reading.value), (Outcome::StoreDown, None));
    assert!(reading.lease.is_none() && reading.not_stored.is_none());
    rig.store.break_down(false);
    assert_eq!(rig.read("42").await.outcome, Outcome::Leased);
}

#[tokio::test(start_paused = true)]
async fn an_application_is_told_as_well_if_the_lease_fails_and_gets_what_is_stale() {
    let rig = rig(Strategy::CacheAside, |d| {
        d.freshness.stale_while_revalidate_ms = TTL;
        d.freshness.stale_if_error_ms = TTL;
    });
    let expect = [
        (Outcome::StoreDown, None),
        (Outcome::Stale, some("one")),
        (Outcome::StoreDown, None),
    ];
    for (i, expected) in expect.into_iter().enumerate() {
        let gate = rig.store.stop(When::Before("versions"));
        let reader = rig.start_read("42");
        gate.reached().await;
        rig.store.break_down(true);
        gate.open();
        let reading = join(reader).await;
        assert_eq!((reading.outcome, text(&reading.value)), expected);
        assert!(reading.lease.is_none());
        rig.store.break_down(false);
        if i == 0 {
            let lease = rig.read("42").await.lease.expect("is given");
            let value = Some(Value::new("one"));
            rig.engine.fill(lease, value, &[]).await.expect("is filled");
        }
        rig.clock.advance(TTL);
    }
}

#[tokio::test(start_paused = true)]
async fn closures_load_on() {
    let rig = broken(Strategy::CacheAside);
    let load = || async { Ok::<_, String>(Some(Value::new("mine"))) };
    let request = larder::Request::read("product", "42");
    let reading = rig.engine.get_or_load(request, load).await.expect("loads");
    assert_eq!(text(&reading.value), some("mine"));
    says_so(&reading);
}
