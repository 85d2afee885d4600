//! The right to fill one key: who gets it, and what ends it.

use larder_core::dependency::Mode;

use super::subject::{LEASE_MS, NOW, Subject, dependencies, entry, key, woken};
use crate::store::{Filled, Leased, Token};

pub(super) async fn a_lease_is_granted_to_one(on: Subject) {
    let key = key("k");
    let token = on.granted(&key, NOW).await;
    let by = on.held(&key, NOW).await;
    assert!(on.holds(&key, by, NOW).await);
    let filled = on
        .fill(&key, token, entry(&key, "v", Vec::new(), NOW))
        .await;
    assert_eq!(filled, Filled::Stored);
    assert_eq!(on.text(&key, NOW).await.as_deref(), Some("v"));
}

pub(super) async fn a_released_lease_is_granted_anew(on: Subject) {
    let key = key("k");
    let token = on.granted(&key, NOW).await;
    let waiting = on.store().changed(&key);
    on.release(&key, token).await;
    woken(waiting).await;
    assert!(!on.holds(&key, token, NOW).await);
    let next = on.granted(&key, NOW).await;
    assert_ne!(token, next);
    on.release(&key, token).await;
    assert!(on.holds(&key, next, NOW).await, "released by a stranger");
}

pub(super) async fn a_lease_that_ran_out_fills_nothing(on: Subject) {
    let (slow, alone) = (key("slow"), key("alone"));
    let end = NOW.plus(LEASE_MS);
    let lone = on.granted(&alone, NOW).await;
    let old = on.granted(&slow, NOW).await;
    assert!(on.holds(&slow, old, NOW.plus(LEASE_MS - 1)).await);
    assert!(!on.holds(&slow, old, end).await);
    let new = on.granted(&slow, end).await;
    for (key, token) in [(&slow, old), (&alone, lone)] {
        let filled = on
            .fill(key, token, entry(key, "old", Vec::new(), end))
            .await;
        assert_eq!(filled, Filled::Voided);
        assert_eq!(on.text(key, end).await, None);
    }
    let filled = on
        .fill(&slow, new, entry(&slow, "new", Vec::new(), end))
        .await;
    assert_eq!(filled, Filled::Stored);
}

pub(super) async fn a_filled_lease_is_over(on: Subject) {
    let key = key("k");
    let token = on.granted(&key, NOW).await;
    let waiting = on.store().changed(&key);
    let first = on
        .fill(&key, token, entry(&key, "one", Vec::new(), NOW))
        .await;
    woken(waiting).await;
    assert!(!on.holds(&key, token, NOW).await);
    let second = on
        .fill(&key, token, entry(&key, "two", Vec::new(), NOW))
        .await;
    assert_eq!((first, second), (Filled::Stored, Filled::Voided));
    assert_eq!(on.text(&key, NOW).await.as_deref(), Some("one"));
}

pub(super) async fn a_voided_fill_ends_its_lease(on: Subject) {
    let key = key("k");
    let token = on.granted(&key, NOW).await;
    let under = on.under(&dependencies()).await;
    on.bump(&dependencies()[1], Mode::Purge, NOW).await;
    let waiting = on.store().changed(&key);
    let filled = on.fill(&key, token, entry(&key, "old", under, NOW)).await;
    assert_eq!(filled, Filled::Voided);
    woken(waiting).await;
    on.granted(&key, NOW).await;
}

pub(super) async fn an_unknown_token_changes_nothing(on: Subject) {
    let key = key("k");
    let token = on.granted(&key, NOW).await;
    let stranger = Token(token.0 ^ 1);
    assert!(!on.holds(&key, stranger, NOW).await);
    on.release(&key, stranger).await;
    let filled = on
        .fill(&key, stranger, entry(&key, "x", Vec::new(), NOW))
        .await;
    assert_eq!(filled, Filled::Voided);
    assert!(on.holds(&key, token, NOW).await);
    let filled = on
        .fill(&key, token, entry(&key, "v", Vec::new(), NOW))
        .await;
    assert_eq!(filled, Filled::Stored);
    on.release(&key, token).await;
    assert_eq!(on.text(&key, NOW).await.as_deref(), Some("v"));
}

