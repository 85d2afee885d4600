//! Verb by strategy: what runs.

use crate::decision::Strategy;
use crate::request::Operation;

/// What a decision makes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// A value is wanted.
    Read(ReadPlan),
    /// A value is replaced or removed.
    Write(WritePlan),
}

/// How a read runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadPlan {
    /// From the origin, the cache untouched.
    Origin,
    /// From the cache only; a miss hands the caller the lease to fill it.
    CacheOnly,
    /// From the cache; a miss loads from the origin under the lease.
    ThroughCache,
}

/// How a write or a delete runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WritePlan {
    /// The origin first, then what was cached is invalidated.
    OriginThenInvalidate,
    /// The application has written already, or the origin does if one is configured; then what
    /// was cached is invalidated.
    ApplicationThenInvalidate,
    /// The origin first, then the cache takes the new value.
    OriginThenStore,
    /// The origin first, then the cache remembers the absence.
    OriginThenTombstone,
    /// A durable queue, then the cache, then the acknowledgement.
    Queue,
}

/// The table. Everything that runs by strategy asks here and nowhere else.
#[must_use]
pub const fn plan(operation: Operation, strategy: Strategy) -> Plan {
    use Plan::{Read, Write};
    match (operation, strategy) {
        (Operation::Read, Strategy::Bypass) => Read(ReadPlan::Origin),
        (Operation::Read, Strategy::CacheAside) => Read(ReadPlan::CacheOnly),
        (
            Operation::Read,
            Strategy::ReadThrough | Strategy::WriteThrough | Strategy::WriteBehind,
        ) => Read(ReadPlan::ThroughCache),
        (Operation::Write | Operation::Delete, Strategy::Bypass | Strategy::ReadThrough) => {
            Write(WritePlan::OriginThenInvalidate)
        }
        (Operation::Write | Operation::Delete, Strategy::CacheAside) => {
            Write(WritePlan::ApplicationThenInvalidate)
        }
        (Operation::Write, Strategy::WriteThrough) => Write(WritePlan::OriginThenStore),
        (Operation::Delete, Strategy::WriteThrough) => Write(WritePlan::OriginThenTombstone),
        (Operation::Write | Operation::Delete, Strategy::WriteBehind) => Write(WritePlan::Queue),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_table() {
        use Plan::{Read, Write};
        use ReadPlan::{CacheOnly, Origin, ThroughCache};
        use WritePlan::{
            ApplicationThenInvalidate, OriginThenInvalidate, OriginThenStore, OriginThenTombstone,
            Queue,
        };
        for (strategy, read, write, delete) in [
            (
                Strategy::Bypass,
                Origin,
                OriginThenInvalidate,
                OriginThenInvalidate,
            ),
            (
                Strategy::CacheAside,
                CacheOnly,
                ApplicationThenInvalidate,
                ApplicationThenInvalidate,
            ),
            (
                Strategy::ReadThrough,
                ThroughCache,
                OriginThenInvalidate,
                OriginThenInvalidate,
            ),
            (
                Strategy::WriteThrough,
                ThroughCache,
                OriginThenStore,
                OriginThenTombstone,
            ),
            (Strategy::WriteBehind, ThroughCache, Queue, Queue),
        ] {
            assert_eq!(
                plan(Operation::Read, strategy),
                Read(read),
                "read {strategy:?}"
            );
            assert_eq!(
                plan(Operation::Write, strategy),
                Write(write),
                "write {strategy:?}"
            );
            assert_eq!(
                plan(Operation::Delete, strategy),
                Write(delete),
                "delete {strategy:?}"
            );
        }
    }
}
