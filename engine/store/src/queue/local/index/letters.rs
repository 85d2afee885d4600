//! Dead letters, in memory: what the origin will not take, and what cannot be read.

use std::sync::Arc;

use larder_core::Timestamp;

use super::Index;
use crate::queue::{DeadLetter, LetterId, Letters, Partition, QueueError, Queued, Row};

/// Something in the file that is no change.
#[derive(Clone, Debug)]
pub(in crate::queue::local) struct Unreadable {
    pub(in crate::queue::local) row: Option<Row>,
    pub(in crate::queue::local) error: QueueError,
}

impl Unreadable {
    /// One of which the row is not known is in no partition; its number names it all the same.
    fn letter(&self, sequence: u64) -> DeadLetter {
        let nowhere = || Partition {
            origin: "unknown".into(),
            number: 0,
        };
        let row = self.row.clone();
        let id = LetterId {
            partition: row.as_ref().map_or_else(nowhere, Row::partition),
            sequence,
        };
        // It was met when the queue was opened, and dies each time anew.
        let died = Timestamp(sequence / 1_000);
        DeadLetter::unreadable(id, row, died, self.error.to_string().into())
    }
}

impl Index {
    /// Something that cannot be read: a dead letter, which parks its row, where that can be told.
    pub(in crate::queue::local) fn put_unreadable(
        &mut self,
        sequence: u64,
        unreadable: Unreadable,
    ) {
        if let Some(row) = &unreadable.row {
            self.rows.entry(row.clone()).or_default().unreadable = Some(sequence);
        }
        self.unreadable.insert(sequence, unreadable);
    }

    /// The origin will never take it.
    pub(in crate::queue::local) fn bury(
        &mut self,
        partition: &Partition,
        sequence: u64,
        died: Timestamp,
        why: Arc<str>,
    ) -> Option<Arc<Queued>> {
        let queued = self.unqueue(partition, sequence)?;
        self.dead.add(&queued);
        if let Some(kept) = self.rows.get_mut(&queued.change.row) {
            kept.dead += 1;
        }
        let letter = DeadLetter {
            id: queued.letter_id(),
            queued: Arc::clone(&queued),
            died,
            why,
            readable: true,
        };
        self.letters.insert(sequence, letter);
        Some(queued)
    }

    fn take_letter(&mut self, sequence: u64) -> Option<Arc<Queued>> {
        let queued = self.letters.remove(&sequence)?.queued;
        self.dead.take(&queued);
        if let Some(kept) = self.rows.get_mut(&queued.change.row) {
            kept.dead -= 1;
        }
        Some(queued)
    }

    /// It waits again, where it was.
    pub(in crate::queue::local) fn retry(&mut self, sequence: u64) -> Option<Arc<Queued>> {
        let queued = self.take_letter(sequence)?;
        self.wait(Arc::clone(&queued));
        Some(queued)
    }

    /// It was given up for good.
    pub(in crate::queue::local) fn forget(&mut self, sequence: u64) -> Option<Arc<Queued>> {
        if let Some(unreadable) = self.unreadable.remove(&sequence) {
            return Some(self.forget_unreadable(sequence, &unreadable));
        }
        let queued = self.take_letter(sequence)?;
        self.drop_of_row(&queued);
        Some(queued)
    }

    fn forget_unreadable(&mut self, sequence: u64, unreadable: &Unreadable) -> Arc<Queued> {
        if let Some(row) = &unreadable.row
            && let Some(kept) = self.rows.get_mut(row)
        {
            let of_row = |one: &&Unreadable| one.row.as_ref() == Some(row);
            let mut others = self.unreadable.iter().rev();
            kept.unreadable = others
                .find(|(_, one)| of_row(one))
                .map(|(sequence, _)| *sequence);
            if kept.changes.is_empty() && kept.unreadable.is_none() {
                self.rows.remove(row);
            }
        }
        unreadable.letter(sequence).queued
    }

    /// The letters that are meant, and to be retried, with `rows`, the others of their rows: but
    /// what cannot be read cannot be.
    pub(in crate::queue::local) fn chosen(
        &self,
        which: &Letters,
        rows: bool,
    ) -> Result<Vec<u64>, QueueError> {
        let id = match which {
            Letters::All => {
                let unreadable = self.unreadable.keys().filter(|_| !rows);
                return Ok(self.letters.keys().chain(unreadable).copied().collect());
            }
            Letters::One(id) => id,
        };
        let Some(letter) = self.letter(&id.partition, id.sequence) else {
            return Ok(Vec::new());
        };
        if !rows {
            return Ok(vec![id.sequence]);
        }
        if let Some(unreadable) = self.unreadable.get(&id.sequence) {
            return Err(unreadable.error.clone());
        }
        let kept = self.rows.get(&letter.queued.change.row);
        let all = kept.iter().flat_map(|kept| &kept.changes);
        let dead = |sequence: &u64| self.letters.contains_key(sequence);
        Ok(all.map(|one| one.sequence).filter(dead).collect())
    }

    pub(in crate::queue::local) fn letter(
        &self,
        partition: &Partition,
        sequence: u64,
    ) -> Option<DeadLetter> {
        let unreadable = self.unreadable.get(&sequence);
        let letter = unreadable.map(|one| one.letter(sequence));
        let letter = letter.or_else(|| self.letters.get(&sequence).cloned());
        letter.filter(|letter| letter.id.partition == *partition)
    }

    pub(in crate::queue::local) fn letters(
        &self,
        after: Option<u64>,
        limit: usize,
    ) -> Vec<DeadLetter> {
        let from = after.map_or(0, |after| after.saturating_add(1));
        let letters = self.letters.range(from..).take(limit);
        let unreadable = self.unreadable.range(from..).take(limit);
        let unreadable = unreadable.map(|(sequence, one)| one.letter(*sequence));
        let mut all: Vec<_> = letters
            .map(|(_, letter)| letter.clone())
            .chain(unreadable)
            .collect();
        all.sort_unstable_by_key(|letter| letter.id.sequence);
        all.truncate(limit);
        all
    }

    /// A change that died before the queue was opened.
    pub(in crate::queue::local) fn restore_letter(
        &mut self,
        sequence: u64,
        died: Timestamp,
        why: Arc<str>,
    ) {
        let in_it = |part: &&Partition| self.is_waiting(part, sequence);
        if let Some(partition) = self.partitions.keys().find(in_it).cloned() {
            self.bury(&partition, sequence, died, why);
        }
    }
}
