//! What an operator sees of the queue, and does to its dead letters.

use std::sync::Arc;

use larder_store::queue::{DeadLetter, Depth, LetterId, Letters, QueueSummary};

use super::renew::Outdated;
use super::{Behind, stale};
use crate::engine::Inner;
use crate::error::Error;

/// The write-behind queue of an engine, from [`crate::Engine::queue`].
#[derive(Clone)]
pub struct QueueView {
    inner: Arc<Inner>,
    behind: Arc<Behind>,
}

/// What a drain came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Changes that still wait. They are flushed after the next start, or by another node.
    pub left: u64,
}

impl QueueView {
    pub(crate) fn new(inner: Arc<Inner>, behind: Arc<Behind>) -> Self {
        Self { inner, behind }
    }

    /// What the queue says of itself.
    #[must_use]
    pub fn summary(&self) -> QueueSummary {
        self.behind.queue.summary()
    }

    /// How full it is.
    ///
    /// # Errors
    /// [`Error::Queue`].
    pub async fn depth(&self) -> Result<Depth, Error> {
        Ok(self.behind.queue.depth().await?)
    }

    /// How long the oldest change waits, in milliseconds, by the engine's clock; none where none
    /// does.
    #[must_use]
    pub fn lag_ms(&self, depth: &Depth) -> Option<u64> {
        depth.lag_ms(self.inner.queue_clock.now())
    }

    /// Why this node cannot flush what waits for an origin; none where its last try went well, and
    /// where another node flushes.
    #[must_use]
    pub fn failing(&self, origin: &str) -> Option<String> {
        self.behind.flushers.failing.of(origin)
    }

    /// Dead letters, oldest first, at most `limit`, those after `after` where it is given. Values
    /// to be encrypted are shown as the queue keeps them.
    ///
    /// # Errors
    /// [`Error::Queue`].
    pub async fn letters(
        &self,
        after: Option<&LetterId>,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, Error> {
        Ok(self.behind.queue.letters(after, limit).await?)
    }

    /// One dead letter.
    ///
    /// # Errors
    /// [`Error::Queue`].
    pub async fn letter(&self, id: &LetterId) -> Result<Option<DeadLetter>, Error> {
        Ok(self.behind.queue.letter(id).await?)
    }

    /// Puts dead letters back to where they were, and with each the others of its row. Answers
    /// how many there were.
    ///
    /// # Errors
    /// [`Error::Queue`].
    pub async fn retry(&self, which: &Letters) -> Result<u64, Error> {
        Ok(self.behind.queue.retry(which).await?)
    }

    /// Removes dead letters for good: these acknowledged writes are lost. From the answer on
    /// reads see what the origin holds. Answers how many there were.
    ///
    /// # Errors
    /// [`Error::Queue`]; [`Error::Store`] where they are gone and what the cache holds of them
    /// could not be invalidated.
    pub async fn forget(&self, which: &Letters) -> Result<u64, Error> {
        let forgotten = self.behind.queue.forget(which).await?;
        let mut keys = Vec::with_capacity(forgotten.len());
        let mut stale = Vec::with_capacity(forgotten.len());
        for queued in &forgotten {
            let change = &queued.change;
            keys.push(change.key.clone());
            match stale::read(&change.row.tenant, &change.stale) {
                Ok(what) => stale.push(what),
                Err(why) => tracing::warn!(
                    letter = %queued.letter_id(),
                    "what the forgotten write made stale is not understood: {why}"
                ),
            }
        }
        // The value that was acknowledged may be in the cache, and lists that show it.
        self.inner.drop_entries(&keys).await?;
        let outdated = Outdated::of(stale.iter())?;
        self.inner.renew(&outdated, &[]).await?;
        Ok(forgotten.len() as u64)
    }
}
