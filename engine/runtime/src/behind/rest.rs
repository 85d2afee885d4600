//! Rows of which the queue holds some fields and the origin the rest.

use std::pin::pin;
use std::time::Duration;

use larder_origin::{Fetched, PutMeaning};
use tokio::time::{Instant, timeout};

use super::fields;
use super::overlay::{Overlay, in_words, row_of};
use crate::deadline::{by, half_way};
use crate::decide::Job;
use crate::engine::Inner;
use crate::error::{Error, Rest};
use crate::load::Until;
use crate::loader::Loader;

/// How often a row is loaded that is flushed meanwhile, before its flush is waited for.
const ATTEMPTS: usize = 3;

/// After how long it is looked again whether the flush fails.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

impl Inner {
    /// Loads what the origin holds of a row and puts over it what the queue holds. What was in the
    /// queue before the load has to be there after it: what left it may or may not be in what was
    /// loaded, and then nobody knows what is over what. Where the origin alone can say what the
    /// row will be, as for one that is not there yet, its flush is waited for.
    pub(crate) async fn fetch_over(
        &self,
        job: &Job,
        mut loader: Loader,
        mut overlay: Overlay,
        until: Until,
    ) -> Result<Fetched, Error> {
        for _ in 0..ATTEMPTS {
            let before = match overlay {
                Overlay::Known(value) => return Ok(Fetched::of(value)),
                Overlay::Nothing => return self.load_from(job, &mut loader, until).await,
                Overlay::Unknown => break,
                Overlay::Over(_, before) => before,
            };
            let fetched = self.load_from(job, &mut loader, until).await?;
            let looked = by(until.ends, self.overlay(job)).await;
            overlay = looked.map_err(|_| until.late())??;
            if let Overlay::Over(written, now) = &overlay
                && before.iter().all(|number| now.contains(number))
            {
                let row = fetched.value.as_ref();
                let Some(whole) = row.and_then(|row| fields::over(row, written)) else {
                    break;
                };
                return Ok(Fetched {
                    value: Some(whole),
                    ..fetched
                });
            }
        }
        self.flushed(job, half_way(job.deadline).min(until.ends))
            .await?;
        self.load_from(job, &mut loader, until).await
    }

    /// Waits until the origin has what is queued of the row.
    async fn flushed(&self, job: &Job, until: Instant) -> Result<(), Error> {
        let (Some(behind), Some(row)) = (&self.behind, row_of(job)) else {
            return Ok(());
        };
        let origin = job.route.origin.as_ref();
        let fields = origin.is_some_and(|origin| origin.put_meaning() == PutMeaning::Merge);
        let partly = |rest| Error::PartlyQueued {
            row: in_words(&row),
            fields,
            rest,
        };
        let partition = row.partition();
        behind.flushers.hurry(&partition);
        let mut turn = pin!(self.turn(job, until));
        loop {
            if let Some(why) = behind.flushers.failing.of_partition(&partition) {
                return Err(partly(Rest::Failing(why)));
            }
            if let Ok(ended) = timeout(LOOK_AGAIN, &mut turn).await {
                return ended.map_err(|error| match error {
                    Error::RowParked { letter, .. } => partly(Rest::Parked(letter)),
                    Error::BehindQueue { .. } => partly(Rest::Waiting),
                    other => other,
                });
            }
        }
    }
}
