//! What is on the disk, in memory: so that reads and flushers need neither it nor the writer.

mod letters;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use larder_core::Timestamp;
use tokio::sync::Notify;

pub(super) use self::letters::Unreadable;
use super::claims::Claims;
use crate::queue::{DeadLetter, Depth, Partition, QueueError, Queued, Row};

/// All changes that the origin does not have yet.
#[derive(Default)]
pub(super) struct Index {
    rows: HashMap<Row, Kept>,
    partitions: HashMap<Partition, Part>,
    letters: BTreeMap<u64, DeadLetter>,
    unreadable: BTreeMap<u64, Unreadable>,
    pub(super) claims: Claims,
    waiting: Load,
    dead: Load,
}

/// How many, and how large.
#[derive(Clone, Copy, Default)]
pub(super) struct Load {
    pub(super) changes: u64,
    pub(super) bytes: u64,
}

/// What there is of one row.
#[derive(Default)]
struct Kept {
    /// By their numbers; mostly one.
    changes: Vec<Arc<Queued>>,
    dead: usize,
    /// The newest that cannot be read.
    unreadable: Option<u64>,
}

/// What waits in one partition.
#[derive(Default)]
struct Part {
    waiting: BTreeMap<u64, Arc<Queued>>,
    arrived: Arc<Notify>,
}

impl Load {
    fn add(&mut self, queued: &Queued) {
        self.changes += 1;
        self.bytes += queued.change.size();
    }

    fn take(&mut self, queued: &Queued) {
        self.changes -= 1;
        self.bytes -= queued.change.size();
    }
}

impl Kept {
    fn is_parked(&self) -> bool {
        self.dead > 0 || self.unreadable.is_some()
    }
}

impl Index {
    /// All that is kept, dead or alive.
    pub(super) fn load(&self) -> Load {
        Load {
            changes: self.waiting.changes + self.dead.changes,
            bytes: self.waiting.bytes + self.dead.bytes,
        }
    }

    /// Every change that can be read.
    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<Queued>> {
        self.rows.values().flat_map(|kept| &kept.changes)
    }

    /// Those who wait for changes of a partition.
    pub(super) fn arrived(&mut self, partition: &Partition) -> Arc<Notify> {
        if let Some(part) = self.partitions.get(partition) {
            return Arc::clone(&part.arrived);
        }
        let part = self.partitions.entry(partition.clone()).or_default();
        Arc::clone(&part.arrived)
    }

    /// A change that is newer than all others.
    pub(super) fn put(&mut self, queued: Arc<Queued>) -> Arc<Notify> {
        let kept = self.rows.entry(queued.change.row.clone()).or_default();
        kept.changes.push(Arc::clone(&queued));
        self.wait(queued)
    }

    fn wait(&mut self, queued: Arc<Queued>) -> Arc<Notify> {
        self.waiting.add(&queued);
        let partition = queued.change.row.partition();
        let part = self.partitions.entry(partition).or_default();
        part.waiting.insert(queued.sequence, queued);
        Arc::clone(&part.arrived)
    }

    pub(super) fn newest(&self, row: &Row) -> Result<Option<Arc<Queued>>, QueueError> {
        let Some(kept) = self.rows.get(row) else {
            return Ok(None);
        };
        let newest = kept.changes.last();
        if let Some(sequence) = kept.unreadable
            && newest.is_none_or(|newest| newest.sequence < sequence)
            && let Some(unreadable) = self.unreadable.get(&sequence)
        {
            return Err(unreadable.error.clone());
        }
        Ok(newest.cloned())
    }

    /// All changes of a row, oldest first.
    pub(super) fn of_row(&self, row: &Row) -> Result<Vec<Arc<Queued>>, QueueError> {
        let Some(kept) = self.rows.get(row) else {
            return Ok(Vec::new());
        };
        match kept.unreadable.and_then(|one| self.unreadable.get(&one)) {
            Some(unreadable) => Err(unreadable.error.clone()),
            None => Ok(kept.changes.clone()),
        }
    }

