//! The checks of an engine's parts.

use super::{BuildError, EngineBuilder};
use crate::route::Route;
use crate::rules::known;

impl EngineBuilder {
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
        if self.origins.contains_key(name) || self.rules.routes.iter().any(loads) {
            return Ok(());
        }
        Err(format!(
            "there is neither an origin of that name nor a route without an origin whose policy \
             is; there is {}",
            known(&self.origins)
        ))
    }

    pub(super) fn check_outboxes(&self) -> Result<(), BuildError> {
        for (origin, (_, tuning)) in &self.outboxes {
            let refused = |why: String| BuildError::Outbox {
                origin: origin.clone(),
                why,
            };
            if !self.origins.contains_key(origin) {
                let known = known(&self.origins);
                return Err(refused(format!(
                    "there is no origin of that name; there is {known}"
                )));
            }
            tuning.check().map_err(refused)?;
        }
        Ok(())
    }
}
