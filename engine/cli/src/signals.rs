//! When the server is asked to end.

use crate::output::progress;

/// Ends with the first SIGINT or SIGTERM; a second one ends the process without draining.
pub(crate) async fn shutdown() {
    one().await;
    progress("stopping: requests under way may end; Ctrl-C again stops at once");
    tokio::spawn(async {
        one().await;
        std::process::exit(1);
    });
}

#[cfg(unix)]
async fn one() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
        }
        Err(error) => {
            tracing::warn!("SIGTERM cannot be waited for: {error}");
            interrupt().await;
        }
    }
}

#[cfg(not(unix))]
async fn one() {
    interrupt().await;
}

async fn interrupt() {
    if let Err(error) = tokio::signal::ctrl_c().await {
        tracing::warn!("Ctrl-C cannot be waited for: {error}");
        // Serving on is better than ending because nobody could ask for it.
        std::future::pending::<()>().await;
    }
}
