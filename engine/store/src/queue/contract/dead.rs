//! What the origin will not take, and what follows it.

use super::subject::{CLAIM_MS, NOW, Subject, done, fail, neighbours, number, one, row};
use crate::queue::{Letters, Queued};

pub(super) async fn a_dead_letter_parks_its_row(on: Subject) {
    let row = row("1");
    let claim = on.claim(&row.partition()).await;
    let numbers = on.put(&row, &["1", "2"]).await;
    on.bury(&claim, numbers[0], "it is too long").await;
    let letters = on.letters().await;
    assert_eq!(letters.len(), 1, "later changes follow as they are met");
    assert_eq!(letters[0].queued.sequence, numbers[0]);
    assert_eq!((&*letters[0].why, letters[0].died), ("it is too long", NOW));

    assert!(on.head(&claim).await.is_empty());
    assert_eq!(on.letter_texts().await, ["1", "2"]);
    on.put(&row, &["3"]).await;
    assert!(on.head(&claim).await.is_empty());
    assert_eq!(on.letter_texts().await, ["1", "2", "3"]);
    let letters = on.letters().await;
    assert!(
        !letters[2].why.is_empty(),
        "a follower says what it follows"
    );
}

pub(super) async fn other_rows_flow(on: Subject) {
    let (rows, far) = neighbours(2);
    let claim = on.claim(&rows[0].partition()).await;
    let dead = on.put(&rows[0], &["1"]).await;
    on.put(&rows[0], &["2", "3"]).await;
    let alive = on.put(&rows[1], &["a", "b"]).await;
    on.put(&far, &["c"]).await;
    on.bury(&claim, dead[0], "no").await;
    // Those that follow take no place of those that may be flushed.
    let head = on.queued(&claim, 2).await;
    let head: Vec<_> = head.iter().map(|queued| queued.sequence).collect();
    assert_eq!(head, alive);
    on.flushed(&claim, &alive).await;
    assert_eq!(on.seen(&rows[1]).await, None);
    let claim = on.claim(&far.partition()).await;
    assert_eq!(on.head(&claim).await, ["c"]);
}

pub(super) async fn a_row_stays_parked_after_a_crash(on: Subject) {
    let row = row("1");
    let claim = on.claim(&row.partition()).await;
    let numbers = on.put(&row, &["1", "2"]).await;
    on.bury(&claim, numbers[0], "no").await;
    let before = on.letters().await;
    let on = on.crash().await;
    assert_eq!(on.letters().await, before);
    let Some(claim) = on.ask(&row.partition(), NOW.plus(CLAIM_MS)).await else {
        fail("the claim from before the crash never ends")
    };
    on.put(&row, &["3"]).await;
    let head = done(on.queue().head(&claim, 9, NOW.plus(CLAIM_MS)).await);
    assert!(head.is_empty());
    assert_eq!(on.letter_texts().await, ["1", "2", "3"]);
}

pub(super) async fn a_dead_letter_stays_visible_and_counts(on: Subject) {
    let (rows, _) = neighbours(2);
    let claim = on.claim(&rows[0].partition()).await;
    let numbers = on.put(&rows[0], &["1"]).await;
    on.bury(&claim, numbers[0], "no").await;
    assert_eq!(on.seen(&rows[0]).await.as_deref(), Some("1"));
    on.put(&rows[0], &["2"]).await;
    assert_eq!(on.seen(&rows[0]).await.as_deref(), Some("2"));
    on.put(&rows[1], &["a"]).await;
    on.head(&claim).await;
    assert_eq!(on.seen(&rows[0]).await.as_deref(), Some("2"));
    let depth = on.depth().await;
    assert_eq!((depth.waiting, depth.dead, depth.parked), (1, 2, 1));
}

pub(super) async fn retry_puts_a_row_back_in_order(on: Subject) {
    let (rows, _) = neighbours(2);
    let claim = on.claim(&rows[0].partition()).await;
    let first = on.put(&rows[0], &["1"]).await;
    on.put(&rows[1], &["a"]).await;
    on.put(&rows[0], &["2"]).await;
    on.bury(&claim, first[0], "no").await;
    assert_eq!(on.head(&claim).await, ["a"]);
    on.put(&rows[0], &["3"]).await;
    on.put(&rows[1], &["b"]).await;

    // Any of its letters stands for the row.
    let letters = on.letters().await;
    assert_eq!(on.retry(&one(&letters[1])).await, 2);
    assert_eq!(on.head(&claim).await, ["1", "a", "2", "3", "b"]);
    assert!(on.letters().await.is_empty());
    let depth = on.depth().await;
    assert_eq!((depth.waiting, depth.dead, depth.parked), (5, 0, 0));

    let on = on.crash().await;
    let Some(claim) = on.ask(&rows[0].partition(), NOW.plus(CLAIM_MS)).await else {
        fail("the claim from before the crash never ends")
    };
    let head = done(on.queue().head(&claim, 9, NOW.plus(CLAIM_MS)).await);
    assert_eq!(head.len(), 5, "it is put back for good");
    assert_eq!(head[0].sequence, first[0]);
}

pub(super) async fn retry_of_all_puts_every_row_back(on: Subject) {
    let (rows, far) = neighbours(2);
    let mut buried = 0;
    for row in rows.iter().chain([&far]) {
        let numbers = on.put(row, &[&row.id]).await;
        let claim = match on.ask(&row.partition(), NOW).await {
            Some(claim) => claim,
            None => continue,
        };
        on.bury(&claim, numbers[0], "no").await;
        done(on.queue().let_go(&claim).await);
        buried += 1;
    }
    assert_eq!(buried, 3);
    assert_eq!(on.retry(&Letters::All).await, 3);
    assert_eq!(on.retry(&Letters::All).await, 0);
    let claim = on.claim(&rows[0].partition()).await;
    assert_eq!(on.head(&claim).await, [&*rows[0].id, &*rows[1].id]);
    let claim = on.claim(&far.partition()).await;
    assert_eq!(on.head(&claim).await, [&*far.id]);
}

