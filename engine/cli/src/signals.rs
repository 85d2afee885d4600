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

/// The signals that say that the configuration has changed.
pub(crate) struct Hangups(#[cfg(unix)] Option<tokio::signal::unix::Signal>);

impl Hangups {
    /// Takes them from now on, none of which ends the process any more.
    pub(crate) fn listen() -> Self {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            let hangups = signal(SignalKind::hangup());
            let hangups =
                hangups.inspect_err(|error| tracing::warn!("SIGHUP cannot be waited for: {error}"));
            Self(hangups.ok())
        }
        #[cfg(not(unix))]
        Self()
    }

    /// Has the configuration read again for each, or once for several that come together.
    #[cfg(unix)]
    pub(crate) async fn reload(self, server: larder_server::server::Handle) {
        let Some(mut hangups) = self.0 else { return };
        while hangups.recv().await.is_some() {
            // What it came to is in the log.
            if server.reload().await.is_none() {
                return;
            }
        }
    }

    #[cfg(not(unix))]
    pub(crate) async fn reload(self, _: larder_server::server::Handle) {}
}
