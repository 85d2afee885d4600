//! From an HTTP request to a request of the engine.

use axum::extract::{FromRequestParts, Path};
use axum::http::HeaderValue;
use axum::http::request::Parts;
use larder::core::query;
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

/// The tenant that the headers name, for calls whose body may name it too.
pub(crate) struct HeaderTenant(Option<String>);

impl<S: Send + Sync> FromRequestParts<S> for HeaderTenant {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let tenant = parts.headers.get(TENANT).map(tenant_of);
        Ok(Self(tenant.transpose()?))
    }
}

impl HeaderTenant {
    /// Puts it where the body names none. Of two that differ neither is taken: what is done for the
    /// wrong one would look as if it had been done for the other.
    pub(crate) fn settle(&self, named: &mut String) -> Result<(), Problem> {
        match &self.0 {
            Some(tenant) if named.is_empty() => named.clone_from(tenant),
            Some(tenant) if tenant != named => {
                let detail = format!(
                    "the header `{TENANT}` names one tenant and the body another; send one of \
                     them, or the same"
                );
                return Err(Problem::bad("invalid_header", detail));
            }
            _ => {}
        }
        Ok(())
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
        request.tenant = tenant_of(tenant)?;
    }
    if let Some(sent) = parts.uri.query() {
        request.attributes = query::attributes(sent);
    }
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

/// Some proxies make one line of two, which nobody should take for one name.
fn tenant_of(value: &HeaderValue) -> Result<String, Problem> {
    if value.as_bytes().contains(&b',') {
        let detail = format!(
            "the header `{TENANT}` has a comma, as if two were joined; send one tenant, and a comma \
             in its name as %2C"
        );
        return Err(Problem::bad("invalid_header", detail));
    }
    decoded(TENANT, value.to_str().ok())
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
    fn a_repeated_header_is_one_attribute() {
        let mut all = Vec::new();
        for value in ["a", "b"] {
            add(&mut all, "header.accept".to_owned(), value.to_owned());
        }
        assert_eq!(all, [("header.accept".to_owned(), "a,b".to_owned())]);
    }

    #[test]
    fn two_tenants_are_not_taken_for_one() {
        let tenant = |text: &str| tenant_of(&HeaderValue::from_str(text).unwrap());
        assert_eq!(tenant("acme").unwrap(), "acme");
        assert_eq!(tenant("a%2Cb").unwrap(), "a,b");
        for text in ["acme, other", "acme,", "acme,acme"] {
            assert_eq!(tenant(text).unwrap_err().code, "invalid_header", "{text}");
        }
    }

    #[test]
    fn a_tenant_is_named_by_header_or_body_or_by_both_alike() {
        for (header, body, expected) in [
            (None, "", Some("")),
            (None, "acme", Some("acme")),
            (Some("acme"), "", Some("acme")),
            (Some("acme"), "acme", Some("acme")),
            (Some("acme"), "other", None),
            (Some(""), "other", None),
        ] {
            let mut named = body.to_owned();
            let settled = HeaderTenant(header.map(str::to_owned)).settle(&mut named);
            let settled = settled.map(|()| named);
            assert_eq!(settled.ok().as_deref(), expected, "{header:?} {body}");
        }
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
