//! State and health, on the admin plane.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use larder::store::Health;

use crate::problem::Problem;
use crate::routes::App;
use crate::wire::{RouteStatus, StatusReply, StoreStatus};

/// What the engine says of itself.
#[utoipa::path(get, path = "/v1/status", tag = "admin", responses((status = 200, body = StatusReply)))]
pub(crate) async fn status(State(app): State<Arc<App>>) -> Json<StatusReply> {
    let status = app.engine.status();
    let routes = status.routes.into_iter();
    Json(StatusReply {
        version: env!("CARGO_PKG_VERSION"),
        uptime_ms: app.started.elapsed().as_millis() as u64,
        store: StoreStatus {
            kind: status.store.kind,
            health: status.health.as_str(),
            why: status.health.why().map(ToOwned::to_owned),
            entries: status.store.entries,
            bytes: status.store.bytes,
            capacity: status.store.capacity,
        },
        routes: routes
            .map(|(route, origin_summary)| RouteStatus {
                resource: route.resource,
                policy: route.policy,
                origin: route.origin,
                origin_summary,
            })
            .collect(),
    })
}

/// Whether the process answers at all.
#[utoipa::path(get, path = "/health/live", tag = "admin", security(()), responses((status = 200, description = "It does")))]
pub(crate) async fn live() -> &'static str {
    "live\n"
}

/// Whether requests should be sent here: every routed policy has a build that serves, and no
/// shutdown has begun. A store that is down is named and no reason to send them elsewhere: they
/// would only meet the same store there, and fewer nodes to go without it.
#[utoipa::path(get, path = "/health/ready", tag = "admin", security(()),
    responses((status = 200, description = "They should"), (status = 503, body = crate::wire::Problem, content_type = "application/problem+json")))]
pub(crate) async fn ready(State(app): State<Arc<App>>) -> Result<String, Problem> {
    let not_ready = |detail| Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not_ready", detail);
    if app.draining.load(Ordering::Relaxed) {
        return Err(not_ready("shutting down".to_owned()));
    }
    let health = app.engine.store_health();
    let ready = match health.why() {
        None => "ready\n".to_owned(),
        Some(why) => format!("ready, with the store {}: {why}\n", health.as_str()),
    };
    let Some(host) = &app.policies else {
        return Ok(ready);
    };
    let routed = app.engine.status().routes;
    let missing: Vec<_> = host
        .status()
        .into_iter()
        .filter(|policy| policy.current.is_none())
        .filter(|policy| routed.iter().any(|(route, _)| route.policy == policy.name))
        .map(|policy| format!("`{}`", policy.name))
        .collect();
    if missing.is_empty() {
        return Ok(ready);
    }
    let detail = format!(
        "no build serves for {}; `GET /v1/policies` says why",
        missing.join(", ")
    );
    Err(not_ready(detail))
}

/// Prometheus text.
#[utoipa::path(get, path = "/metrics", tag = "admin", responses((status = 200, description = "Prometheus text")))]
pub(crate) async fn metrics(State(app): State<Arc<App>>) -> Response {
    metrics::gauge!("larder_requests_in_flight").set(app.in_flight.taken() as f64);
    let up = !matches!(app.engine.store_health(), Health::Down { .. });
    metrics::gauge!("larder_store_up").set(f64::from(u8::from(up)));
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4")];
    (kind, app.metrics.render()).into_response()
}
