//! The application: one read through the cache, and one invalidation.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use larder::{Engine, Error, Invalidation, Reading, Request};

use crate::database::Database;

#[derive(Clone)]
pub(crate) struct App {
    pub(crate) engine: Engine,
    pub(crate) database: Arc<Database>,
}

pub(crate) fn router(app: App) -> Router {
    Router::new()
        .route("/product/{id}", get(read))
        .route("/product/{id}/invalidate", post(invalidate))
        .with_state(app)
}

async fn read(State(app): State<App>, Path(id): Path<String>) -> Result<Response, Failure> {
    let request = Request::read("product", id.as_str());
    let database = app.database;
    let load = move || async move { database.product(&id).await };
    let reading = app.engine.get_or_load(request, load).await?;
    let status = [("cache-status", cache_status(&reading))];
    Ok(match reading.value {
        Some(value) => {
            let kind = [(header::CONTENT_TYPE, "application/json")];
            (status, kind, value.bytes).into_response()
        }
        None => (StatusCode::NOT_FOUND, status).into_response(),
    })
}

/// Makes the row and all that was derived from it stale, under whatever key it lies.
async fn invalidate(State(app): State<App>, Path(id): Path<String>) -> Result<StatusCode, Failure> {
    let what = Invalidation {
        tags: vec![format!("product:{id}")],
        ..Invalidation::default()
    };
    app.engine.invalidate(&what).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What the cache did, in the words of RFC 9211.
fn cache_status(reading: &Reading) -> String {
    let did = match reading.outcome.forward() {
        Some(reason) => format!("fwd={reason}"),
        None => "hit".to_owned(),
    };
    let ttl = reading.ttl_ms.map(|ms| format!("; ttl={}", ms / 1000));
    format!("embed; {did}{}", ttl.unwrap_or_default())
}

/// An error of the engine as an answer.
struct Failure(Error);

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status = match self.0 {
            Error::Request(_) => StatusCode::BAD_REQUEST,
            _ => StatusCode::BAD_GATEWAY,
        };
        (status, self.0.to_string()).into_response()
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http;
    use http_body_util::BodyExt as _;
    use tower::ServiceExt as _;

    use super::*;
    use crate::policy::Native;

    fn app() -> App {
        App {
            engine: crate::engine(Arc::new(Native::new())).unwrap(),
            database: Arc::default(),
        }
    }

    async fn call(app: &App, method: &str, path: &str) -> (StatusCode, String, String) {
        let request = http::Request::builder().method(method).uri(path);
        let request = request.body(Body::empty()).unwrap();
        let answer = router(app.clone()).oneshot(request).await.unwrap();
        let header = answer.headers().get("cache-status");
        let cache = header.map_or("", |text| text.to_str().unwrap()).to_owned();
        let status = answer.status();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, cache, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn two_reads_are_one_load_and_an_invalidation_one_more() {
        let app = app();
        let (_, cache, first) = call(&app, "GET", "/product/42").await;
        assert!(cache.starts_with("embed; fwd=uri-miss; ttl="), "{cache}");
        let (_, cache, second) = call(&app, "GET", "/product/42").await;
        assert!(cache.starts_with("embed; hit; ttl="), "{cache}");
        assert_eq!((first.as_str(), app.database.loads()), (second.as_str(), 1));

        let (status, ..) = call(&app, "POST", "/product/42/invalidate").await;
        assert_eq!(status, StatusCode::NO_CONTENT);
        let (_, cache, third) = call(&app, "GET", "/product/42").await;
        assert!(cache.starts_with("embed; fwd=uri-miss"), "{cache}");
        assert_eq!(
            (third.as_str(), app.database.loads()),
            (r#"{"id":42,"load":2}"#, 2)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn readers_at_the_same_time_share_one_load() {
        let app = app();
        let reads = (0..10).map(|_| {
            let app = app.clone();
            tokio::spawn(async move { call(&app, "GET", "/product/7").await.0 })
        });
        for read in reads.collect::<Vec<_>>() {
            assert_eq!(read.await.unwrap(), StatusCode::OK);
        }
        assert_eq!(app.database.loads(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_database_does_not_have_is_not_found() {
        let (status, ..) = call(&app(), "GET", "/product/none").await;
        assert_eq!(status, StatusCode::NOT_FOUND);
    }
}
