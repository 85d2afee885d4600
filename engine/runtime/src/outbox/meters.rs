//! What is counted of an outbox.

use std::sync::Arc;

use metrics::{Counter, Gauge, counter, gauge};

use super::sense::{Kind, Sense};

/// Where reading on failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum At {
    /// The database did not answer.
    Read,
    /// What the rows name could not be invalidated.
    Apply,
    /// A policy did not say what a row makes stale.
    Decide,
    /// Old rows could not be removed.
    Remove,
}

impl At {
    const ALL: [Self; 4] = [Self::Read, Self::Apply, Self::Decide, Self::Remove];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Apply => "apply",
            Self::Decide => "decide",
            Self::Remove => "remove",
        }
    }
}

/// What is counted for the outbox of one origin.
pub(super) struct OutboxMeters {
    rows: [Counter; Kind::ALL.len()],
    passed_over: Counter,
    removed: Counter,
    missed: Counter,
    lag: Gauge,
    origin: String,
}

impl OutboxMeters {
    pub(super) fn new(origin: &Arc<str>) -> Self {
        let origin = origin.to_string();
        let of = || origin.clone();
        for at in At::ALL {
            let _ = counter!("larder_outbox_errors_total", "origin" => of(), "at" => at.as_str());
        }
        Self {
            rows: Kind::ALL.map(|kind| {
                counter!("larder_outbox_rows_total", "origin" => of(), "kind" => kind.as_str())
            }),
            passed_over: counter!("larder_outbox_passed_over_total", "origin" => of()),
            removed: counter!("larder_outbox_removed_total", "origin" => of()),
            missed: counter!("larder_outbox_missed_total", "origin" => of()),
            lag: gauge!("larder_outbox_lag_seconds", "origin" => of()),
            origin,
        }
    }

    /// What rows named is invalidated.
    pub(super) fn applied(&self, sense: &Sense) {
        for (counter, rows) in self.rows.iter().zip(sense.rows) {
            counter.increment(rows);
        }
        self.passed_over.increment(sense.passed_over.len() as u64);
    }

    /// So many rows mean nothing here.
    pub(super) fn passed_over(&self, rows: u64) {
        self.passed_over.increment(rows);
    }

    /// So many old rows more are gone.
    pub(super) fn removed(&self, rows: u64) {
        self.removed.increment(rows);
    }

    /// Rows may have been missed, and everything of the origin was invalidated.
    pub(super) fn missed(&self) {
        self.missed.increment(1);
    }

    pub(super) fn failed(&self, at: At) {
        let (origin, at) = (self.origin.clone(), at.as_str());
        counter!("larder_outbox_errors_total", "origin" => origin, "at" => at).increment(1);
    }

    pub(super) fn lag(&self, ms: u64) {
        self.lag.set(ms as f64 / 1e3);
    }
}
