//! The layer and its service: what goes through the cache, and what past it.

use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderName, Method, Request, Response};
use futures_util::future::BoxFuture;
use larder::Engine;
use tower::{Layer, Service};

use crate::cached::Call;
use crate::rules;

type Resource = dyn Fn(&Parts) -> Option<String> + Send + Sync;

/// Wraps the GET routes of an application into a cache.
#[derive(Clone)]
pub(crate) struct CacheLayer(Arc<Settings>);

#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) engine: Engine,
    resource: Arc<Resource>,
    pub(crate) headers: Vec<HeaderName>,
    pub(crate) body_max: u64,
}

impl CacheLayer {
    /// Caches what `resource` has a name for, by the policy of that resource's route.
    pub(crate) fn new(
        engine: Engine,
        resource: impl Fn(&Parts) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(Settings {
            engine,
            resource: Arc::new(resource),
            headers: Vec::new(),
            body_max: 1 << 20,
        }))
    }

    /// Shows the header to the policy, as `header.` and its name; what an answer depends on has to
    /// be declared.
    pub(crate) fn header(mut self, name: HeaderName) -> Self {
        Arc::make_mut(&mut self.0).headers.push(name);
        self
    }

    /// Stores bodies of up to so many bytes; the default is 1 MiB.
    pub(crate) fn body_max(mut self, bytes: u64) -> Self {
        Arc::make_mut(&mut self.0).body_max = bytes;
        self
    }
}

impl<S> Layer<S> for CacheLayer {
    type Service = Cache<S>;

    fn layer(&self, inner: S) -> Cache<S> {
        let settings = Arc::clone(&self.0);
        Cache { settings, inner }
    }
}

/// A service behind a cache.
#[derive(Clone)]
pub(crate) struct Cache<S> {
    settings: Arc<Settings>,
    inner: S,
}

impl<S> Service<Request<Body>> for Cache<S>
where
    S: Service<Request<Body>, Response = Response<Body>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Response<Body>, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        // The clone has not been asked whether it is ready; the one that was goes along.
        let next = self.inner.clone();
        let inner = std::mem::replace(&mut self.inner, next);
        let settings = Arc::clone(&self.settings);
        let (parts, body) = request.into_parts();
        let Some(resource) = (settings.resource)(&parts) else {
            return Box::pin(async move { past(inner, Request::from_parts(parts, body)).await });
        };
        let wanted = settings.wanted(&parts, &resource);
        let (get, changes) = (parts.method == Method::GET, rules::changes(&parts.method));
        let passes = rules::passes(&parts, &settings.headers);
        let call = Call {
            settings,
            inner,
            request: Request::from_parts(parts, body),
        };
        Box::pin(async move {
            match (wanted, passes) {
                _ if changes => call.change(resource).await,
                _ if !get => call.forward("method", None).await,
                (_, Some(why)) => call.forward("bypass", Some(why)).await,
                (None, None) => call.forward("bypass", Some("unreadable")).await,
                (Some(wanted), None) => call.get(wanted).await,
            }
        })
    }
}

async fn past<S>(mut inner: S, request: Request<Body>) -> Result<Response<Body>, S::Error>
where
    S: Service<Request<Body>, Response = Response<Body>>,
{
    inner.call(request).await
}

impl Settings {
    /// The request as the engine knows requests; none where a declared header is no text.
    fn wanted(&self, parts: &Parts, resource: &str) -> Option<larder::Request> {
        let uri = &parts.uri;
        let id = match uri.query() {
            Some(query) => format!("{}?{query}", uri.path()),
            None => uri.path().to_owned(),
        };
        let mut wanted = larder::Request::read(resource, id);
        for name in &self.headers {
            let lines = parts.headers.get_all(name).iter();
            let lines: Option<Vec<_>> = lines.map(|line| line.to_str().ok()).collect();
            let lines = lines?;
            if !lines.is_empty() {
                wanted = wanted.with(format!("header.{name}"), lines.join(", "));
            }
        }
        Some(wanted)
    }
}
