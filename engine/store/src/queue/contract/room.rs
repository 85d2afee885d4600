//! How much there is, and how much there may be.

use larder_core::Value;

use super::subject::{NOW, Room, Subject, change, done, neighbours, row};
use crate::queue::{Change, QueueError};

async fn full(on: &Subject, change: Change) {
    let row = change.row.clone();
    let before = (on.depth().await, on.seen(&row).await);
    let answer = on.queue().enqueue(change, NOW).await;
    assert!(matches!(answer, Err(QueueError::Full(_))), "{answer:?}");
    assert_eq!((on.depth().await, on.seen(&row).await), before);
}

pub(super) async fn beyond_its_count_nothing_is_taken(on: Subject) {
    let on = on
        .crash_into(Room {
            changes: 3,
            ..Room::AMPLE
        })
        .await;
    let (rows, far) = neighbours(1);
    let numbers = on.put(&rows[0], &["1", "2"]).await;
    on.put(&far, &["3"]).await;
    let refused = change(&rows[0], "4");
    full(&on, refused.clone()).await;
    full(&on, change(&far, "5")).await;

    let claim = on.claim(&rows[0].partition()).await;
    on.flushed(&claim, &numbers[..1]).await;
    let taken = on.enqueue(refused, NOW).await;
    assert!(!taken.repeated, "what was refused was not taken");
    assert_eq!(on.head(&claim).await, ["2", "4"]);
    full(&on, change(&rows[0], "6")).await;
    let on = on.crash().await;
    assert_eq!(on.depth().await.waiting, 3);
}

pub(super) async fn beyond_its_bytes_nothing_is_taken(on: Subject) {
    let on = on
        .crash_into(Room {
            bytes: 100_000,
            ..Room::AMPLE
        })
        .await;
    let row = row("1");
    let sized = |bytes: usize| {
        let mut sized = change(&row, "");
        sized.value = Some(Value::new(vec![b'x'; bytes]));
        sized
    };
    full(&on, sized(100_001)).await;
    let first = on.enqueue(sized(60_000), NOW).await;
    assert!(on.depth().await.bytes >= 60_000);
    full(&on, sized(60_000)).await;
    on.enqueue(sized(10_000), NOW).await;
    let claim = on.claim(&row.partition()).await;
    on.flushed(&claim, &[first.sequence]).await;
    assert!(on.depth().await.bytes < 60_000);
    on.enqueue(sized(60_000), NOW).await;
}

pub(super) async fn a_full_queue_still_knows_what_it_took(on: Subject) {
    let on = on
        .crash_into(Room {
            changes: 1,
            ..Room::AMPLE
        })
        .await;
    let only = change(&row("1"), "v");
    let first = on.enqueue(only.clone(), NOW).await;
    full(&on, change(&only.row, "w")).await;
    let again = on.enqueue(only, NOW).await;
    assert!(again.repeated && again.sequence == first.sequence);
}

pub(super) async fn depth_counts_what_waits(on: Subject) {
    let empty = on.depth().await;
    assert_eq!((empty.waiting, empty.bytes, empty.dead), (0, 0, 0));
    assert_eq!((empty.oldest, empty.parked), (None, 0));

    let mut stock = row("1");
    stock.origin = "stock".into();
    let shop = row("1");
    let first = on.enqueue(change(&stock, "a"), NOW).await;
    for (n, text) in ["b", "c"].into_iter().enumerate() {
        let now = NOW.plus(1 + n as u64);
        on.enqueue(change(&shop, text), now).await;
    }
    let on = on.crash().await;
    let mut depth = on.depth().await;
    depth.origins.sort();
    assert_eq!((depth.waiting, depth.oldest), (3, Some(NOW)));
    assert!(depth.bytes > 0);
    assert_eq!(depth.origins, [("shop".into(), 2), ("stock".into(), 1)]);

    let claim = on.claim(&stock.partition()).await;
    on.flushed(&claim, &[first.sequence]).await;
    let depth = on.depth().await;
    assert_eq!((depth.waiting, depth.oldest), (2, Some(NOW.plus(1))));
    let left: Vec<_> = depth.origins.iter().filter(|origin| origin.1 > 0).collect();
    assert_eq!(left, [&("shop".into(), 2)]);
    done(on.queue().let_go(&claim).await);
    assert!(!on.queue().summary().can_lose.is_empty());
}
