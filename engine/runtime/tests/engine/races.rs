//! The headline: an invalidation is never undone by an older load, and no read that starts after
//! it answers the older value.

use larder::core::dependency::Mode;
use larder::core::{NotStored, Outcome, Strategy, Target};

use crate::ground::Ground;
use crate::kit::{Aim, Call, Parts, Rig, STORED, TTL, When, join, policy, some, text};

races! {
    a_purge_during_a_load_voids_it,
    an_expire_during_a_load_voids_it,
    an_invalidation_during_a_refresh_voids_it,
    an_invalidation_voids_a_load_that_has_answered_and_is_not_stored_yet,
    an_invalidation_between_the_versions_and_the_lease_is_seen,
    whoever_joins_before_the_load_begins_gets_no_value_found_before_that,
    a_load_that_began_under_a_write_is_neither_stored_nor_joined_after_it,
    writers_that_overlap_leave_what_the_origin_took_last,
    writers_in_turn_are_both_stored,
    somebody_elses_invalidation_during_a_write_keeps_its_value_out,
    an_invalidation_of_a_tag_that_only_the_admission_names_voids_the_load,
    a_late_tag_is_voided_by_an_invalidation_that_looked_at_the_clock_before_the_load,
    whoever_joined_a_load_that_a_late_tag_voided_loads_again,
}

/// A load is under way with the old value; the invalidation comes; what then?
async fn invalidated_during_load(rig: &Rig, aim: Aim, mode: Mode) {
    rig.shop.set("42", "old");
    let (early, gate) = rig.stopped_read("42").await;
    rig.shop.set("42", "new");
    rig.clock.advance(1);
    rig.invalidate(aim, mode).await;
    let late = rig.read("42").await;
    assert_eq!(
        (text(&late.value), late.collapsed),
        (some("new"), false),
        "a read that starts after the {mode:?} of the {aim:?} joins no older load"
    );
    gate.open();
    let early = join(early).await;
    assert_eq!(text(&early.value), some("old"), "it began before");
    assert_eq!(
        early.not_stored,
        Some(NotStored::Voided),
        "{aim:?} {mode:?}"
    );
    assert_eq!(rig.look("42").await, (Outcome::Hit, some("new")));
    assert_eq!(rig.shop.loads(), 2);
}

async fn a_purge_during_a_load_voids_it(on: Ground) {
    for aim in Aim::ALL {
        let rig = on.rig(Strategy::ReadThrough, |_| ()).await;
        invalidated_during_load(&rig, aim, Mode::Purge).await;
    }
}

async fn an_expire_during_a_load_voids_it(on: Ground) {
    for aim in Aim::ALL {
        let rig = on.rig(Strategy::ReadThrough, |_| ()).await;
        invalidated_during_load(&rig, aim, Mode::Expire).await;
    }
}

async fn an_invalidation_during_a_refresh_voids_it(on: Ground) {
    for aim in Aim::ALL {
        let rig = on
            .rig(Strategy::ReadThrough, |d| {
                d.freshness.stale_while_revalidate_ms = 60_000;
            })
            .await;
        rig.shop.set("42", "older");
        rig.read("42").await;
        rig.clock.advance(TTL);
        let gate = rig.shop.stop(Call::Load);
        rig.shop.set("42", "old");
        assert_eq!(rig.look("42").await.0, Outcome::Stale);
        gate.reached().await;
        rig.shop.set("42", "new");
        rig.invalidate(aim, Mode::Purge).await;
        assert_eq!(rig.look("42").await.1, some("new"));
        gate.open();
        on.quiet().await;
        assert_eq!(rig.look("42").await, (Outcome::Hit, some("new")), "{aim:?}");
    }
}

async fn an_invalidation_voids_a_load_that_has_answered_and_is_not_stored_yet(on: Ground) {
    for aim in Aim::ALL {
        let rig = on.rig(Strategy::ReadThrough, |_| ()).await;
        rig.shop.set("42", "old");
        let gate = rig.store.stop(When::Before("fill"));
        let early = rig.start_read("42");
        gate.reached().await;
        rig.shop.set("42", "new");
        rig.invalidate(aim, Mode::Purge).await;
        gate.open();
        assert_eq!(join(early).await.not_stored, Some(NotStored::Voided));
        assert_eq!(rig.look("42").await, (Outcome::Miss, some("new")));
    }
}

