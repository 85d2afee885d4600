//! Binds, serves and drains.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use std::time::Duration;

use hyper_util::server::graceful::GracefulShutdown;
use larder::Engine;
use larder::wasm::Host;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::access::{Exposed, Plane, check_listener};
use crate::complaints;
use crate::connection::Connections;
use crate::live::{Live, Reload};
use crate::metrics::Metrics;
use crate::problem::Problem;
use crate::routes::App;
use crate::settings::Settings;
use crate::wire::ReloadReply;

/// How long accepting pauses after it failed: a process out of file descriptors would spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What a server serves.
pub struct Parts {
    /// The engine.
    pub engine: Engine,
    /// The host of its policies, where they are WebAssembly.
    pub policies: Option<Arc<Host>>,
    /// The program's metrics.
    pub metrics: Metrics,
    /// Reads the configuration again; none where there is none.
    pub reload: Option<Arc<dyn Reload>>,
}

/// Why a server could not begin.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address} ({plane} plane): {hint}")]
    Listen {
        /// `data` or `admin`.
        plane: &'static str,
        /// The address.
        address: SocketAddr,
        /// What is in the way and what to do.
        hint: String,
        /// The cause.
        source: io::Error,
    },
    /// A plane would answer anybody.
    #[error(transparent)]
    Exposed(#[from] Exposed),
    /// The system has no random numbers for the secret of leases.
    #[error("no random secret for leases could be made: {0}; set `lease_secret`")]
    Secret(String),
}

/// Why a server ended.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Some requests did not end in time after shutdown began.
    #[error("requests were still under way {0:?} after shutdown began and were cut off")]
    Drain(Duration),
}

/// A server that has its ports.
pub struct Server {
    live: Arc<Live>,
    data: (TcpListener, SocketAddr),
    admin: Option<(TcpListener, SocketAddr)>,
}

/// Tells a running server to read its configuration again.
#[derive(Clone)]
pub struct Handle(Weak<Live>);

impl Handle {
    /// Reads the configuration again, and goes by all of it that can change without a restart, or
    /// changes nothing. The log says what it came to; so does the answer, as `POST /v1/reload`
    /// gives it. None where the server has ended.
    pub async fn reload(&self) -> Option<Result<ReloadReply, Problem>> {
        let live = self.0.upgrade()?;
        Some(live.reload().await)
    }
}

impl Server {
    /// Takes the ports. Requests are answered once [`Server::run`] runs.
    ///
    /// # Errors
    /// Names the address that is taken or not ours, or that others reach without a token.
    pub async fn bind(settings: Settings, parts: Parts) -> Result<Self, BindError> {
        check_listener(Plane::Data, settings.listen, &settings.tokens)?;
        if let Some(admin) = settings.admin {
            check_listener(Plane::Admin, admin, &settings.tokens)?;
        }
        let data = listen("data", settings.listen).await?;
        let admin = match settings.admin {
            Some(address) => Some(listen("admin", address).await?),
            None => None,
        };
        Ok(Self {
            live: Live::new(parts, settings)?,
            data,
            admin,
        })
    }

    /// For whoever is told that the configuration has changed.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle(Arc::downgrade(&self.live))
    }

    /// Where the data and the admin plane listen; of use where port 0 was asked for.
    #[must_use]
    pub fn addresses(&self) -> (SocketAddr, Option<SocketAddr>) {
        (
            self.data.1,
            self.admin.as_ref().map(|(_, address)| *address),
        )
    }

    /// Serves until `shutdown` ends, then takes no new connections and lets requests that are
    /// under way end.
    ///
    /// # Errors
    /// [`ServeError::Drain`].
    pub async fn run(
        self,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), ServeError> {
        let (stop, stopped) = watch::channel(false);
        let upkeep = self.live.now().app.metrics.clone().keep_up();
        let upkeep = tokio::spawn(async { tokio::join!(upkeep, complaints::go_on()) });
        let connections = |plane| Connections::new(Arc::clone(&self.live), plane);
        let (data, admin) = (connections(Plane::Data), connections(Plane::Admin));
        let data = tokio::spawn(accept(self.data.0, data, stopped.clone()));
        // The admin plane answers until the data plane is empty, so that an operator can watch.
        let (stop_admin, admin_stopped) = watch::channel(false);
        let admin = self
            .admin
            .map(|(listener, _)| tokio::spawn(accept(listener, admin, admin_stopped)));

        shutdown.await;
        let now = self.live.drain().await;
        stop.send_replace(true);
        let drain = now.settings.drain;
        let drained = tokio::time::timeout(drain, data).await;
        flush(&now.app, now.settings.queue_drain).await;
        stop_admin.send_replace(true);
        if let Some(admin) = admin {
            // An operator who still reads is cut off.
            let _ = tokio::time::timeout(Duration::from_secs(1), admin).await;
        }
        upkeep.abort();
        drained
            .map(drop)
            .map_err(|_elapsed| ServeError::Drain(drain))
    }
}

/// Flushes what the write-behind queue holds, as far as there is time. What is left is durable, and
/// no reason to call the shutdown a failure.
async fn flush(app: &App, limit: Duration) {
    let Some(queue) = app.engine.queue() else {
        return;
    };
    match app.engine.drain(tokio::time::Instant::now() + limit).await {
        Ok(drained) if drained.left > 0 => tracing::warn!(
            left = drained.left,
            place = queue.summary().place,
            "writes wait in the write-behind queue; they are flushed after the next start"
        ),
        Ok(_) => tracing::info!("the write-behind queue is empty"),
        Err(error) => tracing::warn!("the write-behind queue does not say what is left: {error}"),
    }
}

/// Accepts until told to stop, then waits for its connections.
async fn accept(listener: TcpListener, connections: Connections, mut stop: watch::Receiver<bool>) {
    let graceful = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        match accepted {
            Ok((stream, _)) => {
                tokio::spawn(connections.clone().serve(stream, graceful.watcher()));
            }
            Err(error) => {
                tracing::warn!("accepting a connection failed: {error}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    graceful.shutdown().await;
}

async fn listen(
    plane: &'static str,
    address: SocketAddr,
) -> Result<(TcpListener, SocketAddr), BindError> {
    let failed = |source: io::Error| {
        let hint = match source.kind() {
            io::ErrorKind::AddrInUse => "the port is in use; stop what listens there (another \
                                         larder, perhaps) or choose another port"
                .to_owned(),
            io::ErrorKind::AddrNotAvailable => {
                "the address is not one of this machine; choose one that is".to_owned()
            }
            io::ErrorKind::PermissionDenied => {
                "ports below 1024 need special rights; choose a higher one".to_owned()
            }
            _ => source.to_string(),
        };
        BindError::Listen {
            plane,
            address,
            hint,
            source,
        }
    };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}
