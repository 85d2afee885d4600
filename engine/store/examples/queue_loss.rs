//! How many acknowledged writes a killed Redis loses, by its `appendfsync`: starts a server of its
//! own, writes from many tasks, kills it as by `kill -9`, starts it again, and counts.
//!
//! `cargo run -p larder-store --features contract --example queue_loss -- everysec 10 16384`,
//! the last of which is the size of a value in bytes: the more is written, the longer a sync takes.

#![allow(
    clippy::expect_used,
    reason = "a measurement ends where something fails"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use larder_core::{Key, Timestamp, Value};
use larder_store::queue::{Change, Queue, Row};
use larder_store::testing::{Server, until};
use larder_store::{RedisConfig, RedisQueue, RedisQueueConfig};
use tokio::task::JoinSet;

const WRITERS: usize = 64;
/// How long is written before a kill, in milliseconds: somewhere in this range.
const WRITING_MS: std::ops::Range<u64> = 1_000..3_000;
const NOW: Timestamp = Timestamp(1_800_000_000_000);

#[tokio::main]
async fn main() {
    let mut args = std::env::args().skip(1);
    let fsync = args.next().unwrap_or_else(|| "everysec".to_owned());
    let kills: u32 = args
        .next()
        .map_or(10, |text| text.parse().expect("a number"));
    let size: usize = args
        .next()
        .map_or(200, |text| text.parse().expect("a size"));
    let (mut acknowledged, mut lost) = (0, 0);
    for kill in 1..=kills {
        let (of, gone) = Box::pin(kill_once(&fsync, size)).await;
        println!("kill {kill}: {gone} of {of} acknowledged writes lost");
        acknowledged += of;
        lost += gone;
    }
    println!(
        "appendfsync {fsync}, {kills} kills: {lost} of {acknowledged} acknowledged writes lost"
    );
}

/// How many writes were acknowledged, and how many of them are gone.
async fn kill_once(fsync: &str, size: usize) -> (u64, u64) {
    let mut server = Server::with(&["--appendonly", "yes", "--appendfsync", fsync]).await;
    let config = RedisQueueConfig {
        redis: RedisConfig {
            url: Some(server.url()),
            ..RedisConfig::default()
        },
        limit: u64::MAX,
        limit_bytes: u64::MAX,
        accept_loss: false,
    };
    let queue = RedisQueue::connect(config).await.expect("it is durable");
    let (queue, over) = (Arc::new(queue), Arc::new(AtomicBool::new(false)));
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        writers.spawn(write(Arc::clone(&queue), (writer, size), Arc::clone(&over)));
    }
    tokio::time::sleep(Duration::from_millis(fastrand::u64(WRITING_MS))).await;
    server.kill();
    over.store(true, Ordering::Relaxed);
    let mut written = Vec::new();
    while let Some(of_one) = writers.join_next().await {
        written.extend(of_one.expect("a writer ends"));
    }
    server.restart().await;
    until("the queue is back", async || queue.depth().await.is_ok()).await;
    let mut gone = 0;
    for operation in &written {
        // Each has a row of its own, so what is not seen is lost.
        let seen = queue.unflushed(&change(operation, 0).row).await;
        gone += u64::from(seen.expect("it answers").is_none());
    }
    (written.len() as u64, gone)
}

/// Writes until it is over or fails; answers the operations that were acknowledged.
async fn write(
    queue: Arc<RedisQueue>,
    (writer, size): (usize, usize),
    over: Arc<AtomicBool>,
) -> Vec<String> {
    let mut written = Vec::new();
    while !over.load(Ordering::Relaxed) {
        let operation = format!("{writer}-{}", written.len());
        if queue.enqueue(change(&operation, size), NOW).await.is_err() {
            break;
        }
        written.push(operation);
    }
    written
}

fn change(operation: &str, size: usize) -> Change {
    Change {
        request: None,
        operation: operation.into(),
        row: Row {
            origin: "shop".into(),
            tenant: "".into(),
            resource: "product".into(),
            id: operation.into(),
        },
        attributes: Vec::new(),
        key: Key::new("", "product", operation),
        value: Some(Value::new(vec![b'x'; size])),
        sealed: None,
        stale: "[]".into(),
    }
}
