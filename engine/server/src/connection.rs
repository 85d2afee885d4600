//! Connections with timers.
//!
//! axum's own `serve` installs no timer, which leaves its header timeout without effect, and
//! knows no limit for a whole request.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, Response, StatusCode};
use axum::response::IntoResponse;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::Watcher;
use tokio::net::TcpStream;

use crate::access::Plane;
use crate::live::Live;
use crate::problem::Problem;
use crate::unread::Unread;

/// Serves connections of one listener.
#[derive(Clone)]
pub(crate) struct Connections {
    live: Arc<Live>,
    plane: Plane,
}

impl Connections {
    pub(crate) const fn new(live: Arc<Live>, plane: Plane) -> Self {
        Self { live, plane }
    }

    pub(crate) async fn serve(self, stream: TcpStream, watcher: Watcher) {
        // Small answers are written whole; waiting to fill a packet only delays them.
        let _ = stream.set_nodelay(true);
        let header_timeout = self.live.now().settings.header_timeout;
        let builder = builder(header_timeout);
        let asked = Arc::new(AtomicBool::new(false));
        let was_asked = Arc::clone(&asked);
        let unread = Unread::default();
        let service = service_fn(move |request: Request<Incoming>| {
            asked.store(true, Ordering::Relaxed);
            let now = self.live.now();
            let unread = unread.clone();
            let answering = now.gate(self.plane).clone().answer(unread.watch(request));
            let answering = bounded(now.settings.request_timeout, answering);
            async move {
                let mut answer = answering.await?;
                unread.tell(&mut answer);
                Ok::<_, Infallible>(answer)
            }
        });
        let connection = builder.serve_connection(TokioIo::new(stream), service);
        let mut connection = pin!(watcher.watch(connection));
        // The builder's timers start once it knows the version of HTTP, which a client that says
        // nothing, or only the beginning of HTTP/2, would put off for ever.
        let begun = tokio::time::timeout(header_timeout, &mut connection).await;
        let ended = match begun {
            Ok(ended) => ended,
            Err(_elapsed) if was_asked.load(Ordering::Relaxed) => connection.await,
            Err(_elapsed) => return,
        };
        if let Err(error) = ended {
            tracing::debug!("a connection ended: {error}");
        }
    }
}

fn builder(header_timeout: Duration) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(header_timeout);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(header_timeout);
    builder
}

async fn bounded(
    limit: Duration,
    answering: impl Future<Output = Result<Response<Body>, Infallible>>,
) -> Result<Response<Body>, Infallible> {
    match tokio::time::timeout(limit, answering).await {
        Ok(answer) => answer,
        Err(_elapsed) => {
            let detail = format!("the request did not end within {} ms", limit.as_millis());
            let status = StatusCode::GATEWAY_TIMEOUT;
            Ok(Problem::new(status, "request_timeout", detail).into_response())
        }
    }
}
