//! Reads, writes and deletes by strategy.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use larder::core::Outcome;
use larder::{Operation, Reading, Value, Writing};
use tokio::time::Instant;

use crate::access::{Ability, Caller};
use crate::deadline::time_for;
use crate::front::{self, Audience};
use crate::headers::{add_decided, add_read, insert};
use crate::inputs;
use crate::problem::Problem;
use crate::routes::App;
use crate::stored;
use crate::wire::WriteReply;
use crate::{body, conditional, targeted};

/// The longest `Idempotency-Key`, in bytes.
const OPERATION_MAX: usize = 255;

type Names = Result<Path<(String, String)>, PathRejection>;

/// Reads an entry by the strategy that its policy chooses. The query and the headers are
/// attributes; `Larder-Context-*` headers are the attributes `context.*`, `Larder-Tenant` is the
/// tenant. `HEAD` answers as `GET` does and changes nothing. A cache-aside miss is 404 with
/// `Larder-Lease`. `Larder-Timeout-Ms` says how long the client waits, where that is less than the
/// server would: by then there is a stale value if one may be served, or else 504
/// `deadline_exceeded`; the load goes on for others.
#[utoipa::path(get, path = "/v1/entries/{resource}/{id}", operation_id = "read_entry", tag = "data",
    params(("resource" = String, Path, description = "The kind of thing"), ("id" = String, Path, description = "Which one; may hold slashes")),
    responses((status = 200, description = "The value, in its own content type"),
        (status = "default", body = crate::wire::Problem, content_type = "application/problem+json")))]
pub(crate) async fn read(
    State(app): State<Arc<App>>,
    caller: Caller,
    names: Names,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let (parts, _) = request.into_parts();
    let request = inputs_of(&caller, Operation::Read, names, &parts)?;
    let (tenant, resource) = (request.tenant.clone(), request.resource.clone());
    let deadline = Instant::now() + time_for(app.request_timeout, &parts.headers)?;
    let reading = match parts.method == Method::HEAD {
        true => app.engine.look_by(request, deadline).await?,
        false => app.engine.read_by(request, deadline).await?,
    };
    let answer = answer(&app, (&tenant, &resource), reading, Audience::of(&parts))?;
    Ok(conditional::answer(&parts.headers, answer))
}

fn answer(
    app: &App,
    (tenant, resource): (&str, &str),
    mut reading: Reading,
    audience: Audience,
) -> Result<Response, Problem> {
    let cached = reading.age_ms.is_some();
    let mut response = match (reading.value.take(), reading.absent.take()) {
        (Some(value), _) => stored::response(value, cached),
        (None, Some(said)) if !said.bytes.is_empty() => stored::response(said, cached),
        (None, said) => {
            let mut problem = missing(resource, &reading);
            let status = said.iter().find_map(|said| said.head.as_ref());
            problem.status = status
                .and_then(|head| StatusCode::from_u16(head.status()).ok())
                .unwrap_or(problem.status);
            let mut response = problem.into_response();
            response.headers_mut().remove(header::CACHE_CONTROL);
            if let Some(said) = said {
                stored::add_others(response.headers_mut(), &said, cached);
            }
            response
        }
    };
    let headers = response.headers_mut();
    let build = &reading.decided.policy;
    add_read(
        headers,
        &reading,
        &app.builds.of(&app.engine, resource, build),
    );
    front::add(headers, &reading, audience, app.shared_max_age);
    add_cookies(headers, &reading.cookies);
    if !app.shared_max_age.is_zero() {
        targeted::add(headers);
    }
    if let Some(lease) = &reading.lease {
        insert(headers, "larder-lease", &app.seal.close(tenant, lease)?);
        insert(headers, "larder-lease-ttl-ms", &lease.ttl_ms().to_string());
    }
    Ok(response)
}

/// Cookies are for who asked, and so is an answer with any.
fn add_cookies(headers: &mut HeaderMap, cookies: &[Bytes]) {
    for cookie in cookies {
        if let Ok(cookie) = HeaderValue::from_maybe_shared(cookie.clone()) {
            headers.append(header::SET_COOKIE, cookie);
            front::forbid(headers);
        }
    }
}

fn missing(resource: &str, reading: &Reading) -> Problem {
    let (code, detail) = match reading.outcome {
        Outcome::Leased => (
            "leased",
            "not in the cache; load it, and PUT it to /v1/leases/{Larder-Lease} before the lease \
             ends, or DELETE the lease to let others load"
                .to_owned(),
        ),
        Outcome::Unleased => (
            "unleased",
            "not in the cache; a GET gives the lease to fill it".to_owned(),
        ),
        Outcome::LeasedElsewhere => (
            "leased_elsewhere",
            "not in the cache, and somebody else is loading it; ask again, or load it for \
             yourself without storing it"
                .to_owned(),
        ),
        Outcome::StoreDown if reading.not_stored.is_none() => (
            "store_down",
            "the cache cannot be reached; load it for yourself, nothing can be stored now"
                .to_owned(),
        ),
        Outcome::Bypass if reading.not_stored.is_none() => (
            "bypassed",
            format!(
                "the policy chose bypass ({}) and the route has no origin; load it yourself",
                reading.decided.decision.reason
            ),
        ),
        _ => ("not_found", format!("the origin has no such `{resource}`")),
    };
    Problem::new(StatusCode::NOT_FOUND, code, detail)
}

