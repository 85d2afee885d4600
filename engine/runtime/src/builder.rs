//! Checks an engine before it runs.

mod check;
mod error;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use larder_core::{Clock, Guard, Policies};
use larder_origin::{Origin, Outbox};
use larder_store::Store;
use larder_store::queue::Queue;
use parking_lot::Mutex;

pub use self::error::BuildError;
use crate::behind::{Behind, QueueTuning};
use crate::clock::Clocks;
use crate::complaints::Complaints;
use crate::engine::{Engine, Present, Shared};
use crate::fallback::OnFailure;
use crate::invalidate::Sweeps;
use crate::limits::OriginLimits;
use crate::meters::Meters;
use crate::outbox::{Followed, OutboxTuning};
use crate::route::Route;
use crate::rules::{self, Gates, Rules};
use crate::tuning::Tuning;
use crate::vault::Vault;
use crate::write_hold::WriteHolds;

/// Puts an engine together. Policies and a store are needed; the rest has defaults.
pub struct EngineBuilder {
    rules: Rules,
    store: Arc<dyn Store>,
    origins: HashMap<String, Arc<dyn Origin>>,
    write_holds: BTreeMap<String, u64>,
    wall: Option<Arc<dyn Clock>>,
    steady: Option<Arc<dyn Clock>>,
    tuning: Tuning,
    queue: Option<(Arc<dyn Queue>, QueueTuning)>,
    outboxes: BTreeMap<String, (Arc<dyn Outbox>, OutboxTuning)>,
}

impl EngineBuilder {
    pub(crate) fn new(policies: Arc<dyn Policies>, store: Arc<dyn Store>) -> Self {
        Self {
            rules: Rules::new(policies),
            store,
            origins: HashMap::new(),
            write_holds: BTreeMap::new(),
            wall: None,
            steady: None,
            tuning: Tuning::default(),
            queue: None,
            outboxes: BTreeMap::new(),
        }
    }

    /// Sets everything that can change while the engine runs, in the place of what was set of it
    /// before.
    #[must_use]
    pub fn rules(mut self, rules: Rules) -> Self {
        self.rules = rules;
        self
    }

    /// Adds a route; the first that matches a resource answers for it.
    #[must_use]
    pub fn route(mut self, route: Route) -> Self {
        self.rules.routes.push(route);
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
        self.rules.limits.insert(name.into(), limits);
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
        self.rules.on_failure.insert(policy.into(), rule);
        self
    }

    /// Sets the operator's limits.
    #[must_use]
    pub fn guard(mut self, guard: Guard) -> Self {
        self.rules.guard = guard;
        self
    }

    /// Sets the wall clock; the default is [`SystemClock`](crate::SystemClock). Where no
    /// [steady clock](Self::steady_clock) is set it stands for that too. A store that others share
    /// goes by it then, and not by the clock that it tells.
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
        self.rules.vault = Some(keys.into());
        self
    }

    /// Whether an entry counts as a miss once another build of its policy decides, so that what an
    /// older build put into the cache goes with it, one read at a time. The default is no. A build
    /// is its bytes: where a toolchain gives others each time (Python, JavaScript), building the same
    /// source again retires everything.
    #[must_use]
    pub fn retire(mut self, retire: bool) -> Self {
        self.rules.retire = retire;
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
        self.check_write_holds()?;
        self.check_outboxes()?;
        let runtime = tokio::runtime::Handle::try_current();
        let has_tasks = self.queue.is_some() || !self.outboxes.is_empty();
        if has_tasks && runtime.is_err() {
            return Err(BuildError::NoRuntime);
        }
        let origins = self.origins.keys().map(String::as_str);
        let clocks = Clocks::of(self.wall, self.steady);
        let queue = self.queue.as_ref().map(|(queue, _)| &**queue);
        let behind_clock = clocks.of_queue(queue);
        let behind = self.queue.map(|(queue, tuning)| {
            let behind = Behind::new(queue, tuning, origins);
            Arc::new(behind)
        });
        let outboxes = self.outboxes.into_iter();
        let outboxes = outboxes.map(|(origin, (outbox, tuning))| {
            let origin = origin.as_str().into();
            Followed::new(origin, outbox, tuning)
        });
        let longest_load_ms = [
            self.rules.guard.timeout_max_ms.into(),
            self.tuning.load_timeout_ms,
            self.tuning.lease_ttl_ms,
        ];
        let longest_hold_ms = self.write_holds.values().copied().max();
        let holds = WriteHolds::new(
            longest_hold_ms.unwrap_or_default(),
            longest_load_ms.into_iter().max().unwrap_or_default(),
        );
        let shared = Arc::new(Shared {
            holds,
            write_holds: self.write_holds,
            behind,
            outboxes: outboxes.collect(),
            clock: clocks.of_store(&*self.store),
            queue_clock: behind_clock,
            store: self.store,
            origins: self.origins,
            gates: Gates::default(),
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
            ruled: Mutex::default(),
        });
        let inner = Arc::new(rules::resolve(self.rules, shared)?);
        inner.shared.lead(&inner);
        if let Ok(runtime) = runtime {
            let every = Duration::from_millis(self.tuning.sweep_every_ms.max(1));
            runtime.spawn(sweep(Present::of(&inner), every));
            if let Some(behind) = &inner.behind {
                behind.start(&inner, &runtime);
            }
            for outbox in &inner.outboxes {
                outbox.start(&inner, &runtime);
            }
        }
        Ok(Engine { inner })
    }
}

/// Sweeps the store until the engine is gone.
async fn sweep(inner: Present, every: Duration) {
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
