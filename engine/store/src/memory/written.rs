//! What was written a while ago.

use std::collections::HashMap;

use larder_core::{Dependency, Timestamp};
use parking_lot::Mutex;
use quick_cache::DefaultHashBuilder;

/// When each name was last noted, and until when that is known.
type Notes = HashMap<Dependency, (Timestamp, Timestamp), DefaultHashBuilder>;

/// The notes of writes. There are none where no origin asks for them, so one lock is enough.
#[derive(Default)]
pub(crate) struct Written(Mutex<Notes>);

impl Written {
    pub(crate) fn note(&self, names: &[Dependency], keep_ms: u64, now: Timestamp) {
        let mut notes = self.0.lock();
        for name in names {
            let until = now.plus(keep_ms);
            let note = notes.entry(name.clone()).or_insert((now, until));
            *note = (now.max(note.0), until.max(note.1));
        }
    }

    /// How long ago the last of them was noted.
    pub(crate) fn ago_ms(&self, names: &[Dependency], now: Timestamp) -> Option<u64> {
        let notes = self.0.lock();
        let known = names.iter().filter_map(|name| notes.get(name));
        let known = known.filter(|(_, until)| now < *until);
        known.map(|(at, _)| now.since(*at)).min()
    }

    pub(crate) fn sweep(&self, now: Timestamp) {
        self.0.lock().retain(|_, (_, until)| now < *until);
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.0.lock().len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_800_000_000_000);

    #[test]
    fn the_last_note_counts_until_its_time_is_over() {
        let written = Written::default();
        let [a, b, c] = ["a", "b", "c"].map(|name| Dependency::tag("t", name));
        written.note(std::slice::from_ref(&a), 100, NOW);
        written.note(std::slice::from_ref(&b), 100, NOW.plus(50));
        // A clock that another thread looked at earlier.
        written.note(std::slice::from_ref(&b), 100, NOW.plus(40));
        for (names, after, ago) in [
            (vec![a.clone()], 0, Some(0)),
            (vec![a.clone()], 99, Some(99)),
            (vec![a.clone()], 100, None),
            (vec![a.clone(), b.clone()], 60, Some(10)),
            (vec![b.clone()], 149, Some(99)),
            (vec![b.clone()], 150, None),
            (vec![c], 60, None),
            (vec![], 60, None),
        ] {
            assert_eq!(written.ago_ms(&names, NOW.plus(after)), ago, "{names:?}");
        }
        written.sweep(NOW.plus(100));
        assert_eq!(written.len(), 1);
        written.sweep(NOW.plus(150));
        assert_eq!(written.len(), 0);
    }
}
