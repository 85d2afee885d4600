//! What the queue on Redis promises, over real servers.

mod durable;
mod kept;
mod nodes;
mod order;

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use redis::{Cmd, FromRedisValue, cmd};

use super::{RedisQueue, RedisQueueConfig};
use crate::queue::contract::subject::{NOW, change, row};
use crate::queue::contract::{Place, Room};
use crate::queue::{Claim, Letters, Partition, Queue, QueueError, Queued, Row};
use crate::redis::{ConnectError, RedisConfig, SentinelConfig};
use crate::testing::{Sentinels, Server};

const CLAIM_MS: u64 = 10_000;
/// For servers that sync at every write.
const DURABLE: [&str; 4] = ["--appendonly", "yes", "--appendfsync", "always"];

/// A way to Redis, with names of its own.
#[derive(Clone)]
pub(super) struct Spot(RedisConfig);

impl Spot {
    pub(super) fn new(redis: RedisConfig) -> Self {
        Self(RedisConfig {
            prefix: format!("p{:x}", fastrand::u64(..)),
            timeout_ms: 5_000,
            ..redis
        })
    }

    /// On the server that all tests share.
    pub(super) async fn shared() -> Self {
        Self::at(Server::shared().await)
    }

    fn at(url: String) -> Self {
        Self::new(RedisConfig {
            url: Some(url),
            ..RedisConfig::default()
        })
    }

    fn config(&self) -> RedisQueueConfig {
        RedisQueueConfig {
            redis: self.0.clone(),
            accept_loss: true,
            ..RedisQueueConfig::default()
        }
    }

    /// Puts other bytes in the place of a change that waits.
    async fn rewrite(
        &self,
        queue: &RedisQueue,
        partition: &Partition,
        sequence: u64,
        with: impl Fn(&[u8]) -> Vec<u8>,
    ) {
        let [_, stream, ..] = queue.0.names.partition(partition);
        type Entry = (String, (String, Vec<u8>));
        let mut range = cmd("XRANGE");
        range.arg(&stream).arg("-").arg("+");
        let all: Vec<Entry> = raw(queue, &mut range).await;
        raw::<u64>(queue, cmd("DEL").arg(&stream)).await;
        for (id, (field, text)) in all {
            let of_change = id.split('-').next() == Some(sequence.to_string().as_str());
            let text = if of_change { with(&text) } else { text };
            let mut add = cmd("XADD");
            add.arg(&stream).arg(&id).arg(field).arg(text);
            raw::<String>(queue, &mut add).await;
        }
    }

    async fn queue(&self) -> RedisQueue {
        let queue = RedisQueue::connect(self.config()).await;
        queue.expect("it can be used")
    }
}

impl Place for Spot {
    fn open(&self, room: Room) -> BoxFuture<'_, Arc<dyn Queue>> {
        async move {
            let config = RedisQueueConfig {
                limit: room.changes,
                limit_bytes: room.bytes,
                ..self.config()
            };
            let queue = RedisQueue::connect(config).await.expect("it can be used");
            Arc::new(queue) as Arc<dyn Queue>
        }
        .boxed()
    }

    fn spoil<'a>(&'a self, row: &'a Row, sequence: u64) -> BoxFuture<'a, ()> {
        async move {
            let queue = self.queue().await;
            let turned = |text: &[u8]| {
                let mut text = text.to_vec();
                text.extend_from_slice(b"?");
                text
            };
            let partition = row.partition();
            self.rewrite(&queue, &partition, sequence, turned).await;
        }
        .boxed()
    }
}

async fn put(queue: &RedisQueue, row: &Row, text: &str) -> u64 {
    let enqueued = queue.enqueue(change(row, text), NOW).await;
    enqueued.expect("it is taken").sequence
}

async fn claim(queue: &RedisQueue, partition: &Partition) -> Claim {
    let claim = queue.claim(partition, CLAIM_MS, NOW).await;
    claim.expect("it answers").expect("nobody has it")
}

async fn head(queue: &RedisQueue, claim: &Claim, limit: usize) -> Vec<Arc<Queued>> {
    let head = queue.head(claim, limit, NOW).await;
    head.expect("the claim holds")
}

fn numbers(head: &[Arc<Queued>]) -> Vec<u64> {
    head.iter().map(|queued| queued.sequence).collect()
}

/// One command, past the queue.
async fn raw<T: FromRedisValue>(queue: &RedisQueue, command: &mut Cmd) -> T {
    let answer = queue.0.link.query(command.take()).await;
    super::typed(answer.expect("it answers")).expect("as expected")
}
