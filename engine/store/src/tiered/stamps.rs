//! What has changed since when, as numbers.

use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, MutexGuard};
use quick_cache::DefaultHashBuilder;

/// Places for keys.
const KEYS: usize = 4_096;
/// Places for dependencies. A place that is shared costs a read of the shared store whenever the
/// other dependency changes, so there are more of them: 128 KiB.
const DEPENDENCIES: usize = 16_384;

/// A moment, as the number of changes that were known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Noted(u64);

/// Where a dependency leaves its changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place(u16);

/// The last change of everything, by place; others share the places, and a change too many is a
/// question too many and nothing worse.
///
/// Every change takes the next number of one counter and leaves it at its place *after* it was
/// made in the shared store. What was asked for once number `n` was known has seen every change
/// up to `n`; whether it has seen all there are is told by comparing `n` with the places. So
/// nothing needs to be noted of what an answer turns out to depend on.
pub(super) struct Stamps {
    last: AtomicU64,
    keys: Box<[Mutex<u64>]>,
    dependencies: Box<[AtomicU64]>,
    all: AtomicU64,
    hasher: DefaultHashBuilder,
}

impl Stamps {
    pub(super) fn new() -> Self {
        Self {
            last: AtomicU64::new(0),
            keys: (0..KEYS).map(|_| Mutex::default()).collect(),
            dependencies: (0..DEPENDENCIES).map(|_| AtomicU64::new(0)).collect(),
            all: AtomicU64::new(0),
            hasher: DefaultHashBuilder::default(),
        }
    }

    /// This moment.
    pub(super) fn now(&self) -> Noted {
        Noted(self.last.load(Ordering::SeqCst))
    }

    pub(super) fn place(&self, dependency: &str) -> Place {
        Place((self.hash(dependency) as usize % DEPENDENCIES) as u16)
    }

    /// Keeps changes of a key out, and with it those who put in what was read of it.
    pub(super) fn lock(&self, storage: &str) -> KeyStamp<'_> {
        let at = self.hash(storage) as usize % KEYS;
        KeyStamp {
            changed: self.keys[at].lock(),
            last: &self.last,
        }
    }

    /// A dependency has changed.
    pub(super) fn changed(&self, place: Place) {
        let next = self.last.fetch_add(1, Ordering::SeqCst) + 1;
        self.dependencies[usize::from(place.0)].fetch_max(next, Ordering::SeqCst);
    }

    /// Anything may have changed.
    pub(super) fn all_changed(&self) {
        let next = self.last.fetch_add(1, Ordering::SeqCst) + 1;
        self.all.fetch_max(next, Ordering::SeqCst);
    }

    /// Whether none of the dependencies, nor everything, has changed since.
    pub(super) fn hold(&self, since: Noted, places: &[Place]) -> bool {
        let unchanged = |at: &AtomicU64| at.load(Ordering::SeqCst) <= since.0;
        unchanged(&self.all)
            && places
                .iter()
                .all(|place| unchanged(&self.dependencies[usize::from(place.0)]))
    }

    fn hash(&self, name: &str) -> u64 {
        self.hasher.hash_one(name) >> 32
    }
}

/// The place of a key, locked.
pub(super) struct KeyStamp<'a> {
    changed: MutexGuard<'a, u64>,
    last: &'a AtomicU64,
}

impl KeyStamp<'_> {
    /// The key has changed.
    pub(super) fn changed(&mut self) {
        *self.changed = self.last.fetch_add(1, Ordering::SeqCst) + 1;
    }

    /// Whether the key has not changed since.
    pub(super) fn holds(&self, since: Noted) -> bool {
        *self.changed <= since.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_ends_what_was_noted_before_it_and_nothing_after() {
        let stamps = Stamps::new();
        let (a, b) = (stamps.place("a"), stamps.place("b"));
        assert_ne!(a, b, "another place, or this test finds nothing");
        let before = stamps.now();
        stamps.changed(a);
        assert!(!stamps.hold(before, &[b, a]) && stamps.hold(before, &[b]));
        assert!(stamps.hold(stamps.now(), &[a, b]));
        stamps.all_changed();
        assert!(!stamps.hold(before, &[]) && stamps.hold(stamps.now(), &[a, b]));
    }

    #[test]
    fn a_change_of_a_key_is_its_own() {
        let stamps = Stamps::new();
        let before = stamps.now();
        stamps.lock("k").changed();
        assert!(!stamps.lock("k").holds(before));
        assert!(stamps.lock("k").holds(stamps.now()));
        assert!(stamps.hold(before, &[stamps.place("k")]));
    }
}
