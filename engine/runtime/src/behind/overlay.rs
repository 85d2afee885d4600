//! What the queue holds is what the origin will hold: loads see it first.

use std::sync::Arc;

use larder_core::Value;
use larder_store::queue::{Change, Queued, Row};

use crate::decide::Job;
use crate::engine::Inner;
use crate::error::Error;

/// What a request names at its origin; none where it has none.
pub(super) fn row_of(job: &Job) -> Option<Row> {
    let origin = Arc::clone(job.route.origin_name.as_ref()?);
    Some(Row {
        origin,
        tenant: job.request.tenant.as_str().into(),
        resource: job.request.resource.as_str().into(),
        id: job.request.id.as_str().into(),
    })
}

/// A row in words.
pub(super) fn in_words(row: &Row) -> String {
    let name = format!("{}/{}", row.resource, row.id);
    larder_core::request::clip(&name)
}

/// Whether the change decides what a load for the job would bring: it is under the same key, or
/// the origin would be asked the very same.
fn answers(change: &Change, job: &Job) -> bool {
    change.key == job.key || change.attributes == job.attributes
}

impl Inner {
    /// The newest write of the job's row that the origin does not have yet.
    pub(crate) async fn queued_of(&self, job: &Job) -> Result<Option<Arc<Queued>>, Error> {
        let (Some(behind), Some(row)) = (&self.behind, row_of(job)) else {
            return Ok(None);
        };
        Ok(behind.queue.unflushed(&row).await?)
    }

    /// What the origin will answer to a load for the job once it has what the queue holds: a
    /// value, or none where it was deleted. None where the queue holds nothing of it. Where the
    /// queue does not answer, the origin may not be asked in its stead: what it holds may be older
    /// than a write that was acknowledged.
    pub(crate) async fn unflushed(&self, job: &Job) -> Result<Option<Option<Value>>, Error> {
        let Some(queued) = self.queued_of(job).await? else {
            return Ok(None);
        };
        let change = &queued.change;
        if !answers(change, job) {
            return Ok(None);
        }
        match self.seals.open_change(change) {
            Ok(value) => Ok(Some(value)),
            Err(why) => Err(Error::Unflushable {
                row: in_words(&change.row),
                why: why.in_words(),
            }),
        }
    }
}
