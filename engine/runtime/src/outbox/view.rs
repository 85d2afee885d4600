//! What an operator sees of outboxes.

use std::sync::Arc;

use tokio::time::Instant;

use super::Followed;
use super::state::First;
use crate::engine::Engine;

/// What is known of an outbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxStatus {
    /// The origin.
    pub origin: Arc<str>,
    /// What the outbox is, without credentials.
    pub summary: String,
    /// How old a commit may be that is not applied yet, in milliseconds.
    pub lag_ms: u64,
    /// What keeps it back, where that is longer than ten seconds and than five polls.
    pub why: Option<String>,
}

impl Followed {
    fn status(&self) -> OutboxStatus {
        let (lag_ms, why) = self.state.lag();
        OutboxStatus {
            origin: Arc::clone(&self.origin),
            summary: self.outbox.summary(),
            lag_ms,
            why,
        }
    }
}

impl Engine {
    /// What is known of each outbox, by the name of its origin.
    #[must_use]
    pub fn outboxes(&self) -> Vec<OutboxStatus> {
        self.inner.outboxes.iter().map(Followed::status).collect()
    }

    /// Waits until each outbox has been read to its end once, has failed, or `deadline` has come;
    /// answers the origins whose outboxes have not been read. To be called before the first read:
    /// entries of a shared store may be older than changes from when no engine ran.
    pub async fn outboxes_read(&self, deadline: Instant) -> Vec<Arc<str>> {
        let mut unread = Vec::new();
        for one in &self.inner.outboxes {
            if one.state.first(deadline).await != First::Read {
                unread.push(Arc::clone(&one.origin));
            }
        }
        unread
    }
}
