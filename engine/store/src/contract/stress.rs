//! Many at once: no read sees a value older than an invalidation that was over when it began.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use larder_core::dependency::Mode;
use larder_core::freshness::State;
use larder_core::{Dependency, Key};

use super::subject::{NOW, Subject, Under, entry, key};
use crate::store::{Filled, Leased};

const READERS: u64 = 4;
const WRITERS: u64 = 2;
const KEYS: usize = 3;

/// One key, its origin, and what readers may not fall behind.
struct Thing {
    key: Key,
    of: [Dependency; 2],
    /// What the origin holds: the number of the last write.
    origin: AtomicU64,
    /// The last write that was followed by a whole invalidation.
    fresh_from: AtomicU64,
    /// The last write that was followed by a whole purge.
    served_from: AtomicU64,
}

impl Thing {
    fn new(n: usize) -> Self {
        let tag = |name: &str| Dependency::tag("t", &format!("{name}-{n}"));
        Self {
            key: key(&format!("thing-{n}")),
            of: [Dependency::namespace("t", "stress"), tag("own")],
            origin: AtomicU64::new(0),
            fresh_from: AtomicU64::new(0),
            served_from: AtomicU64::new(0),
        }
    }

    fn write(&self) -> u64 {
        self.origin.fetch_add(1, Ordering::SeqCst) + 1
    }

    fn invalidated(&self, number: u64, mode: Mode) {
        self.fresh_from.fetch_max(number, Ordering::SeqCst);
        if mode == Mode::Purge {
            self.served_from.fetch_max(number, Ordering::SeqCst);
        }
    }
}

pub(super) async fn nobody_sees_an_older_load_after_an_invalidation(on: Subject) {
    let things: Arc<[Thing]> = (0..KEYS).map(Thing::new).collect();
    let seed = fastrand::u64(..);
    // Readers go on until the last writer has let go of it.
    let writing = Arc::new(());
    let writers = (0..WRITERS).map(|n| {
        let random = fastrand::Rng::with_seed(seed ^ n ^ (1 << 32));
        let (on, things) = (on.clone(), Arc::clone(&things));
        tokio::spawn(writes(on, things, random, Arc::clone(&writing)))
    });
    let writers: Vec<_> = writers.collect();
    let still_writing = Arc::downgrade(&writing);
    drop(writing);
    let readers = (0..READERS).map(|n| {
        let random = fastrand::Rng::with_seed(seed ^ n);
        let (on, things) = (on.clone(), Arc::clone(&things));
        tokio::spawn(reads(on, things, random, still_writing.clone()))
    });
    let mut hits = 0;
    for task in writers.into_iter().chain(readers.collect::<Vec<_>>()) {
        match task.await {
            Ok(seen) => hits += seen,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
    let least = u64::from(on.rounds()) / 10;
    assert!(hits > least, "{hits} hits are too few to find anything");
}

async fn reads(
    on: Subject,
    things: Arc<[Thing]>,
    mut random: fastrand::Rng,
    writing: Weak<()>,
) -> u64 {
    let mut hits = 0;
    while writing.strong_count() > 0 {
        let thing = &things[random.usize(..KEYS)];
        let fresh_from = thing.fresh_from.load(Ordering::SeqCst);
        let served_from = thing.served_from.load(Ordering::SeqCst);
        let found = on.get(&thing.key, NOW).await;
        if let Some(found) = &found {
            hits += 1;
            let number = u64::from(found.entry.load_ms);
            assert!(number >= served_from, "{number} after purge {served_from}");
            if found.windows.state(NOW) == State::Fresh {
                assert!(number >= fresh_from, "{number} after {fresh_from}");
            }
        }
        if found.is_none_or(|found| found.windows.state(NOW) != State::Fresh) {
            load(&on, thing, &mut random).await;
        }
        if random.u8(..16) == 0 {
            tokio::task::yield_now().await;
        }
    }
    hits
}

async fn load(on: &Subject, thing: &Thing, random: &mut fastrand::Rng) {
    let leased = on.ask(&thing.key, NOW, random.bool(), Some(NOW)).await;
    let Leased::Granted(token) = leased else {
        return;
    };
    let under = on.under(&thing.of).await;
    let number = thing.origin.load(Ordering::SeqCst);
    pause(random).await;
    if random.u8(..8) == 0 {
        on.release(&thing.key, token).await;
    } else {
        fill(on, thing, token, number, under).await;
    }
}

async fn writes(
    on: Subject,
    things: Arc<[Thing]>,
    mut random: fastrand::Rng,
    _writing: Arc<()>,
) -> u64 {
    for _ in 0..on.rounds() {
        let thing = &things[random.usize(..KEYS)];
        let mode = if random.bool() {
            Mode::Purge
        } else {
            Mode::Expire
        };
        match random.u8(..4) {
            0 => {
                let number = thing.write();
                on.invalidate(&thing.key, mode, NOW).await;
                thing.invalidated(number, mode);
            }
            1 => through(&on, thing, &mut random).await,
            n => {
                let number = thing.write();
                on.bump(&thing.of[usize::from(n) - 2], mode, NOW).await;
                thing.invalidated(number, mode);
            }
        }
        pause(&mut random).await;
    }
    0
}

/// A write through the cache, sometimes without its fill.
async fn through(on: &Subject, thing: &Thing, random: &mut fastrand::Rng) {
    let token = on.begin_write(&thing.key, NOW).await;
    let under = on.under(&thing.of).await;
    pause(random).await;
    let number = thing.write();
    pause(random).await;
    if random.bool() {
        fill(on, thing, token, number, under).await;
    } else {
        on.release(&thing.key, token).await;
    }
    thing.invalidated(number, Mode::Purge);
}

async fn fill(on: &Subject, thing: &Thing, token: crate::Token, number: u64, under: Under) {
    let mut entry = entry(&thing.key, "", under, NOW);
    entry.load_ms = number as u32;
    let filled = on.fill(&thing.key, token, entry).await;
    assert_ne!(filled, Filled::TooLarge);
}

/// Lets others in between, now and then.
async fn pause(random: &mut fastrand::Rng) {
    for _ in 0..random.u8(..4) {
        tokio::task::yield_now().await;
    }
}
