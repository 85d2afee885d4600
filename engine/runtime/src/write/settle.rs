//! What a write makes stale, and the entry that it leaves.

use larder_core::{Dependency, Entry, NotStored, Timestamp, Version, WritePlan};
use larder_origin::Written;
use larder_store::Token;

use super::Ready;
use crate::engine::Inner;
use crate::error::Error;
use crate::invalidate::Invalidated;
use crate::steps::through_own_steps;
use crate::store_entry::Origin;
use crate::variant;

impl Inner {
    /// Makes stale what the write made stale, and lets the cache take the new value; without
    /// `written` the entry goes.
    pub(crate) async fn settle(
        &self,
        ready: &Ready,
        (token, under): (Token, Vec<(Dependency, Version)>),
        written: Option<&Written>,
        began: Timestamp,
    ) -> Result<(Option<NotStored>, Invalidated), Error> {
        let job = &ready.job;
        let dependencies = self.outdated(&ready.stale);
        // What is queued is written by its flush.
        if ready.plan != WritePlan::Queue {
            self.note_own(ready).await?;
        }
        let now = self.clock.now();
        let steps = self
            .store
            .bump(&dependencies, ready.stale.mode, now)
            .await?;
        let (keys, bumped) = ready.stale.clone().split();
        self.count_invalidated(&bumped);
        let removed = self.remove(&keys).await?;
        let mut invalidated = self.invalidated(&keys, removed);
        self.count_invalidated(&keys);
        invalidated.bumped = (variant::count_named(&bumped.tags) + bumped.namespaces.len()) as u64;
        let under = through_own_steps(under, &dependencies, &steps);
        let entry = match (written, under) {
            (Some(written), Some(under)) => self.new_entry(ready, &under, written, began).await,
            (Some(_), None) => Err(NotStored::Voided),
            (None, _) => Err(NotStored::Invalidated),
        };
        let stored = match entry {
            Ok(entry) => self.fill(job, token, entry).await.map(drop),
            Err(why) => Err(why),
        };
        if let Err(why) = stored {
            self.meters.not_stored(why);
            self.store
                .invalidate(&job.key, ready.stale.mode, now)
                .await?;
            self.store.release(&job.key, token).await?;
        }
        Ok((stored.err(), invalidated))
    }

    /// Notes a write of the row itself and of what it makes stale.
    pub(super) async fn note_own(&self, ready: &Ready) -> Result<(), Error> {
        let names = || {
            let mut names = ready.stale.written();
            names.push(Dependency::key(&ready.job.key));
            names
        };
        Ok(self.note_written(names).await?)
    }

    /// The entry of what is known to be there now.
    async fn new_entry(
        &self,
        ready: &Ready,
        under: &[(Dependency, Version)],
        written: &Written,
        began: Timestamp,
    ) -> Result<Entry, NotStored> {
        let absent = ready.value.is_none();
        if !absent && written.value.is_none() {
            return Err(NotStored::Unconfirmed);
        }
        let now = self.clock.now();
        let origin = Origin {
            value: written.value.clone().filter(|_| !absent),
            absent: None,
            attributes: &[],
            load_ms: u32::try_from(now.since(began)).unwrap_or(u32::MAX),
            began,
            is_written: true,
        };
        self.entry(&ready.job, under, origin).await
    }
}
