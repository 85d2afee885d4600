//! What keeps happening is said once in a while, with how often it happened.

use std::collections::HashMap;
use std::hash::Hash;

/// How long the log says no more of what it has just said, in milliseconds.
pub const REPEAT_MS: u64 = 10_000;

/// Counts what repeats under a key. The first is said at once; those of the next
/// [`REPEAT_MS`] are said together when that is over, and so on until none came.
///
/// `W` is what is said of the latest. Keys should be few: they are kept while they repeat, and as
/// long as nobody calls [`Repeats::due`].
#[derive(Debug)]
pub struct Repeats<K, W> {
    seen: HashMap<K, Since<W>>,
}

#[derive(Debug)]
struct Since<W> {
    said_ms: u64,
    latest: Option<W>,
    count: u64,
}

/// What is to be said now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said<W> {
    /// The latest.
    pub what: W,
    /// How many there were since the last time, this one among them.
    pub count: u64,
}

impl<K, W> Default for Repeats<K, W> {
    fn default() -> Self {
        Self {
            seen: HashMap::new(),
        }
    }
}

impl<K: Eq + Hash, W> Repeats<K, W> {
    /// Notes that `what` happened at `now_ms`, on a clock that is not set back; answers what is to
    /// be said now, if anything is.
    pub fn note(&mut self, key: K, what: W, now_ms: u64) -> Option<Said<W>> {
        let Some(since) = self.seen.get_mut(&key) else {
            let said_ms = now_ms;
            let new = Since {
                said_ms,
                latest: None,
                count: 0,
            };
            self.seen.insert(key, new);
            return Some(Said { what, count: 1 });
        };
        since.count += 1;
        since.latest = Some(what);
        since.say(now_ms)
    }

    /// What is to be said although nothing happens now; to be asked about once a second.
    pub fn due(&mut self, now_ms: u64) -> Vec<Said<W>> {
        let mut said = Vec::new();
        self.seen.retain(|_, since| {
            if !since.is_over(now_ms) {
                return true;
            }
            said.extend(since.say(now_ms));
            since.said_ms == now_ms
        });
        said
    }
}

impl<W> Since<W> {
    const fn is_over(&self, now_ms: u64) -> bool {
        now_ms.saturating_sub(self.said_ms) >= REPEAT_MS
    }

    fn say(&mut self, now_ms: u64) -> Option<Said<W>> {
        if !self.is_over(now_ms) {
            return None;
        }
        let what = self.latest.take()?;
        self.said_ms = now_ms;
        let count = std::mem::take(&mut self.count);
        Some(Said { what, count })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(what: &'static str, count: u64) -> Option<Said<&'static str>> {
        Some(Said { what, count })
    }

    #[test]
    fn one_line_with_a_count_for_each_ten_seconds() {
        let mut repeats = Repeats::default();
        for (now_ms, what, expected) in [
            (5, "a", said("a", 1)),
            (5, "b", None),
            (10_004, "c", None),
            (10_005, "d", said("d", 3)),
            (10_006, "e", None),
            (20_004, "f", None),
            (90_000, "g", said("g", 3)),
        ] {
            assert_eq!(repeats.note("policy", what, now_ms), expected, "{now_ms}");
        }
        assert_eq!(repeats.note("other", "x", 90_001), said("x", 1));
    }

    #[test]
    fn what_stops_repeating_is_said_to_its_end_and_forgotten() {
        let mut repeats = Repeats::default();
        assert_eq!(repeats.note("policy", "a", 0), said("a", 1));
        repeats.note("policy", "b", 1);
        repeats.note("policy", "c", 2);
        assert_eq!(repeats.due(9_999), []);
        assert_eq!(Vec::from_iter(said("c", 2)), repeats.due(10_000));
        assert_eq!(repeats.due(19_999), []);
        assert_eq!(repeats.seen.len(), 1);
        assert_eq!(repeats.due(20_000), []);
        assert_eq!(repeats.seen.len(), 0);
        assert_eq!(repeats.note("policy", "d", 20_001), said("d", 1));
    }

    #[test]
    fn a_clock_that_stands_still_says_nothing_twice() {
        let mut repeats = Repeats::default();
        assert_eq!(repeats.note(1, "a", 7), said("a", 1));
        for _ in 0..100 {
            assert_eq!(repeats.note(1, "b", 7), None);
            assert_eq!(repeats.note(1, "b", 0), None, "nor one that is set back");
        }
        assert_eq!(repeats.due(7), []);
    }
}
