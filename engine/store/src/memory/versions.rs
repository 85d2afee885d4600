//! The present versions of tags and namespaces.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use larder_core::dependency::{Mode, Verdict};
use larder_core::{Dependency, Expiries, Timestamp, Version};
use parking_lot::{Mutex, RwLock};
use quick_cache::DefaultHashBuilder;

use crate::store::Step;

const SHARDS: usize = 64;
/// How long nothing may have asked for a version before it is dropped, in milliseconds.
const UNUSED_MS: u64 = 10 * 60 * 1000;

/// The version of one dependency. Entries hold on to the cells of theirs, so a hit compares
/// numbers and looks nothing up.
#[derive(Debug)]
pub(crate) struct Cell {
    purge: AtomicU64,
    expire: AtomicU64,
    /// Changed before whoever waits for it can see `expire` changed.
    expiries: Mutex<Expiries>,
    /// When a sweep first found it unused; 0 while it is in use.
    unused_since: AtomicU64,
}

impl Cell {
    fn new(purge: u64) -> Self {
        Self {
            purge: AtomicU64::new(purge),
            expire: AtomicU64::new(0),
            expiries: Mutex::default(),
            unused_since: AtomicU64::new(0),
        }
    }

    /// The present version. Its halves are read one after the other: each is current at some
    /// moment of the call, which is all that comparing for equality needs.
    pub(crate) fn version(&self) -> Version {
        Version {
            purge: self.purge.load(Ordering::Acquire),
            expire: self.expire.load(Ordering::Acquire),
        }
    }

    /// What the present version says of an entry that was loaded under `loaded`.
    pub(crate) fn judge(&self, loaded: Version) -> Verdict {
        let current = self.version();
        loaded.judge(current, |expire| {
            let expiries = self.expiries.lock();
            expiries.first_after(expire, current.expire)
        })
    }

    fn bump(&self, mode: Mode, now: Timestamp) -> Step {
        let number = match mode {
            Mode::Purge => &self.purge,
            Mode::Expire => &self.expire,
        };
        let next = |last| Some(Version::next(last, now));
        let mut expiries = self.expiries.lock();
        let mut before = self.version();
        let mut after = before;
        // The closure never declines, so neither does the update.
        let (Ok(last) | Err(last)) = number.fetch_update(Ordering::AcqRel, Ordering::Acquire, next);
        let given = Version::next(last, now);
        match mode {
            Mode::Purge => {
                (before.purge, after.purge) = (last, given);
                expiries.clear();
            }
            Mode::Expire => {
                (before.expire, after.expire) = (last, given);
                expiries.note(last, given);
            }
        }
        Step { before, after }
    }

    fn used(&self) {
        if self.unused_since.load(Ordering::Relaxed) != 0 {
            self.unused_since.store(0, Ordering::Relaxed);
        }
    }

    /// Whether the cell was unused at sweeps for long enough.
    fn forgettable(&self, now: Timestamp) -> bool {
        match self.unused_since.load(Ordering::Relaxed) {
            0 => {
                self.unused_since.store(now.0.max(1), Ordering::Relaxed);
                false
            }
            since => now.since(Timestamp(since)) >= UNUSED_MS,
        }
    }
}

type Cells = HashMap<Dependency, Arc<Cell>, DefaultHashBuilder>;

/// All versions that somebody may still compare with.
pub(crate) struct Versions {
    shards: Box<[RwLock<Cells>]>,
    hasher: DefaultHashBuilder,
    /// At least every purge number of a cell that was dropped and every one that a cell began
    /// with: a cell begins above it, so what comes back differs from all there was.
    floor: AtomicU64,
}

