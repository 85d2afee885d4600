//! What a policy says of itself.

/// What a policy says of itself. The engine shows it the inputs named here and no others.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Manifest {
    /// The policy's own name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// One sentence on what it decides.
    pub summary: String,
    /// The request attributes that it is shown.
    pub request_attributes: Vec<String>,
    /// The response attributes that it is shown after a load.
    pub response_attributes: Vec<String>,
    /// Whether it is told the time.
    pub uses_clock: bool,
    /// Whether it is shown small values after a load.
    pub reads_body: bool,
    /// Whether it is asked after a load.
    pub admits: bool,
}

impl Manifest {
    /// A policy that looks at nothing but operation, tenant, resource and id; usually
    /// `Manifest::new(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"))`.
    pub fn new(name: impl Into<String>, version: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            version: version.into(),
            summary: String::new(),
            request_attributes: Vec::new(),
            response_attributes: Vec::new(),
            uses_clock: false,
            reads_body: false,
            admits: false,
        }
    }

    /// One sentence on what it decides.
    #[must_use]
    pub fn summary(mut self, summary: impl Into<String>) -> Self {
        self.summary = summary.into();
        self
    }

    /// Shows it the request attribute `name`: `query.page`, `header.accept-language` (lower
    /// case), `context.tier`. The origin is shown the same attributes, so the key should depend on
    /// each.
    ///
    /// `query.*`, `header.*` and `context.*` stand for all of a class and say that values may depend
    /// on anything in it: a policy that cannot cope with an input it does not know can then see it,
    /// and keep the request out of the cache. A route to such a policy may have no origin that is
    /// not sent that class. An engine that knows no classes takes such a name for an ordinary
    /// one, so name what is needed beside it.
    #[must_use]
    pub fn reads(mut self, name: impl Into<String>) -> Self {
        self.request_attributes.push(name.into());
        self
    }

    /// Shows it several request attributes.
    #[must_use]
    pub fn reads_all<T: Into<String>>(mut self, names: impl IntoIterator<Item = T>) -> Self {
        self.request_attributes
            .extend(names.into_iter().map(Into::into));
        self
    }

    /// Shows `admit` the response attribute `name`: `status`, or `header.cache-control` (lower
    /// case). Implies [`Manifest::admits`].
    #[must_use]
    pub fn reads_response(mut self, name: impl Into<String>) -> Self {
        self.response_attributes.push(name.into());
        self.admits()
    }

    /// Has `admit` asked after each load; without it the engine stores as decided.
    #[must_use]
    pub fn admits(mut self) -> Self {
        self.admits = true;
        self
    }

    /// Shows `admit` values small enough to hand over. Implies [`Manifest::admits`].
    #[must_use]
    pub fn reads_body(mut self) -> Self {
        self.reads_body = true;
        self.admits()
    }

    /// Tells it the time as [`crate::Request::now_ms`]. Such decisions cannot be remembered.
    #[must_use]
    pub fn uses_clock(mut self) -> Self {
        self.uses_clock = true;
        self
    }
}
