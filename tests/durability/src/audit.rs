//! The judgement: what clients were told against what the origin did and holds. Pure, so that
//! each kind of damage can be shown to be seen.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;

use crate::ledger::{Fate, Ledger, Look, Write};

/// What the origin committed to one row, in the order of the commits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effect {
    /// The row.
    pub key: String,
    /// What was done.
    pub kind: EffectKind,
}

/// What a commit did to a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EffectKind {
    /// The row was inserted or replaced by the write of this number.
    Put(u64),
    /// The row was deleted, by the change that has this place in the queue where the origin keeps
    /// places.
    Delete(Option<u64>),
}

/// How things are once everything is healed and the queue is empty.
#[derive(Debug, Default)]
pub struct End {
    /// What the origin did.
    pub effects: Vec<Effect>,
    /// By key, the number of the write that the origin holds.
    pub rows: HashMap<String, u64>,
    /// By key, what every engine that was asked answered; none: there is no such thing.
    pub cached: Vec<(String, Option<u64>)>,
}

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Damage {
    /// An acknowledged write of which the origin holds neither the effect nor that of a later one.
    Lost,
    /// An effect of an earlier write after one of a later write of the same key, or a queue that
    /// numbered a later write lower.
    Inverted,
    /// One write that took effect twice.
    Duplicated,
    /// An effect that no client asked for.
    Foreign,
    /// A read after everything was over that did not answer what the origin holds.
    Unequal,
    /// A read on the node that had acknowledged a write that answered an older one.
    Unread,
}

/// How much of what is wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    counts: BTreeMap<Damage, u64>,
    examples: Vec<String>,
}

const EXAMPLES: usize = 12;

impl Damage {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Lost,
        Self::Inverted,
        Self::Duplicated,
        Self::Foreign,
        Self::Unequal,
        Self::Unread,
    ];

    /// The name in reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::Inverted => "inverted",
            Self::Duplicated => "duplicated",
            Self::Foreign => "never written",
            Self::Unequal => "cache not equal origin",
            Self::Unread => "own write not read",
        }
    }
}

impl Verdict {
    /// How often this was found.
    #[must_use]
    pub fn count(&self, damage: Damage) -> u64 {
        self.counts.get(&damage).copied().unwrap_or_default()
    }

    /// Whether nothing is wrong, `but` aside.
    #[must_use]
    pub fn is_clean_but(&self, but: &[Damage]) -> bool {
        self.counts.keys().all(|damage| but.contains(damage))
    }

    fn found(&mut self, damage: Damage, times: u64, example: impl FnOnce() -> String) {
        if times == 0 {
            return;
        }
        *self.counts.entry(damage).or_default() += times;
        if self.examples.len() < EXAMPLES {
            let example = example();
            self.examples
                .push(format!("{}: {example}", damage.as_str()));
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for damage in Damage::ALL {
            writeln!(f, "{:<24}{:>10}", damage.as_str(), self.count(damage))?;
        }
        for example in &self.examples {
            writeln!(f, "  {example}")?;
        }
        Ok(())
    }
}

/// Judges a whole run.
#[must_use]
pub fn audit(ledger: &Ledger, end: &End) -> Verdict {
    let mut verdict = Verdict::default();
    let mut stories = HashMap::<&str, Story<'_>>::new();
    for write in &ledger.writes {
        let story = stories.entry(&write.key).or_default();
        story.writes.push(write);
    }
    for effect in &end.effects {
        match stories.get_mut(effect.key.as_str()) {
            Some(story) => story.effects.push(effect.kind),
            None => verdict.found(Damage::Foreign, 1, || effect.key.clone()),
        }
    }
    for look in &ledger.looks {
        if let Some(story) = stories.get_mut(look.key.as_str()) {
            story.looks.push(look);
        }
    }
    for (key, mut story) in stories {
        story.order();
        story.judge(key, end.rows.get(key).copied(), &mut verdict);
    }
    for (key, cached) in &end.cached {
        let row = end.rows.get(key).copied();
        verdict.found(Damage::Unequal, u64::from(row != *cached), || {
            format!("{key}: the engine answers {cached:?}, the origin holds {row:?}")
        });
    }
    verdict
}

/// All that is known of one key.
#[derive(Default)]
struct Story<'a> {
    writes: Vec<&'a Write>,
    effects: Vec<EffectKind>,
    looks: Vec<&'a Look>,
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
    fn order(&mut self) {
        let queued =
            |write: &&Write| !matches!(write.fate, Fate::Acknowledged { sequence: None, .. });
        if self.writes.iter().all(queued) {
            self.writes.sort_by_key(|write| place(write));
        } else {
            self.writes
                .sort_by_key(|write| (!write.is_known(), write.number));
        }
    }

