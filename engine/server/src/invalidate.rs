//! Purge and expire.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::access::Caller;
use crate::body;
use crate::inputs::HeaderTenant;
use crate::problem::Problem;
use crate::routes::App;
use crate::wire::{FoundReply, InvalidateReply, InvalidateRequest, SweepReply};

/// The most names of one call: each costs a step in the store.
const NAMES_MAX: usize = 10_000;

/// Makes entries stale by row, key, tag, namespace and pattern. After the answer no read serves them,
/// and no load that began before brings them back.
#[utoipa::path(post, path = "/v1/invalidate", operation_id = "invalidate", tag = "data", request_body = InvalidateRequest,
    responses((status = 200, body = InvalidateReply, description = "What was done, and what was there of each name"),
        (status = "default", body = crate::wire::Problem, content_type = "application/problem+json")))]
pub(crate) async fn invalidate(
    State(app): State<Arc<App>>,
    caller: Caller,
    tenant: HeaderTenant,
    body: Body,
) -> Result<Response, Problem> {
    let mut asked: InvalidateRequest = body::json(body, app.body_max, "an invalidation").await?;
    tenant.settle(&mut asked.tenant)?;
    caller.may_invalidate(&asked)?;
    check(&asked)?;
    let mode = asked.mode;
    let done = app.engine.invalidate(&asked.clone().into()).await?;
    let reply = InvalidateReply {
        mode,
        bumped: done.bumped,
        removed: done.removed,
        banned: done.banned,
        complete: done.complete,
        sweeps: done.sweeps.iter().map(ToString::to_string).collect(),
        found: FoundReply::of(asked, &done.found),
    };
    Ok(Json(reply).into_response())
}

/// How far the sweep behind a pattern is.
#[utoipa::path(get, path = "/v1/invalidations/{id}", operation_id = "invalidation_progress", tag = "data",
    params(("id" = String, Path, description = "as the invalidation's answer named it")),
    responses((status = 200, body = SweepReply, description = "How far it is"),
        (status = "default", body = crate::wire::Problem, content_type = "application/problem+json")))]
pub(crate) async fn sweep(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Json<SweepReply>, Problem> {
    let Some(sweep) = app.engine.sweep_of(&id) else {
        let detail = "this node knows no such sweep; it remembers the latest 128 of its own";
        return Err(Problem::new(StatusCode::NOT_FOUND, "no_sweep", detail));
    };
    let progress = sweep.progress();
    Ok(Json(SweepReply {
        id,
        scanned: progress.scanned,
        removed: progress.removed,
        complete: progress.complete,
        failed: progress.failed,
    }))
}

fn check(asked: &InvalidateRequest) -> Result<(), Problem> {
    let rows_and_keys = asked.rows.len() + asked.keys.len();
    let count = rows_and_keys + asked.tags.len() + asked.namespaces.len() + asked.patterns.len();
    if count == 0 {
        let detail =
            "nothing to invalidate: give `rows`, `keys`, `tags`, `namespaces` or `patterns`";
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
    let patterns = asked.patterns.iter().map(|name| &name.namespace);
    if keys
        .chain(patterns)
        .chain(&asked.tags)
        .chain(&asked.namespaces)
        .any(String::is_empty)
    {
        let detail = "a key, tag or namespace is empty; each has to name something";
        return Err(Problem::bad("empty_name", detail));
    }
    Ok(())
}
