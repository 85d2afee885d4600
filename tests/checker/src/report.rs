//! What was seen, as a table.

use std::fmt;
use std::time::Duration;

use crate::truth::Violation;

/// Upper ends of the histogram of staleness, in milliseconds.
const STEPS: [u64; 12] = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 1_500, 2_000];

/// What clients saw.
#[derive(Debug, Default)]
pub struct Seen {
    pub(crate) reads: u64,
    pub(crate) hits: u64,
    pub(crate) writes: u64,
    pub(crate) invalidations: [u64; 5],
    pub(crate) errors: u64,
    pub(crate) said_stale: u64,
    pub(crate) backwards: u64,
    pub(crate) back_late: u64,
    pub(crate) lost_clients: u64,
    /// By [`STEPS`].
    late: [u64; STEPS.len()],
    latest: Duration,
    violations: [u64; 4],
}

impl Seen {
    pub(crate) fn behind(&mut self, by: Duration) {
        let ms = by.as_millis() as u64;
        let step = STEPS.iter().position(|end| ms < *end);
        self.late[step.unwrap_or(STEPS.len() - 1)] += 1;
        self.latest = self.latest.max(by);
    }

    pub(crate) fn violation(&mut self, violation: Violation) {
        self.violations[violation as usize] += 1;
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.reads += other.reads;
        self.hits += other.hits;
        self.writes += other.writes;
        self.errors += other.errors;
        self.said_stale += other.said_stale;
        self.backwards += other.backwards;
        self.back_late += other.back_late;
        self.latest = self.latest.max(other.latest);
        let sum = |all: &mut [u64], more: &[u64]| {
            for (one, more) in all.iter_mut().zip(more) {
                *one += more;
            }
        };
        sum(&mut self.invalidations, &other.invalidations);
        sum(&mut self.late, &other.late);
        sum(&mut self.violations, &other.violations);
    }
}

/// What came of a run.
#[derive(Debug)]
pub struct Report {
    pub(crate) seen: Seen,
    pub(crate) faults: u64,
    pub(crate) loads: u64,
    pub(crate) took: Duration,
    pub(crate) seed: u64,
}

impl Report {
    /// How many reads broke a promise; a client that ended early counts as one.
    #[must_use]
    pub fn violations(&self) -> u64 {
        let seen = &self.seen;
        seen.violations.iter().sum::<u64>() + seen.back_late + seen.lost_clients
    }

    /// How many operations were answered.
    #[must_use]
    pub fn answered(&self) -> u64 {
        let seen = &self.seen;
        seen.reads + seen.writes + seen.invalidations.iter().sum::<u64>()
    }

    /// How many reads were hits.
    #[must_use]
    pub fn hits(&self) -> u64 {
        self.seen.hits
    }

    /// The oldest answer of another node, by how long ago it had been invalidated.
    #[must_use]
    pub fn latest(&self) -> Duration {
        self.seen.latest
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seen = &self.seen;
        let [key, tag, group, namespace, pattern] = seen.invalidations;
        let [stale, late, unwritten, foreign] = seen.violations;
        let rate = self.answered() as f64 / self.took.as_secs_f64();
        writeln!(
            f,
            "reads           {:>10}  ({} hits)",
            seen.reads, seen.hits
        )?;
        writeln!(f, "loads           {:>10}", self.loads)?;
        writeln!(f, "writes          {:>10}", seen.writes)?;
        writeln!(
            f,
            "invalidations   {:>10}  (key {key}, tag {tag}, group tag {group}, namespace \
             {namespace}, pattern {pattern})",
            seen.invalidations.iter().sum::<u64>()
        )?;
        writeln!(
            f,
            "refused         {:>10}  (answered by an error)",
            seen.errors
        )?;
        writeln!(f, "said to be stale{:>10}", seen.said_stale)?;
        writeln!(f, "faults          {:>10}", self.faults)?;
        writeln!(
            f,
            "took            {:>10.1} s  ({rate:.0}/s)",
            self.took.as_secs_f64()
        )?;
        writeln!(
            f,
            "older on another node, by ms since its invalidation there:"
        )?;
        for (end, count) in STEPS.iter().zip(seen.late).filter(|(_, count)| *count > 0) {
            writeln!(f, "  below {end:>5}   {count:>10}")?;
        }
        writeln!(f, "  at most {:.0} ms", seen.latest.as_secs_f64() * 1e3)?;
        writeln!(
            f,
            "backwards       {:>10}  ({} of them late)",
            seen.backwards, seen.back_late
        )?;
        writeln!(
            f,
            "violations      {:>10}  (stale {stale}, late {late}, never written {unwritten}, \
             foreign {foreign}, clients lost {})",
            self.violations(),
            seen.lost_clients
        )?;
        writeln!(f, "seed            {:>10}", self.seed)
    }
}
