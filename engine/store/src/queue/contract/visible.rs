//! What reads see until the origin has it.

use super::subject::{NOW, Subject, change, neighbours, number, row};

pub(super) async fn a_change_is_visible_until_it_is_flushed(on: Subject) {
    let row = row("1");
    assert_eq!(on.seen(&row).await, None);
    let numbers = on.put(&row, &["v"]).await;
    assert_eq!(on.seen(&row).await.as_deref(), Some("v"));

    let mut deleting = change(&row, "");
    deleting.value = None;
    let deleted = on.enqueue(deleting, NOW).await.sequence;
    assert_eq!(on.seen(&row).await.as_deref(), Some("deleted"));

    let claim = on.claim(&row.partition()).await;
    on.head(&claim).await;
    assert_eq!(on.seen(&row).await.as_deref(), Some("deleted"));
    on.flushed(&claim, &[numbers[0], deleted]).await;
    assert_eq!(on.seen(&row).await, None);
    assert!(on.head(&claim).await.is_empty());
}

pub(super) async fn the_newest_change_is_visible_whatever_is_flushed_before(on: Subject) {
    let row = row("1");
    let numbers = on.put(&row, &["1", "2", "3"]).await;
    assert_eq!(on.seen(&row).await.as_deref(), Some("3"));
    let claim = on.claim(&row.partition()).await;
    on.flushed(&claim, &numbers[..2]).await;
    assert_eq!(on.seen(&row).await.as_deref(), Some("3"));
    // Told twice, as after an answer that was lost.
    on.flushed(&claim, &numbers[..2]).await;
    assert_eq!(on.head(&claim).await, ["3"]);

    let on = on.crash().await;
    assert_eq!(on.seen(&row).await.as_deref(), Some("3"));
    let later = on.put(&row, &["4"]).await;
    assert_eq!(on.seen(&row).await.as_deref(), Some("4"));
    let partition = row.partition();
    let claim = on.ask(&partition, NOW.plus(super::subject::CLAIM_MS)).await;
    let claim = claim.unwrap_or_else(|| super::subject::fail("the old claim has ended"));
    on.flushed(&claim, &[numbers[2], later[0]]).await;
    assert_eq!(on.seen(&row).await, None);
}

pub(super) async fn all_changes_of_a_row_are_visible_in_order(on: Subject) {
    let (rows, _) = neighbours(2);
    let row = &rows[0];
    assert!(on.pending(row).await.is_empty());
    let numbers = on.put(row, &["1", "2", "3"]).await;
    on.put(&rows[1], &["other"]).await;
    assert_eq!(on.pending(row).await, ["1", "2", "3"]);
    let claim = on.claim(&row.partition()).await;
    on.flushed(&claim, &numbers[..1]).await;
    assert_eq!(on.pending(row).await, ["2", "3"]);
    // Dead or put back, each is where it was.
    on.bury(&claim, numbers[1], "no").await;
    on.put(row, &["4"]).await;
    assert_eq!(on.pending(row).await, ["2", "3", "4"]);
    on.head(&claim).await;
    on.retry(&number(row, numbers[1])).await;
    assert_eq!(on.pending(row).await, ["2", "3", "4"]);

    let on = on.crash().await;
    assert_eq!(on.pending(row).await, ["2", "3", "4"]);
    assert_eq!(on.pending(&rows[1]).await, ["other"]);
}

pub(super) async fn rows_that_differ_in_one_part_are_different(on: Subject) {
    let base = row("1");
    on.put(&base, &["v"]).await;
    let mut others = [base.clone(), base.clone(), base.clone(), base.clone()];
    others[0].id = "2".into();
    others[1].resource = "order".into();
    others[2].tenant = "".into();
    others[3].origin = "stock".into();
    for other in &others {
        assert_eq!(on.seen(other).await, None, "{other:?}");
    }
    assert_eq!(on.seen(&base).await.as_deref(), Some("v"));
}

pub(super) async fn what_was_flushed_is_gone_after_a_crash(on: Subject) {
    let (rows, _) = neighbours(2);
    let flushed = on.put(&rows[0], &["1", "2"]).await;
    on.put(&rows[1], &["3"]).await;
    let claim = on.claim(&rows[0].partition()).await;
    on.flushed(&claim, &flushed).await;
    super::subject::done(on.queue().let_go(&claim).await);
    let on = on.crash().await;
    let claim = on.claim(&rows[0].partition()).await;
    assert_eq!(on.head(&claim).await, ["3"]);
    assert_eq!(on.seen(&rows[0]).await, None);
}
