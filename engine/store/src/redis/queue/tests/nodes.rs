//! Several nodes over one queue, and servers that take over from each other.

use std::time::Duration;

use tokio::time::timeout;

use super::*;

fn behind(sentinels: &Sentinels) -> Spot {
    Spot::new(RedisConfig {
        sentinel: Some(SentinelConfig {
            urls: sentinels.urls(),
            master: Sentinels::NAME.to_owned(),
            ..SentinelConfig::default()
        }),
        ..RedisConfig::default()
    })
}

#[tokio::test]
async fn a_replica_that_takes_over_has_the_queue_and_larger_numbers() {
    let mut sentinels = Sentinels::start().await;
    let queue = behind(&sentinels).queue().await;
    assert!(queue.summary().can_lose.contains("replica"));
    let row = row("1");
    let before = put(&queue, &row, "1").await;
    let acknowledged: u64 = raw(&queue, cmd("WAIT").arg(1).arg(5_000)).await;
    assert_eq!(acknowledged, 1, "the replica has it");
    sentinels.master.kill();
    let again = change(&row, "2");
    let mut after = None;
    crate::testing::until("the replica takes over", async || {
        let enqueued = queue.enqueue(again.clone(), NOW).await;
        after = enqueued.ok();
        after.is_some()
    })
    .await;
    let after = after.expect("it was taken").sequence;
    assert!(after > before);
    let claim = claim(&queue, &row.partition()).await;
    assert_eq!(numbers(&head(&queue, &claim, 9).await), [before, after]);
}

/// Two nodes over one queue.
async fn two(limit: u64) -> [RedisQueue; 2] {
    let config = RedisQueueConfig {
        limit,
        ..Spot::shared().await.config()
    };
    let node = async || {
        RedisQueue::connect(config.clone())
            .await
            .expect("it can be used")
    };
    [node().await, node().await]
}

#[tokio::test]
async fn what_another_node_puts_in_or_takes_out_is_noticed() {
    let [here, there] = two(10).await;
    let row = row("1");
    let (claim, limit) = (
        claim(&here, &row.partition()).await,
        Duration::from_secs(10),
    );
    assert!(head(&here, &claim, 9).await.is_empty());
    let arrived = timeout(Duration::from_millis(100), here.arrived(&claim.partition));
    assert!(arrived.await.is_err(), "nothing has arrived");

    let sequence = put(&there, &row, "v").await;
    let arrived = timeout(limit, here.arrived(&claim.partition)).await;
    arrived.expect("a change has arrived");
    let seen = here.unflushed(&row).await.expect("it answers");
    assert_eq!(seen.map(|seen| seen.sequence), Some(sequence));

    let moved = timeout(limit, there.moved(&row));
    let sequences = [sequence];
    let flushed = here.flushed(&claim, &sequences);
    let (moved, flushed) = futures_util::future::join(moved, flushed).await;
    flushed.expect("the claim holds");
    moved.expect("the change has gone");
    assert_eq!(there.unflushed(&row).await, Ok(None));
}

#[tokio::test]
async fn an_operation_is_taken_once_whichever_node_is_asked() {
    let [here, there] = two(10).await;
    let once = change(&row("1"), "v");
    let first = here.enqueue(once.clone(), NOW).await.expect("it is taken");
    let again = there.enqueue(once, NOW).await.expect("it is known");
    assert!(again.repeated && again.sequence == first.sequence);
}

#[tokio::test]
async fn the_limit_counts_what_other_nodes_took() {
    let [here, there] = two(3).await;
    put(&here, &row("1"), "v").await;
    let numbers = [
        put(&there, &row("1"), "v").await,
        put(&there, &row("2"), "v").await,
    ];
    // At the latest when a second has passed.
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(1)).await;
    tokio::time::resume();
    let refused = here.enqueue(change(&row("3"), "v"), NOW).await;
    assert!(matches!(refused, Err(QueueError::Full(_))), "{refused:?}");

    let claim = claim(&there, &row("1").partition()).await;
    let flushed = there.flushed(&claim, &numbers[..1]).await;
    flushed.expect("the claim holds");
    crate::testing::until("there is room again", async || {
        here.enqueue(change(&row("3"), "v"), NOW).await.is_ok()
    })
    .await;
}
