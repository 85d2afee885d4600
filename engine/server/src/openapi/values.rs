//! The bodies that are values: of any type, as the application or the origin has them.

use utoipa::Modify;
use utoipa::openapi::request_body::RequestBody;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat};
use utoipa::openapi::{Content, OpenApi, RefOr, Required, Schema, Type};

use super::{calls, name};

/// Describes the values of entries and leases.
pub(super) struct Values;

/// Any JSON, or any bytes of another type.
fn contents() -> [(String, RefOr<Content>); 2] {
    let bytes = ObjectBuilder::new()
        .schema_type(Type::String)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Binary)));
    let any = Schema::Object(
        ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::SchemaType::AnyValue)
            .build(),
    );
    [
        (
            "application/json".to_owned(),
            RefOr::T(Content::new(Some(any))),
        ),
        (
            "*/*".to_owned(),
            RefOr::T(Content::new(Some(bytes.build()))),
        ),
    ]
}

fn body(description: &str) -> RequestBody {
    let mut body = RequestBody::new();
    body.description = Some(description.to_owned());
    body.required = Some(Required::True);
    body.content.extend(contents());
    body
}

/// What a request may leave out has no `default` here: generators take such a field for one that is
/// always there, and then want it.
fn without_defaults(description: &mut OpenApi) {
    let components = description.components.get_or_insert_default();
    let requests = components.schemas.iter_mut();
    for (_, schema) in requests.filter(|(name, _)| name.ends_with("Request")) {
        let RefOr::T(Schema::Object(request)) = schema else {
            continue;
        };
        for field in request.properties.values_mut() {
            match field {
                RefOr::T(Schema::Object(field)) => field.default = None,
                RefOr::T(Schema::Array(field)) => field.default = None,
                RefOr::Ref(field) => field.default = None,
                RefOr::T(_) => {}
            }
        }
    }
}

impl Modify for Values {
    fn modify(&self, description: &mut OpenApi) {
        without_defaults(description);
        for (_, call) in calls(description) {
            let value = match name(call) {
                "write_entry" => "The value, of any content type",
                "fill_lease" => {
                    "What was loaded, of any content type; not looked at with `absent=true`"
                }
                "read_entry" => {
                    if let Some(RefOr::T(found)) = call.responses.responses.get_mut("200") {
                        found.content.extend(contents());
                    }
                    continue;
                }
                _ => continue,
            };
            call.request_body = Some(RefOr::T(body(value)));
        }
    }
}
