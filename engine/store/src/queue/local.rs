//! The write-behind queue of one process, in a folder of its own.
//!
//! | file | concept |
//! |---|---|
//! | `config` | where it is, and why it cannot be opened |
//! | `folder` | the folder, for one process alone |
//! | `schema` | the format of the file, and how older ones become it |
//! | `disk` | the file: read when it is opened, and then written only |
//! | `grow` | whether files may not grow |
//! | `writer` | the thread that writes, many changes to a transaction |
//! | `batch` | what of a group is to be written |
//! | `operations` | which operations were taken before |
//! | `index` | what is on the disk, in memory |
//! | `claims` | who flushes what |
//! | `shared` | the index, and those who wait for it |
//! | `peek` | what those who show it to others read |

mod batch;
mod claims;
mod config;
#[cfg(test)]
mod contract;
mod disk;
mod folder;
mod grow;
mod index;
mod operations;
mod peek;
mod schema;
mod shared;
#[cfg(test)]
pub(super) mod tests;
mod writer;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Either, ready};
use larder_core::Timestamp;
use tokio::sync::oneshot;

pub use self::config::{LocalQueueConfig, QueueOpenError};
use self::disk::{Contents, Disk};
use self::folder::Folder;
use self::index::{Index, Unreadable};
use self::operations::{Mark, Operations};
use self::shared::Shared;
use self::writer::{Alone, Answer, Grouped, Taking, Task, Writer};
use super::{
    Change, Claim, DeadLetter, Depth, Enqueued, LetterId, Letters, Partition, Queue, QueueAnswer,
    QueueError, QueueSummary, Queued, Row, record,
};

/// What SQLite keeps in one value at most, with room to spare.
const LARGEST: u64 = 512 << 20;

/// How much a queue holds.
#[derive(Clone, Copy)]
struct Limits {
    changes: u64,
    bytes: u64,
}

/// Keeps writes in a SQLite file until an origin has them.
///
/// A change is answered when the transaction that it is in has been synced to the disk; one thread
/// gathers all that waits into the next transaction meanwhile. All that waits is in memory as well,
/// so reads and flushers ask nobody. Dropping the queue waits for what the thread was asked for.
pub struct LocalQueue {
    /// None when it is being dropped: the writer ends with its last sender.
    tasks: Option<Sender<Task>>,
    writer: Option<JoinHandle<()>>,
    shared: Arc<Shared>,
    dir: PathBuf,
    /// Last: the next process may have the folder when the writer has ended.
    _folder: Folder,
}

impl LocalQueue {
    /// Opens the queue of a folder, with all that it holds. This blocks: call it at start.
    ///
    /// # Errors
    /// Says what is wrong with the folder or the file, and what to change.
    pub fn open(config: LocalQueueConfig) -> Result<Self, QueueOpenError> {
        check(&config)?;
        let folder = Folder::take(&config.dir)?;
        let (disk, contents) = Disk::open(folder.data())?;
        folder.sync()?;
        let (tasks, asked) = channel();
        let writer = restore(disk, contents, &config);
        let shared = Arc::clone(&writer.shared);
        let thread = std::thread::Builder::new().name("larder-queue".to_owned());
        let thread = thread.spawn(move || writer.run(&asked));
        let writer = thread.map_err(|error| QueueOpenError::Broken {
            path: config.dir.clone(),
            why: format!("no thread can be started for it: {error}"),
        })?;
        Ok(Self {
            tasks: Some(tasks),
            writer: Some(writer),
            shared,
            dir: config.dir,
            _folder: folder,
        })
    }

    /// Has the writer do something.
    async fn ask<T>(&self, task: impl FnOnce(Answer<T>) -> Task) -> Result<T, QueueError> {
        let ended = || QueueError::Failed("its writing thread has ended: restart".to_owned());
        let (answer, answered) = oneshot::channel();
        let tasks = self.tasks.as_ref().ok_or_else(ended)?;
        tasks.send(task(answer)).map_err(|_| ended())?;
        answered.await.map_err(|_| ended())?
    }

    async fn take(&self, change: Change, now: Timestamp) -> Result<Enqueued, QueueError> {
        let size = change.size();
        if size > LARGEST {
            return Err(QueueError::Full(format!(
                "one change takes {size} bytes, and {LARGEST} is the most that it keeps in one"
            )));
        }
        let taking = Box::new(Taking {
            record: record::encode(&change, now),
            mark: Mark::of(&change),
            at: now,
            change,
        });
        self.ask(|answer| Task::Grouped(Grouped::Take(taking, answer)))
            .await
    }

    async fn look(
        &self,
        claim: &Claim,
        limit: usize,
        now: Timestamp,
    ) -> Result<Vec<Arc<Queued>>, QueueError> {
        let (head, sequences) = {
            let index = self.shared.index.read();
            index.claims.check(claim, Some(now))?;
            index.scan(&claim.partition, limit)
        };
        if !sequences.is_empty() {
            let claim = claim.clone();
            let follow = |answer| Alone::Follow {
                claim,
                sequences,
                now,
                answer,
            };
            self.ask(|answer| Task::Alone(follow(answer))).await?;
        }
        Ok(head)
    }
}

impl Drop for LocalQueue {
    fn drop(&mut self) {
        self.tasks = None;
        if let Some(writer) = self.writer.take() {
            // It cannot have panicked in a way that leaves anything to be done here.
            let _ = writer.join();
        }
    }
}

fn check(config: &LocalQueueConfig) -> Result<(), QueueOpenError> {
    for (field, value) in [("limit", config.limit), ("limit_bytes", config.limit_bytes)] {
        if value == 0 {
            let why = "must be at least 1";
            return Err(QueueOpenError::Setting { field, why });
        }
    }
    Ok(())
}

