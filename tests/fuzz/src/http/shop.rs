//! What the calls meet: the routes of the data plane, and a policy that answers any request.

use std::sync::Arc;

use bytes::Bytes;
use larder::core::{
    Decision, Freshness, Identity, Manifest, Policies, Policy, PolicyFailure, Strategy, Timestamp,
};
use larder::store::{MemoryConfig, MemoryStore};
use larder::{Engine, Request, Route};
use larder_server::Settings;
use larder_server::direct::Direct;
use tokio::runtime::Runtime;

/// What the leases are sealed under.
pub(super) const SECRET: &[u8] = b"a secret of at least thirty-two bytes";

/// A data plane, and one lease that it gave.
pub(super) struct Shop {
    plane: Direct,
    runtime: Runtime,
    pub(super) lease: String,
}

/// The head and the whole body of an answer.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) kind: String,
    pub(super) lease: Option<String>,
    pub(super) body: Bytes,
}

impl Shop {
    pub(super) fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build();
        let runtime = runtime.expect("a runtime without I/O");
        let store = Arc::new(MemoryStore::new(MemoryConfig::default()));
        let settings = Settings {
            lease_secret: Some(SECRET.to_vec()),
            ..Settings::default()
        };
        let plane = runtime.block_on(async {
            let engine =
                Engine::builder(Arc::new(Rows::new()), store).route(Route::new("*", "rows"));
            let engine = engine.build().expect("its parts fit together");
            Direct::new(engine, &settings).expect("there is a secret")
        });
        let mut shop = Self {
            plane,
            runtime,
            lease: String::new(),
        };
        let missing = shop.ask("GET", "/v1/entries/product/1", &[]);
        shop.lease = missing.lease.expect("a miss gives a lease");
        shop
    }

    pub(super) fn ask(&self, method: &str, path: &str, body: &[u8]) -> Answer {
        let request = larder_server::direct::http::Request::builder()
            .method(method)
            .uri(path);
        let request = request.body(Bytes::copy_from_slice(body));
        let request = request.expect("a method and a path that can be sent");
        let answer = self.runtime.block_on(self.plane.answer(request));
        let header = |name| answer.headers().get(name)?.to_str().ok();
        Answer {
            status: answer.status().as_u16(),
            kind: header("content-type").unwrap_or_default().to_owned(),
            lease: header("larder-lease").map(str::to_owned),
            body: answer.into_body(),
        }
    }
}

/// Every row by its names, except those that it is told to fail at.
struct Rows {
    identity: Arc<Identity>,
    manifest: Manifest,
}

impl Rows {
    fn new() -> Self {
        let identity = Identity {
            name: "rows".to_owned(),
            version: "1.0.0".to_owned(),
            revision: "native".to_owned(),
            contract: "0.1.0".to_owned(),
            settings: String::new(),
        };
        Self {
            identity: Arc::new(identity),
            manifest: Manifest::default(),
        }
    }
}

impl Policy for Rows {
    fn identity(&self) -> &Arc<Identity> {
        &self.identity
    }

    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn decide(&self, request: &Request, _now: Timestamp) -> Result<Decision, PolicyFailure> {
        if request.id == "trap" {
            return Err(PolicyFailure::Trapped("unreachable".to_owned()));
        }
        Ok(Decision {
            freshness: Freshness {
                ttl_ms: 60_000,
                ..Freshness::default()
            },
            tags: vec![request.resource.clone()],
            ..Decision::new(Strategy::CacheAside, request.id.clone())
        })
    }
}

impl Policies for Rows {
    fn current(&self, name: &str) -> Option<Arc<dyn Policy>> {
        (name == "rows").then(|| Arc::new(Self::new()) as Arc<dyn Policy>)
    }
}
