//! What a token may do: a table of its own, held against each call. No I/O.

use larder::core::request::clip;
use serde::Deserialize;
use wildmatch::WildMatch;

use crate::wire::InvalidateRequest;

/// One of the two listeners.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Plane {
    /// What applications call.
    Data,
    /// What operators call.
    Admin,
}

impl Plane {
    /// The name used in the configuration, logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Admin => "admin",
        }
    }
}

/// What can be done on the data plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ability {
    /// Read entries; and fill the leases that reads hand out, or give them up.
    Read,
    /// Write and delete entries.
    Write,
    /// Make entries stale by `POST /v1/invalidate`.
    Invalidate,
    /// Ask for decisions.
    Decide,
}

impl Ability {
    /// The name used in the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Invalidate => "invalidate",
            Self::Decide => "decide",
        }
    }
}

/// What a token may do. Where a part is none, that part limits nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scope {
    /// The planes it is for.
    pub planes: Vec<Plane>,
    /// On the data plane, the resources of entries, decisions and leases; `*` stands for any run
    /// of characters, `?` for one. The names that an invalidation gives (namespaces, also those
    /// of keys, and tags) are held against the same patterns.
    pub resources: Option<Vec<WildMatch>>,
    /// On the data plane, what may be done.
    pub operations: Option<Vec<Ability>>,
    /// On the data plane, whose data; the empty text is the tenant of calls that name none.
    pub tenants: Option<Vec<String>>,
    /// Whether it may invalidate. None: only if it has no `resources`, since namespaces and tags
    /// are chosen by policies and need not be named after resources.
    pub invalidate: Option<bool>,
}

/// What a call needed and its token's scope has not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Lacking {
    /// The plane.
    #[error("is not for the {} plane; `planes` says which it is for", .0.as_str())]
    Plane(Plane),
    /// The operation.
    #[error("may not {}; `operations` says what it may", .0.as_str())]
    Operation(Ability),
    /// Invalidation, by a token that is limited to resources.
    #[error(
        "may not invalidate; a token with `resources` needs `invalidate = true` for that, and \
         others must not have `invalidate = false`"
    )]
    Invalidate,
    /// Invalidation by pattern, by a token that is limited to resources.
    #[error("may not invalidate by pattern: it is limited to `resources`, and a pattern is not")]
    Patterns,
    /// The tenant.
    #[error("may not act for the tenant `{0}`; `tenants` says for whom it may")]
    Tenant(String),
    /// No tenant, which is one of its own.
    #[error(
        "needs a tenant, one of its `tenants`, in `Larder-Tenant` or in the field `tenant` of the \
         body"
    )]
    NoTenant,
    /// The resource, or the name of a namespace or a tag.
    #[error("may not touch the {what} `{name}`; `resources` says what it may")]
    Name {
        /// `resource`, `namespace` or `tag`.
        what: &'static str,
        /// Its name.
        name: String,
    },
}

impl Scope {
    /// Whether it is for a plane.
    ///
    /// # Errors
    /// [`Lacking::Plane`].
    pub fn enter(&self, plane: Plane) -> Result<(), Lacking> {
        let may = self.planes.contains(&plane);
        may.then_some(()).ok_or(Lacking::Plane(plane))
    }

    /// Whether it may do `ability` to entries of `resource` of `tenant`.
    ///
    /// # Errors
    /// Names what is lacking.
    pub fn on(&self, ability: Ability, tenant: &str, resource: &str) -> Result<(), Lacking> {
        self.able(ability)?;
        self.tenant(tenant)?;
        self.name("resource", resource)
    }

    /// Whether it may make all that stale.
    ///
    /// # Errors
    /// Names the first thing that is lacking.
    pub fn invalidating(&self, asked: &InvalidateRequest) -> Result<(), Lacking> {
        self.able(Ability::Invalidate)?;
        if !self.invalidate.unwrap_or(self.resources.is_none()) {
            return Err(Lacking::Invalidate);
        }
        self.tenant(&asked.tenant)?;
        if self.resources.is_some() && !asked.patterns.is_empty() {
            return Err(Lacking::Patterns);
        }
        for row in &asked.rows {
            self.name("resource", &row.resource)?;
        }
        let keys = asked.keys.iter().map(|key| &key.namespace);
        for namespace in keys.chain(&asked.namespaces) {
            self.name("namespace", namespace)?;
        }
        let mut tags = asked.tags.iter();
        tags.try_for_each(|tag| self.name("tag", tag))
    }

    fn able(&self, ability: Ability) -> Result<(), Lacking> {
        match &self.operations {
            Some(list) if !list.contains(&ability) => Err(Lacking::Operation(ability)),
            _ => Ok(()),
        }
    }

    fn tenant(&self, tenant: &str) -> Result<(), Lacking> {
        match &self.tenants {
            Some(list) if !list.iter().any(|known| known == tenant) => Err(match tenant {
                "" => Lacking::NoTenant,
                tenant => Lacking::Tenant(clip(tenant)),
            }),
            _ => Ok(()),
        }
    }

    fn name(&self, what: &'static str, name: &str) -> Result<(), Lacking> {
        match &self.resources {
            Some(list) if !list.iter().any(|pattern| pattern.matches(name)) => {
                let name = clip(name);
                Err(Lacking::Name { what, name })
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
