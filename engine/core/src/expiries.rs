//! When a dependency was expired: what the stale windows of its entries count from.

use std::fmt;
use std::str::FromStr;

/// The expiries of one dependency since its last purge, as the numbers of its version, so that an
/// entry is stale since the first one after its load and no later one begins its windows anew.
///
/// Up to [`Expiries::MOST`] are kept as they were. Where there are more, two that follow each other
/// count as one: those that lie close for how long ago they were. An entry that was loaded between
/// the two is then stale since its load, which is earlier than right by no more than the time
/// between them, and never later.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expiries(Vec<Span>);

/// The first and the last of some expiries of which nobody knows those between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    first: u64,
    last: u64,
}

impl Expiries {
    /// The most that are kept apart.
    pub const MOST: usize = 8;

    /// What is younger than this, in the unit of the numbers, is no closer for its age.
    pub const SECOND: u64 = 1_000_000;

    /// Notes that the number of the last expiry became `now`, where it was `before`.
    pub fn note(&mut self, before: u64, now: u64) {
        let known = self.0.last().map_or(0, |span| span.last);
        if known < before {
            // Somebody who does not keep these has expired in between.
            self.0.push(Span {
                first: known,
                last: before,
            });
        }
        self.0.push(Span {
            first: now,
            last: now,
        });
        while self.0.len() > Self::MOST {
            self.join(now);
        }
    }

    /// The first expiry of an entry that was loaded under the expiry `loaded`, where the last one is
    /// `current`; none where only that much is known, that it came after the load.
    #[must_use]
    pub fn first_after(&self, loaded: u64, current: u64) -> Option<u64> {
        if self.0.last().is_none_or(|span| span.last < current) && self.past(loaded) {
            return None;
        }
        let span = self.0.iter().find(|span| loaded < span.last)?;
        (loaded < span.first).then_some(span.first)
    }

    /// Forgets all: what was loaded before is gone.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    fn past(&self, loaded: u64) -> bool {
        self.0.last().is_none_or(|span| span.last <= loaded)
    }

    /// Makes one of the two neighbours that are closest for their age.
    fn join(&mut self, now: u64) {
        let closeness = |at: usize| {
            let (old, new) = (self.0[at], self.0[at + 1]);
            let age = now.saturating_sub(old.last).saturating_add(Self::SECOND);
            new.first.saturating_sub(old.last) as f64 / age as f64
        };
        let pairs = 0..self.0.len().saturating_sub(1);
        let closest = pairs.min_by(|a, b| closeness(*a).total_cmp(&closeness(*b)));
        if let Some(at) = closest {
            self.0[at].last = self.0.remove(at + 1).last;
        }
    }
}

/// As stores keep them: the numbers with a space between, those that count as one with a dash.
impl fmt::Display for Expiries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, span) in self.0.iter().enumerate() {
            let space = if n == 0 { "" } else { " " };
            match span.first == span.last {
                true => write!(f, "{space}{}", span.first)?,
                false => write!(f, "{space}{}-{}", span.first, span.last)?,
            }
        }
        Ok(())
    }
}

/// Text that says something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expiries are numbers, or two with a dash between, each larger than the one before it")]
pub struct NotExpiries;

impl FromStr for Expiries {
    type Err = NotExpiries;

    fn from_str(text: &str) -> Result<Self, NotExpiries> {
        let mut spans: Vec<Span> = Vec::new();
        for one in text.split_ascii_whitespace() {
            let (first, last) = one.split_once('-').unwrap_or((one, one));
            let number = |text: &str| text.parse::<u64>().map_err(|_| NotExpiries);
            let (first, last) = (number(first)?, number(last)?);
            let known = spans.last().map_or(0, |span| span.last);
            if first > last || first < known || last <= known {
                return Err(NotExpiries);
            }
            spans.push(Span { first, last });
        }
        Ok(Self(spans))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn noted(all: &[u64]) -> Expiries {
        let (mut expiries, mut before) = (Expiries::default(), 0);
        for now in all {
            expiries.note(before, *now);
            before = *now;
        }
        expiries
    }

    #[test]
    fn the_first_expiry_after_the_load_counts() {
        let expiries = noted(&[10, 20, 30]);
        for (loaded, first) in [(0, 10), (10, 20), (20, 30)] {
            assert_eq!(expiries.first_after(loaded, 30), Some(first), "{loaded}");
        }
    }

    #[test]
    fn what_another_build_expired_is_not_known() {
        let mut expiries = Expiries::default();
        expiries.note(10, 20);
        assert_eq!(expiries.first_after(0, 20), None, "10 or before");
        assert_eq!(expiries.first_after(10, 20), Some(20));
        assert_eq!(expiries.first_after(20, 25), None);
        assert_eq!(expiries.first_after(10, 25), Some(20));
        expiries.note(25, 40);
        assert_eq!(expiries.first_after(20, 40), None, "25 or before");
        assert_eq!(expiries.first_after(25, 40), Some(40));
        assert_eq!(Expiries::default().first_after(0, 10), None);
    }

    #[test]
    fn those_far_apart_are_kept_and_a_burst_counts_as_one() {
        let hour = 3_600_000_000;
        let burst = (0..100).map(|n| 5 * hour + n);
        let all: Vec<u64> = (1..=4).map(|n| n * hour).chain(burst).collect();
        let expiries = noted(&all);
        for n in 0..5 {
            let first = expiries.first_after(n * hour, 5 * hour + 99);
            assert_eq!(first, Some((n + 1) * hour), "{expiries}");
        }
    }

    #[test]
    fn the_text_form_is_read_back_and_nothing_else_is() {
        for text in ["", "5", "5 7", "0-7 9", "5-7 7-9 20"] {
            let read: Expiries = text.parse().expect(text);
            assert_eq!(read.to_string(), text);
        }
        for text in ["x", "5 5", "7 5", "9-7", "5-", "-5", "5,7", "5-9 7"] {
            assert_eq!(text.parse::<Expiries>(), Err(NotExpiries), "{text}");
        }
    }

    proptest! {
        #[test]
        fn never_later_than_right_and_exact_while_there_are_few(
            steps in proptest::collection::vec(1u64..1_000_000, 1..40),
            at in 0usize..40,
        ) {
            let all: Vec<u64> = steps
                .iter()
                .scan(0, |sum, step| { *sum += step; Some(*sum) })
                .collect();
            let expiries = noted(&all);
            let at = at % all.len();
            let loaded = if at == 0 { 0 } else { all[at - 1] };
            let told = expiries.first_after(loaded, all[all.len() - 1]);
            prop_assert!(told.is_none_or(|told| told == all[at]), "{told:?} {}", all[at]);
            if all.len() <= Expiries::MOST || at + 1 == all.len() && at == 0 {
                prop_assert_eq!(told, Some(all[at]));
            }
            prop_assert_eq!(expiries.to_string().parse(), Ok(expiries));
        }
    }
}
