//! The engine's one handle.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::future::Future;
use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use larder_core::{Clock, Guard, Policies, Policy, Request, Value};
use larder_origin::Origin;
use larder_store::{Found, Health, Store, StoreError, Summary, Sweep};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::aside::{Filling, Lease};
use crate::behind::{Behind, Drained, QueueView};
use crate::builder::EngineBuilder;
use crate::complaints::Complaints;
use crate::deadline::in_ms;
use crate::decide::Decided;
use crate::error::Error;
use crate::fallback::OnFailure;
use crate::flight::Flights;
use crate::gate::Gate;
use crate::invalidate::{Invalidated, Invalidation, Sweeps};
use crate::limits::OriginLimits;
use crate::loader::from_closure;
use crate::meters::{Meters, PolicyMeters};
use crate::outbox::Followed;
use crate::questions::Questions;
use crate::read::Reading;
use crate::retry::Retry;
use crate::route::{Resolved, Route, Routes};
use crate::rules::Gates;
use crate::tuning::Tuning;
use crate::vault::Seals;
use crate::write::Writing;
use crate::write_hold::WriteHolds;

/// Decides by policy and runs what was decided. Clones share everything and cost nothing.
///
/// Reads, writes and loads need a tokio runtime with its timer on.
#[derive(Clone)]
pub struct Engine {
    pub(crate) inner: Arc<Inner>,
}

/// An engine under certain rules. Requests keep the one they began with.
pub(crate) struct Inner {
    pub(crate) routes: Routes,
    pub(crate) policies: Arc<dyn Policies>,
    pub(crate) on_failure: HashMap<String, OnFailure>,
    pub(crate) guard: Guard,
    pub(crate) seals: Seals,
    /// Whether entries of other builds of a policy are misses.
    pub(crate) retire: bool,
    pub(crate) shared: Arc<Shared>,
}

/// What stays while rules change.
pub(crate) struct Shared {
    pub(crate) store: Arc<dyn Store>,
    /// All that are open, whether a route uses them or not.
    pub(crate) origins: HashMap<String, Arc<dyn Origin>>,
    pub(crate) gates: Gates,
    /// What the store is handed.
    pub(crate) clock: Arc<dyn Clock>,
    /// What the queue is handed.
    pub(crate) queue_clock: Arc<dyn Clock>,
    pub(crate) wall: Arc<dyn Clock>,
    /// For what only this process measures.
    pub(crate) steady: Arc<dyn Clock>,
    pub(crate) tuning: Tuning,
    pub(crate) holds: WriteHolds,
    /// By the name that bears the limits, in milliseconds.
    pub(crate) write_holds: BTreeMap<String, u64>,
    pub(crate) flights: Flights,
    /// What is under a key, asked for all who want to know at once.
    pub(crate) looks: Questions<Arc<str>, Result<Option<Found>, StoreError>>,
    pub(crate) retry: Retry,
    pub(crate) sweeps: Sweeps,
    /// Counts what this engine has written and invalidated, whether it was done or not.
    pub(crate) changes: AtomicU64,
    pub(crate) meters: Meters,
    pub(crate) complaints: Complaints,
    /// None where there is no queue.
    pub(crate) behind: Option<Arc<Behind>>,
    /// The outboxes that are read.
    pub(crate) outboxes: Vec<Followed>,
    /// The engine under all rules that a handle is left of, the latest last.
    pub(crate) ruled: Mutex<Vec<Weak<Inner>>>,
}

impl Deref for Inner {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.shared
    }
}

impl Shared {
    /// What runs behind the requests goes by the rules of `inner` from now on.
    pub(crate) fn lead(&self, inner: &Arc<Inner>) {
        let mut ruled = self.ruled.lock();
        ruled.retain(|inner| inner.strong_count() > 0);
        ruled.push(Arc::downgrade(inner));
    }
}

/// An engine under its latest rules, for a task that ends when the engine is gone.
#[derive(Clone)]
pub(crate) struct Present(Weak<Shared>);

impl Present {
    pub(crate) fn of(inner: &Inner) -> Self {
        Self(Arc::downgrade(&inner.shared))
    }

