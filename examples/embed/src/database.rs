//! Stands for a slow database.

use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use larder::Value;

/// Takes 200 ms for each row, and counts.
#[derive(Default)]
pub(crate) struct Database {
    loads: AtomicU64,
}

impl Database {
    /// The product `id`; there is none whose id is not a number.
    pub(crate) async fn product(&self, id: &str) -> Result<Option<Value>, Infallible> {
        let load = self.loads.fetch_add(1, Ordering::Relaxed) + 1;
        tokio::time::sleep(Duration::from_millis(200)).await;
        let id: Option<u64> = id.parse().ok();
        Ok(id.map(|id| Value::json(format!("{{\"id\":{id},\"load\":{load}}}"))))
    }

    #[cfg(test)]
    pub(crate) fn loads(&self) -> u64 {
        self.loads.load(Ordering::Relaxed)
    }
}
