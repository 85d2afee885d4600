//! Prometheus.

use std::time::Duration;

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

/// How often histograms are folded while nobody scrapes, so that they do not grow.
const UPKEEP: Duration = Duration::from_secs(5);

/// The program's metrics, as Prometheus reads them.
#[derive(Clone)]
pub struct Metrics(PrometheusHandle);

/// Installs the recorder of the whole program. Metrics that were registered before are lost, so
/// call it before an engine or a policy host is made.
///
/// # Errors
/// Another recorder is installed already.
pub fn install_metrics() -> Result<Metrics, BuildError> {
    let micro = [1e-6, 2e-6, 5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 1e-3, 1e-2];
    let milli = [
        1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0,
    ];
    let policy = Matcher::Full("larder_policy_seconds".to_owned());
    let load = Matcher::Full("larder_load_seconds".to_owned());
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(policy, &micro)?
        .set_buckets_for_metric(load, &milli)?
        .install_recorder()?;
    describe();
    Ok(Metrics(handle))
}

impl Metrics {
    /// Those that no recorder writes to.
    pub(crate) fn of_nobody() -> Self {
        Self(PrometheusBuilder::new().build_recorder().handle())
    }

    /// The present figures in the text format.
    #[must_use]
    pub fn render(&self) -> String {
        self.0.render()
    }

    pub(crate) async fn keep_up(self) {
        let mut ticks = tokio::time::interval(UPKEEP);
        loop {
            ticks.tick().await;
            self.0.run_upkeep();
        }
    }
}

fn describe() {
    use metrics::{describe_counter, describe_gauge, describe_histogram};
    describe_counter!("larder_decisions_total", "Decisions by policy and strategy");
    describe_counter!(
        "larder_policy_failures_total",
        "Policy calls that failed, by policy and failure"
    );
    describe_histogram!("larder_policy_seconds", "How long policies took to decide");
    describe_counter!("larder_reads_total", "Reads by outcome");
    describe_counter!(
        "larder_collapsed_reads_total",
        "Reads that shared the load of another"
    );
    describe_counter!("larder_loads_total", "Loads by result");
    describe_histogram!("larder_load_seconds", "How long loads took");
    describe_counter!(
        "larder_not_stored_total",
        "Loaded or written values that did not become entries, by reason"
    );
    describe_counter!("larder_writes_total", "Writes and deletes by result");
    describe_counter!(
        "larder_invalidations_total",
        "Keys, tags and namespaces invalidated"
    );
    describe_counter!(
        "larder_store_errors_total",
        "Calls of the store that failed"
    );
    describe_gauge!("larder_store_up", "1 while the store answers, else 0");
    describe_counter!(
        "larder_http_errors_total",
        "Answers with a status of 500 and above, by code"
    );
    describe_counter!(
        "larder_refused_requests_total",
        "Requests refused for want of a token or of its scope, by plane, code and the token's name"
    );
    describe_gauge!(
        "larder_requests_in_flight",
        "Requests of the data plane that are worked on"
    );
    describe_counter!(
        "larder_shed_requests_total",
        "Requests refused because too many were under way"
    );
    describe_counter!(
        "larder_policy_reloads_total",
        "Attempts to load a build of a policy, by result"
    );
    describe_queue();
    describe_outbox();
}

fn describe_queue() {
    use metrics::{describe_counter, describe_gauge, describe_histogram};
    describe_counter!(
        "larder_queue_enqueued_total",
        "Writes that the write-behind queue was given, by result"
    );
    describe_counter!("larder_queue_flushed_total", "Writes that their origin has");
    describe_counter!(
        "larder_queue_retries_total",
        "Rows that had to be handed over again, by origin"
    );
    describe_histogram!(
        "larder_queue_batch_size",
        "Rows that were handed over together"
    );
    describe_gauge!(
        "larder_queue_depth",
        "Writes that wait to be flushed, by origin"
    );
    describe_gauge!("larder_queue_waiting", "Writes that wait to be flushed");
    describe_gauge!("larder_queue_bytes", "Their size, in bytes, roughly");
    describe_gauge!(
        "larder_queue_oldest_seconds",
        "How long the oldest of them waits"
    );
    describe_gauge!(
        "larder_queue_dead_letters",
        "Writes that their origin refused, or that follow one"
    );
    describe_gauge!(
        "larder_queue_parked_rows",
        "Rows whose later writes follow a dead letter"
    );
}

fn describe_outbox() {
    use metrics::{describe_counter, describe_gauge};
    describe_counter!(
        "larder_outbox_rows_total",
        "Rows of outboxes that were applied, by origin and kind"
    );
    describe_counter!(
        "larder_outbox_passed_over_total",
        "Rows of outboxes that make no sense, by origin"
    );
    describe_counter!(
        "larder_outbox_missed_total",
        "How often everything of an origin was invalidated because rows may have been missed"
    );
    describe_counter!(
        "larder_outbox_removed_total",
        "Old rows that were removed from outboxes, by origin"
    );
    describe_counter!(
        "larder_outbox_errors_total",
        "Failures to read an outbox, to apply its rows or to remove them, by origin"
    );
    describe_gauge!(
        "larder_outbox_lag_seconds",
        "How old a commit may be that is not applied yet, by origin"
    );
}
