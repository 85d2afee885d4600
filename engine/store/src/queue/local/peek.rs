//! What those who show a queue to others read of it.

use std::path::Path;
use std::sync::Arc;

use super::LocalQueue;
use crate::queue::Queued;

impl LocalQueue {
    /// The folder that it is kept in.
    pub(in crate::queue) fn dir(&self) -> &Path {
        &self.dir
    }

    /// All changes that the origin does not have, dead or alive.
    pub(in crate::queue) fn all(&self) -> Vec<Arc<Queued>> {
        self.shared.index.read().all().cloned().collect()
    }
}