    pub(crate) fn upgrade(&self) -> Option<Arc<Inner>> {
        let shared = self.0.upgrade()?;
        let ruled = shared.ruled.lock();
        ruled.iter().rev().find_map(Weak::upgrade)
    }
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
    /// value could be served instead, [`Error::OriginOpen`] and [`Error::Overloaded`] among it;
    /// [`Error::DeadlineExceeded`] after [`Tuning::read_timeout_ms`].
    pub async fn read(&self, request: Request) -> Result<Reading, Error> {
        self.inner
            .read(request, self.default_deadline(), None)
            .await
    }

    /// As [`Engine::read`], for a caller who waits until `deadline` and no longer. Where a stale
    /// value may be served it is the answer then.
    ///
    /// Every wait on the way takes a share of what is left: at most half for another node's load
    /// or write of the same key, and at most half for a place at the origin. The load itself is
    /// not cut, as others may wait for it, unless the decision is to leave the cache alone.
    ///
    /// # Errors
    /// As [`Engine::read`]; [`Error::DeadlineExceeded`] at `deadline`.
    pub async fn read_by(&self, request: Request, deadline: Instant) -> Result<Reading, Error> {
        self.inner.read(request, deadline, None).await
    }

    /// As [`Engine::read_by`], and changes nothing: a miss in cache-aside gives nobody a lease
    /// ([`Outcome::Unleased`]), what is stale is not refreshed, and what the origin is asked for is
    /// not stored.
    ///
    /// [`Outcome::Unleased`]: larder_core::Outcome::Unleased
    ///
    /// # Errors
    /// As [`Engine::read_by`].
    pub async fn look_by(&self, request: Request, deadline: Instant) -> Result<Reading, Error> {
        self.inner.look_only(request, deadline).await
    }

    /// Reads from the cache; on a miss `load` brings the value, or none where there is no such
    /// thing, and it is stored as the policy decided. One load runs for each key at a time, and
    /// it goes on when its caller goes away. Nothing is stored that was invalidated since the
    /// load began. Closures are called under the limits of the route's origin, or of its policy
    /// where it has none ([`EngineBuilder::origin_limits`]); an error of theirs counts as a
    /// failure of the origin.
    ///
    /// # Errors
    /// As [`Engine::read`]; [`Error::Loader`].
    pub async fn get_or_load<F, Fut, E>(&self, request: Request, load: F) -> Result<Reading, Error>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<Option<Value>, E>> + Send + 'static,
        E: std::fmt::Display + 'static,
    {
        self.get_or_load_by(request, self.default_deadline(), load)
            .await
    }

    /// As [`Engine::get_or_load`], for a caller who waits until `deadline` and no longer; see
    /// [`Engine::read_by`].
    ///
    /// # Errors
    /// As [`Engine::get_or_load`]; [`Error::DeadlineExceeded`] at `deadline`.
    pub async fn get_or_load_by<F, Fut, E>(
        &self,
        request: Request,
        deadline: Instant,
        load: F,
    ) -> Result<Reading, Error>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<Option<Value>, E>> + Send + 'static,
        E: std::fmt::Display + 'static,
    {
        let loader = from_closure(load);
        self.inner
            .get_or_load(request, deadline, loader, None)
            .await
    }

    pub(crate) fn default_deadline(&self) -> Instant {
        in_ms(self.inner.tuning.read_timeout_ms)
    }

    /// Writes `value` by the strategy that the policy chooses. Once begun it is seen through,
    /// whether or not the future is.
    ///
    /// # Errors
    /// As [`Engine::decide`]; [`Error::NoOrigin`], [`Error::Unsupported`]; [`Error::OriginOpen`]
    /// and [`Error::Overloaded`], after which nothing was done; [`Error::Origin`], after which
    /// what the write may have made stale has been invalidated. Where the store fails, a
    /// `write_through` ends in [`Error::Store`] before the origin is called, as its place in the
    /// order of writes cannot be kept; the other strategies write and end in
    /// [`Error::NotInvalidated`].
    pub async fn write(&self, request: Request, value: Value) -> Result<Writing, Error> {
        self.inner.write(request, Some(value), None).await
    }

