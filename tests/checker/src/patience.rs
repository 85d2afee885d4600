//! Waiting for what has to come.

use std::time::{Duration, Instant};

/// How long something may take.
const LIMIT: Duration = Duration::from_secs(60);
/// How long to wait before looking again.
const PAUSE: Duration = Duration::from_millis(20);

/// Looks again and again, for so long.
pub(crate) struct Patience {
    what: &'static str,
    begun: Instant,
}

impl Patience {
    /// To wait until `what`.
    pub(crate) fn until(what: &'static str) -> Self {
        let begun = Instant::now();
        Self { what, begun }
    }

    /// Waits for a moment.
    ///
    /// # Panics
    /// If it was long enough, naming what was waited for.
    pub(crate) async fn wait(&self) {
        let waited = self.begun.elapsed();
        assert!(waited < LIMIT, "waited in vain until {}", self.what);
        tokio::time::sleep(PAUSE).await;
    }
}