pub(super) async fn forgetting_the_last_letter_opens_the_row(on: Subject) {
    let row = row("1");
    let claim = on.claim(&row.partition()).await;
    let numbers = on.put(&row, &["1", "2"]).await;
    on.bury(&claim, numbers[0], "no").await;
    on.head(&claim).await;
    on.put(&row, &["3"]).await;
    let letters = on.letters().await;
    assert_eq!(on.forget(&one(&letters[0])).await, ["1"]);
    assert!(on.head(&claim).await.is_empty(), "one is left");
    assert_eq!(on.letter_texts().await, ["2", "3"]);
    assert_eq!(on.forget(&Letters::All).await, ["2", "3"]);
    assert_eq!(on.seen(&row).await, None);
    on.put(&row, &["4"]).await;
    assert_eq!(on.head(&claim).await, ["4"]);
    let on = on.crash().await;
    assert!(on.letters().await.is_empty());
    assert_eq!(on.seen(&row).await.as_deref(), Some("4"));
}

pub(super) async fn letters_are_answered_in_pages(on: Subject) {
    let (rows, far) = neighbours(4);
    for row in rows.iter().chain([&far]) {
        let numbers = on.put(row, &[&row.id]).await;
        let claim = on.claim(&row.partition()).await;
        on.bury(&claim, numbers[0], "no").await;
        done(on.queue().let_go(&claim).await);
    }
    let all = on.letters().await;
    assert_eq!(all.len(), 5);
    let near: Vec<_> = all
        .iter()
        .filter(|letter| letter.queued.change.row != far)
        .collect();
    let sorted = near.is_sorted_by(|a, b| a.queued.sequence < b.queued.sequence);
    assert!(sorted, "the oldest come first");

    let (mut paged, mut after) = (Vec::new(), None);
    for size in [2, 2, 2, 2] {
        let page = done(on.queue().letters(after.as_ref(), size).await);
        assert!(page.len() <= size);
        after = page
            .last()
            .map(|letter| letter.queued.letter_id())
            .or(after);
        paged.extend(page);
    }
    assert_eq!(paged, all);
    for letter in &all {
        let found = done(on.queue().letter(&letter.queued.letter_id()).await);
        assert_eq!(found.as_ref(), Some(letter));
    }
    // A page goes on where it was, though the letter that it ended with is gone.
    let second = all[1].queued.letter_id();
    on.forget(&one(&all[1])).await;
    let page = done(on.queue().letters(Some(&second), 9).await);
    assert_eq!(page, all[2..]);
}

pub(super) async fn only_dead_letters_are_retried_and_forgotten(on: Subject) {
    let row = row("1");
    let numbers = on.put(&row, &["v"]).await;
    for which in [
        number(&row, numbers[0]),
        number(&row, numbers[0] + 1),
        Letters::All,
    ] {
        assert_eq!(on.retry(&which).await, 0);
        assert!(on.forget(&which).await.is_empty());
    }
    let claim = on.claim(&row.partition()).await;
    let head = on.queued(&claim, 9).await;
    let id = head
        .first()
        .map(|queued: &std::sync::Arc<Queued>| queued.letter_id());
    let Some(id) = id else {
        fail("the change is gone")
    };
    assert_eq!(done(on.queue().letter(&id).await), None);
    assert_eq!(on.seen(&row).await.as_deref(), Some("v"));
}

pub(super) async fn what_cannot_be_read_dies_and_only_its_row_waits(on: Subject) {
    let (rows, _) = neighbours(2);
    let (ill, well) = (&rows[0], &rows[1]);
    let first = on.put(ill, &["1"]).await[0];
    on.put(well, &["a"]).await;
    on.put(ill, &["2"]).await;
    on.put(well, &["b"]).await;
    let on = on.crash_spoiling(ill, first).await;
    let claim = on.claim(&ill.partition()).await;
    assert_eq!(on.head(&claim).await, ["a", "b"]);
    let letters = on.letters().await;
    let known: Vec<_> = letters.iter().map(|letter| letter.readable).collect();
    assert_eq!(known, [false, true], "what comes after it follows it");
    assert_eq!(letters[0].id.sequence, first);
    assert_eq!(&letters[0].queued.change.row, ill);
    let shown = done(on.queue().letter(&letters[0].id).await);
    assert_eq!(shown.as_ref(), Some(&letters[0]));
    let depth = on.depth().await;
    assert_eq!((depth.waiting, depth.dead, depth.parked), (2, 2, 1));
    assert_eq!(on.seen(ill).await.as_deref(), Some("2"));

    let on = on.crash().await;
    let Some(claim) = on.ask(&ill.partition(), NOW.plus(CLAIM_MS)).await else {
        fail("the claim from before the crash never ends")
    };
    done(on.queue().let_go(&claim).await);
    let claim = on.claim(&ill.partition()).await;
    assert_eq!(on.letters().await.len(), 2, "it is dead for good");
    assert_eq!(on.forget(&one(&letters[0])).await.len(), 1);
    assert_eq!(on.retry(&Letters::All).await, 1);
    assert_eq!(on.head(&claim).await, ["a", "2", "b"]);
    assert!(on.letters().await.is_empty());
}
