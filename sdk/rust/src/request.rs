//! What a policy is asked.

/// The verb of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Answer the value.
    Read,
    /// Replace the value.
    Write,
    /// Remove the value.
    Delete,
}

/// One request, as far as the policy's manifest lets it see.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Request {
    /// The verb.
    pub operation: Operation,
    /// Whose data it is; empty where the deployment has one tenant. Keys need not name it: the
    /// engine keeps tenants apart whatever a policy answers.
    pub tenant: String,
    /// The kind of thing, for example `product`.
    pub resource: String,
    /// Which one, for example `42`; any text, `:` included. [`crate::key`] escapes it.
    pub id: String,
    /// The declared inputs that the request has, in their order.
    pub attributes: Vec<(String, String)>,
    /// Unix time in milliseconds; 0 unless the manifest says [`crate::Manifest::uses_clock`].
    pub now_ms: u64,
}

impl Request {
    /// A request without tenant and attributes, for tests.
    pub fn new(operation: Operation, resource: impl Into<String>, id: impl Into<String>) -> Self {
        Self {
            operation,
            tenant: String::new(),
            resource: resource.into(),
            id: id.into(),
            attributes: Vec::new(),
            now_ms: 0,
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

    /// The same request at `now_ms`, Unix time in milliseconds.
    #[must_use]
    pub fn at(mut self, now_ms: u64) -> Self {
        self.now_ms = now_ms;
        self
    }

    /// The first value of the attribute `name`, for example `query.page`. None as well where the
    /// manifest does not declare it.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes_named(name).next()
    }

    /// Every value of the attribute `name`: a query such as `?tag=a&tag=b` has two.
    pub fn attributes_named<'a, 'n>(
        &'a self,
        name: &'n str,
    ) -> impl Iterator<Item = &'a str> + use<'a, 'n> {
        named(&self.attributes, name)
    }

    /// Whether the value is only wanted, not changed.
    #[must_use]
    pub fn is_read(&self) -> bool {
        self.operation == Operation::Read
    }
}

/// The values of `name`, in their order.
pub(crate) fn named<'a, 'n>(
    attributes: &'a [(String, String)],
    name: &'n str,
) -> impl Iterator<Item = &'a str> + use<'a, 'n> {
    attributes
        .iter()
        .filter(move |(n, _)| n == name)
        .map(|(_, value)| value.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_attribute_keeps_all_its_values() {
        let request = Request::read("product", "42")
            .with("query.tag", "a")
            .with("query.page", "2")
            .with("query.tag", "b");
        assert_eq!(request.attribute("query.tag"), Some("a"));
        let all: Vec<_> = request.attributes_named("query.tag").collect();
        assert_eq!(all, ["a", "b"]);
        assert_eq!(request.attribute("query.ta"), None);
    }
}
