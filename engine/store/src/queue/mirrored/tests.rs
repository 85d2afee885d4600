//! Two nodes with a queue each, and one Redis.

use std::time::Duration;

use futures_util::FutureExt;
use tempfile::TempDir;
use tokio::time::timeout;

use super::*;
use crate::queue::LocalQueueConfig;
use crate::queue::contract::subject::{NOW, change, row};
use crate::queue::contract::{Place, Room};
use crate::queue::local::tests::spoil;
use crate::redis::RedisConfig;
use crate::testing::{Server, until};

const CLAIM_MS: u64 = 60_000;

/// What of a node survives: its folder. And where it shows its changes.
pub(super) struct Node {
    folder: TempDir,
    redis: RedisConfig,
}

impl Node {
    pub(super) fn new(redis: &RedisConfig) -> Self {
        Self {
            folder: tempfile::tempdir().expect("a folder"),
            redis: redis.clone(),
        }
    }

    async fn start(&self, room: Room) -> MirroredQueue {
        let local = LocalQueue::open(LocalQueueConfig {
            dir: self.folder.path().to_owned(),
            limit: room.changes,
            limit_bytes: room.bytes,
        });
        let mirror = Mirror::connect(&self.redis).await.expect("it is Redis");
        let queue = MirroredQueue::open(local.expect("a queue"), mirror).await;
        queue.expect("it can be read")
    }
}

impl Place for Node {
    fn open(&self, room: Room) -> BoxFuture<'_, Arc<dyn Queue>> {
        async move { Arc::new(self.start(room).await) as Arc<dyn Queue> }.boxed()
    }

    fn spoil<'a>(&'a self, _row: &'a Row, sequence: u64) -> BoxFuture<'a, ()> {
        spoil(self.folder.path(), sequence);
        std::future::ready(()).boxed()
    }
}

pub(super) fn redis(url: String) -> RedisConfig {
    RedisConfig {
        url: Some(url),
        prefix: format!("p{:x}", fastrand::u64(..)),
        timeout_ms: 5_000,
        ..RedisConfig::default()
    }
}

async fn put(queue: &MirroredQueue, row: &Row, text: &str, now: Timestamp) -> u64 {
    let enqueued = queue.enqueue(change(row, text), now).await;
    enqueued.expect("it is taken").sequence
}

async fn seen(queue: &MirroredQueue, row: &Row) -> Option<u64> {
    let seen = queue.unflushed(row).await.expect("it answers");
    seen.map(|queued| queued.sequence)
}

async fn claim(queue: &MirroredQueue, row: &Row) -> Claim {
    let claim = queue.claim(&row.partition(), CLAIM_MS, NOW).await;
    claim.expect("it answers").expect("nobody has it")
}

async fn two(url: String) -> ([Node; 2], [MirroredQueue; 2]) {
    let redis = redis(url);
    let nodes = [Node::new(&redis), Node::new(&redis)];
    let queues = [
        nodes[0].start(Room::AMPLE).await,
        nodes[1].start(Room::AMPLE).await,
    ];
    (nodes, queues)
}

#[tokio::test]
async fn nodes_agree_on_the_time_that_numbers_are_made_of() {
    let server = Server::start().await;
    let (_nodes, queues) = two(server.url()).await;
    let told = queues.map(|queue| queue.clock().expect("Redis tells it").now().0);
    let spot = crate::redis::RedisQueueConfig {
        redis: RedisConfig {
            url: Some(server.url()),
            ..RedisConfig::default()
        },
        accept_loss: true,
        ..Default::default()
    };
    let shared = crate::redis::RedisQueue::connect(spot)
        .await
        .expect("listens");
    let shared = shared.clock().expect("Redis tells it").now().0;
    assert!(
        told.iter().all(|one| one.abs_diff(shared) < 5_000),
        "{told:?} {shared}"
    );
}

