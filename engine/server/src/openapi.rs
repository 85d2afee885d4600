//! The description of both planes, generated from the handlers and their types.

mod errors;
mod headers;
#[cfg(test)]
mod tests;
mod values;

use axum::Json;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{OpenApi as Description, PathItem};
use utoipa::{Modify, OpenApi};

use self::errors::Errors;
use self::headers::Headers;
use self::values::Values;
use crate::{decide, entries, invalidate, leases, policies, queue, reload, status};

#[derive(OpenApi)]
#[openapi(
    info(title = "Larder", description = "A cache whose rules are programs."),
    tags((name = "data", description = "Decide, read, write, invalidate"),
         (name = "admin", description = "Policies, the write-behind queue, state, health; on a listener of its own")),
    modifiers(&Tokens, &Values, &Errors, &Headers),
    // Nothing, where the plane is open; otherwise a token.
    security((), ("token" = [])),
    paths(
        decide::one, decide::batch,
        entries::read, entries::write, entries::delete,
        leases::fill, leases::release,
        invalidate::invalidate, invalidate::sweep, openapi,
        policies::all, policies::one, policies::reload, policies::rollback, policies::pin,
        reload::reload,
        queue::status, queue::letters, queue::letter, queue::retry, queue::drop_letters,
        status::status, status::live, status::ready, status::metrics,
    )
)]
struct Api;

/// Adds how tokens are sent.
struct Tokens;

impl Modify for Tokens {
    fn modify(&self, description: &mut Description) {
        let mut scheme = Http::new(HttpAuthScheme::Bearer);
        scheme.description = Some(
            "A token of the server's configuration, made by `larder token`. Once one is \
             configured for a plane, every call of that plane needs one, health checks aside; \
             without any the plane listens on loopback only. No token or an unknown one is \
             answered 401 `unauthenticated`, one whose scope does not cover the call 403 \
             `forbidden`."
                .to_owned(),
        );
        let components = description.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(scheme));
    }
}

/// Every call with the path it is on.
fn calls(description: &mut Description) -> impl Iterator<Item = (&str, &mut Operation)> {
    let paths = description.paths.paths.iter_mut();
    paths.flat_map(|(path, item)| of_path(item).map(move |call| (path.as_str(), call)))
}

fn of_path(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let PathItem {
        get,
        put,
        post,
        delete,
        ..
    } = item;
    [get, put, post, delete].into_iter().flatten()
}

/// The name of a call.
fn name(call: &Operation) -> &str {
    call.operation_id.as_deref().unwrap_or_default()
}

/// The description of both planes (OpenAPI 3.1).
#[must_use]
pub fn describe() -> Description {
    Api::openapi()
}

/// This description.
#[utoipa::path(get, path = "/openapi.json", operation_id = "describe_api", tag = "data", responses((status = 200, body = Object, description = "OpenAPI 3.1")))]
pub(crate) async fn openapi() -> Json<Description> {
    Json(describe())
}
