//! The checks of rules.

use std::collections::HashMap;
use std::sync::Arc;

use larder_core::{Policies, Request, Strategy};
use larder_origin::Origin;

use super::Rules;
use crate::builder::BuildError;
use crate::engine::Shared;
use crate::fallback::OnFailure;
use crate::invalidate::Invalidation;
use crate::limits::OriginLimits;
use crate::route::{Route, Routes};
use crate::unseen;

/// The origins there are, in words.
pub(crate) fn known(origins: &HashMap<String, Arc<dyn Origin>>) -> String {
    in_words(origins.keys())
}

fn in_words<'a>(names: impl Iterator<Item = &'a String>) -> String {
    let mut names: Vec<_> = names.map(|name| format!("`{name}`")).collect();
    names.sort();
    match names.as_slice() {
        [] => "none".to_owned(),
        names => names.join(", "),
    }
}

impl Rules {
    /// What of these rules cannot be used over an engine with these origins, with a queue or
    /// without; what only the origins themselves and the policies can tell is not among it.
    #[must_use]
    pub fn misfits(&self, origins: &[String], has_queue: bool) -> Vec<BuildError> {
        let defaults = self.on_failure.iter();
        let defaults = defaults.map(|(policy, rule)| self.check_default(policy, rule, has_queue));
        let limits = self.limits.iter();
        let limits = limits.map(|(name, limits)| self.check_limits(name, limits, origins));
        defaults.chain(limits).filter_map(Result::err).collect()
    }

    /// What can be said before the routes are resolved.
    pub(super) fn check(&self, shared: &Shared) -> Result<(), BuildError> {
        let origins: Vec<String> = shared.origins.keys().cloned().collect();
        let misfits = self.misfits(&origins, shared.behind.is_some());
        misfits.into_iter().next().map_or(Ok(()), Err)
    }

    /// Limits under a name that nothing bears protect nothing.
    fn check_limits(
        &self,
        name: &String,
        limits: &OriginLimits,
        origins: &[String],
    ) -> Result<(), BuildError> {
        let refused = |why: String| BuildError::OriginLimits {
            origin: name.clone(),
            why,
        };
        let loads = |route: &Route| route.origin.is_none() && route.policy == *name;
        if !origins.contains(name) && !self.routes.iter().any(loads) {
            let known = in_words(origins.iter());
            return Err(refused(format!(
                "there is neither an origin of that name nor a route without an origin whose \
                 policy is; there is {known}"
            )));
        }
        limits.breaker.check().map_err(refused)
    }

    /// A default decision that the guard refuses would fail at the worst moment.
    fn check_default(
        &self,
        policy: &str,
        rule: &OnFailure,
        has_queue: bool,
    ) -> Result<(), BuildError> {
        let OnFailure::DefaultDecision(default) = rule else {
            return Ok(());
        };
        let refused = |why: String| BuildError::DefaultDecision {
            policy: policy.to_owned(),
            why,
        };
        if default.strategy == Strategy::WriteBehind && !has_queue {
            return Err(refused("write_behind needs a durable queue".to_owned()));
        }
        let sample = Request::write("sample", "1");
        let decision = default.decide(&sample, String::new());
        let stale = Invalidation::of_targets("", &decision.namespace, &decision.invalidates);
        stale.check().map_err(|why| refused(why.to_string()))?;
        let passed = self.guard.apply(&sample, decision);
        passed
            .map(drop)
            .map_err(|refusal| refused(refusal.to_string()))
    }
}

/// An origin that is never sent what values depend on answers something else.
pub(super) fn check_seen(policies: &dyn Policies, routes: &Routes) -> Result<(), BuildError> {
    for route in &routes.0 {
        let policy = policies.current(&route.policy);
        let class = policy.and_then(|policy| unseen::class(policy.manifest(), route));
        if let Some(class) = class {
            return Err(unseen::refusal(class, route, &route.described.resource).into());
        }
    }
    Ok(())
}
