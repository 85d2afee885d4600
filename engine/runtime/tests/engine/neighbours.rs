//! Faults that other cache libraries have, as scenarios of this one.

use larder::core::dependency::Mode;
use larder::core::{NotStored, Outcome, Strategy};
use larder::origin::OriginError;

use crate::ground::Ground;
use crate::kit::{Aim, Call, Parts, Rig, STORED, TTL, join, policy, some, text};

races! {
    whatever_becomes_of_an_older_voided_load_the_newer_ones_value_stays,
    what_is_loaded_right_after_the_invalidation_of_its_tag_stays,
    a_late_tag_never_brings_an_older_value_back_and_is_stored_a_second_later,
    a_stale_window_ends_under_steady_reads_and_failures,
    a_tag_invalidates_what_nobody_has_read_for_as_long_as_versions_are_kept_unused,
}

/// The newer load ends first; then the older one, each time in another way.
async fn whatever_becomes_of_an_older_voided_load_the_newer_ones_value_stays(on: Ground) {
    for aim in Aim::ALL {
        for ends in ["value", "absence", "error", "panic"] {
            let rig = on
                .rig(Strategy::ReadThrough, |d| {
                    d.freshness.negative_ttl_ms = TTL;
                })
                .await;
            match ends {
                "value" => rig.shop.set("42", "old"),
                "error" => rig
                    .shop
                    .fail_loads(Some(OriginError::Failed("late".into()))),
                "panic" => rig.shop.panic_in_loads(true),
                _ => {}
            }
            let (early, gate) = rig.stopped_read("42").await;
            rig.shop.fail_loads(None);
            rig.shop.panic_in_loads(false);
            rig.shop.set("42", "new");
            rig.clock.advance(1);
            rig.invalidate(aim, Mode::Purge).await;
            assert_eq!(rig.look("42").await, (Outcome::Miss, some("new")));
            gate.open();
            let _ = early.await.expect("ends");
            on.quiet().await;
            assert_eq!(
                rig.look("42").await,
                (Outcome::Hit, some("new")),
                "{aim:?} {ends}"
            );
        }
    }
}

const MANY: usize = 200;

async fn outcomes(rig: &Rig) -> Vec<Outcome> {
    let mut all = Vec::with_capacity(MANY);
    for n in 0..MANY {
        all.push(rig.read(&format!("n{n}")).await.outcome);
    }
    all
}

/// Nothing is lost because it came within the same moment as the invalidation before it.
async fn what_is_loaded_right_after_the_invalidation_of_its_tag_stays(on: Ground) {
    for mode in [Mode::Purge, Mode::Expire] {
        let rig = on
            .rig(Strategy::ReadThrough, |d| {
                d.freshness.negative_ttl_ms = TTL;
            })
            .await;
        let mut what = Aim::Tag.invalidation(mode);
        what.tags = vec!["product".into()];
        rig.engine.invalidate(&what).await.expect("is invalidated");
        assert_eq!(outcomes(&rig).await, [Outcome::Miss; MANY]);
        assert_eq!(
            outcomes(&rig).await,
            [Outcome::NegativeHit; MANY],
            "{mode:?}"
        );
    }
}

async fn a_late_tag_never_brings_an_older_value_back_and_is_stored_a_second_later(on: Ground) {
    let late = policy(Strategy::ReadThrough, |_, _| ()).late_tag("brand:9");
    let rig = on.build(Parts::new(late)).await;
    let mut what = Aim::Tag.invalidation(Mode::Purge);
    what.tags = vec!["brand:9".into()];
    for round in 0..20 {
        let value = format!("value {round}");
        rig.shop.set("42", &value);
        rig.engine.invalidate(&what).await.expect("is invalidated");
        let right_after = rig.read("42").await;
        assert_eq!(text(&right_after.value), some(&value));
        assert_eq!(
            right_after.not_stored,
            Some(NotStored::Voided),
            "nobody can tell yet"
        );
        rig.clock.advance(2_000);
        assert_eq!(rig.read("42").await.not_stored, STORED);
        assert_eq!(rig.look("42").await, (Outcome::Hit, some(&value)));
    }
}

async fn a_stale_window_ends_under_steady_reads_and_failures(on: Ground) {
    const STEP: u64 = 500;
    const WINDOW: u64 = 20_000;
    for failure in [
        OriginError::Failed("down".into()),
        OriginError::Unreachable("gone".into()),
        OriginError::Timeout { limit_ms: 1 },
    ] {
        let rig = on
            .rig(Strategy::ReadThrough, |decision| {
                decision.freshness.stale_while_revalidate_ms = WINDOW / 2;
                decision.freshness.stale_if_error_ms = WINDOW;
            })
            .await;
        rig.shop.set("42", "old");
        rig.read("42").await;
        rig.shop.fail_loads(Some(failure.clone()));
        for step in 1..(TTL + WINDOW) / STEP {
            rig.clock.advance(STEP);
            let seen = rig.look("42").await.1;
            assert_eq!(seen, some("old"), "{failure} after {} ms", step * STEP);
        }
        on.quiet().await;
        rig.clock.advance(STEP);
        for _ in 0..3 {
            rig.try_read("42").await.expect_err("the window is over");
        }
    }
}

async fn a_tag_invalidates_what_nobody_has_read_for_as_long_as_versions_are_kept_unused(
    on: Ground,
) {
    let rig = on
        .rig(Strategy::ReadThrough, |d| {
            d.freshness.ttl_ms = 24 * 3_600_000;
        })
        .await;
    rig.shop.set("42", "old");
    rig.read("42").await;
    for _ in 0..60 {
        rig.clock.advance(60_000);
        let _ = rig.engine.sweep();
    }
    rig.shop.set("42", "new");
    rig.invalidate(Aim::Tag, Mode::Purge).await;
    let gate = rig.shop.stop(Call::Load);
    let reader = rig.start_read("42");
    gate.reached().await;
    gate.open();
    assert_eq!(text(&join(reader).await.value), some("new"));
}