/// A second loader takes part in the lease of the first.
async fn shared(on: &Subject, first: Token) {
    let joined = on.ask(&key("k"), NOW, true, None).await;
    assert!(matches!(joined, Leased::Granted(token) if token == first));
}

pub(super) async fn a_shared_lease_is_filled_by_the_first(on: Subject) {
    let key = key("k");
    let token = on.granted(&key, NOW).await;
    shared(&on, token).await;
    on.held(&key, NOW).await;
    let first = on
        .fill(&key, token, entry(&key, "one", Vec::new(), NOW))
        .await;
    let second = on
        .fill(&key, token, entry(&key, "two", Vec::new(), NOW))
        .await;
    assert_eq!((first, second), (Filled::Stored, Filled::Voided));
    assert_eq!(on.text(&key, NOW).await.as_deref(), Some("one"));
}

pub(super) async fn a_share_given_up_leaves_the_lease_to_the_others(on: Subject) {
    let key = key("k");
    let token = on.granted(&key, NOW).await;
    shared(&on, token).await;
    on.release(&key, token).await;
    on.held(&key, NOW).await;
    assert!(on.holds(&key, token, NOW).await);
    on.release(&key, token).await;
    assert_ne!(on.granted(&key, NOW).await, token);
}

pub(super) async fn who_saw_another_entry_is_shown_the_new_one(on: Subject) {
    let key = key("k");
    on.stored(&key, "v", &dependencies()).await;
    for seen in [None, Some(NOW.plus(1))] {
        let answer = on.ask(&key, NOW, false, seen).await;
        let found = matches!(answer, Leased::Stored(found) if found.entry.windows.created == NOW);
        assert!(found, "seen {seen:?}");
    }
    let answer = on.ask(&key, NOW, false, Some(NOW)).await;
    assert!(matches!(answer, Leased::Granted(_)), "{answer:?}");

    on.bump(&dependencies()[0], Mode::Purge, NOW).await;
    let answer = on.ask(&key, NOW, false, None).await;
    assert!(
        matches!(answer, Leased::Held { .. }),
        "nothing servable: {answer:?}"
    );
}

pub(super) async fn a_lease_holds_until_something_happened(on: Subject) {
    let key = key("k");
    let token = on.granted(&key, NOW).await;
    let of = dependencies();
    for mode in [Mode::Purge, Mode::Expire] {
        let under = on.under(&of).await;
        let holds = on.store().holds(&key, token, &under, NOW).await;
        assert_eq!(holds, Ok(true));
        on.bump(&of[2], mode, NOW).await;
        let holds = on.store().holds(&key, token, &under, NOW).await;
        assert_eq!(holds, Ok(false), "{}", mode.as_str());
    }
    assert!(on.holds(&key, token, NOW).await);
    on.invalidate(&key, Mode::Expire, NOW).await;
    assert!(!on.holds(&key, token, NOW).await);
}

pub(super) async fn a_change_before_the_first_poll_is_not_missed(on: Subject) {
    let key = key("k");
    let token = on.granted(&key, NOW).await;
    let waiting = [on.store().changed(&key), on.store().changed(&key)];
    on.fill(&key, token, entry(&key, "v", Vec::new(), NOW))
        .await;
    on.granted(&super::subject::key("another"), NOW).await;
    for waiting in waiting {
        woken(waiting).await;
    }
}

pub(super) async fn a_lease_lasts_as_long_as_it_is_extended(on: Subject) {
    let key = key("long");
    let token = on.granted(&key, NOW).await;
    let late = NOW.plus(LEASE_MS - 1);
    assert!(on.extend(&key, token, late).await);
    assert!(!on.extend(&key, Token(1), late).await);
    assert!(on.holds(&key, token, NOW.plus(LEASE_MS)).await);
    assert_eq!(on.held(&key, NOW.plus(LEASE_MS)).await, token);
    let over = late.plus(LEASE_MS);
    assert!(!on.extend(&key, token, over).await, "it has run out");
    on.granted(&key, over).await;
}
