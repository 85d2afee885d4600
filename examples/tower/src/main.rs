//! A tower layer that caches the GET routes of an axum application; README.md says what it keeps
//! and what it refuses to.
//!
//! ```sh
//! cargo run -p larder-example-tower
//! curl -i localhost:3001/products/42
//! curl -i -X PUT localhost:3001/products/42
//! ```

mod app;
mod cached;
mod layer;
mod policy;
mod rules;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use anyhow::Context as _;
use axum::Router;
use axum::http::header;
use axum::http::request::Parts;
use larder::core::Clock;
use larder::store::{MemoryConfig, MemoryStore};
use larder::{Engine, Route, SystemClock};

use crate::layer::CacheLayer;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let address = "127.0.0.1:3001";
    let listener = tokio::net::TcpListener::bind(address).await;
    let listener = listener.with_context(|| format!("cannot listen on {address}"))?;
    let engine = engine(Arc::new(SystemClock))?;
    eprintln!("serving on http://{address}/products/42");
    axum::serve(listener, cached(app::router(app::Calls::default()), engine)).await?;
    Ok(())
}

/// Every resource is decided about by the program's own policy.
fn engine(clock: Arc<dyn Clock>) -> anyhow::Result<Engine> {
    let store = Arc::new(MemoryStore::new(MemoryConfig::default()));
    let policies = policy::Native::policies(policy::pages);
    let builder = Engine::builder(policies, store).clock(clock);
    Ok(builder.route(Route::new("*", policy::NAME)).build()?)
}

fn cached(routes: Router, engine: Engine) -> Router {
    let layer = CacheLayer::new(engine, resource)
        .header(header::ACCEPT_LANGUAGE)
        .body_max(64 * 1024);
    routes.layer(layer)
}

/// What is under `/products` is a resource; the rest is nobody's business but the application's.
fn resource(parts: &Parts) -> Option<String> {
    let (first, _) = parts.uri.path().strip_prefix('/')?.split_once('/')?;
    (first == "products").then(|| first.to_owned())
}
