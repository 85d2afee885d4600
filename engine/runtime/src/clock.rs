//! Which clock counts what.
//!
//! | what | goes by |
//! |---|---|
//! | entries, leases, writes and versions of a store that this process has for itself | [`SteadyClock`] |
//! | those of a store that others share | the clock that the store tells, such as that of its Redis: [`Store::clock`] |
//! | the write-behind queue and its claims | the clock that the queue tells, where nodes share it: [`Queue::clock`]; else [`SystemClock`] |
//! | what a policy is shown, decision ids | [`SystemClock`] |
//! | how long a failed refresh is not tried again | [`SteadyClock`] |
//! | breakers, limits of calls, deadlines, outboxes | the monotonic clock of tokio |

use std::sync::Arc;

use larder_core::Clock;
use larder_store::Store;
use larder_store::queue::Queue;
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
        self.or_wall(store.clock())
    }

    /// The one that a queue is handed.
    pub(crate) fn of_queue(&self, queue: Option<&dyn Queue>) -> Arc<dyn Clock> {
        self.or_wall(queue.and_then(Queue::clock))
    }

    fn or_wall(&self, told: Option<Arc<dyn Clock>>) -> Arc<dyn Clock> {
        let told = told.filter(|_| !self.chosen);
        told.unwrap_or_else(|| Arc::clone(&self.wall))
    }
}

#[cfg(test)]
mod tests {
    use larder_core::Timestamp;
    use larder_store::{MemoryConfig, MemoryStore};

    use super::*;

    struct At(u64);

    impl Clock for At {
        fn now(&self) -> Timestamp {
            Timestamp(self.0)
        }
    }

    #[test]
    fn what_was_chosen_counts_then_what_is_told_then_the_wall() {
        let at = |ms: u64| -> Option<Arc<dyn Clock>> { Some(Arc::new(At(ms))) };
        let shown = |clock: Arc<dyn Clock>| clock.now().0;
        let chosen = Clocks::of(at(1), at(2));
        assert_eq!(shown(chosen.or_wall(at(3))), 1);
        let unset = Clocks::of(None, at(2));
        assert_eq!(shown(unset.or_wall(at(3))), 3);
        assert!(shown(unset.or_wall(None)) > 1_000_000, "the wall clock");
        let own = MemoryStore::new(MemoryConfig::default());
        assert_eq!(shown(unset.of_store(&own)), 2);
        assert!(shown(unset.of_queue(None)) > 1_000_000, "the wall clock");
    }
}
