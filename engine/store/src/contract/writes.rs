//! A write excludes fills, and overlapping writes exclude each other's.

use larder_core::dependency::Mode;
use larder_core::{Dependency, Timestamp};

use super::subject::{LEASE_MS, NOW, Subject, dependencies, entry, key, woken};
use crate::store::{Filled, Leased, Token};

pub(super) async fn a_write_removes_the_entry_and_excludes_other_fills(on: Subject) {
    let key = key("k");
    on.stored(&key, "old", &[]).await;
    let Leased::Granted(load) = on.ask(&key, NOW, false, Some(NOW)).await else {
        unreachable!("nobody else holds the key");
    };
    let waiting = on.store().changed(&key);
    let write = on.begin_write(&key, NOW).await;
    woken(waiting).await;
    assert_eq!(on.text(&key, NOW).await, None);
    on.held(&key, NOW).await;
    let shared = on.ask(&key, NOW, true, None).await;
    assert!(matches!(shared, Leased::Held { .. }), "{shared:?}");
    let filled = on
        .fill(&key, load, entry(&key, "old", Vec::new(), NOW))
        .await;
    assert_eq!(filled, Filled::Voided);

    let waiting = on.store().changed(&key);
    let filled = on
        .fill(&key, write, entry(&key, "new", Vec::new(), NOW))
        .await;
    assert_eq!(filled, Filled::Stored);
    woken(waiting).await;
    assert_eq!(on.text(&key, NOW).await.as_deref(), Some("new"));
}

pub(super) async fn a_released_write_opens_the_key(on: Subject) {
    let key = key("k");
    let write = on.begin_write(&key, NOW).await;
    on.held(&key, NOW).await;
    let waiting = on.store().changed(&key);
    on.release(&key, write).await;
    woken(waiting).await;
    on.stored(&key, "v", &[]).await;
}

pub(super) async fn a_write_that_ran_out_opens_the_key(on: Subject) {
    let (key, end) = (key("k"), NOW.plus(LEASE_MS));
    let write = on.begin_write(&key, NOW).await;
    on.held(&key, NOW.plus(LEASE_MS - 1)).await;
    let load = on.granted(&key, end).await;
    let late = on
        .fill(&key, write, entry(&key, "late", Vec::new(), end))
        .await;
    let new = on
        .fill(&key, load, entry(&key, "new", Vec::new(), end))
        .await;
    assert_eq!((late, new), (Filled::Voided, Filled::Stored));
}

pub(super) async fn of_overlapping_writes_none_fills(on: Subject) {
    let key = key("k");
    let first = on.begin_write(&key, NOW).await;
    let second = on.begin_write(&key, NOW).await;
    for (write, text) in [(first, "first"), (second, "second")] {
        on.held(&key, NOW).await;
        let filled = on
            .fill(&key, write, entry(&key, text, Vec::new(), NOW))
            .await;
        assert_eq!(filled, Filled::Voided, "the {text} to end");
        assert_eq!(on.text(&key, NOW).await, None);
    }
    let alone = on.begin_write(&key, NOW).await;
    let filled = on
        .fill(&key, alone, entry(&key, "alone", Vec::new(), NOW))
        .await;
    assert_eq!(filled, Filled::Stored);
}

pub(super) async fn an_invalidated_write_goes_on_without_its_fill(on: Subject) {
    for mode in [Mode::Purge, Mode::Expire] {
        let key = key(mode.as_str());
        let write = on.begin_write(&key, NOW).await;
        on.invalidate(&key, mode, NOW).await;
        on.held(&key, NOW).await;
        let filled = on
            .fill(&key, write, entry(&key, "v", Vec::new(), NOW))
            .await;
        assert_eq!(filled, Filled::Voided);
        on.granted(&key, NOW).await;
    }
}

