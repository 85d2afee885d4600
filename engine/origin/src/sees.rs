//! What origins are sent of a request, beside resource and id.

/// Whether what a table answers can depend on request attributes of a class (`query.*`, `header.*` or
/// `context.*`): a row is found by its key, and a query may name one of its fields.
#[must_use]
pub fn table_sees(class: &str) -> bool {
    class == "query.*"
}

/// Whether what an HTTP service answers can depend on request attributes of a class: what the
/// application says beside is no part of an HTTP request.
#[must_use]
pub fn service_sees(class: &str) -> bool {
    class != "context.*"
}
