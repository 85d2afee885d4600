//! No older load after an invalidation, by key, tag and namespace.

use larder_core::dependency::Mode;
use larder_core::freshness::State;
use larder_core::{Dependency, Key};

use super::subject::{
    ERROR_MS, NOW, REVALIDATE_MS, Subject, TTL_MS, Way, dependencies, entry, key, woken,
};
use crate::store::Filled;

/// Each way in each mode, with a key of its own.
fn cases() -> impl Iterator<Item = (Way, Mode, Key)> {
    [Mode::Purge, Mode::Expire].into_iter().flat_map(|mode| {
        let number = move |(n, way)| (way, mode, key(&format!("{}-{n}", mode.as_str())));
        Way::each().into_iter().enumerate().map(number)
    })
}

pub(super) async fn a_load_from_before_an_invalidation_is_never_served(on: Subject) {
    for (way, mode, key) in cases() {
        let token = on.granted(&key, NOW).await;
        let under = on.under(&dependencies()).await;
        way.go(&on, &key, mode, NOW).await;
        let filled = on.fill(&key, token, entry(&key, "old", under, NOW)).await;
        assert_eq!(filled, Filled::Voided, "{key}");
        assert_eq!(on.text(&key, NOW).await, None, "{key}");
    }
}

pub(super) async fn a_load_from_after_an_invalidation_is_served(on: Subject) {
    for (way, mode, key) in cases() {
        on.granted(&key, NOW).await;
        on.invalidate(&key, Mode::Purge, NOW).await;
        way.go(&on, &key, mode, NOW).await;
        on.stored(&key, "new", &dependencies()).await;
        assert_eq!(on.state(&key, NOW).await, Some(State::Fresh), "{key}");
    }
}

pub(super) async fn a_purge_removes_the_entry(on: Subject) {
    for way in Way::each() {
        let key = key("purged");
        on.stored(&key, "v", &dependencies()).await;
        way.go(&on, &key, Mode::Purge, NOW).await;
        assert_eq!(on.text(&key, NOW).await, None);
    }
}

pub(super) async fn an_expiry_starts_the_stale_windows(on: Subject) {
    for (n, way) in Way::each().into_iter().enumerate() {
        let key = key(&format!("expired-{n}"));
        on.stored(&key, "v", &dependencies()).await;
        let at = NOW.plus(10);
        way.go(&on, &key, Mode::Expire, at).await;
        for (after, state) in [
            (0, Some(State::Stale)),
            (REVALIDATE_MS - 1, Some(State::Stale)),
            (REVALIDATE_MS, Some(State::StaleIfError)),
            (ERROR_MS - 1, Some(State::StaleIfError)),
            (ERROR_MS, None),
        ] {
            let answer = on.state(&key, at.plus(after)).await;
            assert_eq!(answer, state, "way {n}, {after} ms after");
        }
    }
}

pub(super) async fn a_later_expiry_does_not_begin_the_stale_windows_anew(on: Subject) {
    for (n, way) in Way::each().into_iter().enumerate() {
        let key = key(&format!("again-{n}"));
        on.stored(&key, "v", &dependencies()).await;
        let at = NOW.plus(10);
        // Nobody reads in between, so nobody but the store can know of the first.
        for after in [0, 300, 600, 900] {
            way.go(&on, &key, Mode::Expire, at.plus(after)).await;
        }
        for (after, state) in [
            (REVALIDATE_MS - 1, Some(State::Stale)),
            (REVALIDATE_MS, Some(State::StaleIfError)),
            (ERROR_MS - 1, Some(State::StaleIfError)),
            (ERROR_MS, None),
        ] {
            let answer = on.state(&key, at.plus(after)).await;
            assert_eq!(answer, state, "way {n}, {after} ms after the first");
        }
    }
}

