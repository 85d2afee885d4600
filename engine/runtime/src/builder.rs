//! Checks an engine before it runs.

mod check;
mod error;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Weak};
use std::time::Duration;

use larder_core::{Clock, Dependency, Guard, Policies};
use larder_origin::{Origin, Outbox};
use larder_store::Store;
use larder_store::queue::Queue;
use wildmatch::WildMatch;

pub use self::error::BuildError;
use crate::behind::{Behind, QueueTuning};
use crate::clock::Clocks;
use crate::complaints::Complaints;
use crate::engine::{Engine, Inner};
use crate::fallback::OnFailure;
use crate::gate::Gate;
use crate::invalidate::Sweeps;
use crate::limits::OriginLimits;
use crate::meters::{Meters, PolicyMeters};
use crate::outbox::{Followed, OutboxTuning};
use crate::route::{Resolved, Route, Routes};
use crate::tuning::Tuning;
use crate::vault::{Seals, Vault};
use crate::write_hold::WriteHolds;

/// Puts an engine together. Policies and a store are needed; the rest has defaults.
pub struct EngineBuilder {
    policies: Arc<dyn Policies>,
    store: Arc<dyn Store>,
    routes: Vec<Route>,
    origins: HashMap<String, Arc<dyn Origin>>,
    limits: HashMap<String, OriginLimits>,
    write_holds: BTreeMap<String, u64>,
    on_failure: HashMap<String, OnFailure>,
    guard: Guard,
    wall: Option<Arc<dyn Clock>>,
    steady: Option<Arc<dyn Clock>>,
    tuning: Tuning,
    vault: Option<Arc<Vault>>,
    retire: bool,
    queue: Option<(Arc<dyn Queue>, QueueTuning)>,
    outboxes: BTreeMap<String, (Arc<dyn Outbox>, OutboxTuning)>,
}

impl EngineBuilder {
    pub(crate) fn new(policies: Arc<dyn Policies>, store: Arc<dyn Store>) -> Self {
        Self {
            policies,
            store,
            routes: Vec::new(),
            origins: HashMap::new(),
            limits: HashMap::new(),
            write_holds: BTreeMap::new(),
            on_failure: HashMap::new(),
            guard: Guard::default(),
            wall: None,
            steady: None,
            tuning: Tuning::default(),
            vault: None,
            retire: false,
            queue: None,
            outboxes: BTreeMap::new(),
        }
    }

    /// Adds a route; the first that matches a resource answers for it.
    #[must_use]
    pub fn route(mut self, route: Route) -> Self {
        self.routes.push(route);
        self
    }

    /// Adds an origin under the name that routes use.
    #[must_use]
    pub fn origin(mut self, name: impl Into<String>, origin: Arc<dyn Origin>) -> Self {
        self.origins.insert(name.into(), origin);
        self
    }

    /// Sets the limits of calls to the origin `name`. Where a route has no origin, `name` is its
    /// policy, and the limits are those of the closures that load for it. Where nothing is set,
    /// the defaults hold.
    #[must_use]
    pub fn origin_limits(mut self, name: impl Into<String>, limits: OriginLimits) -> Self {
        self.limits.insert(name.into(), limits);
        self
    }

    /// Sets for how long after a write what the origin `name` answers is not stored, in
    /// milliseconds, because replicas of it may lag: reads within that time are answered from the
    /// origin, as are reads of all that depends on a tag or a namespace that the write made stale.
    /// It counts from every write of the engine, from the flush of a queued one, and from every
    /// invalidation, on every node that shares the store. What the origin answers to a write is
    /// stored all the same. Where a route has no origin, `name` is its policy. The default is 0.
    #[must_use]
    pub fn write_hold(mut self, name: impl Into<String>, ms: u64) -> Self {
        self.write_holds.insert(name.into(), ms);
        self
    }

    /// Says what answers when `policy` fails; the default is [`OnFailure::Bypass`].
    #[must_use]
    pub fn on_failure(mut self, policy: impl Into<String>, rule: OnFailure) -> Self {
        self.on_failure.insert(policy.into(), rule);
        self
    }

    /// Sets the operator's limits.
    #[must_use]
    pub fn guard(mut self, guard: Guard) -> Self {
        self.guard = guard;
        self
    }

