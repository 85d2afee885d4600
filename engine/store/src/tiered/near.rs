//! Copies of shared entries in this process's memory.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use larder_core::{Entry, Key, Placement, Timestamp};
use parking_lot::Mutex;
use quick_cache::Weighter;
use tokio::time::Instant;

use super::life::Life;
use super::stamps::{Noted, Place, Stamps};
use super::waiters::Waiters;
use crate::bounded::{Bounded, bounded, largest};
use crate::store::Found;

/// A read goes through to the shared store once this share of the time to idle has passed, so
/// that the entry does not idle away there while it is in use here.
const IDLE_SHARE: u64 = 8;

/// A copy, and when it was asked for.
struct Slot {
    entry: Arc<Entry>,
    noted: Noted,
    places: Box<[Place]>,
    put: Timestamp,
    weight: u64,
}

#[derive(Clone)]
struct ByWeight;

impl Weighter<Arc<str>, Arc<Slot>> for ByWeight {
    fn weight(&self, _key: &Arc<str>, slot: &Arc<Slot>) -> u64 {
        slot.weight
    }
}

/// The copies, what is known of changes, and those who wait for them.
///
/// A copy is served only while nothing it rests on has changed since before it was asked for, as
/// far as this process knows, and only while it is sure to hear of changes.
pub(super) struct Near {
    slots: Bounded<Arc<Slot>, ByWeight>,
    capacity: u64,
    largest: u64,
    stamps: Stamps,
    life: Life,
    waiters: Waiters,
    /// Why nothing is sure.
    lost: Mutex<Arc<str>>,
}

impl Near {
    pub(super) fn new(capacity: u64) -> Self {
        Self {
            slots: bounded(capacity, ByWeight),
            capacity,
            largest: largest(capacity),
            stamps: Stamps::new(),
            life: Life::new(),
            waiters: Waiters::default(),
            lost: Mutex::new("it was not up yet".into()),
        }
    }

    /// The copy of an entry, if it is as good as asking.
    pub(super) fn get(&self, key: &Key, now: Timestamp) -> Option<Found> {
        if !self.life.is_sure() {
            return None;
        }
        let slot = self.slots.get(&**key.storage())?;
        let entry = &slot.entry;
        let idle = entry.time_to_idle_ms;
        let noted = idle == 0 || now.since(slot.put) < idle.div_ceil(IDLE_SHARE);
        let sound = noted
            && now < entry.windows.gone_at()
            && entry.belongs_to(key)
            && self.stamps.hold(slot.noted, &slot.places);
        sound.then(|| Found {
            entry: Arc::clone(entry),
            windows: entry.windows,
            read: slot.put,
        })
    }

    /// To be called before the shared store is asked; none where the answer cannot be kept.
    pub(super) fn note(&self) -> Option<Noted> {
        // In this order: what is noted while all is sure comes after the last time it was not.
        let noted = self.stamps.now();
        self.life.is_sure().then_some(noted)
    }

    /// Keeps what the shared store answered, unless something it rests on changed since `noted`.
    pub(super) fn keep(
        &self,
        key: &Key,
        noted: Option<Noted>,
        found: Option<&Found>,
        now: Timestamp,
    ) {
        let slot = found
            .zip(noted)
            .and_then(|(found, noted)| self.slot(found, noted, now));
        let Some(slot) = slot else {
            drop(self.slots.remove(&**key.storage()));
            return;
        };
        // Under the lock that a change of the key takes, so that it comes before and is seen, or
        // after and removes the copy.
        let stamp = self.stamps.lock(key.storage());
        if stamp.holds(slot.noted) {
            self.slots.insert(Arc::clone(key.storage()), Arc::new(slot));
        }
    }

    fn slot(&self, found: &Found, noted: Noted, now: Timestamp) -> Option<Slot> {
        let entry = &found.entry;
        // Expired windows are the shared store's to tell: they move with every expiry.
        let as_stored = found.windows == entry.windows;
        if !as_stored || entry.placement == Placement::SharedOnly {
            return None;
        }
        let names = entry.dependencies.iter();
        let places: Box<[Place]> = names
            .map(|(of, _)| self.stamps.place(of.as_str()))
            .collect();
        let weight = entry.weight() as u64;
        let fits = weight <= self.largest && self.stamps.hold(noted, &places);
        fits.then(|| Slot {
            entry: Arc::clone(entry),
            noted,
            places,
            put: now,
            weight,
        })
    }

    /// The entry of a key, or who may fill it, has changed.
    pub(super) fn key_changed(&self, storage: &str) {
        let mut stamp = self.stamps.lock(storage);
        stamp.changed();
        let removed = self.slots.remove(storage);
        drop(stamp);
        drop(removed);
        self.waiters.wake(storage);
    }

    /// Who may fill a key has changed.
    pub(super) fn claims_changed(&self, storage: &str) {
        self.waiters.wake(storage);
    }

    pub(super) fn dependency_changed(&self, name: &str) {
        self.stamps.changed(self.stamps.place(name));
    }

    pub(super) fn all_changed(&self) {
        self.stamps.all_changed();
        self.waiters.wake_all();
    }

    /// Every change from now on will be heard of. Copies from before may have missed some.
    pub(super) fn follow(&self, asked: Instant, bound: Duration) {
        self.all_changed();
        self.life.sign(asked, bound);
    }

    /// Every change up to `asked` was heard of.
    pub(super) fn sign(&self, asked: Instant, bound: Duration) {
        self.life.sign(asked, bound);
    }

    /// Changes may be missed from now on.
    pub(super) fn lose(&self, why: &str) {
        self.life.lose();
        *self.lost.lock() = why.into();
        self.waiters.wake_all();
    }

    /// Why changes may be missed; none while they are not.
    pub(super) fn lost(&self) -> Option<Arc<str>> {
        (!self.life.is_sure()).then(|| Arc::clone(&self.lost.lock()))
    }

    /// Ends when the key is known to have changed after this call, or nothing is sure any more.
    pub(super) fn changed(&self, key: &Key) -> BoxFuture<'static, ()> {
        Box::pin(self.waiters.changed(key.storage()))
    }

    /// Drops copies that are of no more use.
    pub(super) fn sweep(&self, now: Timestamp) {
        for (key, slot) in self.slots.iter() {
            let ended = now >= slot.entry.windows.gone_at();
            if ended || !self.stamps.hold(slot.noted, &slot.places) {
                drop(self.slots.remove_if(&*key, |one| Arc::ptr_eq(one, &slot)));
            }
        }
        // Leases that ran out are nobody's change.
        self.waiters.wake_all();
    }

    pub(super) fn len(&self) -> u64 {
        self.slots.len() as u64
    }

    pub(super) fn bytes(&self) -> u64 {
        self.slots.weight()
    }

    pub(super) fn capacity(&self) -> u64 {
        self.capacity
    }
}
