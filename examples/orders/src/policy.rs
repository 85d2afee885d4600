//! What is decided about orders.

use std::sync::Arc;

use larder::Request;
use larder::core::{
    Decision, Identity, Manifest, Policies, Policy, PolicyFailure, Strategy, Timestamp,
};

/// Orders wait in the queue and are read from it until the database has them.
pub(crate) struct Orders {
    identity: Arc<Identity>,
    manifest: Manifest,
}

impl Policy for Orders {
    fn identity(&self) -> &Arc<Identity> {
        &self.identity
    }

    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn decide(&self, request: &Request, _now: Timestamp) -> Result<Decision, PolicyFailure> {
        let key = format!("order:{}", request.id);
        let mut decision = Decision::new(Strategy::WriteBehind, key);
        decision.freshness.ttl_ms = 60_000;
        decision.reason = "an order is taken at once and delivered later".to_owned();
        Ok(decision)
    }
}

/// The one policy of this program.
pub(crate) struct Native(Arc<Orders>);

impl Native {
    pub(crate) fn new() -> Self {
        let identity = Identity {
            name: "orders".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            revision: "native".to_owned(),
            contract: "0.1.0".to_owned(),
            settings: String::new(),
        };
        Self(Arc::new(Orders {
            identity: Arc::new(identity),
            manifest: Manifest::default(),
        }))
    }
}

impl Policies for Native {
    fn current(&self, name: &str) -> Option<Arc<dyn Policy>> {
        (name == "orders").then(|| Arc::clone(&self.0) as Arc<dyn Policy>)
    }
}
