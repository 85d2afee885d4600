//! Whether a stored entry may be served, as pure rules that all stores share.

use larder_core::Timestamp;
use larder_core::dependency::Verdict;
use larder_core::freshness::Windows;

/// The windows as they are now; none where the entry must not be served any more. `expired` is
/// when its key was expired, `verdicts` is what its dependencies say.
#[inline]
pub(crate) fn windows(
    stored: Windows,
    expired: Option<Timestamp>,
    verdicts: impl IntoIterator<Item = Verdict>,
    now: Timestamp,
) -> Option<Windows> {
    let mut windows = stored;
    if let Some(at) = expired {
        windows = expire(windows, at, now);
    }
    for verdict in verdicts {
        match verdict {
            Verdict::Holds => {}
            Verdict::ExpiredAt(at) => windows = expire(windows, at, now),
            Verdict::ExpiredSinceStored => windows = expire(windows, windows.created, now),
            Verdict::Gone => return None,
        }
    }
    (now < windows.gone_at()).then_some(windows)
}

/// Whether an entry that was last read at `read` has ended because nobody reads it; a limit of 0
/// turns that off.
#[inline]
pub(crate) fn is_idle(limit_ms: u64, read: Timestamp, now: Timestamp) -> bool {
    limit_ms != 0 && now.since(read) >= limit_ms
}

/// The windows of what was expired at `at`. A reader whose clock is behind must not take the
/// entry for fresh, so for it the moment is now.
fn expire(windows: Windows, at: Timestamp, now: Timestamp) -> Windows {
    windows.expired_at(at.min(now))
}

#[cfg(test)]
mod tests {
    use larder_core::freshness::State;

    use super::*;

    const STORED: Windows = Windows {
        created: Timestamp(0),
        fresh_until: Timestamp(100),
        revalidate_until: Timestamp(110),
        error_until: Timestamp(120),
    };

    fn state(expired: Option<u64>, verdicts: &[Verdict], now: u64) -> Option<State> {
        let (expired, now) = (expired.map(Timestamp), Timestamp(now));
        let verdicts = verdicts.iter().copied();
        Some(windows(STORED, expired, verdicts, now)?.state(now))
    }

    #[test]
    fn the_earliest_end_counts() {
        let at = |ms| Verdict::ExpiredAt(Timestamp(ms));
        for (expired, verdicts, now, expected) in [
            (None, &[][..], 99, Some(State::Fresh)),
            (None, &[], 120, None),
            (None, &[Verdict::Holds], 99, Some(State::Fresh)),
            (None, &[Verdict::Holds, Verdict::Gone], 5, None),
            (Some(50), &[], 50, Some(State::Stale)),
            (Some(50), &[at(40)], 55, Some(State::StaleIfError)),
            (Some(40), &[at(50)], 60, None),
            (Some(150), &[], 99, Some(State::Stale)),
            (None, &[at(150)], 99, Some(State::Stale)),
            (None, &[Verdict::ExpiredSinceStored], 5, Some(State::Stale)),
            (None, &[at(3), Verdict::ExpiredSinceStored], 20, None),
        ] {
            let case = (expired, verdicts, now);
            assert_eq!(state(expired, verdicts, now), expected, "{case:?}");
        }
    }

    #[test]
    fn idling_begins_with_the_last_read() {
        for (limit, read, now, idle) in [
            (0, 0, u64::MAX, false),
            (10, 5, 14, false),
            (10, 5, 15, true),
            (10, 20, 15, false),
        ] {
            let answer = is_idle(limit, Timestamp(read), Timestamp(now));
            assert_eq!(answer, idle, "{limit} {read} {now}");
        }
    }
}