/// Writes an entry by the strategy that its policy chooses. The body is the value.
///
/// Under `write_behind` the answer is 202: the write is in the queue, `Larder-Queue` says where,
/// and its origin will have it later. Who got no answer repeats it with the same
/// `Idempotency-Key`; within ten minutes it is queued once.
///
/// What an HTTP origin answers is told beside it: its status in `origin_status`, which is the answer's
/// where it is 201 or 202, and its header lines but for those about a body and about caching.
#[utoipa::path(put, path = "/v1/entries/{resource}/{id}", operation_id = "write_entry", tag = "data",
    params(("resource" = String, Path, description = "The kind of thing"), ("id" = String, Path, description = "Which one; may hold slashes")),
    responses((status = 200, body = WriteReply, description = "What was done"),
        (status = 201, body = WriteReply, description = "An HTTP origin has made it anew"),
        (status = 202, body = WriteReply, description = "Queued for its origin, durably; or an HTTP origin will do it later"),
        (status = "default", body = crate::wire::Problem, content_type = "application/problem+json")))]
pub(crate) async fn write(
    State(app): State<Arc<App>>,
    caller: Caller,
    names: Names,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let request = inputs_of(&caller, Operation::Write, names, &parts)?;
    let resource = request.resource.clone();
    let operation = operation_id(&parts)?;
    let value = value_of(&parts, body, app.body_max).await?;
    let writing = match operation {
        Some(id) => app.engine.write_once(request, value, &id).await,
        None => app.engine.write(request, value).await,
    };
    Ok(written(
        &app,
        &resource,
        writing.map_err(Problem::of_write)?,
    ))
}

/// Deletes an entry by the strategy that its policy chooses; as `PUT` under `write_behind`, and with
/// what an HTTP origin answers.
#[utoipa::path(delete, path = "/v1/entries/{resource}/{id}", operation_id = "delete_entry", tag = "data",
    params(("resource" = String, Path, description = "The kind of thing"), ("id" = String, Path, description = "Which one; may hold slashes")),
    responses((status = 200, body = WriteReply, description = "What was done"),
        (status = 201, body = WriteReply, description = "An HTTP origin answered so"),
        (status = 202, body = WriteReply, description = "Queued for its origin, durably; or an HTTP origin will do it later"),
        (status = "default", body = crate::wire::Problem, content_type = "application/problem+json")))]
pub(crate) async fn delete(
    State(app): State<Arc<App>>,
    caller: Caller,
    names: Names,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let (parts, _) = request.into_parts();
    let request = inputs_of(&caller, Operation::Delete, names, &parts)?;
    let resource = request.resource.clone();
    let writing = match operation_id(&parts)? {
        Some(id) => app.engine.delete_once(request, &id).await,
        None => app.engine.delete(request).await,
    };
    Ok(written(
        &app,
        &resource,
        writing.map_err(Problem::of_write)?,
    ))
}

/// The `Idempotency-Key` of a write, quoted or bare.
fn operation_id(parts: &Parts) -> Result<Option<String>, Problem> {
    let Some(header) = parts.headers.get("idempotency-key") else {
        return Ok(None);
    };
    let text = header.to_str().unwrap_or_default().trim();
    let bare = text
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    let id = bare.unwrap_or(text);
    if id.is_empty() || id.len() > OPERATION_MAX {
        let detail = format!(
            "the header `Idempotency-Key` is not 1 to {OPERATION_MAX} characters of ASCII; a UUID \
             is one way to make it"
        );
        return Err(Problem::bad("invalid_header", detail));
    }
    Ok(Some(id.to_owned()))
}

fn written(app: &App, resource: &str, writing: Writing) -> Response {
    let mut headers = HeaderMap::with_capacity(12);
    let mut status = StatusCode::OK;
    if let Some(queued) = &writing.queued {
        status = StatusCode::ACCEPTED;
        insert(&mut headers, "larder-queue", &queued.id.to_string());
    }
    if let Some(said) = &writing.said {
        stored::add_written(&mut headers, said);
        status = stored::status_of_write(said);
    }
    let cached = match writing.not_stored {
        None => "Larder; fwd=method; stored",
        Some(_) => "Larder; fwd=method",
    };
    headers.insert("cache-status", HeaderValue::from_static(cached));
    let decided = &writing.decided;
    let words = app.builds.of(&app.engine, resource, &decided.policy);
    add_decided(&mut headers, decided, &words);
    (status, headers, Json(WriteReply::from(writing))).into_response()
}

fn inputs_of(
    caller: &Caller,
    operation: Operation,
    names: Names,
    parts: &Parts,
) -> Result<larder::Request, Problem> {
    let Path((resource, id)) = names.map_err(|rejection| {
        let detail = format!("the path is not /v1/entries/RESOURCE/ID in UTF-8: {rejection}");
        Problem::bad("invalid_path", detail)
    })?;
    let request = inputs::request(operation, resource, id, parts)?;
    let ability = match operation {
        Operation::Read => Ability::Read,
        Operation::Write | Operation::Delete => Ability::Write,
    };
    caller.may(ability, &request.tenant, &request.resource)?;
    Ok(request)
}

/// The body as a value, with what the request's headers say of it.
async fn value_of(parts: &Parts, body: Body, max: usize) -> Result<Value, Problem> {
    let bytes = body::read(body, max).await?;
    stored::value(&parts.headers, bytes, &[])
}
