//! One key: what clients were told of it, and what the origin did to it.

use std::collections::{HashMap, HashSet};

use crate::audit::EffectKind;
use crate::ledger::{Fate, Look, Write};
use crate::verdict::{Damage, Verdict};

/// All that is known of one key.
#[derive(Default)]
pub(crate) struct Story<'a> {
    pub(crate) writes: Vec<&'a Write>,
    pub(crate) effects: Vec<EffectKind>,
    pub(crate) looks: Vec<&'a Look>,
}

/// Where a write stands among those of its key. What was never acknowledged comes last: clients
/// give up no write but the last of a key.
fn place(write: &Write) -> (bool, u64, u64) {
    match write.fate {
        Fate::Acknowledged { sequence, .. } => (false, sequence.unwrap_or(0), write.number),
        Fate::Unknown => (true, 0, write.number),
    }
}

impl Story<'_> {
    /// Puts the writes in the order of the queue, or in that of their numbers where some of them
    /// did not go through it.
    pub(crate) fn order(&mut self) {
        let queued =
            |write: &&Write| !matches!(write.fate, Fate::Acknowledged { sequence: None, .. });
        if self.writes.iter().all(queued) {
            self.writes.sort_by_key(|write| place(write));
        } else {
            self.writes
                .sort_by_key(|write| (!write.is_known(), write.number));
        }
    }

    pub(crate) fn judge(&self, key: &str, row: Option<u64>, verdict: &mut Verdict) {
        self.judge_numbering(key, verdict);
        self.judge_effects(key, verdict);
        let lost = self.lost(row);
        verdict.found(Damage::Lost, lost, || {
            let last = self.writes.iter().rev().find(|write| write.is_known());
            format!("{key}: the origin holds {row:?}, acknowledged last was {last:?}")
        });
        for look in &self.looks {
            verdict.found(Damage::Unread, u64::from(!self.allows(look)), || {
                format!("{look:?}")
            });
        }
    }

    fn rank(&self, number: u64) -> Option<usize> {
        self.writes.iter().position(|write| write.number == number)
    }

    /// Of two writes of which one began after the other was acknowledged, the later comes later.
    fn judge_numbering(&self, key: &str, verdict: &mut Verdict) {
        let mut earliest = u64::MAX;
        for write in self.writes.iter().rev() {
            verdict.found(Damage::Inverted, u64::from(earliest < write.begun), || {
                format!("{key}: {write:?} has a lower place than one acknowledged before")
            });
            if let Fate::Acknowledged { at, .. } = write.fate {
                earliest = earliest.min(at);
            }
        }
    }

    /// Each effect once, and in order. Not every write has one: those of a batch that a later
    /// write of the batch replaces have none.
    fn judge_effects(&self, key: &str, verdict: &mut Verdict) {
        let ranks: HashMap<u64, usize> = self
            .writes
            .iter()
            .enumerate()
            .map(|(rank, write)| (write.number, rank))
            .collect();
        let mut seen = HashSet::new();
        // The rank below which nothing may take effect any more.
        let mut floor = 0;
        for effect in &self.effects {
            let rank = match effect {
                EffectKind::Put(number) => match ranks.get(number) {
                    Some(rank) if !self.writes[*rank].deletes => Some(*rank),
                    _ => {
                        verdict.found(Damage::Foreign, 1, || format!("{key}: {number}"));
                        continue;
                    }
                },
                EffectKind::Delete(sequence) => self.deleting(*sequence, floor),
            };
            let again = rank.is_some_and(|rank| !seen.insert(rank));
            verdict.found(Damage::Duplicated, u64::from(again), || {
                format!("{key}: {effect:?}; all were {:?}", self.effects)
            });
            // Twice in a row is no other order.
            let late = rank.is_none_or(|rank| rank + usize::from(again) < floor);
            verdict.found(Damage::Inverted, u64::from(late), || {
                format!("{key}: {effect:?} came late; all were {:?}", self.effects)
            });
            floor = floor.max(rank.map_or(0, |rank| rank + 1));
        }
    }

    /// The rank of the delete of this place in the queue. Where the row does not say, or nobody
    /// was told the place, it is the first delete that may have done it.
    fn deleting(&self, sequence: Option<u64>, floor: usize) -> Option<usize> {
        let is = |rank: &usize, known: bool| {
            let write = self.writes[*rank];
            write.deletes && (!known || sequence.is_some() && write.sequence() == sequence)
        };
        let known = (0..self.writes.len()).find(|rank| is(rank, true));
        known.or_else(|| (floor..self.writes.len()).find(|rank| is(rank, false)))
    }

    /// How many acknowledged writes a row does not show that should.
    fn lost(&self, row: Option<u64>) -> u64 {
        let known_after = |rank: usize| {
            let later = self.writes[rank..].iter();
            later.filter(|write| write.is_known()).count() as u64
        };
        match row {
            Some(number) => match self.rank(number) {
                Some(rank) => known_after(rank + 1),
                // Reported as what nobody wrote.
                None => 0,
            },
            None if self.deleted_at_or_after(self.last_known()) => 0,
            None => {
                let deleted = self.writes.iter().rposition(|write| write.deletes);
                known_after(deleted.map_or(0, |rank| rank + 1))
            }
        }
    }

    /// The rank of the last acknowledged write; none where all was given up.
    fn last_known(&self) -> Option<usize> {
        self.writes.iter().rposition(|write| write.is_known())
    }

    /// Whether the row may be absent once the write of this rank was acknowledged.
    fn deleted_at_or_after(&self, rank: Option<usize>) -> bool {
        let Some(rank) = rank else {
            return true;
        };
        self.writes[rank..].iter().any(|write| write.deletes)
    }

    fn allows(&self, look: &Look) -> bool {
        let Some(floor) = self.rank(look.floor) else {
            return false;
        };
        match look.saw {
            Some(saw) => self.rank(saw).is_some_and(|rank| rank >= floor),
            None => self.deleted_at_or_after(Some(floor)),
        }
    }
}
