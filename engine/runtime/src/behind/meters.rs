//! What is counted of the queue.

use std::sync::Arc;

use larder_core::Timestamp;
use larder_store::queue::{Depth, Enqueued, QueueError};
use metrics::{Counter, Histogram, counter, gauge, histogram};

/// What is counted for the whole queue.
pub(crate) struct QueueMeters {
    taken: Counter,
    repeated: Counter,
    full: Counter,
    reused: Counter,
    failed: Counter,
}

impl QueueMeters {
    pub(crate) fn new() -> Self {
        let enqueued = |result| counter!("larder_queue_enqueued_total", "result" => result);
        Self {
            taken: enqueued("ok"),
            repeated: enqueued("repeated"),
            full: enqueued("full"),
            reused: enqueued("reused"),
            failed: enqueued("failed"),
        }
    }

    pub(super) fn enqueued(&self, taken: &Result<Enqueued, QueueError>) {
        match taken {
            Ok(Enqueued {
                repeated: false, ..
            }) => self.taken.increment(1),
            Ok(_) => self.repeated.increment(1),
            Err(QueueError::Full(_)) => self.full.increment(1),
            Err(QueueError::Reused) => self.reused.increment(1),
            Err(_) => self.failed.increment(1),
        }
    }

    /// Shows how full the queue is.
    pub(super) fn show(&self, depth: &Depth, now: Timestamp) {
        for (origin, waiting) in &depth.origins {
            gauge!("larder_queue_depth", "origin" => origin.to_string()).set(*waiting as f64);
        }
        let lag_ms = depth.lag_ms(now).unwrap_or(0);
        gauge!("larder_queue_waiting").set(depth.waiting as f64);
        gauge!("larder_queue_bytes").set(depth.bytes as f64);
        gauge!("larder_queue_oldest_seconds").set(lag_ms as f64 / 1e3);
        gauge!("larder_queue_dead_letters").set(depth.dead as f64);
        gauge!("larder_queue_parked_rows").set(depth.parked as f64);
    }
}

/// What is counted for the flush to one origin.
#[derive(Clone)]
pub(super) struct FlushMeters {
    batch: Histogram,
    flushed: Counter,
    retries: Counter,
}

impl FlushMeters {
    pub(super) fn new(origin: &Arc<str>) -> Self {
        let origin = origin.to_string();
        Self {
            batch: histogram!("larder_queue_batch_size"),
            flushed: counter!("larder_queue_flushed_total", "origin" => origin.clone()),
            retries: counter!("larder_queue_retries_total", "origin" => origin),
        }
    }

    /// So many rows are handed over together.
    pub(super) fn handed_over(&self, rows: usize) {
        self.batch.record(rows as f64);
    }

    /// The origin has so many changes more.
    pub(super) fn flushed(&self, changes: usize) {
        self.flushed.increment(changes as u64);
    }

    /// So many rows have to be handed over again.
    pub(super) fn again(&self, rows: usize) {
        self.retries.increment(rows as u64);
    }
}
