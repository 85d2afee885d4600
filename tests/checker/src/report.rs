//! What was seen, as a table.

use std::fmt;
use std::time::Duration;

use crate::backwards::Direction;
use crate::faults::{Done, Recovery};
use crate::histogram::Histogram;
use crate::truth::Violation;

/// What clients saw.
#[derive(Debug, Default)]
pub struct Seen {
    pub(crate) reads: u64,
    pub(crate) hits: u64,
    pub(crate) writes: u64,
    pub(crate) invalidations: [u64; 5],
    refused_reads: u64,
    refused_changes: u64,
    /// What one of them was answered.
    refusal: Option<String>,
    pub(crate) said_stale: u64,
    backwards: u64,
    back_late: u64,
    slowest: Duration,
    behind: Histogram,
    violations: [u64; 4],
    lost: u64,
    lost_for: Duration,
}

impl Seen {
    pub(crate) fn behind(&mut self, by: Duration) {
        self.behind.note(by);
    }

    pub(crate) fn violation(&mut self, violation: Violation) {
        self.violations[violation as usize] += 1;
    }

    /// Outdated, as an invalidation may have been lost with a master.
    pub(crate) fn lost(&mut self, by: Duration) {
        self.lost += 1;
        self.lost_for = self.lost_for.max(by);
    }

    pub(crate) fn direction(&mut self, direction: Direction, may_be_lost: bool) {
        match direction {
            Direction::Onwards => {}
            Direction::Late if !may_be_lost => self.back_late += 1,
            Direction::Late | Direction::Backwards => self.backwards += 1,
        }
    }

    pub(crate) fn refused_read(&mut self, why: String) {
        self.refused_reads += 1;
        self.refusal.get_or_insert(why);
    }

    pub(crate) fn refused_change(&mut self, why: String) {
        self.refused_changes += 1;
        self.refusal.get_or_insert(why);
    }

    pub(crate) fn took(&mut self, time: Duration) {
        self.slowest = self.slowest.max(time);
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.reads += other.reads;
        self.hits += other.hits;
        self.writes += other.writes;
        self.refused_reads += other.refused_reads;
        self.refused_changes += other.refused_changes;
        if self.refusal.is_none() {
            self.refusal.clone_from(&other.refusal);
        }
        self.said_stale += other.said_stale;
        self.backwards += other.backwards;
        self.back_late += other.back_late;
        self.lost += other.lost;
        self.lost_for = self.lost_for.max(other.lost_for);
        self.slowest = self.slowest.max(other.slowest);
        self.behind.add(&other.behind);
        let sum = |all: &mut [u64], more: &[u64]| {
            for (one, more) in all.iter_mut().zip(more) {
                *one += more;
            }
        };
        sum(&mut self.invalidations, &other.invalidations);
        sum(&mut self.violations, &other.violations);
    }
}

/// What came of a run.
#[derive(Debug)]
pub struct Report {
    pub(crate) seen: Seen,
    pub(crate) done: Done,
    pub(crate) ended_early: u64,
    pub(crate) loads: u64,
    pub(crate) took: Duration,
    pub(crate) seed: u64,
}

impl Report {
    /// How many reads broke a promise; a client that ended early counts as one.
    #[must_use]
    pub fn violations(&self) -> u64 {
        let seen = &self.seen;
        seen.violations.iter().sum::<u64>() + seen.back_late + self.ended_early
    }

    /// How many reads broke one promise.
    #[must_use]
    pub fn of(&self, violation: Violation) -> u64 {
        self.seen.violations[violation as usize]
    }

