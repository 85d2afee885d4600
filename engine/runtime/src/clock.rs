//! Which clock counts what.
//!
//! | what | goes by |
//! |---|---|
//! | entries, leases, writes and versions of a store that this process has for itself | [`SteadyClock`] |
//! | those of a store that others share | the clock that the store tells, such as that of its Redis: [`Store::clock`](larder_store::Store::clock) |
//! | what a policy is shown, decision ids, the write-behind queue and its claims | [`SystemClock`] |
//! | how long a failed refresh is not tried again | [`SteadyClock`] |
//! | breakers, limits of calls, deadlines, outboxes | the monotonic clock of tokio |

use std::sync::Arc;

use larder_core::Clock;
use larder_store::Store;
pub use larder_store::{SteadyClock, SystemClock};

/// The clocks of an engine.
#[derive(Clone)]
pub(crate) struct Clocks {
    pub(crate) wall: Arc<dyn Clock>,
    pub(crate) steady: Arc<dyn Clock>,
    /// Whether the wall clock was chosen: then it is the one that shared stores go by.
    chosen: bool,
}

impl Clocks {
    /// Those that were set. A wall clock alone stands for both.
    pub(crate) fn of(wall: Option<Arc<dyn Clock>>, steady: Option<Arc<dyn Clock>>) -> Self {
        let steady = steady.or_else(|| wall.clone());
        Self {
            chosen: wall.is_some(),
            wall: wall.unwrap_or_else(|| Arc::new(SystemClock)),
            steady: steady.unwrap_or_else(|| Arc::new(SteadyClock)),
        }
    }

    /// The one that a store is handed.
    pub(crate) fn of_store(&self, store: &dyn Store) -> Arc<dyn Clock> {
        if !store.is_shared() {
            return Arc::clone(&self.steady);
        }
        let told = store.clock().filter(|_| !self.chosen);
        told.unwrap_or_else(|| Arc::clone(&self.wall))
    }
}
