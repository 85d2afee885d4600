//! An application that knows nothing of caching.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::json;

/// Counts what its handlers were asked.
#[derive(Clone, Default)]
pub(crate) struct Calls(Arc<AtomicU64>);

impl Calls {
    fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::SeqCst) + 1
    }

    #[cfg(test)]
    pub(crate) fn count(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

pub(crate) fn router(calls: Calls) -> Router {
    Router::new()
        .route("/products/{id}", get(product).put(change))
        .route("/login", post(login))
        .with_state(calls)
}

async fn product(
    State(calls): State<Calls>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> impl IntoResponse {
    let language = headers.get(header::ACCEPT_LANGUAGE);
    let language = language.and_then(|text| text.to_str().ok()).unwrap_or("en");
    let body = json!({"id": id, "language": language, "call": calls.next()});
    ([(header::VARY, "accept-language")], Json(body))
}

async fn change(Path(id): Path<String>) -> StatusCode {
    match id.as_str() {
        "none" => StatusCode::NOT_FOUND,
        _ => StatusCode::NO_CONTENT,
    }
}

async fn login() -> impl IntoResponse {
    (
        [(header::SET_COOKIE, "session=1; HttpOnly")],
        StatusCode::OK,
    )
}
