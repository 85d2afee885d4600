//! An axum application with a cache inside: no server beside it, the same rules.
//!
//! ```sh
//! cargo run -p larder-example-embed                  # the policy in policy.rs decides
//! cargo run -p larder-example-embed -- policies      # standard.wasm in that folder decides
//! curl -i localhost:3000/product/42
//! curl -X POST localhost:3000/product/42/invalidate
//! ```

mod app;
mod database;
mod policy;

use std::sync::Arc;

use anyhow::Context as _;
use larder::core::Policies;
use larder::store::{MemoryConfig, MemoryStore};
use larder::wasm::{Host, HostConfig};
use larder::{Engine, Route};

use crate::app::App;
use crate::policy::Native;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let policies: Arc<dyn Policies> = match std::env::args_os().nth(1) {
        Some(folder) => Host::start(HostConfig::new(folder))?,
        None => Arc::new(Native::new()),
    };
    let address = "127.0.0.1:3000";
    let listener = tokio::net::TcpListener::bind(address).await;
    let listener = listener.with_context(|| format!("cannot listen on {address}"))?;
    let app = App {
        engine: engine(policies)?,
        database: Arc::default(),
    };
    eprintln!("serving on http://{address}/product/42");
    axum::serve(listener, app::router(app)).await?;
    Ok(())
}

/// Products are decided about by the policy `standard`; this program is their origin.
fn engine(policies: Arc<dyn Policies>) -> anyhow::Result<Engine> {
    let store = Arc::new(MemoryStore::new(MemoryConfig::default()));
    let builder = Engine::builder(policies, store);
    Ok(builder.route(Route::new("product", "standard")).build()?)
}
