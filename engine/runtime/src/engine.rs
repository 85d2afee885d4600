//! The engine's one handle.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;

use larder_core::{Clock, Guard, Policies, Request, Value};
use larder_store::{Health, Store, Summary, Sweep};

use crate::aside::{Filling, Lease};
use crate::builder::EngineBuilder;
use crate::decide::Decided;
use crate::error::Error;
use crate::fallback::OnFailure;
use crate::flight::Flights;
use crate::invalidate::{Invalidated, Invalidation, Sweeps};
use crate::loader::from_closure;
use crate::meters::{Meters, PolicyMeters};
use crate::read::Reading;
use crate::retry::Retry;
use crate::route::{Resolved, Route, Routes};
use crate::tuning::Tuning;
use crate::vault::Seals;
use crate::write::Writing;

/// Decides by policy and runs what was decided. Clones share everything and cost nothing.
///
/// Reads, writes and loads need a tokio runtime with its timer on.
#[derive(Clone)]
pub struct Engine {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) routes: Routes,
    pub(crate) policies: Arc<dyn Policies>,
    pub(crate) on_failure: HashMap<String, OnFailure>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) guard: Guard,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) tuning: Tuning,
    pub(crate) flights: Flights,
    pub(crate) retry: Retry,
    pub(crate) sweeps: Sweeps,
    pub(crate) meters: Meters,
    pub(crate) seals: Seals,
}

/// What an engine says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The store.
    pub store: Summary,
    /// Whether the store can be relied on now.
    pub health: Health,
    /// The routes in the order in which they are tried, and what is known of each one's origin.
    pub routes: Vec<(Route, Option<String>)>,
}

impl Engine {
    /// Begins an engine over `policies` and `store`.
    pub fn builder(policies: Arc<dyn Policies>, store: Arc<dyn Store>) -> EngineBuilder {
        EngineBuilder::new(policies, store)
    }

    /// Decides about `request` by the policy of its route, without acting on it.
    ///
    /// # Errors
    /// [`Error::Request`], [`Error::NoRoute`]; [`Error::Denied`] and [`Error::WriteUndecided`]
    /// where the policy failed and nothing answers for it.
    pub fn decide(&self, request: &Request) -> Result<Decided, Error> {
        self.inner.decide(request)
    }

    /// Decides about `request` by the policy named, whatever its route says.
    ///
    /// # Errors
    /// As [`Engine::decide`], and [`Error::NoPolicy`].
    pub fn decide_with(&self, policy: &str, request: &Request) -> Result<Decided, Error> {
        self.inner.decide_with(policy, request)
    }

    /// Reads by the strategy that the policy chooses.
    ///
    /// Dropping the future gives up waiting, not a load that others may wait for.
    ///
    /// # Errors
    /// As [`Engine::decide`]; [`Error::NoOrigin`]; and what became of the load, where no stale
    /// value could be served instead.
    pub async fn read(&self, request: Request) -> Result<Reading, Error> {
        self.inner.read(request).await
    }

    /// Reads from the cache; on a miss `load` brings the value, or none where there is no such
    /// thing, and it is stored as the policy decided. One load runs for each key at a time, and
    /// it goes on when its caller goes away. Nothing is stored that was invalidated since the
    /// load began.
    ///
    /// # Errors
    /// As [`Engine::decide`]; [`Error::Loader`] and [`Error::LoadTimeout`], where no stale value
    /// could be served instead.
    pub async fn get_or_load<F, Fut, E>(&self, request: Request, load: F) -> Result<Reading, Error>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<Option<Value>, E>> + Send + 'static,
        E: std::fmt::Display + 'static,
    {
        self.inner.get_or_load(request, from_closure(load)).await
    }

    /// Writes `value` by the strategy that the policy chooses. Once begun it is seen through,
    /// whether or not the future is.
    ///
    /// # Errors
    /// As [`Engine::decide`]; [`Error::NoOrigin`], [`Error::Unsupported`]; [`Error::Origin`],
    /// after which what the write may have made stale has been invalidated.
    pub async fn write(&self, request: Request, value: Value) -> Result<Writing, Error> {
        self.inner.write(request, Some(value)).await
    }

    /// Deletes by the strategy that the policy chooses.
    ///
    /// # Errors
    /// As [`Engine::write`].
    pub async fn delete(&self, request: Request) -> Result<Writing, Error> {
        self.inner.write(request, None).await
    }

    /// Stores what was loaded under a lease from [`Engine::read`]; no value means that there is
    /// no such thing. `attributes` are response inputs for the policy, such as
    /// `("header.cache-control", "max-age=60")`.
    ///
    /// # Errors
    /// [`Error::NoRoute`] where the resource's route is gone. A lease that no longer holds is no
    /// error: the answer says that nothing was stored.
    pub async fn fill(
        &self,
        lease: Lease,
        value: Option<Value>,
        attributes: &[(String, String)],
    ) -> Result<Filling, Error> {
        self.inner.fill_lease(lease, value, attributes).await
    }

    /// Gives a lease up and wakes those who wait for it.
    ///
    /// # Errors
    /// [`Error::NoRoute`], [`Error::Store`].
    pub async fn release(&self, lease: Lease) -> Result<(), Error> {
        self.inner.release_lease(lease).await
    }

    /// Makes entries stale. No read of this engine that starts after the answer serves them, and
    /// no load that began before it brings them back.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn invalidate(&self, what: &Invalidation) -> Result<Invalidated, Error> {
        self.inner.invalidate(what).await
    }

    /// Drops entries and leases that have reached their end; answers how many entries went.
    #[must_use]
    pub fn sweep(&self) -> u64 {
        self.inner.store.sweep(self.inner.clock.now())
    }

    /// The sweep of a pattern by the id that [`Invalidated::sweeps`] named, while it is among the
    /// latest 128.
    #[must_use]
    pub fn sweep_of(&self, id: &str) -> Option<Sweep> {
        self.inner.sweeps.find(id)
    }

    /// Whether the store can be relied on now, without asking it.
    #[must_use]
    pub fn store_health(&self) -> Health {
        self.inner.store.health()
    }

    /// What the engine says of itself.
    #[must_use]
    pub fn status(&self) -> Status {
        let routes = self.inner.routes.0.iter();
        Status {
            store: self.inner.store.summary(),
            health: self.inner.store.health(),
            routes: routes
                .map(|route| {
                    let origin = route.origin.as_ref().map(|origin| origin.summary());
                    (route.described.clone(), origin)
                })
                .collect(),
        }
    }
}

impl Inner {
    /// The route of a policy that no route names, for decisions that are only asked for.
    pub(crate) fn unrouted(&self, policy: &str) -> Resolved {
        Resolved {
            resource: wildmatch::WildMatch::new("*"),
            policy: policy.into(),
            origin: None,
            on_failure: self.on_failure.get(policy).cloned().unwrap_or_default(),
            meters: PolicyMeters::new(policy),
            described: Route::new("*", policy),
        }
    }
}
