//! Writes that the local queue acknowledges a second, by how many ask at the same time.
//!
//! `cargo bench -p larder-store --bench queue [FOLDER]`: on the disk that the folder is on, which
//! is what decides.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use larder_core::{Key, Timestamp, Value};
use larder_store::queue::{Change, Partition, Queue, Row};
use larder_store::{LocalQueue, LocalQueueConfig};

const NOW: Timestamp = Timestamp(1_800_000_000_000);
const LASTS: Duration = Duration::from_secs(4);
const VALUE: usize = 256;

fn change(writer: usize, step: u64) -> Change {
    let id: Arc<str> = format!("{}", step % 1_000).into();
    let row = Row {
        origin: "shop".into(),
        tenant: "acme".into(),
        resource: "product".into(),
        id: Arc::clone(&id),
    };
    Change {
        request: None,
        operation: format!("0199{writer:08x}-{step:016x}").into(),
        key: Key::new("acme", "product", &id),
        row,
        attributes: Vec::new(),
        value: Some(Value::json(vec![b'x'; VALUE])),
        sealed: None,
        stale: "[]".into(),
    }
}

/// Takes away what comes, so that the queue does as it does beside an origin that keeps up.
async fn flush(queue: Arc<LocalQueue>, partition: Partition, over: Arc<AtomicBool>) {
    let Ok(Some(claim)) = queue.claim(&partition, u64::MAX, NOW).await else {
        return;
    };
    while !over.load(Ordering::Relaxed) {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let head = queue.head(&claim, 10_000, NOW).await.unwrap_or_default();
        let all: Vec<_> = head.iter().map(|queued| queued.sequence).collect();
        if !all.is_empty() && queue.flushed(&claim, &all).await.is_err() {
            return;
        }
    }
}

async fn run(dir: PathBuf, writers: usize, flushed: bool) {
    let mut config = LocalQueueConfig::new(dir);
    config.limit = u64::MAX;
    let Ok(queue) = LocalQueue::open(config).map(Arc::new) else {
        return eprintln!("the queue cannot be opened");
    };
    let over = Arc::new(AtomicBool::new(false));
    let flushers: Vec<_> = Partition::all(&"shop".into())
        .filter(|_| flushed)
        .map(|one| tokio::spawn(flush(Arc::clone(&queue), one, Arc::clone(&over))))
        .collect();
    let began = Instant::now();
    let writers_tasks: Vec<_> = (0..writers)
        .map(|writer| {
            let queue = Arc::clone(&queue);
            tokio::spawn(async move {
                let mut times = Vec::new();
                while began.elapsed() < LASTS {
                    let asked = Instant::now();
                    let change = change(writer, times.len() as u64);
                    if queue.enqueue(change, NOW).await.is_err() {
                        break;
                    }
                    times.push(asked.elapsed());
                }
                times
            })
        })
        .collect();
    let mut times = Vec::new();
    for writer in writers_tasks {
        times.extend(writer.await.unwrap_or_default());
    }
    let took = began.elapsed();
    over.store(true, Ordering::Relaxed);
    for flusher in flushers {
        let _ = flusher.await;
    }
    times.sort_unstable();
    let at = |share: f64| times.get((times.len() as f64 * share) as usize);
    let ms = |share| at(share).map_or(0.0, |time| time.as_secs_f64() * 1e3);
    println!(
        "{writers:>4} writers{}: {:>7.0} acks/s, p50 {:>5.1} ms, p99 {:>5.1} ms, longest {:>5.1} ms",
        if flushed { ", flushed" } else { "         " },
        times.len() as f64 / took.as_secs_f64(),
        ms(0.5),
        ms(0.99),
        times.last().map_or(0.0, |time| time.as_secs_f64() * 1e3),
    );
}

#[tokio::main]
async fn main() {
    let asked = std::env::args().skip(1).find(|word| !word.starts_with('-'));
    let folder = asked.map_or_else(std::env::temp_dir, PathBuf::from);
    let folder = folder.join(format!("larder-queue-bench-{}", std::process::id()));
    for flushed in [false, true] {
        for writers in [1, 16, 64, 256] {
            run(
                folder.join(format!("{flushed}-{writers}")),
                writers,
                flushed,
            )
            .await;
        }
    }
    let _ = std::fs::remove_dir_all(folder);
}