    /// Sets the wall clock; the default is [`SystemClock`](crate::SystemClock). Where no
    /// [steady clock](Self::steady_clock) is set it stands for that too.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.wall = Some(clock);
        self
    }

    /// Sets the clock of what only this process measures, a store of its own among it; the default
    /// is [`SteadyClock`](crate::SteadyClock). It must never go back.
    #[must_use]
    pub fn steady_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.steady = Some(clock);
        self
    }

    /// Sets the engine's own limits.
    #[must_use]
    pub fn tuning(mut self, tuning: Tuning) -> Self {
        self.tuning = tuning;
        self
    }

    /// Sets the keys of values that are to be encrypted: a [`Vault`], or a ring that never changes.
    /// Without it such values are not cached.
    #[must_use]
    pub fn key_ring(mut self, keys: impl Into<Arc<Vault>>) -> Self {
        self.vault = Some(keys.into());
        self
    }

    /// Whether an entry counts as a miss once another build of its policy decides, so that what an
    /// older build put into the cache goes with it, one read at a time. The default is no. A build
    /// is its bytes: where a toolchain gives others each time (Python, JavaScript), building the same
    /// source again retires everything.
    #[must_use]
    pub fn retire(mut self, retire: bool) -> Self {
        self.retire = retire;
        self
    }

    /// Sets the queue that write-behind needs. The engine flushes it from when it is built until
    /// its last handle is dropped: what an earlier run has left, and what other nodes queue where
    /// they share it.
    #[must_use]
    pub fn queue(mut self, queue: Arc<dyn Queue>, tuning: QueueTuning) -> Self {
        self.queue = Some((queue, tuning));
        self
    }

    /// Sets the outbox of the origin `name`. From when the engine is built until its last handle is
    /// dropped, what its rows name is invalidated, rows from before included.
    #[must_use]
    pub fn outbox(
        mut self,
        name: impl Into<String>,
        outbox: Arc<dyn Outbox>,
        tuning: OutboxTuning,
    ) -> Self {
        self.outboxes.insert(name.into(), (outbox, tuning));
        self
    }

    /// Checks the parts and starts the engine. Inside a tokio runtime it sweeps its store by
    /// itself until the last handle is dropped; elsewhere call [`Engine::sweep`] now and then.
    /// A recorder for metrics has to be installed before this.
    ///
    /// # Errors
    /// Names the route or the default decision that cannot work.
    pub fn build(self) -> Result<Engine, BuildError> {
        for (policy, rule) in &self.on_failure {
            self.check_default(policy, rule)?;
        }
        self.check_limits()?;
        self.check_write_holds()?;
        self.check_outboxes()?;
        let mut gates = HashMap::new();
        let routes = self.routes.iter();
        let routes = routes.map(|route| self.resolve(route, &mut gates));
        let routes = Routes(routes.collect::<Result<_, _>>()?);
        self.check_seen(&routes)?;
        let runtime = tokio::runtime::Handle::try_current();
        let has_tasks = self.queue.is_some() || !self.outboxes.is_empty();
        if has_tasks && runtime.is_err() {
            return Err(BuildError::NoRuntime);
        }
        let behind = self.queue.map(|(queue, tuning)| {
            let behind = Behind::new(queue, tuning, &routes);
            Arc::new(behind)
        });
        let outboxes = self.outboxes.into_iter();
        let outboxes = outboxes.map(|(origin, (outbox, tuning))| {
            let origin = origin.as_str().into();
            Followed::new(origin, outbox, tuning)
        });
        let (clocks, shared) = (Clocks::of(self.wall, self.steady), self.store.is_shared());
        let longest_load_ms = [
            self.guard.timeout_max_ms.into(),
            self.tuning.load_timeout_ms,
            self.tuning.lease_ttl_ms,
        ];
        let longest_hold_ms = self.write_holds.values().copied().max();
        let holds = WriteHolds::new(
            longest_hold_ms.unwrap_or_default(),
            longest_load_ms.into_iter().max().unwrap_or_default(),
        );
        let inner = Arc::new(Inner {
            holds,
            behind,
            outboxes: outboxes.collect(),
            routes,
            policies: self.policies,
            on_failure: self.on_failure,
            store: self.store,
            guard: self.guard,
            clock: clocks.of_store(shared),
            wall: clocks.wall,
            steady: clocks.steady,
            tuning: self.tuning,
            flights: crate::flight::Flights::default(),
            looks: crate::questions::Questions::default(),
            retry: crate::retry::Retry::default(),
            sweeps: Sweeps::default(),
            changes: AtomicU64::new(0),
            meters: Meters::new(),
            complaints: Complaints::new(),
            seals: Seals::new(self.vault),
            retire: self.retire,
        });
        if let Ok(runtime) = runtime {
            let every = Duration::from_millis(self.tuning.sweep_every_ms.max(1));
            runtime.spawn(sweep(Arc::downgrade(&inner), every));
            if let Some(behind) = &inner.behind {
                behind.start(&inner, &runtime);
            }
            for outbox in &inner.outboxes {
                outbox.start(&inner, &runtime);
            }
        }
        Ok(Engine { inner })
    }

    fn resolve<'a>(
        &'a self,
        route: &'a Route,
        gates: &mut Gates<'a>,
    ) -> Result<Arc<Resolved>, BuildError> {
        if route.resource.is_empty() || route.policy.is_empty() {
            return Err(BuildError::IncompleteRoute {
                resource: route.resource.clone(),
                policy: route.policy.clone(),
            });
        }
        let origin = match &route.origin {
            None => None,
            Some(name) => {
                Some(
                    self.origins
                        .get(name)
                        .ok_or_else(|| BuildError::UnknownOrigin {
                            resource: route.resource.clone(),
                            origin: name.clone(),
                            known: self.known_origins(),
                        })?,
                )
            }
        };
        let on_failure = self.on_failure.get(&route.policy);
        let gate = gates.entry((route.origin.as_ref(), route.gate_name()));
        let gate = gate.or_insert_with_key(|(_, name)| {
            let limits = self.limits.get(*name).copied().unwrap_or_default();
            Gate::new(name, &limits)
        });
        Ok(Arc::new(Resolved {
            resource: WildMatch::new(&route.resource),
            policy: route.policy.as_str().into(),
            origin: origin.map(Arc::clone),
            origin_name: route.origin.as_deref().map(Arc::from),
            gate: Arc::clone(gate),
            write_hold_ms: self
                .write_holds
                .get(route.gate_name())
                .copied()
                .unwrap_or_default(),
            whole: route
                .origin
                .as_deref()
                .filter(|name| self.outboxes.contains_key(*name))
                .map(Dependency::origin),
            on_failure: on_failure.cloned().unwrap_or_default(),
            meters: PolicyMeters::new(&route.policy),
            described: route.clone(),
        }))
    }
}

/// The gates made so far. Routes to one origin share one; so do those of one policy that have no
/// origin.
type Gates<'a> = HashMap<(Option<&'a String>, &'a str), Arc<Gate>>;

/// Sweeps the store until the engine is gone.
async fn sweep(inner: Weak<Inner>, every: Duration) {
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(inner) = inner.upgrade() else {
            return;
        };
        inner.store.sweep(inner.clock.now());
        inner.complaints.go_on();
    }
}