pub(super) async fn a_bump_voids_the_fill_of_a_write(on: Subject) {
    let key = key("k");
    let write = on.begin_write(&key, NOW).await;
    let under = on.under(&dependencies()).await;
    on.bump(&dependencies()[1], Mode::Purge, NOW).await;
    let filled = on.fill(&key, write, entry(&key, "v", under, NOW)).await;
    assert_eq!(filled, Filled::Voided);
    on.granted(&key, NOW).await;
}

pub(super) async fn a_tombstone_is_an_entry(on: Subject) {
    let key = key("k");
    let load = on.granted(&key, NOW).await;
    let delete = on.begin_write(&key, NOW).await;
    let mut tombstone = entry(&key, "", Vec::new(), NOW);
    tombstone.value = None;
    assert_eq!(on.fill(&key, delete, tombstone).await, Filled::Stored);
    let filled = on
        .fill(&key, load, entry(&key, "old", Vec::new(), NOW))
        .await;
    assert_eq!(filled, Filled::Voided);
    assert_eq!(on.text(&key, NOW).await.as_deref(), Some("absent"));
}

pub(super) async fn the_witness_of_a_write_changes_with_every_event(on: Subject) {
    let key = key("k");
    let first = on.begin_write(&key, NOW).await;
    let seen = witness(&on, NOW, &[]).await;
    let second = on.begin_write(&key, NOW.plus(1)).await;
    let seen = witness(&on, NOW.plus(1), &[seen]).await;
    on.invalidate(&key, Mode::Expire, NOW.plus(1)).await;
    let seen = witness(&on, NOW.plus(1), &[seen]).await;
    // The first write runs out, the second has a millisecond left.
    let seen = witness(&on, NOW.plus(LEASE_MS), &[seen]).await;
    on.release(&key, second).await;
    assert!(!on.holds(&key, seen, NOW.plus(LEASE_MS)).await);
    assert!(!on.holds(&key, first, NOW.plus(LEASE_MS)).await);
}

/// The witness that readers are shown now, unlike those `before` it.
async fn witness(on: &Subject, now: Timestamp, before: &[Token]) -> Token {
    let key = key("k");
    for token in before {
        assert!(!on.holds(&key, *token, now).await, "an event was missed");
    }
    let by = on.held(&key, now).await;
    assert!(on.holds(&key, by, now).await);
    assert!(!before.contains(&by));
    by
}

pub(super) async fn a_noted_write_is_known_by_its_names_and_changes_nothing(on: Subject) {
    let (key, other) = (key("noted"), key("other"));
    on.stored(&key, "v", &dependencies()).await;
    let token = on.granted(&other, NOW).await;
    let named = [Dependency::key(&key), Dependency::tag("t", "a")];
    on.note_written(&named, NOW).await;
    for name in &named {
        let ago = on.written_ago(std::slice::from_ref(name)).await;
        assert!(ago.is_some_and(|ms| ms < 30_000), "{name} {ago:?}");
    }
    let others = [Dependency::key(&other), Dependency::namespace("t", "a")];
    assert_eq!(on.written_ago(&others).await, None);
    assert_eq!(on.written_ago(&[]).await, None);
    let mixed = [others[0].clone(), named[1].clone()];
    assert!(on.written_ago(&mixed).await.is_some());
    assert_eq!(on.text(&key, NOW).await.as_deref(), Some("v"));
    assert!(on.holds(&other, token, NOW).await);
}

pub(super) async fn the_last_of_several_noted_writes_counts(on: Subject) {
    let of = [Dependency::tag("t", "a"), Dependency::tag("t", "b")];
    on.note_written(&of[..1], Timestamp(NOW.0 - 20_000)).await;
    on.note_written(&of[1..], Timestamp(NOW.0 - 10_000)).await;
    let both = on.written_ago(&of).await;
    assert!(both.is_some_and(|ms| ms <= 10_000), "{both:?}");
    on.note_written(&of[..1], NOW).await;
    let first = on.written_ago(&of[..1]).await;
    assert!(first.is_some_and(|ms| ms < 10_000), "{first:?}");
}
