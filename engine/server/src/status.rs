//! State and health, on the admin plane.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use larder::OutboxStatus;
use larder::store::Health;

use crate::problem::Problem;
use crate::routes::App;
use crate::wire::{OutboxReply, RouteStatus, StatusReply, StoreStatus};

/// What the engine says of itself.
#[utoipa::path(get, path = "/v1/status", operation_id = "engine_status", tag = "admin", responses((status = 200, body = StatusReply, description = "The state of the engine")))]
pub(crate) async fn status(State(app): State<Arc<App>>) -> Json<StatusReply> {
    let status = app.engine.status();
    let troubles = app.engine.origin_troubles();
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
                origin_trouble: route
                    .origin
                    .as_deref()
                    .and_then(|name| troubles.get(name).cloned()),
                origin: route.origin,
                origin_summary,
            })
            .collect(),
        outboxes: app.engine.outboxes().into_iter().map(outbox).collect(),
    })
}

fn outbox(status: OutboxStatus) -> OutboxReply {
    OutboxReply {
        origin: status.origin.to_string(),
        summary: status.summary,
        lag_ms: status.lag_ms,
        why: status.why,
    }
}

/// Whether the process answers at all.
#[utoipa::path(get, path = "/health/live", operation_id = "health_live", tag = "admin", security(()), responses((status = 200, body = String, content_type = "text/plain", description = "It does")))]
pub(crate) async fn live() -> &'static str {
    "live\n"
}

/// Whether requests should be sent here: every routed policy has a build that serves, none has asked
/// for encryption where there is no key, every origin that was reached has what is configured, and no
/// shutdown has begun. A store that is down, an origin that was not reached yet or an outbox that is
/// behind is named and no reason to send them elsewhere: they would only meet the same one there,
/// and fewer nodes to go without it.
#[utoipa::path(get, path = "/health/ready", operation_id = "health_ready", tag = "admin", security(()),
    responses((status = 200, body = String, content_type = "text/plain", description = "They should; what is away all the same is named"), (status = 503, description = "They should go elsewhere", body = crate::wire::Problem, content_type = "application/problem+json")))]
pub(crate) async fn ready(State(app): State<Arc<App>>) -> Result<String, Problem> {
    let not_ready = |detail| Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not_ready", detail);
    if app.draining.load(Ordering::Relaxed) {
        return Err(not_ready("shutting down".to_owned()));
    }
    let keyless = app.engine.policies_without_keys();
    if !keyless.is_empty() {
        return Err(not_ready(format!(
            "values of {} are to be encrypted, and there is no [vault], so none is cached; add one \
             with a key ring that `larder key` makes",
            named(keyless)
        )));
    }
    let troubles = app.engine.origin_troubles();
    let unfit = app.engine.unfit_origins();
    if let Some((name, why)) = troubles.iter().find(|(name, _)| unfit.contains(*name)) {
        return Err(not_ready(format!(
            "the origin `{name}` cannot be used: {why}"
        )));
    }
    let ready = in_words(&app.engine.store_health(), &troubles, app.engine.outboxes());
    let Some(host) = &app.policies else {
        return Ok(ready);
    };
    let all = host.status();
    let serves = |name: &str| {
        let mut all = all.iter();
        all.any(|policy| policy.name == name && policy.current.is_some())
    };
    let routed = app.engine.status().routes.into_iter();
    let missing: BTreeSet<String> = routed
        .map(|(route, _)| route.policy)
        .filter(|policy| !serves(policy))
        .collect();
    if missing.is_empty() {
        return Ok(ready);
    }
    let detail = format!(
        "no build serves for {}; `GET /v1/policies` says why",
        named(missing)
    );
    Err(not_ready(detail))
}

fn named(all: impl IntoIterator<Item = String>) -> String {
    let all: Vec<_> = all.into_iter().map(|name| format!("`{name}`")).collect();
    all.join(", ")
}

fn in_words(
    store: &Health,
    origins: &BTreeMap<Arc<str>, String>,
    outboxes: Vec<OutboxStatus>,
) -> String {
    let store = store
        .why()
        .map(|why| format!("with the store {}: {why}", store.as_str()));
    let origins = origins
        .iter()
        .map(|(name, why)| format!("with the origin `{name}` not in use yet: {why}"));
    let outboxes = outboxes.into_iter().filter_map(|one| {
        let (origin, seconds, why) = (one.origin, one.lag_ms / 1000, one.why?);
        Some(format!(
            "with the outbox of `{origin}` {seconds} s behind: {why}"
        ))
    });
    let mut all = vec!["ready".to_owned()];
    all.extend(store.into_iter().chain(origins).chain(outboxes));
    all.join(", ") + "\n"
}

/// Prometheus text.
#[utoipa::path(get, path = "/metrics", operation_id = "scrape_metrics", tag = "admin", responses((status = 200, body = String, content_type = "text/plain", description = "The text format of Prometheus")))]
pub(crate) async fn metrics(State(app): State<Arc<App>>) -> Response {
    metrics::gauge!("larder_requests_in_flight").set(app.in_flight.taken() as f64);
    let up = !matches!(app.engine.store_health(), Health::Down { .. });
    metrics::gauge!("larder_store_up").set(f64::from(u8::from(up)));
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4")];
    (kind, app.metrics.render()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_away_is_named() {
        let down = Health::Down {
            why: "refused".into(),
        };
        let shop = BTreeMap::from([("shop".into(), "no table".into())]);
        for (store, origins, words) in [
            (&Health::Up, &BTreeMap::new(), "ready\n"),
            (
                &down,
                &BTreeMap::new(),
                "ready, with the store down: refused\n",
            ),
            (
                &down,
                &shop,
                "ready, with the store down: refused, with the origin `shop` not in use yet: no table\n",
            ),
        ] {
            assert_eq!(in_words(store, origins, Vec::new()), words);
        }
        let outbox = |why: Option<&str>| OutboxStatus {
            origin: "shop".into(),
            summary: String::new(),
            lag_ms: 12_345,
            why: why.map(ToOwned::to_owned),
        };
        let outboxes = vec![outbox(None), outbox(Some("refused"))];
        assert_eq!(
            in_words(&Health::Up, &BTreeMap::new(), outboxes),
            "ready, with the outbox of `shop` 12 s behind: refused\n"
        );
    }
}
