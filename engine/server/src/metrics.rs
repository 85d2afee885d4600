//! Prometheus.

mod table;

use std::time::Duration;

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

/// How often histograms are folded while nobody scrapes, so that they do not grow.
const UPKEEP: Duration = Duration::from_secs(5);

/// The bounds of histograms of seconds. Every histogram has buckets: quantiles of single nodes, which a
/// summary has, cannot be added up.
const SECONDS: [f64; 16] = [
    1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0,
];
/// Those of policies, which take microseconds.
const OF_POLICIES: [f64; 9] = [1e-6, 2e-6, 5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 1e-3, 1e-2];
/// Those of batches, in rows.
const OF_BATCHES: [f64; 10] = [
    1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1_000.0,
];

/// The program's metrics, as Prometheus reads them.
#[derive(Clone)]
pub struct Metrics(PrometheusHandle);

/// Installs the recorder of the whole program. Metrics that were registered before are lost, so
/// call it before an engine or a policy host is made.
///
/// # Errors
/// Another recorder is installed already.
pub fn install_metrics() -> Result<Metrics, BuildError> {
    let mut builder = PrometheusBuilder::new().set_buckets(&SECONDS)?;
    for (name, bounds) in [
        ("larder_policy_seconds", &OF_POLICIES[..]),
        ("larder_queue_batch_size", &OF_BATCHES),
    ] {
        builder = builder.set_buckets_for_metric(Matcher::Full(name.to_owned()), bounds)?;
    }
    let handle = builder.install_recorder()?;
    table::describe();
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
