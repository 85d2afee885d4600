//! Outboxes: what a database says its commits made stale is read, and invalidated.
//!
//! A commit that the engine had no part in leaves rows in a table of its database. One task for
//! each such table reads them in order and invalidates what they name; its place moves on only
//! when that is done, so what fails is repeated and nothing is skipped.

mod course;
mod follow;
mod meters;
mod owed;
mod sense;
mod state;
mod tuning;
mod view;

use std::sync::Arc;

use larder_core::Dependency;
use larder_core::dependency::Mode;
use larder_origin::Outbox;
use tokio::runtime::Handle;
use tokio::sync::watch;

use self::follow::Follower;
use self::state::State;
pub use self::tuning::OutboxTuning;
pub use self::view::OutboxStatus;
use crate::engine::{Inner, Present};
use crate::error::Error;

/// An outbox of an engine. The task that reads it ends when the engine is gone.
pub(crate) struct Followed {
    origin: Arc<str>,
    outbox: Arc<dyn Outbox>,
    tuning: OutboxTuning,
    state: Arc<State>,
    alive: watch::Sender<()>,
}

impl Followed {
    pub(crate) fn new(origin: Arc<str>, outbox: Arc<dyn Outbox>, tuning: OutboxTuning) -> Self {
        Self {
            state: Arc::new(State::new(tuning.poll_ms)),
            origin,
            outbox,
            tuning,
            alive: watch::Sender::default(),
        }
    }

    pub(crate) fn is_of(&self, origin: &str) -> bool {
        *self.origin == *origin
    }

    /// Starts to read, for as long as the engine is there.
    pub(crate) fn start(&self, inner: &Arc<Inner>, runtime: &Handle) {
        let follower = Follower::new(
            (Arc::clone(&self.origin), Arc::clone(&self.outbox)),
            self.tuning,
            Arc::clone(&self.state),
        );
        let inner = Present::of(inner);
        runtime.spawn(follow::follow(follower, inner, self.alive.subscribe()));
    }
}

impl Inner {
    /// Makes everything stale that was loaded from an origin, whatever its key and tenant.
    async fn all_of_origin(&self, origin: &str, mode: Mode) -> Result<(), Error> {
        let _change = self.change();
        let whole = [Dependency::origin(origin)];
        self.note_written(|| whole.to_vec()).await?;
        let now = self.clock.now();
        self.store.bump(&whole, mode, now).await?;
        Ok(())
    }
}
