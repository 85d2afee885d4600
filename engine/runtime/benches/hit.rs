//! What a hit in memory costs through the whole engine, and what a decision costs, with a policy
//! that is part of the program: request checked, route found, policy asked, guard applied, key
//! made, entry found and judged.

#![expect(clippy::expect_used, reason = "a bench that cannot start should stop")]

use std::sync::Arc;

use divan::{Bencher, black_box};
use futures_util::FutureExt;
use larder::core::{
    Decision, Identity, Manifest, Outcome, Policies, Policy, PolicyFailure, Strategy, Timestamp,
};
use larder::store::{MemoryConfig, MemoryStore};
use larder::{Engine, Request, Route, Value};

fn main() {
    divan::main();
}

/// Decides as a catalogue would: a key, two tags, one hour.
struct Catalogue {
    identity: Arc<Identity>,
    manifest: Manifest,
}

impl Policy for Catalogue {
    fn identity(&self) -> &Arc<Identity> {
        &self.identity
    }

    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn decide(&self, request: &Request, _now: Timestamp) -> Result<Decision, PolicyFailure> {
        let key = format!("{}:{}", request.resource, request.id);
        let mut decision = Decision::new(Strategy::CacheAside, key.clone());
        decision.freshness.ttl_ms = 3_600_000;
        decision.freshness.jitter_percent = 10;
        decision.tags = vec![request.resource.clone(), key];
        decision.reason.push_str("catalogue entity");
        Ok(decision)
    }
}

struct One(Arc<dyn Policy>);

impl Policies for One {
    fn current(&self, _name: &str) -> Option<Arc<dyn Policy>> {
        Some(Arc::clone(&self.0))
    }
}

fn engine() -> Engine {
    let identity = Identity {
        name: "catalogue".into(),
        version: "1.0.0".into(),
        revision: "native".into(),
        contract: "0.1.0".into(),
        settings: String::new(),
    };
    let policy = Catalogue {
        identity: Arc::new(identity),
        manifest: Manifest::default(),
    };
    let store = Arc::new(MemoryStore::new(MemoryConfig::default()));
    let builder = Engine::builder(Arc::new(One(Arc::new(policy))), store);
    let builder = builder.route(Route::new("product", "catalogue"));
    builder.build().expect("the parts fit")
}

fn request() -> Request {
    Request::read("product", "42").tenant("acme")
}

#[divan::bench]
fn decide(bencher: Bencher<'_, '_>) {
    let engine = engine();
    let request = request();
    bencher.bench_local(|| engine.decide(black_box(&request)));
}

/// The policy alone, to compare with.
#[divan::bench]
fn policy_alone(bencher: Bencher<'_, '_>) {
    let engine = engine();
    let request = request();
    let policy = Catalogue {
        identity: engine.decide(&request).expect("decides").policy,
        manifest: Manifest::default(),
    };
    bencher.bench_local(|| policy.decide(black_box(&request), Timestamp(0)));
}

#[divan::bench]
fn hit_1_kib(bencher: Bencher<'_, '_>) {
    let engine = engine();
    let runtime = tokio::runtime::Runtime::new().expect("starts");
    let load = || async { Ok::<_, String>(Some(Value::new(vec![7; 1024]))) };
    let loaded = runtime.block_on(engine.get_or_load(request(), load));
    assert_eq!(loaded.expect("is loaded").not_stored, None);
    bencher.with_inputs(request).bench_local_values(|request| {
        // A hit in memory never waits.
        let reading = engine.get_or_load(request, load).now_or_never();
        let reading = reading.expect("is there").expect("is read");
        assert_eq!(reading.outcome, Outcome::Hit);
        reading
    });
}
