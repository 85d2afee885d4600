//! Clients, faults, and the counting of what they see.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use larder::core::dependency::Mode as Kind;
use parking_lot::Mutex;

use crate::proxy::{Mode, Proxy, Which};
use crate::report::{Report, Seen};
use crate::subject::{Subject, Way, only_expired};
use crate::truth::{BOUND, Truth, Violation};

/// How much of what.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Reads, writes and invalidations in all.
    pub operations: u64,
    /// Nodes.
    pub engines: usize,
    /// Clients at once.
    pub clients: usize,
    /// Keys.
    pub keys: usize,
    /// Replays the clients' choices; the timing is never the same.
    pub seed: u64,
}

/// Runs the plan and counts.
pub async fn run(
    plan: &Plan,
    subject: Arc<dyn Subject>,
    truth: Arc<Truth>,
    proxy: Option<Arc<Proxy>>,
) -> Report {
    let started = Instant::now();
    let left = Arc::new(AtomicU64::new(plan.operations));
    let over = Arc::new(AtomicBool::new(false));
    let faults = proxy.map(|proxy| {
        let random = fastrand::Rng::with_seed(plan.seed ^ u64::MAX);
        tokio::spawn(misbehave(proxy, random, Arc::clone(&over)))
    });
    let total = Arc::new(Mutex::new(Seen::default()));
    let clients: Vec<_> = (0..plan.clients)
        .map(|n| {
            let client = Client {
                random: fastrand::Rng::with_seed(plan.seed.wrapping_add(n as u64)),
                on: n % plan.engines,
                keys: plan.keys,
                last: vec![(0, started); plan.keys],
                subject: Arc::clone(&subject),
                truth: Arc::clone(&truth),
                seen: Seen::default(),
            };
            tokio::spawn(client.work(Arc::clone(&left), Arc::clone(&total)))
        })
        .collect();
    for client in clients {
        if client.await.is_err() {
            total.lock().lost_clients += 1;
        }
    }
    over.store(true, Ordering::Relaxed);
    let faults = match faults {
        Some(faults) => faults.await.unwrap_or_default(),
        None => 0,
    };
    let seen = std::mem::take(&mut *total.lock());
    Report {
        seen,
        faults,
        loads: truth.loads(),
        took: started.elapsed(),
        seed: plan.seed,
    }
}

struct Client {
    random: fastrand::Rng,
    on: usize,
    keys: usize,
    /// By key, the newest version that it has read, and when.
    last: Vec<(u64, Instant)>,
    subject: Arc<dyn Subject>,
    truth: Arc<Truth>,
    seen: Seen,
}

impl Client {
    async fn work(mut self, left: Arc<AtomicU64>, total: Arc<Mutex<Seen>>) {
        let next = |left: u64| left.checked_sub(1);
        while left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, next)
            .is_ok()
        {
            let key = self.random.usize(..self.keys);
            match self.random.u8(..100) {
                0..80 => self.read(key).await,
                80..88 => self.write(key).await,
                _ => self.change_behind(key).await,
            }
        }
        total.lock().add(&self.seen);
    }

    async fn read(&mut self, key: usize) {
        let begun = self.truth.begin(key, self.on);
        let answer = self.subject.read(self.on, key).await;
        let Ok(answer) = answer else {
            self.seen.errors += 1;
            return;
        };
        self.seen.reads += 1;
        self.seen.hits += u64::from(answer.hit);
        match self.truth.judge(key, begun, &answer.text) {
            Ok(verdict) => {
                if let Some(behind) = verdict.behind {
                    self.seen.behind(behind);
                }
                let (last, at) = self.last[key];
                if verdict.version < last {
                    self.seen.backwards += 1;
                    self.seen.back_late += u64::from(at.elapsed() > BOUND + BOUND);
                } else {
                    self.last[key] = (verdict.version, Instant::now());
                }
            }
            // What is said to be stale may be, where it was only expired.
            Err(Violation::Stale | Violation::Late) if answer.stale && only_expired(key) => {
                self.seen.said_stale += 1;
            }
            Err(violation) => self.seen.violation(violation),
        }
    }

    async fn write(&mut self, key: usize) {
        let before = self.truth.committed(key);
        match self.subject.write(self.on, key).await {
            Ok(()) => {
                self.seen.writes += 1;
                // At least the own version is settled; others may have come in between.
                self.truth.settle(key, self.on, before + 1);
            }
            Err(_) => self.seen.errors += 1,
        }
    }

    /// Somebody changes the origin and says so.
    async fn change_behind(&mut self, key: usize) {
        let version = self.truth.commit(key);
        let way = Way::ALL[match self.random.u16(..1000) {
            0..400 => 0,
            400..700 => 1,
            700..950 => 2,
            950..998 => 3,
            _ => 4,
        }];
        let mode = match only_expired(key) {
            true => Kind::Expire,
            false => Kind::Purge,
        };
        match self.subject.invalidate(self.on, key, way, mode).await {
            Ok(()) => {
                self.seen.invalidations[way as usize] += 1;
                self.truth.settle(key, self.on, version);
            }
            Err(_) => self.seen.errors += 1,
        }
    }
}

/// Breaks the network, one way after the other, until all is over; answers how often.
async fn misbehave(proxy: Arc<Proxy>, mut random: fastrand::Rng, over: Arc<AtomicBool>) -> u64 {
    let mut faults = 0;
    while !over.load(Ordering::Relaxed) {
        let pause = Duration::from_millis(random.u64(500..2_000));
        tokio::time::sleep(pause).await;
        let which = match random.bool() {
            true => Which::Tracking,
            false => Which::All,
        };
        let (mode, lasts) = match random.u8(..5) {
            0 => (Mode::CutAfter(0), 0),
            1 => (Mode::CutAfter(random.usize(1..200)), 0),
            2 => (Mode::BlackHole, random.u64(100..2_500)),
            3 => (Mode::HalfOpen, random.u64(100..2_500)),
            _ => (Mode::Delay(Duration::from_millis(random.u64(1..20))), 500),
        };
        proxy.set(which, mode);
        faults += 1;
        if lasts > 0 {
            tokio::time::sleep(Duration::from_millis(lasts)).await;
            proxy.set(Which::All, Mode::Pass);
        }
    }
    proxy.set(Which::All, Mode::Pass);
    faults
}
