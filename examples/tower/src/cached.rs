//! One request on its way through the cache, or past it.

use std::sync::Arc;

use axum::body::{Body, HttpBody as _};
use axum::http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use larder::{Filling, Invalidation, Lease, Reading, Value};
use tower::Service;

use crate::layer::Settings;
use crate::rules;

/// A request and the service that answers it.
pub(crate) struct Call<S> {
    pub(crate) settings: Arc<Settings>,
    pub(crate) inner: S,
    pub(crate) request: Request<Body>,
}

type Answer<E> = Result<Response<Body>, E>;

impl<S> Call<S>
where
    S: Service<Request<Body>, Response = Response<Body>> + Send + 'static,
    S::Future: Send,
    S::Error: Send,
{
    /// From the cache, or from the service and into the cache.
    pub(crate) async fn get(self, wanted: larder::Request) -> Answer<S::Error> {
        let mut reading = match self.settings.engine.read(wanted).await {
            Ok(reading) => reading,
            Err(error) => {
                tracing::warn!(code = error.code(), "past the cache: {error}");
                return self.forward("bypass", Some(error.code())).await;
            }
        };
        match (reading.value.take(), reading.lease.take()) {
            (Some(value), None) => Ok(answer(value, &reading)),
            (Some(value), Some(lease)) => {
                // The value is stale, and whoever holds the lease refreshes it.
                tokio::spawn(self.load(lease));
                Ok(answer(value, &reading))
            }
            // In a task of its own: a client who goes away must not keep the lease.
            (None, Some(lease)) => seen_through(self.load(lease)).await,
            (None, None) => {
                let forward = reading.outcome.forward().unwrap_or("bypass");
                self.forward(forward, None).await
            }
        }
    }

    /// From the service, whatever the cache has.
    pub(crate) async fn forward(mut self, forward: &str, detail: Option<&str>) -> Answer<S::Error> {
        let mut response = self.inner.call(self.request).await?;
        let detail = detail.map_or_else(String::new, |detail| format!("; detail={detail}"));
        note(&mut response, &format!("fwd={forward}{detail}"));
        Ok(response)
    }

    /// From the service; after that everything of the resource is loaded anew.
    pub(crate) async fn change(self, resource: String) -> Answer<S::Error> {
        // In a task of its own: a client who goes away must not leave a change without its
        // invalidation.
        seen_through(self.change_and_invalidate(resource)).await
    }

    async fn change_and_invalidate(mut self, resource: String) -> Answer<S::Error> {
        let answered = self.inner.call(self.request).await;
        // What was refused has changed nothing. Anything else may have, an error of the server too.
        if let Ok(response) = &answered
            && response.status().is_client_error()
        {
            return answered;
        }
        let what = Invalidation {
            tags: vec![resource],
            ..Invalidation::default()
        };
        let invalidated = self.settings.engine.invalidate(&what).await;
        let mut response = answered?;
        match invalidated {
            Ok(_) => note(&mut response, "fwd=method"),
            Err(error) => {
                tracing::error!("older answers may be served until they end: {error}");
                note(&mut response, "fwd=method; detail=not_invalidated");
            }
        }
        Ok(response)
    }

    /// Calls the service, and stores the answer if it may be stored.
    async fn load(mut self, lease: Lease) -> Answer<S::Error> {
        let answered = self.inner.call(self.request).await;
        let (parts, body) = match answered {
            Ok(response) => response.into_parts(),
            Err(error) => {
                give_up(&self.settings, lease).await;
                return Err(error);
            }
        };
        let (limit, declared) = (self.settings.body_max, &self.settings.headers);
        if let Some(why) = rules::refused(&parts, body.size_hint().exact(), limit, declared) {
            give_up(&self.settings, lease).await;
            let mut response = Response::from_parts(parts, body);
            note(&mut response, &format!("fwd=uri-miss; detail={why}"));
            return Ok(response);
        }
        let Ok(collected) = body.collect().await else {
            give_up(&self.settings, lease).await;
            let mut response = Response::new(Body::from("the answer broke off"));
            *response.status_mut() = StatusCode::BAD_GATEWAY;
            return Ok(response);
        };
        let bytes = collected.to_bytes();
        let kind = parts.headers.get(header::CONTENT_TYPE);
        let value = Value {
            bytes: bytes.clone(),
            content_type: kind.and_then(|kind| kind.to_str().ok()).map(Into::into),
            head: None,
        };
        let filled = self.settings.engine.fill(lease, Some(value), &[]).await;
        let mut response = Response::from_parts(parts, Body::from(bytes));
        note(&mut response, &format!("fwd=uri-miss; {}", stored(filled)));
        Ok(response)
    }
}

/// Runs it to its end, whether or not its caller waits for that.
async fn seen_through<E: Send + 'static>(
    work: impl Future<Output = Answer<E>> + Send + 'static,
) -> Answer<E> {
    match tokio::spawn(work).await {
        Ok(answer) => answer,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_ends) => {
                let mut response = Response::new(Body::empty());
                *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
                Ok(response)
            }
        },
    }
}

async fn give_up(settings: &Settings, lease: Lease) {
    if let Err(error) = settings.engine.release(lease).await {
        tracing::warn!(
            code = error.code(),
            "others wait for a lease to end: {error}"
        );
    }
}

fn stored(filled: Result<Filling, larder::Error>) -> String {
    match filled {
        Ok(Filling {
            ttl_ms: Some(ttl_ms),
            ..
        }) => format!("stored; ttl={}", ttl_ms / 1000),
        Ok(filling) => {
            let why = filling.not_stored.map_or("unknown", |why| why.as_str());
            format!("detail={why}")
        }
        Err(error) => format!("detail={}", error.code()),
    }
}

/// The answer from an entry.
fn answer(value: Value, reading: &Reading) -> Response<Body> {
    let mut response = Response::new(Body::from(value.bytes));
    let kind = value.content_type.map(|kind| HeaderValue::from_str(&kind));
    if let Some(Ok(kind)) = kind {
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
    }
    if let Some(age_ms) = reading.age_ms {
        let age = HeaderValue::from(age_ms / 1000);
        response.headers_mut().insert(header::AGE, age);
    }
    let did = reading.outcome.forward().map(|why| format!("fwd={why}"));
    let did = did.unwrap_or_else(|| "hit".to_owned());
    let ttl = reading.ttl_ms.map(|ms| format!("; ttl={}", ms / 1000));
    note(&mut response, &format!("{did}{}", ttl.unwrap_or_default()));
    response
}

/// Says what the cache did, in the words of RFC 9211, after what caches further in have said.
fn note(response: &mut Response<Body>, did: &str) {
    if let Ok(text) = HeaderValue::from_str(&format!("larder; {did}")) {
        response.headers_mut().append("cache-status", text);
    }
}
