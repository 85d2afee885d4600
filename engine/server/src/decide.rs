//! Decisions without acting on them.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};

use crate::access::{Ability, Caller};
use crate::body;
use crate::inputs::HeaderTenant;
use crate::problem::Problem;
use crate::routes::App;
use crate::wire::{BatchReply, BatchRequest, BatchResult, DecideReply, DecideRequest};

/// The most requests of one batch.
const BATCH_MAX: usize = 1_000;
/// After how many decisions of a batch other requests get their turn: a policy at its deadline
/// takes ten milliseconds for each.
const BATCH_TURN: usize = 16;

/// Decides about a request by policy, and does nothing else.
#[utoipa::path(post, path = "/v1/decide", operation_id = "decide", tag = "data", request_body = DecideRequest,
    responses((status = 200, body = DecideReply, description = "The decision"), (status = "default", body = crate::wire::Problem, content_type = "application/problem+json")))]
pub(crate) async fn one(
    State(app): State<Arc<App>>,
    caller: Caller,
    tenant: HeaderTenant,
    body: Body,
) -> Result<Response, Problem> {
    let asked = body::json(body, app.body_max, "a decide request").await?;
    Ok(Json(decide(&app, (&caller, &tenant), asked)?).into_response())
}

/// Decides about up to 1,000 requests. One that fails is an error in its place.
#[utoipa::path(post, path = "/v1/decide/batch", operation_id = "decide_batch", tag = "data", request_body = BatchRequest,
    responses((status = 200, body = BatchReply, description = "A decision or an error for each request, in order"), (status = "default", body = crate::wire::Problem, content_type = "application/problem+json")))]
pub(crate) async fn batch(
    State(app): State<Arc<App>>,
    caller: Caller,
    tenant: HeaderTenant,
    body: Body,
) -> Result<Response, Problem> {
    let asked: BatchRequest = body::json(body, app.body_max, "a batch of decide requests").await?;
    let count = asked.requests.len();
    if count > BATCH_MAX {
        let detail = format!("the batch has {count} requests; at most {BATCH_MAX} are taken");
        return Err(Problem::bad("batch_too_large", detail));
    }
    let mut results = Vec::with_capacity(count);
    for (i, one) in asked.requests.into_iter().enumerate() {
        if i % BATCH_TURN == BATCH_TURN - 1 {
            tokio::task::yield_now().await;
        }
        results.push(match decide(&app, (&caller, &tenant), one) {
            Ok(reply) => BatchResult::Decided(Box::new(reply)),
            Err(problem) => BatchResult::Failed {
                error: problem.wire(),
            },
        });
    }
    Ok(Json(BatchReply { results }).into_response())
}

fn decide(
    app: &App,
    (caller, tenant): (&Caller, &HeaderTenant),
    mut asked: DecideRequest,
) -> Result<DecideReply, Problem> {
    tenant.settle(&mut asked.request.tenant)?;
    let request = asked.request.into_request()?;
    caller.may(Ability::Decide, &request.tenant, &request.resource)?;
    let decided = match &asked.policy {
        Some(policy) => app.engine.decide_with(policy, &request)?,
        None => app.engine.decide(&request)?,
    };
    Ok(decided.into())
}
