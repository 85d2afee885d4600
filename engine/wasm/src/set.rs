//! The policies that serve now, as one immutable set.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::slot::Slot;
use crate::status::PolicyStatus;

/// All policies by name. Replaced as a whole, so that a reader sees one moment.
#[derive(Default)]
pub(crate) struct Set {
    slots: HashMap<String, Slot>,
    /// Why nothing of it would survive the process, if it was to.
    not_kept: Option<String>,
}

/// Where readers find the present set.
pub(crate) type Shared = Arc<ArcSwap<Set>>;

impl Set {
    pub(crate) fn new<'a>(slots: impl Iterator<Item = &'a Slot>, not_kept: Option<String>) -> Self {
        let slots = slots
            .map(|slot| (slot.plan.name.clone(), slot.clone()))
            .collect();
        Self { slots, not_kept }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Slot> {
        self.slots.get(name)
    }

    /// The state of all policies, by name.
    pub(crate) fn status(&self) -> Vec<PolicyStatus> {
        let mut all: Vec<PolicyStatus> = self
            .slots
            .values()
            .map(|slot| slot.status(self.not_kept.as_ref()))
            .collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }
}
