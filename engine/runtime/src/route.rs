//! Which policy and which origin answer for a resource.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use larder_core::Dependency;
use larder_origin::Origin;
use serde::{Deserialize, Serialize};
use wildmatch::WildMatch;

use crate::fallback::OnFailure;
use crate::gate::Gate;
use crate::meters::PolicyMeters;

/// One row of the routing table, as an operator writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Resources it answers for; `*` stands for any run of characters, `?` for one.
    pub resource: String,
    /// The policy that decides.
    pub policy: String,
    /// The origin that holds the truth, by name; none where the application loads by itself.
    pub origin: Option<String>,
    /// How long entries of older builds of the policy are served.
    pub older: Older,
    /// What becomes of requests whose query the policy does not tell whole.
    pub undeclared: Undeclared,
}

/// How long an entry is served that another build of the policy, or the same one under other
/// settings, has made than the one that decides now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Older {
    /// [`Older::Shorter`] where the policy is not asked after loads. One that is may give entries
    /// more time than it decides before, so those stay as they were stored.
    #[default]
    ShorterUnlessAdmitted,
    /// For the shorter of what was stored and what the decision of now gives from the same moment:
    /// ttl, negative ttl and stale windows. The time to idle stays as it was stored.
    Shorter,
    /// As they were stored.
    Stored,
}

/// What becomes of a request whose query has a parameter that the policy does not declare, or one
/// that is given more than once. An origin that reads queries gets them as they were sent in any
/// case; where the origin reads none, nothing of this matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Undeclared {
    /// The query is added to the policy's key.
    #[default]
    Key,
    /// The request goes around the cache.
    Bypass,
    /// The request is refused.
    Refuse,
}

impl Undeclared {
    /// The name used in the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Bypass => "bypass",
            Self::Refuse => "refuse",
        }
    }
}

impl Route {
    /// A route without an origin.
    pub fn new(resource: impl Into<String>, policy: impl Into<String>) -> Self {
        Self {
            resource: resource.into(),
            policy: policy.into(),
            origin: None,
            older: Older::default(),
            undeclared: Undeclared::default(),
        }
    }

    /// The same route with an origin.
    #[must_use]
    pub fn origin(mut self, name: impl Into<String>) -> Self {
        self.origin = Some(name.into());
        self
    }

    /// The same route with a rule for entries of older builds of its policy.
    #[must_use]
    pub fn older(mut self, older: Older) -> Self {
        self.older = older;
        self
    }

    /// The same route with another rule for queries that the policy does not tell.
    #[must_use]
    pub fn undeclared(mut self, rule: Undeclared) -> Self {
        self.undeclared = rule;
        self
    }
}

impl Route {
    /// Under which name its calls are limited.
    pub(crate) fn gate_name(&self) -> &str {
        self.origin.as_ref().unwrap_or(&self.policy)
    }
}

/// A route with its names resolved.
pub(crate) struct Resolved {
    pub(crate) resource: WildMatch,
    pub(crate) policy: Arc<str>,
    pub(crate) origin: Option<Arc<dyn Origin>>,
    /// The name of the origin.
    pub(crate) origin_name: Option<Arc<str>>,
    /// The resource under which the queue knows its rows, where the origin has one row for each id
    /// whatever the resource; none where that is the request's.
    pub(crate) rows_of: Option<Arc<str>>,
    /// Before the origin, or before the closures that load where there is none.
    pub(crate) gate: Arc<Gate>,
    /// How long after a write what the origin answers is not stored, in milliseconds.
    pub(crate) write_hold_ms: u64,
    /// On what all that is loaded from the origin depends; none where no outbox tells of it.
    pub(crate) whole: Option<Dependency>,
    pub(crate) on_failure: OnFailure,
    pub(crate) meters: PolicyMeters,
    pub(crate) described: Route,
}

impl Resolved {
    /// The origin by name, or the policy that closures load for.
    pub(crate) fn source(&self) -> &Arc<str> {
        self.origin_name.as_ref().unwrap_or(&self.policy)
    }

    /// Whether the query can shape what is stored. Where nobody knows who loads, it can.
    pub(crate) fn reads_query(&self) -> bool {
        self.origin
            .as_ref()
            .is_none_or(|origin| origin.reads_query())
    }
}

/// The resource by which the queue knows the rows of an origin that has one row for each id: that
/// of the first of its routes that names one. Otherwise two writes of one row through two resources
/// would be flushed in any order.
pub(crate) fn rows_of(name: &str, origin: &dyn Origin, routes: &[Route]) -> Option<Arc<str>> {
    if origin.tells_resources() {
        return None;
    }
    let mut own = routes
        .iter()
        .filter(|route| route.origin.as_deref() == Some(name));
    let named = own.find(|route| !route.resource.contains(['*', '?']));
    named.map(|route| route.resource.as_str().into())
}

/// The routing table; the first match wins.
pub(crate) struct Routes(pub(crate) Vec<Arc<Resolved>>);

impl Routes {
    pub(crate) fn of(&self, resource: &str) -> Option<&Arc<Resolved>> {
        self.0.iter().find(|route| route.resource.matches(resource))
    }

    /// The names of those whose trouble no waiting cures.
    pub(crate) fn unfit(&self) -> BTreeSet<Arc<str>> {
        let unfit = self.0.iter().filter(|route| {
            let origin = route.origin.as_ref();
            origin.is_some_and(|origin| origin.is_unfit())
        });
        unfit
            .filter_map(|route| route.origin_name.clone())
            .collect()
    }

    /// The origins that say what makes every call fail, by name.
    pub(crate) fn troubles(&self) -> BTreeMap<Arc<str>, String> {
        let trouble = |route: &Arc<Resolved>| {
            let why = route.origin.as_ref()?.trouble()?;
            Some((Arc::clone(route.origin_name.as_ref()?), why))
        };
        self.0.iter().filter_map(trouble).collect()
    }
}
