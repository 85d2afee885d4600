//! How long an entry may be served, as pure rules of time.

use serde::{Deserialize, Serialize};

use crate::decision::Freshness;
use crate::time::Timestamp;

/// What an entry may be used for at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Served as it is.
    Fresh,
    /// Served, while one refresh runs behind (RFC 5861, stale-while-revalidate).
    Stale,
    /// Served only if the origin fails (RFC 5861, stale-if-error).
    StaleIfError,
    /// Never served.
    Gone,
}

/// The moments at which an entry passes from one state to the next. They are fixed when the
/// entry is stored, jitter included, so every reader on every node judges alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Windows {
    /// When the entry was stored.
    pub created: Timestamp,
    /// The end of the ttl.
    pub fresh_until: Timestamp,
    /// The end of stale-while-revalidate.
    pub revalidate_until: Timestamp,
    /// The end of stale-if-error.
    pub error_until: Timestamp,
}

impl Windows {
    /// The windows of a value stored at `now`; `random` in 0..1 places the jitter.
    #[must_use]
    pub fn of_value(freshness: &Freshness, now: Timestamp, random: f64) -> Self {
        let ttl = jittered(freshness.ttl_ms, freshness.jitter_percent, random);
        let fresh_until = now.plus(ttl);
        Self {
            created: now,
            fresh_until,
            revalidate_until: fresh_until.plus(freshness.stale_while_revalidate_ms),
            error_until: fresh_until.plus(freshness.stale_if_error_ms),
        }
    }

    /// The windows of "the origin has no such thing": the negative ttl, and no stale use of it.
    #[must_use]
    pub fn of_absence(freshness: &Freshness, now: Timestamp, random: f64) -> Self {
        let ttl = jittered(freshness.negative_ttl_ms, freshness.jitter_percent, random);
        let end = now.plus(ttl);
        Self {
            created: now,
            fresh_until: end,
            revalidate_until: end,
            error_until: end,
        }
    }

    /// The hard ttl: from this moment on nobody serves the entry, and stores may drop it.
    #[must_use]
    pub fn gone_at(&self) -> Timestamp {
        self.fresh_until
            .max(self.revalidate_until)
            .max(self.error_until)
    }

    /// The windows as if the ttl had ended at `at`, each stale window as long as before. An end
    /// later than the real one changes nothing.
    #[must_use]
    pub fn expired_at(&self, at: Timestamp) -> Self {
        let fresh_until = self.fresh_until.min(at);
        Self {
            created: self.created,
            fresh_until,
            revalidate_until: fresh_until.plus(self.revalidate_until.since(self.fresh_until)),
            error_until: fresh_until.plus(self.error_until.since(self.fresh_until)),
        }
    }

    /// The windows, none of them longer than `freshness` would make it from the same moment on;
    /// `absent` where the entry says that the origin has no such thing.
    #[must_use]
    pub fn at_most(&self, freshness: &Freshness, absent: bool) -> Self {
        let (ttl, revalidate, error) = match absent {
            true => (freshness.negative_ttl_ms, 0, 0),
            false => (
                freshness.ttl_ms,
                freshness.stale_while_revalidate_ms,
                freshness.stale_if_error_ms,
            ),
        };
        let stale = |until: Timestamp, most: u64| until.since(self.fresh_until).min(most);
        let fresh_until = self.fresh_until.min(self.created.plus(ttl));
        Self {
            created: self.created,
            fresh_until,
            revalidate_until: fresh_until.plus(stale(self.revalidate_until, revalidate)),
            error_until: fresh_until.plus(stale(self.error_until, error)),
        }
    }

    /// What the entry may be used for at `now`.
    #[must_use]
    pub fn state(&self, now: Timestamp) -> State {
        if now < self.fresh_until {
            State::Fresh
        } else if now < self.revalidate_until {
            State::Stale
        } else if now < self.error_until {
            State::StaleIfError
        } else {
            State::Gone
        }
    }

    /// Whether this read should refresh the entry though it is still fresh: XFetch (Vattani,
    /// Chierichetti, Lowenstein: Optimal Probabilistic Cache Stampede Prevention, VLDB 2015).
    /// `load_ms` is what the last load took, capped at a tenth of the ttl so that one slow load
    /// does not make every read refresh; `random` lies in 0..1.
    #[must_use]
    pub fn refresh_early(&self, now: Timestamp, load_ms: u32, beta: f32, random: f64) -> bool {
        if beta <= 0.0 {
            return false;
        }
        let ttl = self.fresh_until.since(self.created);
        let cost = f64::from(load_ms).min(ttl as f64 / 10.0);
        let ahead = -cost * f64::from(beta) * random.max(f64::MIN_POSITIVE).ln();
        ahead >= self.fresh_until.since(now) as f64
    }
}

