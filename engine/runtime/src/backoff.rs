//! How long to wait before something that failed is tried again.

/// The wait after the first failure is no longer than this, in milliseconds.
const FIRST_MS: u64 = 100;

/// No wait is longer than this, in milliseconds.
const MOST_MS: u64 = 30_000;

/// Exponential backoff with full jitter: any time up to a bound that doubles with every failure.
/// `failures` counts from one; `random` is in `0.0..1.0`. Full jitter, so that partitions that
/// failed together do not come back together.
pub(crate) fn delay_ms(failures: u32, random: f64) -> u64 {
    let doublings = failures.saturating_sub(1).min(20);
    let most = (FIRST_MS << doublings).min(MOST_MS);
    // Never at once: a random number near zero would make a busy loop of it.
    ((most as f64 * random) as u64).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_doubles_and_ends() {
        for (failures, random, expected) in [
            (1, 1.0, 100),
            (1, 0.5, 50),
            (2, 1.0, 200),
            (5, 1.0, 1_600),
            (9, 1.0, 25_600),
            (10, 1.0, 30_000),
            (10, 0.5, 15_000),
            (u32::MAX, 1.0, 30_000),
            (0, 1.0, 100),
            (3, 0.0, 1),
        ] {
            assert_eq!(
                delay_ms(failures, random),
                expected,
                "{failures} with {random}"
            );
        }
    }
}
