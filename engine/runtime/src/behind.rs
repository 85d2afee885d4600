//! Write-behind: writes are acknowledged from a durable queue and flushed to their origin later.
//!
//! The queue is an overlay on the origin. What it holds of a row is what the origin will hold, so
//! every load asks it first; entries may expire, be evicted or be purged before the flush.

mod tuning;
mod view;

use std::sync::Arc;

use larder_store::queue::{LetterId, Queue};
use tokio::time::Instant;

pub use self::tuning::{OnFull, QueueTuning};
pub use self::view::{Drained, QueueView};
use crate::error::Error;

/// The queue of an engine.
pub(crate) struct Behind {
    pub(crate) queue: Arc<dyn Queue>,
    #[expect(dead_code, reason = "the flush is not there yet")]
    pub(crate) tuning: QueueTuning,
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
    pub(crate) async fn drain(&self, _deadline: Instant) -> Result<Drained, Error> {
        let left = self.queue.depth().await?.waiting;
        Ok(Drained { left })
    }
}
