//! Larder's headers, of requests and of answers.

use utoipa::Modify;
use utoipa::openapi::path::{Operation, Parameter, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, SchemaType};
use utoipa::openapi::{Header, OpenApi, RefOr, Required, Schema, Type};

use super::{calls, name};

/// Describes the headers that calls take and answers carry.
pub(super) struct Headers;

/// What answers of entries carry.
const DECIDED: [(&str, &str); 3] = [
    (
        "Larder-Policy",
        "The build that decided: name, version, revision, and `fallback` where another rule did",
    ),
    (
        "Larder-Decision-Id",
        "Names the decision in logs; ordered by time",
    ),
    (
        "Larder-Reason",
        "Why the cache was left alone, where it was",
    ),
];
const READ: [(&str, &str); 2] = [
    (
        "Cache-Status",
        "How the cache handled it (RFC 9211); the last member is Larder's",
    ),
    ("Age", "How old the value is, in seconds"),
];
const LEASED: [(&str, &str); 2] = [
    ("Larder-Lease", "The right to fill the entry, on `leased`"),
    ("Larder-Lease-Ttl-Ms", "How long it lasts, in milliseconds"),
];
const QUEUED: (&str, &str) = (
    "Larder-Queue",
    "Where in the write-behind queue the write is",
);
const RETRY: (&str, &str) = (
    "Retry-After",
    "In how many seconds to ask again, where waiting helps",
);
const TOKEN: (&str, &str) = ("WWW-Authenticate", "`Bearer`");

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::Type(Type::String))
}

fn parameter(name: &str, description: &str, schema: ObjectBuilder) -> RefOr<Parameter> {
    let mut parameter = Parameter::new(name);
    parameter.parameter_in = ParameterIn::Header;
    parameter.required = Required::False;
    parameter.description = Some(description.to_owned());
    parameter.schema = Some(RefOr::T(Schema::Object(schema.build())));
    RefOr::T(parameter)
}

/// What a call takes beside what its handler says.
fn taken(call: &str) -> Vec<RefOr<Parameter>> {
    let tenant = || {
        let form = text()
            .max_length(Some(256))
            .pattern(Some("^([!-$&-~]|%[0-9A-Fa-f]{2})*$"));
        parameter(
            "Larder-Tenant",
            "Whose data, percent-encoded; leave it out where there is one tenant",
            form,
        )
    };
    let key = || {
        let form = text()
            .min_length(Some(1))
            .max_length(Some(255))
            .pattern(Some("^[!-~]+$"));
        parameter(
            "Idempotency-Key",
            "Names this write, for a client that may repeat it; under `write_behind` it is queued once",
            form,
        )
    };
    match call {
        "read_entry" => {
            let form = ObjectBuilder::new()
                .schema_type(SchemaType::Type(Type::Integer))
                .minimum(Some(1))
                .maximum(Some(u32::MAX));
            let words = "How long the client waits for the answer, in milliseconds; no longer than the server allows";
            vec![tenant(), parameter("Larder-Timeout-Ms", words, form)]
        }
        "write_entry" | "delete_entry" => vec![tenant(), key()],
        "decide" | "decide_batch" | "invalidate" => vec![tenant()],
        _ => Vec::new(),
    }
}

/// What answers to a call carry.
fn carried(call: &str, status: &str) -> Vec<(&'static str, &'static str)> {
    let mut all = Vec::new();
    match call {
        "read_entry" if matches!(status, "200" | "404") => {
            all.extend(READ);
            all.extend(DECIDED);
        }
        "write_entry" | "delete_entry" if status.starts_with('2') => {
            all.push(READ[0]);
            all.extend(DECIDED);
        }
        _ => {}
    }
    match (call, status) {
        ("read_entry", "404") => all.extend(LEASED),
        ("write_entry" | "delete_entry", "202") => all.push(QUEUED),
        (_, "401") => all.push(TOKEN),
        (_, "429" | "503") => all.push(RETRY),
        _ => {}
    }
    all
}

fn header(description: &str) -> RefOr<Header> {
    let mut header = Header::new(text().build());
    header.description = Some(description.to_owned());
    RefOr::T(header)
}

/// A parameter that may be left out is not one that may be null.
fn never_null(call: &mut Operation) {
    for parameter in call.parameters.iter_mut().flatten() {
        if let RefOr::T(Parameter {
            schema: Some(RefOr::T(Schema::Object(object))),
            ..
        }) = parameter
            && let SchemaType::Array(kinds) = &mut object.schema_type
        {
            kinds.retain(|kind| *kind != Type::Null);
            if let [one] = kinds.as_slice() {
                object.schema_type = SchemaType::Type(one.clone());
            }
        }
    }
}

/// The names of an entry have the limits of those of any request.
fn names_in_path(call: &mut Operation) {
    for parameter in call.parameters.iter_mut().flatten() {
        let RefOr::T(parameter) = parameter else {
            continue;
        };
        let longest = match parameter.name.as_str() {
            "resource" => larder::Request::MAX_NAME,
            "id" => larder::Request::MAX_ID,
            _ => continue,
        };
        let form = text()
            .min_length(Some(1))
            .max_length(Some(longest))
            .pattern(Some(r"^[^\u0000-\u001F\u007F-\u009F]*$"));
        parameter.schema = Some(RefOr::T(Schema::Object(form.build())));
    }
}

impl Modify for Headers {
    fn modify(&self, description: &mut OpenApi) {
        for (_, call) in calls(description) {
            let name = name(call).to_owned();
            let more = taken(&name);
            if !more.is_empty() {
                call.parameters.get_or_insert_default().extend(more);
            }
            never_null(call);
            if name.ends_with("_entry") {
                names_in_path(call);
            }
            for (status, response) in &mut call.responses.responses {
                let RefOr::T(response) = response else {
                    continue;
                };
                for (one, words) in carried(&name, status) {
                    response.headers.insert(one.to_owned(), header(words));
                }
            }
        }
    }
}