/// The writer of what a file holds, and with it the index.
fn restore(disk: Disk, contents: Contents, config: &LocalQueueConfig) -> Writer {
    let mut index = Index::default();
    let mut last = 0;
    for (sequence, bytes) in contents.changes {
        last = last.max(sequence);
        match record::decode(&bytes) {
            Ok((change, at)) => drop(index.put(Arc::new(Queued {
                sequence,
                at,
                change,
            }))),
            Err(damage) => {
                let error = QueueError::Corrupt {
                    place: format!("{}, row {sequence} of table change", disk.path().display()),
                    why: damage.why.to_owned(),
                };
                tracing::error!(%error, row = ?damage.row, "a change cannot be read and is a dead letter from now on");
                let row = damage.row;
                index.put_unreadable(sequence, Unreadable { row, error });
            }
        }
    }
    for (sequence, died, why) in contents.letters {
        index.restore_letter(sequence, died, why.into());
    }
    let mut operations = Operations::default();
    for (sequence, mark) in contents.operations {
        last = last.max(sequence);
        operations.put(&mark, sequence);
    }
    Writer {
        disk,
        operations,
        last,
        limits: Limits {
            changes: config.limit,
            bytes: config.limit_bytes,
        },
        shared: Arc::new(Shared::new(index)),
    }
}

impl Queue for LocalQueue {
    fn enqueue(
        &self,
        change: Change,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<Enqueued, QueueError>> {
        self.take(change, now).boxed()
    }

    fn unflushed<'a>(&'a self, row: &'a Row) -> QueueAnswer<'a, Option<Arc<Queued>>> {
        Either::Left(ready(self.shared.index.read().newest(row)))
    }

    fn pending<'a>(&'a self, row: &'a Row) -> QueueAnswer<'a, Vec<Arc<Queued>>> {
        Either::Left(ready(self.shared.index.read().of_row(row)))
    }

    fn claim<'a>(
        &'a self,
        partition: &'a Partition,
        ttl_ms: u64,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Option<Claim>, QueueError>> {
        let mut index = self.shared.index.write();
        let claim = index.claims.claim(partition, now.plus(ttl_ms), now);
        ready(Ok(claim)).boxed()
    }

    fn extend<'a>(
        &'a self,
        claim: &'a Claim,
        ttl_ms: u64,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<(), QueueError>> {
        let mut index = self.shared.index.write();
        ready(index.claims.extend(claim, now.plus(ttl_ms), now)).boxed()
    }

    fn let_go<'a>(&'a self, claim: &'a Claim) -> BoxFuture<'a, Result<(), QueueError>> {
        self.shared.index.write().claims.let_go(claim);
        ready(Ok(())).boxed()
    }

    fn head<'a>(
        &'a self,
        claim: &'a Claim,
        limit: usize,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<Arc<Queued>>, QueueError>> {
        self.look(claim, limit, now).boxed()
    }

    fn flushed<'a>(
        &'a self,
        claim: &'a Claim,
        sequences: &'a [u64],
    ) -> BoxFuture<'a, Result<(), QueueError>> {
        let (claim, sequences) = (claim.clone(), sequences.to_vec());
        self.ask(|answer| Task::Grouped(Grouped::Flushed(claim, sequences, answer)))
            .boxed()
    }

    fn bury<'a>(
        &'a self,
        claim: &'a Claim,
        sequence: u64,
        why: &'a str,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<(), QueueError>> {
        let (claim, why) = (claim.clone(), why.into());
        let bury = move |answer| Alone::Bury {
            claim,
            sequence,
            why,
            now,
            answer,
        };
        self.ask(|answer| Task::Alone(bury(answer))).boxed()
    }

    fn arrived<'a>(&'a self, partition: &'a Partition) -> BoxFuture<'a, ()> {
        let arrived = self.shared.index.write().arrived(partition);
        arrived.notified_owned().boxed()
    }

    fn moved<'a>(&'a self, row: &'a Row) -> BoxFuture<'a, ()> {
        Arc::clone(self.shared.moved(row)).notified_owned().boxed()
    }

    fn letters<'a>(
        &'a self,
        after: Option<&'a LetterId>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<DeadLetter>, QueueError>> {
        let after = after.map(|after| after.sequence);
        ready(Ok(self.shared.index.read().letters(after, limit))).boxed()
    }

    fn letter<'a>(
        &'a self,
        id: &'a LetterId,
    ) -> BoxFuture<'a, Result<Option<DeadLetter>, QueueError>> {
        let index = self.shared.index.read();
        ready(Ok(index.letter(&id.partition, id.sequence))).boxed()
    }

    fn retry<'a>(&'a self, which: &'a Letters) -> BoxFuture<'a, Result<u64, QueueError>> {
        self.ask(|answer| Task::Alone(Alone::Retry(which.clone(), answer)))
            .boxed()
    }

    fn forget<'a>(
        &'a self,
        which: &'a Letters,
    ) -> BoxFuture<'a, Result<Vec<Arc<Queued>>, QueueError>> {
        self.ask(|answer| Task::Alone(Alone::Forget(which.clone(), answer)))
            .boxed()
    }

    fn depth(&self) -> BoxFuture<'_, Result<Depth, QueueError>> {
        ready(Ok(self.shared.index.read().depth())).boxed()
    }

    fn summary(&self) -> QueueSummary {
        QueueSummary {
            level: "local",
            place: self.dir.display().to_string(),
            can_lose: "An acknowledged write survives the end of the process at any moment, and a \
                power loss if the disk keeps what it says it has synced. It is lost with the disk."
                .to_owned(),
        }
    }
}
