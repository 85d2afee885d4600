//! A policy in the program's own code, as a closure.

use std::sync::Arc;

use larder::Request;
use larder::core::{
    Decision, Freshness, Identity, Manifest, Policies, Policy, PolicyFailure, Strategy, Timestamp,
};

/// The name that the route gives.
pub(crate) const NAME: &str = "pages";

/// A policy that asks a closure, and the program's only one.
pub(crate) struct Native<F> {
    identity: Arc<Identity>,
    manifest: Manifest,
    decide: F,
}

impl<F> Native<F>
where
    F: Fn(&Request) -> Decision + Send + Sync + 'static,
{
    pub(crate) fn policies(decide: F) -> Arc<dyn Policies> {
        let identity = Identity {
            name: NAME.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            revision: "native".to_owned(),
            contract: "0.1.0".to_owned(),
            settings: String::new(),
        };
        let manifest = Manifest {
            name: NAME.to_owned(),
            version: identity.version.clone(),
            ..Manifest::default()
        };
        Arc::new(Only(Arc::new(Self {
            identity: Arc::new(identity),
            manifest,
            decide,
        })))
    }
}

impl<F> Policy for Native<F>
where
    F: Fn(&Request) -> Decision + Send + Sync,
{
    fn identity(&self) -> &Arc<Identity> {
        &self.identity
    }

    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn decide(&self, request: &Request, _now: Timestamp) -> Result<Decision, PolicyFailure> {
        Ok((self.decide)(request))
    }
}

struct Only(Arc<dyn Policy>);

impl Policies for Only {
    fn current(&self, name: &str) -> Option<Arc<dyn Policy>> {
        (name == NAME).then(|| Arc::clone(&self.0))
    }
}

/// Pages for a minute, and for another while they are refreshed. The layer invalidates by the
/// resource's name, so every entry carries it as a tag.
pub(crate) fn pages(request: &Request) -> Decision {
    Decision {
        freshness: Freshness {
            ttl_ms: 60_000,
            stale_while_revalidate_ms: 60_000,
            ..Freshness::default()
        },
        tags: vec![request.resource.clone()],
        reason: "a page, by path, query and declared headers".to_owned(),
        ..Decision::new(Strategy::CacheAside, key(request))
    }
}

/// Path and query, then each attribute in quotes: neither a path nor a header can pass for
/// something else, for the one has no spaces and the other its quotes escaped.
fn key(request: &Request) -> String {
    let mut key = request.id.clone();
    for (name, value) in &request.attributes {
        key.push_str(&format!(" {name}={value:?}"));
    }
    key
}
