//! What the queue holds is what the origin will hold: loads see it first.

use std::sync::Arc;

use larder_core::Value;
use larder_origin::{Origin, PutMeaning, Wanted};
use larder_store::queue::{Change, Queued, Row};

use super::fields;
use crate::decide::Job;
use crate::engine::Inner;
use crate::error::Error;
use crate::loader::wanted;

/// What the queue makes of what a load would bring.
#[derive(Debug, PartialEq)]
pub(crate) enum Overlay {
    /// It holds nothing of it.
    Nothing,
    /// This will be there, or nothing, whatever the origin holds.
    Known(Option<Value>),
    /// These fields will be over what the origin holds: here they are, and the numbers of their
    /// changes.
    Over(Value, Vec<u64>),
    /// Only the origin can say, once it has what is queued.
    Unknown,
}

/// What a request names at its origin; none where it has none.
pub(super) fn row_of(job: &Job) -> Option<Row> {
    let origin = Arc::clone(job.route.origin_name.as_ref()?);
    let named = job.route.rows_of.as_ref();
    Some(Row {
        origin,
        tenant: job.request.tenant.as_str().into(),
        resource: named.map_or_else(|| job.request.resource.as_str().into(), Arc::clone),
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

    /// What the queue makes of what a load for the job would bring. Where the queue does not
    /// answer, the origin may not be asked in its stead: what it holds may be older than a write
    /// that was acknowledged.
    pub(crate) async fn overlay(&self, job: &Job) -> Result<Overlay, Error> {
        match &job.route.origin {
            Some(origin) if origin.put_meaning() == PutMeaning::Merge => {
                let pending = self.pending_of(job).await?;
                self.merged(&**origin, job, &pending)
            }
            Some(origin) => self.replaced(&**origin, job).await,
            None => Ok(Overlay::Nothing),
        }
    }

    /// Asked with another query or other headers, an origin may show something else of what was
    /// written.
    async fn replaced(&self, origin: &dyn Origin, job: &Job) -> Result<Overlay, Error> {
        match self.queued_of(job).await? {
            None => Ok(Overlay::Nothing),
            Some(queued) if answers(&queued.change, job) || !origin.reads_query() => {
                Ok(Overlay::Known(self.opened(&queued.change)?))
            }
            Some(_) => Ok(Overlay::Unknown),
        }
    }

    async fn pending_of(&self, job: &Job) -> Result<Vec<Arc<Queued>>, Error> {
        let (Some(behind), Some(row)) = (&self.behind, row_of(job)) else {
            return Ok(Vec::new());
        };
        Ok(behind.queue.pending(&row).await?)
    }

    fn merged(
        &self,
        origin: &dyn Origin,
        job: &Job,
        pending: &[Arc<Queued>],
    ) -> Result<Overlay, Error> {
        let is_delete = |queued: &Arc<Queued>| queued.change.value.is_none();
        let deleted = pending.iter().rposition(is_delete);
        let after = deleted.map_or(0, |at| at + 1);
        let (_, writes) = pending.split_at(after);
        let opened = writes.iter().map(|queued| self.opened(&queued.change));
        let values = opened.collect::<Result<Vec<_>, _>>()?;
        let values: Vec<Value> = values.into_iter().flatten().collect();
        let same = writes.iter().all(|queued| answers(&queued.change, job));
        let made = made((origin, wanted(job), same), deleted.is_some(), &values);
        Ok(match made {
            Made::Nothing => Overlay::Nothing,
            Made::Known(value) => Overlay::Known(value),
            Made::Unknown => Overlay::Unknown,
            Made::Over(value) => {
                let numbers = pending.iter().map(|queued| queued.sequence);
                Overlay::Over(value, numbers.collect())
            }
        })
    }

    fn opened(&self, change: &Change) -> Result<Option<Value>, Error> {
        self.seals
            .open_change(change)
            .map_err(|why| Error::Unflushable {
                row: in_words(&change.row),
                why: why.in_words(),
            })
    }
}

/// What queued changes make of a row.
#[derive(Debug, PartialEq)]
enum Made {
    Nothing,
    Known(Option<Value>),
    Over(Value),
    Unknown,
}

/// What `values`, written one after the other, make of a row, which was `deleted` before them or
/// not. `same` is whether they were written under what is to be read: otherwise the origin may
/// show something else of the row.
fn made(
    (origin, wanted, same): (&dyn Origin, Wanted<'_>, bool),
    deleted: bool,
    values: &[Value],
) -> Made {
    if values.is_empty() {
        return match deleted {
            true => Made::Known(None),
            false => Made::Nothing,
        };
    }
    let Some(written) = fields::together(values) else {
        return Made::Unknown;
    };
    let whole = same.then(|| origin.whole(wanted, &written)).flatten();
    match whole {
        Some(whole) => Made::Known(Some(whole)),
        // What a new row has beside these fields, and what follows from them, the origin makes up.
        None if deleted || origin.computes() => Made::Unknown,
        None => origin.as_read(&written).map_or(Made::Unknown, Made::Over),
    }
}
