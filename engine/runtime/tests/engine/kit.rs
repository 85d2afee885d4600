//! An engine over the real memory store, an origin that can be stopped in the middle of a call,
//! policies that are closures, and a clock that moves when told.

mod clock;
mod gate;
mod ledger;
mod policy;
mod queue;
mod shop;
mod window;

use std::sync::Arc;
use std::time::Duration;

use larder::core::dependency::Mode;
use larder::core::{Decision, Guard, NotStored, Outcome, Strategy};
use larder::origin::Outbox;
use larder::store::queue::Queue;
use larder::store::{MemoryConfig, MemoryStore, Store};
use larder::{
    Engine, Error, Invalidated, Invalidation, Older, OnFailure, OriginLimits, OutboxTuning,
    QueueTuning, Reading, Request, Route, Tuning, Value, Vault, Writing,
};
use tokio::task::JoinHandle;
use tokio::time::Instant;

pub(crate) use self::clock::Hands;
pub(crate) use self::gate::Gate;
pub(crate) use self::ledger::Ledger;
pub(crate) use self::policy::{Native, Shelf};
pub(crate) use self::queue::Shelter;
pub(crate) use self::shop::{Call, Shop};
pub(crate) use self::window::{When, Window};

/// The ttl of [`decide`], in milliseconds.
pub(crate) const TTL: u64 = 10_000;

/// The decision that most scenarios start from: key `product:42`, tags `product` and `product:42`,
/// ten seconds fresh.
pub(crate) fn decide(strategy: Strategy, request: &Request) -> Decision {
    let key = format!("{}:{}", request.resource, request.id);
    let mut decision = Decision::new(strategy, key.clone());
    decision.freshness.ttl_ms = TTL;
    decision.tags = vec![request.resource.clone(), key];
    decision
}

/// A policy that answers [`decide`] as changed by `change`.
pub(crate) fn policy(
    strategy: Strategy,
    change: impl Fn(&Request, &mut Decision) + Send + Sync + 'static,
) -> Native {
    Native::new(move |request| {
        let mut decision = decide(strategy, request);
        change(request, &mut decision);
        Ok(decision)
    })
}

/// What an engine is made of.
pub(crate) struct Parts {
    pub(crate) policy: Native,
    pub(crate) origin: bool,
    /// What its route matches.
    pub(crate) resource: &'static str,
    pub(crate) on_failure: OnFailure,
    pub(crate) guard: Guard,
    pub(crate) tuning: Tuning,
    pub(crate) limits: OriginLimits,
    pub(crate) vault: Option<Arc<Vault>>,
    pub(crate) queue: Option<(Arc<dyn Queue>, QueueTuning)>,
    pub(crate) outbox: Option<(Arc<dyn Outbox>, OutboxTuning)>,
    /// A wall clock beside the one that nobody sets; none where one stands for both.
    pub(crate) wall: Option<Arc<Hands>>,
    /// The write hold of the origin, or of the closures where there is none, in milliseconds.
    pub(crate) write_hold: u64,
    pub(crate) older: Older,
    /// Whether the store counts as one that others share.
    pub(crate) shared: bool,
    /// None makes one.
    pub(crate) shop: Option<Arc<Shop>>,
}

impl Parts {
    pub(crate) fn new(policy: Native) -> Self {
        Self {
            policy,
            origin: true,
            resource: "*",
            on_failure: OnFailure::default(),
            guard: Guard::default(),
            tuning: Tuning::default(),
            limits: OriginLimits::default(),
            vault: None,
            queue: None,
            outbox: None,
            wall: None,
            write_hold: 0,
            older: Older::default(),
            shared: false,
            shop: None,
        }
    }

    pub(crate) fn build(self) -> Rig {
        let memory = MemoryStore::new(MemoryConfig {
            capacity_bytes: 8 << 20,
        });
        self.build_over(Arc::new(memory), Hands::default())
    }

    pub(crate) fn build_over(self, store: Arc<dyn Store>, hands: Hands) -> Rig {
        let (clock, shop) = (Arc::new(hands), self.shop.unwrap_or_default());
        let policies = Arc::new(Shelf::default());
        policies.put(self.policy);
        let store = Arc::new(Window::new(store));
        if self.shared {
            store.share();
        }
        let wall = self.wall.unwrap_or_else(|| Arc::clone(&clock));
        let route = match self.origin {
            true => Route::new(self.resource, "native").origin("shop"),
            false => Route::new(self.resource, "native"),
        };
        let route = route.older(self.older);
        let limited = if self.origin { "shop" } else { "native" };
        let mut builder = Engine::builder(policies.clone(), store.clone());
        if let Some(vault) = self.vault {
            builder = builder.key_ring(vault);
        }
        if let Some((queue, tuning)) = self.queue {
            builder = builder.queue(queue, tuning);
        }
        if let Some((outbox, tuning)) = self.outbox {
            builder = builder.outbox("shop", outbox, tuning);
        }
        let engine = builder
            .route(route)
            .origin("shop", shop.clone())
            .origin_limits(limited, self.limits)
            .write_hold(limited, self.write_hold)
            .on_failure("native", self.on_failure)
            .guard(self.guard)
            .tuning(self.tuning)
            .clock(wall)
            .steady_clock(clock.clone())
            .build()
            .expect("the parts fit");
        Rig {
            engine,
            shop,
            clock,
            policies,
            store,
        }
    }
}