/// The ttl less a random share of up to `percent`. It is shortened and never lengthened, so that
/// a ttl stays a promise.
fn jittered(ttl_ms: u64, percent: u8, random: f64) -> u64 {
    let share = f64::from(percent.min(100)) / 100.0 * random.clamp(0.0, 1.0);
    ttl_ms - ((ttl_ms as f64 * share) as u64).min(ttl_ms)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp(1_000_000);

    fn freshness() -> Freshness {
        Freshness {
            ttl_ms: 1_000,
            stale_while_revalidate_ms: 100,
            stale_if_error_ms: 500,
            negative_ttl_ms: 50,
            ..Freshness::default()
        }
    }

    #[test]
    fn an_entry_passes_through_its_states() {
        let windows = Windows::of_value(&freshness(), NOW, 0.0);
        for (after, state) in [
            (0, State::Fresh),
            (999, State::Fresh),
            (1_000, State::Stale),
            (1_099, State::Stale),
            (1_100, State::StaleIfError),
            (1_499, State::StaleIfError),
            (1_500, State::Gone),
        ] {
            assert_eq!(windows.state(NOW.plus(after)), state, "after {after} ms");
        }
        assert_eq!(windows.gone_at(), NOW.plus(1_500));
    }

    #[test]
    fn a_soft_expiry_starts_the_stale_windows_then_and_there() {
        let windows = Windows::of_value(&freshness(), NOW, 0.0).expired_at(NOW.plus(10));
        for (after, state) in [
            (9, State::Fresh),
            (10, State::Stale),
            (110, State::StaleIfError),
            (510, State::Gone),
        ] {
            assert_eq!(windows.state(NOW.plus(after)), state, "after {after} ms");
        }
        let late = Windows::of_value(&freshness(), NOW, 0.0);
        assert_eq!(late.expired_at(NOW.plus(9_999)), late);
    }

    #[test]
    fn of_two_freshnesses_the_shorter_of_each_window_holds() {
        let stored = Windows::of_value(&freshness(), NOW, 0.0);
        let decided = |ttl_ms, stale_while_revalidate_ms, stale_if_error_ms| Freshness {
            ttl_ms,
            stale_while_revalidate_ms,
            stale_if_error_ms,
            negative_ttl_ms: 20,
            ..Freshness::default()
        };
        for (decided, expected) in [
            (decided(1_000, 100, 500), [1_000, 1_100, 1_500]),
            (decided(u64::MAX, u64::MAX, u64::MAX), [1_000, 1_100, 1_500]),
            (decided(200, 1_000, 1_000), [200, 300, 700]),
            (decided(2_000, 0, 50), [1_000, 1_000, 1_050]),
            (decided(0, 0, 0), [0, 0, 0]),
        ] {
            let windows = stored.at_most(&decided, false);
            let ends = [
                windows.fresh_until,
                windows.revalidate_until,
                windows.error_until,
            ];
            assert_eq!(ends, expected.map(|ms| NOW.plus(ms)), "{decided:?}");
        }
        let expired = stored.expired_at(NOW.plus(10));
        let windows = expired.at_most(&decided(200, 100, 100), false);
        assert_eq!(windows.fresh_until, NOW.plus(10));
        assert_eq!(windows.error_until, NOW.plus(110));
        let absence = Windows::of_absence(&freshness(), NOW, 0.0);
        let windows = absence.at_most(&decided(1_000, 100, 500), true);
        assert_eq!(windows.gone_at(), NOW.plus(20));
    }

    #[test]
    fn absence_has_its_own_ttl_and_no_stale_use() {
        let windows = Windows::of_absence(&freshness(), NOW, 0.0);
        assert_eq!(windows.state(NOW.plus(49)), State::Fresh);
        assert_eq!(windows.state(NOW.plus(50)), State::Gone);
    }

    #[test]
    fn early_refresh_follows_the_formula() {
        // p(refresh) = e^(-left / (beta * cost)): 36.8 % with one cost left, 0.7 % with five.
        let windows = Windows::of_value(
            &Freshness {
                ttl_ms: 100_000,
                ..Freshness::default()
            },
            NOW,
            0.0,
        );
        for (left_ms, expected) in [(100, 0.368), (500, 0.0067)] {
            let now = NOW.plus(100_000 - left_ms);
            let steps = 100_000;
            let refreshed = (0..steps)
                .filter(|i| {
                    let random = (f64::from(*i) + 0.5) / f64::from(steps);
                    windows.refresh_early(now, 100, 1.0, random)
                })
                .count();
            let share = refreshed as f64 / f64::from(steps);
            assert!(
                (share - expected).abs() < 0.002,
                "{left_ms} ms left: {share}"
            );
        }
        assert!(!windows.refresh_early(NOW.plus(99_999), 100, 0.0, 1e-300));
    }

    proptest! {
        #[test]
        fn jitter_only_shortens_and_by_no_more_than_its_share(
            ttl in 0u64..u64::MAX / 2, percent: u8, random in 0.0f64..1.0,
        ) {
            let jittered = jittered(ttl, percent, random);
            prop_assert!(jittered <= ttl);
            let least = ttl as f64 * (1.0 - f64::from(percent.min(100)) / 100.0);
            prop_assert!(jittered as f64 >= least * 0.999_999 - 1.0);
        }

        #[test]
        fn states_never_go_back(
            ttl in 0u64..1_000, swr in 0u64..1_000, sie in 0u64..1_000, a in 0u64..4_000, b in 0u64..4_000,
        ) {
            let rank = |state| match state {
                State::Fresh => 0, State::Stale => 1, State::StaleIfError => 2, State::Gone => 3,
            };
            let windows = Windows::of_value(&Freshness {
                ttl_ms: ttl, stale_while_revalidate_ms: swr, stale_if_error_ms: sie,
                ..Freshness::default()
            }, NOW, 0.5);
            let (first, second) = (a.min(b), a.max(b));
            prop_assert!(rank(windows.state(NOW.plus(first))) <= rank(windows.state(NOW.plus(second))));
            prop_assert_eq!(windows.state(windows.gone_at()), State::Gone);
        }
    }
}
