//! A clock that stands until it is moved, so that no test waits for a ttl.

use std::sync::atomic::{AtomicU64, Ordering};

use larder::core::{Clock, Timestamp};

pub(crate) struct StoppedClock(AtomicU64);

impl StoppedClock {
    pub(crate) fn new() -> Self {
        Self(AtomicU64::new(1_700_000_000_000))
    }

    pub(crate) fn advance(&self, ms: u64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for StoppedClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}
