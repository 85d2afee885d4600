//! The servers that answer `POST /v1/decide`, each on a thread and a runtime of its own.
//!
//! The axum handlers take and answer the same JSON types as Larder, decide by plain Rust, and make
//! an id and take the time of the decision as Larder does. They have no routes of policies, no
//! guard, no sandbox and no metrics: that difference is what is measured.

use std::convert::Infallible;
use std::fs;
use std::net::SocketAddr;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use axum::body::Body;
use axum::extract::State;
use axum::http::{Request, Response};
use axum::response::IntoResponse;
use axum::routing::post;
use axum::{Json, Router};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use larder::core::{Clock as _, Identity};
use larder::store::{MemoryConfig, MemoryStore};
use larder::wasm::{Host, Isolation};
use larder::{Engine, Route, SystemClock};
use larder_server::wire::{DecideMetrics, DecideReply, DecideRequest};
use larder_server::{Metrics, Parts, Server, Settings as ServerSettings};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tower::ServiceExt as _;

use crate::settings::Settings;
use crate::{host, native};

/// A server that runs until the program ends.
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    thread: String,
}

impl Running {
    /// How long the server's thread has run on a processor; none where the system does not tell.
    #[must_use]
    pub fn busy(&self) -> Option<Duration> {
        let text = fs::read_to_string(format!("/proc/self/task/{}/schedstat", self.thread)).ok()?;
        let ns = text.split_whitespace().next()?.parse().ok()?;
        Some(Duration::from_nanos(ns))
    }
}

/// Runs `serve` on a runtime with one thread, and waits until it has said where it listens.
fn start<F, S>(serve: F) -> Result<Running>
where
    F: FnOnce(mpsc::Sender<SocketAddr>) -> S + Send + 'static,
    S: Future<Output = Result<()>>,
{
    let (say, said) = mpsc::channel();
    let (name, named) = mpsc::channel();
    thread::Builder::new().spawn(move || {
        let thread = fs::read_link("/proc/thread-self").unwrap_or_default();
        let thread = thread.file_name().unwrap_or_default();
        let _ = name.send(thread.to_string_lossy().into_owned());
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let ended = runtime
            .enable_all()
            .build()
            .map_err(anyhow::Error::from)
            .and_then(|runtime| runtime.block_on(serve(say)));
        if let Err(error) = ended {
            eprintln!("a server ended: {error:#}");
        }
    })?;
    Ok(Running {
        address: said.recv().context("a server did not begin")?,
        thread: named.recv()?,
    })
}

/// Larder's own server with the policy `standard`.
///
/// # Errors
/// The policy does not load, or no port is free.
pub fn larder(module: &[u8], metrics: Metrics) -> Result<Running> {
    let (host, dir) = host::start(module, Isolation::Reuse)?;
    start(move |say| serve_larder(host, dir, metrics, say))
}

async fn serve_larder(
    host: Arc<Host>,
    _dir: TempDir,
    metrics: Metrics,
    say: mpsc::Sender<SocketAddr>,
) -> Result<()> {
    let store = Arc::new(MemoryStore::new(MemoryConfig::default()));
    let builder = Engine::builder(host.clone(), store);
    let parts = Parts {
        engine: builder.route(Route::new("product", host::POLICY)).build()?,
        policies: Some(host),
        metrics,
        reload: None,
    };
    let settings = ServerSettings {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        admin: None,
        ..ServerSettings::default()
    };
    let server = Server::bind(settings, parts).await?;
    say.send(server.addresses().0)?;
    Ok(server.run(std::future::pending()).await?)
}

struct App {
    settings: Settings,
    identity: Arc<Identity>,
}

fn router() -> Router {
    let identity = Identity {
        name: host::POLICY.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        // As long as that of a module, so that the answers have the same size.
        revision: format!("native:{}", "0".repeat(64)),
        contract: "0.1.0".to_owned(),
        settings: String::new(),
    };
    let app = App {
        settings: Settings::same(),
        identity: Arc::new(identity),
    };
    let router = Router::new().route("/v1/decide", post(decide));
    router.with_state(Arc::new(app))
}

async fn decide(
    State(app): State<Arc<App>>,
    Json(asked): Json<DecideRequest>,
) -> axum::response::Response {
    let now = SystemClock.now();
    let Ok(request) = asked.request.into_request() else {
        return axum::http::StatusCode::BAD_REQUEST.into_response();
    };
    let started = Instant::now();
    let decision = native::decide(&app.settings, &request);
    let evaluate_ns = started.elapsed().as_nanos() as u64;
    let mut random = [0; 10];
    fastrand::fill(&mut random);
    Json(DecideReply {
        decision_id: uuid::Builder::from_unix_timestamp_millis(now.0, &random).into_uuid(),
        policy: Arc::clone(&app.identity),
        decision,
        clamped: Vec::new(),
        fallback: None,
        metrics: DecideMetrics { evaluate_ns },
    })
    .into_response()
}

/// The handler under `axum::serve`, which has no timers.
///
/// # Errors
/// No port is free.
pub fn axum_serve() -> Result<Running> {
    start(async |say| {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        say.send(listener.local_addr()?)?;
        Ok(axum::serve(listener, router()).await?)
    })
}

/// The handler on connections like Larder's: hyper-util with a timer for the head of a request and
/// a limit for the whole.
///
/// # Errors
/// No port is free.
pub fn axum_with_timers() -> Result<Running> {
    start(async |say| {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        say.send(listener.local_addr()?)?;
        let limits = ServerSettings::default();
        let mut builder = Builder::new(TokioExecutor::new());
        let http1 = &mut builder.http1();
        http1
            .timer(TokioTimer::new())
            .header_read_timeout(limits.header_timeout);
        let (builder, router) = (Arc::new(builder), router());
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let (builder, router) = (Arc::clone(&builder), router.clone());
            tokio::spawn(async move {
                let service = service_fn(move |request: Request<Incoming>| {
                    let answering = router.clone().oneshot(request.map(Body::new));
                    bounded(limits.request_timeout, answering)
                });
                let _ = builder
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    })
}

async fn bounded(
    limit: Duration,
    answering: impl Future<Output = Result<Response<Body>, Infallible>>,
) -> Result<Response<Body>, Infallible> {
    match tokio::time::timeout(limit, answering).await {
        Ok(answer) => answer,
        Err(_elapsed) => Ok(axum::http::StatusCode::GATEWAY_TIMEOUT.into_response()),
    }
}
