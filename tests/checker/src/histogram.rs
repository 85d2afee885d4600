//! Durations, counted by the millisecond.

use std::fmt;
use std::time::Duration;

/// What is shown of it, as upper ends in milliseconds.
const STEPS: [usize; 12] = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 1_500, 2_000];
/// The last count is of everything from here on.
const LAST: usize = 2_000;

/// How often what was seen. Its size does not depend on how much that is.
#[derive(Clone, Debug)]
pub struct Histogram {
    by_ms: Vec<u64>,
    longest: Duration,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            by_ms: vec![0; LAST + 1],
            longest: Duration::ZERO,
        }
    }
}

impl Histogram {
    pub(crate) fn note(&mut self, one: Duration) {
        self.by_ms[(one.as_millis() as usize).min(LAST)] += 1;
        self.longest = self.longest.max(one);
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (one, more) in self.by_ms.iter_mut().zip(&other.by_ms) {
            *one += more;
        }
        self.longest = self.longest.max(other.longest);
    }

    /// How many were seen.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.by_ms.iter().sum()
    }

    /// The longest.
    #[must_use]
    pub fn longest(&self) -> Duration {
        self.longest
    }

    /// What `share` of all stay below, to the millisecond.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Duration {
        let wanted = (self.count() as f64 * share).ceil() as u64;
        let mut seen = 0;
        let ms = self.by_ms.iter().position(|count| {
            seen += count;
            seen >= wanted
        });
        match ms {
            Some(ms) if ms < LAST => Duration::from_millis(ms as u64 + 1).min(self.longest),
            _ => self.longest,
        }
    }
}

impl fmt::Display for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut from = 0;
        for end in STEPS {
            let count: u64 = self.by_ms[from..end].iter().sum();
            if count > 0 {
                writeln!(f, "  below {end:>5} ms{count:>10}")?;
            }
            from = end;
        }
        if self.by_ms[LAST] > 0 {
            writeln!(f, "  beyond {LAST} ms{:>10}", self.by_ms[LAST])?;
        }
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        writeln!(
            f,
            "  of {}: p50 {:.0} ms, p99 {:.0} ms, at most {:.1} ms",
            self.count(),
            ms(self.quantile(0.5)),
            ms(self.quantile(0.99)),
            ms(self.longest)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_add_up_and_quantiles_are_upper_ends() {
        let (mut one, mut two) = (Histogram::default(), Histogram::default());
        assert_eq!(one.quantile(0.99), Duration::ZERO);
        for ms in 0..98 {
            one.note(Duration::from_micros(ms * 1_000 + 500));
        }
        for ms in [1_999, 2_500] {
            two.note(Duration::from_millis(ms));
        }
        one.add(&two);
        assert_eq!((one.count(), one.longest().as_millis()), (100, 2_500));
        assert_eq!(one.quantile(0.5), Duration::from_millis(50));
        assert_eq!(one.quantile(0.99), Duration::from_millis(2_000));
        assert_eq!(one.quantile(1.0), Duration::from_millis(2_500));
        let shown = one.to_string();
        assert!(shown.contains("below     1 ms         1\n"), "{shown}");
        assert!(shown.contains("below  2000 ms         1\n"), "{shown}");
        assert!(shown.contains("beyond 2000 ms         1\n"), "{shown}");
    }
}
