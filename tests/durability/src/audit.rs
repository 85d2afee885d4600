//! The judgement: what clients were told against what the origin did and holds. Pure, so that
//! each kind of damage can be shown to be seen.

use std::collections::HashMap;

use crate::ledger::Ledger;
use crate::story::Story;
use crate::verdict::{Damage, Verdict};

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{Fate, Look, Write};

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
        let verdict = audit(&ledger, &end);
        let counted = Damage::ALL.map(|damage| (damage, verdict.count(damage)));
        counted
            .into_iter()
            .filter(|(_, times)| *times > 0)
            .collect()
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