/// Versions are read before the lease is asked for, and both before the load.
async fn an_invalidation_between_the_versions_and_the_lease_is_seen(on: Ground) {
    for aim in [Aim::Tag, Aim::Namespace] {
        let rig = on.rig(Strategy::ReadThrough, |_| ()).await;
        rig.shop.set("42", "one");
        let gate = rig.store.stop(When::Before("lease"));
        let reader = rig.start_read("42");
        gate.reached().await;
        rig.invalidate(aim, Mode::Purge).await;
        gate.open();
        assert_eq!(join(reader).await.not_stored, Some(NotStored::Voided));
    }
}

/// A load that finds the value stored when it is about to begin answered it to those who joined
/// after that value was invalidated.
async fn whoever_joins_before_the_load_begins_gets_no_value_found_before_that(on: Ground) {
    for aim in Aim::ALL {
        let rig = on.rig(Strategy::ReadThrough, |_| ()).await;
        rig.shop.set("42", "old");
        let (filler, filling) = rig.stopped_read("42").await;
        rig.invalidate(Aim::Key, Mode::Purge).await;
        let looked = rig.store.stop(When::After("get"));
        let first = rig.start_read("42");
        looked.reached().await;
        // Somebody stores the value between the first one's look and its wish for a lease.
        assert_eq!(rig.look("42").await, (Outcome::Miss, some("old")));
        filling.open();
        join(filler).await;
        let leasing = rig.store.stop(When::After("lease"));
        looked.open();
        leasing.reached().await;
        rig.shop.set("42", "new");
        rig.invalidate(aim, Mode::Purge).await;
        let second = rig.start_read("42");
        on.quiet().await;
        leasing.open();
        join(first).await;
        assert_eq!(text(&join(second).await.value), some("new"), "{aim:?}");
    }
}

async fn a_load_that_began_under_a_write_is_neither_stored_nor_joined_after_it(on: Ground) {
    for strategy in [Strategy::WriteThrough, Strategy::ReadThrough] {
        let rig = on.rig(strategy, |_| ()).await;
        rig.shop.set("42", "old");
        let (early, loading) = rig.stopped_read("42").await;
        let writing = rig.shop.stop(Call::Write);
        let writer = rig.start_write("42", "new");
        writing.reached().await;
        // Under a held key this is a load of its own, else it joins the first.
        let loading_too = rig.shop.stop(Call::Load);
        let during = rig.start_read("42");
        on.quiet().await;
        writing.open();
        join(writer).await;
        if strategy == Strategy::ReadThrough {
            loading_too.open();
        }
        assert_eq!(rig.look("42").await.1, some("new"), "{strategy:?}");
        loading.open();
        loading_too.open();
        assert_eq!(join(early).await.not_stored, Some(NotStored::Voided));
        assert!(join(during).await.not_stored.is_some(), "{strategy:?}");
        assert_eq!(rig.look("42").await, (Outcome::Hit, some("new")));
    }
}

async fn writers_that_overlap_leave_what_the_origin_took_last(on: Ground) {
    for first_to_end in [0, 1] {
        let rig = on.rig(Strategy::WriteThrough, |_| ()).await;
        let gates = [rig.shop.stop(Call::Write), rig.shop.stop(Call::Write)];
        let one = rig.start_write("42", "one");
        gates[0].reached().await;
        let two = rig.start_write("42", "two");
        gates[1].reached().await;
        let mut writers = [Some(one), Some(two)];
        for turn in [first_to_end, 1 - first_to_end] {
            gates[turn].open();
            let writer = writers[turn].take().expect("ends once");
            let why = join(writer).await.not_stored;
            assert_eq!(why, Some(NotStored::Voided), "nobody knows the order");
            let seen = rig.look("42").await.1;
            assert_eq!(seen, rig.shop.holds("42"), "first to end: {first_to_end}");
        }
        assert_eq!(rig.look("42").await, (Outcome::Hit, some("two")));
    }
}

