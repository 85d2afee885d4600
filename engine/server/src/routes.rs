//! The two planes.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use axum::Router;
use axum::http::{Method, StatusCode, Uri};
use axum::routing::{get, post, put};
use larder::Engine;
use larder::wasm::Host;

use crate::access::Access;
use crate::builds::Builds;
use crate::in_flight::InFlight;
use crate::live::{Live, Next};
use crate::metrics::Metrics;
use crate::problem::Problem;
use crate::seal::Seal;
use crate::server::{BindError, Parts};
use crate::settings::Settings;
use crate::{decide, entries, invalidate, leases, openapi, policies, queue, reload, status};

/// What the handlers share.
pub(crate) struct App {
    pub(crate) engine: Engine,
    pub(crate) policies: Option<Arc<Host>>,
    pub(crate) metrics: Metrics,
    pub(crate) access: Arc<Access>,
    pub(crate) in_flight: Arc<InFlight>,
    pub(crate) seal: Arc<Seal>,
    pub(crate) builds: Arc<Builds>,
    pub(crate) body_max: usize,
    /// How long a request may take.
    pub(crate) request_timeout: Duration,
    /// How long a cache in front that many ask may keep an answer.
    pub(crate) shared_max_age: Duration,
    pub(crate) started: Instant,
    pub(crate) draining: Arc<AtomicBool>,
    /// The server, for calls that change it; gone where there is none.
    pub(crate) live: Weak<Live>,
}

impl App {
    pub(crate) fn new(parts: Parts, settings: &Settings) -> Result<Self, BindError> {
        crate::problem::register();
        let seal = Seal::new(settings.lease_secret.as_deref());
        Ok(Self {
            engine: parts.engine,
            policies: parts.policies,
            metrics: parts.metrics,
            access: Arc::new(Access::new(settings.tokens.clone())),
            in_flight: Arc::new(InFlight::new(settings.max_in_flight)),
            seal: Arc::new(seal.map_err(|error| BindError::Secret(error.to_string()))?),
            builds: Arc::default(),
            body_max: settings.body_max_bytes,
            request_timeout: settings.request_timeout,
            shared_max_age: settings.shared_max_age,
            started: Instant::now(),
            draining: Arc::default(),
            live: Weak::new(),
        })
    }

    /// The same server by what it is to go by from now on.
    pub(crate) fn revised(&self, next: Next) -> Self {
        let settings = next.settings;
        let in_flight = match self.in_flight.max() == settings.max_in_flight {
            true => Arc::clone(&self.in_flight),
            false => Arc::new(InFlight::new(settings.max_in_flight)),
        };
        Self {
            engine: next.engine,
            policies: next.policies,
            metrics: self.metrics.clone(),
            access: Arc::new(Access::new(settings.tokens)),
            in_flight,
            seal: Arc::clone(&self.seal),
            // Routes may lead to other policies now.
            builds: Arc::default(),
            body_max: settings.body_max_bytes,
            request_timeout: settings.request_timeout,
            shared_max_age: settings.shared_max_age,
            started: self.started,
            draining: Arc::clone(&self.draining),
            live: Weak::clone(&self.live),
        }
    }
}

/// What applications call.
pub(crate) fn data(app: Arc<App>) -> Router {
    let entry = get(entries::read)
        .put(entries::write)
        .delete(entries::delete);
    Router::new()
        .route("/v1/decide", post(decide::one))
        .route("/v1/decide/batch", post(decide::batch))
        .route("/v1/entries/{resource}/{*id}", entry)
        .route(
            "/v1/leases/{lease}",
            put(leases::fill).delete(leases::release),
        )
        .route("/v1/invalidate", post(invalidate::invalidate))
        .route("/v1/invalidations/{id}", get(invalidate::sweep))
        .route("/openapi.json", get(openapi::openapi))
        .method_not_allowed_fallback(wrong_method)
        .fallback(nothing_on_data)
        .with_state(app)
}

/// What operators call.
pub(crate) fn admin(app: Arc<App>) -> Router {
    Router::new()
        .route("/v1/policies", get(policies::all))
        .route("/v1/policies/{name}", get(policies::one))
        .route("/v1/policies/{name}/reload", post(policies::reload))
        .route("/v1/policies/{name}/rollback", post(policies::rollback))
        .route("/v1/policies/{name}/pin", post(policies::pin))
        .route("/v1/reload", post(reload::reload))
        .route("/v1/queue", get(queue::status))
        .route("/v1/queue/letters", get(queue::letters))
        .route("/v1/queue/letters/retry", post(queue::retry))
        .route("/v1/queue/letters/drop", post(queue::drop_letters))
        .route("/v1/queue/letters/{*id}", get(queue::letter))
        .route("/v1/status", get(status::status))
        .route("/health/live", get(status::live))
        .route("/health/ready", get(status::ready))
        .route("/metrics", get(status::metrics))
        .route("/openapi.json", get(openapi::openapi))
        .method_not_allowed_fallback(wrong_method)
        .fallback(nothing_on_admin)
        .with_state(app)
}

/// Beginnings of paths of the data plane, for those who ask the other one.
const DATA: [&str; 4] = ["/v1/decide", "/v1/entries", "/v1/leases", "/v1/invalidat"];

/// Those of the admin plane.
const ADMIN: [&str; 6] = [
    "/v1/policies",
    "/v1/reload",
    "/v1/queue",
    "/v1/status",
    "/health",
    "/metrics",
];

async fn nothing_on_data(method: Method, uri: Uri) -> Problem {
    let of_the_other = ADMIN.iter().any(|begin| uri.path().starts_with(begin));
    let hint = match uri.path() {
        path if path.starts_with("/v1/entries") => "; an entry is /v1/entries/RESOURCE/ID",
        _ if of_the_other => "; that is on the admin listener",
        _ => DESCRIBED,
    };
    nothing(&method, &uri, hint)
}

async fn nothing_on_admin(method: Method, uri: Uri) -> Problem {
    let of_the_other = DATA.iter().any(|begin| uri.path().starts_with(begin));
    let hint = match of_the_other {
        true => "; that is on the data listener",
        false => DESCRIBED,
    };
    nothing(&method, &uri, hint)
}

const DESCRIBED: &str = "; /openapi.json describes what there is";

fn nothing(method: &Method, uri: &Uri, hint: &str) -> Problem {
    let path = larder::core::request::clip(uri.path());
    let detail = format!("there is no `{method} {path}` here{hint}");
    Problem::new(StatusCode::NOT_FOUND, "no_such_path", detail)
}

async fn wrong_method(method: Method, uri: Uri) -> Problem {
    let path = larder::core::request::clip(uri.path());
    let detail = format!("`{path}` does not take {method}; /openapi.json says what it takes");
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "wrong_method", detail)
}
