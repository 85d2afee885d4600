//! Leases: what an application loaded, handed in.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{Request, StatusCode};
use axum::response::{IntoResponse, Response};
use larder::Lease;

use crate::access::{Ability, Caller};
use crate::body;
use crate::inputs::{self, PathPart};
use crate::problem::Problem;
use crate::routes::App;
use crate::stored;
use crate::wire::FillReply;

/// Hands in what was loaded under a lease. The body is the value, its headers are the response
/// attributes of the policy; with `?absent=true` the origin has no such thing.
#[utoipa::path(put, path = "/v1/leases/{lease}", operation_id = "fill_lease", tag = "data",
    params(("lease" = String, Path, description = "From `Larder-Lease`"), ("absent" = Option<bool>, Query, description = "There is no such thing")),
    responses((status = 200, body = FillReply, description = "Whether the value is served from now on"),
        (status = "default", body = crate::wire::Problem, content_type = "application/problem+json")))]
pub(crate) async fn fill(
    State(app): State<Arc<App>>,
    caller: Caller,
    PathPart(lease): PathPart,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let lease = opened(&app, &caller, &lease)?;
    let (parts, body) = request.into_parts();
    let absent = match parts.uri.query() {
        None | Some("") => false,
        Some("absent=true") => true,
        Some("absent=false") => false,
        Some(other) => {
            let other = larder::core::request::clip(other);
            let detail = format!("the query `{other}` is not `absent=true` or `absent=false`");
            return Err(Problem::bad("invalid_query", detail));
        }
    };
    let bytes = body::read(body, app.body_max).await?;
    let value = stored::value(&parts.headers, bytes, &stored::OF_LOADED)?;
    let status = if absent { "404" } else { "200" };
    let attributes = inputs::response_attributes(&parts, status);
    let value = (!absent).then_some(value);
    let filling = app.engine.fill(lease, value, &attributes).await?;
    Ok(Json(FillReply::from(filling)).into_response())
}

/// Gives a lease up, and wakes those who wait for it.
#[utoipa::path(delete, path = "/v1/leases/{lease}", operation_id = "release_lease", tag = "data",
    params(("lease" = String, Path, description = "From `Larder-Lease`")),
    responses((status = 204, description = "Given up"),
        (status = "default", body = crate::wire::Problem, content_type = "application/problem+json")))]
pub(crate) async fn release(
    State(app): State<Arc<App>>,
    caller: Caller,
    PathPart(lease): PathPart,
) -> Result<Response, Problem> {
    let lease = opened(&app, &caller, &lease)?;
    app.engine.release(lease).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// The lease, if the caller might have got it from a read of its own.
fn opened(app: &App, caller: &Caller, text: &str) -> Result<Lease, Problem> {
    let (tenant, lease) = app.seal.open(text)?;
    let (resource, _) = lease.names();
    caller.may(Ability::Read, &tenant, resource)?;
    Ok(lease)
}
