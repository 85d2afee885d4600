//! The seam to what goes wrong during a run.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use fastrand::Rng;
use futures_util::future::BoxFuture;

/// How far a run is, as its clients and its faults tell each other.
#[derive(Debug, Default)]
pub struct Course {
    over: AtomicBool,
    replacing: AtomicU64,
}

impl Course {
    /// Nothing new is begun from now on.
    pub fn end(&self) {
        self.over.store(true, Ordering::SeqCst);
    }

    /// Whether nothing new is to be begun.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    /// A master is about to be killed: what it has not passed on to its replica will be lost.
    pub fn replace(&self) {
        self.replacing.fetch_add(1, Ordering::SeqCst);
    }

    /// Whether a master has been killed in this run.
    #[must_use]
    pub fn may_have_lost(&self) -> bool {
        self.replacing.load(Ordering::SeqCst) > 0
    }
}

/// How long a failover took, from the moment the master was killed.
#[derive(Clone, Copy, Debug)]
pub struct Recovery {
    /// Until its replica was master.
    pub replaced: Duration,
    /// Until every engine could invalidate on every master again.
    pub recovered: Duration,
}

/// What went wrong on purpose.
#[derive(Debug, Default)]
pub struct Done {
    /// How often.
    pub faults: u64,
    /// What each failover took.
    pub recoveries: Vec<Recovery>,
}

/// Something that goes wrong again and again.
pub trait Faults: Send {
    /// Goes on until the run is over, or until it went wrong as often as it should; then all is
    /// well again.
    fn run(self: Box<Self>, random: Rng, course: Arc<Course>) -> BoxFuture<'static, Done>;
}
