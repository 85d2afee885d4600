//! From an HTTP request to a request of the engine.

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use larder::{Operation, Request};
use percent_encoding::percent_decode_str;

use crate::problem::Problem;

/// Headers with this beginning are attributes `context.*`: what the application knows of the
/// caller. Their values are percent-encoded UTF-8.
const CONTEXT: &str = "larder-context-";
/// Names the tenant.
const TENANT: &str = "larder-tenant";

/// The one variable part of a path. axum's own extractor answers plain text where it is not UTF-8.
pub(crate) struct PathPart(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for PathPart {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Path::<String>::from_request_parts(parts, state).await {
            Ok(Path(part)) => Ok(Self(part)),
            Err(rejection) => {
                let detail = format!("a part of the path is not UTF-8: {rejection}");
                Err(Problem::bad("invalid_path", detail))
            }
        }
    }
}

/// The request for `resource` and `id` with the query and the headers as attributes.
pub(crate) fn request(
    operation: Operation,
    resource: String,
    id: String,
    parts: &Parts,
) -> Result<Request, Problem> {
    let mut request = Request::new(operation, resource, id);
    if let Some(tenant) = parts.headers.get(TENANT) {
        request.tenant = decoded(TENANT, tenant.to_str().ok())?;
    }
    request.attributes = query(parts.uri.query().unwrap_or_default());
    for (name, value) in &parts.headers {
        let (name, value) = (name.as_str(), value.to_str().ok());
        match name.strip_prefix(CONTEXT) {
            Some(context) => {
                let value = decoded(name, value)?;
                add(&mut request.attributes, format!("context.{context}"), value);
            }
            None if name.starts_with("larder-") => {}
            // What is not text reaches neither the policy nor the origin.
            None => {
                if let Some(value) = value {
                    add(
                        &mut request.attributes,
                        format!("header.{name}"),
                        value.to_owned(),
                    );
                }
            }
        }
    }
    Ok(request)
}

/// Headers as attributes `header.*`, as a policy sees those of a response.
pub(crate) fn response_attributes(parts: &Parts, status: &str) -> Vec<(String, String)> {
    let mut all = vec![("status".to_owned(), status.to_owned())];
    for (name, value) in &parts.headers {
        if let Ok(value) = value.to_str() {
            add(&mut all, format!("header.{name}"), value.to_owned());
        }
    }
    all
}

fn query(query: &str) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        add(&mut all, format!("query.{}", form(name)), form(value));
    }
    all
}

fn form(text: &str) -> String {
    let spaced = text.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
}

/// Adds an attribute. One that is there already grows by a comma and the value: were there two,
/// a policy might make the key from the first while the origin answers to the second.
fn add(all: &mut Vec<(String, String)>, name: String, value: String) {
    match all.iter_mut().find(|(known, _)| *known == name) {
        Some((_, known)) => {
            known.push(',');
            known.push_str(&value);
        }
        None => all.push((name, value)),
    }
}

fn decoded(name: &str, value: Option<&str>) -> Result<String, Problem> {
    let text = value.and_then(|value| percent_decode_str(value).decode_utf8().ok());
    text.map(std::borrow::Cow::into_owned).ok_or_else(|| {
        let detail = format!("the header `{name}` is not percent-encoded UTF-8");
        Problem::bad("invalid_header", detail)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_name_is_one_attribute() {
        let all = query("page=1&sort=a+b&page=2&x=%C3%BC&&flag");
        let expected = [
            ("query.page", "1,2"),
            ("query.sort", "a b"),
            ("query.x", "ü"),
            ("query.flag", ""),
        ];
        let all: Vec<_> = all.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        assert_eq!(all, expected);
    }

    #[test]
    fn tenant_and_context_come_from_headers() {
        let (parts, ()) = axum::http::Request::builder()
            .uri("/v1/entries/product/42?page=2")
            .header("Larder-Tenant", "acme")
            .header("Larder-Context-Tier", "g%C3%B6ld")
            .header("Accept-Language", "de")
            .body(())
            .unwrap()
            .into_parts();
        let request = request(Operation::Read, "product".into(), "42".into(), &parts).unwrap();
        assert_eq!(request.tenant, "acme");
        let attribute = |name: &str| {
            let found = request.attributes.iter().find(|(known, _)| known == name);
            found.map(|(_, value)| value.as_str())
        };
        assert_eq!(attribute("context.tier"), Some("göld"));
        assert_eq!(attribute("header.accept-language"), Some("de"));
        assert_eq!(attribute("query.page"), Some("2"));
        assert_eq!(attribute("header.larder-tenant"), None);
    }
}
