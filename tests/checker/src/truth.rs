//! What the origin holds, and the judge of every read.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use larder::Value;
use larder::origin::{Fetched, Origin, OriginError, Wanted, Written};
use parking_lot::Mutex;

use crate::settled::Settled;

/// How long after an invalidation another engine may answer the older value.
pub const BOUND: Duration = Duration::from_secs(2);

/// One key: its committed version, and what has been promised about it.
struct Thing {
    committed: AtomicU64,
    /// By engine: the newest version whose invalidation it has answered, and when.
    settled: Vec<Mutex<(u64, Option<Instant>)>>,
    /// Which versions are settled on any engine, and since when.
    log: Mutex<Settled>,
    /// The newest version whose invalidation was answered by an error.
    untold: AtomicU64,
}

/// What is wrong with a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Violation {
    /// Older than what this engine has answered an invalidation for.
    Stale,
    /// Older than what another engine invalidated more than [`BOUND`] ago.
    Late,
    /// The origin never held it.
    NeverWritten,
    /// It belongs to another key or tenant.
    Foreign,
}

/// A read that broke a promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The promise.
    pub violation: Violation,
    /// How long ago, at the read's beginning, a newer version had been invalidated; zero where
    /// the value is not of this key at all.
    pub behind: Duration,
    /// When the last invalidation was answered that the read had to know of.
    pub last_told: Option<Instant>,
}

impl Broken {
    fn at_once(violation: Violation) -> Self {
        Self {
            violation,
            behind: Duration::ZERO,
            last_told: None,
        }
    }
}

/// A read that was right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The version that was read.
    pub version: u64,
    /// How long ago, at the read's beginning, it had been invalidated elsewhere.
    pub behind: Option<Duration>,
}

/// What a read must not fall behind, taken before it begins.
#[derive(Clone, Copy, Debug)]
pub struct Begun {
    at: Instant,
    settled: u64,
    settled_at: Option<Instant>,
}

/// The origin of all keys.
pub struct Truth {
    things: Vec<Thing>,
    loads: AtomicU64,
    /// The longest that a load or a write takes, in microseconds.
    pause_us: u64,
}

/// The value of a version, as text.
#[must_use]
pub fn value(key: usize, version: u64) -> String {
    format!("{} {key} {version}", tenant(key))
}

/// Whose key it is.
#[must_use]
pub fn tenant(key: usize) -> String {
    format!("t{}", key % 2)
}

impl Truth {
    /// An origin of `keys` keys for `engines` engines.
    #[must_use]
    pub fn new(keys: usize, engines: usize, pause_us: u64) -> Self {
        let thing = |_| Thing {
            committed: AtomicU64::new(1),
            settled: (0..engines).map(|_| Mutex::default()).collect(),
            log: Mutex::default(),
            untold: AtomicU64::new(0),
        };
        Self {
            things: (0..keys).map(thing).collect(),
            loads: AtomicU64::new(0),
            pause_us,
        }
    }

    /// How often the origin was asked for a value.
    #[must_use]
    pub fn loads(&self) -> u64 {
        self.loads.load(Ordering::Relaxed)
    }

