//! Nothing without an end, and nothing that is not the key's.

use std::sync::Arc;

use bytes::Bytes;
use larder_core::freshness::State;
use larder_core::{Head, Timestamp, Value};

use super::subject::{ERROR_MS, LEASE_MS, NOW, Subject, TTL_MS, dependencies, entry, key, woken};
use crate::store::Filled;

pub(super) async fn an_entry_comes_back_whole(on: Subject) {
    let key = key("whole");
    let token = on.granted(&key, NOW).await;
    let under = on.under(&dependencies()).await;
    let entry = entry(&key, "", under, NOW);
    let entry = larder_core::Entry {
        value: Some(Value::json("{}")),
        time_to_idle_ms: 12_345,
        ..entry
    };
    assert_eq!(on.fill(&key, token, entry.clone()).await, Filled::Stored);
    let found = on.get(&key, NOW).await.map(|found| found.entry);
    assert_eq!(found.as_deref(), Some(&entry));
}

pub(super) async fn what_was_said_of_an_absence_comes_back_whole(on: Subject) {
    let key = key("absent");
    let token = on.granted(&key, NOW).await;
    let lines = [("link", Bytes::from_static(b"</elsewhere>"))];
    let said = Value {
        head: Head::new(410, lines).ok().flatten(),
        ..Value::json("{\"gone\": true}")
    };
    let entry = larder_core::Entry {
        value: None,
        absent: Some(said),
        ..entry(&key, "", Vec::new(), NOW)
    };
    assert_eq!(on.fill(&key, token, entry.clone()).await, Filled::Stored);
    let found = on.get(&key, NOW).await.map(|found| found.entry);
    assert_eq!(found.as_deref(), Some(&entry));
}

pub(super) async fn nothing_is_answered_at_or_after_its_end(on: Subject) {
    let key = key("end");
    on.stored(&key, "v", &dependencies()).await;
    for (after, state) in [
        (TTL_MS - 1, Some(State::Fresh)),
        (TTL_MS, Some(State::Stale)),
        (TTL_MS + ERROR_MS - 1, Some(State::StaleIfError)),
        (TTL_MS + ERROR_MS, None),
        (TTL_MS + ERROR_MS + 1, None),
    ] {
        let answer = on.state(&key, NOW.plus(after)).await;
        assert_eq!(answer, state, "after {after} ms");
    }
    let late = NOW.plus(TTL_MS + ERROR_MS);
    on.granted(&key, late).await;
}

pub(super) async fn an_end_that_no_clock_reaches_is_an_end(on: Subject) {
    for end in [u64::MAX, u64::MAX - 1, NOW.0 + (1 << 62), NOW.0 + (1 << 53)] {
        let key = key("endless");
        let token = on.granted(&key, NOW).await;
        let mut long = entry(&key, "v", on.under(&dependencies()).await, NOW);
        long.time_to_idle_ms = end;
        long.windows.fresh_until = Timestamp(end);
        long.windows.revalidate_until = Timestamp(end);
        long.windows.error_until = Timestamp(end);
        assert_eq!(on.fill(&key, token, long).await, Filled::Stored, "{end}");
        for now in [NOW, NOW.plus(1 << 40)] {
            assert_eq!(on.state(&key, now).await, Some(State::Fresh), "{end}");
        }
        on.invalidate(&key, larder_core::dependency::Mode::Purge, NOW)
            .await;
    }
}

pub(super) async fn an_entry_that_nobody_reads_idles_away(on: Subject) {
    let key = key("idle");
    let token = on.granted(&key, NOW).await;
    let mut entry = entry(&key, "v", Vec::new(), NOW);
    entry.time_to_idle_ms = 100;
    assert_eq!(on.fill(&key, token, entry).await, Filled::Stored);
    for (after, there) in [(99, true), (198, true), (297, true), (410, false)] {
        let found = on.get(&key, NOW.plus(after)).await;
        assert_eq!(found.is_some(), there, "after {after} ms");
    }
}

pub(super) async fn a_collision_of_keys_is_a_miss(on: Subject) {
    let key = key("collides");
    let token = on.granted(&key, NOW).await;
    let mut foreign = entry(&key, "somebody else's", Vec::new(), NOW);
    foreign.logical = Arc::from("t:n:another");
    on.fill(&key, token, foreign).await;
    assert_eq!(on.text(&key, NOW).await, None);
    on.stored(&key, "own", &[]).await;
    assert_eq!(on.text(&key, NOW).await.as_deref(), Some("own"));
}

pub(super) async fn what_cannot_fit_is_refused_and_the_lease_given_up(on: Subject) {
    let capacity = on.store().summary().capacity;
    if capacity == 0 {
        return;
    }
    let key = key("large");
    let token = on.granted(&key, NOW).await;
    let mut large = entry(&key, "", Vec::new(), NOW);
    large.value = Some(Value::new(vec![0; capacity as usize]));
    let waiting = on.store().changed(&key);
    assert_eq!(on.fill(&key, token, large).await, Filled::TooLarge);
    woken(waiting).await;
    assert_eq!(on.text(&key, NOW).await, None);
    on.granted(&key, NOW).await;
}

pub(super) async fn a_sweep_counts_what_it_drops_and_leaves_the_rest(on: Subject) {
    let (old, young) = (key("old"), key("young"));
    on.stored(&old, "v", &dependencies()).await;
    let later = NOW.plus(TTL_MS);
    let token = on.granted(&young, later).await;
    let under = on.under(&dependencies()).await;
    let entry = entry(&young, "w", under, later);
    assert_eq!(on.fill(&young, token, entry).await, Filled::Stored);

    assert_eq!(on.store().sweep(later), 0, "both may be served");
    let end: Timestamp = NOW.plus(TTL_MS + ERROR_MS);
    // A store whose entries end by themselves has nothing left to drop.
    assert!(on.store().sweep(end) <= 1);
    assert_eq!(on.store().sweep(end), 0, "it is gone already");
    assert_eq!(on.text(&young, end).await.as_deref(), Some("w"));
}

pub(super) async fn a_sweep_wakes_those_who_wait_for_a_lease_that_ran_out(on: Subject) {
    let key = key("forgotten");
    on.granted(&key, NOW).await;
    let waiting = on.store().changed(&key);
    on.store().sweep(NOW.plus(LEASE_MS));
    woken(waiting).await;
}
