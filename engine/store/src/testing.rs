//! Real Redis servers for tests: one, a Cluster, or a master behind sentinels, on free loopback
//! ports, with nothing kept on disk. All are killed when dropped, or when the process ends.
//!
//! `shared` answers where those are that all tests of a run use; each test keeps to a prefix of its
//! own there. Whoever kills a server, stops it, changes its settings, or looks at all that it has
//! starts one of his own.
//!
//! They need `redis-server` in the path; its version 7 also is `redis-sentinel`.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "for tests, where a panic is the failure"
)]

mod cluster;
mod sentinels;
mod server;

use std::time::Duration;

pub use cluster::Cluster;
pub use larder_servers::free_port;
pub use sentinels::Sentinels;
pub use server::Server;
use tokio::time::{Instant, sleep};

/// Waits until `holds` answers true.
///
/// # Panics
/// After 30 seconds, naming what was waited for.
pub async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !holds().await {
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "waited 30 s in vain until {what}"
        );
        sleep(Duration::from_millis(20)).await;
    }
}
