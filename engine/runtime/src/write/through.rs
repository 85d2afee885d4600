//! `write_through`: the origin first, then the cache takes what it holds now.

use larder_core::{Dependency, NotStored, Timestamp, Version};
use larder_origin::Written;
use larder_store::Token;

use super::{End, Ready, Writing, end, not_invalidated, unknown_hold_ms, writing};
use crate::engine::Inner;
use crate::error::Error;
use crate::gate::Pass;

/// The right to write a row and to fill its key, and what was there before.
struct Held {
    pass: Option<Pass>,
    token: Token,
    under: Vec<(Dependency, Version)>,
    began: Timestamp,
}

impl Inner {
    /// The origin first, then the cache takes what the origin says it holds now. Nobody else
    /// fills the key in between, and of two writes that overlap neither does: which of them the
    /// origin took last, only the origin knows.
    pub(crate) async fn write_through(&self, ready: Ready) -> Result<Writing, Error> {
        let job = &ready.job;
        let Held {
            pass,
            token,
            under,
            began,
        } = self.hold_in_turn(&ready).await?;
        let written = self.call_origin(&ready, pass).await;
        match end(&written) {
            End::Done => {}
            End::Undone => {
                self.give_up(&job.key, token).await;
                self.refused(&ready, &written).await;
            }
            End::Unknown => return self.unknown(ready, token, written).await,
        }
        let written = written?;
        let settled = self.settle(&ready, (token, under), Some(&written), began);
        let (not_stored, invalidated) = settled.await.map_err(not_invalidated)?;
        Ok(writing(ready.job, written, not_stored, invalidated))
    }

    /// Keeps fills out while the origin may yet do what it was asked for.
    async fn unknown(
        &self,
        ready: Ready,
        token: Token,
        written: Result<Written, Error>,
    ) -> Result<Writing, Error> {
        let job = &ready.job;
        self.hold(job, unknown_hold_ms(job))
            .await
            .map_err(Error::NotInvalidated)?;
        self.give_up(&job.key, token).await;
        self.note_own(&ready).await.map_err(not_invalidated)?;
        let invalidated = self.invalidate(&ready.stale).await;
        let invalidated = invalidated.map_err(not_invalidated)?;
        let why = Some(NotStored::Unconfirmed);
        Ok(writing(ready.job, written?, why, invalidated))
    }

    /// Takes a place at the origin, then the key, while the queue has nothing of the row. Looked
    /// for once more when the key is held: a write that was queued since would be flushed over
    /// this one, and the value that this one leaves in the cache would stay.
    async fn hold_in_turn(&self, ready: &Ready) -> Result<Held, Error> {
        let job = &ready.job;
        loop {
            self.turn(job, job.deadline).await?;
            // Before the key is held: a write that is refused must not cost the entry.
            let pass = self.enter(job).await?;
            let under = self.versions_for(job).await?;
            let began = self.clock.now();
            let token = self.hold(job, self.write_hold_ms()).await?;
            let queued = self.queued_of(job).await;
            if let Ok(None) = queued {
                return Ok(Held {
                    pass,
                    token,
                    under,
                    began,
                });
            }
            self.give_up(&job.key, token).await;
            queued?;
        }
    }
}
