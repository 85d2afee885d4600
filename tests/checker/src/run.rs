//! Clients, faults, and the counting of what they see.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use larder::core::dependency::Mode as Kind;
use parking_lot::Mutex;

use crate::backwards::LastRead;
use crate::faults::{Course, Done, Faults};
use crate::report::{Report, Seen};
use crate::subject::{Subject, Way, only_expired};
use crate::truth::{BOUND, Broken, Truth, Violation};

/// How much of what.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Reads, writes and invalidations in all; fewer where the faults end the run.
    pub operations: u64,
    /// Nodes.
    pub engines: usize,
    /// Clients at once.
    pub clients: usize,
    /// Keys.
    pub keys: usize,
    /// How many of a thousand operations change something: two fifths are writes, the others
    /// changes behind the engine's back that it is told of. Where changes are many, no copy lives
    /// for long and nothing can be old; where they are few, it is rare that they overlap.
    pub changes: u16,
    /// Replays the clients' choices; the timing is never the same.
    pub seed: u64,
    /// How long entries are kept, and so the bound for what a failover loses.
    pub ttl: Duration,
}

/// Runs the plan and counts.
pub async fn run(
    plan: &Plan,
    subject: Arc<dyn Subject>,
    truth: Arc<Truth>,
    faults: Option<Box<dyn Faults>>,
) -> Report {
    let started = Instant::now();
    let course = Arc::new(Course::default());
    let faults = faults.map(|faults| {
        let random = fastrand::Rng::with_seed(plan.seed ^ u64::MAX);
        tokio::spawn(go_wrong(faults, random, Arc::clone(&course)))
    });
    let total = Arc::new(Mutex::new(Seen::default()));
    let left = Arc::new(AtomicU64::new(plan.operations));
    let clients: Vec<_> = (0..plan.clients)
        .map(|n| {
            let client = Client {
                random: fastrand::Rng::with_seed(plan.seed.wrapping_add(n as u64)),
                on: n % plan.engines,
                keys: plan.keys,
                changes: plan.changes,
                lost_for: plan.ttl + BOUND,
                last: LastRead::new(plan.keys, started),
                subject: Arc::clone(&subject),
                truth: Arc::clone(&truth),
                course: Arc::clone(&course),
                seen: Seen::default(),
            };
            tokio::spawn(client.work(Arc::clone(&left), Arc::clone(&total)))
        })
        .collect();
    let mut ended_early = 0;
    for client in clients {
        ended_early += u64::from(client.await.is_err());
    }
    course.end();
    let done = match faults {
        Some(faults) => faults.await.ok(),
        None => Some(Done::default()),
    };
    ended_early += u64::from(done.is_none());
    let seen = std::mem::take(&mut *total.lock());
    Report {
        seen,
        done: done.unwrap_or_default(),
        ended_early,
        loads: truth.loads(),
        took: started.elapsed(),
        seed: plan.seed,
    }
}

/// Faults that went wrong as often as they should end the run, and so do those that fail.
async fn go_wrong(faults: Box<dyn Faults>, random: fastrand::Rng, course: Arc<Course>) -> Done {
    struct Ends(Arc<Course>);
    impl Drop for Ends {
        fn drop(&mut self) {
            self.0.end();
        }
    }
    let _ends = Ends(Arc::clone(&course));
    faults.run(random, course).await
}

struct Client {
    random: fastrand::Rng,
    on: usize,
    keys: usize,
    changes: u16,
    /// How long what a failover lost may be served.
    lost_for: Duration,
    last: LastRead,
    subject: Arc<dyn Subject>,
    truth: Arc<Truth>,
    course: Arc<Course>,
    seen: Seen,
}

impl Client {
    async fn work(mut self, left: Arc<AtomicU64>, total: Arc<Mutex<Seen>>) {
        let next = |left: u64| left.checked_sub(1);
        let take = || left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
        while !self.course.is_over() && take().is_ok() {
            let key = self.random.usize(..self.keys);
            let begun = Instant::now();
            if self.random.u16(..1000) >= self.changes {
                self.read(key).await;
            } else if self.random.u8(..5) < 2 {
                self.write(key).await;
            } else {
                self.change_behind(key).await;
            }
            self.seen.took(begun.elapsed());
        }
        total.lock().add(&self.seen);
    }

    async fn read(&mut self, key: usize) {
        let begun = self.truth.begin(key, self.on);
        let answer = self.subject.read(self.on, key).await;
        let answer = match answer {
            Ok(answer) => answer,
            Err(why) => return self.seen.refused_read(why),
        };
        self.seen.reads += 1;
        self.seen.hits += u64::from(answer.hit);
        match self.truth.judge(key, begun, &answer.text) {
            Ok(verdict) => {
                if let Some(behind) = verdict.behind {
                    self.seen.behind(behind);
                }
                let untold = self.truth.untold(key);
                let now = Instant::now();
                let direction = self.last.read(key, verdict.version, untold, now);
                self.seen
                    .direction(direction, self.course.may_have_lost_any());
            }
            // What is said to be stale may be, where it was only expired.
            Err(broken) if is_outdated(broken) && answer.stale && only_expired(key) => {
                self.seen.said_stale += 1;
            }
            Err(broken) if is_outdated(broken) && self.may_be_lost(broken) => {
                self.seen.lost(broken.behind);
            }
            Err(broken) => self.seen.violation(broken.violation),
        }
    }

    /// Whether an invalidation that a failover lost explains it.
    fn may_be_lost(&self, broken: Broken) -> bool {
        broken.behind <= self.lost_for && self.course.may_have_lost(broken.last_told)
    }

    async fn write(&mut self, key: usize) {
        let before = self.truth.committed(key);
        match self.subject.write(self.on, key).await {
            Ok(()) => {
                self.seen.writes += 1;
                // At least the own version is settled; others may have come in between.
                self.truth.settle(key, self.on, before + 1);
            }
            Err(why) => {
                self.seen.refused_change(why);
                // Others may have come in between, but none of them later than now.
                self.truth.fail(key, self.truth.committed(key));
            }
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
            Err(why) => {
                self.seen.refused_change(why);
                self.truth.fail(key, version);
            }
        }
    }
}

fn is_outdated(broken: Broken) -> bool {
    matches!(broken.violation, Violation::Stale | Violation::Late)
}
