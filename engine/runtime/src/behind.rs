//! Write-behind: writes are acknowledged from a durable queue and flushed to their origin later.
//!
//! The queue is an overlay on the origin. What it holds of a row is what the origin will hold, so
//! every load asks it first; entries may expire, be evicted or be purged before the flush.

mod coalesce;
mod enqueue;
mod failing;
mod fate;
mod fields;
mod fingerprint;
mod flush;
mod flusher;
mod lane;
mod meters;
mod order;
mod overlay;
mod pace;
mod renew;
mod rest;
mod stale;
mod tuning;
mod view;

use std::sync::Arc;

use larder_store::queue::{LetterId, Queue};
use tokio::time::Instant;

use self::flusher::Flushers;
use self::meters::QueueMeters;
pub(crate) use self::overlay::Overlay;
pub use self::tuning::{OnFull, QueueTuning};
pub use self::view::{Drained, QueueView};
use crate::engine::Inner;
use crate::error::Error;

/// The queue of an engine.
pub(crate) struct Behind {
    pub(crate) queue: Arc<dyn Queue>,
    tuning: QueueTuning,
    flushers: Flushers,
    meters: QueueMeters,
}

/// How a write was queued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queued {
    /// Where it is: the origin, the partition and the number there. It bears this name as a dead
    /// letter too.
    pub id: LetterId,
    /// Whether the same operation had been queued before. It was not queued again.
    pub repeated: bool,
}

impl Behind {
    pub(crate) fn new<'a>(
        queue: Arc<dyn Queue>,
        tuning: QueueTuning,
        origins: impl Iterator<Item = &'a str>,
    ) -> Self {
        Self {
            queue,
            tuning,
            flushers: Flushers::new(origins),
            meters: QueueMeters::new(),
        }
    }

    /// Starts to flush, for as long as the engine is there.
    pub(crate) fn start(&self, inner: &Arc<Inner>, runtime: &tokio::runtime::Handle) {
        self.flushers
            .start(inner, (&self.queue, self.tuning), runtime);
    }

    pub(crate) async fn drain(&self, deadline: Instant) -> Result<Drained, Error> {
        self.flushers.drain(deadline).await;
        let left = self.queue.depth().await?.waiting;
        Ok(Drained { left })
    }
}
