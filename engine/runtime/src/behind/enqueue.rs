//! `write_behind`: a durable queue in the place of the origin, then the cache.

use std::sync::Arc;

use larder_core::WritePlan;
use larder_origin::Written;
use larder_store::Token;
use larder_store::queue::{Change, Enqueued, LetterId, QueueError};

use super::overlay::row_of;
use super::{Behind, OnFull, Queued, stale};
use crate::engine::Inner;
use crate::error::Error;
use crate::loader::{no_origin, wanted};
use crate::write::{Ready, Writing, not_invalidated, unknown_hold_ms, writing};

impl Inner {
    /// The queue first, then what the write made stale, then the cache takes the value. The order
    /// is what keeps older loads out: a load that began before the change could be seen in the
    /// queue has its lease voided, one that begins later sees it.
    pub(crate) async fn write_behind(&self, ready: Ready) -> Result<Writing, Error> {
        let Some(behind) = &self.behind else {
            return Err(no_origin(&ready.job));
        };
        let job = &ready.job;
        let change = self.change_of(&ready)?;
        let partition = change.row.partition();
        let under = self.versions_for(job).await?;
        let began = self.clock.now();
        let token = self.hold(job, self.write_hold_ms()).await?;
        let taken = behind.queue.enqueue(change, self.queue_clock.now()).await;
        behind.meters.enqueued(&taken);
        let Enqueued { sequence, repeated } = match taken {
            Ok(enqueued) => enqueued,
            Err(error) => return self.not_taken(behind, ready, token, error).await,
        };
        // What names some fields of a row is not what a read of it shows.
        let origin = ready.job.route.origin.as_ref();
        let value = ready.value.as_ref();
        let whole = value.and_then(|value| origin?.whole(wanted(&ready.job), value));
        let written = Written {
            value: whole,
            ..Written::default()
        };
        // Since an operation was taken for the first time, newer ones may have been: its value is
        // not put over theirs.
        let fills = (!repeated).then_some(&written);
        let settled = self.settle(&ready, (token, under), fills, began);
        let (not_stored, invalidated) = settled.await.map_err(not_invalidated)?;
        if !repeated {
            behind.flushers.settled(&partition, sequence);
        }
        let id = LetterId {
            partition,
            sequence,
        };
        let mut writing = writing(ready.job, Written::default(), not_stored, invalidated);
        writing.written = false;
        writing.queued = Some(Queued { id, repeated });
        Ok(writing)
    }

    /// What becomes of a write that the queue did not take.
    async fn not_taken(
        &self,
        behind: &Behind,
        mut ready: Ready,
        token: Token,
        error: QueueError,
    ) -> Result<Writing, Error> {
        let key = &ready.job.key;
        match error {
            QueueError::Full(_) if behind.tuning.on_full == OnFull::WriteThrough => {
                self.give_up(key, token).await;
                ready.plan = match ready.value {
                    Some(_) => WritePlan::OriginThenStore,
                    None => WritePlan::OriginThenTombstone,
                };
                self.write_through(ready).await
            }
            // It may have been taken, or may be yet.
            QueueError::Failed(_) => {
                self.hold(&ready.job, unknown_hold_ms(&ready.job))
                    .await
                    .map_err(Error::NotInvalidated)?;
                self.give_up(key, token).await;
                self.invalidate(&ready.stale)
                    .await
                    .map_err(not_invalidated)?;
                Err(error.into())
            }
            error => {
                self.give_up(key, token).await;
                Err(error.into())
            }
        }
    }

    /// The write as it goes into the queue.
    fn change_of(&self, ready: &Ready) -> Result<Change, Error> {
        let job = &ready.job;
        let operation = ready.operation.clone();
        let operation = operation.unwrap_or_else(|| job.decided.decision_id.to_string().into());
        let request = match &ready.operation {
            Some(name) => Some(self.fingerprint(ready, name)?),
            None => None,
        };
        let change = Change {
            operation,
            request,
            row: row_of(job).ok_or_else(|| no_origin(job))?,
            attributes: job.attributes.clone(),
            key: job.key.clone(),
            value: ready.value.clone(),
            sealed: None,
            stale: Arc::from(stale::write(&ready.stale)),
        };
        match job.decision().encrypt {
            true => self.seals.seal_change(change),
            false => Ok(change),
        }
    }
}
