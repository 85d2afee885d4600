//! The errors of each call: with which status, and as what.

use utoipa::Modify;
use utoipa::openapi::path::Operation;
use utoipa::openapi::{Content, OpenApi, Ref, RefOr, Response};

use super::{calls, name};

/// Says of each call how it can fail.
pub(super) struct Errors;

const KIND: &str = "application/problem+json";

/// A status and what it means, whatever the call.
const MEANINGS: [(&str, &str); 16] = [
    ("400", "The request is wrong; `code` and `detail` say where"),
    ("401", "The plane needs a token"),
    ("403", "The token's scope does not cover the call"),
    (
        "404",
        "There is no such thing, or none in the cache; `code` says which",
    ),
    ("409", "It cannot be done as things are; `code` says why"),
    ("412", "A precondition of the request does not hold"),
    ("413", "The body is too large"),
    ("415", "The body is coded in a way that is not taken"),
    ("422", "The request was understood and is refused"),
    (
        "429",
        "The origin has too many requests; ask again after `Retry-After`",
    ),
    (
        "500",
        "The configuration lacks something, or Larder is at fault",
    ),
    ("501", "This deployment cannot do it"),
    ("502", "The origin failed"),
    (
        "503",
        "It cannot be done now; ask again after `Retry-After`, where there is one",
    ),
    ("504", "It did not end in time"),
    ("default", "Any other error, of an origin for example"),
];

/// The statuses of errors of one call.
fn statuses(path: &str, call: &Operation) -> Vec<&'static str> {
    let mut all = match name(call) {
        "health_live" => return Vec::new(),
        "health_ready" => return vec!["503"],
        "list_policies" | "engine_status" | "scrape_metrics" | "describe_api" => vec![],
        "decide" | "invalidate" => vec!["400", "404", "500"],
        "decide_batch" => vec!["400"],
        "read_entry" | "write_entry" | "delete_entry" => vec![
            "400", "404", "409", "412", "415", "422", "429", "500", "501", "502",
        ],
        "fill_lease" | "release_lease" => vec!["400", "404", "415", "422", "500"],
        "invalidation_progress" | "show_policy" => vec!["400", "404"],
        "reload_policy" | "roll_back_policy" | "pin_policy" => vec!["400", "404", "409", "500"],
        "reload_configuration" => vec!["404", "422", "500"],
        _ => vec!["400", "404", "500"],
    };
    all.extend(["401", "403", "503", "504"]);
    if call.request_body.is_some() || path.ends_with("/letters/retry") {
        all.push("413");
    }
    all
}

fn problem(status: &str) -> Response {
    let known = MEANINGS.iter().find(|(one, _)| *one == status);
    let mut response = Response::new(known.map_or("An error", |(_, meaning)| meaning));
    let schema = Content::new(Some(Ref::from_schema_name("Problem")));
    response.content.insert(KIND.to_owned(), RefOr::T(schema));
    response
}

impl Modify for Errors {
    fn modify(&self, description: &mut OpenApi) {
        for (path, call) in calls(description) {
            let mut all = statuses(path, call);
            if call.responses.responses.contains_key("default") {
                all.push("default");
            }
            for status in all {
                let response = RefOr::T(problem(status));
                call.responses.responses.insert(status.to_owned(), response);
            }
        }
    }
}
