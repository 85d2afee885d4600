//! Whether one client sees a key go back in time.

use std::time::Instant;

use crate::truth::BOUND;

/// How a read relates to the newest that the same client has read before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// As new, or newer.
    Onwards,
    /// Older, as a node may answer that has not heard of the change yet.
    Backwards,
    /// Older, and so long after the newer one was read that every node must have heard of it.
    Late,
}

/// The newest version of every key that a client has read, and when.
pub struct LastRead(Vec<(u64, Instant)>);

impl LastRead {
    /// Nothing of `keys` keys was read yet.
    #[must_use]
    pub fn new(keys: usize, now: Instant) -> Self {
        Self(vec![(0, now); keys])
    }

    /// A read that ended at `now` answered `version`. Changes up to `untold` may never have been
    /// told to anybody, since the attempt was answered by an error: going back behind them is no
    /// broken promise.
    pub fn read(&mut self, key: usize, version: u64, untold: u64, now: Instant) -> Direction {
        let (last, at) = &mut self.0[key];
        if version >= *last {
            (*last, *at) = (version, now);
            return Direction::Onwards;
        }
        // The bound for the change to be told, and as much for this read itself.
        match version >= untold && now.duration_since(*at) > BOUND + BOUND {
            true => Direction::Late,
            false => Direction::Backwards,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn going_back_is_seen_and_late_once_everybody_must_have_heard() {
        let start = Instant::now();
        let later = start + BOUND + BOUND + Duration::from_millis(1);
        for (version, untold, now, expected) in [
            (5, 0, later, Direction::Onwards),
            (6, 0, later, Direction::Onwards),
            (4, 0, start, Direction::Backwards),
            (4, 0, later, Direction::Late),
            (4, 4, later, Direction::Late),
            (4, 5, later, Direction::Backwards),
        ] {
            let mut last = LastRead::new(2, start);
            assert_eq!(last.read(1, 5, 0, start), Direction::Onwards);
            assert_eq!(last.read(1, version, untold, now), expected, "{version}");
            assert_eq!(last.read(0, 1, 0, now), Direction::Onwards, "another key");
        }
    }
}
