//! The checks of an engine's parts.

use larder_core::{Request, Strategy};

use super::{BuildError, EngineBuilder};
use crate::fallback::OnFailure;
use crate::invalidate::Invalidation;
use crate::route::{Route, Routes};
use crate::unseen;

impl EngineBuilder {
    pub(super) fn known_origins(&self) -> String {
        let mut names: Vec<_> = self
            .origins
            .keys()
            .map(|name| format!("`{name}`"))
            .collect();
        names.sort();
        match names.as_slice() {
            [] => "none".to_owned(),
            names => names.join(", "),
        }
    }

    /// Limits under a name that nothing bears protect nothing.
    pub(super) fn check_limits(&self) -> Result<(), BuildError> {
        for (name, limits) in &self.limits {
            let refused = |why: String| BuildError::OriginLimits {
                origin: name.clone(),
                why,
            };
            self.check_bearer(name).map_err(refused)?;
            limits.breaker.check().map_err(refused)?;
        }
        Ok(())
    }

    pub(super) fn check_write_holds(&self) -> Result<(), BuildError> {
        for name in self.write_holds.keys() {
            let refused = |why: String| BuildError::WriteHold {
                origin: name.clone(),
                why,
            };
            self.check_bearer(name).map_err(refused)?;
        }
        Ok(())
    }

    /// That an origin bears the name, or what loads where there is none.
    fn check_bearer(&self, name: &str) -> Result<(), String> {
        let loads = |route: &Route| route.origin.is_none() && route.policy == name;
        if self.origins.contains_key(name) || self.routes.iter().any(loads) {
            return Ok(());
        }
        Err(format!(
            "there is neither an origin of that name nor a route without an origin whose policy \
             is; there is {}",
            self.known_origins()
        ))
    }

    pub(super) fn check_outboxes(&self) -> Result<(), BuildError> {
        for (origin, (_, tuning)) in &self.outboxes {
            let refused = |why: String| BuildError::Outbox {
                origin: origin.clone(),
                why,
            };
            if !self.origins.contains_key(origin) {
                let known = self.known_origins();
                return Err(refused(format!(
                    "there is no origin of that name; there is {known}"
                )));
            }
            tuning.check().map_err(refused)?;
        }
        Ok(())
    }

    /// An origin that is never sent what values depend on answers something else.
    pub(super) fn check_seen(&self, routes: &Routes) -> Result<(), BuildError> {
        for route in &routes.0 {
            let policy = self.policies.current(&route.policy);
            let class = policy.and_then(|policy| unseen::class(policy.manifest(), route));
            if let Some(class) = class {
                return Err(unseen::refusal(class, route, &route.described.resource).into());
            }
        }
        Ok(())
    }

    /// A default decision that the guard refuses would fail at the worst moment.
    pub(super) fn check_default(&self, policy: &str, rule: &OnFailure) -> Result<(), BuildError> {
        let OnFailure::DefaultDecision(default) = rule else {
            return Ok(());
        };
        let refused = |why: String| BuildError::DefaultDecision {
            policy: policy.to_owned(),
            why,
        };
        if default.strategy == Strategy::WriteBehind && self.queue.is_none() {
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