#[tokio::test]
async fn each_node_sees_the_newest_change_of_all_until_it_is_flushed() {
    let (_nodes, [here, there]) = two(Server::shared().await).await;
    let row = row("1");
    let older = put(&here, &row, "older", NOW).await;
    assert_eq!(seen(&there, &row).await, Some(older));
    let newer = put(&there, &row, "newer", NOW.plus(1_000)).await;
    assert!(newer > older);
    for queue in [&here, &there] {
        assert_eq!(seen(queue, &row).await, Some(newer));
    }
    let done = there.flushed(&claim(&there, &row).await, &[newer]).await;
    done.expect("the claim holds");
    for queue in [&here, &there] {
        assert_eq!(seen(queue, &row).await, Some(older), "it is not flushed");
    }

    let waits = timeout(Duration::from_secs(10), there.moved(&row));
    let (flusher, numbers) = (claim(&here, &row).await, [older]);
    let flush = here.flushed(&flusher, &numbers);
    let (waits, flush) = futures_util::future::join(waits, flush).await;
    flush.expect("the claim holds");
    waits.expect("it was flushed elsewhere");
    for queue in [&here, &there] {
        assert_eq!(seen(queue, &row).await, None);
    }
}

async fn numbers(queue: &MirroredQueue, row: &Row) -> Vec<u64> {
    let pending = queue.pending(row).await.expect("it answers");
    pending.iter().map(|queued| queued.sequence).collect()
}

#[tokio::test]
async fn each_node_sees_all_changes_of_all_in_their_order() {
    let (nodes, [here, there]) = two(Server::shared().await).await;
    let row = row("1");
    let first = put(&here, &row, "1", NOW).await;
    let second = put(&there, &row, "2", NOW.plus(1_000)).await;
    let third = put(&here, &row, "3", NOW.plus(2_000)).await;
    let fourth = put(&here, &row, "4", NOW.plus(3_000)).await;
    for queue in [&here, &there] {
        assert_eq!(numbers(queue, &row).await, [first, second, third, fourth]);
    }
    let flusher = claim(&here, &row).await;
    here.flushed(&flusher, &[first]).await.expect("it holds");
    assert_eq!(numbers(&there, &row).await, [second, third, fourth]);
    // The newest goes and older ones stay, as after a dead letter was forgotten.
    here.bury(&flusher, fourth, "no", NOW)
        .await
        .expect("it holds");
    here.forget(&Letters::All).await.expect("it is there");
    assert_eq!(numbers(&there, &row).await, [second, third]);

    drop(here);
    let here = nodes[0].start(Room::AMPLE).await;
    assert_eq!(numbers(&there, &row).await, [second, third]);
    let flusher = here
        .claim(&row.partition(), CLAIM_MS, NOW.plus(2 * CLAIM_MS))
        .await;
    let flusher = flusher.expect("it answers").expect("the old one has ended");
    here.flushed(&flusher, &[third]).await.expect("it holds");
    assert_eq!(numbers(&there, &row).await, [second]);
    assert_eq!(numbers(&here, &row).await, [second]);
}

#[tokio::test]
async fn a_change_waits_for_older_ones_of_its_row_on_other_nodes() {
    let (_nodes, [here, there]) = two(Server::shared().await).await;
    let row = row("1");
    let first = put(&here, &row, "1", NOW).await;
    let second = put(&there, &row, "2", NOW.plus(1_000)).await;
    let third = put(&here, &row, "3", NOW.plus(2_000)).await;
    let (mine, theirs) = (claim(&here, &row).await, claim(&there, &row).await);
    let head = async |queue: &MirroredQueue, claim: &Claim| {
        let head = queue.head(claim, 9, NOW).await.expect("it answers");
        Vec::from_iter(head.iter().map(|queued| queued.sequence))
    };
    assert!(head(&there, &theirs).await.is_empty(), "it is not its turn");
    assert_eq!(head(&here, &mine).await, [first]);
    here.flushed(&mine, &[first]).await.expect("it holds");
    assert!(head(&here, &mine).await.is_empty());
    assert_eq!(head(&there, &theirs).await, [second]);
    there.flushed(&theirs, &[second]).await.expect("it holds");
    assert_eq!(head(&here, &mine).await, [third]);
}

