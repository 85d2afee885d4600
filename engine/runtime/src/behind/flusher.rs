//! The tasks that flush: one for each partition of each origin.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use larder_origin::Origin;
use larder_store::queue::{Partition, Queue};
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout_at};

use super::failing::Failing;
use super::lane::{Lane, Next};
use super::tuning::QueueTuning;
use crate::engine::{Inner, Present};
use crate::gate::Gate;
use crate::route::Routes;

/// How long a partition with nothing to flush is left alone though nothing was heard of it.
const IDLE: Duration = Duration::from_secs(1);

/// How often the gauges of the queue are set.
const SHOW: Duration = Duration::from_secs(5);

/// How long claims may take to be let go when a drain is over.
const LET_GO: Duration = Duration::from_millis(500);

/// What the tasks are to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Flush for as long as the engine is there.
    Run,
    /// Flush what is there, without gathering, and end.
    Drain,
    /// End.
    Stop,
}

/// The changes of a partition that this engine has queued and whose entry shows no older value:
/// where the origin takes them as they are, the entry can stay.
#[derive(Default)]
pub(super) struct Settled(Mutex<HashSet<u64>>);

impl Settled {
    pub(super) fn take(&self, sequence: u64) -> bool {
        self.0.lock().remove(&sequence)
    }

    /// Forgets those that were flushed before they were noted.
    pub(super) fn clear(&self) {
        self.0.lock().clear();
    }
}

/// The tasks that flush the queue of an engine. They end when the engine is gone.
pub(crate) struct Flushers {
    phase: watch::Sender<Phase>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
    /// The origins whose partitions have a task.
    started: Mutex<HashSet<Arc<str>>>,
    settled: HashMap<Partition, Arc<Settled>>,
    /// Those who gather, to be told not to.
    hurried: HashMap<Partition, Arc<Notify>>,
    pub(super) failing: Arc<Failing>,
}

/// An origin, and the gate before it.
type Target = (Arc<str>, Arc<dyn Origin>, Arc<Gate>);

/// Every origin that a route uses, once.
fn targets(routes: &Routes) -> Vec<Target> {
    let mut all: Vec<Target> = Vec::new();
    for route in &routes.0 {
        let (Some(name), Some(origin)) = (&route.origin_name, &route.origin) else {
            continue;
        };
        if all.iter().all(|(known, ..)| known != name) {
            all.push((
                Arc::clone(name),
                Arc::clone(origin),
                Arc::clone(&route.gate),
            ));
        }
    }
    all
}

impl Flushers {
    pub(crate) fn new<'a>(origins: impl Iterator<Item = &'a str>) -> Self {
        let partitions: Vec<Partition> = origins
            .flat_map(|name| Partition::all(&Arc::from(name)).collect::<Vec<_>>())
            .collect();
        Self {
            hurried: (partitions.iter().cloned())
                .map(|partition| (partition, Arc::default()))
                .collect(),
            phase: watch::Sender::new(Phase::Run),
            tasks: Mutex::default(),
            started: Mutex::default(),
            failing: Arc::default(),
            settled: (partitions.into_iter())
                .map(|partition| (partition, Arc::default()))
                .collect(),
        }
    }

    /// Notes that the entry of a change shows no older value from here on.
    pub(super) fn settled(&self, partition: &Partition, sequence: u64) {
        if let Some(settled) = self.settled.get(partition) {
            settled.0.lock().insert(sequence);
        }
    }

    /// Has a partition flushed without gathering: somebody waits for it.
    pub(super) fn hurry(&self, partition: &Partition) {
        if let Some(hurried) = self.hurried.get(partition) {
            hurried.notify_one();
        }
    }

    /// Starts the tasks of the origins that routes use and that have none. One whose origin no
    /// route uses any more goes on, so that what is queued arrives.
    pub(crate) fn start(
        &self,
        inner: &Arc<Inner>,
        (queue, tuning): (&Arc<dyn Queue>, QueueTuning),
        runtime: &Handle,
    ) {
        let mut tasks = self.tasks.lock();
        let mut started = self.started.lock();
        let is_first = started.is_empty();
        for (name, origin, gate) in targets(&inner.routes) {
            if !started.insert(Arc::clone(&name)) {
                continue;
            }
            let taken = Arc::new(AtomicU64::new(0));
            for partition in Partition::all(&name) {
                let settled = self.settled.get(&partition).map(Arc::clone);
                let hurried = self.hurried.get(&partition).map(Arc::clone);
                let lane = Lane::new(
                    partition,
                    (Arc::clone(&origin), Arc::clone(&gate)),
                    (Arc::clone(queue), tuning),
                    (
                        settled.unwrap_or_default(),
                        Arc::clone(&self.failing),
                        Arc::clone(&taken),
                    ),
                );
                let hurried = hurried.unwrap_or_default();
                let phase = self.phase.subscribe();
                let flusher = flush((lane, hurried), Present::of(inner), phase);
                tasks.push(runtime.spawn(flusher));
            }
        }
        if is_first {
            runtime.spawn(show(Present::of(inner), self.phase.subscribe()));
        }
    }

    /// Flushes until all is flushed or `deadline` has come, then lets the claims go.
    pub(super) async fn drain(&self, deadline: Instant) {
        let tasks = std::mem::take(&mut *self.tasks.lock());
        self.phase.send_replace(Phase::Drain);
        let mut ended = futures_util::future::join_all(tasks);
        if timeout_at(deadline, &mut ended).await.is_err() {
            self.phase.send_replace(Phase::Stop);
            // Whoever is in the middle of a batch goes on; what it does is replayed or is not.
            let _ = tokio::time::timeout(LET_GO, ended).await;
        }
    }
}