    /// As [`Engine::write`], for a caller who may repeat the write because its answer was lost:
    /// under write-behind the same `operation` on the same row is queued once, and answered the
    /// same for ten minutes at least. Other strategies repeat it, as their origins may.
    ///
    /// # Errors
    /// As [`Engine::write`].
    pub async fn write_once(
        &self,
        request: Request,
        value: Value,
        operation: &str,
    ) -> Result<Writing, Error> {
        self.inner
            .write(request, Some(value), Some(operation))
            .await
    }

    /// Deletes by the strategy that the policy chooses.
    ///
    /// # Errors
    /// As [`Engine::write`].
    pub async fn delete(&self, request: Request) -> Result<Writing, Error> {
        self.inner.write(request, None, None).await
    }

    /// As [`Engine::delete`], for a caller who may repeat it: see [`Engine::write_once`].
    ///
    /// # Errors
    /// As [`Engine::write`].
    pub async fn delete_once(&self, request: Request, operation: &str) -> Result<Writing, Error> {
        self.inner.write(request, None, Some(operation)).await
    }

    /// The write-behind queue, where there is one.
    #[must_use]
    pub fn queue(&self) -> Option<QueueView> {
        let behind = self.inner.behind.as_ref()?;
        Some(QueueView::new(Arc::clone(&self.inner), Arc::clone(behind)))
    }

    /// What `show` makes of the build of the policy that serves `resource` now; none where no route
    /// matches it or no build is loaded.
    pub fn with_policy<T>(&self, resource: &str, show: impl FnOnce(Option<&dyn Policy>) -> T) -> T {
        let route = self.inner.routes.of(resource);
        let policy = route.and_then(|route| self.inner.policies.current(&route.policy));
        show(policy.as_deref())
    }

    /// Flushes what the write-behind queue holds, until it is empty or `deadline` has come, and
    /// ends the flush, so that other nodes go on with it at once. To be called when no more
    /// writes come; without a queue it does nothing.
    ///
    /// # Errors
    /// [`Error::Queue`] where the queue does not say what is left.
    pub async fn drain(&self, deadline: Instant) -> Result<Drained, Error> {
        let Some(behind) = &self.inner.behind else {
            return Ok(Drained { left: 0 });
        };
        behind.drain(deadline).await
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
    /// no load that began before it brings them back. Names that nothing is stored under are no
    /// error; [`Invalidated::found`] tells.
    ///
    /// # Errors
    /// [`Error::Store`]; before anything is done, [`Error::Pattern`], and for rows
    /// [`Error::Request`], [`Error::NoRoute`], and [`Error::RowUndecided`] where the policy failed.
    pub async fn invalidate(&self, what: &Invalidation) -> Result<Invalidated, Error> {
        self.inner.invalidate_rows(what).await
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

    /// The origins that are known to fail every call, by name, and why: for example a database
    /// that was not reached yet. An origin that fails now and then is none of them.
    #[must_use]
    pub fn origin_troubles(&self) -> BTreeMap<Arc<str>, String> {
        self.inner.routes.troubles()
    }

    /// The policies whose values were to be encrypted while there was no key ring, so that none was
    /// cached: the engine lacks a part.
    #[must_use]
    pub fn policies_without_keys(&self) -> Vec<String> {
        self.inner.seals.missed()
    }

    /// Those of them whose trouble no waiting cures: what is configured and what is there do not
    /// fit each other.
    #[must_use]
    pub fn unfit_origins(&self) -> BTreeSet<Arc<str>> {
        self.inner.routes.unfit()
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

/// A write or an invalidation under way; counted when it ends, before its caller knows.
pub(crate) struct Change<'a>(&'a AtomicU64);

impl Drop for Change<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Inner {
    pub(crate) fn change(&self) -> Change<'_> {
        Change(&self.changes)
    }

    /// The route of a policy that no route names, for decisions that are only asked for.
    pub(crate) fn unrouted(&self, policy: &str) -> Resolved {
        Resolved {
            resource: wildmatch::WildMatch::new("*"),
            policy: policy.into(),
            origin: None,
            origin_name: None,
            rows_of: None,
            gate: Gate::new(policy, &OriginLimits::default()),
            write_hold_ms: 0,
            whole: None,
            on_failure: self.on_failure.get(policy).cloned().unwrap_or_default(),
            meters: PolicyMeters::new(policy),
            described: Route::new("*", policy),
        }
    }
}