#[tokio::test]
async fn a_dead_letter_is_shown_until_it_is_forgotten_or_flushed_after_all() {
    let (_nodes, [here, there]) = two(Server::shared().await).await;
    let row = row("1");
    let claim = claim(&here, &row).await;
    let bury = async |sequence| {
        let buried = here.bury(&claim, sequence, "no", NOW).await;
        buried.expect("the claim holds");
    };
    let (first, second) = (
        put(&here, &row, "1", NOW).await,
        put(&here, &row, "2", NOW).await,
    );
    bury(first).await;
    bury(second).await;
    let flushed = here.flushed(&claim, &[first, second]).await;
    flushed.expect("dead letters are passed over");
    assert_eq!(seen(&there, &row).await, Some(second));
    let id = LetterId {
        partition: row.partition(),
        sequence: second,
    };
    let forgotten = here.forget(&Letters::One(id)).await;
    assert_eq!(forgotten.expect("it is there").len(), 1);
    assert_eq!(seen(&there, &row).await, Some(first));
    assert_eq!(here.retry(&Letters::All).await, Ok(1));
    let flushed = here.flushed(&claim, &[first]).await;
    flushed.expect("the claim holds");
    assert_eq!(seen(&there, &row).await, None);
}

#[tokio::test]
async fn what_was_flushed_but_not_hidden_before_a_crash_is_hidden_at_the_next_start() {
    let (nodes, [here, there]) = two(Server::shared().await).await;
    let (flushed, kept) = (row("1"), row("2"));
    let number = put(&here, &flushed, "v", NOW).await;
    let other = put(&here, &kept, "w", NOW).await;
    // As a crash between the two steps leaves it.
    let claim = claim(&here, &flushed).await;
    let done = here.local.flushed(&claim, &[number]).await;
    done.expect("the claim holds");
    drop(here);
    assert_eq!(seen(&there, &flushed).await, Some(number));
    let here = nodes[0].start(Room::AMPLE).await;
    assert_eq!(seen(&there, &flushed).await, None);
    assert_eq!(seen(&there, &kept).await, Some(other));
    assert_eq!(seen(&here, &kept).await, Some(other));
}

#[tokio::test]
async fn without_redis_a_change_is_kept_but_not_acknowledged_and_shown_later() {
    let mut server = Server::start().await;
    let (_nodes, [here, there]) = two(server.url()).await;
    let (shown, late) = (row("1"), row("2"));
    let number = put(&here, &shown, "v", NOW).await;
    server.kill();
    let refused = here.enqueue(change(&late, "w"), NOW).await;
    assert!(matches!(refused, Err(QueueError::Failed(_))), "{refused:?}");
    let kept = seen(&here, &late).await.expect("it is kept");
    assert_eq!(seen(&here, &shown).await, Some(number));
    let unknown = there.unflushed(&shown).await;
    assert!(
        unknown.is_err(),
        "nobody knows what others have: {unknown:?}"
    );

    // It comes back with nothing.
    server.restart().await;
    let claim = claim(&here, &shown).await;
    until("all of it is shown again", async || {
        let head = here.head(&claim, 9, NOW).await;
        head.expect("the claim holds");
        let shown = there.unflushed(&shown).await.ok().flatten();
        let late = there.unflushed(&late).await.ok().flatten();
        let numbers = (shown.map(|one| one.sequence), late.map(|one| one.sequence));
        numbers == (Some(number), Some(kept))
    })
    .await;
}

#[tokio::test]
async fn a_flush_without_redis_is_hidden_when_it_is_back() {
    let mut server = Server::with(&["--appendonly", "yes", "--appendfsync", "always"]).await;
    let (_nodes, [here, there]) = two(server.url()).await;
    let row = row("1");
    let number = put(&here, &row, "v", NOW).await;
    let claim = claim(&here, &row).await;
    server.kill();
    let flushed = here.flushed(&claim, &[number]).await;
    flushed.expect("the origin has it, and so does this node");
    server.restart().await;
    until("it is hidden", async || {
        let head = here.head(&claim, 9, NOW).await;
        head.expect("the claim holds");
        there.unflushed(&row).await == Ok(None)
    })
    .await;
}