/// Flushes one partition.
async fn flush(
    (mut lane, hurried): (Lane, Arc<Notify>),
    inner: Present,
    mut phase: watch::Receiver<Phase>,
) {
    loop {
        let now = *phase.borrow_and_update();
        let Some(inner) = inner.upgrade().filter(|_| now != Phase::Stop) else {
            break;
        };
        let next = lane.step(&inner).await;
        drop(inner);
        let draining = *phase.borrow() == Phase::Drain;
        let ends = tokio::select! {
            ends = wait((&lane, &hurried), next, draining) => ends,
            // Also when the engine is gone.
            _ = phase.changed() => false,
        };
        if ends {
            break;
        }
    }
    lane.let_go().await;
}

/// Waits until there may be something to do; answers whether there will not be.
async fn wait((lane, hurried): (&Lane, &Notify), next: Next, draining: bool) -> bool {
    let gather = async || {
        let age = Duration::from_millis(lane.tuning().batch_age_ms);
        // Whether it was hurried or the time is over is all the same.
        let _ = tokio::time::timeout(age, hurried.notified()).await;
    };
    match next {
        Next::More => {}
        Next::After(ms) => sleep(Duration::from_millis(ms)).await,
        Next::Nothing | Next::Elsewhere if draining => return true,
        Next::Gather if draining => {}
        Next::Gather => gather().await,
        Next::Nothing => {
            if tokio::time::timeout(IDLE, lane.arrived()).await.is_ok() {
                gather().await;
            }
        }
        Next::Elsewhere => sleep(IDLE).await,
    }
    false
}

/// Sets the gauges, and says once which changes nobody flushes.
async fn show(inner: Present, mut phase: watch::Receiver<Phase>) {
    let mut first = true;
    loop {
        let Some(inner) = inner.upgrade() else {
            return;
        };
        let Some(behind) = &inner.behind else {
            return;
        };
        match behind.queue.depth().await {
            Ok(depth) => {
                behind.meters.show(&depth, inner.queue_clock.now());
                let known = targets(&inner.routes);
                for (origin, waiting) in depth.origins.iter().filter(|(_, waiting)| *waiting > 0) {
                    if first && known.iter().all(|(name, ..)| name != origin) {
                        tracing::error!(
                            %origin, waiting,
                            "the write-behind queue holds writes for an origin that no route uses; \
                             they stay until one does"
                        );
                    }
                }
                first = false;
            }
            Err(error) => {
                tracing::warn!("the state of the write-behind queue is not known: {error}");
            }
        }
        drop(inner);
        tokio::select! {
            () = sleep(SHOW) => {}
            // It shows what a drain leaves, and ends with the engine.
            changed = phase.changed() => if changed.is_err() { return },
        }
    }
}
