//! The thread that writes. It takes what waits for it into one transaction, and while that is
//! synced the next gathers.

use std::sync::Arc;
use std::sync::mpsc::Receiver;

use larder_core::Timestamp;
use tokio::sync::oneshot;

use super::batch::Batch;
use super::disk::{self, Disk};
use super::operations::{Mark, Operations, horizon};
use super::shared::{Shared, Woken};
use super::{Limits, batch};
use crate::queue::{Change, Claim, Enqueued, Letters, QueueError, Queued};

/// Tasks to a transaction.
const GROUP: usize = 1_024;
/// Old operations that go with each commit, beyond two for each that comes.
const PRUNED: usize = 64;

/// Where the answer goes. The asker may be gone; what it asked for is done all the same.
pub(super) type Answer<T> = oneshot::Sender<Result<T, QueueError>>;

/// A change that is to be taken.
pub(super) struct Taking {
    pub(super) change: Change,
    pub(super) at: Timestamp,
    pub(super) record: Vec<u8>,
    pub(super) mark: Mark,
}

/// What the writer is asked for.
pub(super) enum Task {
    /// Many of these go into one transaction.
    Grouped(Grouped),
    /// One of these is decided by all that was written before, so it has a transaction alone.
    Alone(Alone),
}

pub(super) enum Grouped {
    Take(Box<Taking>, Answer<Enqueued>),
    Flushed(Claim, Vec<u64>, Answer<()>),
}

pub(super) enum Alone {
    Bury {
        claim: Claim,
        sequence: u64,
        why: Arc<str>,
        now: Timestamp,
        answer: Answer<()>,
    },
    /// Changes of parked rows that were met.
    Follow {
        claim: Claim,
        sequences: Vec<u64>,
        now: Timestamp,
        answer: Answer<()>,
    },
    Retry(Letters, Answer<u64>),
    Forget(Letters, Answer<Vec<Arc<Queued>>>),
}

pub(super) struct Writer {
    pub(super) disk: Disk,
    pub(super) operations: Operations,
    /// The largest number that was given.
    pub(super) last: u64,
    pub(super) limits: Limits,
    pub(super) shared: Arc<Shared>,
}

impl Writer {
    /// Until nobody can ask any more.
    pub(super) fn run(mut self, tasks: &Receiver<Task>) {
        let mut next = tasks.recv().ok();
        while let Some(task) = next.take() {
            match task {
                Task::Alone(alone) => self.alone(alone),
                Task::Grouped(first) => {
                    let group;
                    (group, next) = gather(first, tasks);
                    self.group(group);
                }
            }
            if next.is_none() {
                next = tasks.recv().ok();
            }
        }
    }

    fn group(&mut self, group: Vec<Grouped>) {
        let batch = batch::decide(self, group);
        if batch.is_empty() {
            return batch.answer(&Ok(()));
        }
        let pruned = self.write(&batch);
        let pruned = match pruned {
            Ok(pruned) => pruned,
            Err(error) => return batch.answer(&Err(error)),
        };
        for (sequence, mark) in &pruned {
            self.operations.prune(mark, *sequence);
        }
        for taken in &batch.taken {
            self.operations.put(&taken.mark, taken.queued.sequence);
        }
        let woken = self.shared.apply(&batch);
        batch.answer(&Ok(()));
        drop(woken);
    }

    fn write(&mut self, batch: &Batch) -> Result<Vec<(u64, Mark)>, QueueError> {
        let newest = batch.taken.iter().map(|taken| taken.queued.at).max();
        self.disk.write(|all| {
            for taken in &batch.taken {
                disk::put(all, taken.queued.sequence, &taken.record, &taken.mark)?;
            }
            for (_, sequences, _) in &batch.flushed {
                for sequence in sequences {
                    disk::remove(all, *sequence)?;
                }
            }
            match newest {
                Some(now) => disk::prune(all, horizon(now), batch.taken.len() * 2 + PRUNED),
                None => Ok(Vec::new()),
            }
        })
    }

