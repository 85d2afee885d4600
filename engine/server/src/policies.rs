//! The policies and what can be done to them, on the admin plane.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use larder::wasm::{Host, HostError, PolicyStatus};

use crate::body;
use crate::inputs::PathPart;
use crate::problem::Problem;
use crate::routes::App;
use crate::wire::PinRequest;

/// All policies: their builds, their state and why a file was refused.
#[utoipa::path(get, path = "/v1/policies", operation_id = "list_policies", tag = "admin",
    responses((status = 200, description = "An array of policies", body = Vec<Object>)))]
pub(crate) async fn all(State(app): State<Arc<App>>) -> Json<Vec<PolicyStatus>> {
    Json(
        app.policies
            .as_ref()
            .map_or_else(Vec::new, |host| host.status()),
    )
}

/// One policy.
#[utoipa::path(get, path = "/v1/policies/{name}", operation_id = "show_policy", tag = "admin",
    params(("name" = String, Path, description = "Its name in the configuration")),
    responses((status = 200, body = Object, description = "The policy: its builds, their state, and why a file was refused"), (status = "default", body = crate::wire::Problem, content_type = "application/problem+json")))]
pub(crate) async fn one(
    State(app): State<Arc<App>>,
    PathPart(name): PathPart,
) -> Result<Response, Problem> {
    let all = host(&app)?.status();
    let known = all.into_iter().find(|policy| policy.name == name);
    match known {
        Some(policy) => Ok(Json(policy).into_response()),
        None => Err(larder::Error::NoPolicy(name).into()),
    }
}

/// Looks at a policy's file again, and loads it if it changed.
#[utoipa::path(post, path = "/v1/policies/{name}/reload", operation_id = "reload_policy", tag = "admin",
    params(("name" = String, Path, description = "Its name in the configuration")),
    responses((status = 200, body = Object, description = "The policy: its builds, their state, and why a file was refused"), (status = "default", body = crate::wire::Problem, content_type = "application/problem+json")))]
pub(crate) async fn reload(
    State(app): State<Arc<App>>,
    PathPart(name): PathPart,
) -> Result<Response, Problem> {
    act(&app, move |host| host.reload(&name)).await
}

/// Goes back to the build before, and pins it.
#[utoipa::path(post, path = "/v1/policies/{name}/rollback", operation_id = "roll_back_policy", tag = "admin",
    params(("name" = String, Path, description = "Its name in the configuration")),
    responses((status = 200, body = Object, description = "The policy: its builds, their state, and why a file was refused"), (status = "default", body = crate::wire::Problem, content_type = "application/problem+json")))]
pub(crate) async fn rollback(
    State(app): State<Arc<App>>,
    PathPart(name): PathPart,
) -> Result<Response, Problem> {
    act(&app, move |host| host.rollback(&name)).await
}

/// Pins a policy to a build, or ends the pin.
#[utoipa::path(post, path = "/v1/policies/{name}/pin", operation_id = "pin_policy", tag = "admin", request_body = PinRequest,
    params(("name" = String, Path, description = "Its name in the configuration")),
    responses((status = 200, body = Object, description = "The policy: its builds, their state, and why a file was refused"), (status = "default", body = crate::wire::Problem, content_type = "application/problem+json")))]
pub(crate) async fn pin(
    State(app): State<Arc<App>>,
    PathPart(name): PathPart,
    body: Body,
) -> Result<Response, Problem> {
    let asked: PinRequest = body::json(body, app.body_max, "a pin").await?;
    act(&app, move |host| host.pin(&name, asked.revision.as_deref())).await
}

/// Loading and compiling take milliseconds, which no request should wait behind.
async fn act<F>(app: &App, what: F) -> Result<Response, Problem>
where
    F: FnOnce(&Host) -> Result<PolicyStatus, HostError> + Send + 'static,
{
    match app.live.upgrade() {
        // The host of this request may have been replaced since it began.
        Some(live) => live.in_turn(async |app| act_on(&app, what).await).await,
        None => act_on(app, what).await,
    }
}

async fn act_on<F>(app: &App, what: F) -> Result<Response, Problem>
where
    F: FnOnce(&Host) -> Result<PolicyStatus, HostError> + Send + 'static,
{
    let host = Arc::clone(host(app)?);
    let done = tokio::task::spawn_blocking(move || what(&host)).await;
    match done {
        Ok(Ok(status)) => Ok(Json(status).into_response()),
        Ok(Err(error)) => Err(refused(&error)),
        Err(error) => Err(Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            format!("the policy host broke off: {error}"),
        )),
    }
}

fn host(app: &App) -> Result<&Arc<Host>, Problem> {
    app.policies.as_ref().ok_or_else(|| {
        let detail =
            "this engine runs no WebAssembly policies: its policies are part of the program";
        Problem::new(StatusCode::NOT_FOUND, "no_policy_host", detail)
    })
}

fn refused(error: &HostError) -> Problem {
    let (status, code) = match error {
        HostError::UnknownPolicy { .. } => (StatusCode::NOT_FOUND, "no_policy"),
        _ => (StatusCode::CONFLICT, "policy_unchanged"),
    };
    Problem::new(status, code, error.to_string())
}
