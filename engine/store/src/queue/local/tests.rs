//! What is particular to the queue of one process.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use tempfile::TempDir;

use super::{LocalQueue, LocalQueueConfig};
use crate::queue::Queue;
use crate::queue::contract::{self, Place, Room};

/// A folder that ends with the test.
struct Folder(TempDir);

impl Place for Folder {
    fn open(&self, room: Room) -> BoxFuture<'_, Arc<dyn Queue>> {
        let config = LocalQueueConfig {
            dir: self.0.path().to_owned(),
            limit: room.changes,
            limit_bytes: room.bytes,
        };
        let queue: Arc<dyn Queue> = Arc::new(LocalQueue::open(config).unwrap());
        ready(queue).boxed()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_local_queue_keeps_the_contract() {
    contract::all(|| Arc::new(Folder(tempfile::tempdir().unwrap()))).await;
}
