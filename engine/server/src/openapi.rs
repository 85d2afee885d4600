//! The description of both planes, generated from the handlers and their types.

use axum::Json;
use utoipa::OpenApi;
use utoipa::openapi::OpenApi as Description;

use crate::{decide, entries, invalidate, leases, policies, status};

#[derive(OpenApi)]
#[openapi(
    info(title = "Larder", description = "A cache whose rules are programs."),
    tags((name = "data", description = "Decide, read, write, invalidate"),
         (name = "admin", description = "Policies, state, health; on a listener of its own")),
    paths(
        decide::one, decide::batch,
        entries::read, entries::write, entries::delete,
        leases::fill, leases::release,
        invalidate::invalidate, invalidate::sweep, openapi,
        policies::all, policies::one, policies::reload, policies::rollback, policies::pin,
        status::status, status::live, status::ready, status::metrics,
    )
)]
struct Api;

/// The description of both planes (OpenAPI 3.1).
#[must_use]
pub fn describe() -> Description {
    Api::openapi()
}

/// This description.
#[utoipa::path(get, path = "/openapi.json", tag = "data", responses((status = 200, description = "OpenAPI 3.1")))]
pub(crate) async fn openapi() -> Json<Description> {
    Json(describe())
}
