use std::sync::atomic::{AtomicU64, Ordering};

use larder::SystemClock;
use larder::core::{Clock, Timestamp};

/// A clock that moves when told.
pub(crate) struct Hands(AtomicU64);

impl Default for Hands {
    fn default() -> Self {
        Self(AtomicU64::new(1_800_000_000_000))
    }
}

impl Hands {
    /// A clock that agrees with those of servers until it is moved.
    pub(crate) fn from_now() -> Self {
        Self(AtomicU64::new(SystemClock.now().0))
    }

    /// A clock that was never set.
    pub(crate) fn from_the_epoch() -> Self {
        Self(AtomicU64::new(0))
    }

    pub(crate) fn set_back(&self, ms: u64) {
        self.0.fetch_sub(ms, Ordering::SeqCst);
    }

    pub(crate) fn advance(&self, ms: u64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}
