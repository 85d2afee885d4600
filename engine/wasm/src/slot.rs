//! One policy name: the builds that are kept for it, and which of them serves.

use std::sync::Arc;

use crate::generation::Generation;
use crate::load::Plan;
use crate::stage::LoadFailure;
use crate::status::{GenerationStatus, PolicyStatus, State};

/// How many builds are kept, the serving one among them.
pub(crate) const KEPT: usize = 3;

/// One policy name. The owner's thread changes it; readers see immutable copies.
#[derive(Clone)]
pub(crate) struct Slot {
    pub(crate) plan: Arc<Plan>,
    /// Whether the configuration names it. If not, it ends with its file, unless a build serves.
    pub(crate) configured: bool,
    /// Oldest first.
    kept: Vec<Arc<Generation>>,
    current: Option<Arc<Generation>>,
    pub(crate) failure: Option<LoadFailure>,
    /// The digest of the file that failed, which is not tried again.
    pub(crate) failed: Option<String>,
    pub(crate) pinned: Option<String>,
    pub(crate) present: bool,
}

impl Slot {
    pub(crate) const fn new(plan: Arc<Plan>, configured: bool) -> Self {
        Self {
            plan,
            configured,
            kept: Vec::new(),
            current: None,
            failure: None,
            failed: None,
            pinned: None,
            present: false,
        }
    }

    pub(crate) const fn current(&self) -> Option<&Arc<Generation>> {
        self.current.as_ref()
    }

    /// The build that was loaded before the serving one.
    pub(crate) fn before_current(&self) -> Option<Arc<Generation>> {
        let current = self.current.as_ref()?;
        let at = self
            .kept
            .iter()
            .position(|kept| Arc::ptr_eq(kept, current))?;
        self.kept.get(at.checked_sub(1)?).cloned()
    }

    /// A kept build by its revision, with or without `sha256:`.
    pub(crate) fn kept(&self, revision: &str) -> Option<Arc<Generation>> {
        let digest = revision.trim_start_matches("sha256:");
        let is = |kept: &&Arc<Generation>| kept.revision().trim_start_matches("sha256:") == digest;
        self.kept.iter().find(is).cloned()
    }

    /// Lets `next` serve, and answers the build that is no longer kept, if any.
    pub(crate) fn serve(&mut self, next: &Arc<Generation>) -> Option<Arc<Generation>> {
        next.revive();
        if !self.kept.iter().any(|kept| Arc::ptr_eq(kept, next)) {
            self.kept.push(next.clone());
        }
        let before = self.current.replace(next.clone());
        if let Some(before) = before.filter(|before| !Arc::ptr_eq(before, next)) {
            before.retire();
        }
        self.failure = None;
        self.failed = None;
        // The newest is always the one that was just pushed, if there are too many.
        (self.kept.len() > KEPT).then(|| self.kept.remove(0))
    }

    pub(crate) fn status(&self) -> PolicyStatus {
        let current = self.current.as_ref();
        let others = self
            .kept
            .iter()
            .rev()
            .filter(|kept| current.is_none_or(|current| !Arc::ptr_eq(kept, current)));
        PolicyStatus {
            name: self.plan.name.clone(),
            module: self.plan.module.clone(),
            state: self.state(),
            current: current.map(|current| current.status()),
            previous: others
                .map(|kept| kept.status())
                .collect::<Vec<GenerationStatus>>(),
            candidate_error: self.failure.clone(),
            pinned: self.pinned.clone(),
        }
    }

    const fn state(&self) -> State {
        match (self.present, &self.current) {
            (false, _) => State::Missing,
            (true, Some(_)) => State::Serving,
            (true, None) => State::Failed,
        }
    }
}