    /// Commits the next version of `key`.
    pub fn commit(&self, key: usize) -> u64 {
        self.things[key].committed.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// The present version of `key`.
    #[must_use]
    pub fn committed(&self, key: usize) -> u64 {
        self.things[key].committed.load(Ordering::SeqCst)
    }

    /// `engine` has answered an invalidation of `version`.
    pub fn settle(&self, key: usize, engine: usize, version: u64) {
        let thing = &self.things[key];
        let now = Instant::now();
        let mut own = thing.settled[engine].lock();
        if own.0 < version {
            *own = (version, Some(now));
        }
        drop(own);
        // The time is taken under the lock, so that they come in order.
        let mut log = thing.log.lock();
        log.note(version, Instant::now());
    }

    /// The invalidation of `version` was answered by an error: nobody need have heard of it.
    pub fn fail(&self, key: usize, version: u64) {
        self.things[key].untold.fetch_max(version, Ordering::SeqCst);
    }

    /// The newest version of `key` that nobody need have heard of.
    #[must_use]
    pub fn untold(&self, key: usize) -> u64 {
        self.things[key].untold.load(Ordering::SeqCst)
    }

    /// To be called before a read begins.
    #[must_use]
    pub fn begin(&self, key: usize, engine: usize) -> Begun {
        let (settled, settled_at) = *self.things[key].settled[engine].lock();
        Begun {
            settled,
            settled_at,
            at: Instant::now(),
        }
    }

    /// Judges what a read answered.
    ///
    /// # Errors
    /// The violation.
    pub fn judge(&self, key: usize, begun: Begun, text: &str) -> Result<Verdict, Broken> {
        let version = read(key, text).map_err(Broken::at_once)?;
        if version > self.committed(key) || version == 0 {
            return Err(Broken::at_once(Violation::NeverWritten));
        }
        let log = self.things[key].log.lock();
        let behind = log.behind(version, begun.at);
        let elsewhere = begun.at.checked_sub(BOUND).and_then(|at| log.last(at));
        drop(log);
        let broken = |violation| Broken {
            violation,
            behind: behind.unwrap_or_default(),
            last_told: begun.settled_at.max(elsewhere),
        };
        if version < begun.settled {
            return Err(broken(Violation::Stale));
        }
        if behind.is_some_and(|behind| behind > BOUND) {
            return Err(broken(Violation::Late));
        }
        Ok(Verdict { version, behind })
    }

    async fn pause(&self) {
        let us = fastrand::u64(0..=self.pause_us);
        if us > 0 {
            tokio::time::sleep(Duration::from_micros(us)).await;
        }
    }

    /// Loads as an application would: slowly, with the version as of some moment in between.
    pub async fn load_value(&self, key: usize) -> String {
        self.loads.fetch_add(1, Ordering::Relaxed);
        self.pause().await;
        let version = self.committed(key);
        self.pause().await;
        value(key, version)
    }
}

fn read(key: usize, text: &str) -> Result<u64, Violation> {
    let mut parts = text.split(' ');
    let (owner, of, version) = (parts.next(), parts.next(), parts.next());
    if owner != Some(&tenant(key)) || of != Some(&key.to_string()) {
        return Err(Violation::Foreign);
    }
    version
        .and_then(|version| version.parse().ok())
        .ok_or(Violation::NeverWritten)
}

fn number(wanted: Wanted<'_>) -> Result<usize, OriginError> {
    let wrong = |_| OriginError::Rejected("the id is no number".to_owned());
    wanted.id.parse().map_err(wrong)
}

impl Origin for Truth {
    fn load<'a>(&'a self, wanted: Wanted<'a>) -> BoxFuture<'a, Result<Fetched, OriginError>> {
        Box::pin(async move {
            let text = self.load_value(number(wanted)?).await;
            Ok(Fetched::of(Some(Value::new(text))))
        })
    }

    fn write<'a>(
        &'a self,
        wanted: Wanted<'a>,
        _value: &'a Value,
    ) -> BoxFuture<'a, Result<Written, OriginError>> {
        Box::pin(async move {
            let key = number(wanted)?;
            self.pause().await;
            let version = self.commit(key);
            self.pause().await;
            Ok(Written {
                value: Some(Value::new(value(key, version))),
                existed: Some(true),
                ..Written::default()
            })
        })
    }

    fn delete<'a>(&'a self, _: Wanted<'a>) -> BoxFuture<'a, Result<Written, OriginError>> {
        Box::pin(async { Err(OriginError::Rejected("nothing is deleted".to_owned())) })
    }

    fn summary(&self) -> String {
        format!("{} numbered keys", self.things.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_violation_is_seen() {
        let truth = Truth::new(2, 2, 0);
        let before = truth.begin(0, 0);
        assert_eq!(truth.commit(0), 2);
        truth.settle(0, 0, 2);
        let after = truth.begin(0, 0);
        let elsewhere = truth.begin(0, 1);
        let far = Begun {
            at: elsewhere.at + BOUND + Duration::from_millis(1),
            ..elsewhere
        };
        for (begun, text, expected) in [
            (before, value(0, 1), Ok(None)),
            (after, value(0, 2), Ok(None)),
            (after, value(0, 1), Err(Violation::Stale)),
            (elsewhere, value(0, 1), Ok(Some(()))),
            (far, value(0, 1), Err(Violation::Late)),
            (far, value(0, 2), Ok(None)),
            (after, value(0, 3), Err(Violation::NeverWritten)),
            (after, value(0, 0), Err(Violation::NeverWritten)),
            (after, value(1, 1), Err(Violation::Foreign)),
            (after, "t1 0 2".to_owned(), Err(Violation::Foreign)),
            (after, "t0 0 x".to_owned(), Err(Violation::NeverWritten)),
        ] {
            let judged = truth.judge(0, begun, &text);
            let judged = judged.map(|verdict| verdict.behind.map(drop));
            let judged = judged.map_err(|broken| broken.violation);
            assert_eq!(judged, expected, "{text}");
        }
    }
}
