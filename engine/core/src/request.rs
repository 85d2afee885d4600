//! What is asked of the cache.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The verb of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// Answer the value.
    Read,
    /// Replace the value.
    Write,
    /// Remove the value.
    Delete,
}

impl Operation {
    /// The name used in the API, logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Delete => "delete",
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Operation {
    type Err = RequestError;

    fn from_str(text: &str) -> Result<Self, RequestError> {
        match text {
            "read" => Ok(Self::Read),
            "write" => Ok(Self::Write),
            "delete" => Ok(Self::Delete),
            other => Err(RequestError::UnknownOperation(clip(other))),
        }
    }
}

/// One request: a verb on one thing of one tenant, with named inputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The verb.
    pub operation: Operation,
    /// Whose data it is; empty where the deployment has one tenant.
    pub tenant: String,
    /// The kind of thing, for example `product`.
    pub resource: String,
    /// Which one, for example `42`.
    pub id: String,
    /// Named inputs such as `query.page`; a policy is shown only those that its manifest declares.
    /// The query is told by all of `query.*`, and by `query` where those do not tell it
    /// ([`crate::query`]); an origin that reads it gets it whole, declared or not.
    pub attributes: Vec<(String, String)>,
}

impl Request {
    /// The longest tenant or resource, in bytes.
    pub const MAX_NAME: usize = 256;
    /// The longest id, in bytes.
    pub const MAX_ID: usize = 4096;
    /// The most attributes one request may carry.
    pub const MAX_ATTRIBUTES: usize = 128;
    /// The most bytes of all attribute names and values together.
    pub const MAX_ATTRIBUTE_BYTES: usize = 256 * 1024;

    /// A request without tenant and attributes.
    pub fn new(operation: Operation, resource: impl Into<String>, id: impl Into<String>) -> Self {
        Self {
            operation,
            tenant: String::new(),
            resource: resource.into(),
            id: id.into(),
            attributes: Vec::new(),
        }
    }

    /// A read of `resource/id`.
    pub fn read(resource: impl Into<String>, id: impl Into<String>) -> Self {
        Self::new(Operation::Read, resource, id)
    }

    /// A write of `resource/id`.
    pub fn write(resource: impl Into<String>, id: impl Into<String>) -> Self {
        Self::new(Operation::Write, resource, id)
    }

    /// A delete of `resource/id`.
    pub fn delete(resource: impl Into<String>, id: impl Into<String>) -> Self {
        Self::new(Operation::Delete, resource, id)
    }

    /// The same request for `tenant`.
    #[must_use]
    pub fn tenant(mut self, tenant: impl Into<String>) -> Self {
        self.tenant = tenant.into();
        self
    }

    /// The same request with one more attribute.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.attributes.push((name.into(), value.into()));
        self
    }

    /// Checks what must hold of any request before a policy sees it.
    ///
    /// # Errors
    /// Names the part that is missing, too long or holds a control character.
    pub fn validate(&self) -> Result<(), RequestError> {
        for (part, text, max) in [
            ("tenant", &self.tenant, Self::MAX_NAME),
            ("resource", &self.resource, Self::MAX_NAME),
            ("id", &self.id, Self::MAX_ID),
        ] {
            if text.is_empty() && part != "tenant" {
                return Err(RequestError::Missing(part));
            }
            if text.len() > max {
                let bytes = text.len();
                return Err(RequestError::TooLong { part, bytes, max });
            }
            if text.chars().any(char::is_control) {
                return Err(RequestError::ControlCharacter(part));
            }
        }
        self.validate_attributes()
    }

    fn validate_attributes(&self) -> Result<(), RequestError> {
        let count = self.attributes.len();
        if count > Self::MAX_ATTRIBUTES {
            return Err(RequestError::TooManyAttributes { count });
        }
        let bytes = self.attributes.iter().map(|(n, v)| n.len() + v.len()).sum();
        if bytes > Self::MAX_ATTRIBUTE_BYTES {
            let (part, max) = ("attributes", Self::MAX_ATTRIBUTE_BYTES);
            return Err(RequestError::TooLong { part, bytes, max });
        }
        Ok(())
    }
}

/// What is wrong with a request, in words for the person who sent it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The verb is none of the three.
    #[error("unknown operation `{0}`: use `read`, `write` or `delete`")]
    UnknownOperation(String),
    /// A part that every request needs is empty.
    #[error("the request has no {0}: give `resource` (the kind of thing) and `id` (which one)")]
    Missing(&'static str),
    /// A part is longer than any sensible one.
    #[error("the request's {part} has {bytes} bytes; at most {max} are taken")]
    TooLong {
        /// Which part.
        part: &'static str,
        /// How long it is.
        bytes: usize,
        /// How long it may be.
        max: usize,
    },
    /// A part holds a line break, NUL or the like.
    #[error(
        "the request's {0} holds a control character (a line break, tab or NUL, perhaps); remove it"
    )]
    ControlCharacter(&'static str),
    /// The query has a parameter that the policy cannot tell, where the route takes none.
    #[error(
        "the query has `{name}` {what}, which the policy of the route does not tell, and the route's \
         `undeclared` is refuse; leave it out, have the policy declare it, or set `undeclared` to key"
    )]
    UndeclaredQuery {
        /// The parameter.
        name: String,
        /// What is odd about it.
        what: &'static str,
    },
    /// The request has a context that the policy does not declare, where the route takes none.
    #[error(
        "the request has the context `{0}`, which the policy of the route does not declare, and the \
         route's `undeclared` is refuse; leave it out, have the policy declare `context.{0}`, or set \
         `undeclared` to key"
    )]
    UndeclaredContext(String),
    /// More attributes than any sensible request has.
    #[error("the request has {count} attributes; at most {max} are taken", max = Request::MAX_ATTRIBUTES)]
    TooManyAttributes {
        /// How many came.
        count: usize,
    },
}

/// At most the first 64 characters, for quoting untrusted text in a message.
#[must_use]
pub fn clip(text: &str) -> String {
    let mut clipped: String = text.chars().take(64).flat_map(char::escape_debug).collect();
    if text.chars().nth(64).is_some() {
        clipped.push('…');
    }
    clipped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bad_part_is_named() {
        let long = "x".repeat(5000);
        for (request, message) in [
            (Request::read("", "42"), "no resource"),
            (Request::read("product", ""), "no id"),
            (Request::read("product", "4\n2"), "id holds a control"),
            (Request::read("product", long.as_str()), "id has 5000 bytes"),
            (Request::read(long.as_str(), "1"), "resource has 5000 bytes"),
            (Request::read("product", "1").tenant("a\0"), "tenant holds"),
            (
                Request::read("product", "1").with("query.q", "x".repeat(300_000)),
                "attributes has",
            ),
        ] {
            let error = request.validate().unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
        }
        assert_eq!(
            Request::read("product", "42").tenant("acme").validate(),
            Ok(())
        );
    }

    #[test]
    fn operations_have_one_spelling() {
        for operation in [Operation::Read, Operation::Write, Operation::Delete] {
            assert_eq!(operation.as_str().parse(), Ok(operation));
        }
        let error = "frobnicate\n".parse::<Operation>().unwrap_err().to_string();
        assert!(error.contains("`frobnicate\\n`"), "{error}");
    }
}
