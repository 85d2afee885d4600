use std::collections::HashMap;
use std::sync::Arc;

use larder::Request;
use larder::core::{
    Admission, Decision, Identity, Loaded, Manifest, Policies, Policy, PolicyFailure, Timestamp,
};
use parking_lot::Mutex;

type Decide = dyn Fn(&Request) -> Result<Decision, PolicyFailure> + Send + Sync;
type Admit = dyn Fn(&Decision, &Loaded) -> Result<Admission, PolicyFailure> + Send + Sync;

/// A policy whose answers are closures.
#[derive(Clone)]
pub(crate) struct Native {
    identity: Arc<Identity>,
    manifest: Manifest,
    decide: Arc<Decide>,
    admit: Option<Arc<Admit>>,
}

impl Native {
    pub(crate) fn new(
        decide: impl Fn(&Request) -> Result<Decision, PolicyFailure> + Send + Sync + 'static,
    ) -> Self {
        let identity = Identity {
            name: "native".into(),
            version: "1.0.0".into(),
            revision: "native".into(),
            contract: "0.1.0".into(),
            settings: String::new(),
        };
        Self {
            identity: Arc::new(identity),
            manifest: Manifest::default(),
            decide: Arc::new(decide),
            admit: None,
        }
    }

    /// A policy that fails at whatever it is asked.
    pub(crate) fn failing() -> Self {
        Self::new(|_| Err(PolicyFailure::Trapped("unreachable".into())))
    }

    pub(crate) fn admit(
        mut self,
        admit: impl Fn(&Decision, &Loaded) -> Result<Admission, PolicyFailure> + Send + Sync + 'static,
    ) -> Self {
        self.manifest.admits = true;
        self.admit = Some(Arc::new(admit));
        self
    }

    /// Admits as decided, with one more tag that nobody knows before the load.
    pub(crate) fn late_tag(self, tag: &'static str) -> Self {
        self.admit(move |decision, _| {
            let mut admission = Admission::as_decided(decision);
            admission.tags.push(tag.into());
            Ok(admission)
        })
    }

    pub(crate) fn manifest(mut self, change: impl FnOnce(&mut Manifest)) -> Self {
        change(&mut self.manifest);
        self
    }

    pub(crate) fn revision(mut self, revision: &str) -> Self {
        Arc::make_mut(&mut self.identity).revision = revision.into();
        self
    }
}

impl Native {
    pub(crate) fn settings(mut self, settings: &str) -> Self {
        Arc::make_mut(&mut self.identity).settings = settings.into();
        self
    }
}

impl Policy for Native {
    fn identity(&self) -> &Arc<Identity> {
        &self.identity
    }

    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn decide(&self, request: &Request, _now: Timestamp) -> Result<Decision, PolicyFailure> {
        (self.decide)(request)
    }

    fn admit(
        &self,
        _request: &Request,
        decision: &Decision,
        loaded: &Loaded,
        _now: Timestamp,
    ) -> Result<Admission, PolicyFailure> {
        match &self.admit {
            Some(admit) => admit(decision, loaded),
            None => Ok(Admission::as_decided(decision)),
        }
    }
}

/// Policies by name, exchanged while the engine runs.
#[derive(Default)]
pub(crate) struct Shelf {
    all: Mutex<HashMap<String, Arc<dyn Policy>>>,
    asked: Mutex<u64>,
}

impl Shelf {
    pub(crate) fn put(&self, policy: Native) {
        let name = policy.identity.name.clone();
        self.all.lock().insert(name, Arc::new(policy));
    }

    pub(crate) fn clear(&self) {
        self.all.lock().clear();
    }

    /// How often a policy was looked up since the last question.
    pub(crate) fn asked(&self) -> u64 {
        std::mem::take(&mut *self.asked.lock())
    }
}

impl Policies for Shelf {
    fn current(&self, name: &str) -> Option<Arc<dyn Policy>> {
        *self.asked.lock() += 1;
        self.all.lock().get(name).cloned()
    }
}
