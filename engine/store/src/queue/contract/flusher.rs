//! One flusher to a partition.

use super::subject::{CLAIM_MS, NOW, Subject, done, fail, lost, neighbours, row};
use crate::queue::{Claim, LetterId, Partition};

pub(super) async fn a_partition_has_one_flusher(on: Subject) {
    let partition = row("1").partition();
    let first = on.claim(&partition).await;
    assert_eq!(first.partition, partition);
    let last = NOW.plus(CLAIM_MS - 1);
    for now in [NOW, last] {
        assert_eq!(on.ask(&partition, now).await, None);
    }
    for other in Partition::all(&partition.origin).filter(|other| *other != partition) {
        on.claim(&other).await;
    }
    let elsewhere = Partition {
        origin: "stock".into(),
        number: partition.number,
    };
    on.claim(&elsewhere).await;
    let second = on.ask(&partition, NOW.plus(CLAIM_MS)).await;
    assert!(second.is_some_and(|second| second.token != first.token));
}

pub(super) async fn a_claim_lasts_as_long_as_it_is_extended(on: Subject) {
    let partition = row("1").partition();
    let claim = on.claim(&partition).await;
    let late = NOW.plus(CLAIM_MS - 1);
    done(on.queue().extend(&claim, CLAIM_MS, late).await);
    let end = late.plus(CLAIM_MS);
    assert_eq!(on.ask(&partition, NOW.plus(CLAIM_MS)).await, None);
    lost(on.queue().extend(&claim, CLAIM_MS, end).await, &claim);
    lost(on.queue().head(&claim, 1, end).await, &claim);
    assert!(on.ask(&partition, end).await.is_some());
}

pub(super) async fn a_claim_that_was_let_go_is_granted_at_once(on: Subject) {
    let partition = row("1").partition();
    let first = on.claim(&partition).await;
    done(on.queue().let_go(&first).await);
    lost(on.queue().head(&first, 1, NOW).await, &first);
    on.claim(&partition).await;
    // Letting go twice must not end the claim of the next.
    let _ = on.queue().let_go(&first).await;
    assert_eq!(on.ask(&partition, NOW).await, None);
}

/// A claim, and the one that took it over after its end.
async fn taken_over(on: &Subject, partition: &Partition) -> (Claim, Claim) {
    let stale = on.claim(partition).await;
    match on.ask(partition, NOW.plus(CLAIM_MS)).await {
        Some(claim) => (stale, claim),
        None => fail("a claim that has ended is not taken over"),
    }
}

pub(super) async fn what_a_stale_claim_tells_changes_nothing(on: Subject) {
    let row = row("1");
    let numbers = on.put(&row, &["v", "w"]).await;
    let (stale, claim) = taken_over(&on, &row.partition()).await;
    let now = NOW.plus(CLAIM_MS);
    lost(on.queue().head(&stale, 1, now).await, &stale);
    lost(on.queue().flushed(&stale, &numbers).await, &stale);
    lost(on.queue().extend(&stale, CLAIM_MS, now).await, &stale);
    lost(on.queue().bury(&stale, numbers[0], "no", now).await, &stale);
    let _ = on.queue().let_go(&stale).await;

    let head = done(on.queue().head(&claim, 9, now).await);
    let left: Vec<_> = head.iter().map(|queued| queued.sequence).collect();
    assert_eq!(left, numbers);
    assert_eq!(on.seen(&row).await.as_deref(), Some("w"));
    assert!(on.letters().await.is_empty());
    on.flushed(&claim, &numbers).await;
}

pub(super) async fn a_claim_reaches_its_own_partition_only(on: Subject) {
    let (rows, far) = neighbours(1);
    let near = on.put(&rows[0], &["near"]).await;
    let elsewhere = on.put(&far, &["far"]).await;
    let claim = on.claim(&rows[0].partition()).await;
    on.flushed(&claim, &elsewhere).await;
    on.bury(&claim, elsewhere[0], "not yours").await;
    let unknown = near[0].max(elsewhere[0]) + 1;
    on.flushed(&claim, &[unknown]).await;
    on.bury(&claim, unknown, "nobody's").await;
    assert_eq!(on.seen(&far).await.as_deref(), Some("far"));
    assert!(on.letters().await.is_empty());
    let wrong = LetterId {
        partition: far.partition(),
        sequence: near[0],
    };
    on.bury(&claim, near[0], "yours").await;
    assert_eq!(done(on.queue().letter(&wrong).await), None);
}

pub(super) async fn a_claim_does_not_outlive_its_end_after_a_crash(on: Subject) {
    let partition = row("1").partition();
    let stale = on.claim(&partition).await;
    let on = on.crash().await;
    let claim = on.ask(&partition, NOW.plus(CLAIM_MS)).await;
    assert!(claim.is_some_and(|claim| claim.token != stale.token));
    let now = NOW.plus(CLAIM_MS);
    lost(on.queue().head(&stale, 1, now).await, &stale);
}
