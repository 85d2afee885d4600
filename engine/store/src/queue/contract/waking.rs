//! Nobody waits for what has happened.

use super::subject::{Subject, neighbours, one, row, woken};

pub(super) async fn a_change_wakes_its_flusher(on: Subject) {
    let row = row("1");
    let partition = row.partition();
    let claim = on.claim(&partition).await;
    // Not polled before the change comes: between looking and waiting nothing is missed.
    let waiting = [
        on.queue().arrived(&partition),
        on.queue().arrived(&partition),
    ];
    on.put(&row, &["v"]).await;
    for waiting in waiting {
        woken(waiting, "a change").await;
    }
    assert_eq!(on.head(&claim).await, ["v"]);
}

pub(super) async fn a_retry_wakes_the_flusher(on: Subject) {
    let row = row("1");
    let claim = on.claim(&row.partition()).await;
    let numbers = on.put(&row, &["v"]).await;
    on.bury(&claim, numbers[0], "no").await;
    let letters = on.letters().await;
    let waiting = on.queue().arrived(&claim.partition);
    on.retry(&one(&letters[0])).await;
    woken(waiting, "a retry").await;
    assert_eq!(on.head(&claim).await, ["v"]);

    on.bury(&claim, numbers[0], "no").await;
    on.put(&row, &["w"]).await;
    let letters = on.letters().await;
    let waiting = on.queue().arrived(&claim.partition);
    on.forget(&one(&letters[0])).await;
    woken(waiting, "a row that is open again").await;
    assert_eq!(on.head(&claim).await, ["w"]);
}

pub(super) async fn what_happens_to_a_row_wakes_those_who_wait_for_it(on: Subject) {
    let (rows, _) = neighbours(1);
    let row = &rows[0];
    let claim = on.claim(&row.partition()).await;
    let numbers = on.put(row, &["1", "2", "3"]).await;
    let waiting = [on.queue().moved(row), on.queue().moved(row)];
    on.flushed(&claim, &numbers[..1]).await;
    for waiting in waiting {
        woken(waiting, "a flush").await;
    }
    let waiting = on.queue().moved(row);
    on.bury(&claim, numbers[1], "no").await;
    woken(waiting, "a burial").await;
    let letters = on.letters().await;
    let waiting = on.queue().moved(row);
    on.forget(&one(&letters[0])).await;
    woken(waiting, "a letter that is forgotten").await;
}