    /// The oldest that may be flushed, and those of parked rows that were met on the way.
    pub(super) fn scan(&self, partition: &Partition, limit: usize) -> (Vec<Arc<Queued>>, Vec<u64>) {
        let (mut head, mut parked) = (Vec::new(), Vec::new());
        let Some(part) = self.partitions.get(partition) else {
            return (head, parked);
        };
        for (sequence, queued) in &part.waiting {
            if head.len() >= limit {
                break;
            }
            if self.is_parked(&queued.change.row) {
                parked.push(*sequence);
            } else {
                head.push(Arc::clone(queued));
            }
        }
        (head, parked)
    }

    fn is_parked(&self, row: &Row) -> bool {
        self.rows.get(row).is_some_and(Kept::is_parked)
    }

    pub(super) fn is_waiting(&self, partition: &Partition, sequence: u64) -> bool {
        let part = self.partitions.get(partition);
        part.is_some_and(|part| part.waiting.contains_key(&sequence))
    }

    /// Of these changes, those that wait and whose row is parked, with what they follow.
    pub(super) fn followers(&self, partition: &Partition, of: &[u64]) -> Vec<(u64, u64)> {
        let Some(part) = self.partitions.get(partition) else {
            return Vec::new();
        };
        let follower = |sequence: &u64| {
            let row = &part.waiting.get(sequence)?.change.row;
            let kept = self.rows.get(row).filter(|kept| kept.is_parked())?;
            let is_dead = |one: &&Arc<Queued>| self.letters.contains_key(&one.sequence);
            let first = kept.changes.iter().find(is_dead);
            let first = first.map(|first| first.sequence).or(kept.unreadable)?;
            Some((*sequence, first))
        };
        of.iter().filter_map(follower).collect()
    }

    /// The origin has it.
    pub(super) fn flushed(&mut self, partition: &Partition, sequence: u64) -> Option<Arc<Queued>> {
        let queued = self.unqueue(partition, sequence)?;
        self.drop_of_row(&queued);
        Some(queued)
    }

    fn unqueue(&mut self, partition: &Partition, sequence: u64) -> Option<Arc<Queued>> {
        let part = self.partitions.get_mut(partition)?;
        let queued = part.waiting.remove(&sequence)?;
        self.waiting.take(&queued);
        Some(queued)
    }

    fn drop_of_row(&mut self, queued: &Queued) {
        let row = &queued.change.row;
        let Some(kept) = self.rows.get_mut(row) else {
            return;
        };
        kept.changes.retain(|one| one.sequence != queued.sequence);
        if kept.changes.is_empty() && kept.unreadable.is_none() {
            self.rows.remove(row);
        }
    }

    pub(super) fn depth(&self) -> Depth {
        let mut origins: BTreeMap<Arc<str>, u64> = BTreeMap::new();
        let mut oldest: Option<Timestamp> = None;
        for (partition, part) in &self.partitions {
            let Some((_, first)) = part.waiting.first_key_value() else {
                continue;
            };
            oldest = Some(oldest.map_or(first.at, |oldest| oldest.min(first.at)));
            let waiting = origins.entry(Arc::clone(&partition.origin)).or_default();
            *waiting += part.waiting.len() as u64;
        }
        // Parked rows are few: those of the letters, each counted once.
        let mut parked: Vec<&Row> = self
            .letters
            .values()
            .map(|one| &one.queued.change.row)
            .collect();
        parked.extend(self.unreadable.values().filter_map(|one| one.row.as_ref()));
        let parked: std::collections::HashSet<_> = parked.into_iter().collect();
        Depth {
            waiting: self.waiting.changes,
            bytes: self.waiting.bytes,
            oldest,
            dead: self.dead.changes + self.unreadable.len() as u64,
            parked: parked.len() as u64,
            origins: origins.into_iter().collect(),
        }
    }
}
