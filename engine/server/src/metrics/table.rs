//! Every metric, with what it says.

use metrics::{describe_counter, describe_gauge, describe_histogram};

use Kind::{Counter, Gauge, Histogram};

#[derive(Clone, Copy)]
enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// The metrics of all crates, by name.
#[rustfmt::skip]
const ALL: [(Kind, &str, &str); 39] = [
    (Counter, "larder_breaker_changes_total", "Changes of breakers, by origin and the state that they changed to"),
    (Gauge, "larder_breaker_state", "State of the breaker of an origin: 0 closed, 1 half open, 2 open"),
    (Counter, "larder_collapsed_reads_total", "Reads that shared the load of another"),
    (Counter, "larder_decisions_total", "Decisions by policy and strategy"),
    (Counter, "larder_http_errors_total", "Answers with a status of 500 and above, by code"),
    (Counter, "larder_invalidations_total", "Rows, keys, tags, namespaces and patterns invalidated, by kind"),
    (Counter, "larder_key_ring_reloads_total", "Attempts to read a changed key ring, by result"),
    (Histogram, "larder_load_seconds", "How long loads took"),
    (Counter, "larder_loads_total", "Loads by result"),
    (Counter, "larder_not_stored_total", "Loaded or written values that did not become entries, by reason"),
    (Counter, "larder_origin_refused_total", "Calls that were kept from an origin, by origin and what kept them: retry_after, breaker, origin_cap or tenant_cap"),
    (Histogram, "larder_origin_wait_seconds", "How long calls waited for a place at their origin"),
    (Counter, "larder_outbox_errors_total", "Failures to read an outbox, to decide about its rows, to apply or to remove them, by origin"),
    (Gauge, "larder_outbox_lag_seconds", "How old a commit may be that is not applied yet, by origin"),
    (Counter, "larder_outbox_missed_total", "How often everything of an origin was invalidated because rows may have been missed"),
    (Counter, "larder_outbox_passed_over_total", "Rows of outboxes that make no sense, by origin"),
    (Counter, "larder_outbox_removed_total", "Old rows that were removed from outboxes, by origin"),
    (Counter, "larder_outbox_rows_total", "Rows of outboxes that were applied, by origin and kind"),
    (Counter, "larder_policy_failures_total", "Policy calls that failed, by policy and failure"),
    (Counter, "larder_policy_reloads_total", "Attempts to load a build of a policy, by result"),
    (Histogram, "larder_policy_seconds", "How long policies took to decide"),
    (Histogram, "larder_queue_batch_size", "Rows that were handed over together"),
    (Gauge, "larder_queue_bytes", "Their size, in bytes, roughly"),
    (Gauge, "larder_queue_dead_letters", "Writes that their origin refused, or that follow one"),
    (Gauge, "larder_queue_depth", "Writes that wait to be flushed, by origin"),
    (Counter, "larder_queue_enqueued_total", "Writes that the write-behind queue was given, by result"),
    (Counter, "larder_queue_flushed_total", "Writes that their origin has"),
    (Gauge, "larder_queue_oldest_seconds", "How long the oldest of them waits"),
    (Gauge, "larder_queue_parked_rows", "Rows whose later writes follow a dead letter"),
    (Counter, "larder_queue_retries_total", "Rows that had to be handed over again, by origin"),
    (Gauge, "larder_queue_waiting", "Writes that wait to be flushed"),
    (Counter, "larder_reads_total", "Reads by outcome"),
    (Counter, "larder_refused_requests_total", "Requests refused for want of a token or of its scope, by plane, code and the token's name"),
    (Gauge, "larder_requests_in_flight", "Requests of the data plane that are worked on"),
    (Counter, "larder_shed_requests_total", "Requests refused because too many were under way"),
    (Counter, "larder_store_errors_total", "Calls of the store that failed"),
    (Gauge, "larder_store_up", "1 while the store answers, else 0"),
    (Counter, "larder_unreadable_entries_total", "Stored entries that could not be used, by reason"),
    (Counter, "larder_writes_total", "Writes and deletes by result"),
];

/// Tells the recorder what each metric says.
pub(super) fn describe() {
    for (kind, name, help) in ALL {
        match kind {
            Counter => describe_counter!(name, help),
            Gauge => describe_gauge!(name, help),
            Histogram => describe_histogram!(name, help),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_conventions_and_come_once() {
        for (n, (kind, name, help)) in ALL.into_iter().enumerate() {
            let counts = name.ends_with("_total");
            let unit = ["_seconds", "_size"]
                .iter()
                .any(|unit| name.ends_with(unit));
            match kind {
                Counter => assert!(counts, "{name}"),
                Gauge => assert!(!counts, "{name}"),
                Histogram => assert!(unit, "{name}"),
            }
            assert!(name.starts_with("larder_") && !help.is_empty());
            assert!(
                ALL[..n].iter().all(|(_, other, _)| *other < name),
                "{name}: not in order"
            );
        }
    }
}
