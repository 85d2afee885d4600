//! What is particular to the queue of one process.

mod crash;
mod file;
mod full;

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use tempfile::TempDir;

use super::{LocalQueue, LocalQueueConfig};
use crate::queue::contract::subject::{NOW, row};
use crate::queue::contract::{Place, Room};
use crate::queue::{Partition, Queue, Queued, Row};

/// Where a child finds the folder that it is to work in.
const FOLDER: &str = "LARDER_TEST_QUEUE";

/// A folder that ends with the test.
pub(super) struct Folder(TempDir);

impl Folder {
    pub(super) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }
}

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

    fn spoil<'a>(&'a self, _row: &'a Row, sequence: u64) -> BoxFuture<'a, ()> {
        spoil(self.0.path(), sequence);
        ready(()).boxed()
    }
}

/// Damages a change in the file of a queue that is closed.
pub(in crate::queue) fn spoil(dir: &Path, sequence: u64) {
    let db = rusqlite::Connection::open(dir.join("queue.db")).unwrap();
    let damage =
        "UPDATE change SET record = substr(record, 1, length(record) - 1) WHERE sequence = ?";
    assert_eq!(db.execute(damage, [sequence as i64]), Ok(1));
}

fn open(dir: &Path) -> LocalQueue {
    LocalQueue::open(LocalQueueConfig::new(dir)).unwrap()
}

fn text(queued: &Queued) -> String {
    let value = queued.change.value.as_ref().unwrap();
    String::from_utf8(value.bytes.to_vec()).unwrap()
}

/// All that waits in a queue, partition by partition.
async fn waiting(queue: &LocalQueue) -> Vec<Arc<Queued>> {
    let mut all = Vec::new();
    for partition in Partition::all(&"shop".into()) {
        let claim = queue.claim(&partition, 1_000, NOW).await.unwrap().unwrap();
        let head = queue.head(&claim, usize::MAX, NOW).await.unwrap();
        assert!(head.is_sorted_by(|a, b| a.sequence < b.sequence));
        all.extend(head);
        queue.let_go(&claim).await.unwrap();
    }
    all
}

/// A test of this program that is to run in a process of its own.
fn child(test: &str, dir: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "--ignored", "--nocapture", "--test-threads=1"])
        .arg(format!("queue::local::tests::{test}"))
        .env(FOLDER, dir);
    command
}
