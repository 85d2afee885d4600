//! How much room there is.
//!
//! The partitions are in different slots, so no script sees all of them. Each answers how much is
//! in its own; a node knows the whole by adding up, and looks at those of other nodes again when
//! a second has passed, or when it would refuse.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::queue::{Partition, QueueError};

/// How long what other nodes did is not looked at.
const FRESH: Duration = Duration::from_secs(1);
/// The same while there is no room.
const FRESH_WHEN_FULL: Duration = Duration::from_millis(50);

/// Changes and their size in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Used {
    pub(super) changes: u64,
    pub(super) bytes: u64,
}

impl Used {
    fn and(self, other: Self) -> Self {
        Self {
            changes: self.changes.saturating_add(other.changes),
            bytes: self.bytes.saturating_add(other.bytes),
        }
    }

    fn fits(self, limit: Self) -> bool {
        self.changes <= limit.changes && self.bytes <= limit.bytes
    }
}

/// What this node knows of how full the queue is.
pub(super) struct Room {
    limit: Used,
    known: Mutex<Known>,
    /// Held by whoever looks again, so that the others need not.
    pub(super) looking: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Known {
    partitions: HashMap<Partition, Used>,
    /// The origins that are made known to all nodes.
    origins: HashSet<Arc<str>>,
    /// Asked for, and not yet answered.
    under_way: Used,
    looked: Option<Instant>,
}

/// Room for a change, until it is known to be taken or not.
pub(super) struct Place<'a> {
    room: &'a Room,
    used: Used,
    /// Whether it goes beyond the limit.
    pub(super) full: bool,
}

impl Room {
    pub(super) fn new(limit: Used) -> Self {
        Self {
            limit,
            known: Mutex::default(),
            looking: tokio::sync::Mutex::default(),
        }
    }

    /// Sets room aside for a change of so many bytes.
    pub(super) fn place(&self, bytes: u64) -> Place<'_> {
        let used = Used { changes: 1, bytes };
        let mut known = self.known.lock();
        let full = !known.total().and(used).fits(self.limit);
        known.under_way = known.under_way.and(used);
        let room = self;
        Place { room, used, full }
    }

    /// Whether all partitions are to be looked at, before a change of so many bytes is sent.
    pub(super) fn is_stale(&self, origin: &str, bytes: u64, now: Instant) -> bool {
        let used = Used { changes: 1, bytes };
        let known = self.known.lock();
        if !known.origins.contains(origin) {
            return true;
        }
        let fresh = match known.total().and(used).fits(self.limit) {
            true => FRESH,
            false => FRESH_WHEN_FULL,
        };
        known.looked.is_none_or(|looked| now - looked >= fresh)
    }

    /// All partitions were looked at, those of `origin` among them.
    pub(super) fn saw_all(
        &self,
        origin: &Arc<str>,
        all: impl Iterator<Item = (Partition, Used)>,
        now: Instant,
    ) {
        let mut known = self.known.lock();
        known.partitions = all.collect();
        known.origins.insert(origin.clone());
        known.looked = Some(now);
    }

    /// A partition says how much it holds.
    pub(super) fn saw(&self, partition: &Partition, used: Used) {
        let mut known = self.known.lock();
        match known.partitions.get_mut(partition) {
            Some(before) => *before = used,
            None => {
                known.partitions.insert(partition.clone(), used);
            }
        }
    }

    /// The error of a queue that is full.
    pub(super) fn refusal(&self) -> QueueError {
        let (limit, total) = (self.limit, self.known.lock().total());
        QueueError::Full(format!(
            "it holds {} changes of {}, dead letters among them, with {} bytes of {}; wait until they are flushed, look after dead letters, or raise `limit` or `limit_bytes`",
            total.changes, limit.changes, total.bytes, limit.bytes
        ))
    }
}

impl Known {
    fn total(&self) -> Used {
        let all = self.partitions.values();
        all.fold(self.under_way, |sum, one| sum.and(*one))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let under_way = &mut self.room.known.lock().under_way;
        under_way.changes -= self.used.changes;
        under_way.bytes -= self.used.bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition(number: u16) -> Partition {
        Partition {
            origin: "shop".into(),
            number,
        }
    }

    fn used(changes: u64, bytes: u64) -> Used {
        Used { changes, bytes }
    }

    #[test]
    fn what_is_under_way_takes_room() {
        let room = Room::new(used(3, 100));
        room.saw(&partition(0), used(1, 10));
        let first = room.place(10);
        let second = room.place(10);
        assert!(!first.full && !second.full);
        assert!(room.place(1).full, "three and one");
        drop(first);
        assert!(!room.place(80).full);
        assert!(room.place(81).full);
        room.saw(&partition(1), used(2, 10));
        assert!(room.place(1).full);
    }

    #[test]
    fn others_are_looked_at_when_it_is_full_or_a_second_has_passed() {
        let (room, now) = (Room::new(used(2, 100)), Instant::now());
        assert!(room.is_stale("shop", 1, now), "nothing is known");
        let all = [(partition(0), used(1, 1))];
        room.saw_all(&"shop".into(), all.into_iter(), now);
        let after = |ms| now + Duration::from_millis(ms);
        assert!(room.is_stale("stock", 1, now));
        assert!(!room.is_stale("shop", 1, after(999)));
        assert!(room.is_stale("shop", 1, after(1_000)));
        assert!(!room.is_stale("shop", 100, after(49)));
        assert!(room.is_stale("shop", 100, after(50)));
    }
}