async fn writers_in_turn_are_both_stored(on: Ground) {
    let rig = on.rig(Strategy::WriteThrough, |_| ()).await;
    for value in ["one", "two"] {
        assert_eq!(rig.write("42", value).await.not_stored, STORED);
        assert_eq!(rig.look("42").await, (Outcome::Hit, some(value)));
    }
    assert_eq!(rig.shop.loads(), 0);
}

async fn somebody_elses_invalidation_during_a_write_keeps_its_value_out(on: Ground) {
    for aim in Aim::ALL {
        for invalidates_itself in [false, true] {
            let policy = policy(Strategy::WriteThrough, move |_, decision| {
                if invalidates_itself {
                    decision.invalidates = vec![
                        Target::Tag(decision.key.clone()),
                        Target::Namespace("product".into()),
                    ];
                }
            });
            let rig = on.build(Parts::new(policy)).await;
            let gate = rig.shop.stop(Call::Write);
            let writer = rig.start_write("42", "one");
            gate.reached().await;
            rig.shop.set("42", "two");
            rig.invalidate(aim, Mode::Purge).await;
            gate.open();
            let why = join(writer).await.not_stored;
            assert_eq!(why, Some(NotStored::Voided), "{aim:?}");
            assert_eq!(rig.look("42").await, (Outcome::Miss, some("two")));
        }
    }
}

async fn an_invalidation_of_a_tag_that_only_the_admission_names_voids_the_load(on: Ground) {
    let late = policy(Strategy::ReadThrough, |_, _| ()).late_tag("brand:9");
    let rig = on.build(Parts::new(late)).await;
    rig.shop.set("42", "old");
    let (early, gate) = rig.stopped_read("42").await;
    rig.shop.set("42", "new");
    invalidate_brand(&rig).await;
    gate.open();
    assert_eq!(join(early).await.not_stored, Some(NotStored::Voided));
    rig.clock.advance(5_000);
    let next = rig.read("42").await;
    assert_eq!((text(&next.value), next.not_stored), (some("new"), STORED));
    assert_eq!(rig.look("42").await, (Outcome::Hit, some("new")));
    invalidate_brand(&rig).await;
    assert_eq!(rig.look("42").await.0, Outcome::Miss);
}

async fn invalidate_brand(rig: &Rig) {
    let mut what = Aim::Tag.invalidation(Mode::Purge);
    what.tags = vec!["brand:9".into()];
    rig.engine.invalidate(&what).await.expect("is invalidated");
}

/// The number of a bump is the moment at which the invalidation looked at the clock, which may be
/// before the load began though the bump itself came after.
async fn a_late_tag_is_voided_by_an_invalidation_that_looked_at_the_clock_before_the_load(
    on: Ground,
) {
    let late = policy(Strategy::ReadThrough, |_, _| ()).late_tag("brand:9");
    let rig = std::sync::Arc::new(on.build(Parts::new(late)).await);
    rig.shop.set("42", "old");
    let bumping = rig.store.stop(When::Before("bump"));
    let other = rig.clone();
    let invalidator = tokio::spawn(async move { invalidate_brand(&other).await });
    bumping.reached().await;
    rig.clock.advance(5);
    let (early, gate) = rig.stopped_read("42").await;
    rig.shop.set("42", "new");
    bumping.open();
    invalidator.await.expect("ends");
    gate.open();
    assert_eq!(join(early).await.not_stored, Some(NotStored::Voided));
    assert_eq!(rig.look("42").await.1, some("new"));
}

/// Only the load itself finds out about a late tag, so those who joined it cannot be told before.
async fn whoever_joined_a_load_that_a_late_tag_voided_loads_again(on: Ground) {
    let late = policy(Strategy::ReadThrough, |_, _| ()).late_tag("brand:9");
    let rig = on.build(Parts::new(late)).await;
    rig.shop.set("42", "old");
    let (early, gate) = rig.stopped_read("42").await;
    rig.shop.set("42", "new");
    invalidate_brand(&rig).await;
    let readers: Vec<_> = (0..20).map(|_| rig.start_read("42")).collect();
    on.quiet().await;
    gate.open();
    assert_eq!(text(&join(early).await.value), some("old"));
    for reader in readers {
        assert_eq!(text(&join(reader).await.value), some("new"));
    }
}