    fn judge(&self, key: &str, row: Option<u64>, verdict: &mut Verdict) {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A write of `k` that was sent at ten times its number and acknowledged five later.
    fn put(number: u64) -> Write {
        Write {
            key: "k".into(),
            number,
            deletes: false,
            begun: 10 * number,
            fate: Fate::Acknowledged {
                at: 10 * number + 5,
                sequence: Some(1_000 + number),
            },
        }
    }

    fn delete(number: u64) -> Write {
        Write {
            deletes: true,
            ..put(number)
        }
    }

    fn unknown(write: Write) -> Write {
        Write {
            fate: Fate::Unknown,
            ..write
        }
    }

    fn at(write: Write, begun: u64, at: u64, sequence: u64) -> Write {
        let sequence = Some(sequence);
        Write {
            begun,
            fate: Fate::Acknowledged { at, sequence },
            ..write
        }
    }

    const D: EffectKind = EffectKind::Delete(None);

    const fn d(number: u64) -> EffectKind {
        EffectKind::Delete(Some(1_000 + number))
    }

    const fn p(number: u64) -> EffectKind {
        EffectKind::Put(number)
    }

    fn judged(writes: &[Write], effects: &[EffectKind], row: Option<u64>) -> Vec<(Damage, u64)> {
        let ledger = Ledger {
            writes: writes.to_vec(),
            ..Ledger::default()
        };
        let effects = effects.iter().map(|kind| Effect {
            key: "k".into(),
            kind: *kind,
        });
        let end = End {
            effects: effects.collect(),
            rows: row.map(|number| ("k".into(), number)).into_iter().collect(),
            cached: vec![("k".into(), row)],
        };
        audit(&ledger, &end).counts.into_iter().collect()
    }

    #[test]
    fn what_is_as_it_should_be_is_found_clean() {
        for (writes, effects, row) in [
            (
                vec![put(1), put(2), put(3)],
                vec![p(1), p(2), p(3)],
                Some(3),
            ),
            // Coalesced.
            (vec![put(1), put(2), put(3)], vec![p(3)], Some(3)),
            (vec![put(1), delete(2)], vec![p(1), D], None),
            (vec![put(1), delete(2)], vec![], None),
            (
                vec![put(1), delete(2), put(3)],
                vec![p(1), D, p(3)],
                Some(3),
            ),
            (vec![put(1), delete(2), put(3)], vec![p(1), p(3)], Some(3)),
            (
                vec![put(1), delete(2), put(3), delete(4)],
                vec![p(1), D, p(3), D],
                None,
            ),
            (
                vec![put(1), delete(2), delete(3)],
                vec![p(1), d(2), d(3)],
                None,
            ),
            (vec![put(1), delete(2), delete(3)], vec![p(1), d(3)], None),
            // Never answered: done or not.
            (vec![put(1), unknown(put(2))], vec![p(1)], Some(1)),
            (vec![put(1), unknown(put(2))], vec![p(1), p(2)], Some(2)),
            (vec![put(1), unknown(delete(2))], vec![p(1), D], None),
            (vec![put(1), unknown(delete(2))], vec![p(1)], Some(1)),
            (vec![unknown(put(1))], vec![], None),
            // Two writers: the queue says in which order.
            (
                vec![at(put(1), 10, 30, 8), at(put(2), 11, 29, 7)],
                vec![p(2), p(1)],
                Some(1),
            ),
        ] {
            assert_eq!(
                judged(&writes, &effects, row),
                [],
                "{writes:?} {effects:?} {row:?}"
            );
        }
    }

    #[test]
    fn each_kind_of_damage_is_seen() {
        use Damage::{Duplicated, Foreign, Inverted, Lost};
        for (writes, effects, row, damage) in [
            (vec![put(1)], vec![], None, vec![(Lost, 1)]),
            (
                vec![put(1), put(2), put(3)],
                vec![p(1)],
                Some(1),
                vec![(Lost, 2)],
            ),
            (
                vec![put(1), delete(2)],
                vec![p(1)],
                Some(1),
                vec![(Lost, 1)],
            ),
            (
                vec![put(1), delete(2), put(3)],
                vec![p(1), D],
                None,
                vec![(Lost, 1)],
            ),
            (
                vec![put(1), put(2), unknown(put(3))],
                vec![p(1)],
                Some(1),
                vec![(Lost, 1)],
            ),
            (
                vec![put(1), put(2)],
                vec![p(2), p(1)],
                Some(1),
                vec![(Lost, 1), (Inverted, 1)],
            ),
            // Written over, and right again in the end.
            (
                vec![put(1), put(2), put(3)],
                vec![p(2), p(1), p(3)],
                Some(3),
                vec![(Inverted, 1)],
            ),
            (
                vec![put(1), put(2)],
                vec![p(1), p(1), p(2)],
                Some(2),
                vec![(Duplicated, 1)],
            ),
            (
                vec![put(1), delete(2)],
                vec![p(1), D, p(1), D],
                None,
                vec![(Inverted, 2), (Duplicated, 1)],
            ),
            // A delete that is done again after a newer write.
            (
                vec![put(1), delete(2), put(3)],
                vec![p(1), D, p(3), D],
                None,
                vec![(Lost, 1), (Inverted, 1)],
            ),
            (
                vec![put(1), delete(2), put(3), delete(4)],
                vec![p(1), d(2), p(3), d(2), d(4)],
                None,
                vec![(Inverted, 1), (Duplicated, 1)],
            ),
            (
                vec![put(1), delete(2), delete(3)],
                vec![p(1), d(3), d(2)],
                None,
                vec![(Inverted, 1)],
            ),
            (vec![put(1)], vec![p(1), p(9)], Some(1), vec![(Foreign, 1)]),
            (
                vec![put(1), delete(2)],
                vec![p(2), D],
                None,
                vec![(Foreign, 1)],
            ),
            // Two writers: acknowledged in one order and queued in the other.
            (
                vec![at(put(1), 10, 15, 8), at(put(2), 16, 20, 7)],
                vec![p(2), p(1)],
                Some(1),
                vec![(Inverted, 1)],
            ),
        ] {
            assert_eq!(
                judged(&writes, &effects, row),
                damage,
                "{writes:?} {effects:?} {row:?}"
            );
        }
    }

    #[test]
    fn a_row_of_nobody_is_seen() {
        let end = End {
            effects: vec![Effect {
                key: "other".into(),
                kind: p(1),
            }],
            ..End::default()
        };
        let verdict = audit(&Ledger::default(), &end);
        assert_eq!(verdict.count(Damage::Foreign), 1);
        assert!(
            verdict.to_string().contains("never written: other"),
            "{verdict}"
        );
    }

    #[test]
    fn a_cache_that_differs_from_the_origin_is_seen() {
        let ledger = Ledger {
            writes: vec![put(1), put(2)],
            ..Ledger::default()
        };
        for (cached, unequal) in [(Some(2), 0), (Some(1), 1), (None, 1)] {
            let end = End {
                rows: [("k".to_owned(), 2)].into(),
                cached: vec![("k".into(), cached)],
                ..End::default()
            };
            let verdict = audit(&ledger, &end);
            assert_eq!(verdict.count(Damage::Unequal), unequal, "{cached:?}");
            assert!(verdict.is_clean_but(&[Damage::Unequal]));
            assert_eq!(verdict.is_clean_but(&[]), unequal == 0);
        }
    }

    #[test]
    fn a_read_that_answers_less_than_was_acknowledged_is_seen() {
        let writes = vec![put(1), put(2), delete(3), put(4)];
        for (floor, saw, unread) in [
            (1, Some(1), 0),
            (1, Some(2), 0),
            (1, None, 0),
            (2, Some(1), 1),
            (3, None, 0),
            (3, Some(2), 1),
            (3, Some(4), 0),
            (4, None, 1),
            (4, Some(2), 1),
            (4, Some(9), 1),
        ] {
            let key = "k".to_owned();
            let ledger = Ledger {
                writes: writes.clone(),
                looks: vec![Look { key, floor, saw }],
                ..Ledger::default()
            };
            let end = End {
                rows: [("k".to_owned(), 4)].into(),
                ..End::default()
            };
            let verdict = audit(&ledger, &end);
            assert_eq!(verdict.count(Damage::Unread), unread, "{floor} {saw:?}");
        }
    }
}
