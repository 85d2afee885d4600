//! The one place that reads the time.

use std::sync::LazyLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use larder_core::{Clock, Timestamp};
use rustix::time::{ClockId, clock_gettime};

/// The system's wall clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        #[expect(
            clippy::disallowed_methods,
            reason = "everything else is handed the time"
        )]
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
        Timestamp(since_epoch.map_or(0, |elapsed| elapsed.as_millis() as u64))
    }
}

/// Counts on while the machine sleeps, and is set by nobody.
#[cfg(any(target_os = "linux", target_os = "android"))]
const UNSET: ClockId = ClockId::Boottime;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const UNSET: ClockId = ClockId::Monotonic;

/// What the wall clock showed when this process first asked, and what has passed since by a clock
/// that nobody sets. It never goes back, and a machine that slept has aged. What it shows may be
/// wrong: it is for differences.
#[derive(Clone, Copy, Debug, Default)]
pub struct SteadyClock;

impl Clock for SteadyClock {
    fn now(&self) -> Timestamp {
        /// One for the process, as engines may share a store.
        static BEGAN: LazyLock<(Timestamp, Duration)> =
            LazyLock::new(|| (SystemClock.now(), unset()));
        let (at, began) = *BEGAN;
        since(at, began, unset())
    }
}

fn unset() -> Duration {
    Duration::try_from(clock_gettime(UNSET)).unwrap_or_default()
}

fn since(at: Timestamp, began: Duration, now: Duration) -> Timestamp {
    let passed = now.saturating_sub(began).as_millis();
    at.plus(u64::try_from(passed).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_steady_clock_agrees_with_the_wall_at_first_and_never_goes_back() {
        let wall = SystemClock.now();
        let first = SteadyClock.now();
        assert!(first.0.abs_diff(wall.0) < 60_000, "{first:?} {wall:?}");
        let mut last = first;
        for _ in 0..10_000 {
            let now = SteadyClock.now();
            assert!(now >= last);
            last = now;
        }
    }

    #[test]
    fn what_has_passed_is_added_to_where_it_began() {
        let ms = Duration::from_millis;
        for (at, began, now, shown) in [
            (0, ms(5), ms(5), 0),
            (1_000, ms(5), ms(2_006), 3_001),
            (1_000, ms(5), ms(4), 1_000),
            (u64::MAX - 1, ms(0), Duration::MAX, u64::MAX),
        ] {
            assert_eq!(since(Timestamp(at), began, now), Timestamp(shown));
        }
    }
}
