//! One policy name: the builds that are kept for it, and which of them serves.

use std::sync::Arc;

use crate::generation::Generation;
use crate::load::Plan;
use crate::shelf::Record;
use crate::stage::LoadFailure;
use crate::status::{GenerationStatus, PolicyStatus, State};

/// One policy name. The owner's thread changes it; readers see immutable copies.
#[derive(Clone)]
pub(crate) struct Slot {
    pub(crate) plan: Arc<Plan>,
    /// Whether the configuration names it. If not, it ends with its file, unless a build serves.
    pub(crate) configured: bool,
    /// Those of the record that are loaded, in its order.
    kept: Vec<Arc<Generation>>,
    current: Option<Arc<Generation>>,
    pub(crate) failure: Option<LoadFailure>,
    /// The digest of the file that failed, which is not tried again.
    pub(crate) failed: Option<String>,
    /// What lasts.
    pub(crate) record: Record,
    /// Whether the builds of the record were loaded, as far as they can be.
    pub(crate) is_restored: bool,
    pub(crate) present: bool,
}

impl Slot {
    pub(crate) fn new(plan: Arc<Plan>, configured: bool, record: Record) -> Self {
        let mut record = record;
        record.policy.clone_from(&plan.name);
        Self {
            plan,
            configured,
            kept: Vec::new(),
            current: None,
            failure: None,
            failed: None,
            record,
            is_restored: false,
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

    /// The files of the kept builds, by revision.
    pub(crate) fn files(&self) -> Vec<(String, Arc<[u8]>)> {
        let kept = self.kept.iter();
        kept.map(|kept| (kept.revision().to_owned(), kept.bytes()))
            .collect()
    }

    /// A kept build by its revision.
    pub(crate) fn kept(&self, revision: &str) -> Option<Arc<Generation>> {
        let is = |kept: &&Arc<Generation>| kept.revision() == revision;
        self.kept.iter().find(is).cloned()
    }

    /// Adds a build of the record that does not serve.
    pub(crate) fn shelve(&mut self, build: Arc<Generation>) {
        if self.kept(build.revision()).is_none() {
            build.retire();
            self.put(build);
        }
    }

    fn put(&mut self, build: Arc<Generation>) {
        self.kept.push(build);
        let order = &self.record.builds;
        let place = |one: &Arc<Generation>| order.iter().position(|rev| rev == one.revision());
        self.kept.sort_by_key(place);
    }

    /// Lets `next` serve, and answers the builds that are kept no longer.
    pub(crate) fn serve(&mut self, next: &Arc<Generation>) -> Vec<Arc<Generation>> {
        next.revive();
        let gone = self.record.serves(next.revision());
        if !self.kept.iter().any(|kept| Arc::ptr_eq(kept, next)) {
            self.put(next.clone());
        }
        let before = self.current.replace(next.clone());
        if let Some(before) = before.filter(|before| !Arc::ptr_eq(before, next)) {
            before.retire();
        }
        self.failure = None;
        self.failed = None;
        let is_gone = |kept: &mut Arc<Generation>| gone.iter().any(|rev| rev == kept.revision());
        self.kept.extract_if(.., is_gone).collect()
    }

    pub(crate) fn status(&self, not_kept: Option<&String>) -> PolicyStatus {
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
            pinned: self.record.pinned.clone(),
            rolled_back: self.record.rolled_back.clone(),
            not_kept: not_kept.cloned(),
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
