//! The codes with which loads and writes end, for those who count them.

/// Those of loads, where they fail.
pub(crate) const OF_LOADS: [&str; 14] = [
    "origin_unreachable",
    "origin_timeout",
    "origin_failed",
    "origin_schema",
    "origin_rejected",
    "origin_broken",
    "origin_too_large",
    "origin_unavailable",
    "origin_resting",
    "overloaded",
    "load_timeout",
    "deadline_exceeded",
    "loader_failed",
    "no_origin",
];

/// Those of writes and deletes, where they fail.
pub(crate) const OF_WRITES: [&str; 33] = [
    "invalid_request",
    "undeclared_query",
    "undeclared_context",
    "no_route",
    "no_policy",
    "no_origin",
    "origin_unseen",
    "policy_denied",
    "write_undecided",
    "precondition_unsupported",
    "unsupported",
    "unsupported_encoding",
    "origin_unreachable",
    "origin_timeout",
    "origin_failed",
    "origin_schema",
    "origin_rejected",
    "origin_broken",
    "origin_unavailable",
    "origin_resting",
    "overloaded",
    "write_too_large",
    "not_invalidated",
    "store_failed",
    "queue_full",
    "queue_failed",
    "queue_corrupt",
    "idempotency_key_reused",
    "behind_queue",
    "row_parked",
    "partly_queued",
    "no_key_ring",
    "unflushable",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_in_the_error_reference_once() {
        let reference = include_str!("../../../docs/errors.md");
        for all in [&OF_LOADS[..], &OF_WRITES] {
            for (at, code) in all.iter().enumerate() {
                assert!(reference.contains(&format!("| `{code}` |")), "{code}");
                assert!(!all[..at].contains(code), "{code}");
            }
        }
    }
}
