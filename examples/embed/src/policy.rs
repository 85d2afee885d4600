//! A policy in the program's own code, for what need not change without a new build.

use std::sync::Arc;

use larder::Request;
use larder::core::{
    Decision, Freshness, Identity, Manifest, Policies, Policy, PolicyFailure, Strategy, Timestamp,
};

/// Rows for an hour, tagged by entity and row.
struct Rows {
    identity: Arc<Identity>,
    manifest: Manifest,
}

impl Policy for Rows {
    fn identity(&self) -> &Arc<Identity> {
        &self.identity
    }

    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn decide(&self, request: &Request, _now: Timestamp) -> Result<Decision, PolicyFailure> {
        let row = format!("{}:{}", request.resource, request.id);
        Ok(Decision {
            freshness: Freshness {
                ttl_ms: 3_600_000,
                jitter_percent: 10,
                stale_while_revalidate_ms: 30_000,
                ..Freshness::default()
            },
            tags: vec![request.resource.clone(), row.clone()],
            reason: "row".to_owned(),
            ..Decision::new(Strategy::CacheAside, row)
        })
    }
}

/// The program's own policies: one, under the name `standard`.
pub(crate) struct Native(Arc<dyn Policy>);

impl Native {
    pub(crate) fn new() -> Self {
        let identity = Identity {
            name: "standard".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            revision: "native".to_owned(),
            contract: "0.1.0".to_owned(),
            settings: String::new(),
        };
        let manifest = Manifest {
            name: identity.name.clone(),
            version: identity.version.clone(),
            ..Manifest::default()
        };
        let identity = Arc::new(identity);
        Self(Arc::new(Rows { identity, manifest }))
    }
}

impl Policies for Native {
    fn current(&self, name: &str) -> Option<Arc<dyn Policy>> {
        (name == "standard").then(|| Arc::clone(&self.0))
    }
}