    fn alone(&mut self, task: Alone) {
        match task {
            Alone::Bury {
                claim,
                sequence,
                why,
                now,
                answer,
            } => respond(answer, self.bury(&claim, vec![(sequence, why)], now)),
            Alone::Follow {
                claim,
                sequences,
                now,
                answer,
            } => {
                let followers = self
                    .shared
                    .index
                    .read()
                    .followers(&claim.partition, &sequences);
                let why = |first| format!("it follows {}/{first} of the same row", claim.partition);
                let followers = followers.into_iter();
                let followers = followers.map(|(sequence, first)| (sequence, why(first).into()));
                respond(answer, self.bury(&claim, followers.collect(), now));
            }
            Alone::Retry(which, answer) => respond(answer, self.retry(&which)),
            Alone::Forget(which, answer) => respond(answer, self.forget(&which)),
        }
    }

    fn bury(
        &mut self,
        claim: &Claim,
        mut dead: Vec<(u64, Arc<str>)>,
        now: Timestamp,
    ) -> Result<(), QueueError> {
        let partition = &claim.partition;
        {
            let index = self.shared.index.read();
            index.claims.check(claim, Some(now))?;
            dead.retain(|(sequence, _)| index.is_waiting(partition, *sequence));
        }
        if dead.is_empty() {
            return Ok(());
        }
        self.disk.write(|all| {
            dead.iter()
                .try_for_each(|(sequence, why)| disk::bury(all, *sequence, now, why))
        })?;
        let mut woken = Woken::default();
        let mut index = self.shared.index.write();
        for (sequence, why) in dead {
            if let Some(queued) = index.bury(partition, sequence, now, why) {
                woken.add(self.shared.moved(&queued.change.row));
            }
        }
        drop(index);
        drop(woken);
        Ok(())
    }

    fn retry(&mut self, which: &Letters) -> Result<u64, QueueError> {
        let chosen = self.shared.index.read().chosen(which, true)?;
        if chosen.is_empty() {
            return Ok(0);
        }
        self.disk
            .write(|all| chosen.iter().try_for_each(|one| disk::unbury(all, *one)))?;
        let mut woken = Woken::default();
        let mut index = self.shared.index.write();
        for sequence in &chosen {
            if let Some(queued) = index.retry(*sequence) {
                woken.add(&index.arrived(&queued.change.row.partition()));
                woken.add(self.shared.moved(&queued.change.row));
            }
        }
        drop(index);
        drop(woken);
        Ok(chosen.len() as u64)
    }

    fn forget(&mut self, which: &Letters) -> Result<Vec<Arc<Queued>>, QueueError> {
        let chosen = self.shared.index.read().chosen(which, false)?;
        if chosen.is_empty() {
            return Ok(Vec::new());
        }
        self.disk.write(|all| {
            chosen.iter().try_for_each(|one| {
                disk::unbury(all, *one)?;
                disk::remove(all, *one)
            })
        })?;
        let mut woken = Woken::default();
        let mut index = self.shared.index.write();
        let forget = |sequence: &u64| {
            let queued = index.forget(*sequence)?;
            woken.add(&index.arrived(&queued.change.row.partition()));
            woken.add(self.shared.moved(&queued.change.row));
            Some(queued)
        };
        let forgotten = chosen.iter().filter_map(forget).collect();
        drop(index);
        drop(woken);
        Ok(forgotten)
    }
}

/// All that waits, up to a task that has to be alone.
fn gather(first: Grouped, tasks: &Receiver<Task>) -> (Vec<Grouped>, Option<Task>) {
    let mut group = vec![first];
    let mut seen = 0;
    // Those who were just answered are about to ask again: a commit that begins before they do
    // has them wait for two.
    while group.len() > seen {
        seen = group.len();
        std::thread::yield_now();
        while group.len() < GROUP {
            match tasks.try_recv() {
                Ok(Task::Grouped(task)) => group.push(task),
                Ok(alone) => return (group, Some(alone)),
                Err(_) => break,
            }
        }
    }
    (group, None)
}

pub(super) fn respond<T>(answer: Answer<T>, result: Result<T, QueueError>) {
    // The asker may have gone in the meantime.
    let _ = answer.send(result);
}