impl Versions {
    pub(crate) fn new() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| RwLock::default()).collect(),
            hasher: DefaultHashBuilder::default(),
            // Random, so that a version from before a restart fits nothing; below any time, so
            // that the numbers grow with the first bump.
            floor: AtomicU64::new(fastrand::u64(1..1 << 48)),
        }
    }

    fn shard(&self, of: &Dependency) -> &RwLock<Cells> {
        &self.shards[(self.hasher.hash_one(of) >> 32) as usize % self.shards.len()]
    }

    /// The cell of a dependency that somebody asked for before.
    pub(crate) fn find(&self, of: &Dependency) -> Option<Arc<Cell>> {
        self.shard(of).read().get(of).map(Arc::clone)
    }

    /// The present version, to be stored with what a load brings that begins after this.
    pub(crate) fn current(&self, of: &Dependency) -> Version {
        let shard = self.shard(of);
        if let Some(cell) = shard.read().get(of) {
            cell.used();
            return cell.version();
        }
        let mut cells = shard.write();
        let cell = cells.entry(of.clone()).or_insert_with(|| {
            let last = self.floor.fetch_add(1, Ordering::Relaxed);
            Arc::new(Cell::new(last + 1))
        });
        cell.used();
        cell.version()
    }

    /// Whether `version` is still the present one.
    pub(crate) fn is_current(&self, of: &Dependency, version: Version) -> bool {
        self.shard(of)
            .read()
            .get(of)
            .is_some_and(|cell| cell.version() == version)
    }

    /// Gives `of` a new version. Names that nobody asked for cost no memory: a bump of one raises
    /// the floor instead, above which its version will begin when somebody does ask.
    pub(crate) fn bump(&self, of: &Dependency, mode: Mode, now: Timestamp) -> Step {
        let shard = self.shard(of);
        if let Some(cell) = shard.read().get(of) {
            return cell.bump(mode, now);
        }
        // Under the lock that a first question takes, so that it comes before or after as a whole.
        let cells = shard.write();
        if let Some(cell) = cells.get(of) {
            return cell.bump(mode, now);
        }
        let floor = Version::next(0, now);
        self.floor.fetch_max(floor, Ordering::Relaxed);
        drop(cells);
        Step {
            before: Version::default(),
            after: Version::default(),
        }
    }

    /// Drops versions that no entry holds and no load asked for in a while, a shard at a time.
    pub(crate) fn sweep(&self, now: Timestamp) {
        for shard in &self.shards {
            // Clones are made from the map alone, so under its lock a count of one stays one.
            shard.write().retain(|_, cell| {
                if Arc::strong_count(cell) > 1 {
                    cell.used();
                    return true;
                }
                if !cell.forgettable(now) {
                    return true;
                }
                let purge = cell.purge.load(Ordering::Acquire);
                self.floor.fetch_max(purge, Ordering::Relaxed);
                false
            });
        }
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.read().len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_800_000_000_000);

    fn tag(name: &str) -> Dependency {
        Dependency::tag("t", name)
    }

    #[test]
    fn a_version_that_was_dropped_comes_back_different_from_all_before() {
        let versions = Versions::new();
        let mut seen = Vec::new();
        let mut now = NOW;
        for round in 0..4 {
            for mode in [Mode::Purge, Mode::Expire] {
                seen.push(versions.current(&tag("a")));
                versions.bump(&tag("a"), mode, now);
                seen.push(versions.current(&tag("a")));
                if round == 2 {
                    now = Timestamp(5);
                }
            }
            now = now.plus(1);
            versions.sweep(now);
            now = now.plus(UNUSED_MS);
            versions.sweep(now);
            assert_eq!(versions.len(), 0, "unused for long");
        }
        seen.dedup();
        for (i, one) in seen.iter().enumerate() {
            assert!(!seen[..i].contains(one), "{one:?} came back: {seen:?}");
        }
    }

    #[test]
    fn a_first_version_tells_of_bumps_before_it() {
        let versions = Versions::new();
        versions.bump(&tag("unseen"), Mode::Expire, NOW);
        assert_eq!(
            versions.len(),
            0,
            "names that nobody asked for cost nothing"
        );
        assert!(versions.current(&tag("unseen")).purge >= NOW.0 * 1000);
    }

    #[test]
    fn steps_name_what_was_there() {
        let versions = Versions::new();
        let first = versions.current(&tag("a"));
        let purge = versions.bump(&tag("a"), Mode::Purge, NOW);
        let expire = versions.bump(&tag("a"), Mode::Expire, NOW);
        assert_eq!((purge.before, purge.after), (first, expire.before));
        assert_eq!(expire.after, versions.current(&tag("a")));
        assert_ne!(expire.after, purge.after);
    }

    #[test]
    fn a_version_in_use_stays() {
        let versions = Versions::new();
        let version = versions.current(&tag("held"));
        let cell = versions.find(&tag("held")).expect("asked for");
        versions.current(&tag("asked"));
        for minute in 0..30 {
            versions.sweep(NOW.plus(minute * 60_000));
            versions.current(&tag("asked"));
        }
        assert_eq!(versions.len(), 2);
        assert_eq!(cell.version(), version);
        drop(cell);
        versions.sweep(NOW.plus(31 * 60_000));
        assert_eq!(versions.len(), 2, "not at once");
        versions.sweep(NOW.plus(31 * 60_000 + UNUSED_MS));
        assert_eq!(versions.len(), 0, "neither was asked for since");
    }

    #[test]
    fn bumping_what_nobody_asked_for_costs_no_memory() {
        let versions = Versions::new();
        for n in 0..1000 {
            versions.bump(&tag(&n.to_string()), Mode::Purge, NOW);
        }
        assert_eq!(versions.len(), 0);
    }
}
