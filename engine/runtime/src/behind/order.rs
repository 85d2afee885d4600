//! Direct writes come after what the queue holds of their row.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::overlay::in_words;
use crate::deadline::is_over;
use crate::decide::Job;
use crate::engine::Inner;
use crate::error::Error;

/// After how long a row is looked at again though nothing was heard of it.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

impl Inner {
    /// Waits until the queue holds nothing of the job's row, no longer than `deadline`: what it
    /// holds was acknowledged before, and flushed after a direct write it would undo it.
    pub(crate) async fn turn(&self, job: &Job, deadline: Instant) -> Result<(), Error> {
        let Some(behind) = &self.behind else {
            return Ok(());
        };
        let queue = &behind.queue;
        while let Some(queued) = self.queued_of(job).await? {
            let row = &queued.change.row;
            // Taken before the second look, so that a flush in between is not slept through.
            let moved = queue.moved(row);
            let Some(queued) = queue.unflushed(row).await? else {
                return Ok(());
            };
            let letter = queued.letter_id();
            if queue.letter(&letter).await?.is_some() {
                return Err(Error::RowParked {
                    row: in_words(row),
                    letter,
                });
            }
            if is_over(deadline) {
                return Err(Error::BehindQueue { row: in_words(row) });
            }
            let until = deadline.min(Instant::now() + LOOK_AGAIN);
            // Heard of or not, it is looked at again.
            let _ = timeout_at(until, moved).await;
        }
        Ok(())
    }
}
