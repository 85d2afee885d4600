//! The write-behind queue and its dead letters, on the admin plane.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use larder::QueueView;
use larder::store::queue::{LetterId, Letters};

use crate::body;
use crate::inputs::PathPart;
use crate::problem::Problem;
use crate::routes::App;
use crate::wire::queue::{
    LetterReply, LettersDone, LettersQuery, LettersReply, LettersRequest, QueueReply,
};

const LETTERS_DEFAULT: usize = 100;
const LETTERS_MAX: usize = 1_000;

/// How full the queue is, and what an acknowledged write can be lost by.
#[utoipa::path(get, path = "/v1/queue", operation_id = "queue_status", tag = "admin",
    responses((status = 200, body = QueueReply, description = "The state of the queue"), (status = "default", body = crate::wire::Problem, content_type = "application/problem+json")))]
pub(crate) async fn status(State(app): State<Arc<App>>) -> Result<Json<QueueReply>, Problem> {
    let queue = queue(&app)?;
    let depth = queue.depth().await?;
    Ok(Json(QueueReply::new(&queue, depth)))
}

/// Writes that their origin refused, or that follow one of the same row.
#[utoipa::path(get, path = "/v1/queue/letters", operation_id = "list_dead_letters", tag = "admin", params(LettersQuery),
    responses((status = 200, body = LettersReply, description = "Dead letters, oldest first, without their values"), (status = "default", body = crate::wire::Problem, content_type = "application/problem+json")))]
pub(crate) async fn letters(
    State(app): State<Arc<App>>,
    query: Result<Query<LettersQuery>, QueryRejection>,
) -> Result<Json<LettersReply>, Problem> {
    let Query(query) = query.map_err(|error| {
        let detail = format!("{}; there are `after` and `limit`", error.body_text());
        Problem::bad("invalid_query", detail)
    })?;
    let after = query.after.as_deref().map(id).transpose()?;
    let limit = query.limit.unwrap_or(LETTERS_DEFAULT).clamp(1, LETTERS_MAX);
    let letters = queue(&app)?.letters(after.as_ref(), limit).await?;
    let full = letters.len() == limit;
    let last = letters.last().filter(|_| full);
    Ok(Json(LettersReply {
        next: last.map(|letter| letter.id.to_string()),
        letters: letters.iter().map(LetterReply::outline).collect(),
    }))
}

/// One dead letter, with its value where that is a text and not encrypted.
#[utoipa::path(get, path = "/v1/queue/letters/{id}", operation_id = "show_dead_letter", tag = "admin",
    params(("id" = String, Path, description = "ORIGIN/PARTITION/NUMBER")),
    responses((status = 200, body = LetterReply, description = "The dead letter"), (status = "default", body = crate::wire::Problem, content_type = "application/problem+json")))]
pub(crate) async fn letter(
    State(app): State<Arc<App>>,
    PathPart(name): PathPart,
) -> Result<Json<LetterReply>, Problem> {
    let found = queue(&app)?.letter(&id(&name)?).await?;
    let letter = found.ok_or_else(|| no_letter(&name))?;
    Ok(Json(LetterReply::whole(&letter)))
}

/// Puts dead letters back to where they were, in their order, and with each the others of its row.
#[utoipa::path(post, path = "/v1/queue/letters/retry", operation_id = "retry_dead_letters", tag = "admin", request_body = LettersRequest,
    responses((status = 200, body = LettersDone, description = "How many it were"), (status = "default", body = crate::wire::Problem, content_type = "application/problem+json")))]
pub(crate) async fn retry(
    State(app): State<Arc<App>>,
    body: Body,
) -> Result<Json<LettersDone>, Problem> {
    let which = which(&app, body).await?;
    let letters = queue(&app)?.retry(&which).await?;
    done(&which, letters)
}

/// Drops dead letters for good: these acknowledged writes are lost. Reads see what the origin holds
/// from the answer on.
#[utoipa::path(post, path = "/v1/queue/letters/drop", operation_id = "drop_dead_letters", tag = "admin", request_body = LettersRequest,
    responses((status = 200, body = LettersDone, description = "How many it were"), (status = "default", body = crate::wire::Problem, content_type = "application/problem+json")))]
pub(crate) async fn drop_letters(
    State(app): State<Arc<App>>,
    body: Body,
) -> Result<Json<LettersDone>, Problem> {
    let which = which(&app, body).await?;
    let letters = queue(&app)?.forget(&which).await?;
    done(&which, letters)
}

fn done(which: &Letters, letters: u64) -> Result<Json<LettersDone>, Problem> {
    match which {
        Letters::One(id) if letters == 0 => Err(no_letter(&id.to_string())),
        _ => Ok(Json(LettersDone { letters })),
    }
}

async fn which(app: &App, body: Body) -> Result<Letters, Problem> {
    let asked: LettersRequest = body::json(body, app.body_max, "a choice of dead letters").await?;
    match (asked.id, asked.all) {
        (Some(name), false) => Ok(Letters::One(id(&name)?)),
        (None, true) => Ok(Letters::All),
        _ => Err(Problem::bad(
            "no_choice",
            "say which dead letters: either `id`, or `all`: true",
        )),
    }
}

fn queue(app: &App) -> Result<QueueView, Problem> {
    app.engine.queue().ok_or_else(|| {
        let detail = "this engine has no write-behind queue; `[write_behind]` in larder.toml sets \
                      one up";
        Problem::new(StatusCode::NOT_FOUND, "no_queue", detail)
    })
}

fn id(name: &str) -> Result<LetterId, Problem> {
    name.parse()
        .map_err(|error: larder::store::queue::NoLetterId| {
            Problem::bad("invalid_letter", error.to_string())
        })
}

fn no_letter(name: &str) -> Problem {
    let name = larder::core::request::clip(name);
    let detail = format!(
        "there is no dead letter `{name}`: it was flushed, dropped, or never one; `GET \
         /v1/queue/letters` lists those there are"
    );
    Problem::new(StatusCode::NOT_FOUND, "no_letter", detail)
}
