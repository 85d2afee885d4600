//! Changes by their numbers, and numbers by time.

use std::collections::HashMap;
use std::sync::Arc;

use larder_core::Timestamp;

use super::subject::{NOW, Subject, change, done, neighbours, row, text};

/// Numbers of changes are microseconds since 1970, roughly: this is in 2020.
const LONG_AGO: u64 = 1_600_000_000_000_000;

pub(super) async fn a_partition_is_answered_in_order(on: Subject) {
    let (rows, far) = neighbours(3);
    for text in ["1", "2", "3", "4"] {
        for row in &rows {
            on.put(row, &[text]).await;
        }
        on.put(&far, &["elsewhere"]).await;
    }
    let claim = on.claim(&rows[0].partition()).await;
    let head = on.queued(&claim, usize::MAX).await;
    let texts: Vec<_> = head.iter().map(|queued| text(queued)).collect();
    assert_eq!(texts.concat(), "111222333444");
    assert!(head.is_sorted_by(|a, b| a.sequence < b.sequence));

    let few = on.queued(&claim, 5).await;
    assert_eq!(few, head[..5], "the oldest come first");
    assert_eq!(on.queued(&claim, 0).await, []);
    on.flushed(&claim, &[few[1].sequence, few[0].sequence])
        .await;
    assert_eq!(on.queued(&claim, 3).await, head[2..5]);
}

pub(super) async fn numbers_grow_over_restarts(mut on: Subject) {
    let row = row("1");
    let mut last = LONG_AGO;
    for flush in [false, true, true, false] {
        let sequence = on.put(&row, &["v"]).await[0];
        assert!(sequence > last, "{sequence} comes after {last}");
        last = sequence;
        if flush {
            let claim = on.claim(&row.partition()).await;
            let head = on.queued(&claim, usize::MAX).await;
            let all: Vec<_> = head.iter().map(|queued| queued.sequence).collect();
            on.flushed(&claim, &all).await;
            done(on.queue().let_go(&claim).await);
        }
        on = on.crash().await;
    }
}

pub(super) async fn numbers_grow_when_the_clock_goes_back(mut on: Subject) {
    let row = row("1");
    let mut last = 0;
    for (now, crash) in [
        (NOW, false),
        (NOW, false),
        (Timestamp(NOW.0 - 86_400_000), false),
        (Timestamp(NOW.0 - 86_400_000), true),
        (Timestamp(0), true),
        (NOW, false),
    ] {
        if crash {
            on = on.crash().await;
        }
        let sequence = on.enqueue(change(&row, "v"), now).await.sequence;
        assert!(sequence > last, "{sequence} comes after {last}");
        last = sequence;
    }
}

pub(super) async fn changes_of_many_writers_keep_their_order(on: Subject) {
    const WRITERS: usize = 8;
    const EACH: usize = 25;
    let rows = Arc::new(neighbours(3).0);
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let (queue, rows) = (Arc::clone(on.queue()), Arc::clone(&rows));
        writers.spawn(async move {
            let mut last = 0;
            for step in 0..EACH {
                let row = &rows[step % rows.len()];
                let change = change(row, &format!("{writer}:{step:03}"));
                let sequence = done(queue.enqueue(change, NOW).await).sequence;
                assert!(sequence > last, "a later change has a smaller number");
                last = sequence;
            }
        });
    }
    while let Some(ended) = writers.join_next().await {
        assert!(ended.is_ok(), "a writer failed");
    }
    let claim = on.claim(&rows[0].partition()).await;
    let head = on.queued(&claim, usize::MAX).await;
    assert_eq!(head.len(), WRITERS * EACH);
    assert!(head.is_sorted_by(|a, b| a.sequence < b.sequence));
    let mut last: HashMap<String, String> = HashMap::new();
    for queued in &head {
        let text = text(queued);
        let writer = text.split(':').next().unwrap_or_default().to_owned();
        let before = last.insert(writer, text.clone());
        assert!(
            before < Some(text),
            "a writer's own changes keep their order"
        );
    }
}