/// An engine and what a scenario needs to hold on to.
pub(crate) struct Rig {
    pub(crate) engine: Engine,
    pub(crate) shop: Arc<Shop>,
    pub(crate) clock: Arc<Hands>,
    pub(crate) policies: Arc<Shelf>,
    pub(crate) store: Arc<Window>,
}

/// An engine with a policy of one strategy, its decisions as changed.
pub(crate) fn rig(strategy: Strategy, change: fn(&mut Decision)) -> Rig {
    Parts::new(policy(strategy, move |_, decision| change(decision))).build()
}

/// A reader or a writer in a task of its own.
pub(crate) type Running<T> = JoinHandle<Result<T, Error>>;

impl Rig {
    /// Another engine over the same store, origin and policy.
    pub(crate) fn neighbour(&self) -> Engine {
        Engine::builder(self.policies.clone(), self.store.clone())
            .route(Route::new("*", "native").origin("shop"))
            .origin("shop", self.shop.clone())
            .clock(self.clock.clone())
            .build()
            .expect("the parts fit")
    }

    /// Passes time on every clock.
    pub(crate) async fn pass(&self, ms: u64) {
        self.clock.advance(ms);
        pass(ms).await;
    }

    pub(crate) async fn read(&self, id: &str) -> Reading {
        self.try_read(id).await.expect("is read")
    }

    pub(crate) async fn try_read(&self, id: &str) -> Result<Reading, Error> {
        self.engine.read(Request::read("product", id)).await
    }

    /// Reads and answers the outcome with the value's text.
    pub(crate) async fn look(&self, id: &str) -> (Outcome, Option<String>) {
        let reading = self.read(id).await;
        (reading.outcome, text(&reading.value))
    }

    pub(crate) fn start_read(&self, id: &str) -> Running<Reading> {
        let (engine, request) = (self.engine.clone(), Request::read("product", id));
        tokio::spawn(async move { engine.read(request).await })
    }

    pub(crate) async fn write(&self, id: &str, value: &str) -> Writing {
        self.try_write(id, value).await.expect("is written")
    }

    pub(crate) async fn try_write(&self, id: &str, value: &str) -> Result<Writing, Error> {
        let value = Value::new(value.to_owned());
        self.engine
            .write(Request::write("product", id), value)
            .await
    }

    pub(crate) fn start_write(&self, id: &str, value: &str) -> Running<Writing> {
        let value = Value::new(value.to_owned());
        let (engine, request) = (self.engine.clone(), Request::write("product", id));
        tokio::spawn(async move { engine.write(request, value).await })
    }

    pub(crate) async fn try_delete(&self, id: &str) -> Result<Writing, Error> {
        self.engine.delete(Request::delete("product", id)).await
    }

    pub(crate) async fn invalidate(&self, what: Aim, mode: Mode) -> Invalidated {
        let what = what.invalidation(mode);
        self.engine.invalidate(&what).await.expect("is invalidated")
    }

    /// Begins a read whose load stops in the origin with the value that is there now.
    pub(crate) async fn stopped_read(&self, id: &str) -> (Running<Reading>, Gate) {
        let gate = self.shop.stop(Call::Load);
        let reader = self.start_read(id);
        gate.reached().await;
        (reader, gate)
    }
}

/// What the races invalidate; each means the product 42.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Aim {
    Row,
    Key,
    Tag,
    Namespace,
    Pattern,
}

impl Aim {
    pub(crate) const ALL: [Self; 5] = [
        Self::Row,
        Self::Key,
        Self::Tag,
        Self::Namespace,
        Self::Pattern,
    ];

    pub(crate) fn invalidation(self, mode: Mode) -> Invalidation {
        let mut what = Invalidation {
            mode,
            ..Invalidation::default()
        };
        match self {
            Self::Row => what.rows.push(("product".into(), "42".into())),
            Self::Key => what.keys.push(("product".into(), "product:42".into())),
            Self::Tag => what.tags.push("product:42".into()),
            Self::Namespace => what.namespaces.push("product".into()),
            Self::Pattern => what.patterns.push(("product".into(), "*:4?".into())),
        }
        what
    }
}

/// The answer of a reader or writer in a task.
pub(crate) async fn join<T>(running: Running<T>) -> T {
    running.await.expect("ends").expect("succeeds")
}

/// A read in a task of its own, answered with the time that it took.
pub(crate) fn timed(
    engine: &Engine,
    request: Request,
    limit_ms: u64,
) -> JoinHandle<(Result<Reading, Error>, u64)> {
    let engine = engine.clone();
    tokio::spawn(async move {
        let began = Instant::now();
        let deadline = began + Duration::from_millis(limit_ms);
        let result = engine.read_by(request, deadline).await;
        (result, began.elapsed().as_millis() as u64)
    })
}

/// Lets every task run until it waits for something.
pub(crate) async fn quiet() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

/// Passes paused time, so that timeouts of that length end.
pub(crate) async fn pass(ms: u64) {
    tokio::time::advance(Duration::from_millis(ms)).await;
    quiet().await;
}

pub(crate) fn text(value: &Option<Value>) -> Option<String> {
    let value = value.as_ref()?;
    Some(String::from_utf8_lossy(&value.bytes).into_owned())
}

pub(crate) fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

/// What a reading says of storing: nothing, or why not.
pub(crate) const STORED: Option<NotStored> = None;
