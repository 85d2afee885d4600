//! Purge and expire.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use larder::invalidate::NO_PATTERNS;

use crate::access::Caller;
use crate::body;
use crate::problem::Problem;
use crate::routes::App;
use crate::wire::{InvalidateReply, InvalidateRequest};

/// The most names of one call: each costs a step in the store.
const NAMES_MAX: usize = 10_000;

/// Makes entries stale by key, tag and namespace. After the answer no read serves them, and no
/// load that began before brings them back.
#[utoipa::path(post, path = "/v1/invalidate", tag = "data", request_body = InvalidateRequest,
    responses((status = 200, body = InvalidateReply),
        (status = "default", body = crate::wire::Problem, content_type = "application/problem+json")))]
pub(crate) async fn invalidate(
    State(app): State<Arc<App>>,
    caller: Caller,
    body: Body,
) -> Result<Response, Problem> {
    let asked: InvalidateRequest = body::json(body, app.body_max, "an invalidation").await?;
    caller.may_invalidate(&asked)?;
    check(&asked)?;
    let mode = asked.mode;
    let done = app.engine.invalidate(&asked.into()).await?;
    let reply = InvalidateReply {
        mode,
        bumped: done.bumped,
        removed: done.removed,
        complete: done.complete,
    };
    Ok(Json(reply).into_response())
}

fn check(asked: &InvalidateRequest) -> Result<(), Problem> {
    if !asked.patterns.is_empty() {
        return Err(larder::Error::Unsupported(NO_PATTERNS).into());
    }
    let count = asked.keys.len() + asked.tags.len() + asked.namespaces.len();
    if count == 0 {
        let detail = "nothing to invalidate: give `keys`, `tags` or `namespaces`";
        return Err(Problem::bad("nothing_to_invalidate", detail));
    }
    if count > NAMES_MAX {
        let detail = format!("{count} names in one call; at most {NAMES_MAX} are taken");
        return Err(Problem::bad("too_many_names", detail));
    }
    let keys = asked
        .keys
        .iter()
        .flat_map(|name| [&name.namespace, &name.key]);
    if keys
        .chain(&asked.tags)
        .chain(&asked.namespaces)
        .any(String::is_empty)
    {
        let detail = "a key, tag or namespace is empty; each has to name something";
        return Err(Problem::bad("empty_name", detail));
    }
    Ok(())
}
