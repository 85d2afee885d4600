//! The data plane without a socket, for tests that ask it many times a second.

use std::sync::Arc;

use axum::body::Body;
pub use axum::http;
use bytes::Bytes;
use http_body_util::BodyExt as _;
use larder::Engine;

use crate::access::Plane;
use crate::gate::Gate;
use crate::metrics::Metrics;
use crate::routes::{self, App};
use crate::server::{BindError, Parts};
use crate::settings::Settings;

/// The routes of the data plane with what stands before them. Timers are the connection's, and
/// are not here.
pub struct Direct(Gate);

impl Direct {
    /// The plane of a server with these settings; where it listens does not matter.
    ///
    /// # Errors
    /// [`BindError::Secret`].
    pub fn new(engine: Engine, settings: &Settings) -> Result<Self, BindError> {
        let parts = Parts {
            engine,
            policies: None,
            metrics: Metrics::of_nobody(),
            reload: None,
        };
        let app = Arc::new(App::new(parts, settings)?);
        let (access, limit) = (Arc::clone(&app.access), Arc::clone(&app.in_flight));
        let router = routes::data(app);
        Ok(Self(Gate::new(router, Plane::Data, access, Some(limit))))
    }

    /// The whole answer to one request.
    pub async fn answer(&self, request: http::Request<Bytes>) -> http::Response<Bytes> {
        let answer = self.0.clone().answer(request.map(Body::from)).await;
        let (head, body) = answer.unwrap_or_else(|never| match never {}).into_parts();
        // The routes stream nothing, so that a body does not break off.
        let body = body
            .collect()
            .await
            .map(http_body_util::Collected::to_bytes);
        http::Response::from_parts(head, body.unwrap_or_default())
    }
}