pub(super) async fn an_expiry_brings_nothing_back_that_had_ended(on: Subject) {
    for (n, way) in Way::each().into_iter().enumerate() {
        let key = key(&format!("over-{n}"));
        on.stored(&key, "v", &dependencies()).await;
        way.go(&on, &key, Mode::Expire, NOW.plus(10)).await;
        // Neither read nor swept when its windows ended.
        let ended = NOW.plus(10 + ERROR_MS);
        way.go(&on, &key, Mode::Expire, ended).await;
        assert_eq!(on.text(&key, ended).await, None, "way {n}");
        on.granted(&key, ended).await;
    }
}

pub(super) async fn an_entry_is_stale_since_the_first_expiry_after_its_load(on: Subject) {
    for (n, way) in Way::each().into_iter().enumerate() {
        let loaded = |m: u64| key(&format!("loaded-{n}-{m}"));
        // Each is loaded, then all are expired.
        for m in 0..4 {
            let (key, at) = (loaded(m), NOW.plus(m * 100));
            let token = on.granted(&key, at).await;
            let under = on.under(&dependencies()).await;
            let entry = entry(&key, "v", under, at);
            assert_eq!(on.fill(&key, token, entry).await, Filled::Stored);
            for earlier in 0..=m {
                way.go(&on, &loaded(earlier), Mode::Expire, at.plus(50))
                    .await;
                if !matches!(way, Way::Key) {
                    break;
                }
            }
        }
        for m in 0..4 {
            let expired = NOW.plus(m * 100 + 50);
            for (after, state) in [
                (REVALIDATE_MS - 1, Some(State::Stale)),
                (ERROR_MS - 1, Some(State::StaleIfError)),
                (ERROR_MS, None),
            ] {
                let answer = on.state(&loaded(m), expired.plus(after)).await;
                assert_eq!(answer, state, "way {n}, loaded as {m}, {after} ms after");
            }
        }
    }
}

pub(super) async fn of_many_expiries_the_first_counts_and_none_later(on: Subject) {
    let (key, tag) = (key("often"), Dependency::tag("t", "a"));
    on.stored(&key, "v", &dependencies()).await;
    let at = NOW.plus(10);
    for n in 0..40 {
        on.bump(&tag, Mode::Expire, at.plus(n * 40)).await;
    }
    let last = at.plus(ERROR_MS - 1);
    assert_eq!(on.state(&key, last).await, Some(State::StaleIfError));
    assert_eq!(on.text(&key, at.plus(ERROR_MS)).await, None);
    on.bump(&tag, Mode::Expire, at.plus(ERROR_MS)).await;
    assert_eq!(on.text(&key, at.plus(ERROR_MS)).await, None);
}

pub(super) async fn an_expiry_removes_what_has_no_stale_windows(on: Subject) {
    for (n, way) in Way::each().into_iter().enumerate() {
        let key = key(&format!("bare-{n}"));
        let token = on.granted(&key, NOW).await;
        let under = on.under(&dependencies()).await;
        let mut bare = entry(&key, "v", under, NOW);
        bare.windows.revalidate_until = bare.windows.fresh_until;
        bare.windows.error_until = bare.windows.fresh_until;
        assert_eq!(on.fill(&key, token, bare).await, Filled::Stored);
        way.go(&on, &key, Mode::Expire, NOW).await;
        assert_eq!(on.text(&key, NOW).await, None, "way {n}");
    }
}

pub(super) async fn an_expiry_never_lengthens(on: Subject) {
    for (n, way) in Way::each().into_iter().enumerate() {
        let key = key(&format!("late-{n}"));
        on.stored(&key, "v", &dependencies()).await;
        way.go(&on, &key, Mode::Expire, NOW.plus(TTL_MS + 500))
            .await;
        let end = NOW.plus(TTL_MS + ERROR_MS);
        assert!(on.text(&key, NOW.plus(TTL_MS + 501)).await.is_some());
        assert_eq!(on.text(&key, end).await, None, "way {n}");
    }
}

