//! The configuration is read again, on the admin plane.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use crate::live::no_configuration;
use crate::problem::Problem;
use crate::routes::App;
use crate::wire::ReloadReply;

/// Reads the configuration again, and takes over all that can change without a restart, or nothing.
#[utoipa::path(post, path = "/v1/reload", operation_id = "reload_configuration", tag = "admin",
    responses((status = 200, body = ReloadReply, description = "What was taken over, and what needs a restart"), (status = "default", body = crate::wire::Problem, content_type = "application/problem+json")))]
pub(crate) async fn reload(State(app): State<Arc<App>>) -> Result<Json<ReloadReply>, Problem> {
    let live = app.live.upgrade().ok_or_else(no_configuration)?;
    live.reload().await.map(Json)
}
