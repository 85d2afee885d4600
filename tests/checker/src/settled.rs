//! When which version of a key had been invalidated.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Versions that settle within so long count as one, which settled last: what is read may then be
/// taken for that much younger than it is, and never for older.
const STEP: Duration = Duration::from_millis(10);
/// How long is remembered. With [`STEP`] it bounds the memory, however long a run is.
pub(crate) const HORIZON: Duration = Duration::from_secs(20);

struct Step {
    version: u64,
    begun: Instant,
    at: Instant,
}

/// The settled versions of one key, oldest first.
#[derive(Default)]
pub(crate) struct Settled(VecDeque<Step>);

impl Settled {
    /// `version` is settled since `at`. One that is older than the newest makes nothing newer, and
    /// was an invalidation all the same.
    pub(crate) fn note(&mut self, version: u64, at: Instant) {
        let newest = self.0.back().map_or(0, |last| last.version);
        let version = version.max(newest);
        match self.0.back_mut() {
            Some(last) if at.duration_since(last.begun) < STEP => {
                (last.version, last.at) = (version, at);
                return;
            }
            _ => {}
        }
        // The first stands for all that went before, so it stays until the next is as old.
        while self.0.get(1).is_some_and(|next| at - next.at > HORIZON) {
            self.0.pop_front();
        }
        self.0.push_back(Step {
            version,
            begun: at,
            at,
        });
    }

    /// For how long, at `at`, a newer version than `version` had been settled; none if there is
    /// none. Beyond [`HORIZON`] it may be longer.
    pub(crate) fn behind(&self, version: u64, at: Instant) -> Option<Duration> {
        let newer = self.0.partition_point(|step| step.version <= version);
        at.checked_duration_since(self.0.get(newer)?.at)
    }

    /// When, up to `at`, something was last settled.
    pub(crate) fn last(&self, at: Instant) -> Option<Instant> {
        let later = self.0.partition_point(|step| step.at <= at);
        Some(self.0.get(later.checked_sub(1)?)?.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn what_is_older_is_told_by_the_first_newer_version() {
        let (mut settled, start) = (Settled::default(), Instant::now());
        for (version, at) in [(2, 0), (5, 100), (4, 200), (7, 300), (8, 305)] {
            settled.note(version, start + ms(at));
        }
        for (version, at, behind) in [
            (1, 400, Some(400)),
            (2, 400, Some(300)),
            (4, 400, Some(300)),
            (5, 400, Some(95)),
            (7, 400, Some(95)),
            (8, 400, None),
            (7, 301, None),
        ] {
            let found = settled.behind(version, start + ms(at));
            assert_eq!(found, behind.map(ms), "version {version} at {at}");
        }
        let last = |at| settled.last(start + ms(at)).map(|last| last - start);
        let all = [last(0), last(150), last(304), last(400)];
        assert_eq!(all, [0, 100, 200, 305].map(|at| Some(ms(at))));
    }

    #[test]
    fn memory_does_not_grow_with_the_operations() {
        let (mut settled, start) = (Settled::default(), Instant::now());
        let most = HORIZON.as_millis() / STEP.as_millis() + 2;
        for version in 1..=200_000_u64 {
            settled.note(version, start + ms(version));
            assert!(settled.0.len() as u128 <= most, "{}", settled.0.len());
        }
        let now = start + ms(200_000);
        assert!(settled.behind(1, now) >= Some(HORIZON));
        assert_eq!(settled.behind(190_000, now), Some(ms(9_990)));
    }
}
