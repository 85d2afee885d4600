//! How long a call may run.

use std::time::Duration;

/// So many times its limit a call may take by the clock, however little of that it ran: it holds
/// its caller's thread.
const BY_THE_CLOCK: u64 = 20;

/// What is left of a call's time.
///
/// The epoch counts time by the clock, and a machine with too much to do may put a call aside for
/// longer than its limit. So the first half of the limit goes by the clock, which costs calls that
/// are done by then nothing, and the second by the processor time of the thread.
#[derive(Default)]
pub(crate) struct Allowance {
    ticks: u64,
    granted: u64,
    halfway: Option<Duration>,
}

impl Allowance {
    /// Begins a call that may run for so many ticks, of a millisecond each, the current one being
    /// partly over. Answers in how many the first look is due.
    pub(crate) const fn begin(&mut self, ticks: u64) -> u64 {
        let first = ticks.div_ceil(2);
        self.ticks = ticks;
        self.granted = first;
        self.halfway = None;
        first
    }

    /// At a look: in how many ticks the next is due, or none if the call is to end. `ran` is the
    /// processor time of its thread.
    pub(crate) fn look(&mut self, ran: Duration) -> Option<u64> {
        let halfway = *self.halfway.get_or_insert(ran);
        let second = Duration::from_millis((self.ticks / 2).saturating_add(1));
        let left = second.saturating_sub(ran.saturating_sub(halfway));
        let next = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
        if next == 0 || self.granted >= self.ticks.saturating_mul(BY_THE_CLOCK) {
            return None;
        }
        self.granted = self.granted.saturating_add(next);
        Some(next)
    }
}

/// How long this thread has run.
#[cfg(unix)]
pub(crate) fn ran() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

/// How long this thread has run, at most.
#[cfg(not(unix))]
pub(crate) fn ran() -> Duration {
    static START: std::sync::LazyLock<std::time::Instant> =
        std::sync::LazyLock::new(std::time::Instant::now);
    START.elapsed()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The answers to looks at which the thread has run for so many microseconds.
    fn looks(ticks: u64, ran: &[u64]) -> (u64, Vec<Option<u64>>) {
        let mut allowance = Allowance::default();
        let first = allowance.begin(ticks);
        let look = |us: &u64| allowance.look(Duration::from_micros(*us));
        (first, ran.iter().map(look).collect())
    }

    #[test]
    fn a_loop_ends_at_its_limit_and_time_put_aside_does_not_count() {
        let long_ago = 70_000_000;
        for (ticks, ran, first, next) in [
            // Runs all the time.
            (11, vec![0, 5_500], 6, vec![Some(6), None]),
            // Is put aside in its second half, then runs.
            (11, vec![0, 500, 5_100], 6, vec![Some(6), Some(5), None]),
            // Half a tick is missing.
            (11, vec![0, 4_900, 5_900], 6, vec![Some(6), Some(1), None]),
            // What the thread ran before counts for nobody.
            (11, vec![long_ago, long_ago + 6_000], 6, vec![Some(6), None]),
            (2, vec![0, 2_000], 1, vec![Some(2), None]),
        ] {
            assert_eq!(looks(ticks, &ran), (first, next), "{ticks} {ran:?}");
        }
    }

    #[test]
    fn a_call_that_hardly_runs_ends_too() {
        let mut allowance = Allowance::default();
        let mut all = allowance.begin(11);
        while let Some(next) = allowance.look(Duration::ZERO) {
            all += next;
        }
        assert!((220..230).contains(&all), "{all}");
    }

    #[test]
    fn no_limit_is_too_large() {
        assert_eq!(looks(u64::MAX, &[0]), (1 << 63, vec![Some(1 << 63)]));
    }

    #[cfg(unix)]
    #[test]
    fn a_thread_that_waits_does_not_run() {
        let before = ran();
        std::thread::park_timeout(Duration::from_millis(20));
        assert!(ran() - before < Duration::from_millis(15));
        while ran() - before < Duration::from_millis(2) {
            std::hint::spin_loop();
        }
    }
}
