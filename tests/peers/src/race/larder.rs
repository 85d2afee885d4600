//! Larder in the experiment: `get_or_load` over any store.

use std::sync::Arc;

use larder::core::{
    Decision, Freshness, Identity, Manifest, Policies, Policy, PolicyFailure, Strategy, Timestamp,
};
use larder::store::Store;
use larder::{Engine, Invalidation, Request, Route, Value};

use super::experiment::{Later, Load, Peer};

/// The ways, by number.
pub const WAYS: [&str; 4] = ["key", "tag", "namespace", "pattern"];

/// An engine with a policy of one key.
pub struct Larder(Engine);

impl Larder {
    /// An engine over `store`, which has to be empty, or to have another prefix than before.
    ///
    /// # Panics
    /// Where no engine can be built.
    #[must_use]
    pub fn over(store: Arc<dyn Store>) -> Self {
        let policies = Arc::new(OneKey(Arc::new(Identity {
            name: "race".into(),
            version: "1.0.0".into(),
            revision: "native".into(),
            contract: "0.1.0".into(),
            settings: String::new(),
        })));
        let engine = Engine::builder(policies, store).route(Route::new("row", "race"));
        #[allow(clippy::expect_used, reason = "there is no experiment without it")]
        Self(engine.build().expect("an engine"))
    }
}

impl Peer for Larder {
    fn get(&self, load: Load) -> Later<'_, Option<u32>> {
        Box::pin(async move {
            let load = move || async move {
                let text = load.await.to_string();
                Ok::<_, String>(Some(Value::new(text)))
            };
            let reading = self.0.get_or_load(Request::read("row", "1"), load).await;
            let value = reading.ok()?.value?;
            std::str::from_utf8(&value.bytes).ok()?.parse().ok()
        })
    }

    fn invalidate(&self, way: usize) -> Later<'_, ()> {
        let name = |name: &str| ("row".to_owned(), name.to_owned());
        let mut what = Invalidation::default();
        match way {
            0 => what.keys.push(name("one")),
            1 => what.tags.push("all".into()),
            2 => what.namespaces.push("row".into()),
            _ => what.patterns.push(name("o*")),
        }
        Box::pin(async move {
            // A store that fails would show as an old value.
            let _ = self.0.invalidate(&what).await;
        })
    }
}

struct OneKey(Arc<Identity>);

impl Policies for OneKey {
    fn current(&self, _: &str) -> Option<Arc<dyn Policy>> {
        Some(Arc::new(Self(Arc::clone(&self.0))))
    }
}

impl Policy for OneKey {
    fn identity(&self) -> &Arc<Identity> {
        &self.0
    }

    fn manifest(&self) -> &Manifest {
        static NOTHING: std::sync::LazyLock<Manifest> = std::sync::LazyLock::new(Manifest::default);
        &NOTHING
    }

    fn decide(&self, _: &Request, _: Timestamp) -> Result<Decision, PolicyFailure> {
        let mut decision = Decision::new(Strategy::ReadThrough, "one");
        decision.tags.push("all".into());
        decision.freshness = Freshness {
            ttl_ms: 60_000,
            ..Freshness::default()
        };
        Ok(decision)
    }
}
