//! Counters and histograms, registered once so that the request path only adds, and all at zero: an
//! alert on the rate of a series that comes with its first event misses that one.
//!
//! They go to whatever recorder the program has installed for the `metrics` facade when the
//! engine is built; without one they cost next to nothing.

use std::time::Duration;

use larder_core::{NotStored, Operation, Outcome, Strategy};
use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};

use crate::breaker::State;
use crate::codes;
use crate::limits::Full;

/// How a policy fails, what the guard refuses among it.
const FAILURES: [&str; 7] = [
    "refused",
    "trapped",
    "deadline",
    "memory",
    "output",
    "unavailable",
    "guard",
];

/// What is counted for each policy.
pub(crate) struct PolicyMeters {
    decisions: [Counter; Strategy::ALL.len()],
    evaluate: Histogram,
    policy: String,
}

impl PolicyMeters {
    pub(crate) fn new(policy: &str) -> Self {
        let policy = policy.to_owned();
        for failure in FAILURES {
            let _ = counter!("larder_policy_failures_total", "policy" => policy.clone(), "failure" => failure);
        }
        Self {
            decisions: Strategy::ALL.map(|strategy| {
                counter!("larder_decisions_total", "policy" => policy.clone(), "strategy" => strategy.as_str())
            }),
            evaluate: histogram!("larder_policy_seconds", "policy" => policy.clone()),
            policy,
        }
    }

    pub(crate) fn decided(&self, strategy: Strategy, evaluate_ns: u64) {
        self.decisions[strategy as usize].increment(1);
        self.evaluate.record(evaluate_ns as f64 / 1e9);
    }

    pub(crate) fn failed(&self, failure: &'static str) {
        counter!("larder_policy_failures_total", "policy" => self.policy.clone(), "failure" => failure)
            .increment(1);
    }
}

/// What is counted for each origin.
pub(crate) struct OriginMeters {
    wait: Histogram,
    /// 0 closed, 1 half open, 2 open.
    breaker: Gauge,
    origin: String,
}

impl OriginMeters {
    pub(crate) fn new(origin: &str) -> Self {
        let origin = origin.to_owned();
        for by in [
            "retry_after",
            "breaker",
            Full::Origin.as_str(),
            Full::Tenant.as_str(),
        ] {
            let _ = counter!("larder_origin_refused_total", "origin" => origin.clone(), "by" => by);
        }
        for state in [State::Closed, State::HalfOpen, State::Open] {
            let (origin, state) = (origin.clone(), state.as_str());
            let _ = counter!("larder_breaker_changes_total", "origin" => origin, "state" => state);
        }
        Self {
            wait: histogram!("larder_origin_wait_seconds", "origin" => origin.clone()),
            breaker: gauge!("larder_breaker_state", "origin" => origin.clone()),
            origin,
        }
    }

    pub(crate) fn waited(&self, time: Duration) {
        self.wait.record(time.as_secs_f64());
    }

    /// A call was refused by `retry_after`, `breaker`, `origin_cap` or `tenant_cap`.
    pub(crate) fn refused(&self, by: &'static str) {
        counter!("larder_origin_refused_total", "origin" => self.origin.clone(), "by" => by)
            .increment(1);
    }

    pub(crate) fn breaker(&self, state: State) {
        self.breaker.set(f64::from(state as u8));
        let (origin, state) = (self.origin.clone(), state.as_str());
        counter!("larder_breaker_changes_total", "origin" => origin, "state" => state).increment(1);
    }
}

/// What is counted for the whole engine.
pub(crate) struct Meters {
    reads: [Counter; Outcome::ALL.len()],
    loads: Counter,
    load_seconds: Histogram,
    collapsed: Counter,
    not_stored: [Counter; NotStored::ALL.len()],
    invalidated: [(&'static str, Counter); NAMES.len()],
    store_errors: Counter,
}

/// Why an entry is not used, whatever the policy decides now.
const UNREADABLE: [&str; 7] = [
    "unknown_key",
    "does_not_open",
    "not_sealed",
    "does_not_decode",
    "shortened",
    "before_outbox",
    "retired",
];

/// What invalidations name.
const NAMES: [&str; 5] = ["row", "key", "tag", "namespace", "pattern"];

impl Meters {
    pub(crate) fn new() -> Self {
        for code in codes::OF_LOADS {
            let _ = counter!("larder_loads_total", "result" => code);
        }
        for result in ["ok"].into_iter().chain(codes::OF_WRITES) {
            for operation in [Operation::Write, Operation::Delete].map(Operation::as_str) {
                let _ =
                    counter!("larder_writes_total", "operation" => operation, "result" => result);
            }
        }
        for why in UNREADABLE {
            let _ = counter!("larder_unreadable_entries_total", "reason" => why);
        }
        Self {
            reads: Outcome::ALL
                .map(|outcome| counter!("larder_reads_total", "outcome" => outcome.as_str())),
            loads: counter!("larder_loads_total", "result" => "ok"),
            load_seconds: histogram!("larder_load_seconds"),
            collapsed: counter!("larder_collapsed_reads_total"),
            not_stored: NotStored::ALL
                .map(|why| counter!("larder_not_stored_total", "reason" => why.as_str())),
            invalidated: NAMES
                .map(|kind| (kind, counter!("larder_invalidations_total", "kind" => kind))),
            store_errors: counter!("larder_store_errors_total"),
        }
    }

    pub(crate) fn read(&self, outcome: Outcome, collapsed: bool) {
        self.reads[outcome as usize].increment(1);
        if collapsed {
            self.collapsed.increment(1);
        }
    }

    pub(crate) fn loaded(&self, took: Duration) {
        self.loads.increment(1);
        self.load_seconds.record(took.as_secs_f64());
    }

    pub(crate) fn load_failed(&self, code: &'static str) {
        counter!("larder_loads_total", "result" => code).increment(1);
    }

    pub(crate) fn not_stored(&self, why: NotStored) {
        match self.not_stored.get(why as usize) {
            Some(counter) => counter.increment(1),
            None => counter!("larder_not_stored_total", "reason" => why.as_str()).increment(1),
        }
    }

    pub(crate) fn unreadable(&self, why: &'static str) {
        counter!("larder_unreadable_entries_total", "reason" => why).increment(1);
    }

    pub(crate) fn store_failed(&self) {
        self.store_errors.increment(1);
    }

    pub(crate) fn wrote(&self, operation: &'static str, result: &'static str) {
        counter!("larder_writes_total", "operation" => operation, "result" => result).increment(1);
    }

    pub(crate) fn invalidated(&self, kind: &'static str, count: u64) {
        let of_kind = self.invalidated.iter().find(|(one, _)| *one == kind);
        if let Some((_, counter)) = of_kind {
            counter.increment(count);
        }
    }
}