    /// How many reads were outdated after a failover, no longer than an entry is kept.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.seen.lost
    }

    /// How many reads of one client were older than one before.
    #[must_use]
    pub fn backwards(&self) -> u64 {
        self.seen.backwards + self.seen.back_late
    }

    /// How many operations were answered, other than by an error.
    #[must_use]
    pub fn answered(&self) -> u64 {
        let seen = &self.seen;
        seen.reads + seen.writes + seen.invalidations.iter().sum::<u64>()
    }

    /// How many operations there were.
    #[must_use]
    pub fn asked(&self) -> u64 {
        self.answered() + self.seen.refused_reads + self.seen.refused_changes
    }

    /// How many reads were answered by an error.
    #[must_use]
    pub fn refused_reads(&self) -> u64 {
        self.seen.refused_reads
    }

    /// How many reads were hits.
    #[must_use]
    pub fn hits(&self) -> u64 {
        self.seen.hits
    }

    /// How long the slowest operation took.
    #[must_use]
    pub fn slowest(&self) -> Duration {
        self.seen.slowest
    }

    /// How old answers of other nodes were, by how long ago they had been invalidated.
    #[must_use]
    pub fn behind(&self) -> &Histogram {
        &self.seen.behind
    }

    /// What went wrong on purpose.
    #[must_use]
    pub fn done(&self) -> &Done {
        &self.done
    }

    fn fmt_failovers(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = &self.done.recoveries;
        if all.is_empty() {
            return Ok(());
        }
        let [replaced, recovered] = [
            middle_and_longest(all, |one| one.replaced),
            middle_and_longest(all, |one| one.recovered),
        ];
        writeln!(f, "failovers       {:>10}", all.len())?;
        for (what, (p50, most)) in [("replica master", replaced), ("recovered", recovered)] {
            let (p50, most) = (p50.as_secs_f64(), most.as_secs_f64());
            writeln!(f, "  {what:<16}p50 {p50:.2} s, at most {most:.2} s")?;
        }
        writeln!(
            f,
            "  outdated        {:>8}  (invalidations that were lost; at most {:.0} ms)",
            self.seen.lost,
            self.seen.lost_for.as_secs_f64() * 1e3
        )?;
        writeln!(f, "  not asked for   {:>8}", self.done.unasked)
    }
}

fn middle_and_longest(
    all: &[Recovery],
    time: impl Fn(&Recovery) -> Duration,
) -> (Duration, Duration) {
    let mut times: Vec<_> = all.iter().map(time).collect();
    times.sort_unstable();
    let last = times.last().copied().unwrap_or_default();
    (
        times.get(times.len() / 2).copied().unwrap_or_default(),
        last,
    )
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seen = &self.seen;
        let [key, tag, group, namespace, pattern] = seen.invalidations;
        let [stale, late, unwritten, foreign] = seen.violations;
        let took = self.took.as_secs_f64();
        let rate = self.answered() as f64 / took;
        let all: u64 = seen.invalidations.iter().sum();
        writeln!(
            f,
            "reads           {:>10}  ({} hits)",
            seen.reads, seen.hits
        )?;
        writeln!(f, "loads           {:>10}", self.loads)?;
        writeln!(f, "writes          {:>10}", seen.writes)?;
        writeln!(
            f,
            "invalidations   {all:>10}  (key {key}, tag {tag}, group tag {group}, namespace \
             {namespace}, pattern {pattern})",
        )?;
        writeln!(
            f,
            "refused         {:>10}  (answered by an error: reads {}, changes {})",
            seen.refused_reads + seen.refused_changes,
            seen.refused_reads,
            seen.refused_changes
        )?;
        if let Some(why) = &seen.refusal {
            writeln!(f, "  such as: {why}")?;
        }
        writeln!(f, "said to be stale{:>10}", seen.said_stale)?;
        writeln!(f, "faults          {:>10}", self.done.faults)?;
        self.fmt_failovers(f)?;
        writeln!(f, "took            {took:>10.1} s  ({rate:.0}/s)")?;
        let slowest = seen.slowest.as_millis();
        writeln!(f, "slowest         {slowest:>10} ms")?;
        writeln!(
            f,
            "older on another node, by ms since its invalidation there:"
        )?;
        write!(f, "{}", seen.behind)?;
        writeln!(
            f,
            "backwards       {:>10}  ({} of them late)",
            self.backwards(),
            seen.back_late
        )?;
        writeln!(
            f,
            "violations      {:>10}  (stale {stale}, late {late}, never written {unwritten}, \
             foreign {foreign}, ended early {})",
            self.violations(),
            self.ended_early
        )?;
        writeln!(f, "seed            {:>10}", self.seed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn going_back_late_is_a_violation_and_after_a_failover_it_is_not() {
        for (direction, lost, backwards, late) in [
            (Direction::Onwards, false, 0, 0),
            (Direction::Backwards, false, 1, 0),
            (Direction::Late, false, 0, 1),
            (Direction::Late, true, 1, 0),
        ] {
            let mut seen = Seen::default();
            seen.direction(direction, lost);
            let counted = (seen.backwards, seen.back_late);
            assert_eq!(counted, (backwards, late), "{direction:?}");
        }
    }
}