pub(super) async fn an_invalidation_leaves_the_others_alone(on: Subject) {
    let key = key("bystander");
    on.stored(&key, "v", &dependencies()).await;
    for other in [
        Dependency::tag("t", "c"),
        Dependency::tag("u", "a"),
        Dependency::tag("t", "n"),
        Dependency::namespace("t", "a"),
    ] {
        on.under(std::slice::from_ref(&other)).await;
        on.bump(&other, Mode::Purge, NOW).await;
    }
    on.invalidate(&Key::new("t", "n", "b"), Mode::Purge, NOW)
        .await;
    assert_eq!(on.state(&key, NOW).await, Some(State::Fresh));
}

pub(super) async fn an_invalidation_says_whether_there_was_an_entry(on: Subject) {
    for mode in [Mode::Purge, Mode::Expire] {
        let key = key(mode.as_str());
        assert!(!on.invalidate(&key, mode, NOW).await);
        on.stored(&key, "v", &[]).await;
        assert!(on.invalidate(&key, mode, NOW).await);
        assert_eq!(on.invalidate(&key, mode, NOW).await, mode == Mode::Expire);
        let end = NOW.plus(TTL_MS + ERROR_MS);
        assert!(!on.invalidate(&key, mode, end).await);
    }
}

pub(super) async fn versions_change_by_bumps_and_by_nothing_else(on: Subject) {
    let all = dependencies();
    let mut before = on.under(&all).await;
    for mode in [Mode::Purge, Mode::Expire, Mode::Purge] {
        on.stored(&key("other"), "v", &all).await;
        on.invalidate(&key("other"), Mode::Purge, NOW).await;
        assert_eq!(on.under(&all).await, before);
        on.bump(&all[1], mode, NOW).await;
        let after = on.under(&all).await;
        assert_eq!((&after[0], &after[2]), (&before[0], &before[2]));
        let purged = after[1].1.purge != before[1].1.purge;
        let expired = after[1].1.expire != before[1].1.expire;
        assert_eq!(
            (purged, expired),
            (mode == Mode::Purge, mode == Mode::Expire)
        );
        before = after;
    }
}

pub(super) async fn an_invalidation_wakes_those_who_wait(on: Subject) {
    for mode in [Mode::Purge, Mode::Expire] {
        let key = key(mode.as_str());
        on.granted(&key, NOW).await;
        let waiting = on.store().changed(&key);
        on.invalidate(&key, mode, NOW).await;
        woken(waiting).await;
        on.granted(&key, NOW).await;
    }
}

pub(super) async fn a_ban_reaches_what_it_matches_and_nothing_else(on: Subject) {
    let long = "x".repeat(2_000);
    let names = ["product:1", "product:2", "products", "other", &long];
    for name in names {
        on.stored(&key(name), name, &dependencies()).await;
    }
    let elsewhere = Key::new("u", "n", "product:1");
    on.stored(&elsewhere, "kept", &[]).await;
    on.ban("product:*", Mode::Purge, NOW).await;
    on.ban("xx*", Mode::Purge, NOW).await;
    for (name, there) in names.into_iter().zip([false, false, true, true, false]) {
        let found = on.text(&key(name), NOW).await;
        assert_eq!(found.is_some(), there, "{name}");
    }
    assert_eq!(on.text(&elsewhere, NOW).await.as_deref(), Some("kept"));
    on.stored(&key("product:1"), "new", &dependencies()).await;
    assert_eq!(
        on.text(&key("product:1"), NOW).await.as_deref(),
        Some("new")
    );
}

pub(super) async fn a_ban_is_over_when_all_was_looked_at(on: Subject) {
    for n in 0..20 {
        on.stored(&key(&format!("product:{n}")), "v", &[]).await;
    }
    let sweep = on.ban("product:1*", Mode::Purge, NOW).await;
    let ended = sweep.ended().await;
    assert!(ended.complete, "{ended:?}");
    assert_eq!(ended.removed, 11);
    assert!(ended.scanned >= 11, "{ended:?}");
}
